package sqlfn

import (
	"math"
	"math/bits"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// arithmeticTable holds the checked arithmetic. SQLite adds, subtracts and multiplies integers in 64 bits and turns to
// floating point when that overflows: the functions named after a type check what came out.
var arithmeticTable = []scalar{
	{"ls_tinyint", 1, 1, false, checkInt(sqltype.TinyInt, 0, math.MaxUint8)},
	{"ls_smallint", 1, 1, false, checkInt(sqltype.SmallInt, math.MinInt16, math.MaxInt16)},
	{"ls_int", 1, 1, false, checkInt(sqltype.Int, math.MinInt32, math.MaxInt32)},
	{"ls_bigint", 1, 1, false, checkInt(sqltype.BigInt, math.MinInt64, math.MaxInt64)},
	{"ls_bit", 1, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) { ctx.ResultBool(arg[0].Float() != 0) }},
	{"ls_money", 1, 1, false, checkInt(sqltype.Money, math.MinInt64, math.MaxInt64)},
	{"ls_smallmoney", 1, 1, false, checkInt(sqltype.SmallMoney, math.MinInt32, math.MaxInt32)},
	{"ls_datetime", 1, 1, false, checkInt(sqltype.DateTime, minDateTime, maxDateTime)},
	{"ls_smalldatetime", 1, 1, false, checkInt(sqltype.SmallDateTime, 0, 65536*1440-1)},
	{"ls_float", 1, 1, false, checkFloat},
	{"ls_real", 1, 1, false, checkReal},
	{"ls_div", 3, 2, false, divide},
	{"ls_mod", 2, 2, false, modulo},
	{"ls_xor", 2, 2, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		ctx.ResultInt64(arg[0].Int64() ^ arg[1].Int64())
	}},
	{"ls_fdiv", 3, 2, false, divideFloat},
	{"ls_mmul", 3, 2, false, multiplyMoney},
	{"ls_mdiv", 3, 2, false, divideMoney},
	{"ls_dadd", 5, 2, false, decimals(func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
		return sqltype.AddDecimal(a, b, false, t)
	})},
	{"ls_dsub", 5, 2, false, decimals(func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, *sqlerr.Error) {
		return sqltype.AddDecimal(a, b, true, t)
	})},
	{"ls_dmul", 5, 2, false, decimals(sqltype.MulDecimal)},
	{"ls_ddiv", 5, 2, false, decimals(sqltype.DivDecimal)},
	{"ls_dmod", 5, 2, false, decimals(sqltype.ModDecimal)},
	{"ls_dneg", 1, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		t := sqltype.DecimalType(38, 0)
		result(ctx, sqltype.Negate(argument(arg[0], t)), t)
	}},
}

// minDateTime and maxDateTime bound datetime in ticks of 1/300 s since 1900.
const (
	minDateTime = (sqltype.Day1753 - sqltype.Day1900) * 25_920_000
	maxDateTime = (sqltype.DayMax+1-sqltype.Day1900)*25_920_000 - 1
)

func checkInt(k sqltype.Kind, lo, hi int64) impl {
	return func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		if arg[0].Type() == sqlite3.INTEGER {
			if n := arg[0].Int64(); n >= lo && n <= hi {
				ctx.ResultInt64(n)
				return
			}
		}
		e.fail(ctx, sqlerr.New(8115, "expression", k))
	}
}

func checkFloat(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	e.float(ctx, arg[0].Float(), sqltype.Float)
}

func checkReal(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	e.float(ctx, arg[0].Float(), sqltype.Real)
}

// float gives f as kind k, or 8115 when it is none.
func (e *Env) float(ctx sqlite3.Context, f float64, k sqltype.Kind) {
	if k == sqltype.Real {
		f = float64(float32(f))
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		e.fail(ctx, sqlerr.New(8115, "expression", k))
		return
	}
	ctx.ResultFloat(f)
}

func divide(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	a, b := arg[0].Int64(), arg[1].Int64()
	if b == 0 {
		e.fail(ctx, sqlerr.New(8134))
		return
	}
	if b != -1 {
		ctx.ResultInt64(a / b)
		return
	}
	k := sqltype.Kind(arg[2].Int64())
	v, err := sqltype.CheckInt(-a, k)
	if err == nil && a == math.MinInt64 {
		err = sqlerr.New(8115, "expression", k)
	}
	if err != nil {
		e.fail(ctx, err)
		return
	}
	ctx.ResultInt64(v.N)
}

func modulo(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	a, b := arg[0].Int64(), arg[1].Int64()
	switch b {
	case 0:
		e.fail(ctx, sqlerr.New(8134))
	case -1:
		ctx.ResultInt64(0)
	default:
		ctx.ResultInt64(a % b)
	}
}

func divideFloat(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	b := arg[1].Float()
	if b == 0 {
		e.fail(ctx, sqlerr.New(8134))
		return
	}
	e.float(ctx, arg[0].Float()/b, sqltype.Kind(arg[2].Int64()))
}

// scaleProduct gives a*b/c, rounded half away from zero or cut.
func scaleProduct(a, b, c int64, round bool) (int64, bool) {
	neg := (a < 0) != (b < 0) != (c < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	d := magnitude(c)
	if hi >= d {
		return 0, false
	}
	q, r := bits.Div64(hi, lo, d)
	if round && r >= d-r {
		q++
	}
	if q > math.MaxInt64 {
		return 0, false
	}
	if neg {
		return -int64(q), true
	}
	return int64(q), true
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func multiplyMoney(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	n, ok := scaleProduct(arg[0].Int64(), arg[1].Int64(), 10000, true)
	e.money(ctx, n, ok, arg[2])
}

func divideMoney(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	b := arg[1].Int64()
	if b == 0 {
		e.fail(ctx, sqlerr.New(8134))
		return
	}
	n, ok := scaleProduct(arg[0].Int64(), 10000, b, false)
	e.money(ctx, n, ok, arg[2])
}

func (e *Env) money(ctx sqlite3.Context, n int64, ok bool, kind sqlite3.Value) {
	k := sqltype.Kind(kind.Int64())
	if !ok || k == sqltype.SmallMoney && int64(int32(n)) != n {
		e.fail(ctx, sqlerr.New(8115, "expression", k))
		return
	}
	ctx.ResultInt64(n)
}

// decimals makes a function of (a, b, type of a, type of b, type of the result).
func decimals(op func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, *sqlerr.Error)) impl {
	return func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		t := typeArg(arg[4])
		v, err := op(argument(arg[0], typeArg(arg[2])), argument(arg[1], typeArg(arg[3])), t)
		if err != nil {
			e.fail(ctx, err)
			return
		}
		if t.Prec > 18 {
			b := sqltype.PutDecimal(v)
			ctx.ResultBlob(b[:])
			return
		}
		ctx.ResultInt64(v.N)
	}
}
