package bind_test

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
)

// soak is how many times the usual count the long loops run.
func soak() int {
	if n, err := strconv.Atoi(os.Getenv("LINKSPAN_SOAK")); err == nil && n > 1 {
		return n
	}
	return 1
}

// mutate splices tokens of one statement into another.
func mutate(r *rand.Rand, tokens [][]string) string {
	base := append([]string(nil), tokens[r.IntN(len(tokens))]...)
	for range 1 + r.IntN(3) {
		if len(base) == 0 {
			break
		}
		o := tokens[r.IntN(len(tokens))]
		i, j := r.IntN(len(base)), r.IntN(len(o))
		piece := o[j:min(len(o), j+1+r.IntN(8))]
		rest := base[i:]
		switch r.IntN(3) {
		case 1: // instead of as many
			rest = base[min(len(base), i+len(piece)):]
		case 2: // something goes
			piece, rest = nil, base[min(len(base), i+1+r.IntN(4)):]
		}
		base = append(append(base[:i:i], piece...), rest...)
	}
	return strings.Join(base, "")
}

// Statements spliced from the tests' own either bind and run or fail with a number of SQL Server: nothing panics, and
// SQLite gets no text that it does not take.
func TestSplicedStatements(t *testing.T) {
	t.Parallel()
	var tokens [][]string
	word := regexp.MustCompile(`[A-Za-z_@#$]+|\d+|'[^']*'|\s+|.`)
	for _, s := range seeds(t) {
		tokens = append(tokens, word.FindAllString(s, -1))
	}
	d := open(t)
	d.ok(sample + `CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(10)); CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE TABLE c (x int);
		CREATE TABLE h (a int); CREATE TABLE src (a int); CREATE TABLE s (id int, v varchar(10)); INSERT t VALUES (1, 2, 'x'), (2, 3, 'y')`)
	env := d.env()
	env.Variable = func(string) (sqltype.Type, bool) { return sqltype.Type{Kind: sqltype.Int}, true }
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	for range 1500 * soak() {
		text := mutate(r, tokens)
		list, err := parse.Batch(text)
		if err != nil {
			continue
		}
		for _, s := range list {
			switch s.(type) {
			case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
				if in, ok := s.(*ast.Insert); ok && in.Exec != nil {
					continue
				}
				if p, err := bind.Query(env, s); err == nil {
					runFuzzed(t, d, p)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
}
