package sqltype

import (
	"math"
	"math/bits"
	"strconv"

	"linkspan/sqlerr"
)

// MaxPrec is the greatest precision of a decimal.
const MaxPrec = 38

// maxDecimal is the first magnitude that no decimal holds.
var maxDecimal = pow10[38]

// DecimalOf is a decimal from an integer that is already scaled by 10^scale.
func DecimalOf(n int64, scale int) Value {
	return Value{K: Decimal, Valid: true, N: n, Hi: n >> 63, Scale: uint8(scale)}
}

// mag splits a decimal into sign and magnitude.
func (v Value) mag() (neg bool, m u128) {
	m = u128{uint64(v.Hi), uint64(v.N)}
	if v.Hi >= 0 {
		return false, m
	}
	lo, c := bits.Add64(^m.lo, 1, 0)
	return true, u128{^m.hi + c, lo}
}

func decimalValue(neg bool, m u128, scale int) Value {
	if neg {
		lo, c := bits.Add64(^m.lo, 1, 0)
		m = u128{^m.hi + c, lo}
	}
	return Value{K: Decimal, Valid: true, Hi: int64(m.hi), N: int64(m.lo), Scale: uint8(scale)}
}

// Sign is -1, 0 or 1 for a decimal.
func (v Value) Sign() int {
	if v.Hi < 0 {
		return -1
	}
	if v.Hi|v.N == 0 {
		return 0
	}
	return 1
}

// toScale moves a magnitude from one scale to another, rounding half away from zero or cutting. ok is false when it
// needs more than 38 digits.
func toScale(m u128, from, to int, round bool) (r u128, ok bool) {
	if to >= from {
		if to == from || m.isZero() {
			return m, m.cmp(maxDecimal) < 0
		}
		if to-from > MaxPrec {
			return m, false
		}
		p := m.mul(pow10[to-from])
		r = p.low()
		return r, p.fits() && r.cmp(maxDecimal) < 0
	}
	x := u256{m.lo, m.hi}.scaleDown(from-to, round)
	r = x.low()
	return r, r.cmp(maxDecimal) < 0
}

// Rescale gives decimal v as a decimal of precision prec and scale, rounding half away from zero; ok is false when the
// integral part does not fit.
func Rescale(v Value, prec, scale int) (Value, bool) {
	if int(v.Scale) == scale && v.Hi == v.N>>63 && prec >= 19 {
		return v, true
	}
	neg, m := v.mag()
	m, ok := toScale(m, int(v.Scale), scale, true)
	if !ok || prec < MaxPrec && m.cmp(pow10[prec]) >= 0 {
		return Value{}, false
	}
	return decimalValue(neg, m, scale), true
}

// overflow is error 8115 of an operator with a decimal result.
func overflow(what string, to Type) *sqlerr.Error {
	return sqlerr.New(8115, what, messageName(to.Kind))
}

// AddDecimal gives a+b, or a-b, as type to, which DecimalResult gave.
func AddDecimal(a, b Value, subtract bool, to Type) (Value, *sqlerr.Error) {
	an, am := a.mag()
	bn, bm := b.mag()
	if subtract {
		bn = !bn
	}
	s := max(int(a.Scale), int(b.Scale))
	am, ok1 := toScale128(am, s-int(a.Scale))
	bm, ok2 := toScale128(bm, s-int(b.Scale))
	if !ok1 || !ok2 {
		return addWide(a, b, subtract, to)
	}
	var neg bool
	var m u128
	if an == bn {
		var over bool
		if m, over = am.add(bm); over {
			return Value{}, overflow("expression", to)
		}
		neg = an
	} else if am.cmp(bm) >= 0 {
		m, neg = am.sub(bm), an
	} else {
		m, neg = bm.sub(am), bn
	}
	m, ok := toScale(m, s, int(to.Scale), true)
	if !ok || m.cmp(pow10[min(int(to.Prec), MaxPrec)]) >= 0 {
		return Value{}, overflow("expression", to)
	}
	return decimalValue(neg, m, int(to.Scale)), nil
}

// toScale128 multiplies by 10^n as long as the result is below 2^127.
func toScale128(m u128, n int) (u128, bool) {
	if n == 0 || m.isZero() {
		return m, true
	}
	if n > MaxPrec {
		return m, false
	}
	p := m.mul(pow10[n])
	return p.low(), p.fits() && p[1]>>63 == 0
}

// addWide adds numbers whose common scale needs more than 128 bits: exactly, and then rounds.
func addWide(a, b Value, subtract bool, to Type) (Value, *sqlerr.Error) {
	an, am := a.mag()
	bn, bm := b.mag()
	if subtract {
		bn = !bn
	}
	s := max(int(a.Scale), int(b.Scale))
	x, y := am.mul(pow10[s-int(a.Scale)]), bm.mul(pow10[s-int(b.Scale)])
	neg := an
	switch {
	case an == bn:
		x = x.add(y)
	case x.cmp(y) >= 0:
		x = x.sub(y)
	default:
		x, neg = y.sub(x), bn
	}
	x = x.scaleDown(s-int(to.Scale), true)
	m := x.low()
	if !x.fits() || m.cmp(pow10[min(int(to.Prec), MaxPrec)]) >= 0 {
		return Value{}, overflow("expression", to)
	}
	return decimalValue(neg, m, int(to.Scale)), nil
}

// MulDecimal gives a*b as type to, rounding what its scale does not hold.
func MulDecimal(a, b Value, to Type) (Value, *sqlerr.Error) {
	an, am := a.mag()
	bn, bm := b.mag()
	s := int(a.Scale) + int(b.Scale)
	p := am.mul(bm)
	if s > int(to.Scale) {
		p = p.scaleDown(s-int(to.Scale), true)
	}
	m := p.low()
	if !p.fits() || m.cmp(pow10[min(int(to.Prec), MaxPrec)]) >= 0 {
		return Value{}, overflow("expression", to)
	}
	return decimalValue(an != bn, m, int(to.Scale)), nil
}

// DivDecimal gives a/b as type to, cutting what its scale does not hold, as SQL Server does (2.0/3 is 0.666666).
func DivDecimal(a, b Value, to Type) (Value, *sqlerr.Error) {
	an, am := a.mag()
	bn, bm := b.mag()
	if bm.isZero() {
		return Value{}, sqlerr.New(8134)
	}
	// a/10^sa / (b/10^sb) * 10^s = a * 10^(s+sb-sa) / b
	k := int(to.Scale) + int(b.Scale) - int(a.Scale)
	n := u256{am.lo, am.hi}
	if k > 0 {
		first := min(k, MaxPrec)
		n = am.mul(pow10[first])
		for k -= first; k > 0; k-- {
			var ok bool
			if n, ok = n.mul10(); !ok {
				return Value{}, overflow("expression", to)
			}
		}
	} else if k < 0 {
		n = n.scaleDown(-k, false)
	}
	q, _ := n.div(bm)
	m := q.low()
	if !q.fits() || m.cmp(pow10[min(int(to.Prec), MaxPrec)]) >= 0 {
		return Value{}, overflow("expression", to)
	}
	return decimalValue(an != bn, m, int(to.Scale)), nil
}

func (x u256) mul10() (u256, bool) {
	var c uint64
	for i := range x {
		h, l := bits.Mul64(x[i], 10)
		l, carry := bits.Add64(l, c, 0)
		x[i], c = l, h+carry
	}
	return x, c == 0
}

// ModDecimal gives the remainder of a/b, with a's sign, as type to.
func ModDecimal(a, b Value, to Type) (Value, *sqlerr.Error) {
	an, am := a.mag()
	_, bm := b.mag()
	if bm.isZero() {
		return Value{}, sqlerr.New(8134)
	}
	s := max(int(a.Scale), int(b.Scale))
	x := am.mul(pow10[s-int(a.Scale)])
	y := bm.mul(pow10[s-int(b.Scale)])
	if !y.fits() {
		return modWide(an, x, y, s, to)
	}
	_, r := x.div(y.low())
	r, ok := toScale(r, s, int(to.Scale), true)
	if !ok {
		return Value{}, overflow("expression", to)
	}
	return decimalValue(an, r, int(to.Scale)), nil
}

// modWide takes the remainder for a divisor of more than 128 bits, by subtracting its doubles.
func modWide(neg bool, x, y u256, s int, to Type) (Value, *sqlerr.Error) {
	for x.cmp(y) >= 0 {
		d := y
		for d[3]>>63 == 0 && x.cmp(d.add(d)) >= 0 {
			d = d.add(d)
		}
		x = x.sub(d)
	}
	x = x.scaleDown(s-int(to.Scale), true)
	m := x.low()
	if !x.fits() || m.cmp(maxDecimal) >= 0 {
		return Value{}, overflow("expression", to)
	}
	return decimalValue(neg, m, int(to.Scale)), nil
}

// CompareDecimal orders two decimals of any scales.
func CompareDecimal(a, b Value) int {
	an, am := a.mag()
	bn, bm := b.mag()
	if am.isZero() && bm.isZero() {
		return 0
	}
	if an != bn {
		if an {
			return -1
		}
		return 1
	}
	s := max(a.Scale, b.Scale)
	x, y := am.mul(pow10[s-a.Scale]), bm.mul(pow10[s-b.Scale])
	if an {
		return y.cmp(x)
	}
	return x.cmp(y)
}

// DecimalFloat gives decimal v as a float64, correctly rounded for up to 15 digits and to the nearest of the text's
// value beyond.
func DecimalFloat(v Value) float64 {
	if v.Hi == v.N>>63 && v.Scale <= 22 && v.N > -1<<53 && v.N < 1<<53 {
		return float64(v.N) / floatPow10[v.Scale]
	}
	var buf [48]byte
	f, _ := strconv.ParseFloat(string(appendDecimal(buf[:0], v)), 64)
	return f
}

var floatPow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// FloatDecimal gives f, rounded to 17 significant digits, as a decimal; ok is false when it does not fit.
func FloatDecimal(f float64, prec, scale int) (Value, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) >= 1e38 {
		return Value{}, false
	}
	var buf [64]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', 16, 64)
	v, err := parseDecimal(string(text), true)
	if err != nil {
		return Value{}, false
	}
	return Rescale(v, prec, scale)
}

// appendDecimal writes v with all digits of its scale.
func appendDecimal(b []byte, v Value) []byte {
	neg, m := v.mag()
	var digits [40]byte
	i := len(digits)
	for m.hi != 0 {
		q, r := u256{m.lo, m.hi}.divWord(10)
		m = q.low()
		i--
		digits[i] = byte('0' + r)
	}
	for n := m.lo; n > 0; n /= 10 {
		i--
		digits[i] = byte('0' + n%10)
	}
	for len(digits)-i <= int(v.Scale) {
		i--
		digits[i] = '0'
	}
	if neg {
		b = append(b, '-')
	}
	point := len(digits) - int(v.Scale)
	b = append(b, digits[i:point]...)
	if v.Scale > 0 {
		b = append(b, '.')
		b = append(b, digits[point:]...)
	}
	return b
}

// Negate gives -v for a decimal.
func Negate(v Value) Value {
	neg, m := v.mag()
	return decimalValue(!neg, m, int(v.Scale))
}

// Truncate cuts decimal v to a scale no greater than its own.
func Truncate(v Value, scale int) Value {
	neg, m := v.mag()
	m = u256{m.lo, m.hi}.scaleDown(int(v.Scale)-scale, false).low()
	return decimalValue(neg, m, scale)
}

// Round rounds decimal v half away from zero, or cuts it, at n decimal places (left of the point when negative), and
// gives it as type t, whose scale is v's. 8115 when the rounded number does not fit.
func Round(v Value, n int, cut bool, t Type) (Value, *sqlerr.Error) {
	scale := int(v.Scale)
	if n >= scale {
		return v, nil
	}
	if scale-n > MaxPrec {
		return decimalValue(false, u128{}, scale), nil
	}
	neg, m := v.mag()
	p := u256{m.lo, m.hi}.scaleDown(scale-n, !cut).low().mul(pow10[scale-n])
	m = p.low()
	if !p.fits() || m.cmp(pow10[min(int(t.Prec), MaxPrec)]) >= 0 {
		return Value{}, overflow("expression", t)
	}
	return decimalValue(neg, m, scale), nil
}
