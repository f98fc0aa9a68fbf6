package rescue

import (
	"encoding/binary"
	"fmt"
	"math"

	"linkspan/sqltype"
)

// classSame stands for a new value that is the old one.
const classSame = 5

// appendStored adds a value as the row store holds it.
func appendStored(b []byte, s sqltype.Stored) []byte {
	b = append(b, byte(s.Class))
	switch s.Class {
	case sqltype.StoreInt:
		return binary.AppendVarint(b, s.I)
	case sqltype.StoreReal:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(s.F))
	case sqltype.StoreText, sqltype.StoreBlob:
		b = binary.AppendUvarint(b, uint64(len(s.S)))
		return append(b, s.S...)
	}
	return b
}

// appendRow adds a row's record. share tells that old and new columns are the same, so that values need not be repeated.
func appendRow(b []byte, o Op, old, fresh []sqltype.Stored, share bool) []byte {
	b = append(b, byte(o))
	for _, s := range old {
		b = appendStored(b, s)
	}
	for i, s := range fresh {
		if share && o == Update && old[i] == s {
			b = append(b, classSame)
			continue
		}
		b = appendStored(b, s)
	}
	return b
}

// rowReader takes a record apart.
type rowReader struct{ b []byte }

// value reads a value of a column; same reports that it is the old one.
func (r *rowReader) value(t sqltype.Type) (v sqltype.Value, same bool, err error) {
	bad := fmt.Errorf("%w: a row does not fit its table", ErrDamaged)
	if len(r.b) == 0 {
		return v, false, bad
	}
	s := sqltype.Stored{Class: sqltype.Storage(r.b[0])}
	r.b = r.b[1:]
	switch s.Class {
	case sqltype.StoreNull:
	case classSame:
		return v, true, nil
	case sqltype.StoreInt:
		n := 0
		if s.I, n = binary.Varint(r.b); n <= 0 {
			return v, false, bad
		}
		r.b = r.b[n:]
	case sqltype.StoreReal:
		if len(r.b) < 8 {
			return v, false, bad
		}
		s.F = math.Float64frombits(binary.LittleEndian.Uint64(r.b))
		r.b = r.b[8:]
	case sqltype.StoreText, sqltype.StoreBlob:
		size, n := binary.Uvarint(r.b)
		if n <= 0 || size > uint64(len(r.b)-n) {
			return v, false, bad
		}
		s.S = string(r.b[n : n+int(size)])
		r.b = r.b[n+int(size):]
	default:
		return v, false, bad
	}
	v = sqltype.Load(s, t)
	if v.Valid && !plausible(v) {
		return v, false, fmt.Errorf("%w: a value is outside the range of %s", ErrDamaged, t)
	}
	return v, false, nil
}

// plausible keeps out dates that no calendar has, which a damaged file may hold and a printer must not meet.
func plausible(v sqltype.Value) bool {
	const day, lastDay = 24 * 60 * 60 * 10_000_000, 3_652_058
	switch v.K {
	case sqltype.Date:
		return v.N >= 0 && v.N <= lastDay
	case sqltype.Time:
		return v.N >= 0 && v.N < day
	case sqltype.DateTime2, sqltype.DateTimeOffset:
		return v.N >= 0 && v.N < (lastDay+1)*day && v.Hi >= -840 && v.Hi <= 840
	case sqltype.DateTime:
		return v.N >= -53690*86400*300 && v.N < 2958464*86400*300
	case sqltype.SmallDateTime:
		return v.N >= 0 && v.N < 65536*1440
	}
	return true
}

// read takes the whole record apart into row.
func (r *rowReader) read(t *Table, row *Row) error {
	if len(r.b) == 0 || opNames[Op(r.b[0])] == "" {
		return fmt.Errorf("%w: a row has no operation", ErrDamaged)
	}
	row.Op = Op(r.b[0])
	r.b = r.b[1:]
	row.Old, row.New = row.Old[:0], row.New[:0]
	if row.Op != Insert {
		for _, c := range t.forkColumns() {
			v, same, err := r.value(c.Type)
			if err != nil || same {
				return fmt.Errorf("%w: a row does not fit table %s", ErrDamaged, t.Name)
			}
			row.Old = append(row.Old, v)
		}
	}
	if row.Op == Delete {
		return nil
	}
	for i, c := range t.Columns {
		v, same, err := r.value(c.Type)
		if err != nil {
			return err
		}
		if same {
			if row.Op != Update || i >= len(row.Old) {
				return fmt.Errorf("%w: a row does not fit table %s", ErrDamaged, t.Name)
			}
			v = row.Old[i]
		}
		row.New = append(row.New, v)
	}
	return nil
}

// forkColumns are the columns of old values.
func (t *Table) forkColumns() []Column {
	if t.ForkColumns != nil {
		return t.ForkColumns
	}
	return t.Columns
}

// forkKey are the positions of the key in forkColumns.
func (t *Table) forkKey() []int {
	if t.ForkColumns != nil {
		return t.ForkKey
	}
	return t.Key
}
