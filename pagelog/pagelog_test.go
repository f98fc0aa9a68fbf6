package pagelog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/lsn"
	"linkspan/pagelog"
)

// mutate changes some runs of a page.
func mutate(rnd *rand.Rand, p *pagelog.Page) {
	for range rnd.IntN(6) {
		at, n := rnd.IntN(pagelog.PageSize), 1+rnd.IntN(300)
		for i := at; i < min(at+n, pagelog.PageSize); i++ {
			p[i] = byte(rnd.UintN(256))
		}
	}
}

func TestChangeGoesForthAndBack(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var body []byte
		var prev uint32
		before, after := map[uint32]*pagelog.Page{}, map[uint32]*pagelog.Page{}
		for no := uint32(1 + rnd.IntN(3)); no < 40; no += uint32(1 + rnd.IntN(20)) {
			a, b := new(pagelog.Page), new(pagelog.Page)
			mutate(rnd, a)
			*b = *a
			mutate(rnd, b)
			body = pagelog.AppendChange(body, prev, no, pagelog.Hash(no, a).Check(), a, b)
			before[no], after[no], prev = a, b, no
		}
		c := pagelog.ParseChanges(body)
		for n := 0; c.Next(); n++ {
			p := *before[c.Page]
			if c.Check != pagelog.Hash(c.Page, &p).Check() {
				t.Errorf("page %d: check %08x", c.Page, c.Check)
			}
			if c.Apply(&p); p != *after[c.Page] {
				t.Errorf("page %d is not what it became", c.Page)
			}
			if c.Apply(&p); p != *before[c.Page] {
				t.Errorf("page %d is not what it was", c.Page)
			}
			delete(after, c.Page)
		}
		if c.Err() != nil || len(after) != 0 {
			t.Fatalf("%d pages left, %v", len(after), c.Err())
		}
	}
}

func TestChangeIsSmall(t *testing.T) {
	t.Parallel()
	a, b := new(pagelog.Page), new(pagelog.Page)
	binary.BigEndian.PutUint32(a[24:], 77) // SQLite's change counter
	binary.BigEndian.PutUint32(b[24:], 78)
	copy(b[5000:], "a row of some thirty characters")
	if n := len(pagelog.AppendChange(nil, 0, 1, 0, a, b)); n > 1+4+(1+1+1)+(1+2+31)+1 {
		t.Errorf("%d bytes for one counter and 31 bytes", n)
	}
	for i := range b { // the worst that can be
		b[i] = byte(i%5) * 7
	}
	if n := len(pagelog.AppendChange(nil, 0, 1<<32-1, 0, nil, b)); n > pagelog.MaxChange {
		t.Errorf("%d bytes, more than MaxChange", n)
	}
}

func record(h pagelog.Header, body []byte) []byte {
	b := append(pagelog.Begin(nil), body...)
	pagelog.Seal(b, &h)
	return b
}

func TestRecord(t *testing.T) {
	t.Parallel()
	want := pagelog.Header{Kind: pagelog.KindControl, Flags: pagelog.FlagMore, Epoch: 3, LSN: lsn.LSN{VLF: 4, Block: 5, Slot: 6},
		Prev: lsn.LSN{VLF: 4, Block: 5, Slot: 5}, Hardened: lsn.LSN{VLF: 3, Block: 1, Slot: 1}, Pages: 9, Time: -5, Digest: pagelog.Digest{1, 2, 3}}
	b := record(want, pagelog.AppendControl(nil, 7, []byte("role")))
	want.Length = uint32(len(b))
	got, body, err := pagelog.Parse(append(b, "next"...))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if kind, payload, err := pagelog.ParseControl(body); err != nil || kind != 7 || string(payload) != "role" {
		t.Errorf("control %d %q %v", kind, payload, err)
	}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1
		if _, _, err := pagelog.Parse(c); !errors.Is(err, pagelog.ErrInvalid) && !errors.Is(err, pagelog.ErrShort) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	if _, _, err := pagelog.Parse(b[:len(b)-1]); !errors.Is(err, pagelog.ErrShort) {
		t.Errorf("cut: %v", err)
	}
	if _, _, err := pagelog.Parse(make([]byte, 500)); !errors.Is(err, pagelog.ErrBlank) {
		t.Errorf("zeros: %v", err)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	var zero, p pagelog.Page
	if !pagelog.Hash(7, &zero).IsZero() {
		t.Error("a page of zeros has a hash")
	}
	p[pagelog.PageSize-1] = 1
	if pagelog.Hash(7, &p) == pagelog.Hash(8, &p) || pagelog.Hash(7, &p).IsZero() {
		t.Error("the hash does not depend on the page's number")
	}
	// The format fixes this value: another one makes every existing database unreadable.
	if got := pagelog.Hash(7, &p).String(); got != wantHash {
		t.Errorf("hash %s, want %s", got, wantHash)
	}
}

// segmentOf lays records of the sizes into a segment and returns its bytes and the LSNs.
func segmentOf(sizes ...int) ([]byte, []lsn.LSN) {
	h := pagelog.SegmentHeader{ID: [16]byte{1}, VLF: 3, Prev: lsn.LSN{VLF: 2, Block: 9, Slot: 1}}
	b := h.Encode()
	prev := h.Prev
	var all []lsn.LSN
	for _, n := range sizes {
		at := pagelog.Next(prev, 3, int64(len(b)))
		rec := record(pagelog.Header{Kind: pagelog.KindPages, LSN: at, Prev: prev, Hardened: prev}, bytes.Repeat([]byte{3}, n))
		b = append(b, rec...)
		all = append(all, at)
		prev = at
	}
	return b, all
}

func TestScan(t *testing.T) {
	t.Parallel()
	b, want := segmentOf(10, 20, 3000, 400<<10, 1)
	b = append(b, make([]byte, 10000)...)
	h, err := pagelog.ParseSegmentHeader(b)
	if err != nil || h.VLF != 3 {
		t.Fatalf("header %+v, %v", h, err)
	}
	var got []lsn.LSN
	sc := pagelog.NewScanner(bytes.NewReader(b), 3, pagelog.SegmentHeaderSize, h.Prev)
	for {
		h, _, rec, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if int(h.Length) != len(rec) {
			t.Errorf("%d bytes of a record of %d", len(rec), h.Length)
		}
		got = append(got, h.LSN)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got[0] != (lsn.LSN{VLF: 3, Block: 1, Slot: 1}) || got[1].Slot != 2 {
		t.Errorf("the first records are %v", got[:2])
	}
}

func TestSurvivors(t *testing.T) {
	t.Parallel()
	b, all := segmentOf(100, 100, 100, 100)
	b[pagelog.SegmentHeaderSize+pagelog.HeaderSize+20]++ // in the first record
	sc := pagelog.NewScanner(bytes.NewReader(b), 3, pagelog.SegmentHeaderSize, lsn.LSN{VLF: 2, Block: 9, Slot: 1})
	_, _, _, err := sc.Next()
	var bad *pagelog.BadRecord
	if !errors.As(err, &bad) || bad.Offset != pagelog.SegmentHeaderSize || bad.LSN != all[0] {
		t.Fatalf("scan: %v", err)
	}
	hardened, n, err := pagelog.Survivors(bytes.NewReader(b), 3, bad.Offset)
	if err != nil || n != 3 || hardened != all[2] {
		t.Errorf("%d survivors know %s hardened, %v", n, hardened, err)
	}
	if _, n, _ := pagelog.Survivors(bytes.NewReader(b), 4, bad.Offset); n != 0 {
		t.Errorf("%d survivors of another segment", n)
	}
}

func FuzzParse(f *testing.F) {
	b, _ := segmentOf(10, 300)
	f.Add(b)
	var p pagelog.Page
	p[9], p[4000] = 1, 2
	f.Add(record(pagelog.Header{Kind: pagelog.KindPages}, pagelog.AppendChange(nil, 0, 5, 1, nil, &p)))
	f.Add(pagelog.AppendChange(nil, 0, 5, 1, nil, &p))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		if h, body, err := pagelog.Parse(b); err == nil && int(h.Length) != pagelog.HeaderSize+len(body) {
			t.Error("length and body do not fit")
		}
		_, _ = pagelog.ParseSegmentHeader(b)
		_, _, _ = pagelog.ParseControl(b)
		c := pagelog.ParseChanges(b)
		for c.Next() {
			var p, zero pagelog.Page
			c.Apply(&p)
			if c.Apply(&p); p != zero {
				t.Errorf("page %d: twice is not nothing", c.Page)
			}
		}
		sc := pagelog.NewScanner(bytes.NewReader(b), 3, 0, lsn.Zero)
		for {
			if _, _, _, err := sc.Next(); err != nil {
				break
			}
		}
		if _, _, err := pagelog.Survivors(bytes.NewReader(b), 3, 0); err != nil {
			t.Error(err)
		}
	})
}

const wantHash = "b5a79a6fd4ae6430fe6c0e874eb5a25e"
