package mdf

import (
	"errors"
	"fmt"

	"linkspan/sqltype"
)

// Options bounds what reading a database may cost; the zero value means the defaults.
type Options struct {
	// MaxValue is the greatest length in bytes of one value; 0 means 256 MiB.
	MaxValue int
	// CodePage is the code page of char, varchar and text columns whose collation is the database's; 0 means 1252.
	CodePage int
}

func (o Options) withDefaults() Options {
	if o.MaxValue <= 0 {
		o.MaxValue = 256 << 20
	}
	return o
}

// allocation is one allocation unit: where its pages begin.
type allocation struct {
	typ             uint8
	first, root, ia PageID
}

// Types of allocation units.
const (
	allocInRow    = 1
	allocLOB      = 2
	allocOverflow = 3
)

// scanner reads the records of rowsets.
type scanner struct {
	pages *Reader
	o     Options
	// total bounds how many pages one chain may visit.
	total int
}

// rows calls fn for every row in the data pages of an allocation unit: of a clustered index along the chain of its leaf
// pages, of a heap through its allocation map. The record lies in its page and is valid during the call.
func (s *scanner) rows(a allocation, heap bool, fn func(PageID, *record) error) error {
	visit := func(id PageID, p []byte) error { return s.page(id, p, fn) }
	if heap {
		return s.allocated(a.ia, visit)
	}
	return s.chain(a.first, visit)
}

// chain visits the pages that are linked from first on.
func (s *scanner) chain(first PageID, visit func(PageID, []byte) error) error {
	n := 0
	for id := first; !id.IsZero(); n++ {
		if n > s.total {
			return fmt.Errorf("the chain of pages from %v runs in a circle", first)
		}
		p, err := s.pages.Page(id)
		if err != nil {
			return err
		}
		if p[headType] == pageData {
			if err := visit(id, p); err != nil {
				return err
			}
		} else if p[headType] != pageIndex || n > 0 {
			return fmt.Errorf("page %v is of type %d, not a data page", id, p[headType])
		}
		id = pageIDAt(p[headNext:])
	}
	return nil
}

// Layout of an IAM page: record 0 has the first page of the range it maps and eight single pages, record 1 the bitmap.
const (
	iamStart     = 40 // first page of the range
	iamSingles   = 46
	iamSingleMax = 8
	iamExtents   = 63904
)

// allocated visits the data pages that the chain of allocation maps from ia on names, in the order of pages.
func (s *scanner) allocated(ia PageID, visit func(PageID, []byte) error) error {
	n := 0
	for id := ia; !id.IsZero(); n++ {
		if n > s.total {
			return fmt.Errorf("the chain of allocation maps from %v runs in a circle", ia)
		}
		p, err := s.pages.Page(id)
		if err != nil {
			return err
		}
		if p[headType] != pageIAM {
			return fmt.Errorf("page %v is of type %d, not an allocation map", id, p[headType])
		}
		if err := s.mapped(id, p, visit); err != nil {
			return err
		}
		id = pageIDAt(p[headNext:])
	}
	return nil
}

func (s *scanner) mapped(id PageID, p []byte, visit func(PageID, []byte) error) error {
	head, bits := slot(p, 0), slot(p, 1)
	if len(head) < iamSingles+6*iamSingleMax || len(bits) < 4 {
		return fmt.Errorf("allocation map %v is malformed", id)
	}
	for i := range iamSingleMax {
		single := pageIDAt(head[iamSingles+6*i:])
		if single.IsZero() {
			continue
		}
		if err := s.mappedPage(single, visit, true); err != nil {
			return err
		}
	}
	start := pageIDAt(head[iamStart:])
	bits = bits[4:]
	for e := 0; e < iamExtents && e/8 < len(bits); e++ {
		if bits[e/8]&(1<<(e%8)) == 0 {
			continue
		}
		for k := range uint32(pagesPerExtent) {
			if err := s.mappedPage(PageID{start.File, start.Page + uint32(e)*pagesPerExtent + k}, visit, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// mappedPage visits a page that an allocation map names. In an extent, pages not yet used are no data pages; their
// headers may be anything, or another page's.
func (s *scanner) mappedPage(id PageID, visit func(PageID, []byte) error, must bool) error {
	p, err := s.pages.Page(id)
	if errors.Is(err, ErrMissing) && !must {
		return nil
	} else if err != nil {
		return err
	}
	if p[headType] != pageData {
		return nil
	}
	return visit(id, p)
}

// page calls fn for each row on a data page. Rows that moved are met where they are; their forwarding stubs and rows
// that are deleted but not yet cleaned away (ghosts) are passed over.
func (s *scanner) page(id PageID, p []byte, fn func(PageID, *record) error) error {
	for i := range slotCount(p) {
		raw := slot(p, i)
		if raw == nil {
			continue
		}
		switch recordKind(raw) {
		case recordPrimary, recordForwarded:
		default:
			continue
		}
		r, err := parseRecord(raw)
		if err != nil {
			return fmt.Errorf("record in slot %d of page %v: %w", i, id, err)
		}
		if err := fn(id, &r); err != nil {
			return err
		}
	}
	return nil
}

// read reads the columns fields of a record into row.
func (s *scanner) read(r *record, fields []field, row []sqltype.Value) error {
	for i := range fields {
		v, err := s.value(r, &fields[i])
		if err != nil {
			return fmt.Errorf("column %d: %w", fields[i].id, err)
		}
		row[i] = v
	}
	return nil
}
