package bak_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"linkspan/bak"
)

// TestWriterBytes holds the bytes of a medium fast, plain and compressed, with checksums and without: what was once
// written is what is written.
func TestWriterBytes(t *testing.T) {
	for _, c := range []struct {
		name       string
		flags      uint32
		compressed bool
		want       string
	}{
		{"plain", bak.FlagAlways, false, "7ae87f42c19548c7"},
		{"checksums", bak.FlagAlways | bak.FlagChecksums, false, "d737d48ba8f2353e"},
		{"compressed", bak.FlagAlways | bak.FlagChecksums, true, "c4d7df7fe13ee3ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var file bytes.Buffer
			var out io.Writer = &file
			var err error
			if c.compressed {
				if out, err = bak.NewCompressor(&file); err != nil {
					t.Fatal(err)
				}
			}
			w, err := bak.NewWriter([]io.Writer{out}, bak.MediaSpec{MediaSet: bak.GUID{1}, Written: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			h := bak.Header{Type: bak.Full, SetGUID: bak.GUID{2}, Database: "d", Flags: c.flags}
			if err := w.Begin(h, nil); err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				p := bytes.Repeat([]byte(fmt.Sprintf("SFMB%04d", i)), (i+1)*64*37)
				if err := w.Data(0, p); err != nil {
					t.Fatal(err)
				}
				if err := w.Log(0, p[:512*(i+1)]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.End(h, nil); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%x", sha256.Sum256(file.Bytes()))[:16]; got != c.want {
				t.Errorf("%d bytes with hash %s, they had %s", file.Len(), got, c.want)
			}
		})
	}
}
