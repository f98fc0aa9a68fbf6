package sqlfn_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// oneView is a rel.Views of one view that counts how often its rows were taken.
type oneView struct {
	view  rel.View
	taken int
}

func (o *oneView) View(schema, name string) *rel.View {
	if strings.EqualFold(schema, o.view.Schema) && strings.EqualFold(name, o.view.Name) {
		return &o.view
	}
	return nil
}

func numbers(n int) *oneView {
	o := &oneView{}
	o.view = rel.View{Schema: "sys", Name: "numbers", Columns: []sqlapi.Column{
		{Name: "id", Type: sqltype.Type{Kind: sqltype.Int}}, {Name: "name", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 128}},
		{Name: "guid", Type: sqltype.Type{Kind: sqltype.UniqueIdentifier}}, {Name: "ratio", Type: sqltype.Type{Kind: sqltype.Float}},
	}}
	o.view.Rows = func(_ context.Context, s rel.Scope) iter.Seq2[[]sqltype.Value, error] {
		o.taken++
		return func(yield func([]sqltype.Value, error) bool) {
			row := make([]sqltype.Value, 4)
			for i := range n {
				row[0], row[1] = sqltype.IntOf(sqltype.Int, int64(i)), sqltype.NVarCharOf(s.Database)
				row[2], row[3] = sqltype.GUIDOf([16]byte{15: byte(i)}), sqltype.FloatOf(sqltype.Float, float64(i)/2)
				if i%2 == 1 {
					row[1] = sqltype.NullOf(sqltype.NVarChar)
				}
				if !yield(row, nil) {
					return
				}
			}
		}
	}
	return o
}

func TestViewRowsAreTakenOncePerStatement(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := numbers(300)
	h.st.Views, h.st.Scope = o, rel.Scope{Database: "sales", DatabaseID: 5}
	integer := typeNamed(t, "int")
	v, err := h.query("SELECT count(*) FROM ls_view('sys.numbers', '') AS a JOIN ls_view('sys.numbers', '') AS b ON a.c_1 = b.c_1 WHERE b.c_1 < 10", integer)
	if err != nil || v.N != 10 || o.taken != 1 {
		t.Errorf("join = %v, %v after taking the rows %d times", v, err, o.taken)
	}
	h.param(sqltype.NVarCharOf("other"), typeNamed(t, "nvarchar(128)"), false)
	name, err := h.query("SELECT max(v.c_2) FROM ls_view('sys.numbers', ?1) AS v", typeNamed(t, "nvarchar(128)"))
	if err != nil || name.S != "other" {
		t.Errorf("in another database = %v, %v", name, err)
	}
	if o.taken != 2 {
		t.Errorf("the next statement saw old rows")
	}
	g, err := h.query("SELECT v.c_3 FROM ls_view('sys.numbers', '') AS v WHERE v.c_1 = 7 AND v.c_4 = 3.5 AND v.c_2 IS NULL", typeNamed(t, "uniqueidentifier"))
	if diff := cmp.Diff("00000000-0000-0000-0000-000000000007", g.String()); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if v, err := h.query("SELECT count(*) FROM ls_view('sys.numbers', '') WHERE c_1 = NULL", integer); err != nil || v.N != 0 {
		t.Errorf("= NULL found %v rows, %v", v, err)
	}
}

func TestViewErrorsKeepTheirNumber(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := numbers(1)
	h.st.Views = o
	integer := typeNamed(t, "int")
	if _, err := h.query("SELECT count(*) FROM ls_view('sys.nothing', '')", integer); sqlerr.Number(err) != 208 {
		t.Errorf("unknown view: %v", err)
	}
	o.view.Rows = func(context.Context, rel.Scope) iter.Seq2[[]sqltype.Value, error] {
		return func(yield func([]sqltype.Value, error) bool) { yield(nil, sqlerr.New(8134)) }
	}
	if _, err := h.query("SELECT count(*) FROM ls_view('sys.numbers', '')", integer); sqlerr.Number(err) != 8134 {
		t.Errorf("failing view: %v", err)
	}
	o.view.Rows = func(context.Context, rel.Scope) iter.Seq2[[]sqltype.Value, error] {
		return func(yield func([]sqltype.Value, error) bool) { yield(make([]sqltype.Value, 1), nil) }
	}
	if _, err := h.query("SELECT count(*) FROM ls_view('sys.numbers', '')", integer); err == nil {
		t.Error("a row of the wrong width was taken")
	}
}

type host func(name string, args []sqltype.Value) (sqltype.Value, error)

func (f host) Function(_ context.Context, _ rel.Scope, name string, args []sqltype.Value) (sqltype.Value, error) {
	return f(name, args)
}

func TestHostFunctions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	call := func(name string, args ...sqlfn.Expr) string { return h.run(sqlfn.Call(name, args)) }
	if got := call("db_id"); !strings.HasPrefix(got, "195 ") {
		t.Errorf("without a host: %s", got)
	}
	h.st.Host = host(func(name string, args []sqltype.Value) (sqltype.Value, error) {
		switch name {
		case "DB_ID":
			return sqltype.IntOf(sqltype.Int, int64(5+len(args))), nil
		case "SCOPE_IDENTITY":
			return sqltype.IntOf(sqltype.BigInt, 77), nil
		case "OBJECT_ID":
			return sqltype.NullOf(sqltype.Int), nil
		case "DB_NAME":
			return sqltype.NVarCharOf("db" + args[0].String()), nil
		}
		return sqltype.Value{}, errors.New("no such thing")
	})
	for _, c := range [][2]string{
		{call("DB_ID"), "smallint:5"}, {call("db_id", h.arg("N'x'")), "smallint:6"}, {call("SCOPE_IDENTITY"), "decimal(38,0):77"},
		{call("OBJECT_ID", h.arg("'dbo.t'"), h.arg("'U'")), "int:NULL"}, {call("DB_NAME", h.arg("'3'")), "nvarchar(128):db3"},
		{call("XACT_STATE"), "50000 no such thing"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %s, want %s", c[0], c[1])
		}
	}
}

func TestEnvOfFindsTheConnectionsOwn(t *testing.T) {
	t.Parallel()
	a, b := newHarness(t), newHarness(t)
	for _, h := range []*harness{a, b} {
		if env, err := sqlfn.EnvOf(h.conn); err != nil || env != h.env {
			t.Errorf("EnvOf = %p, %v, want %p", env, err, h.env)
		}
	}
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := sqlfn.EnvOf(conn); err == nil {
		t.Error("a bare connection has an Env")
	}
}

func TestErrorsDoNotOutliveTheirStatement(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if got := h.run(sqlfn.Binary("/", h.arg("1"), h.arg("0"))); !strings.HasPrefix(got, "8134 ") {
		t.Fatal(got)
	}
	if e := h.env.TakeError(); e != nil {
		t.Errorf("left over: %v", e)
	}
	if got := h.run(sqlfn.Binary("+", h.arg("1"), h.arg("1"))); got != "int:2" {
		t.Errorf("after an error: %s", got)
	}
}

// Functions may stand in what SQLite checks for purity: indexes on expressions and checks.
func TestFunctionsServeIndexesAndChecks(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	typ := typeNamed(t, "varchar(20)")
	up, err := sqlfn.Call("UPPER", []sqlfn.Expr{{SQL: "a", Type: typ}})
	if err != nil {
		t.Fatal(err)
	}
	conv, err := sqlfn.Convert(sqlfn.Expr{SQL: "a", Type: typ}, typeNamed(t, "int"), sqlfn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"CREATE TABLE p(a COLLATE " + sqlfn.CollationName(typ) + " CHECK (" + conv.SQL + " > 0))",
		"CREATE INDEX i ON p(" + up.SQL + ")",
		"CREATE UNIQUE INDEX u ON p(a)",
		"INSERT INTO p VALUES ('5')",
	} {
		if err := h.conn.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := h.conn.Exec("INSERT INTO p VALUES ('5  ')"); !errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		t.Errorf("a duplicate but for blanks: %v", err)
	}
	if err := h.conn.Exec("INSERT INTO p VALUES ('x')"); err == nil || h.env.TakeError().Number != 245 {
		t.Errorf("a check that fails to convert: %v", err)
	}
}

// A branch that is not taken raises nothing, even if it is made of constants only.
func TestBranchesNotTakenRaiseNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	div, err := sqlfn.Binary("/", h.arg("1"), h.arg("0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT CASE WHEN 1 = 0 THEN " + div.SQL + " ELSE 7 END", "SELECT iif(1 = 1, 7, " + div.SQL + ")", "SELECT coalesce(7, " + div.SQL + ")",
		"SELECT ifnull(7, " + div.SQL + ") FROM (SELECT 1 UNION ALL SELECT 2)"} {
		if v, err := h.query(sql, div.Type); err != nil || v.N != 7 {
			t.Errorf("%s = %v, %v", sql, v, err)
		}
	}
}

// BenchmarkRegister measures what a new connection pays, apart from being opened.
func BenchmarkRegister(b *testing.B) {
	for range b.N {
		b.StopTimer()
		conn, err := sqlite3.Open(":memory:")
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := sqlfn.Register(conn, &sqlfn.Env{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = conn.Close()
		b.StartTimer()
	}
}

// A comparison of a column with a literal of another type still finds the column's index: the literal is converted.
func TestComparisonsFindIndexes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ column, literal string }{
		{"varchar(20)", "N'abc'"}, {"nvarchar(20)", "'abc'"}, {"decimal(18,2)", "5"}, {"date", "'2026-01-31'"}, {"datetime", "'2026-01-31'"}, {"int", "'5'"},
		{"bigint", "5"}, {"uniqueidentifier", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'"}, {"float", "5"}, {"money", "5"}, {"datetime2(7)", "datetime:2026-01-31"},
	} {
		typ := typeNamed(t, c.column)
		if err := h.conn.Exec("DROP TABLE IF EXISTS k; CREATE TABLE k(a COLLATE " + sqlfn.CollationName(typ) + "); CREATE INDEX ki ON k(a)"); err != nil {
			t.Fatal(err)
		}
		for _, op := range []string{"=", ">="} {
			h.values, h.types = nil, nil
			cond, err := sqlfn.Compare(op, sqlfn.Expr{SQL: "a", Type: typ, Nullable: true, Rule: sqlfn.Implicit}, h.arg(c.literal))
			if err != nil {
				t.Fatal(err)
			}
			stmt, _, err := h.conn.Prepare("EXPLAIN QUERY PLAN SELECT a FROM k WHERE " + cond.SQL)
			if err != nil {
				t.Fatal(err)
			}
			if !stmt.Step() || !strings.HasPrefix(stmt.ColumnText(3), "SEARCH") {
				t.Errorf("%s %s %s (%s): %s", c.column, op, c.literal, cond.SQL, stmt.ColumnText(3))
			}
			_ = stmt.Close()
		}
	}
}
