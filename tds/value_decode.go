package tds

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// Bounds of the temporal types.
const (
	daysMax         = 3652058 // 9999-12-31 from 0001-01-01
	ticksPerDay     = 864_000_000_000
	dateTimePerDay  = 25_920_000 // ticks of 1/300 s
	dateTimeDaysMin = -53690     // 1753-01-01 from 1900-01-01
	dateTimeDaysMax = 2958463    // 9999-12-31 from 1900-01-01
	minutesPerDay   = 1440
	offsetMax       = 840 // minutes
)

var pow10 = [8]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000}

// value reads a value of type w. Errors of ErrMalformed leave the cursor nowhere; other errors are about this value.
func (c *cursor) value(w wireType) (sqltype.Value, bool) {
	null := sqltype.NullOf(w.typ.Kind)
	switch w.id {
	case typeNull:
		return null, true
	case typeInt1, typeBit, typeInt2, typeInt4, typeInt8, typeDateTime4, typeDateTime, typeFloat4, typeFloat8, typeMoney4, typeMoney:
		return scalar(w, c.bytes(w.size))
	case typeBigVarBinary, typeBigVarChar, typeBigBinary, typeBigChar, typeNVarChar, typeNChar, typeXML:
		if w.size == sizeMax {
			p, isNull := c.plp()
			if isNull {
				return null, true
			}
			return text(w, p)
		}
		n := int(c.u16())
		if n == sizeMax {
			return null, true
		}
		if n > w.size && c.err == nil {
			c.fail("a value of %d bytes in a type of %d", n, w.size)
		}
		return text(w, c.bytes(n))
	case typeText, typeNText, typeImage:
		n := c.u32()
		if n == longNull {
			return null, true
		}
		return text(w, c.bytes(int(n)))
	case typeVariant:
		return c.variant()
	default:
		n := int(c.u8())
		if n == 0 {
			return null, true
		}
		return scalar(w, c.bytes(n))
	}
}

// plp reads a value in chunks ([MS-TDS] 2.2.5.2.3). One chunk is not copied.
func (c *cursor) plp() (p []byte, isNull bool) {
	total := c.u64()
	if total == plpNull {
		return nil, true
	}
	if total != plpUnknown && total > uint64(c.left()) {
		c.fail("a value of %d bytes is announced, %d are there", total, c.left())
		return nil, false
	}
	for first := true; c.err == nil; first = false {
		n := c.u32()
		if n == 0 {
			break
		}
		chunk := c.bytes(int(n))
		if first {
			p = chunk[:len(chunk):len(chunk)]
		} else {
			p = append(p, chunk...)
		}
	}
	if c.err == nil && total != plpUnknown && uint64(len(p)) != total {
		c.fail("a value of %d bytes came in chunks of %d bytes together", total, len(p))
	}
	return p, false
}

// text gives a character or binary value; false when its bytes are none of the type.
func text(w wireType, p []byte) (sqltype.Value, bool) {
	v := sqltype.Value{K: w.typ.Kind, Valid: true}
	switch {
	case w.typ.Kind.IsUnicode():
		if len(p)%2 != 0 {
			return v, false
		}
		if w.id == typeXML && len(p) >= 2 && p[0] == 0xff && p[1] == 0xfe {
			p = p[2:]
		}
		v.S = decodeUTF16(p)
	case w.typ.Kind.IsString() && w.utf8:
		v.S = strings.ToValidUTF8(string(p), "\uFFFD")
	case w.typ.Kind.IsString():
		v.S = decode1252(p)
	default:
		v.S = string(p)
	}
	switch w.typ.Kind {
	case sqltype.Char, sqltype.NChar:
		if n := w.typ.Len - utf8.RuneCountInString(v.S); n > 0 {
			v.S += strings.Repeat(" ", n)
		}
	case sqltype.Binary:
		if n := w.typ.Len - len(v.S); n > 0 {
			v.S += strings.Repeat("\x00", n)
		}
	}
	return v, true
}

// scalar gives a number, time or identifier from its bytes; false when they are none of the type.
func scalar(w wireType, p []byte) (sqltype.Value, bool) {
	v := sqltype.Value{K: w.typ.Kind, Valid: true}
	le := binary.LittleEndian
	switch k := w.typ.Kind; {
	case k == sqltype.Decimal:
		return decimal(w, p)
	case k == sqltype.Date, k == sqltype.Time, k == sqltype.DateTime2, k == sqltype.DateTimeOffset:
		return temporal(w, p)
	case len(p) != w.size && (k != sqltype.UniqueIdentifier || len(p) != 16):
		return v, false
	case k == sqltype.UniqueIdentifier:
		v.S = string(p)
	case k == sqltype.Bit:
		if p[0] != 0 {
			v.N = 1
		}
	case k == sqltype.TinyInt:
		v.N = int64(p[0])
	case k == sqltype.SmallInt:
		v.N = int64(int16(le.Uint16(p)))
	case k == sqltype.Int, k == sqltype.SmallMoney:
		v.N = int64(int32(le.Uint32(p)))
	case k == sqltype.BigInt:
		v.N = int64(le.Uint64(p))
	case k == sqltype.Money:
		v.N = int64(int32(le.Uint32(p)))<<32 | int64(le.Uint32(p[4:]))
	case k == sqltype.Real:
		return float(k, float64(math.Float32frombits(le.Uint32(p))))
	case k == sqltype.Float:
		return float(k, math.Float64frombits(le.Uint64(p)))
	case k == sqltype.SmallDateTime:
		days, minutes := int64(le.Uint16(p)), int64(le.Uint16(p[2:]))
		v.N = days*minutesPerDay + minutes
		return v, minutes < minutesPerDay
	case k == sqltype.DateTime:
		days, ticks := int64(int32(le.Uint32(p))), int64(le.Uint32(p[4:]))
		v.N = days*dateTimePerDay + ticks
		return v, days >= dateTimeDaysMin && days <= dateTimeDaysMax && ticks < dateTimePerDay
	}
	return v, true
}

// float refuses what SQL Server's float cannot hold.
func float(k sqltype.Kind, f float64) (sqltype.Value, bool) {
	return sqltype.FloatOf(k, f), !math.IsNaN(f) && !math.IsInf(f, 0)
}

// decimal gives a number from a sign byte (1 is positive) and up to sixteen bytes of magnitude.
func decimal(w wireType, p []byte) (sqltype.Value, bool) {
	v := sqltype.Value{K: sqltype.Decimal, Scale: w.scale, Valid: true}
	if len(p) < 2 || len(p) > 17 {
		return v, false
	}
	var mag [16]byte
	copy(mag[:], p[1:])
	lo, hi := binary.LittleEndian.Uint64(mag[:]), binary.LittleEndian.Uint64(mag[8:])
	limHi, limLo := pow128(w.prec)
	if hi > limHi || hi == limHi && lo >= limLo {
		return v, false
	}
	if p[0] == 0 {
		hi, lo = negate(hi, lo)
	}
	v.Hi, v.N = int64(hi), int64(lo)
	return v, true
}

// pow128 is 10 to the power of prec, at most 38.
func pow128(prec uint8) (hi, lo uint64) {
	lo = 1
	for range prec {
		hi, lo = mul10(hi, lo)
	}
	return hi, lo
}

func mul10(hi, lo uint64) (uint64, uint64) {
	carry, l := bits.Mul64(lo, 10)
	return hi*10 + carry, l
}

func negate(hi, lo uint64) (uint64, uint64) {
	lo = -lo
	hi = ^hi
	if lo == 0 {
		hi++
	}
	return hi, lo
}

// temporal gives a date, time, datetime2 or datetimeoffset: time bytes, three bytes of days, two of offset.
func temporal(w wireType, p []byte) (sqltype.Value, bool) {
	v := sqltype.Value{K: w.typ.Kind, Scale: w.scale, Valid: true}
	rest := 0
	switch w.typ.Kind {
	case sqltype.Date, sqltype.DateTime2:
		rest = 3
	case sqltype.DateTimeOffset:
		rest = 5
	}
	if w.typ.Kind == sqltype.Date && len(p) != 3 || w.typ.Kind != sqltype.Date && len(p) != timeBytes(w.scale)+rest {
		return v, false
	}
	var ticks, days int64
	for i := len(p) - rest - 1; i >= 0; i-- {
		ticks = ticks<<8 | int64(p[i])
	}
	if ticks >= ticksPerDay/pow10[7-w.scale] {
		return v, false
	}
	ticks *= pow10[7-w.scale]
	if d := p[len(p)-rest:]; rest > 0 {
		if days = int64(d[0]) | int64(d[1])<<8 | int64(d[2])<<16; days > daysMax {
			return v, false
		}
		if rest == 5 {
			v.Hi = int64(int16(binary.LittleEndian.Uint16(d[3:])))
		}
	}
	switch w.typ.Kind {
	case sqltype.Date:
		v.Scale, v.N = 0, days
	default:
		v.N = days*ticksPerDay + ticks
	}
	return v, v.Hi >= -offsetMax && v.Hi <= offsetMax
}

// timeBytes is the length of a time of day with scale digits.
func timeBytes(scale uint8) int {
	switch {
	case scale <= 2:
		return 3
	case scale <= 4:
		return 4
	}
	return 5
}

// variant reads a sql_variant: total length, base type, properties, data ([MS-TDS] 2.2.5.5.4). The value has the base's
// kind.
func (c *cursor) variant() (sqltype.Value, bool) {
	n := c.u32()
	if n == 0 {
		return sqltype.NullOf(sqltype.Variant), true
	}
	in := cursor{b: c.bytes(int(n))}
	if c.err != nil {
		return sqltype.Value{}, false
	}
	w := wireType{id: typeID(in.u8())}
	props := cursor{b: in.bytes(int(in.u8()))}
	switch w.id {
	case typeDecimalN, typeNumericN:
		w.prec, w.scale = props.u8(), props.u8()
		w.typ = sqltype.Type{Kind: sqltype.Decimal, Prec: w.prec, Scale: w.scale}
		if w.prec > 38 || w.scale > w.prec {
			return sqltype.Value{}, false
		}
	case typeBigVarChar, typeBigChar, typeNVarChar, typeNChar:
		props.collation(&w)
		w.size = int(props.u16())
		w.shortLen()
	case typeBigVarBinary, typeBigBinary:
		w.size = int(props.u16())
		w.shortLen()
	case typeTime, typeDateTime2, typeDateTimeOffset:
		if w.scale = props.u8(); w.scale > 7 {
			return sqltype.Value{}, false
		}
		w.typ.Kind = kindOf(w.id)
	case typeDate:
		w.typ.Kind = sqltype.Date
	case typeGUID:
		w.typ.Kind, w.size = sqltype.UniqueIdentifier, 16
	default:
		w.fixed()
	}
	if w.typ.Kind == sqltype.Null || in.err != nil || props.err != nil {
		return sqltype.Value{}, false
	}
	p := in.bytes(in.left())
	if k := w.typ.Kind; k.IsString() || k.IsBinary() {
		w.typ.Len = 0 // what was sent is what counts
		return text(w, p)
	}
	return scalar(w, p)
}

// invalidValue is the refusal of a value whose bytes are none of its type.
func invalidValue(param int, name string, w wireType) error {
	return sqlerr.New(8023, param, name, w.typ.Kind.String())
}
