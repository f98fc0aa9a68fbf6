package depot

import (
	"errors"
	"strings"
	"testing"

	"linkspan/media/azblob"
	"linkspan/migrate/flow"
)

func TestTile(t *testing.T) {
	t.Parallel()
	b := func(offset, length int64, sum byte) block { return block{offset, length, [16]byte{sum}} }
	for name, c := range map[string]struct {
		have        []block
		fresh       []block
		size        int64
		from, until int64 // of what is missing; until 0: nothing is
	}{
		"whole, any order":             {have: []block{b(20, 5, 1), b(0, 10, 2), b(10, 10, 3)}, size: 25},
		"empty":                        {size: 0},
		"nothing":                      {size: 5, until: 5},
		"gap":                          {have: []block{b(0, 10, 1), b(20, 5, 1)}, size: 25, from: 10, until: 20},
		"end missing":                  {have: []block{b(0, 10, 1)}, size: 25, from: 10, until: 25},
		"two at one offset":            {have: []block{b(0, 10, 1), b(0, 10, 2), b(10, 5, 1)}, size: 15, until: 10},
		"two, one of them fresh":       {have: []block{b(0, 10, 1), b(0, 10, 2)}, fresh: []block{b(0, 10, 1)}, size: 10},
		"fresh first":                  {have: []block{b(0, 10, 2), b(0, 10, 1)}, fresh: []block{b(0, 10, 2)}, size: 10},
		"the same twice":               {have: []block{b(0, 10, 1), b(0, 10, 1)}, size: 10},
		"longer than the file":         {have: []block{b(0, 10, 1), b(10, 10, 1)}, size: 15, from: 10, until: 15},
		"another size from the middle": {have: []block{b(0, 10, 1), b(10, 30, 1)}, size: 40},
	} {
		chain, err := tile("f", c.have, func(x block) bool {
			for _, f := range c.fresh {
				if f == x {
					return true
				}
			}
			return false
		}, c.size)
		lacks := new(Incomplete)
		switch {
		case c.until == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.until != 0 && (!errors.As(err, &lacks) || lacks.Offset != c.from || lacks.Until != c.until):
			t.Errorf("%s: %v", name, err)
		case c.until == 0:
			next := int64(0)
			for _, x := range chain {
				if x.offset != next {
					t.Errorf("%s: %v", name, chain)
				}
				next += x.length
			}
		}
	}
}

// A blob takes so many blocks and no more; the next is refused with what to do.
func TestTooManyBlocks(t *testing.T) {
	t.Parallel()
	d, err := New(Options{Blob: azblob.Options{Container: "https://account.storage.invalid/storage"}})
	if err != nil {
		t.Fatal(err)
	}
	c, ok := d.store.(*container)
	if !ok {
		t.Fatal("no container")
	}
	stored := Name(flow.Set{ID: "s"}, flow.File{})
	_, f := c.blob("db", stored)
	f.listed = true
	for i := range int64(azblob.MaxBlocks) {
		f.have[block{offset: i, length: 1}] = false
	}
	f.have[blockOf(7, []byte("x"))] = false
	if err := d.Put(t.Context(), "db", stored, 7, []byte("x")); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if err := d.Put(t.Context(), "db", stored, azblob.MaxBlocks, []byte("x")); !errors.As(err, new(*flow.Halt)) || !strings.Contains(err.Error(), "blockMiB") {
		t.Errorf("one too many: %v", err)
	}
}

// FuzzJournal reads any bytes as a journal, and what was written as it was.
func FuzzJournal(f *testing.F) {
	ok := append([]byte(journalMark), record(block{0, 10, [16]byte{1}})...)
	f.Add(ok)
	f.Add(append(ok, record(block{offset: 0})...))
	f.Add(ok[:len(ok)-1])
	f.Fuzz(func(t *testing.T, p []byte) {
		blocks, end := parseJournal(p)
		if end > int64(len(p)) {
			t.Errorf("the end %d lies behind %d bytes", end, len(p))
		}
		for off, b := range blocks {
			if off != b.offset || b.length <= 0 || off < 0 {
				t.Errorf("block %+v at %d", b, off)
			}
		}
	})
}

// FuzzID reads any bytes as a block's id.
func FuzzID(f *testing.F) {
	f.Add([]byte(blockOf(7, []byte("x")).id()))
	f.Add([]byte("LSB1"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if b, ok := parseID(string(p)); ok && b.id() != string(p) {
			t.Errorf("%q is not the id of %+v", p, b)
		}
	})
}
