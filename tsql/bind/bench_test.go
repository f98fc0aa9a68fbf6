package bind_test

import (
	"context"
	"testing"

	"linkspan/sqltype"
	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
)

// prepared binds one statement with the variables given.
func prepared(t testing.TB, d *db, text string) *bind.Plan {
	t.Helper()
	list, err := parse.Batch(text)
	must(t, err)
	p, err := bind.Query(d.env(), list[len(list)-1])
	must(t, err)
	return p
}

func (d *db) declare(name string, t sqltype.Type, v sqltype.Value) { d.vars[name] = variable{t, v} }

func BenchmarkInsert(b *testing.B) {
	d := open(b)
	d.ok("CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, a int NOT NULL, name nvarchar(60) NOT NULL, f float NOT NULL)")
	d.declare("@id", sqltype.Type{Kind: sqltype.BigInt}, sqltype.IntOf(sqltype.BigInt, 0))
	d.declare("@a", sqltype.Type{Kind: sqltype.Int}, sqltype.IntOf(sqltype.Int, 7))
	d.declare("@n", sqltype.Type{Kind: sqltype.NVarChar, Len: 60}, sqltype.NVarCharOf("sixty characters or thereabouts, which is what the aim says it"))
	d.declare("@f", sqltype.Type{Kind: sqltype.Float, Prec: 53}, sqltype.FloatOf(sqltype.Float, 1.5))
	p := prepared(b, d, "DECLARE @id bigint, @a int, @n nvarchar(60), @f float INSERT t (id, a, name, f) VALUES (@id, @a, @n, @f)")
	b.Log(p.SQL)
	r := d.run(nil)
	must(b, d.conn.Exec("BEGIN"))
	d.begin(p.Sites)
	id := int64(0)
	r.Variable = func(name string) (sqltype.Value, error) {
		if name == "@id" {
			id++
			return sqltype.IntOf(sqltype.BigInt, id), nil
		}
		return d.vars[name].v, nil
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPointSelect(b *testing.B) {
	d := open(b)
	d.ok("CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, a int NOT NULL, name nvarchar(60)); INSERT t SELECT value, value, N'x' FROM GENERATE_SERIES(1, 1000)")
	d.declare("@id", sqltype.Type{Kind: sqltype.Int}, sqltype.IntOf(sqltype.Int, 500))
	p := prepared(b, d, "DECLARE @id int SELECT a, name FROM t WHERE id = @id")
	b.Log(p.SQL)
	r := d.run(nil)
	r.Row = func([]sqltype.Value) error { return nil }
	must(b, d.conn.Exec("BEGIN"))
	d.begin(p.Sites)
	b.ReportAllocs()
	for b.Loop() {
		if o, err := p.Run(context.Background(), r); err != nil || o.Rows != 1 {
			b.Fatal(o, err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	d := open(b)
	d.ok("CREATE TABLE t (id bigint NOT NULL PRIMARY KEY, a int NOT NULL); INSERT t SELECT value, value FROM GENERATE_SERIES(1, 1000)")
	d.declare("@id", sqltype.Type{Kind: sqltype.Int}, sqltype.IntOf(sqltype.Int, 500))
	p := prepared(b, d, "DECLARE @id int UPDATE t SET a = a + 1 WHERE id = @id")
	b.Log(p.SQL)
	r := d.run(nil)
	must(b, d.conn.Exec("BEGIN"))
	d.begin(p.Sites)
	b.ReportAllocs()
	for b.Loop() {
		if o, err := p.Run(context.Background(), r); err != nil || o.Rows != 1 {
			b.Fatal(o, err)
		}
	}
}

func BenchmarkBind(b *testing.B) {
	d := open(b)
	d.ok(sample)
	list, err := parse.Batch("SELECT c.name, COUNT(*) AS n FROM customers c JOIN orders o ON o.customer = c.id WHERE o.amount > 5 GROUP BY c.name ORDER BY n DESC")
	must(b, err)
	env := d.env()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bind.Query(env, list[0]); err != nil {
			b.Fatal(err)
		}
	}
}
