package bind_test

import (
	"context"
	"errors"
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

// seeds are the statements of the tests in this package.
func seeds(t testing.TB) []string {
	var list []string
	call := regexp.MustCompile("(?s)d\\.(?:want|fails|ok)\\((\"[^\"]*\"|`[^`]*`)")
	for _, file := range []string{"select_test.go", "change_test.go", "define_test.go", "semantics_test.go", "merge_test.go", "forxml_test.go", "userfunc_test.go"} {
		text, err := os.ReadFile(file)
		must(t, err)
		for _, m := range call.FindAllSubmatch(text, -1) {
			list = append(list, string(m[1][1:len(m[1])-1]))
		}
	}
	return list
}

// FuzzBind binds whatever parses, and runs what binds: nothing panics, and SQLite never sees text that it cannot compile.
func FuzzBind(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
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
	if n := sqlerr.Number(err); err != nil && (n == 0 || n == 8624) && ctx.Err() == nil {
		t.Errorf("%v, because of %v", err, errors.Unwrap(err))
	}
}
