package tds

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"linkspan/sqltype"
)

// AppendRow appends a ROW token, or an NBCROW when that is shorter ([MS-TDS] 2.2.7.17, 2.2.7.13). On an error, which is
// a value that its column cannot carry, b comes back as it was.
func (r *Rows) AppendRow(b []byte, row []sqltype.Value) ([]byte, error) {
	if len(row) != len(r.cols) {
		return b, fmt.Errorf("a row of %d values in a result of %d columns", len(row), len(r.cols))
	}
	start := len(b)
	saved := 0
	for i := range row {
		if !row[i].Valid {
			saved += r.cols[i].nullBytes()
		}
	}
	bitmap := -1
	if n := (len(row) + 7) / 8; saved > n {
		b = append(b, tokenNBCRow)
		bitmap = len(b)
		for range n {
			b = append(b, 0)
		}
	} else {
		b = append(b, tokenRow)
	}
	for i := range row {
		w, v := &r.cols[i], &row[i]
		if !v.Valid {
			if bitmap >= 0 {
				b[bitmap+i/8] |= 1 << (i % 8)
			} else {
				b = w.appendNull(b)
			}
			continue
		}
		next, ok := w.appendValue(b, v)
		if !ok {
			return b[:start], fmt.Errorf("column %d of the result, %s of at most %d bytes on the wire, cannot carry this %s (%d characters or bytes)", i+1, w.kind, w.size, v.K, len(v.S))
		}
		b = next
	}
	return b, nil
}

// nullBytes is the length of a NULL in a ROW.
func (w *wireColumn) nullBytes() int {
	switch w.form {
	case formShort:
		return 2
	case formPLP:
		return 8
	case formVariant:
		return 4
	}
	return 1
}

func (w *wireColumn) appendNull(b []byte) []byte {
	switch w.form {
	case formShort:
		return append(b, 0xff, 0xff)
	case formPLP:
		return append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	case formVariant:
		return append(b, 0, 0, 0, 0)
	}
	return append(b, 0)
}

// appendValue appends a value that is not NULL, with its length; false when the column cannot carry it.
func (w *wireColumn) appendValue(b []byte, v *sqltype.Value) ([]byte, bool) {
	switch w.form {
	case formByteLen:
		return w.appendScalar(append(b, byte(w.size)), v)
	case formVariant:
		return appendVariant(b, v)
	}
	if w.kind.IsString() != v.K.IsString() || w.kind.IsBinary() != v.K.IsBinary() {
		return b, false
	}
	switch w.form {
	case formShort:
		at := len(b)
		b = w.appendText(append(b, 0, 0), v.S)
		n := len(b) - at - 2
		binary.LittleEndian.PutUint16(b[at:], uint16(n))
		return b, n <= w.size
	case formPLP:
		at := len(b)
		b = w.appendText(append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), v.S)
		n := len(b) - at - 12
		if n > math.MaxInt32 {
			return b, false
		}
		binary.LittleEndian.PutUint64(b[at:], uint64(n))
		if n == 0 {
			return b, true // the length of the first chunk, 0, ends the value
		}
		binary.LittleEndian.PutUint32(b[at+8:], uint32(n))
		return append(b, 0, 0, 0, 0), true
	}
	// A text pointer and a timestamp that mean nothing, as SQL Server sends them for expressions.
	b = append(b, 16)
	b = append(b, "dummy textptr\x00\x00\x00dummyTS\x00"...)
	at := len(b)
	b = w.appendText(append(b, 0, 0, 0, 0), v.S)
	n := len(b) - at - 4
	binary.LittleEndian.PutUint32(b[at:], uint32(n))
	return b, n <= w.size
}

func (w *wireColumn) appendText(b []byte, s string) []byte {
	switch {
	case w.utf16:
		return appendUTF16(b, s)
	case w.kind.IsBinary():
		return append(b, s...)
	}
	return append1252(b, s)
}

// appendScalar appends the bytes of a number, time or identifier, w.size of them.
func (w *wireColumn) appendScalar(b []byte, v *sqltype.Value) ([]byte, bool) {
	le := binary.LittleEndian
	switch w.kind {
	case sqltype.Bit, sqltype.TinyInt:
		return append(b, byte(v.N)), v.K.IsInteger() && v.N >= 0 && v.N <= math.MaxUint8
	case sqltype.SmallInt:
		return le.AppendUint16(b, uint16(v.N)), v.K.IsInteger() && v.N == int64(int16(v.N))
	case sqltype.Int:
		return le.AppendUint32(b, uint32(v.N)), v.K.IsInteger() && v.N == int64(int32(v.N))
	case sqltype.BigInt:
		return le.AppendUint64(b, uint64(v.N)), v.K.IsInteger()
	case sqltype.Decimal:
		return w.appendDecimal(b, v)
	case sqltype.SmallMoney:
		return le.AppendUint32(b, uint32(v.N)), isMoney(v) && v.N == int64(int32(v.N))
	case sqltype.Money:
		return le.AppendUint32(le.AppendUint32(b, uint32(v.N>>32)), uint32(v.N)), isMoney(v)
	case sqltype.Real:
		return le.AppendUint32(b, math.Float32bits(float32(v.Float()))), v.K == sqltype.Real || v.K == sqltype.Float
	case sqltype.Float:
		return le.AppendUint64(b, uint64(v.N)), v.K == sqltype.Real || v.K == sqltype.Float
	case sqltype.UniqueIdentifier:
		return append(b, v.S...), v.K == w.kind && len(v.S) == 16
	case sqltype.Null:
		return b, false
	}
	return w.appendTime(b, v)
}

func isMoney(v *sqltype.Value) bool { return v.K == sqltype.Money || v.K == sqltype.SmallMoney }

// appendTime appends the temporal kinds.
func (w *wireColumn) appendTime(b []byte, v *sqltype.Value) ([]byte, bool) {
	if v.K != w.kind {
		return b, false
	}
	le := binary.LittleEndian
	switch w.kind {
	case sqltype.SmallDateTime:
		days, minutes := divide(v.N, minutesPerDay)
		return le.AppendUint16(le.AppendUint16(b, uint16(days)), uint16(minutes)), days >= 0 && days <= math.MaxUint16
	case sqltype.DateTime:
		days, ticks := divide(v.N, dateTimePerDay)
		return le.AppendUint32(le.AppendUint32(b, uint32(days)), uint32(ticks)), days >= dateTimeDaysMin && days <= dateTimeDaysMax
	case sqltype.Date:
		return append(b, byte(v.N), byte(v.N>>8), byte(v.N>>16)), v.N >= 0 && v.N <= daysMax
	}
	days, ticks := divide(v.N, ticksPerDay)
	ticks /= pow10[7-w.scale]
	for i := range timeBytes(w.scale) {
		b = append(b, byte(ticks>>(8*i)))
	}
	if w.kind == sqltype.Time {
		return b, days == 0
	}
	b = append(b, byte(days), byte(days>>8), byte(days>>16))
	if w.kind == sqltype.DateTimeOffset {
		b = append(b, byte(v.Hi), byte(v.Hi>>8))
	}
	return b, days >= 0 && days <= daysMax && v.Hi >= -offsetMax && v.Hi <= offsetMax
}

// divide is floor division.
func divide(n, by int64) (q, r int64) {
	if q, r = n/by, n%by; r < 0 {
		q, r = q-1, r+by
	}
	return q, r
}

// appendDecimal appends the sign and the magnitude, scaled up to the column's scale if need be.
func (w *wireColumn) appendDecimal(b []byte, v *sqltype.Value) ([]byte, bool) {
	if v.K != sqltype.Decimal || v.Scale > w.scale {
		return b, false
	}
	hi, lo, sign := uint64(v.Hi), uint64(v.N), byte(1)
	if v.Hi < 0 {
		hi, lo = negate(hi, lo)
		sign = 0
	}
	for range w.scale - v.Scale {
		if bits.Len64(hi) > 60 {
			return b, false
		}
		hi, lo = mul10(hi, lo)
	}
	var mag [16]byte
	binary.LittleEndian.PutUint64(mag[:], lo)
	binary.LittleEndian.PutUint64(mag[8:], hi)
	n := w.size - 1
	for _, c := range mag[n:] {
		if c != 0 {
			return b, false
		}
	}
	return append(append(b, sign), mag[:n]...), true
}

// appendVariant appends a value as a sql_variant: total length, base type, length of the properties, properties, data
// ([MS-TDS] 2.2.5.5.4).
func appendVariant(b []byte, v *sqltype.Value) ([]byte, bool) {
	t := sqltype.Type{Kind: v.K, Scale: v.Scale, Prec: 38, Len: 1}
	w := wireColumnOf(t)
	if w.form == formVariant || w.form == formPLP || w.form == formLong || v.K == sqltype.Null {
		return b, false
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0, byte(w.fixedID()), 0)
	switch {
	case w.id == typeDecimalN:
		b = append(b, w.prec, w.scale)
	case w.id == typeTime || w.id == typeDateTime2 || w.id == typeDateTimeOffset:
		b = append(b, w.scale)
	case v.K.IsString():
		b = append(b, w.wire[:]...)
		b = append(b, maxBytes&0xff, maxBytes>>8)
	case v.K.IsBinary():
		b = append(b, maxBytes&0xff, maxBytes>>8)
	}
	props := len(b) - at - 6
	b[at+5] = byte(props)
	data, ok := len(b), true
	if w.form == formShort {
		b = w.appendText(b, v.S)
		ok = len(b)-data <= maxBytes
	} else {
		b, ok = w.appendScalar(b, v)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b, ok
}

// fixedID is the type of fixed length of the same kind: inside a sql_variant there are no nullable forms.
func (w *wireColumn) fixedID() typeID {
	switch w.kind {
	case sqltype.Bit:
		return typeBit
	case sqltype.TinyInt:
		return typeInt1
	case sqltype.SmallInt:
		return typeInt2
	case sqltype.Int:
		return typeInt4
	case sqltype.BigInt:
		return typeInt8
	case sqltype.Money:
		return typeMoney
	case sqltype.SmallMoney:
		return typeMoney4
	case sqltype.Real:
		return typeFloat4
	case sqltype.Float:
		return typeFloat8
	case sqltype.SmallDateTime:
		return typeDateTime4
	case sqltype.DateTime:
		return typeDateTime
	}
	return w.id
}
