package baktest

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// System types used by the tables that every database has.
const (
	tinyInt, smallInt, integer, bigInt = 48, 52, 56, 127
	dateTime, varBinary, binaryType    = 61, 165, 173
	charType, nVarChar, variant        = 175, 231, 98
	bit                                = 104
	text, nText, image34               = 35, 99, 34
)

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// fixedLen is the length of a fixed-length type, or -1.
func fixedLen(c Column) int {
	switch c.XType {
	case tinyInt, bit:
		return 1
	case smallInt:
		return 2
	case integer, 59, 58, 122:
		return 4
	case bigInt, dateTime, 62, 60, 189:
		return 8
	case 36:
		return 16
	case 40:
		return 3
	case 41, 42, 43:
		return map[uint8]int{41: 0, 42: 3, 43: 5}[c.XType] + timeLen(c.Scale)
	case 106, 108:
		return map[bool]int{true: 5}[c.Prec <= 9] + map[bool]int{true: 9}[c.Prec > 9 && c.Prec <= 19] + map[bool]int{true: 13}[c.Prec > 19 && c.Prec <= 28] + map[bool]int{true: 17}[c.Prec > 28]
	case binaryType, charType, 239:
		return c.Len
	default:
		return -1
	}
}

func timeLen(scale uint8) int {
	switch {
	case scale <= 2:
		return 3
	case scale <= 4:
		return 4
	default:
		return 5
	}
}

// place is where a column lies: an offset from the record's start, or minus the number of a variable one.
type place struct{ offset, bitPos int }

func places(columns []Column) []place {
	ps := make([]place, len(columns))
	at, vars, bits, bitAt := 4, 0, 0, 0
	for i, c := range columns {
		n := fixedLen(c)
		switch {
		case n < 0:
			vars++
			ps[i] = place{offset: -vars}
		case c.XType == bit:
			if bits%8 == 0 {
				bitAt = at
				at++
			}
			ps[i] = place{bitAt, bits % 8}
			bits++
		default:
			ps[i] = place{offset: at}
			at += n
		}
	}
	return ps
}

// record encodes a row. status is the type part of the first byte.
func (m *image) record(columns []Column, r Row, status byte) []byte {
	n := len(columns)
	if r.Columns > 0 {
		n = r.Columns
	}
	ps := places(columns)
	end, vars := 4, 0
	for i := range n {
		if ps[i].offset < 0 {
			vars = -ps[i].offset
		} else {
			end = max(end, ps[i].offset+fixedLen(columns[i]))
		}
	}
	b := make([]byte, end)
	b[0] = status | 0x10
	binary.LittleEndian.PutUint16(b[2:], uint16(end))
	nulls := make([]byte, (n+7)/8)
	data := make([][]byte, vars)
	complex := make([]bool, vars)
	for i := range n {
		v := r.Values[i]
		if v == nil {
			nulls[i/8] |= 1 << (i % 8)
			continue
		}
		if k := ps[i].offset; k < 0 {
			data[-k-1], complex[-k-1] = m.variable(columns[i], v)
		} else if columns[i].XType == bit {
			b[k] |= byte(v.(int64)) << ps[i].bitPos
		} else {
			copy(b[k:], fixed(columns[i], v))
		}
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	b = append(b, nulls...)
	if vars == 0 {
		return b
	}
	b[0] |= 0x20
	return appendVariable(b, data, complex)
}

func appendVariable(b []byte, data [][]byte, complex []bool) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	at := len(b) + 2*len(data)
	for i, d := range data {
		at += len(d)
		e := uint16(at)
		if complex[i] {
			e |= 0x8000
		}
		b = binary.LittleEndian.AppendUint16(b, e)
	}
	for _, d := range data {
		b = append(b, d...)
	}
	return b
}

func fixed(c Column, v any) []byte {
	switch v := v.(type) {
	case int64:
		b := binary.LittleEndian.AppendUint64(nil, uint64(v))
		return b[:min(fixedLen(c), 8)]
	case string:
		b := []byte(v)
		if c.XType == 239 {
			b = utf16Bytes(v)
		}
		for len(b) < c.Len {
			b = append(b, ' ')
			if c.XType == 239 {
				b = append(b, 0)
			}
		}
		return b
	case []byte:
		return v
	default:
		panic(fmt.Sprintf("a value of type %T for column %s", v, c.Name))
	}
}

func (m *image) variable(c Column, v any) (b []byte, complex bool) {
	switch v := v.(type) {
	case string:
		if c.XType == nVarChar || c.XType == nText {
			return utf16Bytes(v), false
		}
		return []byte(v), false
	case []byte:
		return v, false
	case Large:
		return m.large(c, v), true
	default:
		panic(fmt.Sprintf("a value of type %T for column %s", v, c.Name))
	}
}

// lobPart is the greatest part of a large value on one page.
const lobPart = 8040

// large writes a value to text pages and gives what stands in the row.
func (m *image) large(c Column, v Large) []byte {
	part := v.Part
	if part == 0 {
		part = lobPart
	}
	var ends []int
	var rows [][]byte
	for at := 0; at < len(v.Bytes); at += part {
		end := min(at+part, len(v.Bytes))
		ends, rows = append(ends, end), append(rows, m.lobRecord(3, v.Bytes[at:end]))
	}
	if v.Tree {
		body := binary.LittleEndian.AppendUint16(nil, uint16(len(rows)))
		body = binary.LittleEndian.AppendUint16(append(body, byte(len(rows)), 0), 0)
		for i, r := range rows {
			body = append(binary.LittleEndian.AppendUint64(body, uint64(ends[i])), r...)
		}
		rows, ends = [][]byte{m.lobRecord(2, body)}, []int{len(v.Bytes)}
	}
	switch {
	case c.XType == text || c.XType == nText || c.XType == image34:
		body := binary.LittleEndian.AppendUint16([]byte{5, 0}, uint16(len(rows)))
		body = append(body, 0, 0, 0, 0, 0, 0)
		for i, r := range rows {
			body = append(binary.LittleEndian.AppendUint32(body, uint32(ends[i])), r...)
		}
		return append(make([]byte, 8), m.lobRecord(5, body)...)
	default:
		root := make([]byte, 12)
		if root[0] = 4; c.Len > 0 {
			root[0] = 2
		}
		for i, r := range rows {
			root = append(binary.LittleEndian.AppendUint32(root, uint32(ends[i])), r...)
		}
		return root
	}
}

// lobRecord writes one part and gives its address.
func (m *image) lobRecord(typ uint16, body []byte) []byte {
	m.lobRow++
	rec := []byte{0x08, 0, 0, 0}
	rec = binary.LittleEndian.AppendUint64(rec, uint64(m.lobRow))
	rec = append(binary.LittleEndian.AppendUint16(rec, typ), body...)
	binary.LittleEndian.PutUint16(rec[2:], uint16(len(rec)))
	if m.lob != nil {
		if slot := m.lob.add(rec); slot >= 0 {
			return rowAddress(m.lob.id, slot)
		}
	}
	m.lob = m.newPage(3)
	return rowAddress(m.lob.id, m.lob.add(rec))
}

// allocationMap writes an IAM page that names pages one by one, or their extents when there are many.
func (m *image) allocationMap(ids []uint32) uint32 {
	p := m.newPage(10)
	head := make([]byte, 94)
	binary.LittleEndian.PutUint16(head[2:], 94)
	binary.LittleEndian.PutUint16(head[44:], 1)
	bits := make([]byte, 4+7988)
	for i, id := range ids {
		if i < 8 {
			copy(head[46+6*i:], address(id))
		} else {
			bits[4+id/64] |= 1 << (id / 8 % 8)
		}
	}
	p.add(head)
	if p.add(bits) < 0 {
		panic("the allocation map is too long")
	}
	return p.id
}
