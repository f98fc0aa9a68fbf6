package mdf

import (
	"encoding/binary"
	"fmt"
)

// Page types.
const (
	pageData       = 1
	pageIndex      = 2
	pageTextMix    = 3
	pageTextTree   = 4
	pageIAM        = 10
	pageBoot       = 13
	pageFileHeader = 15
)

// Offsets in the page header.
const (
	headerSize   = 96
	headType     = 1
	headNext     = 16 // page address, six bytes
	headSlots    = 22
	slotSize     = 2
	pageSize     = 8192
	pageTypeBits = 0x0e
)

// Record types, bits 1 to 3 of the first status byte.
const (
	recordPrimary    = 0
	recordForwarded  = 1
	recordForwarding = 2
	recordIndex      = 3
	recordBlob       = 4
	recordGhostIndex = 5
	recordGhostData  = 6
)

// Bits of the first status byte.
const (
	statusNulls    = 0x10
	statusVariable = 0x20
)

// record is one record on a page, split into its parts. Its slices lie in the page.
type record struct {
	kind byte
	raw  []byte // from the record's start to the end of the page
	// fixed is the fixed-length part with the four bytes before it, so that column offsets are indexes into it.
	fixed []byte
	nulls []byte
	// columns is the number of columns the record was written with.
	columns int
	vars    varPart
}

// varPart is the variable-length part: count end offsets (u16, bit 15: the value is a pointer to where the value is).
type varPart struct {
	raw   []byte
	ends  []byte
	count int
	start int
}

// get gives the bytes of variable column i, from 0; complex is true for pointers. A column behind the last is empty.
func (v *varPart) get(i int) (b []byte, complex bool, err error) {
	if i >= v.count {
		return nil, false, nil
	}
	start := v.start
	if i > 0 {
		start = int(binary.LittleEndian.Uint16(v.ends[2*(i-1):]) & 0x7fff)
	}
	e := binary.LittleEndian.Uint16(v.ends[2*i:])
	end := int(e & 0x7fff)
	if start > end || end > len(v.raw) {
		return nil, false, fmt.Errorf("variable column %d from %d to %d of a record of %d bytes", i+1, start, end, len(v.raw))
	}
	return v.raw[start:end], e&0x8000 != 0, nil
}

// slotCount is the number of records on a page, bounded by what the slot array can hold.
func slotCount(page []byte) int {
	return min(int(binary.LittleEndian.Uint16(page[headSlots:])), (pageSize-headerSize)/slotSize)
}

// slot gives the bytes from the record in slot i to the end of the page; nil for an empty or impossible slot.
func slot(page []byte, i int) []byte {
	off := int(binary.LittleEndian.Uint16(page[pageSize-slotSize*(i+1):]))
	if off < headerSize || off+4 > pageSize {
		return nil
	}
	return page[off:]
}

func recordKind(raw []byte) byte { return raw[0] & pageTypeBits >> 1 }

// parseRecord splits a data record.
func parseRecord(raw []byte) (record, error) {
	r := record{kind: recordKind(raw), raw: raw}
	if r.kind == recordForwarding {
		return r, nil
	}
	end := int(binary.LittleEndian.Uint16(raw[2:]))
	if end < 4 || end+2 > len(raw) {
		return r, fmt.Errorf("the fixed part ends at %d of %d bytes", end, len(raw))
	}
	r.fixed = raw[:end]
	if raw[0]&statusNulls == 0 {
		return r, nil
	}
	r.columns = int(binary.LittleEndian.Uint16(raw[end:]))
	at := end + 2 + (r.columns+7)/8
	if r.columns > 4096 || at+2 > len(raw) {
		return r, fmt.Errorf("%d columns do not fit the record", r.columns)
	}
	r.nulls = raw[end+2 : at]
	if raw[0]&statusVariable == 0 {
		return r, nil
	}
	n := int(binary.LittleEndian.Uint16(raw[at:]))
	if at+2+2*n > len(raw) {
		return r, fmt.Errorf("%d variable columns do not fit the record", n)
	}
	r.vars = varPart{raw: raw, ends: raw[at+2 : at+2+2*n], count: n, start: at + 2 + 2*n}
	return r, nil
}

// isNull tells whether the column with null bit n (from 1) is NULL. A column added after the record was written has no
// bit: absent is true.
func (r *record) isNull(n int) (null, absent bool) {
	if n < 1 || n > r.columns {
		return false, n > r.columns
	}
	return r.nulls[(n-1)/8]&(1<<((n-1)%8)) != 0, false
}
