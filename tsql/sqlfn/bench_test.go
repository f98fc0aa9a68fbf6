package sqlfn_test

import (
	"testing"

	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// BenchmarkCall measures one call of a function from SQLite: a statement calls it for 1000 rows.
func BenchmarkCall(b *testing.B) {
	h := newHarness(b)
	must := func(x sqlfn.Expr, err error) sqlfn.Expr {
		if err != nil {
			b.Fatal(err)
		}
		return x
	}
	n := sqlfn.Expr{SQL: "n", Type: typeNamed(b, "int")}
	d := sqlfn.Expr{SQL: "d", Type: typeNamed(b, "decimal(20,4)")}
	s := sqlfn.Expr{SQL: "s", Type: typeNamed(b, "varchar(40)")}
	when := sqlfn.Expr{SQL: "w", Type: typeNamed(b, "datetime")}
	cases := []struct {
		name string
		x    sqlfn.Expr
	}{
		{"none", n},
		{"int_add", must(sqlfn.Binary("+", n, h.arg("1")))},
		{"int_div", must(sqlfn.Binary("/", n, h.arg("3")))},
		{"decimal20_mul", must(sqlfn.Binary("*", d, d))},
		{"decimal20_div", must(sqlfn.Binary("/", d, h.arg("3")))},
		{"int_to_varchar", must(sqlfn.Convert(n, typeNamed(b, "varchar(12)"), sqlfn.Options{}))},
		{"varchar_compare_ci", must(sqlfn.Compare("=", s, h.arg("'SOME TEXT OF A ROW'")))},
		{"like", must(sqlfn.Like(s, h.arg("'%text%'"), nil, false))},
		{"len", must(sqlfn.Call("LEN", []sqlfn.Expr{s}))},
		{"upper", must(sqlfn.Call("UPPER", []sqlfn.Expr{s}))},
		{"substring", must(sqlfn.Call("SUBSTRING", []sqlfn.Expr{s, h.arg("2"), h.arg("5")}))},
		{"dateadd", must(sqlfn.Call("DATEADD", []sqlfn.Expr{{Word: "day"}, n, when}))},
		{"datepart", must(sqlfn.Call("YEAR", []sqlfn.Expr{when}))},
		{"datetime_to_varchar_120", must(sqlfn.Convert(when, typeNamed(b, "varchar(30)"), sqlfn.Options{Style: &sqlfn.Expr{SQL: "120", Type: typeNamed(b, "int"), Const: ptr(sqltype.IntOf(sqltype.Int, 120))}}))},
		{"sum_int", must(sqlfn.Aggregate("SUM", false, []sqlfn.Expr{n}))},
		{"sum_decimal20", must(sqlfn.Aggregate("SUM", false, []sqlfn.Expr{d}))},
	}
	dv, _ := convertText("12.3456", d.Type)
	wv, _ := convertText("2026-01-31 22:05:06", when.Type)
	if err := h.conn.Exec("CREATE TABLE r(n, d, s COLLATE ls_sql_latin1_general_cp1_ci_as, w)"); err != nil {
		b.Fatal(err)
	}
	ins, _, _ := h.conn.Prepare("INSERT INTO r VALUES (?1, ?2, 'Some text of a row', ?3)")
	for i := range 1000 {
		_ = ins.BindInt(1, i)
		_ = sqlfn.BindValue(ins, 2, dv, d.Type)
		_ = sqlfn.BindValue(ins, 3, wv, when.Type)
		if err := ins.Exec(); err != nil {
			b.Fatal(err)
		}
	}
	_ = ins.Close()
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			stmt, _, err := h.conn.Prepare("SELECT " + c.x.SQL + " FROM r")
			if err != nil {
				b.Fatal(err)
			}
			defer stmt.Close()
			for i := range h.values {
				if i < stmt.BindCount() {
					_ = sqlfn.BindValue(stmt, i+1, h.values[i], h.types[i])
				}
			}
			h.env.Begin(h.st)
			b.ReportAllocs()
			for b.Loop() {
				for stmt.Step() {
				}
				if err := stmt.Reset(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
}

func ptr[T any](v T) *T { return &v }
