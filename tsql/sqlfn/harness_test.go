package sqlfn_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// harness evaluates expressions on a connection of its own.
type harness struct {
	t      testing.TB
	conn   *sqlite3.Conn
	env    *sqlfn.Env
	values []sqltype.Value
	types  []sqltype.Type
	st     sqlfn.Statement
}

var moment = time.Date(2026, 1, 31, 22, 5, 6, 123456700, time.FixedZone("", 7200))

func newHarness(t testing.TB) *harness {
	t.Helper()
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	h := &harness{t: t, conn: conn, env: &sqlfn.Env{}}
	if err := sqlfn.Register(conn, h.env); err != nil {
		t.Fatal(err)
	}
	seed := byte(0)
	h.st = sqlfn.Statement{Now: moment, Random: func(b []byte) {
		for i := range b {
			seed += 7
			b[i] = seed
		}
	}}
	return h
}

func (h *harness) param(v sqltype.Value, t sqltype.Type, literal bool) sqlfn.Expr {
	h.values, h.types = append(h.values, v), append(h.types, t)
	x := sqlfn.Expr{SQL: "?" + strconv.Itoa(len(h.values)), Type: t, Nullable: !v.Valid}
	if literal {
		x.Const = &v
	}
	return x
}

// arg reads a test's spelling of an argument: 42, 1.50, 1e3, 'x', N'x', 0xAB, $1.5, NULL, word day, and type:text for a
// variable of that type, as in decimal(10,2):1.5.
func (h *harness) arg(s string) sqlfn.Expr {
	h.t.Helper()
	neg := strings.HasPrefix(s, "-")
	switch {
	case s == "NULL":
		return sqlfn.Expr{SQL: "NULL", Nullable: true}
	case strings.HasPrefix(s, "word "):
		return sqlfn.Expr{Word: s[5:]}
	case strings.HasPrefix(s, "'"):
		t, v := sqltype.Str(strings.Trim(s, "'"), false, "")
		return h.param(v, t, true)
	case strings.HasPrefix(s, "N'"):
		t, v := sqltype.Str(strings.Trim(s[1:], "'"), true, "")
		return h.param(v, t, true)
	case strings.HasPrefix(s, "0x"):
		t, v, _ := sqltype.Hex(s[2:])
		return h.param(v, t, true)
	case strings.HasPrefix(s, "$"):
		t, v, err := sqltype.Currency(s)
		h.check(err)
		return h.param(v, t, true)
	case strings.Contains(s, ":") && (s[0] >= 'a' && s[0] <= 'z'):
		name, text, _ := strings.Cut(s, ":")
		t := typeNamed(h.t, name)
		from := sqltype.Type{Kind: sqltype.NVarChar, Len: 4000, Collation: t.Collation}
		if text == "NULL" {
			return h.param(sqltype.NullOf(t.Kind), t, false)
		}
		v, err := sqltype.Convert(sqltype.NVarCharOf(text), from, t, 0)
		h.check(err)
		return h.param(v, t, false)
	}
	t, v, err := sqltype.Number(strings.TrimPrefix(s, "-"))
	h.check(err)
	x := h.param(v, t, true)
	if neg {
		x, _ = sqlfn.Unary("-", x)
	}
	return x
}

func (h *harness) check(err *sqlerr.Error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// run gives the value of x as type:text, or the error's number and text.
func (h *harness) run(x sqlfn.Expr, err error) string {
	h.t.Helper()
	if err != nil {
		return errorText(err)
	}
	v, err := h.eval(x)
	if err != nil {
		return errorText(err)
	}
	if !v.Valid && !x.Nullable {
		h.t.Errorf("%s is NULL but was said not to be", x.SQL)
	}
	s := v.String()
	if x.Cond {
		return s
	}
	return x.Type.String() + ":" + s
}

func (h *harness) eval(x sqlfn.Expr) (sqltype.Value, error) {
	h.t.Helper()
	return h.query("SELECT "+x.SQL, x.Type)
}

func (h *harness) query(sql string, t sqltype.Type) (sqltype.Value, error) {
	h.t.Helper()
	h.env.Begin(h.st)
	defer h.env.End()
	stmt, _, err := h.conn.Prepare(sql)
	if err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	defer stmt.Close()
	for i := range h.values {
		if i < stmt.BindCount() {
			if err := sqlfn.BindValue(stmt, i+1, h.values[i], h.types[i]); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	if stmt.Step() {
		if t.Kind == sqltype.Null {
			t = sqltype.Type{Kind: sqltype.Int}
		}
		return sqlfn.ColumnValue(stmt, 0, t), nil
	}
	if e := h.env.TakeError(); e != nil {
		return sqltype.Value{}, e
	}
	if err := stmt.Err(); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	return sqltype.NullOf(t.Kind), nil
}

func errorText(err error) string {
	e := sqlerr.From(err)
	return strconv.Itoa(int(e.Number)) + " " + e.Message
}

// typeNamed reads kind(a,b).
func typeNamed(t testing.TB, s string) sqltype.Type {
	t.Helper()
	name, rest, _ := strings.Cut(s, "(")
	for k := sqltype.Bit; k <= sqltype.Variant; k++ {
		if k.String() != name {
			continue
		}
		typ := sqltype.Of(k)
		if rest == "" {
			return typ
		}
		var n [2]int
		for i, f := range strings.Split(strings.TrimSuffix(rest, ")"), ",") {
			if n[i], _ = strconv.Atoi(f); f == "max" {
				n[i] = sqltype.MaxLen
			}
		}
		switch {
		case k == sqltype.Decimal:
			typ.Prec, typ.Scale = uint8(n[0]), uint8(n[1])
		case k.IsTemporal():
			typ.Scale = uint8(n[0])
		default:
			typ.Len = n[0]
		}
		return typ
	}
	t.Fatalf("no type %q", s)
	return sqltype.Type{}
}
