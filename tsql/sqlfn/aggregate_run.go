package sqlfn

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// registerAggregates adds the aggregates, all of them usable as window functions.
func registerAggregates(conn *sqlite3.Conn, env *Env) error {
	type named struct {
		name string
		args int
		make sqlite3.AggregateConstructor
	}
	list := []named{
		{"ls_sum_int", 1, newSum(env, sqltype.Int, false)}, {"ls_sum_bigint", 1, newSum(env, sqltype.BigInt, false)},
		{"ls_sum_money", 1, newSum(env, sqltype.Money, false)}, {"ls_avg_int", 1, newSum(env, sqltype.Int, true)},
		{"ls_avg_bigint", 1, newSum(env, sqltype.BigInt, true)}, {"ls_avg_money", 1, newSum(env, sqltype.Money, true)},
		{"ls_sum_float", 1, newFloatSum(env, false)}, {"ls_avg_float", 1, newFloatSum(env, true)},
		{"ls_sum_dec", 1, newDecimalSum(env, -1)},
		{"ls_var", 1, newSpread(env, true, false)}, {"ls_varp", 1, newSpread(env, false, false)},
		{"ls_stdev", 1, newSpread(env, true, true)}, {"ls_stdevp", 1, newSpread(env, false, true)},
		{"ls_string_agg", 2, func() sqlite3.AggregateFunction { return &textJoin{} }},
		{"ls_checksum_agg", 1, func() sqlite3.AggregateFunction { return &xorSum{} }},
	}
	for s := range 39 {
		list = append(list, named{fmt.Sprintf("ls_avg_dec%d", s), 1, newDecimalSum(env, s)})
	}
	for _, a := range list {
		if err := conn.CreateWindowFunction(a.name, a.args, sqlite3.DETERMINISTIC|sqlite3.INNOCUOUS, a.make); err != nil {
			return fmt.Errorf("register aggregate %s: %w", a.name, err)
		}
	}
	return nil
}

// intSum sums integers in 128 bits; the result must fit its kind, and for an average so must the sum, as SQL Server
// documents it.
type intSum struct {
	env    *Env
	kind   sqltype.Kind
	mean   bool
	n      int64
	hi, lo int64
}

func newSum(env *Env, k sqltype.Kind, mean bool) sqlite3.AggregateConstructor {
	return func() sqlite3.AggregateFunction { return &intSum{env: env, kind: k, mean: mean} }
}

func (s *intSum) add(n int64) {
	lo, c := bits.Add64(uint64(s.lo), uint64(n), 0)
	s.lo = int64(lo)
	s.hi += n>>63 + int64(c)
}

func (s *intSum) Step(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		s.n++
		s.add(arg[0].Int64())
	}
}

func (s *intSum) Inverse(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		return
	}
	s.n--
	n := arg[0].Int64()
	lo, b := bits.Sub64(uint64(s.lo), uint64(n), 0)
	s.lo = int64(lo)
	s.hi -= n>>63 + int64(b)
}

func (s *intSum) Value(ctx sqlite3.Context) {
	if s.n == 0 {
		return
	}
	if s.hi != s.lo>>63 || s.kind == sqltype.Int && s.lo != int64(int32(s.lo)) {
		s.env.fail(ctx, sqlerr.New(8115, "expression", s.kind))
		return
	}
	if s.mean {
		ctx.ResultInt64(s.lo / s.n)
		return
	}
	ctx.ResultInt64(s.lo)
}

type floatSum struct {
	env  *Env
	mean bool
	n    int64
	sum  float64
}

func newFloatSum(env *Env, mean bool) sqlite3.AggregateConstructor {
	return func() sqlite3.AggregateFunction { return &floatSum{env: env, mean: mean} }
}

func (s *floatSum) Step(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		s.n++
		s.sum += arg[0].Float()
	}
}

func (s *floatSum) Inverse(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		s.n--
		s.sum -= arg[0].Float()
	}
}

func (s *floatSum) Value(ctx sqlite3.Context) {
	if s.n == 0 {
		return
	}
	if s.mean {
		s.env.float(ctx, s.sum/float64(s.n), sqltype.Float)
		return
	}
	s.env.float(ctx, s.sum, sqltype.Float)
}

// decimalSum sums decimals of one scale as whole numbers. avg is the scale of an average's argument, -1 for a sum.
type decimalSum struct {
	env *Env
	avg int
	n   int64
	sum sqltype.Value
	err *sqlerr.Error
}

func newDecimalSum(env *Env, avg int) sqlite3.AggregateConstructor {
	return func() sqlite3.AggregateFunction {
		return &decimalSum{env: env, avg: avg, sum: sqltype.DecimalOf(0, 0)}
	}
}

// whole is the type of the sum: the scale does not matter to adding.
var whole = sqltype.DecimalType(38, 0)

func (s *decimalSum) add(v sqlite3.Value, subtract bool) {
	sum, err := sqltype.AddDecimal(s.sum, argument(v, whole), subtract, whole)
	if err != nil {
		s.err = err
		return
	}
	s.sum = sum
}

func (s *decimalSum) Step(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		s.n++
		s.add(arg[0], false)
	}
}

func (s *decimalSum) Inverse(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		s.n--
		s.add(arg[0], true)
	}
}

func (s *decimalSum) Value(ctx sqlite3.Context) {
	v, t, err := s.sum, whole, s.err
	if s.n == 0 {
		return
	}
	if err == nil && s.avg >= 0 {
		v.Scale = uint8(s.avg)
		t = sqltype.DecimalType(38, max(s.avg, 6))
		v, err = sqltype.DivDecimal(v, sqltype.DecimalOf(s.n, 0), t)
	}
	if err != nil {
		s.env.fail(ctx, err)
		return
	}
	result(ctx, v, t)
}

// spread is variance and standard deviation, by Welford's method.
type spread struct {
	env          *Env
	sample, root bool
	n            int64
	mean, m2     float64
}

func newSpread(env *Env, sample, root bool) sqlite3.AggregateConstructor {
	return func() sqlite3.AggregateFunction { return &spread{env: env, sample: sample, root: root} }
}

func (s *spread) Step(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		return
	}
	x := arg[0].Float()
	s.n++
	d := x - s.mean
	s.mean += d / float64(s.n)
	s.m2 += d * (x - s.mean)
}

func (s *spread) Inverse(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		return
	}
	x := arg[0].Float()
	if s.n--; s.n == 0 {
		s.mean, s.m2 = 0, 0
		return
	}
	d := x - s.mean
	s.mean -= d / float64(s.n)
	s.m2 -= d * (x - s.mean)
}

func (s *spread) Value(ctx sqlite3.Context) {
	n := float64(s.n)
	if s.sample {
		n--
	}
	if s.n == 0 || n <= 0 {
		return
	}
	v := max(s.m2, 0) / n
	if s.root {
		v = math.Sqrt(v)
	}
	s.env.float(ctx, v, sqltype.Float)
}

// textJoin is STRING_AGG. NULLs are left out.
type textJoin struct {
	parts []joined
	size  int
}

type joined struct{ sep, text string }

func (j *textJoin) Step(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		return
	}
	p := joined{text: arg[0].Text()}
	if arg[1].Type() != sqlite3.NULL {
		p.sep = arg[1].Text()
	}
	if j.size += len(p.sep) + len(p.text); j.size > maxText {
		ctx.ResultError(sqlite3.TOOBIG)
		return
	}
	j.parts = append(j.parts, p)
}

func (j *textJoin) Inverse(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL && len(j.parts) > 0 {
		j.size -= len(j.parts[0].sep) + len(j.parts[0].text)
		j.parts = j.parts[1:]
	}
}

func (j *textJoin) Value(ctx sqlite3.Context) {
	if len(j.parts) == 0 {
		return
	}
	out := make([]byte, 0, j.size)
	for i, p := range j.parts {
		if i > 0 {
			out = append(out, p.sep...)
		}
		out = append(out, p.text...)
	}
	resultRaw(ctx, out)
}

// xorSum is CHECKSUM_AGG.
type xorSum struct {
	sum int64
	n   int64
}

func (x *xorSum) Step(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		x.n++
		x.sum ^= arg[0].Int64()
	}
}

func (x *xorSum) Inverse(_ sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() != sqlite3.NULL {
		x.n--
		x.sum ^= arg[0].Int64()
	}
}

func (x *xorSum) Value(ctx sqlite3.Context) {
	if x.n > 0 {
		ctx.ResultInt64(x.sum)
	}
}
