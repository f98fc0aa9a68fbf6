package logvfs

import (
	"sync/atomic"

	"linkspan/lsn"
	"linkspan/pagelog"
)

// Page is one page as of its last change. It is immutable once it is part of a version.
type Page struct {
	Data pagelog.Page
	// Hash is that of Data, and LSN the record that made it.
	Hash pagelog.Digest
	LSN  lsn.LSN
	// Clean tells that the base file holds this very page, so that versions may forget it.
	Clean atomic.Bool
}

// Position is a place in the log: the end of a record.
type Position struct {
	VLF    uint32
	Offset int64
}

// Version is the whole database after one record. It is immutable, but for how it remembers its pages (Forget).
type Version struct {
	LSN lsn.LSN
	// End is where the record ends in the log.
	End Position
	// Epoch and Time are the record's.
	Epoch uint32
	Time  int64
	// Pages is the database's size and Digest its digest.
	Pages  uint32
	Digest pagelog.Digest
	tree   atomic.Pointer[tree]
	gone   atomic.Bool
	// under and aside are of a version made by Beside.
	under *Version
	aside Aside
}

// Aside holds the pages in which a version differs from another, outside memory.
type Aside interface {
	// Page returns the page, nil for one of zeros; ok is false when the page is not among them.
	Page(no uint32) (p *Page, ok bool, err error)
}

// Beside makes v the version that has the pages of aside, and those of under otherwise. It lasts as long as under is kept
// readable, and aside.
func (v *Version) Beside(under *Version, aside Aside) *Version {
	v.under, v.aside = under, aside
	v.tree.Store(&tree{})
	return v
}

// Held returns the page if the version holds it itself, in memory or aside; otherwise the base file (or history) has it, as
// of AsOf.
func (v *Version) Held(no uint32) (p *Page, ok bool, err error) {
	if v.under == nil {
		p = v.Changed(no)
		return p, p != nil, nil
	}
	if p, ok, err = v.aside.Page(no); ok || err != nil {
		return p, ok, err
	}
	return v.under.Held(no)
}

// Aside is what the version was made with by Beside, or nil.
func (v *Version) Aside() Aside { return v.aside }

// AsOf is the LSN as of which the pages are wanted that the version does not hold.
func (v *Version) AsOf() lsn.LSN {
	if v.under != nil {
		return v.under.AsOf()
	}
	return v.LSN
}

// Expire lets the version's pages go while it may still be read: from now on Gone is true, and what is read from it must
// not be used.
func (v *Version) Expire() {
	v.gone.Store(true)
	v.tree.Store(&tree{})
}

// Gone reports whether the version was given up. Ask AFTER a page was read.
func (v *Version) Gone() bool { return v.gone.Load() || v.under != nil && v.under.Gone() }

// Changed returns the page if this version holds it in memory; nil means the base file (or history) has it.
func (v *Version) Changed(no uint32) *Page { return v.tree.Load().get(no) }

// Dirty is about how many pages the version holds in memory.
func (v *Version) Dirty() int { return v.tree.Load().count }

// EachChanged calls f for every page held in memory, in order, until it returns false.
func (v *Version) EachChanged(f func(no uint32, p *Page) bool) { v.tree.Load().each(f) }

// Forget drops the pages that are Clean. The version MUST not be older than what the base file holds, or be pinned, so
// that what the base file loses is saved for it.
func (v *Version) Forget() {
	old := v.tree.Load()
	b := &Builder{from: &tree{}}
	b.reset()
	old.each(func(no uint32, p *Page) bool {
		if !p.Clean.Load() {
			b.Set(no, p)
		}
		return true
	})
	v.tree.Store(b.freeze())
}

// The tree maps page numbers to pages held in memory: a directory and three levels of nodes, which are copied before
// they are changed. A node belongs to the Builder that made it until that is done.
const (
	fanBits = 6
	fan     = 1 << fanBits
	dirBits = 3 * fanBits
)

type (
	node[T any] struct {
		kid   [fan]*T
		owner *token
	}
	leaf   = node[Page]
	middle = node[leaf]
	upper  = node[middle]

	tree struct {
		dir   []*upper
		count int
	}
)

func slots(no uint32) (d, u, m, l int) {
	return int(no >> dirBits), int(no >> (2 * fanBits) & (fan - 1)), int(no >> fanBits & (fan - 1)), int(no & (fan - 1))
}

func (t *tree) get(no uint32) *Page {
	d, u, m, l := slots(no)
	if d >= len(t.dir) || t.dir[d] == nil {
		return nil
	}
	mid := t.dir[d].kid[u]
	if mid == nil || mid.kid[m] == nil {
		return nil
	}
	return mid.kid[m].kid[l]
}

func (t *tree) each(f func(no uint32, p *Page) bool) {
	for d, up := range t.dir {
		if up == nil {
			continue
		}
		for u, mid := range up.kid {
			if mid == nil {
				continue
			}
			for m, lf := range mid.kid {
				if lf != nil && !lf.eachPage(uint32(d)<<dirBits|uint32(u)<<(2*fanBits)|uint32(m)<<fanBits, f) {
					return
				}
			}
		}
	}
}

func (n *node[T]) eachPage(base uint32, f func(no uint32, p *T) bool) bool {
	for l, p := range n.kid {
		if p != nil && !f(base|uint32(l), p) {
			return false
		}
	}
	return true
}

// token marks the nodes that one Builder made since its last Version.
type token struct{ _ byte }

// own returns a node that b may change in place of n.
func own[T any](t *token, n *node[T]) *node[T] {
	if n == nil {
		return &node[T]{owner: t}
	}
	if n.owner == t {
		return n
	}
	c := *n
	c.owner = t
	return &c
}

// Builder makes a version from another, for one goroutine.
type Builder struct {
	from *tree
	dir  []*upper
	n    int
	tok  *token
	// mine are the pages made here, which may still be changed.
	mine map[uint32]*Page
}

// NewBuilder starts from v; nil is the empty database.
func NewBuilder(v *Version) *Builder {
	b := &Builder{from: &tree{}}
	if v != nil {
		b.from = v.tree.Load()
	}
	b.reset()
	return b
}

func (b *Builder) reset() {
	b.dir = append([]*upper(nil), b.from.dir...)
	b.n = b.from.count
	b.tok = new(token)
	b.mine = nil
}

// Get returns the page held in memory, or nil.
func (b *Builder) Get(no uint32) *Page {
	t := tree{dir: b.dir}
	return t.get(no)
}

// Own returns the page if it was made by this builder, so that the caller may change it.
func (b *Builder) Own(no uint32) *Page { return b.mine[no] }

// SetOwn is Set for a page that the caller may still change through Own.
func (b *Builder) SetOwn(no uint32, p *Page) {
	if b.mine == nil {
		b.mine = map[uint32]*Page{}
	}
	b.mine[no] = p
	b.Set(no, p)
}

// Set holds the page in memory.
func (b *Builder) Set(no uint32, p *Page) {
	d, u, m, l := slots(no)
	for d >= len(b.dir) {
		b.dir = append(b.dir, nil)
	}
	up := own(b.tok, b.dir[d])
	b.dir[d] = up
	mid := own(b.tok, up.kid[u])
	up.kid[u] = mid
	lf := own(b.tok, mid.kid[m])
	mid.kid[m] = lf
	if lf.kid[l] == nil {
		b.n++
	}
	lf.kid[l] = p
}

func (b *Builder) freeze() *tree { return &tree{dir: b.dir, count: b.n} }

// Version ends the building; v's fields but the pages are the caller's. The builder may go on: it then copies what v
// has before it changes it.
func (b *Builder) Version(v *Version) *Version {
	v.tree.Store(b.freeze())
	b.from = v.tree.Load()
	b.reset()
	return v
}

// WithPages makes v hold the pages that old holds: for a record that changes none.
func (v *Version) WithPages(old *Version) *Version {
	v.tree.Store(old.tree.Load())
	return v
}
