package sqltype_test

import (
	"bytes"
	"cmp"
	"hash/crc32"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"linkspan/sqltype"
)

func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// someDecimal is a decimal of a random type, often near its bounds.
func someDecimal(r *rand.Rand) (sqltype.Value, sqltype.Type) {
	prec := 1 + r.IntN(38)
	t := sqltype.DecimalType(prec, r.IntN(prec+1))
	digits := 1 + r.IntN(prec)
	text := strings.Builder{}
	if r.IntN(2) == 0 {
		text.WriteByte('-')
	}
	for range digits {
		d := byte('0' + r.IntN(10))
		if r.IntN(4) == 0 {
			d = '9'
		}
		text.WriteByte(d)
	}
	n, _ := new(big.Int).SetString(text.String(), 10)
	return fromBig(n, int(t.Scale)), t
}

func fromBig(n *big.Int, scale int) sqltype.Value {
	m := new(big.Int).And(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
	lo := new(big.Int).And(m, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	hi := new(big.Int).Rsh(m, 64).Uint64()
	return sqltype.Value{K: sqltype.Decimal, Valid: true, Hi: int64(hi), N: int64(lo), Scale: uint8(scale)}
}

func toBig(v sqltype.Value) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(v.Hi), 64)
	return n.Add(n, new(big.Int).SetUint64(uint64(v.N)))
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// ratio rounds num/den half away from zero, or cuts it.
func ratio(num, den *big.Int, round bool) *big.Int {
	q, rem := new(big.Int).QuoRem(num, den, new(big.Int))
	if round && new(big.Int).Mul(new(big.Int).Abs(rem), big.NewInt(2)).Cmp(new(big.Int).Abs(den)) >= 0 {
		q.Add(q, big.NewInt(int64(num.Sign()*den.Sign())))
	}
	return q
}

// Every operation agrees with exact arithmetic: sums and products are rounded to the result's scale, quotients cut, and
// it overflows exactly when the exact result has too many digits.
func TestDecimalAgreesWithExactArithmetic(t *testing.T) {
	t.Parallel()
	r := random(t)
	for range 40_000 {
		a, at := someDecimal(r)
		b, bt := someDecimal(r)
		op := "+-*/%"[r.IntN(5)]
		to := sqltype.DecimalResult(op, at, bt)
		if to.Prec > 38 || to.Scale > to.Prec {
			t.Fatalf("%v %c %v has type %v", at, op, bt, to)
		}
		x, y := toBig(a), toBig(b)
		s := int(max(a.Scale, b.Scale))
		xs, ys := new(big.Int).Mul(x, pow10(s-int(a.Scale))), new(big.Int).Mul(y, pow10(s-int(b.Scale)))
		var want *big.Int
		var got sqltype.Value
		var err error
		down := func(n *big.Int, from int) *big.Int {
			if from <= int(to.Scale) {
				return new(big.Int).Mul(n, pow10(int(to.Scale)-from))
			}
			return ratio(n, pow10(from-int(to.Scale)), true)
		}
		run := func(f func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, error)) { got, err = f(a, b, to) }
		switch op {
		case '+', '-':
			sum := new(big.Int).Add(xs, ys)
			if op == '-' {
				sum.Sub(xs, ys)
			}
			want = down(sum, s)
			run(func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, error) {
				v, e := sqltype.AddDecimal(a, b, op == '-', t)
				return v, orNil(e)
			})
		case '*':
			want = down(new(big.Int).Mul(x, y), int(a.Scale)+int(b.Scale))
			run(func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, error) {
				v, e := sqltype.MulDecimal(a, b, t)
				return v, orNil(e)
			})
		case '/', '%':
			if y.Sign() == 0 {
				continue
			}
			if op == '/' {
				want = ratio(new(big.Int).Mul(x, pow10(int(to.Scale)+int(b.Scale))), new(big.Int).Mul(y, pow10(int(a.Scale))), false)
				run(func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, error) {
					v, e := sqltype.DivDecimal(a, b, t)
					return v, orNil(e)
				})
			} else {
				want = down(new(big.Int).Rem(xs, ys), s)
				run(func(a, b sqltype.Value, t sqltype.Type) (sqltype.Value, error) {
					v, e := sqltype.ModDecimal(a, b, t)
					return v, orNil(e)
				})
			}
		}
		tooLarge := new(big.Int).Abs(want).Cmp(pow10(int(to.Prec))) >= 0
		if tooLarge != (err != nil) {
			t.Fatalf("%s %c %s as %v: %v, exact %s", a, op, b, to, err, want)
		}
		if err == nil && (toBig(got).Cmp(want) != 0 || got.Scale != to.Scale) {
			t.Fatalf("%s %c %s as %v = %s, exact %s", a, op, b, to, got, fromBig(want, int(to.Scale)))
		}
		if c := sqltype.CompareDecimal(a, b); c != xs.Cmp(ys) {
			t.Fatalf("compare %s, %s = %d", a, b, c)
		}
	}
}

func orNil[E interface {
	comparable
	error
}](e E) error {
	var none E
	if e == none {
		return nil
	}
	return e
}

// The text of a decimal reads back as the decimal.
func TestDecimalTextRoundTrip(t *testing.T) {
	t.Parallel()
	r := random(t)
	for range 20_000 {
		v, typ := someDecimal(r)
		in, from := varchar(v.String())
		back, err := sqltype.Convert(in, from, typ, 0)
		if err != nil || back != v {
			t.Fatalf("%s as %v came back as %s, %v", v, typ, back, err)
		}
	}
}

// someValue is a random value of type t.
func someValue(r *rand.Rand, t sqltype.Type) sqltype.Value {
	small := func(n int64) int64 {
		if r.IntN(3) == 0 {
			return n % 3
		}
		return n
	}
	v := sqltype.Value{K: t.Kind, Valid: true, Scale: t.Scale}
	switch t.Kind {
	case sqltype.Decimal:
		n := new(big.Int).SetUint64(r.Uint64())
		n.Mul(n, new(big.Int).SetUint64(r.Uint64()))
		n.Rem(n, pow10(1+r.IntN(int(t.Prec))))
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		return fromBig(n, int(t.Scale))
	case sqltype.Float:
		return sqltype.FloatOf(t.Kind, math.Ldexp(r.Float64()-0.5, r.IntN(40)-20))
	case sqltype.UniqueIdentifier, sqltype.VarBinary:
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(r.IntN(3)) * 0x7f
		}
		return sqltype.BytesOf(t.Kind, b)
	case sqltype.DateTimeOffset:
		v.N = small(r.Int64N(3_000_000 * sqltype.TickDay))
		v.Hi = int64(r.IntN(1681) - 840)
	case sqltype.NVarChar:
		v.S = someText(r)
		v.Scale = 0
	case sqltype.Date, sqltype.Time, sqltype.DateTime2:
		v.N = small(r.Int64N(3_000_000))
	default:
		v.N = small(r.Int64() - math.MaxInt64/2)
	}
	return v
}

func someText(r *rand.Rand) string {
	const letters = "aAbB zZ-_09éÉñßøλ😀"
	all := []rune(letters)
	out := make([]rune, r.IntN(6))
	for i := range out {
		out[i] = all[r.IntN(len(all))]
	}
	return string(out)
}

// The order of the row-store forms, as SQLite compares them, is SQL Server's order, and every form reads back.
func TestStoredOrderIsSQLOrder(t *testing.T) {
	t.Parallel()
	r := random(t)
	for _, name := range []string{"bit", "int", "bigint", "money", "decimal(18,4)", "decimal(19,4)", "decimal(38,10)", "float", "date", "time(7)", "datetime",
		"smalldatetime", "datetime2(7)", "datetimeoffset(7)", "uniqueidentifier", "varbinary(16)", "nvarchar(20)"} {
		typ := parseType(t, name)
		for _, coll := range []string{"Latin1_General_100_CI_AS", "Latin1_General_CS_AS", "Latin1_General_BIN2"} {
			typ.Collation = coll
			m := sqltype.NewComparer(sqltype.CollationOf(typ))
			for range 2000 {
				a, b := someValue(r, typ), someValue(r, typ)
				x, y := sqltype.Store(a, typ), sqltype.Store(b, typ)
				if back := sqltype.Load(x, typ); back != a {
					t.Fatalf("%s %s came back as %s", name, a, back)
				}
				var stored int
				switch x.Class {
				case sqltype.StoreInt:
					stored = cmp.Compare(x.I, y.I)
				case sqltype.StoreReal:
					stored = cmp.Compare(x.F, y.F)
				case sqltype.StoreText:
					stored = m.CompareString(x.S, y.S)
					if typ.Kind == sqltype.DateTimeOffset {
						stored = sqltype.CompareMoments([]byte(x.S), []byte(y.S))
					}
				default:
					stored = strings.Compare(x.S, y.S)
				}
				want := sqltype.Compare(a, b, sqltype.CollationOf(typ))
				if stored != want {
					t.Fatalf("%s: %s, %s compare %d, stored %d", name, a, b, want, stored)
				}
			}
			if typ.Kind != sqltype.NVarChar {
				break
			}
		}
	}
}

// The ASCII fast path and the collation table give one order.
func TestComparerAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	r := random(t)
	ci, cs := collate.New(language.Und, collate.IgnoreCase), collate.New(language.Und)
	mi := sqltype.NewComparer(sqltype.CollationOf(sqltype.Type{Collation: "Latin1_General_CI_AS"}))
	ms := sqltype.NewComparer(sqltype.CollationOf(sqltype.Type{Collation: "Latin1_General_CS_AS"}))
	for range 60_000 {
		a, b := make([]byte, r.IntN(5)), make([]byte, r.IntN(5))
		for i := range a {
			a[i] = byte(1 + r.IntN(127))
		}
		for i := range b {
			b[i] = byte(1 + r.IntN(127))
			if i < len(a) && r.IntN(2) == 0 {
				b[i] = a[i] ^ byte(r.IntN(2)<<5)
			}
		}
		a, b = bytes.TrimRight(a, " "), bytes.TrimRight(b, " ")
		if got, want := mi.Compare(a, b), ci.Compare(a, b); got != want {
			t.Fatalf("%q, %q compare %d, the table says %d", a, b, got, want)
		}
		if got, want := ms.Compare(a, b), cs.Compare(a, b); got != want {
			t.Fatalf("%q, %q compare %d with case, the table says %d", a, b, got, want)
		}
	}
}

// Every day and every style that keeps the whole value reads back.
func TestDatesRoundTrip(t *testing.T) {
	t.Parallel()
	last := -1
	for d := 0; d <= sqltype.DayMax; d += 1 + d%7 {
		y, m, day := sqltype.Civil(d)
		if back := sqltype.Days(y, m, day); back != d || d <= last || m < 1 || m > 12 || day < 1 || day > sqltype.DaysIn(y, m) {
			t.Fatalf("day %d is %d-%d-%d, which is %d", d, y, m, day, back)
		}
		last = d
	}
	r := random(t)
	for _, c := range []struct {
		name   string
		styles []int
	}{
		{"date", []int{0, 23, 101, 103, 104, 105, 106, 107, 110, 111, 112, 102}}, {"datetime", []int{9, 13, 21, 25, 109, 113, 121, 126}},
		{"datetime2(7)", []int{0, 21, 109, 113, 121, 126}}, {"smalldatetime", []int{0, 100, 120, 126, 121}}, {"time(7)", []int{0, 114, 121}},
		{"datetimeoffset(7)", []int{0, 121, 126, 127}},
	} {
		typ := parseType(t, c.name)
		for range 3000 {
			m := (sqltype.Day1900+r.Int64N(60000))*sqltype.TickDay + r.Int64N(sqltype.TickDay)
			v, ok := sqltype.FromMoment(m, r.IntN(1681)-840, typ)
			if !ok {
				t.Fatalf("no %s at %d", c.name, m)
			}
			for _, style := range c.styles {
				to := sqltype.Type{Kind: sqltype.VarChar, Len: 60}
				s, err := sqltype.Convert(v, typ, to, style)
				if err != nil {
					t.Fatalf("%s in style %d: %v", v, style, err)
				}
				back, err := sqltype.Convert(s, to, typ, style)
				if err != nil || back != v {
					t.Fatalf("%s %s in style %d is %q, which is %s, %v", c.name, v, style, s.S, back, err)
				}
			}
		}
	}
}

func TestPackRoundTrip(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"int", "decimal(38,10)", "varchar(8000)", "nvarchar(max)", "datetime2(3)", "varbinary(10)", "uniqueidentifier", "float"} {
		for _, c := range append([]string{""}, "Latin1_General_100_CI_AS_SC_UTF8") {
			typ := parseType(t, name)
			typ.Collation = c
			if got := sqltype.Unpack(sqltype.Pack(typ)); got != typ {
				t.Errorf("%v came back as %v", typ, got)
			}
		}
	}
}

func TestVariantKeepsKindAndValue(t *testing.T) {
	t.Parallel()
	r := random(t)
	variant := sqltype.Type{Kind: sqltype.Variant}
	for _, name := range []string{"int", "decimal(38,10)", "float", "datetime2(3)", "nvarchar(20)", "varbinary(16)", "uniqueidentifier", "datetimeoffset(7)"} {
		typ := parseType(t, name)
		v := someValue(r, typ)
		in, err := sqltype.Convert(v, typ, variant, 0)
		if err != nil {
			t.Fatal(err)
		}
		back := sqltype.Load(sqltype.Store(in, variant), variant)
		if back != v {
			t.Errorf("%s %s came back as %s %s", name, v, back.K, back)
		}
		out, err := sqltype.Convert(back, variant, sqltype.Type{Kind: sqltype.NVarChar, Len: 100}, 0)
		want, _ := sqltype.Convert(v, typ, sqltype.Type{Kind: sqltype.NVarChar, Len: 100}, 0)
		if err != nil || out != want {
			t.Errorf("%s %s in a variant is text %q, %v, want %q", name, v, out.S, err, want.S)
		}
	}
}

// The order of strings is part of the format: when this fails, the collation table changed (with golang.org/x/text, say),
// indexes made before are not in order any more, and CollationTableVersion must go up.
func TestCollationTableVersion(t *testing.T) {
	t.Parallel()
	const version, ci, cs = 1, 0x2253a584, 0xd4d53e28
	var words []string
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		words = append(words, someText(r)+someText(r))
	}
	for i := rune(0xa1); i < 0x250; i++ {
		words = append(words, string(i), "a"+string(i)+"b")
	}
	sum := func(name string) uint32 {
		m := sqltype.NewComparer(sqltype.CollationOf(sqltype.Type{Collation: name}))
		slices.SortStableFunc(words, m.CompareString)
		return crc32.ChecksumIEEE([]byte(strings.Join(words, "\n")))
	}
	gotI, gotS := sum("Latin1_General_CI_AS"), sum("Latin1_General_CS_AS")
	if sqltype.CollationTableVersion != version || gotI != ci || gotS != cs {
		t.Errorf("version %d, orders %#x and %#x; recorded %d, %#x and %#x", sqltype.CollationTableVersion, gotI, gotS, version, uint32(ci), uint32(cs))
	}
}
