package sqltype

import "math/bits"

// u128 is an unsigned 128-bit integer: the magnitude of a decimal.
type u128 struct{ hi, lo uint64 }

// u256 is an unsigned 256-bit integer, least significant word first: a product before it is scaled down.
type u256 [4]uint64

// pow10 holds the powers of ten that fit, 10^0 to 10^38.
var pow10 = powers()

func powers() (p [39]u128) {
	p[0] = u128{0, 1}
	for i := 1; i < len(p); i++ {
		hi, lo := bits.Mul64(p[i-1].lo, 10)
		p[i] = u128{hi + p[i-1].hi*10, lo}
	}
	return p
}

func (a u128) isZero() bool { return a.hi|a.lo == 0 }

func (a u128) cmp(b u128) int {
	switch {
	case a.hi != b.hi:
		if a.hi < b.hi {
			return -1
		}
		return 1
	case a.lo != b.lo:
		if a.lo < b.lo {
			return -1
		}
		return 1
	}
	return 0
}

// add gives a+b and whether it overflowed.
func (a u128) add(b u128) (u128, bool) {
	lo, c := bits.Add64(a.lo, b.lo, 0)
	hi, c := bits.Add64(a.hi, b.hi, c)
	return u128{hi, lo}, c != 0
}

// sub gives a-b for a >= b.
func (a u128) sub(b u128) u128 {
	lo, c := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, c)
	return u128{hi, lo}
}

// mul gives the whole product.
func (a u128) mul(b u128) u256 {
	var r u256
	h, l := bits.Mul64(a.lo, b.lo)
	r[0], r[1] = l, h
	if a.hi|b.hi == 0 {
		return r
	}
	h, l = bits.Mul64(a.lo, b.hi)
	var c uint64
	r[1], c = bits.Add64(r[1], l, 0)
	r[2], c = bits.Add64(r[2], h, c)
	r[3] += c
	h, l = bits.Mul64(a.hi, b.lo)
	r[1], c = bits.Add64(r[1], l, 0)
	r[2], c = bits.Add64(r[2], h, c)
	r[3] += c
	h, l = bits.Mul64(a.hi, b.hi)
	r[2], c = bits.Add64(r[2], l, 0)
	r[3] += h + c
	return r
}

// digits counts the decimal digits of a; 0 has none.
func (a u128) digits() int {
	if a.isZero() {
		return 0
	}
	n := bits.Len64(a.lo)
	if a.hi != 0 {
		n = 64 + bits.Len64(a.hi)
	}
	d := n * 1233 >> 12 // log10(2) is a little above 1233/4096
	if d < len(pow10) && a.cmp(pow10[d]) >= 0 {
		d++
	}
	return d
}

// fits reports whether x is below 2^128.
func (x u256) fits() bool { return x[2]|x[3] == 0 }

func (x u256) low() u128 { return u128{x[1], x[0]} }

// divWord gives x/d and the remainder.
func (x u256) divWord(d uint64) (q u256, r uint64) {
	for i := 3; i >= 0; i-- {
		q[i], r = bits.Div64(r, x[i], d)
	}
	return q, r
}

// div gives x/d and the remainder; d is not zero.
func (x u256) div(d u128) (q u256, r u128) {
	if d.hi == 0 {
		q, lo := x.divWord(d.lo)
		return q, u128{0, lo}
	}
	// Knuth's algorithm D with a two-word divisor, normalised so that its top bit is set.
	shift := uint(bits.LeadingZeros64(d.hi))
	d = u128{d.hi<<shift | d.lo>>(64-shift), d.lo << shift}
	var n [5]uint64
	for i := 4; i >= 0; i-- {
		if i < 4 {
			n[i] = x[i] << shift
		}
		if i > 0 {
			n[i] |= x[i-1] >> (64 - shift)
		}
	}
	r = u128{0, n[4]}
	for i := 3; i >= 0; i-- {
		q[i], r = divStep(r, n[i], d)
	}
	return q, u128{r.hi >> shift, r.lo>>shift | r.hi<<(64-shift)}
}

// divStep divides the three words r:w by d, whose top bit is set; r < d.
func divStep(r u128, w uint64, d u128) (uint64, u128) {
	var q, rem uint64
	carry := uint64(0)
	if r.hi >= d.hi {
		q = ^uint64(0)
		rem, carry = bits.Add64(r.lo, d.hi, 0)
	} else {
		q, rem = bits.Div64(r.hi, r.lo, d.hi)
	}
	for carry == 0 {
		h, l := bits.Mul64(q, d.lo)
		if h < rem || h == rem && l <= w {
			break
		}
		q--
		rem, carry = bits.Add64(rem, d.hi, 0)
	}
	// r:w - q*d; the true remainder is below d, so two words of it are enough.
	h, l := bits.Mul64(q, d.lo)
	h += q * d.hi
	lo, b := bits.Sub64(w, l, 0)
	hi, _ := bits.Sub64(r.lo, h, b)
	return q, u128{hi, lo}
}

// scaleDown divides x by 10^n, n from 0 to 76, rounding half away from zero or cutting.
func (x u256) scaleDown(n int, round bool) u256 {
	if n <= 0 {
		return x
	}
	var last uint64
	sticky := n
	for sticky > 0 {
		k := min(sticky, 19)
		d := pow10[k].lo
		var r uint64
		x, r = x.divWord(d)
		sticky -= k
		last = r
		if sticky == 0 && round && last >= d/2 {
			x = x.inc()
		}
	}
	return x
}

func (x u256) inc() u256 {
	for i := range x {
		x[i]++
		if x[i] != 0 {
			break
		}
	}
	return x
}

func (x u256) cmp(y u256) int {
	for i := 3; i >= 0; i-- {
		if x[i] < y[i] {
			return -1
		}
		if x[i] > y[i] {
			return 1
		}
	}
	return 0
}

func (x u256) add(y u256) u256 {
	var c uint64
	for i := range x {
		x[i], c = bits.Add64(x[i], y[i], c)
	}
	return x
}

// sub gives x-y for x >= y.
func (x u256) sub(y u256) u256 {
	var c uint64
	for i := range x {
		x[i], c = bits.Sub64(x[i], y[i], c)
	}
	return x
}
