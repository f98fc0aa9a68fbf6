package mdf

import (
	"encoding/binary"
	"fmt"
	"math"

	"linkspan/sqltype"
)

var le = binary.LittleEndian

// value reads column f of the record. The text and bytes of a value are copies.
func (s *scanner) value(r *record, f *field) (sqltype.Value, error) {
	if f.nullBit > 0 {
		null, absent := r.isNull(f.nullBit)
		if absent {
			return f.absent()
		}
		if null {
			return sqltype.NullOf(f.typ.Kind), nil
		}
	}
	if f.variable < 0 {
		if f.offset+f.size > len(r.fixed) {
			return f.absent()
		}
		b := r.fixed[f.offset : f.offset+f.size]
		if f.xtype == xBit {
			return sqltype.BitOf(b[0]&(1<<f.bitPos) != 0), nil
		}
		return decode(f, b)
	}
	b, complex, err := r.vars.get(f.variable)
	if err != nil {
		return sqltype.Value{}, err
	}
	if f.xtype == xText || f.xtype == xNText || f.xtype == xImage {
		if b, err = s.textPointer(b, complex); err != nil {
			return sqltype.Value{}, err
		}
	} else if complex {
		if b, err = s.complexValue(b); err != nil {
			return sqltype.Value{}, err
		}
	}
	return decode(f, b)
}

// absent is the value of a column in a record that was written before the column was added.
func (f *field) absent() (sqltype.Value, error) {
	if f.required && !f.missing.Valid {
		return f.missing, fmt.Errorf("a row was written before the column was added, and the value it has there was not found")
	}
	return f.missing, nil
}

// decode reads a value of f's type from its bytes.
func decode(f *field, b []byte) (sqltype.Value, error) {
	k := f.typ.Kind
	if size, ok := fixedSize(f.xtype, len(b), f.typ.Prec, f.typ.Scale); ok && len(b) != size {
		return sqltype.Value{}, fmt.Errorf("%v of %d bytes, not %d", f.typ, len(b), size)
	}
	switch k {
	case sqltype.TinyInt:
		return sqltype.IntOf(k, int64(b[0])), nil
	case sqltype.Bit:
		return sqltype.BitOf(b[0]&1 != 0), nil
	case sqltype.SmallInt:
		return sqltype.IntOf(k, int64(int16(le.Uint16(b)))), nil
	case sqltype.Int:
		return sqltype.IntOf(k, int64(int32(le.Uint32(b)))), nil
	case sqltype.BigInt:
		return sqltype.IntOf(k, int64(le.Uint64(b))), nil
	case sqltype.SmallMoney:
		return sqltype.Value{K: k, Valid: true, N: int64(int32(le.Uint32(b)))}, nil
	case sqltype.Money:
		return sqltype.Value{K: k, Valid: true, N: int64(le.Uint64(b))}, nil
	case sqltype.Real:
		return sqltype.FloatOf(k, float64(math.Float32frombits(le.Uint32(b)))), nil
	case sqltype.Float:
		return sqltype.FloatOf(k, math.Float64frombits(le.Uint64(b))), nil
	case sqltype.Decimal:
		return decodeDecimal(b, f.typ.Scale), nil
	case sqltype.UniqueIdentifier, sqltype.RowVersion, sqltype.Binary, sqltype.VarBinary, sqltype.Image:
		return sqltype.BytesOf(k, b), nil
	case sqltype.NChar, sqltype.NVarChar, sqltype.NText:
		return sqltype.StringOf(k, utf16String(b)), nil
	case sqltype.Char, sqltype.VarChar, sqltype.Text:
		return sqltype.StringOf(k, f.page.text(b)), nil
	case sqltype.XML:
		return decodeXML(b)
	case sqltype.Variant:
		return decodeVariant(b, f.page)
	default:
		return decodeTemporal(f, b)
	}
}

// decodeDecimal reads a sign byte (1: not negative) and a little-endian magnitude.
func decodeDecimal(b []byte, scale uint8) sqltype.Value {
	var m [16]byte
	copy(m[:], b[1:])
	lo, hi := le.Uint64(m[:]), le.Uint64(m[8:])
	if b[0] == 0 {
		lo = -lo
		if hi = ^hi; lo == 0 {
			hi++
		}
	}
	return sqltype.Value{K: sqltype.Decimal, Valid: true, N: int64(lo), Hi: int64(hi), Scale: scale}
}

const (
	ticksPerDay      = 24 * 3600 * 1e7
	threeHundredths  = 24 * 3600 * 300
	minutesPerDay    = 24 * 60
	greatestScale    = 7
	greatestDay      = 3652058 // 9999-12-31
	greatestDateTime = 2958463 // the same, from 1900-01-01
)

// decodeTemporal reads dates and times.
func decodeTemporal(f *field, b []byte) (sqltype.Value, error) {
	v := sqltype.Value{K: f.typ.Kind, Valid: true, Scale: f.typ.Scale}
	switch f.typ.Kind {
	case sqltype.SmallDateTime:
		v.N = int64(le.Uint16(b[2:]))*minutesPerDay + int64(le.Uint16(b))
	case sqltype.DateTime:
		days := int64(int32(le.Uint32(b[4:])))
		if days < -53690 || days > greatestDateTime {
			return v, fmt.Errorf("datetime of day %d", days)
		}
		v.N = days*threeHundredths + int64(le.Uint32(b))
	case sqltype.Date:
		v.N = int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
	case sqltype.Time:
		v.N = decodeTicks(b, f.typ.Scale)
	case sqltype.DateTime2:
		n := timeSize(f.typ.Scale)
		v.N = (int64(b[n])|int64(b[n+1])<<8|int64(b[n+2])<<16)*ticksPerDay + decodeTicks(b[:n], f.typ.Scale)
	case sqltype.DateTimeOffset:
		n := timeSize(f.typ.Scale)
		v.N = (int64(b[n])|int64(b[n+1])<<8|int64(b[n+2])<<16)*ticksPerDay + decodeTicks(b[:n], f.typ.Scale)
		v.Hi = int64(int16(le.Uint16(b[n+3:])))
	default:
		return v, fmt.Errorf("data type %v cannot be read", f.typ)
	}
	if v.K == sqltype.Date && v.N > greatestDay || v.N < 0 && v.K != sqltype.DateTime {
		return v, fmt.Errorf("%v out of range", f.typ)
	}
	return v, nil
}

// decodeTicks reads a time of day in units of 10^-scale seconds and gives units of 100 ns.
func decodeTicks(b []byte, scale uint8) int64 {
	n := int64(0)
	for i := min(len(b), timeSize(scale)) - 1; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	for ; scale < greatestScale; scale++ {
		n *= 10
	}
	return n
}

// decodeVariant reads a sql_variant: base type, version 1, the type's properties, the bytes.
func decodeVariant(b []byte, page codePage) (sqltype.Value, error) {
	if len(b) < 2 {
		return sqltype.NullOf(sqltype.Variant), nil
	}
	f := &field{xtype: b[0], page: page, typ: sqltype.Type{Kind: kinds[b[0]]}}
	at := 2
	switch b[0] {
	case xVariant, xXML, xText, xNText, xImage, xTimestamp, xCLR:
		return sqltype.Value{}, fmt.Errorf("sql_variant of type %d", b[0])
	case xDecimal, xNumeric:
		at = 4
		if len(b) >= at {
			f.typ.Prec, f.typ.Scale = b[2], b[3]
		}
	case xTime, xDateTime2, xDateTimeOffset:
		at = 3
		if len(b) >= at {
			f.typ.Scale = b[2]
		}
	case xVarChar, xChar, xNVarChar, xNChar:
		at = 8 // maximal length u16, collation u32
	case xVarBinary, xBinary:
		at = 4
	}
	if _, known := kinds[b[0]]; !known || len(b) < at {
		return sqltype.Value{}, fmt.Errorf("sql_variant of type %d with %d bytes", b[0], len(b))
	}
	if n, ok := fixedSize(f.xtype, len(b)-at, f.typ.Prec, f.typ.Scale); ok && n > len(b)-at && (b[0] == xDecimal || b[0] == xNumeric) {
		padded := make([]byte, n)
		copy(padded, b[at:])
		return decode(f, padded)
	}
	return decode(f, b[at:])
}
