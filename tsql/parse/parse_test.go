package parse_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"linkspan/sqlerr"
	"linkspan/tsql/parse"
)

// The goldens: "batch" dumps the tree, "errors" parses each line of input (␤ stands for a new line) and shows what the
// server answers, "kinds" shows only the statements' types.
func TestGoldens(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "batch":
				list, err := parse.Batch(d.Input)
				if err != nil {
					return err.Error() + "\n"
				}
				var b strings.Builder
				for _, s := range list {
					b.WriteString(dump(s) + "\n")
				}
				return b.String()
			case "errors":
				return perLine(d.Input, true)
			case "kinds":
				return perLine(d.Input, false)
			}
			return "unknown command " + d.Cmd
		})
	})
}

func perLine(input string, errorsWanted bool) string {
	var b strings.Builder
	for _, l := range strings.Split(input, "\n") {
		list, err := parse.Batch(strings.ReplaceAll(l, "␤", "\n"))
		switch {
		case err != nil:
			fmt.Fprintln(&b, err)
		case errorsWanted:
			fmt.Fprintln(&b, "no error")
		default:
			var kinds []string
			for _, s := range list {
				kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", s), "*ast."))
			}
			fmt.Fprintln(&b, strings.Join(kinds, " "))
		}
	}
	return b.String()
}

// goLine is the batch separator of scripts, which is the client's and never reaches the server.
var goLine = regexp.MustCompile(`(?mi)^\s*GO\s*$`)

// Every batch of the guide to the live link parses, in the forms that the guide gives them.
func TestGuideParses(t *testing.T) {
	src, err := os.ReadFile("guide_test.sql")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, batch := range goLine.Split(string(src), -1) {
		if strings.TrimSpace(batch) == "" {
			continue
		}
		n++
		if _, err := parse.Batch(batch); err != nil {
			t.Errorf("%v in\n%s", err, batch)
		}
	}
	if n < 20 {
		t.Errorf("only %d batches were found", n)
	}
}

// Text made to exhaust the stack or the memory gives an error like any other.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want int32
	}{
		"parentheses":   {"SELECT " + strings.Repeat("(", 10000) + "1" + strings.Repeat(")", 10000), 191},
		"conditions":    {"SELECT 1 WHERE " + strings.Repeat("(", 10000) + "1=1" + strings.Repeat(")", 10000), 191},
		"not":           {"SELECT 1 WHERE " + strings.Repeat("NOT ", 10000) + "1=1", 191},
		"minus":         {"SELECT " + strings.Repeat("- ", 10000) + "1", 191},
		"case":          {"SELECT " + strings.Repeat("CASE WHEN 1=1 THEN ", 10000) + "1" + strings.Repeat(" END", 10000), 191},
		"subqueries":    {"SELECT " + strings.Repeat("(SELECT ", 10000) + "1" + strings.Repeat(")", 10000), 191},
		"blocks":        {strings.Repeat("BEGIN ", 10000) + "SELECT 1" + strings.Repeat(" END", 10000), 191},
		"ifs":           {strings.Repeat("IF 1=1 ", 10000) + "SELECT 1", 191},
		"sum":           {"SELECT 1" + strings.Repeat("+1", 10000), 8632},
		"unions":        {"SELECT 1" + strings.Repeat(" UNION SELECT 1", 10000), 8632},
		"joins":         {"SELECT 1 FROM a" + strings.Repeat(" CROSS JOIN a", 10000), 8632},
		"nested joins":  {"SELECT 1 FROM a" + strings.Repeat(" JOIN a", 10000), 191},
		"sources":       {"SELECT 1 FROM " + strings.Repeat("(", 10000) + "a" + strings.Repeat(")", 10000), 191},
		"functions":     {"SELECT " + strings.Repeat("f(", 10000) + "1" + strings.Repeat(")", 10000), 191},
		"open comments": {strings.Repeat("/*", 10000), 113},
	} {
		if _, err := parse.Batch(c.text); sqlerr.Number(err) != c.want {
			t.Errorf("%s: got %v, want %d", name, err, c.want)
		}
	}
	if _, err := parse.Batch("SELECT 1 WHERE 1=1" + strings.Repeat(" AND 1=1", 5000)); err != nil {
		t.Errorf("a long flat condition is fine, got %v", err)
	}
}

// What sp_executesql brings along is declared.
func TestVariablesFromOutside(t *testing.T) {
	t.Parallel()
	params, err := parse.Params("@a int, @B nvarchar(60) = N'x' OUTPUT, @d decimal(18, 4)")
	if err != nil || len(params) != 3 || !params[1].Output || params[2].Type.Args[1] != 4 {
		t.Fatalf("params %+v, %v", params, err)
	}
	if _, err := parse.BatchWith("SELECT @A + @b", parse.Options{Variables: []string{"@a", "@B"}}); err != nil {
		t.Error(err)
	}
	if _, err := parse.Batch("SELECT @a"); sqlerr.Number(err) != 137 {
		t.Errorf("an undeclared variable gives %v", err)
	}
	if _, err := parse.BatchWith(`SELECT "a" + "b'c"`, parse.Options{QuotedIdentifierOff: true}); err != nil {
		t.Error(err)
	}
}

func FuzzBatch(f *testing.F) {
	src, err := os.ReadFile("guide_test.sql")
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range goLine.Split(string(src), -1) {
		f.Add(b)
	}
	f.Add("SELECT a.*, b = -$1.5e3 COLLATE x FROM (VALUES (1),(0x)) v(a) WITH (NOLOCK) WHERE NOT a IN (1,2) OR [x]]y] LIKE N'%' ESCAPE ''''")
	f.Add("DECLARE @t TABLE (a int IDENTITY(1,-1) PRIMARY KEY, b AS (a+1) PERSISTED); MERGE t USING u ON 1=1 WHEN NOT MATCHED BY SOURCE THEN DELETE;")
	f.Add("CREATE PROC p @a int = 1 OUTPUT AS RETURN @a /* /* */ */ -- x")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parse.Batch(text)
		if err == nil {
			for _, s := range list {
				if s == nil {
					t.Fatalf("nil statement in %q", text)
				}
			}
			return
		}
		e := sqlerr.From(err)
		if e.Line < 1 || int(e.Line) > strings.Count(text, "\n")+1 || e.Number == 50000 {
			t.Fatalf("error %v of %q", err, text)
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	for name, text := range map[string]string{
		"insert": "INSERT INTO dbo.orders (id, customer, amount, created) VALUES (@p1, @p2, @p3, @p4)",
		"select": "SELECT o.id, c.name, SUM(o.amount) AS total FROM dbo.orders AS o JOIN dbo.customers AS c ON c.id = o.customer WHERE o.created >= @p1 GROUP BY o.id, c.name ORDER BY total DESC",
	} {
		b.Run(name, func(b *testing.B) {
			o := parse.Options{Variables: []string{"@p1", "@p2", "@p3", "@p4"}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse.BatchWith(text, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
