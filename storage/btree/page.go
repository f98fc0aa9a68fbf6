package btree

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNoNode is wrapped by the errors of Decode: the page is not one of a b-tree, or not a whole one.
var ErrNoNode = errors.New("not a page of a b-tree")

// The kinds of pages, as their first byte has them.
const (
	indexInterior = 2
	tableInterior = 5
	indexLeaf     = 10
	tableLeaf     = 13
)

// headerSize is that of the database's header, which stands before the first page's own.
const headerSize = 100

// Node is a page of a b-tree.
type Node struct {
	// Leaf: it has no children. Index: its cells are keys; otherwise they are rows, or only rows' numbers where it is no
	// leaf.
	Leaf, Index bool
	// Children are the pages below it, at most a few thousand, and Overflow the first pages of what did not find room in a
	// cell. They may name any page, also one that does not exist.
	Children, Overflow []uint32
	// cells are where the cells begin.
	cells []int
}

// Decode reads page no, of which usable bytes (PageSize less what the header reserves) are SQLite's. It errs with
// ErrNoNode, and gives then what could be read before the first thing that was wrong.
func Decode(no uint32, page []byte, usable int) (Node, error) {
	var n Node
	if usable > len(page) || usable < 480 { // the least that SQLite takes
		return n, fmt.Errorf("%w: %d of %d bytes", ErrNoNode, usable, len(page))
	}
	at := 0
	if no == 1 {
		at = headerSize
	}
	kind, count := page[at], int(binary.BigEndian.Uint16(page[at+3:]))
	first := at + 8
	switch kind {
	case indexInterior, tableInterior:
		first = at + 12
	case indexLeaf, tableLeaf:
		n.Leaf = true
	default:
		return n, fmt.Errorf("%w: page %d is of kind %d", ErrNoNode, no, kind)
	}
	n.Index = kind == indexInterior || kind == indexLeaf
	if first+2*count > usable {
		return n, fmt.Errorf("%w: page %d has %d cells", ErrNoNode, no, count)
	}
	for i := range count {
		cell := int(binary.BigEndian.Uint16(page[first+2*i:]))
		if cell < first+2*count || cell+4 > usable {
			return n, fmt.Errorf("%w: cell %d of page %d is at %d", ErrNoNode, i, no, cell)
		}
		n.cells = append(n.cells, cell)
		n.cell(page[:usable], cell)
	}
	if !n.Leaf {
		n.Children = append(n.Children, binary.BigEndian.Uint32(page[at+8:]))
	}
	return n, nil
}

// cell takes the page numbers out of a cell.
func (n *Node) cell(page []byte, at int) {
	b := page[at:]
	if !n.Leaf {
		n.Children = append(n.Children, binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if !n.Leaf && !n.Index {
		return // a row's number, and nothing else
	}
	size, k := varint(b)
	b = b[k:]
	if !n.Index {
		_, k = varint(b)
		b = b[k:]
	}
	local := n.local(size, uint64(len(page)))
	if local == size || uint64(len(b)) < local+4 {
		return
	}
	n.Overflow = append(n.Overflow, binary.BigEndian.Uint32(b[local:]))
}

// local is how much of a payload of that size lies in the cell ([SQLite file format] 1.6).
func (n *Node) local(size, usable uint64) uint64 {
	most, least := usable-35, (usable-12)*32/255-23
	if n.Index {
		most = (usable-12)*64/255 - 23
	}
	if size <= most {
		return size
	}
	if k := least + (size-least)%(usable-4); k <= most {
		return k
	}
	return least
}

// varint reads SQLite's variable-length integer; where the bytes end before it, what there is.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		v = v<<7 | uint64(b[n]&0x7f)
		n++
		if b[n-1] < 0x80 {
			return v, n
		}
	}
	if n < len(b) {
		v = v<<8 | uint64(b[n])
		n++
	}
	return v, n
}

// entry is a row of the schema: a table or an index and its root page.
type entry struct {
	kind, name, table string
	root              uint32
}

// entries are the rows on a leaf of the schema's b-tree, as far as they can be read: their first columns never overflow.
func entries(page []byte, n *Node, usable int) []entry {
	var out []entry
	for _, at := range n.cells {
		b := page[at:usable]
		_, k := varint(b)
		b = b[k:]
		_, k = varint(b)
		if e, ok := schemaRow(b[k:]); ok {
			out = append(out, e)
		}
	}
	return out
}

// schemaRow reads type, name, tbl_name and rootpage of a record.
func schemaRow(b []byte) (e entry, ok bool) {
	head, k := varint(b)
	if head < uint64(k) || head > uint64(len(b)) {
		return e, false
	}
	types, body := b[k:head], b[head:]
	var column [4][]byte
	for i := range column {
		t, k := varint(types)
		types = types[k:]
		size := uint64(0)
		switch {
		case t >= 12:
			size = (t - 12) / 2
		case t >= 1 && t <= 7:
			size = [...]uint64{0, 1, 2, 3, 4, 6, 8, 8}[t]
		}
		if k == 0 || size > uint64(len(body)) {
			return e, false
		}
		column[i], body = body[:size], body[size:]
	}
	for _, c := range column[3] {
		e.root = e.root<<8 | uint32(c)
	}
	e.kind, e.name, e.table = string(column[0]), string(column[1]), string(column[2])
	return e, e.root != 0
}
