package bind_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
	"linkspan/tsql/sqlfn"
)

// conn is a connection with a cache of statements, as storage's are.
type conn struct {
	*sqlite3.Conn
	cache map[string]*sqlite3.Stmt
}

func (c *conn) Stmt(sql string) (*sqlite3.Stmt, error) {
	if s := c.cache[sql]; s != nil {
		return s, nil
	}
	s, tail, err := c.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("%w in: %s", err, sql)
	}
	if strings.TrimSpace(tail) != "" {
		return nil, fmt.Errorf("more than one statement in %q", sql)
	}
	c.cache[sql] = s
	return s, nil
}

// db is a database with just enough of an executor around it.
type db struct {
	t     testing.TB
	conn  *conn
	fn    *sqlfn.Env
	ids   *catalog.Identities
	temps *catalog.Identities
	vars  map[string]variable
	// identityInsert is the table of SET IDENTITY_INSERT.
	identityInsert int32
	last           bind.Outcome
	lastPlan       *bind.Plan
	now            time.Time
}

type variable struct {
	t sqltype.Type
	v sqltype.Value
}

func open(t testing.TB) *db {
	t.Helper()
	raw, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	d := &db{t: t, conn: &conn{raw, map[string]*sqlite3.Stmt{}}, fn: &sqlfn.Env{}, ids: catalog.NewIdentities(),
		temps: catalog.NewIdentities(), vars: map[string]variable{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	must(t, sqlfn.Register(raw, d.fn))
	must(t, bind.Register(raw))
	must(t, raw.Exec("ATTACH ':memory:' AS tmp"))
	must(t, catalog.Init(d.conn, catalog.InitOptions{Now: d.now}))
	must(t, catalog.Init(d.conn, catalog.InitOptions{SQLSchema: "tmp", Now: d.now}))
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *db) env() *bind.Env {
	snap, err := catalog.Load(d.conn, "")
	must(d.t, err)
	temp, err := catalog.Load(d.conn, "tmp")
	must(d.t, err)
	return &bind.Env{Database: "db1", Snapshot: snap, Temp: temp, Views: snap.Views(d.conn, d.ids), IdentityInsert: d.identityInsert,
		Variable: func(name string) (sqltype.Type, bool) {
			v, ok := d.vars[strings.ToLower(name)]
			return v.t, ok
		}}
}

// result is what a batch gave: the rows of its last result set, or the first error.
type result struct {
	columns []sqlapi.Column
	rows    [][]sqltype.Value
	count   int64
}

// exec runs a batch and gives its last result set.
func (d *db) exec(text string) (result, error) {
	d.t.Helper()
	list, err := parse.Batch(text)
	if err != nil {
		return result{}, err
	}
	var out result
	for _, s := range list {
		if err := d.statement(s, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (d *db) run(out *result) *bind.Run {
	return &bind.Run{Conn: d.conn, Database: "db1", Identities: d.ids, TempIdentities: d.temps, Now: d.now,
		Variable: func(name string) (sqltype.Value, error) { return d.vars[strings.ToLower(name)].v, nil },
		Global: func(name string) (sqltype.Value, error) {
			if name == "@@servername" {
				return sqltype.NVarCharOf("sqlserver1"), nil
			}
			t, _ := bind.GlobalType(name)
			return sqltype.NullOf(t.Kind), nil
		},
		Row: func(row []sqltype.Value) error {
			if out != nil {
				out.rows = append(out.rows, append([]sqltype.Value(nil), row...))
			}
			return nil
		}}
}

// Function serves what the tests call of the host.
func (d *db) Function(ctx context.Context, scope rel.Scope, name string, args []sqltype.Value) (sqltype.Value, error) {
	snap, err := catalog.Load(d.conn, "")
	if err != nil {
		return sqltype.Value{}, err
	}
	f := &catalog.Functions{Snapshot: snap, Conn: d.conn, Identities: d.ids, Database: "db1", DefaultSchema: "dbo"}
	if v, ok, err := f.Call(name, args); ok {
		return v, err
	}
	return sqltype.Value{}, fmt.Errorf("no function %s here", name)
}

func (d *db) begin(sites []sqlfn.Site) {
	snap, err := catalog.Load(d.conn, "")
	must(d.t, err)
	d.fn.Begin(sqlfn.Statement{Now: d.now, Sites: sites, Views: snap.Views(d.conn, d.ids), Host: d, Scope: rel.Scope{Database: "db1", DatabaseID: 5},
		Random: func(b []byte) {
			for i := range b {
				b[i] = byte(i * 7)
			}
		}})
}

func (d *db) statement(s ast.Statement, out *result) error {
	d.t.Helper()
	switch s := s.(type) {
	case *ast.Declare:
		for _, v := range s.Vars {
			if v.Table != nil {
				c, err := bind.DeclareTable(d.env(), v.Name, v.Table)
				if err != nil {
					return err
				}
				if err := d.change(c); err != nil {
					return err
				}
				continue
			}
			t, err := bind.TypeOf(d.env(), v.Type)
			if err != nil {
				return err
			}
			d.vars[strings.ToLower(v.Name)] = variable{t, sqltype.NullOf(t.Kind)}
			if v.Value != nil {
				if err := d.set(v.Name, v.Value); err != nil {
					return err
				}
			}
		}
		return nil
	case *ast.SetVariable:
		return d.set(s.Name, s.Value)
	case *ast.SetIdentityInsert:
		d.identityInsert = 0
		if s.On {
			d.identityInsert = d.env().Snapshot.Table("dbo", s.Table.Name).ID
		}
		return nil
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge, *ast.TruncateTable:
		p, err := bind.Query(d.env(), s)
		if err != nil {
			return err
		}
		return d.plan(p, out)
	}
	c, err := bind.Define(d.env(), s)
	if err != nil {
		return err
	}
	return d.change(c)
}

func (d *db) change(c *bind.Change) error {
	d.begin(c.Sites)
	defer d.fn.End()
	must(d.t, d.conn.Exec("BEGIN"))
	err := c.Apply(context.Background(), d.run(nil))
	must(d.t, d.conn.Exec("COMMIT"))
	return err
}

func (d *db) plan(p *bind.Plan, out *result) error {
	d.begin(p.Sites)
	defer d.fn.End()
	d.lastPlan = p
	out.columns, out.rows = p.Columns, nil
	must(d.t, d.conn.Exec("BEGIN"))
	o, err := p.Run(context.Background(), d.run(out))
	must(d.t, d.conn.Exec("COMMIT"))
	d.last, out.count = o, o.Rows
	if err != nil {
		return err
	}
	for i, name := range p.Assign {
		if n := len(out.rows); n > 0 {
			v := d.vars[strings.ToLower(name)]
			v.v = out.rows[n-1][i]
			d.vars[strings.ToLower(name)] = v
		}
	}
	for _, a := range o.Assigned {
		v := d.vars[strings.ToLower(a.Name)]
		v.v = a.Value
		d.vars[strings.ToLower(a.Name)] = v
	}
	return nil
}

func (d *db) set(name string, e ast.Expr) error {
	v, ok := d.vars[strings.ToLower(name)]
	if !ok {
		return sqlerr.New(137, name)
	}
	p, err := bind.Scalar(d.env(), e, v.t)
	if err != nil {
		return err
	}
	var out result
	if err := d.plan(p, &out); err != nil {
		return err
	}
	v.v = out.rows[0][0]
	d.vars[strings.ToLower(name)] = v
	return nil
}

// text spells rows as "1|abc|NULL" lines.
func (r result) text() string {
	var lines []string
	for _, row := range r.rows {
		var cells []string
		for _, v := range row {
			if v.IsNull() {
				cells = append(cells, "NULL")
				continue
			}
			cells = append(cells, v.String())
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

// want runs a batch and compares the rows of its last result set.
func (d *db) want(text, rows string) {
	d.t.Helper()
	r, err := d.exec(text)
	if err != nil {
		d.t.Errorf("%s\n  failed: %v", text, err)
		return
	}
	if got := r.text(); got != strings.TrimSpace(rows) {
		d.t.Errorf("%s\n  gave\n%s\n  want\n%s\n  by %s", text, got, strings.TrimSpace(rows), d.sqlText())
	}
}

func (d *db) sqlText() string {
	if d.lastPlan == nil {
		return ""
	}
	return d.lastPlan.SQL
}

// ok runs a batch that must succeed.
func (d *db) ok(text string) {
	d.t.Helper()
	if _, err := d.exec(text); err != nil {
		d.t.Fatalf("%s\n  failed: %v", text, err)
	}
}

// fails runs a batch that must end with an error of a number, whose text contains the words.
func (d *db) fails(text string, number int32, words ...string) {
	d.t.Helper()
	r, err := d.exec(text)
	if sqlerr.Number(err) != number {
		d.t.Errorf("%s\n  gave %v and rows %q, want message %d", text, err, r.text(), number)
		return
	}
	var e *sqlerr.Error
	errors.As(err, &e)
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			d.t.Errorf("%s\n  says %q, without %q", text, e.Message, w)
		}
	}
}
