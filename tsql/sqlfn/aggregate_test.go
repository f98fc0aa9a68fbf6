package sqlfn_test

import (
	"strings"
	"testing"

	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// fill makes table t(g, x) of the values, one group per list.
func (h *harness) fill(t sqltype.Type, groups ...[]string) {
	h.t.Helper()
	if err := h.conn.Exec("DROP TABLE IF EXISTS t; CREATE TABLE t(g, x)"); err != nil {
		h.t.Fatal(err)
	}
	stmt, _, err := h.conn.Prepare("INSERT INTO t VALUES (?1, ?2)")
	if err != nil {
		h.t.Fatal(err)
	}
	defer stmt.Close()
	for g, list := range groups {
		for _, s := range list {
			v := sqltype.NullOf(t.Kind)
			if s != "NULL" {
				var e error
				if v, e = convertText(s, t); e != nil {
					h.t.Fatal(e)
				}
			}
			_ = stmt.BindInt(1, g)
			if err := sqlfn.BindValue(stmt, 2, v, t); err != nil {
				h.t.Fatal(err)
			}
			if err := stmt.Exec(); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

func convertText(s string, t sqltype.Type) (sqltype.Value, error) {
	v, err := sqltype.Convert(sqltype.NVarCharOf(s), sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}, t, 0)
	if err != nil {
		return v, err
	}
	return v, nil
}

func TestAggregates(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct {
		typ, rows, name string
		distinct        bool
		want            string
	}{
		{"int", "1 2 NULL 3", "SUM", false, "int:6"}, {"int", "2147483647 1", "SUM", false, "8115 Arithmetic overflow error converting expression to data type int."},
		{"int", "", "SUM", false, "int:NULL"}, {"int", "NULL", "AVG", false, "int:NULL"}, {"int", "1 2", "AVG", false, "int:1"}, {"int", "1 1 3", "SUM", true, "int:4"},
		{"tinyint", "200 100", "SUM", false, "int:300"}, {"bigint", "9223372036854775807 1", "SUM", false, "8115 Arithmetic overflow error converting expression to data type bigint."},
		{"bigint", "9223372036854775807 1 -5", "SUM", false, "bigint:9223372036854775803"},
		{"decimal(10,2)", "1.10 2.25", "SUM", false, "decimal(38,2):3.35"}, {"decimal(10,2)", "1 2", "AVG", false, "decimal(38,6):1.500000"}, {"decimal(20,8)", "1 2", "AVG", false, "decimal(38,8):1.50000000"},
		{"decimal(38,0)", "99999999999999999999999999999999999999 1", "SUM", false, "8115 Arithmetic overflow error converting expression to data type numeric."},
		{"money", "1.5 2.25", "SUM", false, "money:3.7500"}, {"money", "1 2", "AVG", false, "money:1.5000"}, {"float", "1 2", "AVG", false, "float:1.5"}, {"real", "1 2", "SUM", false, "float:3"},
		{"varchar(5)", "b A c", "MIN", false, "varchar(5):A"}, {"varchar(5)", "b A C", "MAX", false, "varchar(5):C"}, {"varchar(5)", "a A b", "COUNT", true, "int:2"},
		{"int", "1 NULL", "COUNT", false, "int:1"}, {"int", "1 NULL", "COUNT_BIG", false, "bigint:1"}, {"date", "2026-01-02 2026-01-01", "MIN", false, "date:2026-01-01"},
		{"int", "2 4 4 4 5 5 7 9", "STDEVP", false, "float:2"}, {"int", "1 2 3 4", "VAR", false, "float:1.6666666666666667"}, {"int", "5", "STDEV", false, "float:NULL"}, {"int", "5", "VARP", false, "float:0"},
		{"int", "5 3", "CHECKSUM_AGG", false, "int:6"},
		{"bit", "1", "SUM", false, "8117 Operand data type bit is invalid for sum operator."}, {"varchar(5)", "a", "AVG", false, "8117 Operand data type varchar is invalid for avg operator."},
	} {
		typ := typeNamed(t, c.typ)
		h.fill(typ, strings.Fields(c.rows))
		x, err := sqlfn.Aggregate(c.name, c.distinct, []sqlfn.Expr{{SQL: "x", Type: typ, Nullable: true, Rule: sqlfn.Implicit}})
		got := ""
		if err == nil {
			var v sqltype.Value
			if v, err = h.query("SELECT "+x.SQL+" FROM t", x.Type); err == nil {
				got = x.Type.String() + ":" + v.String()
			}
		}
		if err != nil {
			got = errorText(err)
		}
		if got != c.want {
			t.Errorf("%s(%v) over %s %s = %s, want %s", c.name, c.distinct, c.typ, c.rows, got, c.want)
		}
	}
}

func TestStringAggInOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	typ := typeNamed(t, "varchar(5)")
	h.fill(typ, []string{"b", "NULL", "c", "A"})
	col := sqlfn.Expr{SQL: "x", Type: typ, Nullable: true}
	x, err := sqlfn.Aggregate("string_agg", false, []sqlfn.Expr{col, h.arg("', '")})
	if err != nil {
		t.Fatal(err)
	}
	v, err := h.query("SELECT "+x.Agg.String(sqlfn.OrderKey(col)+" DESC")+" FROM t", x.Type)
	if err != nil || v.S != "c, b, A" {
		t.Errorf("string_agg = %q, %v", v.S, err)
	}
}

// Every aggregate slides over a window: the sum of the rows that left is taken away again.
func TestAggregatesAsWindows(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ typ, name, want string }{
		{"int", "SUM", "int:7"}, {"decimal(10,2)", "SUM", "decimal(38,2):7.00"}, {"float", "AVG", "float:3.5"}, {"decimal(10,2)", "AVG", "decimal(38,6):3.500000"},
		{"int", "VARP", "float:0.25"}, {"int", "MAX", "int:4"}, {"int", "CHECKSUM_AGG", "int:7"},
	} {
		typ := typeNamed(t, c.typ)
		h.fill(typ, []string{"1", "2", "3", "4"})
		x, err := sqlfn.Aggregate(c.name, false, []sqlfn.Expr{{SQL: "x", Type: typ}})
		if err != nil {
			t.Fatal(err)
		}
		v, err := h.query("SELECT v FROM (SELECT rowid AS r, "+x.SQL+" OVER (ORDER BY rowid ROWS 1 PRECEDING) AS v FROM t) ORDER BY r DESC", x.Type)
		if got := x.Type.String() + ":" + v.String(); err != nil || got != c.want {
			t.Errorf("%s over a window = %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestGroupingIgnoresCaseAndBlanks(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	typ := typeNamed(t, "varchar(5)")
	h.fill(typ, []string{"a", "A", "a ", "b"})
	key := sqlfn.OrderKey(sqlfn.Expr{SQL: "x", Type: typ})
	v, err := h.query("SELECT count(*) FROM (SELECT 1 FROM t GROUP BY "+key+")", typeNamed(t, "int"))
	if err != nil || v.N != 2 {
		t.Errorf("groups = %v, %v, want 2", v, err)
	}
}
