package bak_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/bak"
)

// counted counts the bytes that are read.
type counted struct {
	r *bytes.Reader
	n int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return c.r.ReadAt(p, off)
}

// sameEnds compares what the ends tell with what the walk does.
func sameEnds(t *testing.T, got, want *bak.Media) {
	t.Helper()
	if got.Family != want.Family || len(got.Sets) != 1 || len(want.Sets) != 1 {
		t.Fatalf("family %+v, want %+v; %d sets", got.Family, want.Family, len(got.Sets))
	}
	g, w := got.Sets[0], want.Sets[0]
	if d := cmp.Diff(w.Header, g.Header); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(w.Files, g.Files); d != "" {
		t.Error(d)
	}
	if !g.Ended || !g.Final {
		t.Errorf("ended %v, final %v", g.Ended, g.Final)
	}
}

func TestEndsOfWrittenFiles(t *testing.T) {
	t.Parallel()
	for _, h := range allTypes() {
		var file bytes.Buffer
		c, err := bak.NewCompressor(&file)
		if err != nil {
			t.Fatal(err)
		}
		writeLarge(t, c, h, 3<<20)
		want := walked(t, file.Bytes())
		in := &counted{r: bytes.NewReader(file.Bytes())}
		got, err := bak.ReadEnds(in, int64(file.Len()), bak.Options{})
		if err != nil {
			t.Fatalf("%v: %v", h.Type, err)
		}
		sameEnds(t, got, want)
		if in.n > 520<<10 {
			t.Errorf("%v: %d bytes of %d were read", h.Type, in.n, file.Len())
		}
		for _, cut := range []int{1, 511, 512, 1024, 2000, 5000, 70000} {
			if m, err := bak.ReadEnds(bytes.NewReader(file.Bytes()), int64(file.Len()-cut), bak.Options{}); !errors.Is(err, bak.ErrEnds) {
				t.Errorf("%v: %d bytes are missing: %v, %v", h.Type, cut, m, err)
			}
		}
	}
}

func TestEndsOfRealFiles(t *testing.T) {
	t.Parallel()
	dir, all := manifest(t)
	told := 0
	for _, e := range all {
		f, size := openReal(t, filepath.Join(dir, e.File))
		got, err := bak.ReadEnds(f, size, bak.Options{})
		if errors.Is(err, bak.ErrEnds) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", e.File, err)
		}
		c, err := bak.OpenContent(f, size, bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := bak.ReadMedia(c, bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sameEnds(t, got, want)
		told++
	}
	if told == 0 {
		t.Error("no real file was told by its ends")
	}
}

// walked reads a file as a whole.
func walked(t *testing.T, b []byte) *bak.Media {
	t.Helper()
	c, err := bak.OpenContent(bytes.NewReader(b), int64(len(b)), bak.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := bak.ReadMedia(c, bak.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// writeLarge writes one set with n bytes that hardly shrink.
func writeLarge(t *testing.T, c *bak.Compressor, h bak.Header, n int) {
	t.Helper()
	w, err := bak.NewWriter([]io.Writer{c}, bak.MediaSpec{MediaSet: bak.GUID{1}})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, uint64(h.Type)))
	for i := range data {
		data[i] = byte(rng.Uint32N(64))
	}
	if err := w.Begin(h, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Data(0, data); err != nil {
		t.Fatal(err)
	}
	if _, err := w.End(h, nil); err != nil {
		t.Fatal(err)
	}
}

func FuzzEnds(f *testing.F) {
	var file bytes.Buffer
	c, err := bak.NewCompressor(&file)
	if err != nil {
		f.Fatal(err)
	}
	w, err := bak.NewWriter([]io.Writer{c}, bak.MediaSpec{MediaSet: bak.GUID{1}})
	if err != nil {
		f.Fatal(err)
	}
	h := allTypes()[0]
	err = errors.Join(w.Begin(h, nil), w.Data(0, make([]byte, 64<<10)))
	if _, end := w.End(h, nil); errors.Join(err, end) != nil {
		f.Fatal(err, end)
	}
	f.Add(file.Bytes()[:2048], file.Bytes()[2048:])
	f.Fuzz(func(t *testing.T, front, tail []byte) {
		if len(front) > 64<<10 || len(tail) > 64<<10 {
			return
		}
		b := make([]byte, 512<<10)
		copy(b, front)
		copy(b[len(b)-len(tail):], tail)
		m, err := bak.ReadEnds(bytes.NewReader(b), int64(len(b)), bak.Options{})
		if (m == nil) == (err == nil) {
			t.Fatalf("media %v, error %v", m, err)
		}
	})
}
