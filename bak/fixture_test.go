package bak_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/lsn"
)

// makePage makes a page with a right checksum and some content.
func makePage(rng *rand.Rand, file uint16, page uint32) []byte {
	p := make([]byte, bak.PageSize)
	for i := 96; i < 4000; i += 4 {
		binary.LittleEndian.PutUint32(p[i:], rng.Uint32()&0x0f0f0f)
	}
	p[0], p[1] = 1, 1
	binary.LittleEndian.PutUint16(p[4:], 0x200)
	binary.LittleEndian.PutUint32(p[32:], page)
	binary.LittleEndian.PutUint16(p[36:], file)
	binary.LittleEndian.PutUint32(p[60:], bak.PageSum(p))
	return p
}

// makePages makes n extents.
func makePages(rng *rand.Rand, first uint32, extents int) []byte {
	var b []byte
	for i := range uint32(extents * 8) {
		b = append(b, makePage(rng, 1, first+i)...)
	}
	return b
}

// makeLog makes log blocks from one LSN's block to another's, in one virtual log file, and pads to whole extents.
func makeLog(rng *rand.Rand, from, to lsn.LSN) []byte {
	var b []byte
	for blk := from.Block; blk < to.Block; {
		n := min(1+rng.Uint32N(4), to.Block-blk)
		p := make([]byte, n*512)
		for i := 72; i < len(p); i += 4 {
			binary.LittleEndian.PutUint32(p[i:], rng.Uint32())
		}
		p[0] = 0x50
		binary.LittleEndian.PutUint16(p[2:], 1)
		binary.LittleEndian.PutUint16(p[6:], uint16(len(p)))
		binary.LittleEndian.PutUint32(p[12:], from.VLF)
		binary.LittleEndian.PutUint32(p[16:], blk)
		binary.LittleEndian.PutUint32(p[24:], bak.LogBlockSum(p))
		b = append(b, p...)
		blk += n
	}
	return append(b, make([]byte, (65536-len(b)%65536)%65536)...)
}

func guid(n byte) bak.GUID { return bak.GUID{0: n, 7: 0x40, 15: n} }

func at(block uint32) lsn.LSN { return lsn.LSN{VLF: 30, Block: block, Slot: 1} }

var day = time.Date(2024, 2, 29, 21, 0, 7, 0, time.UTC)

// header makes the header of a plausible set.
func header(typ bak.Type, set byte, first, last uint32) bak.Header {
	h := bak.Header{SetGUID: guid(set), Name: "nightly", Description: "größer als ø", User: `AD\svc`, Machine: "SQL1", Flags: bak.FlagAlways,
		Major: 16, Build: 1000, FirstLSN: at(first), LastLSN: at(last), CheckpointLSN: at(first), DatabaseBackupLSN: at(10),
		DatabaseCreated: day.AddDate(-1, 0, 0), Started: day.Add(time.Duration(first) * time.Minute), Finished: day.Add(time.Duration(last) * time.Minute),
		Type: typ, Compatibility: 160, DatabaseID: 7, DatabaseVersion: 957, Database: "Zürich", Server: "SQL1", Locale: 1033, ComparisonStyle: 196609,
		BindingID: guid(90), RecoveryForkID: guid(91), FirstForkID: guid(91), FamilyGUID: guid(92), Collation: 0x00d00409, TimeZone: 4}
	if typ == bak.Differential {
		h.DifferentialBase, h.DifferentialBaseGUID = at(10), guid(1)
	}
	return h
}

var files = []bak.File{
	{ID: 1, Logical: "Zürich", Physical: `D:\data\Zürich.mdf`, Kind: 'D', Filegroup: 1, FilegroupName: "PRIMARY", PageSize: 8192, SectorSize: 512,
		Size: 8 << 20, MaxSize: 1 << 40, BackedUpPages: 16, UniqueID: guid(70), Modified: day},
	{ID: 2, Logical: "Zürich_log", Physical: `D:\data\Zürich.ldf`, Kind: 'L', PageSize: 8192, SectorSize: 512, Size: 1 << 20, MaxSize: 2 << 40, UniqueID: guid(71)},
}

// written is what a fixture wrote, to compare with what is read.
type written struct {
	stripes []*bytes.Buffer
	sets    []bak.Header
	data    [][]byte // per stripe, all sets in order
}

type fixtureOptions struct {
	stripes    int
	sets       []bak.Header
	sum        bool
	compressed bool
	software   string
	extents    int
}

// write makes a medium.
func write(t testing.TB, o fixtureOptions) written {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	w := written{data: make([][]byte, o.stripes)}
	var outs []io.Writer
	for range o.stripes {
		b := new(bytes.Buffer)
		w.stripes = append(w.stripes, b)
		outs = append(outs, b)
		if o.compressed {
			c, err := bak.NewCompressor(b)
			if err != nil {
				t.Fatal(err)
			}
			outs[len(outs)-1] = c
		}
	}
	mw, err := bak.NewWriter(outs, bak.MediaSpec{MediaSet: guid(50), ID: 77, Name: "media", Software: o.software, Written: day})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range o.sets {
		if o.sum {
			h.Flags |= bak.FlagChecksums
		}
		w.sets = append(w.sets, writeSet(t, mw, &w, h, rng, o))
	}
	return w
}

func writeSet(t testing.TB, mw *bak.Writer, w *written, h bak.Header, rng *rand.Rand, o fixtureOptions) bak.Header {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(mw.Begin(h, files))
	put := func(s int, log bool, b []byte) {
		if log {
			check(mw.Log(s, b))
		} else {
			check(mw.Data(s, b))
		}
		w.data[s] = append(w.data[s], b...)
	}
	for s := range o.stripes {
		if h.Type != bak.Log {
			put(s, false, makePages(rng, uint32(s*800), max(o.extents, 1)))
			put(s, false, makePages(rng, uint32(s*800+400), max(o.extents, 1)))
		}
	}
	put(0, true, makeLog(rng, h.FirstLSN, h.LastLSN))
	size, err := mw.End(h, files)
	check(err)
	h.Size = size
	return h
}

func openBytes(t testing.TB, b []byte) (*bak.Content, error) {
	t.Helper()
	return bak.OpenContent(bytes.NewReader(b), int64(len(b)), bak.Options{})
}

func readBytes(t testing.TB, b []byte) *bak.Media {
	t.Helper()
	c, err := openBytes(t, b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := bak.ReadMedia(c, bak.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// allTypes are a full, a differential, a log and an empty log in one medium.
func allTypes() []bak.Header {
	return []bak.Header{header(bak.Full, 1, 10, 30), header(bak.Differential, 2, 40, 50), header(bak.Log, 3, 8, 70), header(bak.Log, 4, 70, 70)}
}
