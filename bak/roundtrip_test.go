package bak_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/bak"
)

func TestReadsBackEverythingTheWriterWrites(t *testing.T) {
	t.Parallel()
	for _, stripes := range []int{1, 2, 5} {
		for _, compressed := range []bool{false, true} {
			for _, sum := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d stripes compressed %v checksum %v", stripes, compressed, sum), func(t *testing.T) {
					t.Parallel()
					w := write(t, fixtureOptions{stripes: stripes, sets: allTypes(), sum: sum, compressed: compressed, software: bak.SoftwareSQLServer})
					for i, b := range w.stripes {
						checkWritten(t, w, i, b.Bytes(), compressed)
					}
				})
			}
		}
	}
}

func checkWritten(t *testing.T, w written, stripe int, b []byte, compressed bool) {
	t.Helper()
	m := readBytes(t, b)
	stream, err := bak.ReadMediaStream(bytes.NewReader(b), bak.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*bak.Media{m, stream} {
		if got, want := m.Family, (bak.Family{MediaSet: guid(50), Count: len(w.stripes), Sequence: stripe + 1, ID: 77 + uint32(stripe), Name: "media",
			Software: bak.SoftwareSQLServer, BlockSize: 1024, Vendor: 4608, Written: day}); got != want {
			t.Errorf("family %+v, want %+v", got, want)
		}
		if (m.Container == bak.Compressed) != compressed || len(m.Sets) != len(w.sets) {
			t.Fatalf("container %v, %d sets, want %d", m.Container, len(m.Sets), len(w.sets))
		}
		for i, s := range m.Sets {
			want := w.sets[i]
			want.Position, want.Final, want.SetAttributes = i+1, true, s.SetAttributes
			if d := cmp.Diff(want, s.Header); d != "" {
				t.Errorf("set %d (-written +read):\n%s", i+1, d)
			}
			if d := cmp.Diff(files, s.Files); d != "" {
				t.Errorf("files of set %d (-written +read):\n%s", i+1, d)
			}
		}
	}
	c, err := openBytes(t, b)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, s := range m.Sets {
		for _, log := range []bool{false, true} {
			p, err := io.ReadAll(c.Payload(s, log))
			if err != nil || int64(len(p)) != s.PayloadLength(log) {
				t.Fatalf("%d bytes of payload, want %d: %v", len(p), s.PayloadLength(log), err)
			}
			got = append(got, p...)
		}
	}
	if !bytes.Equal(got, w.data[stripe]) {
		t.Errorf("payload differs: %d bytes read, %d written", len(got), len(w.data[stripe]))
	}
	if r := verifyContent(t, c); r.Verdict == bak.DamagedAt {
		t.Errorf("verification: %v", r.Err())
	}
}

func TestAppendsToAMedium(t *testing.T) {
	t.Parallel()
	w := write(t, fixtureOptions{stripes: 2, sets: allTypes()[:1]})
	var media []*bak.Media
	var outs []io.Writer
	for _, b := range w.stripes {
		media = append(media, readBytes(t, b.Bytes()))
		outs = append(outs, b)
	}
	mw, err := bak.ResumeWriter(outs, media)
	if err != nil {
		t.Fatal(err)
	}
	h := header(bak.Log, 9, 30, 44)
	if err := mw.Begin(h, files); err != nil {
		t.Fatal(err)
	}
	if err := mw.Log(1, make([]byte, 1024)); err != nil {
		t.Fatal(err)
	}
	if _, err := mw.End(h, files); err != nil {
		t.Fatal(err)
	}
	for i, b := range w.stripes {
		m := readBytes(t, b.Bytes())
		if len(m.Sets) != 2 || m.Sets[1].Position != 2 || m.Sets[1].SetGUID != guid(9) || m.Sets[0].SetGUID != guid(1) {
			t.Errorf("stripe %d after appending: %+v", i+1, m.Sets)
		}
	}
}

func TestVerificationNamesWhatItCoversAndWhatNot(t *testing.T) {
	t.Parallel()
	w := write(t, fixtureOptions{stripes: 1, sets: allTypes(), sum: true, software: bak.SoftwareSQLServer, extents: 90})
	c, err := openBytes(t, w.stripes[0].Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r := verifyContent(t, c)
	if r.Verdict != bak.Verified {
		t.Errorf("verdict %v: %v", r.Verdict, r.Err())
	}
	if p := checkNamed(r, "page checksums"); p.OK != 4*90*8 || p.Bad != 0 {
		t.Errorf("pages %+v", p)
	}
	if s := checkNamed(r, "checksum streams"); s.OK != 7 || s.Bad+s.Without != 0 {
		t.Errorf("checksum streams %+v", s)
	}
	if l := checkNamed(r, "log continuity"); l.OK != 3 || l.Bad != 0 {
		t.Errorf("log continuity %+v", l)
	}
	if len(r.NotCovered) == 0 {
		t.Error("the report claims to cover everything")
	}
}

func TestThePayloadOfACutFileIsNotShort(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		w := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:1], compressed: compressed, extents: 8})
		b := w.stripes[0].Bytes()[:w.stripes[0].Len()/2]
		c, err := openBytes(t, b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := bak.ReadMedia(c, bak.Options{})
		if !bak.IsKind(err, bak.Truncated) || len(m.Sets) != 1 {
			t.Fatalf("compressed %v: %v", compressed, err)
		}
		if p, err := io.ReadAll(c.Payload(m.Sets[0], false)); m.Sets[0].Ended || !compressed && !bak.IsKind(err, bak.Truncated) {
			t.Errorf("compressed %v: %d bytes of payload: %v", compressed, len(p), err)
		}
	}
}
