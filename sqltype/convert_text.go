package sqltype

import (
	"math"
	"strconv"
	"strings"

	"linkspan/sqlerr"
)

// toText prints v as a text of type to.
func toText(v Value, from, to Type, style int) (Value, *sqlerr.Error) {
	s, e := textOf(v, from, to, style)
	if e != nil {
		return Value{}, e
	}
	if to.Len > 0 && len(s) > to.Len && !from.Kind.IsString() {
		if s, e = tooNarrow(s, from, to); e != nil {
			return Value{}, e
		}
	}
	return StringOf(to.Kind, fitText(s, to)), nil
}

// textOf prints v in full.
func textOf(v Value, from, to Type, style int) (string, *sqlerr.Error) {
	switch {
	case from.Kind.IsString():
		if from.Kind.IsUnicode() && !to.Kind.IsUnicode() && !CollationOf(to).UTF8 {
			return toCodePage(v.S), nil
		}
		return v.S, nil
	case from.Kind.IsBinary():
		switch style {
		case 1:
			return "0x" + hexUpper(v.S), nil
		case 2:
			return hexUpper(v.S), nil
		}
		return DecodeText(v.S, to), nil
	case from.Kind.IsTemporal():
		return dateText(v, style, to)
	case v.K == Money || v.K == SmallMoney:
		return formatMoney(v.N, style), nil
	case v.K == Float || v.K == Real:
		return FormatFloat(v.Float(), v.K, style), nil
	}
	return v.String(), nil
}

// dateText prints a date in a style. Without one, datetime and smalldatetime use 0 and the newer types 121.
func dateText(v Value, style int, to Type) (string, *sqlerr.Error) {
	if style == 0 && v.K != DateTime && v.K != SmallDateTime {
		style = 121
	}
	s, ok := FormatDate(v, style)
	if !ok {
		return "", sqlerr.New(281, style, v.K)
	}
	if s == "" && style != 0 {
		return "", sqlerr.New(8114, v.K, messageName(to.Kind))
	}
	return s, nil
}

// tooNarrow is what a number or uniqueidentifier does in a text too short for it: "Truncating and Rounding Results" in
// "CAST and CONVERT (Transact-SQL)".
func tooNarrow(s string, from, to Type) (string, *sqlerr.Error) {
	switch from.Kind {
	case TinyInt, SmallInt, Int:
		if !to.Kind.IsUnicode() {
			return "*", nil
		}
		return "", sqlerr.New(8115, "expression", to.Kind)
	case BigInt, Bit:
		return "", sqlerr.New(8115, "expression", to.Kind)
	case Decimal, Real, Float:
		return "", sqlerr.New(8115, messageName(from.Kind), to.Kind)
	case Money, SmallMoney:
		return "", sqlerr.New(234, to.Kind)
	case UniqueIdentifier:
		return "", sqlerr.New(8170)
	}
	return s, nil
}

// FormatFloat prints a float in a CONVERT style: 0 six digits at most, 1 eight and 2 sixteen in scientific notation, 3
// as many as bring the number back.
func FormatFloat(f float64, k Kind, style int) string {
	bits := 64
	if k == Real {
		bits = 32
	}
	switch style {
	case 1:
		return exponent3(strconv.FormatFloat(f, 'e', 7, 64))
	case 2:
		return exponent3(strconv.FormatFloat(f, 'e', 15, 64))
	case 3:
		return exponent3(strconv.FormatFloat(f, 'g', -1, bits))
	}
	return exponent3(strconv.FormatFloat(f, 'g', 6, 64))
}

// exponent3 widens an exponent to the three digits that SQL Server prints.
func exponent3(s string) string {
	m, e, ok := strings.Cut(s, "e")
	if !ok {
		return s
	}
	for len(e) < 4 {
		e = e[:1] + "0" + e[1:]
	}
	return m + "e" + e
}

// formatFixed prints a float as error 232 does.
func formatFixed(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }

// fromText reads text as a value of type to.
func fromText(v Value, from, to Type, style int) (Value, *sqlerr.Error) {
	s := v.S
	switch {
	case to.Kind.IsInteger():
		return textToInt(s, from, to)
	case to.Kind == Decimal:
		return textToDecimal(s, from, to)
	case to.Kind == Float || to.Kind == Real:
		return textToFloat(s, from, to)
	case to.Kind == Money || to.Kind == SmallMoney:
		n, e := parseMoney(s)
		if e != nil && e.Number == 235 && to.Kind == SmallMoney {
			e = sqlerr.New(293)
		}
		if e != nil {
			return Value{}, e
		}
		return toMoney(n, true, "expression", to)
	case to.Kind == UniqueIdentifier:
		g, ok := parseGUID(s)
		if !ok {
			return Value{}, sqlerr.New(8169)
		}
		return Value{K: to.Kind, Valid: true, S: string(g[:])}, nil
	case to.Kind.IsTemporal():
		return textToDate(s, from, to, style)
	}
	v.K = to.Kind
	return v, nil
}

func textToInt(s string, from, to Type) (Value, *sqlerr.Error) {
	t := strings.Trim(s, " \t\r\n")
	if to.Kind == Bit {
		return textToBit(t, s, from)
	}
	if t == "" {
		return IntOf(to.Kind, 0), nil
	}
	n, err := strconv.ParseInt(t, 10, 64)
	lo, hi := intRange(to.Kind)
	if err == nil && n >= lo && n <= hi && !strings.Contains(t, "_") {
		return IntOf(to.Kind, n), nil
	}
	if !integerText(t) {
		if to.Kind == BigInt {
			return Value{}, sqlerr.New(8114, messageName(from.Kind), "bigint")
		}
		return Value{}, sqlerr.New(245, messageName(from.Kind), shown(s), to.Kind)
	}
	switch to.Kind {
	case TinyInt:
		return Value{}, sqlerr.New(244, messageName(from.Kind), shown(s), "INT1")
	case SmallInt:
		return Value{}, sqlerr.New(244, messageName(from.Kind), shown(s), "INT2")
	case Int:
		return Value{}, sqlerr.New(248, messageName(from.Kind), shown(s))
	}
	return Value{}, sqlerr.New(8115, "expression", to.Kind)
}

// integerText reports whether s is a sign and digits.
func integerText(s string) bool {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// shown bounds the text that an error message repeats.
func shown(s string) string {
	if len(s) > 400 {
		s, _ = Cut(s, 400, Type{Kind: NVarChar})
	}
	return strings.TrimRight(s, " ")
}

func textToBit(t, s string, from Type) (Value, *sqlerr.Error) {
	switch {
	case t == "":
		return BitOf(false), nil
	case strings.EqualFold(t, "true"):
		return BitOf(true), nil
	case strings.EqualFold(t, "false"):
		return BitOf(false), nil
	case integerText(t):
		return BitOf(strings.Trim(t, "+-0") != ""), nil
	}
	return Value{}, sqlerr.New(245, messageName(from.Kind), shown(s), "bit")
}

func textToDecimal(s string, from, to Type) (Value, *sqlerr.Error) {
	d, err := parseDecimal(strings.TrimSpace(s), false)
	if err != nil {
		if integerText(strings.TrimSpace(s)) {
			return Value{}, overflow(messageName(from.Kind), to)
		}
		return Value{}, sqlerr.New(8114, messageName(from.Kind), "numeric")
	}
	r, ok := Rescale(d, int(to.Prec), int(to.Scale))
	if !ok {
		return Value{}, overflow(messageName(from.Kind), to)
	}
	return r, nil
}

func textToFloat(s string, from, to Type) (Value, *sqlerr.Error) {
	t := strings.TrimSpace(s)
	if t == "" {
		return FloatOf(to.Kind, 0), nil
	}
	for i := 0; i < len(t); i++ {
		if c := t[i]; !isDigit(c) && c != '.' && c != '+' && c != '-' && c|0x20 != 'e' {
			return Value{}, sqlerr.New(8114, messageName(from.Kind), to.Kind)
		}
	}
	f, err := strconv.ParseFloat(fixExponent(t), 64)
	if err != nil {
		if math.IsInf(f, 0) {
			return Value{}, sqlerr.New(8115, messageName(from.Kind), to.Kind)
		}
		return Value{}, sqlerr.New(8114, messageName(from.Kind), to.Kind)
	}
	return toFloat(FloatOf(Float, f), to)
}

// textToDate reads a date or time: 241 when it is none, 242 (295 for smalldatetime) when it is outside the type.
func textToDate(s string, from, to Type, style int) (Value, *sqlerr.Error) {
	m, ok := parseMoment(s, styleOrder(style))
	old := to.Kind == DateTime || to.Kind == SmallDateTime
	limit := 7
	if old {
		limit = 3
	}
	if !ok || m.digits > limit || old && m.hasOffset && !(m.iso && m.offset == 0) {
		return Value{}, badDate(to)
	}
	if m.outside {
		return Value{}, farDate(from, to)
	}
	t := int64(m.days)*TickDay + m.ticks
	r, ok := FromMoment(t, m.offset, to)
	if !ok {
		return Value{}, farDate(from, to)
	}
	return r, nil
}

func badDate(to Type) *sqlerr.Error {
	if to.Kind == SmallDateTime {
		return sqlerr.New(295)
	}
	return sqlerr.New(241)
}

func farDate(from, to Type) *sqlerr.Error {
	if to.Kind == DateTime || to.Kind == SmallDateTime {
		return sqlerr.New(242, messageName(from.Kind), to.Kind)
	}
	return sqlerr.New(241)
}
