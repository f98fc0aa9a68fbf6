package bind_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
)

// The golden files show what T-SQL becomes: the text for SQLite, the parameters, and the columns' types. Commands are
// "exec", which runs definitions, and "bind", whose statements are bound but not run.
func TestGolden(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		d := open(t)
		datadriven.RunTest(t, path, func(t *testing.T, c *datadriven.TestData) string {
			switch c.Cmd {
			case "exec":
				if _, err := d.exec(c.Input); err != nil {
					return err.Error() + "\n"
				}
				return "ok\n"
			case "bind":
				return d.explain(c.Input)
			}
			return "no command " + c.Cmd
		})
	})
}

// explain binds the last statement of a batch; the ones before it are run.
func (d *db) explain(text string) string {
	list, err := parse.Batch(text)
	if err != nil {
		return err.Error() + "\n"
	}
	for _, s := range list[:len(list)-1] {
		if err := d.statement(s, &result{}); err != nil {
			return err.Error() + "\n"
		}
	}
	p, err := bind.Query(d.env(), list[len(list)-1])
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(p.SQL, "ls_sql_latin1_general_cp1_ci_as", "ls_…") + "\n")
	for i, a := range p.Args {
		what := a.Name
		if a.Kind == bind.ConstArg {
			what = a.Value.String()
		}
		fmt.Fprintf(&b, "  ?%d %v %s\n", i+1, a.Type, what)
	}
	for i, c := range p.Columns {
		null := " NOT NULL"
		if c.Nullable {
			null = ""
		}
		name := c.Name
		if i < len(p.Assign) {
			name = p.Assign[i] + " ="
		}
		fmt.Fprintf(&b, "  → %s %v%s\n", name, c.Type, null)
	}
	return b.String()
}
