package bak_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/bak"
)

// readAll reads headers and runs the whole verification; it gives the first fault.
func readAll(t testing.TB, r io.ReaderAt, size int64, o bak.Options) *bak.Fault {
	t.Helper()
	c, err := bak.OpenContent(r, size, o)
	if err != nil {
		return fault(t, err)
	}
	m, err := bak.ReadMedia(c, o)
	if m == nil {
		return fault(t, err)
	}
	v := bak.NewVerification(c, m, err)
	var results []bak.UnitResult
	var buf []byte
	for _, u := range v.Units() {
		var res bak.UnitResult
		res, buf = u.Run(buf)
		results = append(results, res)
	}
	rep, err := v.Finish(results)
	if err != nil {
		t.Fatalf("verification errs without a fault: %v", err)
	}
	if len(rep.Faults) == 0 {
		return nil
	}
	return rep.Faults[0]
}

func fault(t testing.TB, err error) *bak.Fault {
	t.Helper()
	f := bak.AsFault(err)
	if f == nil {
		t.Fatalf("not a fault: %v", err)
	}
	return f
}

func TestACutFileIsTruncatedOrHalfWritten(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		whole := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:2], sum: true, compressed: compressed, software: bak.SoftwareSQLServer}).stripes[0].Bytes()
		end := readBytes(t, whole).Sets[1]
		rng := rand.New(rand.NewPCG(5, 6))
		for range 200 {
			cut := rng.IntN(len(whole))
			part := whole[:cut]
			f := readAll(t, bytes.NewReader(part), int64(cut), bak.Options{})
			if f == nil {
				if compressed || int64(cut) < end.End-4096 {
					if m := readBytes(t, part); len(m.Sets) == 1 && m.Sets[0].Ended {
						continue // cut exactly between two sets: the first is whole
					}
					t.Errorf("compressed %v: cut at %d of %d is not noticed", compressed, cut, len(whole))
				}
				continue
			}
			if f.Kind != bak.Truncated && f.Kind != bak.HalfWritten && cut > 0 {
				t.Errorf("compressed %v: cut at %d of %d: %v", compressed, cut, len(whole), f)
			}
			if f.Offset > int64(cut) {
				t.Errorf("cut at %d is reported at %d", cut, f.Offset)
			}
			if _, err := bak.ReadMediaStream(bytes.NewReader(part), bak.Options{}); err == nil {
				t.Errorf("compressed %v: the stream cut at %d of %d reads as whole", compressed, cut, len(whole))
			}
		}
	}
}

func TestACopyThatReservedItsSpaceIsHalfWritten(t *testing.T) {
	t.Parallel()
	whole := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:1], software: bak.SoftwareSQLServer}).stripes[0].Bytes()
	m := readBytes(t, whole)
	for _, from := range []int64{m.Sets[0].Segments[1].Offset - 1000, m.Sets[0].LastConfig, m.Sets[0].Offset} {
		b := bytes.Clone(whole)
		clear(b[from:])
		c, err := openBytes(t, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = bak.ReadMedia(c, bak.Options{}); !bak.IsKind(err, bak.HalfWritten) {
			t.Errorf("zeros from %d: %v", from, err)
		}
	}
}

// flips are one place in each kind of block, with what the fault must name.
func flips(t testing.TB, b []byte) map[string]int64 {
	t.Helper()
	m := readBytes(t, b)
	s := m.Sets[0]
	log := s.Segments[len(s.Segments)-1]
	at := map[string]int64{
		"descriptor block TAPE": 20, "descriptor block SFMB": 1024 + 20, "descriptor block SSET": s.Offset + 12,
		"stream header in block SSET": s.Offset + int64(binary.LittleEndian.Uint16(b[s.Offset+8:])) + 9,
		"descriptor block MSLS":       s.LastConfig + 30, "descriptor block ESET": s.LastConfig + int64(bytes.Index(b[s.LastConfig:], []byte("ESET"))) + 40,
		"page (1:3)": s.Segments[0].Offset + 3*8192 + 5000, "log block": log.Offset + 300, "stream header in block MSDA": s.Segments[0].FileOffset + 9,
	}
	return at
}

func TestAFlippedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	whole := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:1], software: bak.SoftwareSQLServer}).stripes[0].Bytes()
	for what, off := range flips(t, whole) {
		b := bytes.Clone(whole)
		b[off] ^= 0x10
		f := readAll(t, bytes.NewReader(b), int64(len(b)), bak.Options{})
		if f == nil || f.Kind != bak.Damaged || !strings.HasPrefix(f.What, what) {
			t.Errorf("flip at %d in %s: %v", off, what, f)
		}
	}
}

func TestAFlippedByteUnderAChecksumStreamIsFound(t *testing.T) {
	t.Parallel()
	whole := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:1], sum: true}).stripes[0].Bytes()
	g := readBytes(t, whole).Sets[0].Segments[0]
	b := bytes.Clone(whole)
	b[g.Offset+g.Length-1] ^= 1
	f := readAll(t, bytes.NewReader(b), int64(len(b)), bak.Options{})
	if f == nil || f.Kind != bak.Damaged || !strings.Contains(f.What, "checksum stream") {
		t.Errorf("fault %v", f)
	}
}

func TestAFlippedByteInACompressedFileIsFound(t *testing.T) {
	t.Parallel()
	whole := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:2], compressed: true, software: bak.SoftwareSQLServer}).stripes[0].Bytes()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		off := 480 + rng.IntN(len(whole)-480)
		b := bytes.Clone(whole)
		b[off] ^= byte(1 << rng.IntN(8))
		if b[off] == whole[off] {
			continue
		}
		f := readAll(t, bytes.NewReader(b), int64(len(b)), bak.Options{})
		if f == nil && !inIgnoredBytes(whole, off) {
			t.Errorf("flip at %d of %d is not found", off, len(whole))
		}
	}
}

// inIgnoredBytes tells whether a byte lies in what no checksum covers: the 16 bytes of a record header that mean
// nothing to us, padding, and the rest of a soft filemark.
func inIgnoredBytes(b []byte, off int) bool {
	for p := 480; p < len(b); {
		size := int(binary.LittleEndian.Uint16(b[p+2:]))
		next := p + 24 + size
		switch {
		case bytes.HasPrefix(b[p:], []byte("SFMB")):
			if off >= p+52 && off < p+512 {
				return true
			}
			next = p + 512
		case b[p] == 0x21:
			if off >= p+4 && off < p+24 {
				return true
			}
			next = p + 28 + size
		case b[p] == 0x24 && off >= p+4 && off < next:
			return true
		}
		p = next
	}
	return false
}

func TestOtherFilesAreNotBackups(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes string
		kind  bak.FaultKind
		says  string
	}{
		"empty":             {"", bak.NotABackup, "empty"},
		"text":              {"-- restore this one on Monday\n", bak.NotABackup, "-- restore this"},
		"zip":               {"PK\x03\x04\x14\x00\x00\x00", bak.NotABackup, "PK"},
		"zeros":             {strings.Repeat("\x00", 9000), bak.NotABackup, "zero"},
		"cut in the magic":  {"TA", bak.Truncated, "first header"},
		"old compression":   {"MSSQLBAK\x01\x00" + strings.Repeat("\x00", 1000), bak.Unsupported, "version 1"},
		"future container":  {"MSSQLBAK\x07\x00" + strings.Repeat("\x00", 1000), bak.Unsupported, "version 7"},
		"text after TAPE":   {"TAPE measure, two metres, " + strings.Repeat("long ", 40), bak.Damaged, "checksum"},
		"only a TAPE block": {write(t, fixtureOptions{stripes: 1, sets: nil}).stripes[0].String(), bak.HalfWritten, "no backup set"},
	} {
		f := readAll(t, strings.NewReader(c.bytes), int64(len(c.bytes)), bak.Options{})
		if f == nil || f.Kind != c.kind || !strings.Contains(f.Error(), c.says) {
			t.Errorf("%s: %v", name, f)
		}
		if _, err := bak.ReadMediaStream(strings.NewReader(c.bytes), bak.Options{}); bak.AsFault(err) == nil || bak.AsFault(err).Kind != c.kind {
			t.Errorf("%s as a stream: %v", name, err)
		}
	}
}

// sparse is a file of zeros that counts what is read of it.
type sparse struct{ read int64 }

func (s *sparse) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	s.read += int64(len(p))
	return len(p), nil
}

func TestASparseFileIsJudgedByItsStart(t *testing.T) {
	t.Parallel()
	s := new(sparse)
	if f := readAll(t, s, 4<<30, bak.Options{}); f == nil || f.Kind != bak.NotABackup || !strings.Contains(f.Error(), "sparse") {
		t.Errorf("fault %v", f)
	}
	if s.read > 1<<20 {
		t.Errorf("%d bytes read of a sparse file", s.read)
	}
}

// endless repeats one compressed chunk for ever.
type endless struct{ head, chunk []byte }

func (e *endless) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		if q := off + int64(i); q < int64(len(e.head)) {
			p[i] = e.head[q]
		} else {
			p[i] = e.chunk[(q-int64(len(e.head)))%int64(len(e.chunk))]
		}
	}
	return len(p), nil
}

func TestAFileThatExpandsWithoutEndIsStopped(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	c, err := bak.NewCompressor(&b)
	if err != nil {
		t.Fatal(err)
	}
	head := b.Len()
	if _, err := c.Write(make([]byte, 65536)); err != nil {
		t.Fatal(err)
	}
	e := &endless{head: b.Bytes()[:head], chunk: b.Bytes()[head:]}
	o := bak.Options{MaxExpanded: 64 << 20}
	cont, err := bak.OpenContent(e, 1<<40, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = bak.ReadMedia(cont, o); err == nil {
		t.Error("read to an end")
	}
	if _, err := bak.ReadMediaStream(io.NewSectionReader(e, 0, 1<<40), o); bak.AsFault(err) == nil {
		t.Errorf("stream: %v", err)
	}
	var z bytes.Buffer
	w := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:1], compressed: true, extents: 20})
	z.Write(w.stripes[0].Bytes())
	if _, err := bak.ReadMediaStream(&z, bak.Options{MaxExpanded: 1 << 20}); !bak.IsKind(err, bak.OverBudget) {
		t.Errorf("budget: %v", err)
	}
	cont, err = bak.OpenContent(bytes.NewReader(w.stripes[0].Bytes()), int64(w.stripes[0].Len()), bak.Options{MaxExpanded: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bak.ReadMedia(cont, bak.Options{}); !bak.IsKind(err, bak.OverBudget) {
		t.Errorf("budget at random access: %v", err)
	}
}

// record makes a container with one record of the given type and payload whose checksum is right.
func record(kind byte, sectors byte, payload []byte) []byte {
	b := make([]byte, 480, 4096)
	copy(b, "MSSQLBAK\x02")
	h := make([]byte, 28)
	h[0], h[1] = kind, sectors
	binary.LittleEndian.PutUint16(h[2:], uint16(len(payload)))
	binary.LittleEndian.PutUint32(h[24:], bak.ChunkSum(payload))
	return append(append(b, h...), payload...)
}

func TestOtherCodecsAreNamed(t *testing.T) {
	t.Parallel()
	zstd := append([]byte{0x28, 0xb5, 0x2f, 0xfd}, make([]byte, 300)...)
	random := make([]byte, 400)
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"zstd":         {record(0x21, 2, zstd), "ZSTD"},
		"encrypted":    {record(0x21, 2, random), "encrypted"},
		"unknown type": {record(0x61, 2, random), "0x61"},
	} {
		f := readAll(t, bytes.NewReader(c.b), int64(len(c.b)), bak.Options{})
		if f == nil || f.Kind != bak.Unsupported || !strings.Contains(f.Error(), c.says) {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestErrorsOfTheReaderArePassedOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("the network is gone")
	whole := write(t, fixtureOptions{stripes: 1, sets: allTypes()[:1]}).stripes[0].Bytes()
	if _, err := bak.ReadMediaStream(io.MultiReader(bytes.NewReader(whole[:5000]), iotestErr{broken}), bak.Options{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type iotestErr struct{ err error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.err }

func TestRealFilesCutAnywhere(t *testing.T) {
	t.Parallel()
	dir := realBackups(t)
	for _, name := range []string{"expiredlink/database.bak", "restoretimeclean2016/RestoreTimeClean_1.trn", "dbareports/SQL2008_dbareports_DIFF_20170518_041819.bak"} {
		f, size := openReal(t, filepath.Join(dir, name))
		whole := make([]byte, size)
		if _, err := io.ReadFull(f, whole); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(3, 4))
		for range 200 {
			cut := rng.IntN(len(whole) - 4096)
			if f := readAll(t, bytes.NewReader(whole[:cut]), int64(cut), bak.Options{}); f == nil || f.Kind == bak.Damaged && cut > 52 {
				t.Errorf("%s cut at %d: %v", name, cut, f)
			}
		}
	}
}
