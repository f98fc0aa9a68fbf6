package sqltype

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"

	"linkspan/sqlerr"
)

// toBinary gives v's bytes: text as it is stored, or with style 1 and 2 the hexadecimal digits it holds; numbers
// big-endian, cut or padded on the left; everything else on the right.
func toBinary(v Value, from, to Type, style int) (Value, *sqlerr.Error) {
	var b []byte
	left := false
	switch {
	case from.Kind.IsBinary():
		b = []byte(v.S)
	case from.Kind.IsString() && (style == 1 || style == 2):
		var e *sqlerr.Error
		if b, e = textHex(v.S, style, from, to); e != nil {
			return Value{}, e
		}
	case from.Kind.IsString():
		b = EncodeText(v.S, from)
	case from.Kind == UniqueIdentifier:
		b = []byte(v.S)
	case from.Kind.IsTemporal():
		b = dateBytes(v)
	default:
		b, left = numberBytes(v, from), true
	}
	return Value{K: to.Kind, Valid: true, S: fitBytes(b, to, left)}, nil
}

// textHex reads 0x… (style 1) or … (style 2).
func textHex(s string, style int, from, to Type) ([]byte, *sqlerr.Error) {
	bad := sqlerr.New(8114, messageName(from.Kind), to.Kind)
	if style == 1 {
		if len(s) < 2 || s[0] != '0' || s[1]|0x20 != 'x' {
			return nil, bad
		}
		s = s[2:]
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, bad
	}
	return b, nil
}

func fitBytes(b []byte, to Type, left bool) string {
	if to.Kind == RowVersion {
		to.Len = 8
		to.Kind = Binary
	}
	if to.Len <= 0 {
		return string(b)
	}
	if len(b) > to.Len {
		if left {
			return string(b[len(b)-to.Len:])
		}
		return string(b[:to.Len])
	}
	if to.Kind == Binary && len(b) < to.Len {
		pad := strings.Repeat("\x00", to.Len-len(b))
		if left {
			return pad + string(b)
		}
		return string(b) + pad
	}
	return string(b)
}

func numberBytes(v Value, from Type) []byte {
	switch from.Kind {
	case Bit, TinyInt:
		return []byte{byte(v.N)}
	case SmallInt:
		return binary.BigEndian.AppendUint16(nil, uint16(v.N))
	case Int, SmallMoney:
		return binary.BigEndian.AppendUint32(nil, uint32(v.N))
	case Real:
		return binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(v.Float())))
	case Decimal:
		return decimalBytes(v, from)
	}
	return binary.BigEndian.AppendUint64(nil, uint64(v.N))
}

// decimalBytes is SQL Server's form of a decimal: precision, scale, 0, sign (1 for positive), the magnitude in groups of
// four bytes, little-endian.
func decimalBytes(v Value, from Type) []byte {
	neg, m := v.mag()
	b := []byte{from.Prec, v.Scale, 0, 1}
	if neg {
		b[3] = 0
	}
	b = binary.LittleEndian.AppendUint64(b, m.lo)
	b = binary.LittleEndian.AppendUint64(b, m.hi)
	n := 4
	switch {
	case from.Prec > 28:
		n = 16
	case from.Prec > 19:
		n = 12
	case from.Prec > 9:
		n = 8
	}
	return b[:4+n]
}

// dateBytes is SQL Server's form of a date: datetime as days and ticks, four bytes big-endian each; the newer types as
// the scale, the time and the day, little-endian.
func dateBytes(v Value) []byte {
	switch v.K {
	case DateTime:
		d := floorDiv(v.N, day300)
		b := binary.BigEndian.AppendUint32(nil, uint32(d))
		return binary.BigEndian.AppendUint32(b, uint32(v.N-d*day300))
	case SmallDateTime:
		b := binary.BigEndian.AppendUint16(nil, uint16(v.N/1440))
		return binary.BigEndian.AppendUint16(b, uint16(v.N%1440))
	}
	day := func(b []byte, n int64) []byte { return append(b, byte(n), byte(n>>8), byte(n>>16)) }
	if v.K == Date {
		return day(nil, v.N)
	}
	d := v.N / TickDay
	t := v.N % TickDay / scaleTicks[v.Scale]
	b := binary.LittleEndian.AppendUint64([]byte{v.Scale}, uint64(t))
	switch {
	case v.Scale <= 2:
		b = b[:4]
	case v.Scale <= 4:
		b = b[:5]
	default:
		b = b[:6]
	}
	if v.K != Time {
		b = day(b, d)
	}
	if v.K == DateTimeOffset {
		b = append(b, byte(v.Hi), byte(v.Hi>>8))
	}
	return b
}

// fromBinary reads bytes as a value of type to.
func fromBinary(v Value, from, to Type) (Value, *sqlerr.Error) {
	s := v.S
	switch to.Kind {
	case UniqueIdentifier:
		if len(s) < 16 {
			s += strings.Repeat("\x00", 16-len(s))
		}
		return Value{K: to.Kind, Valid: true, S: s[:16]}, nil
	case Decimal:
		return decimalFromBytes(s, from, to)
	case DateTime:
		n := tail(s, 8)
		t := int64(int32(n>>32))*day300 + int64(uint32(n))
		r, ok := FromMoment(Day1900*TickDay+ticks300(t), 0, to)
		if !ok || uint32(n) >= day300 {
			return Value{}, sqlerr.New(8115, "expression", "datetime")
		}
		return r, nil
	case Bit:
		return BitOf(strings.Trim(s, "\x00") != ""), nil
	case TinyInt:
		return IntOf(to.Kind, int64(uint8(tail(s, 1)))), nil
	case SmallInt:
		return IntOf(to.Kind, int64(int16(tail(s, 2)))), nil
	case Int:
		return IntOf(to.Kind, int64(int32(tail(s, 4)))), nil
	case SmallMoney:
		return Value{K: to.Kind, Valid: true, N: int64(int32(tail(s, 4)))}, nil
	case BigInt, Money:
		return Value{K: to.Kind, Valid: true, N: int64(tail(s, 8))}, nil
	}
	return Value{}, sqlerr.New(8114, messageName(from.Kind), messageName(to.Kind))
}

// tail reads the last n bytes of s, big-endian.
func tail(s string, n int) uint64 {
	if len(s) > n {
		s = s[len(s)-n:]
	}
	var r uint64
	for i := 0; i < len(s); i++ {
		r = r<<8 | uint64(s[i])
	}
	return r
}

func decimalFromBytes(s string, from, to Type) (Value, *sqlerr.Error) {
	bad := sqlerr.New(8114, messageName(from.Kind), "numeric")
	if len(s) < 5 || s[0] < 1 || s[0] > MaxPrec || s[1] > s[0] {
		return Value{}, bad
	}
	var b [16]byte
	if copy(b[:], s[4:]) < len(s)-4 {
		return Value{}, bad
	}
	m := u128{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[:])}
	if m.cmp(maxDecimal) >= 0 {
		return Value{}, bad
	}
	r, ok := Rescale(decimalValue(s[3] == 0, m, int(s[1])), int(to.Prec), int(to.Scale))
	if !ok {
		return Value{}, overflow(messageName(from.Kind), to)
	}
	return r, nil
}
