package mdf

import (
	"fmt"
)

// Types of large-object structures, in records of text pages (u16 at 12) and of in-row roots (byte 0).
const (
	lobSmallRoot   = 0
	lobInternal    = 2
	lobData        = 3
	lobLargeRoot   = 5
	lobOverflow    = 2 // in row: pointer to one record, for a value that did not fit the row
	lobInRowRoot   = 4 // in row: root of a varchar(max), nvarchar(max), varbinary(max) or xml value
	lobRecordType  = 12
	lobRecordBody  = 14
	lobDepth       = 12
	rowRootHeader  = 12
	rowRootEntry   = 12
	textPointerLen = 16
)

// rowID is the address of a record: page and slot.
type rowID struct {
	page PageID
	slot int
}

// rowIDAt reads page u32, file u16, slot u16.
func rowIDAt(b []byte) rowID { return rowID{pageIDAt(b), int(le.Uint16(b[6:]))} }

// textPointer gives the value behind the pointer of a text, ntext or image column: timestamp u32, u32, row id.
func (s *scanner) textPointer(b []byte, complex bool) ([]byte, error) {
	switch {
	case !complex:
		return b, nil // stored in the row by the option "text in row", or empty
	case len(b) == textPointerLen:
		return s.lob(rowIDAt(b[8:]))
	default:
		return s.complexValue(b)
	}
}

// complexValue gives the value behind an in-row pointer or root: type u8, level u8, …, 12 bytes in all, and then for each
// part its end offset u32 and row id.
func (s *scanner) complexValue(b []byte) ([]byte, error) {
	if len(b) < rowRootHeader || b[0] != lobOverflow && b[0] != lobInRowRoot {
		return nil, fmt.Errorf("pointer of type %d and %d bytes is not known", first(b), len(b))
	}
	var out []byte
	for at := rowRootHeader; at+rowRootEntry <= len(b); at += rowRootEntry {
		end := int64(le.Uint32(b[at:]))
		var err error
		if out, err = s.lobPart(out, rowIDAt(b[at+4:]), lobDepth); err != nil {
			return nil, err
		}
		if int64(len(out)) != end {
			return nil, fmt.Errorf("a large value has %d bytes where its root says %d", len(out), end)
		}
	}
	return out, nil
}

func first(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	return int(b[0])
}

func (s *scanner) lob(id rowID) ([]byte, error) { return s.lobPart(nil, id, lobDepth) }

// lobPart appends the value below the record id to out.
func (s *scanner) lobPart(out []byte, id rowID, depth int) ([]byte, error) {
	if depth == 0 {
		return nil, fmt.Errorf("the tree of a large value at %v is deeper than %d", id.page, lobDepth)
	}
	b, err := s.lobRecord(id)
	if err != nil {
		return nil, err
	}
	switch typ := le.Uint16(b[lobRecordType:]); typ {
	case lobData:
		if len(out)+len(b)-lobRecordBody > s.o.MaxValue {
			return nil, fmt.Errorf("a value is longer than the budget of %d bytes", s.o.MaxValue)
		}
		return append(out, b[lobRecordBody:]...), nil
	case lobSmallRoot:
		if len(b) < 20 || 20+int(le.Uint16(b[14:])) > len(b) {
			return nil, fmt.Errorf("a large value's small root at %v does not fit its record", id.page)
		}
		return append(out, b[20:20+int(le.Uint16(b[14:]))]...), nil
	case lobLargeRoot:
		return s.lobLinks(out, id, b, 24, 12, 4, depth)
	case lobInternal:
		return s.lobLinks(out, id, b, 20, 16, 8, depth)
	default:
		return nil, fmt.Errorf("a large value's record at %v slot %d has type %d", id.page, id.slot, typ)
	}
}

// lobLinks follows the links of a root or internal record: count u16 at 16, entries of size bytes from at on, each with
// a row id behind idAt bytes of offset.
func (s *scanner) lobLinks(out []byte, id rowID, b []byte, at, size, idAt, depth int) ([]byte, error) {
	n := int(le.Uint16(b[16:]))
	if at+n*size > len(b) {
		return nil, fmt.Errorf("a large value's root at %v names %d parts, more than fit", id.page, n)
	}
	start, base := len(out), uint64(0)
	for i := range n {
		e := b[at+i*size:]
		var err error
		if out, err = s.lobPart(out, rowIDAt(e[idAt:]), depth-1); err != nil {
			return nil, err
		}
		end := uint64(le.Uint32(e))
		if got := uint64(len(out) - start); got+base != end && i == 0 && end > got {
			base = end - got // offsets of an inner record may count from the start of the value
		} else if got+base != end {
			return nil, fmt.Errorf("a large value has %d bytes where its root at %v says %d", got, id.page, end)
		}
	}
	return out, nil
}

// lobRecord finds a record on a text page.
func (s *scanner) lobRecord(id rowID) ([]byte, error) {
	p, err := s.pages.Page(id.page)
	if err != nil {
		return nil, fmt.Errorf("large value: %w", err)
	}
	if t := p[headType]; t != pageTextMix && t != pageTextTree {
		return nil, fmt.Errorf("large value: page %v is of type %d, not a text page", id.page, t)
	}
	if id.slot >= slotCount(p) {
		return nil, fmt.Errorf("large value: page %v has no slot %d", id.page, id.slot)
	}
	b := slot(p, id.slot)
	if b == nil || recordKind(b) != recordBlob {
		return nil, fmt.Errorf("large value: slot %d of page %v holds no part of a large value", id.slot, id.page)
	}
	n := int(le.Uint16(b[2:]))
	if n < lobRecordBody || n > len(b) {
		return nil, fmt.Errorf("large value: a part of %d bytes in slot %d of page %v", n, id.slot, id.page)
	}
	if n < 20 && le.Uint16(b[lobRecordType:]) != lobData {
		return nil, fmt.Errorf("large value: a root of %d bytes in slot %d of page %v", n, id.slot, id.page)
	}
	return b[:n], nil
}
