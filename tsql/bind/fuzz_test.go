package bind_test

import (
	"context"
	"os"
	"regexp"
	"testing"
	"time"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
)

// FuzzBind binds whatever parses, and runs what binds: nothing panics, and SQLite never sees text that it cannot compile.
func FuzzBind(f *testing.F) {
	for _, file := range []string{"select_test.go", "change_test.go", "define_test.go", "semantics_test.go", "merge_test.go", "forxml_test.go", "userfunc_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)d\\.(?:want|fails|ok)\\((\"[^\"]*\"|`[^`]*`)").FindAllSubmatch(text, -1) {
			f.Add(string(m[1][1 : len(m[1])-1]))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		list, err := parse.Batch(text)
		if err != nil {
			return
		}
		d := open(t)
		d.ok(sample)
		env := d.env()
		env.Variable = func(string) (sqltype.Type, bool) { return sqltype.Type{Kind: sqltype.Int}, true }
		for _, s := range list {
			switch s.(type) {
			case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
				if in, ok := s.(*ast.Insert); ok && in.Exec != nil {
					continue
				}
				if p, err := bind.Query(env, s); err == nil {
					runFuzzed(t, d, p)
				}
			case *ast.CreateTable, *ast.AlterTable, *ast.CreateIndex, *ast.CreateView, *ast.Drop:
				c, err := bind.Define(env, s)
				if err == nil {
					d.change(c)
				}
				env = d.env()
				env.Variable = func(string) (sqltype.Type, bool) { return sqltype.Type{Kind: sqltype.Int}, true }
			}
		}
	})
}

func runFuzzed(t *testing.T, d *db, p *bind.Plan) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	old := d.conn.SetInterrupt(ctx)
	defer d.conn.SetInterrupt(old)
	d.begin(p.Sites)
	defer d.fn.End()
	r := d.run(nil)
	r.Variable = func(string) (sqltype.Value, error) { return sqltype.IntOf(sqltype.Int, 1), nil }
	if err := d.conn.Exec("BEGIN"); err != nil {
		return
	}
	_, err := p.Run(ctx, r)
	d.conn.SetInterrupt(context.Background())
	d.conn.Exec("ROLLBACK")
	if err != nil && sqlerr.Number(err) == 0 && ctx.Err() == nil {
		t.Errorf("an error without a number: %v", err)
	}
}
