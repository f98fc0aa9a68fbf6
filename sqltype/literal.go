package sqltype

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"linkspan/sqlerr"
)

// Number types a numeric literal as it stands in T-SQL, without sign: 42 is int, 3000000000 numeric(10,0), 1.50
// numeric(3,2), 1e3 float. A number of more than 38 digits is error 1007, a float out of range 168.
func Number(text string) (Type, Value, *sqlerr.Error) {
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(fixExponent(text), 64)
		if err != nil || math.IsInf(f, 0) {
			return Type{}, Value{}, sqlerr.New(168, text, 8)
		}
		return typeFloat, FloatOf(Float, f), nil
	}
	if !strings.Contains(text, ".") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n <= math.MaxInt32 {
			return typeInt, IntOf(Int, n), nil
		}
	}
	v, err := parseDecimal(text, false)
	if err != nil {
		return Type{}, Value{}, sqlerr.New(1007, text)
	}
	_, m := v.mag()
	return DecimalType(max(m.digits(), int(v.Scale), 1), int(v.Scale)), v, nil
}

// fixExponent completes what T-SQL allows and Go does not: 1e, 1e+.
func fixExponent(s string) string {
	if c := s[len(s)-1]; c == 'e' || c == 'E' || c == '+' || c == '-' {
		return s + "0"
	}
	return s
}

// Str types a string literal: 'x' is varchar(1), N'x' nvarchar(1); an empty one has length 1. A long one is of the max
// type. Without national, characters outside code page 1252 become '?', unless the collation is UTF-8.
func Str(text string, national bool, collation string) (Type, Value) {
	t := Type{Kind: VarChar, Collation: collation}
	limit := 8000
	if national {
		t.Kind, limit = NVarChar, 4000
	} else if !CollationOf(t).UTF8 {
		text = toCodePage(text)
	}
	t.Len = max(Length(text, t), 1)
	if t.Len > limit {
		t.Len = MaxLen
	}
	return t, StringOf(t.Kind, text)
}

// Hex types a binary literal, 0xAB without its 0x: varbinary(1). An odd digit is padded on the left.
func Hex(digits string) (Type, Value, bool) {
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return Type{}, Value{}, false
	}
	t := Type{Kind: VarBinary, Len: max(len(b), 1)}
	if t.Len > 8000 {
		t.Len = MaxLen
	}
	return t, BytesOf(VarBinary, b), true
}

// Currency types a money literal such as $1.5 or £3, with or without its sign in front; overflow is 8115.
func Currency(text string) (Type, Value, *sqlerr.Error) {
	n, err := parseMoney(text)
	if err != nil {
		return Type{}, Value{}, err
	}
	return typeMoney, Value{K: Money, Valid: true, N: n}, nil
}

// Length counts s in the units of t's length: UTF-16 units for Unicode kinds, bytes for binaries and for varchar under
// a UTF-8 collation, characters for other varchars.
func Length(s string, t Type) int {
	switch {
	case t.Kind.IsUnicode():
		return utf16Len(s)
	case t.Kind.IsString() && !CollationOf(t).UTF8:
		return utf8.RuneCountInString(s)
	}
	return len(s)
}

func utf16Len(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			n++
			continue
		}
		r, w := utf8.DecodeRuneInString(s[i:])
		i += w
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// parseDecimal reads digits, one point and a sign; with exp an exponent too. It rounds digits past the 38th.
func parseDecimal(s string, exp bool) (Value, error) {
	var m u128
	neg, point, seen, lost := false, -1, 0, 0
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		neg = s[i] == '-'
		i++
	}
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && point < 0 {
			point = 0
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen++
		if point >= 0 && (lost > 0 || point >= MaxPrec) {
			lost++
			continue
		}
		next, ok := mulAdd10(m, uint64(c-'0'))
		if !ok {
			if point < 0 {
				return Value{}, errNumber
			}
			lost++
			if c >= '5' {
				m, _ = m.add(u128{0, 1})
			}
			continue
		}
		m = next
		if point >= 0 {
			point++
		}
	}
	if seen == 0 {
		return Value{}, errNumber
	}
	scale := max(point, 0)
	if i < len(s) {
		e, ok := exponent(s[i:], exp)
		if !ok {
			return Value{}, errNumber
		}
		scale -= e
	}
	return settle(neg, m, scale)
}

func exponent(s string, allowed bool) (int, bool) {
	if !allowed || s[0]|0x20 != 'e' {
		return 0, false
	}
	e, err := strconv.Atoi(s[1:])
	return e, err == nil && e > -400 && e < 400
}

// settle brings a scale that an exponent moved into 0 to 38.
func settle(neg bool, m u128, scale int) (Value, error) {
	if scale < 0 {
		r, ok := toScale(m, 0, -scale, true)
		if !ok {
			return Value{}, errNumber
		}
		m, scale = r, 0
	} else if scale > MaxPrec {
		down := scale - MaxPrec
		if down > MaxPrec+1 {
			m = u128{}
		} else {
			m = u256{m.lo, m.hi}.scaleDown(down, true).low()
		}
		scale = MaxPrec
	}
	if m.cmp(maxDecimal) >= 0 {
		return Value{}, errNumber
	}
	return decimalValue(neg, m, scale), nil
}

func mulAdd10(m u128, d uint64) (u128, bool) {
	p := m.mul(u128{0, 10})
	r, over := p.low().add(u128{0, d})
	return r, !over && p.fits() && r.cmp(maxDecimal) < 0
}
