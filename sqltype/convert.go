package sqltype

import (
	"math"

	"linkspan/sqlerr"
)

// Convert gives v, a value of type from, as type to; style is CONVERT's third argument, 0 for none. It does what CAST
// does: text too long is cut, numbers round or fail with SQL Server's errors (220, 232, 234, 235, 241, 242, 244, 245,
// 248, 281, 295, 8114, 8115, 8169, 8170). Whether the kinds may convert at all is Allowed's matter.
func Convert(v Value, from, to Type, style int) (Value, *sqlerr.Error) {
	if !v.Valid {
		return NullOf(to.Kind), nil
	}
	if from.Kind == Variant || from.Kind != v.K && v.K != Null {
		from = typeOfValue(v, from)
	}
	switch {
	case to.Kind == Variant || to.Kind == Null:
		return v, nil
	case to.Kind.IsString():
		return toText(v, from, to, style)
	case to.Kind.IsBinary():
		return toBinary(v, from, to, style)
	case from.Kind.IsString():
		return fromText(v, from, to, style)
	case from.Kind.IsBinary():
		return fromBinary(v, from, to)
	case to.Kind == UniqueIdentifier:
		return v, nil
	case from.Kind.IsTemporal() && to.Kind.IsTemporal():
		return temporal(v, from, to)
	case from.Kind.IsTemporal():
		return dateToNumber(v, to)
	case to.Kind.IsTemporal():
		return numberToDate(v, from, to)
	}
	return number(v, from, to)
}

// typeOfValue is the type of a value whose declared type does not tell: what a variant holds.
func typeOfValue(v Value, declared Type) Type {
	t := Of(v.K)
	t.Collation = declared.Collation
	if v.K == Decimal {
		t.Prec = MaxPrec
	}
	t.Scale = v.Scale
	if t.Kind.IsString() || t.Kind.IsBinary() {
		t.Len = MaxLen
	}
	return t
}

// intRange gives the least and greatest value of an integer kind.
func intRange(k Kind) (lo, hi int64) {
	switch k {
	case TinyInt:
		return 0, math.MaxUint8
	case SmallInt:
		return math.MinInt16, math.MaxInt16
	case Int:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

// CheckInt gives n as integer kind k, or 8115 as an operator raises it.
func CheckInt(n int64, k Kind) (Value, *sqlerr.Error) {
	if lo, hi := intRange(k); n < lo || n > hi {
		return Value{}, sqlerr.New(8115, "expression", k)
	}
	return IntOf(k, n), nil
}

// number converts between the numeric kinds.
func number(v Value, from, to Type) (Value, *sqlerr.Error) {
	switch {
	case to.Kind == Bit:
		return BitOf(!v.zero()), nil
	case to.Kind == Float || to.Kind == Real:
		return toFloat(v, to)
	case from.Kind.IsInteger():
		return fromInteger(v, from, to)
	case from.Kind == Float || from.Kind == Real:
		return fromFloat(v.Float(), from, to)
	}
	d := v
	if v.K != Decimal {
		d = DecimalOf(v.N, 4)
	}
	switch {
	case to.Kind == Decimal:
		r, ok := Rescale(d, int(to.Prec), int(to.Scale))
		if !ok {
			return Value{}, overflow(messageName(from.Kind), to)
		}
		return r, nil
	case to.Kind == Money || to.Kind == SmallMoney:
		n, ok := moneyOf(d, false)
		return toMoney(n, ok, messageName(from.Kind), to)
	}
	return decimalToInt(d, from, to)
}

// decimalToInt cuts a decimal, but rounds money.
func decimalToInt(d Value, from, to Type) (Value, *sqlerr.Error) {
	neg, m := d.mag()
	m, _ = toScale(m, int(d.Scale), 0, from.Kind != Decimal)
	lo, hi := intRange(to.Kind)
	if m.hi != 0 || !neg && m.lo > uint64(hi) || neg && m.lo > -uint64(lo) {
		return Value{}, overflow(messageName(from.Kind), to)
	}
	n := int64(m.lo)
	if neg {
		n = -n
	}
	return IntOf(to.Kind, n), nil
}

func fromInteger(v Value, from, to Type) (Value, *sqlerr.Error) {
	switch to.Kind {
	case Decimal:
		r, ok := Rescale(DecimalOf(v.N, 0), int(to.Prec), int(to.Scale))
		if !ok {
			return Value{}, overflow(messageName(from.Kind), to)
		}
		return r, nil
	case Money, SmallMoney:
		const limit = math.MaxInt64 / 10000
		return toMoney(v.N*10000, v.N <= limit && v.N >= -limit, "expression", to)
	}
	lo, hi := intRange(to.Kind)
	if v.N >= lo && v.N <= hi {
		return IntOf(to.Kind, v.N), nil
	}
	if to.Kind == Int {
		return Value{}, sqlerr.New(8115, "expression", "int")
	}
	return Value{}, sqlerr.New(220, to.Kind, v.String())
}

func toMoney(n int64, ok bool, from string, to Type) (Value, *sqlerr.Error) {
	if !ok || to.Kind == SmallMoney && (n >= smallMoneyMax || n < -smallMoneyMax) {
		return Value{}, overflow(from, to)
	}
	return Value{K: to.Kind, Valid: true, N: n}, nil
}

func toFloat(v Value, to Type) (Value, *sqlerr.Error) {
	f := AsFloat(v)
	if to.Kind == Real || to.Prec > 0 && to.Prec <= 24 {
		f = float64(float32(f))
		if math.IsInf(f, 0) {
			return Value{}, sqlerr.New(8115, "expression", "real")
		}
	}
	return FloatOf(to.Kind, f), nil
}

// AsFloat gives any number as a float64.
func AsFloat(v Value) float64 {
	switch v.K {
	case Real, Float:
		return v.Float()
	case Decimal:
		return DecimalFloat(v)
	case Money, SmallMoney:
		return float64(v.N) / 10000
	}
	return float64(v.N)
}

func (v Value) zero() bool {
	switch v.K {
	case Real, Float:
		return v.Float() == 0
	}
	return v.N|v.Hi == 0
}

func fromFloat(f float64, from, to Type) (Value, *sqlerr.Error) {
	switch to.Kind {
	case Decimal:
		v, ok := FloatDecimal(f, int(to.Prec), int(to.Scale))
		if !ok {
			return Value{}, overflow(from.Kind.String(), to)
		}
		return v, nil
	case Money, SmallMoney:
		n := math.RoundToEven(f * 10000)
		ok := n >= math.MinInt64 && n < math.MaxInt64
		if !ok {
			n = 0
		}
		return toMoney(int64(n), ok, from.Kind.String(), to)
	}
	lo, hi := intRange(to.Kind)
	t := math.Trunc(f)
	if !(t >= float64(lo) && t <= float64(hi)) || to.Kind == BigInt && t >= math.MaxInt64 {
		if to.Kind == BigInt {
			return Value{}, sqlerr.New(8115, "expression", "bigint")
		}
		return Value{}, sqlerr.New(232, to.Kind, formatFixed(f))
	}
	return IntOf(to.Kind, int64(t)), nil
}

// dateToNumber gives a datetime as days since 1900; to integers it rounds at noon.
func dateToNumber(v Value, to Type) (Value, *sqlerr.Error) {
	days := DaysOf(v)
	if to.Kind.IsInteger() && to.Kind != Bit {
		days = math.Floor(days + 0.5)
	}
	return number(FloatOf(Float, days), typeFloat, to)
}

func numberToDate(v Value, from, to Type) (Value, *sqlerr.Error) {
	r, ok := DateTimeOf(AsFloat(v), to.Kind)
	if !ok {
		return Value{}, sqlerr.New(8115, "expression", to.Kind)
	}
	return r, nil
}
