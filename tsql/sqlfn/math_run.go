package sqlfn

import (
	"encoding/binary"
	"math"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

var mathTable = []scalar{
	{"ls_abs", 3, 1, false, sameNumber(absolute)},
	{"ls_ceiling", 3, 1, false, sameNumber(ceiling)},
	{"ls_floor", 3, 1, false, sameNumber(floor)},
	{"ls_sign", 3, 1, false, sameNumber(sign)},
	{"ls_degrees", 3, 1, false, sameNumber(viaFloat(func(f float64) float64 { return f * 180 / math.Pi }))},
	{"ls_radians", 3, 1, false, sameNumber(viaFloat(func(f float64) float64 { return f * math.Pi / 180 }))},
	{"ls_round", 4, 3, false, roundNumber},
	{"ls_power", 4, 2, false, power},
	{"ls_sqrt", 1, 1, false, float1(math.Sqrt)},
	{"ls_square", 1, 1, false, float1(func(f float64) float64 { return f * f })},
	{"ls_exp", 1, 1, false, float1(math.Exp)},
	{"ls_log", 1, 1, false, float1(logarithm)},
	{"ls_log", 2, 2, false, logBase},
	{"ls_log10", 1, 1, false, float1(func(f float64) float64 {
		if f <= 0 {
			return math.NaN()
		}
		return math.Log10(f)
	})},
	{"ls_sin", 1, 1, false, float1(math.Sin)},
	{"ls_cos", 1, 1, false, float1(math.Cos)},
	{"ls_tan", 1, 1, false, float1(math.Tan)},
	{"ls_cot", 1, 1, false, float1(func(f float64) float64 { return 1 / math.Tan(f) })},
	{"ls_asin", 1, 1, false, float1(math.Asin)},
	{"ls_acos", 1, 1, false, float1(math.Acos)},
	{"ls_atan", 1, 1, false, float1(math.Atan)},
	{"ls_atn2", 2, 2, false, func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		e.math(ctx, math.Atan2(arg[0].Float(), arg[1].Float()))
	}},
	{"ls_pi", 0, 0, false, func(_ *Env, ctx sqlite3.Context, _ []sqlite3.Value) { ctx.ResultFloat(math.Pi) }},
	{"ls_rand", 0, 0, false, random},
	{"ls_rand", 1, 0, false, random},
}

// math gives f, or 3623 where a function is not defined.
func (e *Env) math(ctx sqlite3.Context, f float64) {
	if math.IsNaN(f) {
		e.fail(ctx, sqlerr.New(3623))
		return
	}
	e.float(ctx, f, sqltype.Float)
}

func float1(f func(float64) float64) impl {
	return func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) { e.math(ctx, f(arg[0].Float())) }
}

func logarithm(f float64) float64 {
	if f <= 0 {
		return math.NaN()
	}
	return math.Log(f)
}

func logBase(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	f, b := arg[0].Float(), arg[1].Float()
	if f <= 0 || b <= 0 || b == 1 {
		e.fail(ctx, sqlerr.New(3623))
		return
	}
	e.math(ctx, math.Log(f)/math.Log(b))
}

// numberFunc computes a value of type t from one of type from.
type numberFunc func(v sqltype.Value, from, t sqltype.Type) (sqltype.Value, *sqlerr.Error)

// sameNumber makes a function of (x, type of x, type of the result).
func sameNumber(f numberFunc) impl {
	return func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		from, t := typeArg(arg[1]), typeArg(arg[2])
		v, err := f(argument(arg[0], from), from, t)
		if err != nil {
			e.fail(ctx, err)
			return
		}
		result(ctx, v, t)
	}
}

func absolute(v sqltype.Value, _, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
	switch {
	case t.Kind == sqltype.Float:
		return sqltype.FloatOf(t.Kind, math.Abs(v.Float())), nil
	case t.Kind == sqltype.Decimal:
		if v.Sign() < 0 {
			return sqltype.Negate(v), nil
		}
		return v, nil
	case v.N >= 0:
		return v, nil
	case v.N == math.MinInt64 || t.Kind == sqltype.Int && v.N == math.MinInt32:
		return v, sqlerr.New(8115, "expression", t.Kind)
	}
	v.N = -v.N
	return v, nil
}

func sign(v sqltype.Value, from, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
	n := int64(0)
	switch f := sqltype.AsFloat(v); {
	case f > 0:
		n = 1
	case f < 0:
		n = -1
	}
	return sqltype.Convert(sqltype.IntOf(sqltype.Int, n), typeInt, t, 0)
}

func ceiling(v sqltype.Value, from, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
	return toWhole(v, t, 1)
}

func floor(v sqltype.Value, from, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
	return toWhole(v, t, -1)
}

// toWhole gives the whole number at v or the next one in direction up.
func toWhole(v sqltype.Value, t sqltype.Type, up int) (sqltype.Value, *sqlerr.Error) {
	switch t.Kind {
	case sqltype.Float:
		f := math.Ceil(v.Float())
		if up < 0 {
			f = math.Floor(v.Float())
		}
		return sqltype.FloatOf(t.Kind, f), nil
	case sqltype.Money:
		r := v.N % 10000
		v.N -= r
		if up > 0 && r > 0 || up < 0 && r < 0 {
			v.N += int64(up) * 10000
		}
		return v, nil
	case sqltype.Decimal:
		one := sqltype.DecimalOf(int64(up), 0)
		q := sqltype.Truncate(v, 0)
		if c := sqltype.CompareDecimal(v, q); up > 0 && c > 0 || up < 0 && c < 0 {
			return sqltype.AddDecimal(q, one, false, t)
		}
		q.Scale = 0
		return q, nil
	}
	return v, nil
}

func viaFloat(f func(float64) float64) numberFunc {
	return func(v sqltype.Value, from, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
		return sqltype.Convert(sqltype.FloatOf(sqltype.Float, f(sqltype.AsFloat(v))), typeFloat, t, 0)
	}
}

// roundNumber is ls_round(x, digits, truncate, type).
func roundNumber(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[3])
	n := int(max(min(arg[1].Int64(), 400), -400))
	cut := arg[2].Int64() != 0
	v := argument(arg[0], t)
	var err *sqlerr.Error
	switch {
	case t.Kind == sqltype.Float:
		v = sqltype.FloatOf(t.Kind, roundFloat(v.Float(), n, cut))
	case t.Kind == sqltype.Decimal:
		v, err = sqltype.Round(v, n, cut, t)
	case t.Kind == sqltype.Money:
		d := sqltype.DecimalOf(v.N, 4)
		if d, err = sqltype.Round(d, n, cut, sqltype.DecimalType(19, 4)); err == nil {
			v.N = d.N
		}
	default:
		d := sqltype.DecimalOf(v.N, 0)
		if d, err = sqltype.Round(d, n, cut, sqltype.DecimalType(38, 0)); err == nil {
			v, err = sqltype.CheckInt(d.N, t.Kind)
		}
	}
	if err != nil {
		e.fail(ctx, err)
		return
	}
	result(ctx, v, t)
}

// roundFloat rounds half away from zero at n decimal places.
func roundFloat(f float64, n int, cut bool) float64 {
	p := math.Pow10(n)
	if n < 0 {
		p = math.Pow10(-n)
		f /= p
	} else {
		f *= p
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		if n < 0 {
			return 0
		}
		return f / p
	}
	if cut {
		f = math.Trunc(f)
	} else {
		f = math.Round(f)
	}
	if n < 0 {
		return f * p
	}
	return f / p
}

// power is ls_power(x, y, type of x, type of the result).
func power(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	from, t := typeArg(arg[2]), typeArg(arg[3])
	x, y := sqltype.AsFloat(argument(arg[0], from)), arg[1].Float()
	if x == 0 && y < 0 {
		e.fail(ctx, sqlerr.New(8134))
		return
	}
	if n, ok := intPower(argument(arg[0], from), y); ok {
		e.integer(ctx, n, t.Kind)
		return
	}
	f := math.Pow(x, y)
	switch {
	case math.IsNaN(f):
		e.fail(ctx, sqlerr.New(3623))
	case t.Kind == sqltype.Float:
		e.float(ctx, f, t.Kind)
	default:
		if t.Kind.IsInteger() {
			f = math.Trunc(f)
			if math.Abs(f) >= 1<<63 || t.Kind == sqltype.Int && math.Abs(f) > math.MaxInt32 {
				e.fail(ctx, sqlerr.New(8115, "expression", t.Kind))
				return
			}
		}
		v, err := sqltype.Convert(sqltype.FloatOf(sqltype.Float, f), typeFloat, t, 0)
		if err != nil {
			e.fail(ctx, err)
			return
		}
		result(ctx, v, t)
	}
}

// intPower multiplies integers exactly; ok is false when it is no matter of integers or overflows.
func intPower(x sqltype.Value, y float64) (int64, bool) {
	if !x.K.IsInteger() || y < 0 || y != math.Trunc(y) || y > 1<<16 {
		return 0, false
	}
	r := int64(1)
	for range int(y) {
		n := r * x.N
		if r != 0 && (n/r != x.N || r == -1 && x.N == math.MinInt64) {
			return 0, false
		}
		if n == r && (x.N == 1 || x.N == 0) {
			return n, true
		}
		r = n
	}
	return r, true
}

func (e *Env) integer(ctx sqlite3.Context, n int64, k sqltype.Kind) {
	v, err := sqltype.CheckInt(n, k)
	if err != nil {
		e.fail(ctx, err)
		return
	}
	ctx.ResultInt64(v.N)
}

// random is RAND([seed]): one value per statement and call site in SQL Server; here one series per statement, begun by
// a seed if there is one. The generator is SplitMix64.
func random(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	switch {
	case len(arg) == 1 && arg[0].Type() != sqlite3.NULL:
		e.rand, e.seeded = uint64(arg[0].Int64()), true
	case !e.seeded:
		var b [8]byte
		if e.st.Random != nil {
			e.st.Random(b[:])
		}
		e.rand, e.seeded = binary.LittleEndian.Uint64(b[:]), true
	}
	e.rand += 0x9e3779b97f4a7c15
	z := e.rand
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	ctx.ResultFloat(float64((z^z>>31)>>11) / (1 << 53))
}
