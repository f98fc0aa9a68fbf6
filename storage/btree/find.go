package btree

import (
	"context"
	"encoding/binary"
)

// Part says what a page is to its owner.
type Part uint8

// The parts.
const (
	// Unknown: nothing that could be read leads to the page.
	Unknown Part = iota
	Root
	Interior
	Leaf
	// Overflow: it holds what of a row or key did not find room on its leaf.
	Overflow
	// Free: it belongs to nobody and waits to be used.
	Free
	// Map: it is the database's own bookkeeping of pages.
	Map
)

// String names the part as messages do.
func (p Part) String() string {
	return [...]string{"unknown", "root", "interior", "leaf", "overflow", "free", "map"}[min(p, Map)]
}

// Owner is what a page belongs to.
type Owner struct {
	Part Part
	// Kind is "table" or "index", Name its name and Table its table's, as the schema has them; for the schema's own
	// b-tree the name is "sqlite_schema". All are empty for Free, Map and Unknown.
	Kind, Name, Table string
}

// Schema is the name of the b-tree that lists the others.
const Schema = "sqlite_schema"

// maxDepth bounds the levels that are gone down; SQLite's own bound is 20.
const maxDepth = 24

// Reader gives the content of a page, which is not kept; nil stands for zeros. An error means that the page cannot be
// read: what lies below it stays unknown.
type Reader func(no uint32) ([]byte, error)

// Find tells the owners of pages of a database with the given number of pages. It reads the pages above the leaves first,
// then the list of free pages, and every page only when one is left that may be an overflow page. The pages asked for are
// themselves believed last: they may be the damaged ones. It holds two bits per page of the database, and the schema. Its
// error is that of ctx; what was found until then is in the result, where a page that is not known has Part Unknown.
func Find(ctx context.Context, pages uint32, read Reader, want []uint32) (map[uint32]Owner, error) {
	f := &finder{ctx: ctx, pages: pages, read: read, found: map[uint32]Owner{}, open: map[uint32]bool{}, doubtful: map[uint32]bool{}}
	for _, no := range want {
		f.found[no] = Owner{}
		if no > 0 && no <= pages {
			f.open[no], f.doubtful[no] = true, true
		}
	}
	err := f.run()
	return f.found, err
}

type finder struct {
	ctx    context.Context
	pages  uint32
	usable int
	read   Reader
	found  map[uint32]Owner
	// open are the pages still looked for, doubtful those whose content is not gone by yet.
	open, doubtful map[uint32]bool
	seen           bitmap
	trees          []entry
	reads          int
}

type bitmap []uint64

func newBitmap(pages uint32) bitmap { return make(bitmap, pages/64+1) }

// add reports whether the page was not there.
func (b bitmap) add(no uint32) bool {
	was := b[no/64] & (1 << (no % 64))
	b[no/64] |= 1 << (no % 64)
	return was == 0
}

// lockPage is the page that holds SQLite's lock bytes.
const lockByte = 1 << 30

func (f *finder) run() error {
	f.seen = newBitmap(f.pages)
	f.usable = 8192
	first := f.page(1)
	if first == nil {
		first = make([]byte, headerSize)
	} else {
		f.usable = len(first) - int(first[20])
		f.maps(first)
	}
	trunk := binary.BigEndian.Uint32(first[32:])
	f.schema()
	f.climb()
	f.free(trunk)
	if len(f.open) > 0 { // below the pages asked for there may be others
		clear(f.doubtful)
		f.seen = newBitmap(f.pages)
		f.climb()
		f.free(trunk)
	}
	if len(f.open) > 0 {
		f.seen = newBitmap(f.pages)
		f.overflows()
	}
	return f.ctx.Err()
}

// page reads a page; nil when it cannot be read, or when the search is over.
func (f *finder) page(no uint32) []byte {
	if f.reads++; !f.valid(no) || f.reads%64 == 0 && f.ctx.Err() != nil {
		return nil
	}
	b, err := f.read(no)
	if err != nil || len(b) < 512 {
		return nil
	}
	return b
}

func (f *finder) over() bool { return len(f.open) == 0 || f.ctx.Err() != nil }

func (f *finder) claim(no uint32, o Owner) {
	if f.open[no] {
		f.found[no] = o
		delete(f.open, no)
	}
}

func (f *finder) valid(no uint32) bool { return no > 0 && no <= f.pages }

// maps claims the pages that are in no b-tree by their number.
func (f *finder) maps(first []byte) {
	lock := lockByte/uint32(len(first)) + 1
	f.claim(lock, Owner{Part: Map})
	if binary.BigEndian.Uint32(first[52:]) == 0 { // it has no pointer maps
		return
	}
	step := uint32(f.usable/5) + 1
	for no := range f.open {
		if no >= 2 && (no-2)%step == 0 {
			f.claim(no, Owner{Part: Map})
		}
	}
}

// schema reads the list of b-trees, and claims its own pages.
func (f *finder) schema() {
	f.trees = []entry{{"table", Schema, Schema, 1}}
	f.claim(1, f.owner(f.trees[0], Root))
	f.each(1, newBitmap(f.pages), func(no uint32, page []byte, n *Node) {
		if n.Leaf {
			f.trees = append(f.trees, entries(page, n, f.usable)...)
		}
	})
}

func (f *finder) owner(t entry, p Part) Owner {
	return Owner{Part: p, Kind: t.kind, Name: t.name, Table: t.table}
}

// level is a page to be gone down from.
type level struct {
	no    uint32
	depth int
}

// each calls visit with every page of a b-tree that can be read, from the root on.
func (f *finder) each(root uint32, seen bitmap, visit func(no uint32, page []byte, n *Node)) {
	if !f.valid(root) || !seen.add(root) {
		return
	}
	for todo := []level{{root, 0}}; len(todo) > 0 && f.ctx.Err() == nil; {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		page := f.page(l.no)
		if page == nil {
			continue
		}
		n, _ := Decode(l.no, page, f.usable) // of a damaged page, what can be read of it
		visit(l.no, page, &n)
		for _, c := range n.Children {
			if f.valid(c) && l.depth < maxDepth && seen.add(c) {
				todo = append(todo, level{c, l.depth + 1})
			}
		}
	}
}

// climb claims the pages of all b-trees by what the pages above the leaves say.
func (f *finder) climb() {
	for _, t := range f.trees {
		if f.over() {
			return
		}
		if f.valid(t.root) && f.seen.add(t.root) {
			f.claim(t.root, f.owner(t, Root))
			f.climbTree(t)
		}
	}
}

func (f *finder) climbTree(t entry) {
	for todo := []level{{t.root, 0}}; len(todo) > 0 && !f.over(); {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if f.doubtful[l.no] {
			continue
		}
		page := f.page(l.no)
		if page == nil {
			continue
		}
		n, _ := Decode(l.no, page, f.usable)
		leaves := f.leaves(&n)
		part := Interior
		if leaves {
			part = Leaf
		}
		for _, c := range n.Children {
			if !f.valid(c) || l.depth == maxDepth || !f.seen.add(c) {
				continue
			}
			f.claim(c, f.owner(t, part))
			if !leaves {
				todo = append(todo, level{c, l.depth + 1})
			}
		}
	}
}

// leaves reports whether the node's children are leaves: all are when one is.
func (f *finder) leaves(n *Node) bool {
	for _, c := range n.Children {
		if !f.valid(c) || f.doubtful[c] {
			continue
		}
		page := f.page(c)
		if page == nil {
			continue
		}
		if child, err := Decode(c, page, f.usable); err == nil {
			return child.Leaf
		}
	}
	return true
}

// free claims the pages of the list of free pages.
func (f *finder) free(trunk uint32) {
	for seen := newBitmap(f.pages); !f.over() && f.valid(trunk) && seen.add(trunk); {
		f.claim(trunk, Owner{Part: Free})
		page := f.page(trunk)
		if page == nil || f.doubtful[trunk] {
			return
		}
		n := int(binary.BigEndian.Uint32(page[4:]))
		for i := 0; i < n && 12+4*i <= f.usable; i++ {
			f.claim(binary.BigEndian.Uint32(page[8+4*i:]), Owner{Part: Free})
		}
		trunk = binary.BigEndian.Uint32(page)
	}
}

// overflows reads all of every b-tree and claims what its cells point to.
func (f *finder) overflows() {
	chained := newBitmap(f.pages)
	for _, t := range f.trees {
		f.each(t.root, f.seen, func(_ uint32, _ []byte, n *Node) {
			for _, no := range n.Overflow {
				f.chain(no, chained, f.owner(t, Overflow))
			}
		})
		if f.over() {
			return
		}
	}
}

// chain claims the pages of one chain of overflow pages.
func (f *finder) chain(no uint32, chained bitmap, o Owner) {
	for f.valid(no) && !f.over() && chained.add(no) {
		wanted := f.open[no]
		f.claim(no, o)
		page := f.page(no)
		if page == nil || wanted && f.over() {
			return
		}
		no = binary.BigEndian.Uint32(page)
	}
}
