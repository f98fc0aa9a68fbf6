package bind_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"linkspan/sqlerr"
)

// number is an int of T-SQL, NULL, or the error that evaluating it raises.
type number struct {
	n    int64
	null bool
	err  int32
}

// generator makes random expressions over int constants and the columns a, b and c, with what they are worth.
type generator struct {
	r       *rand.Rand
	columns map[string]number
}

func (g *generator) value(depth int) (string, number) {
	if depth == 0 || g.r.IntN(4) == 0 {
		switch g.r.IntN(5) {
		case 0:
			return "CAST(NULL AS int)", number{null: true}
		case 1, 2:
			names := []string{"a", "b", "c"}
			n := names[g.r.IntN(3)]
			return n, g.columns[n]
		}
		n := []int64{0, 1, 2, 3, 7, 10, 1000, 46341, 65536, math.MaxInt32}[g.r.IntN(10)]
		return fmt.Sprint(n), number{n: n}
	}
	switch g.r.IntN(6) {
	case 0:
		text, v := g.value(depth - 1)
		return "(- " + text + ")", g.op("-", number{}, v)
	case 1:
		cond, c := g.cond(depth - 1)
		x, xv := g.value(depth - 1)
		y, yv := g.value(depth - 1)
		text := "CASE WHEN " + cond + " THEN " + x + " ELSE " + y + " END"
		switch {
		case c.err != 0:
			return text, number{err: c.err}
		case !c.null && c.n == 1:
			return text, xv
		}
		return text, yv
	}
	l, lv := g.value(depth - 1)
	r, rv := g.value(depth - 1)
	op := []string{"+", "-", "*", "/", "%"}[g.r.IntN(5)]
	return "(" + l + " " + op + " " + r + ")", g.op(op, lv, rv)
}

// op evaluates in the order that matters for errors: those of the operands first, then NULL.
func (g *generator) op(op string, l, r number) number {
	switch {
	case l.err != 0:
		return l
	case r.err != 0:
		return r
	case l.null || r.null:
		return number{null: true}
	case (op == "/" || op == "%") && r.n == 0:
		return number{err: 8134}
	}
	var n int64
	switch op {
	case "+":
		n = l.n + r.n
	case "-":
		n = l.n - r.n
	case "*":
		n = l.n * r.n
	case "/":
		n = l.n / r.n
	case "%":
		n = l.n % r.n
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return number{err: 8115}
	}
	return number{n: n}
}

// cond gives a condition: n is 1 or 0, or null when unknown. Its operands never raise errors, since SQL Server and SQLite
// are both free to skip one side of AND and OR.
func (g *generator) cond(depth int) (string, number) {
	if depth > 0 && g.r.IntN(3) == 0 {
		l, lv := g.cond(depth - 1)
		r, rv := g.cond(depth - 1)
		if g.r.IntN(2) == 0 {
			return "(" + l + " AND " + r + ")", and3(lv, rv)
		}
		return "(" + l + " OR " + r + ")", not3(and3(not3(lv), not3(rv)))
	}
	l, lv := g.value(0)
	if g.r.IntN(5) == 0 {
		return l + " IS NULL", truth(lv.null)
	}
	r, rv := g.value(0)
	op := []string{"=", "<>", "<", "<=", ">", ">="}[g.r.IntN(6)]
	text := l + " " + op + " " + r
	var v number
	if lv.null || rv.null {
		v = number{null: true}
	} else {
		v = truth(map[string]bool{"=": lv.n == rv.n, "<>": lv.n != rv.n, "<": lv.n < rv.n, "<=": lv.n <= rv.n, ">": lv.n > rv.n, ">=": lv.n >= rv.n}[op])
	}
	if g.r.IntN(4) == 0 {
		return "NOT (" + text + ")", not3(v)
	}
	return text, v
}

func truth(b bool) number {
	if b {
		return number{n: 1}
	}
	return number{}
}

func not3(v number) number {
	if v.null {
		return v
	}
	return number{n: 1 - v.n}
}

func and3(l, r number) number {
	switch {
	case !l.null && l.n == 0 || !r.null && r.n == 0:
		return number{}
	case l.null || r.null:
		return number{null: true}
	}
	return number{n: 1}
}

// Random expressions are worth what T-SQL's rules for int say: overflow and division by zero are errors, NULL spreads,
// conditions have three values.
func TestIntegerExpressions(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (a int NULL, b int NULL, c int NULL); INSERT t VALUES (5, -3, NULL)")
	seed := rand.Uint64()
	g := &generator{r: rand.New(rand.NewPCG(seed, 1)), columns: map[string]number{"a": {n: 5}, "b": {n: -3}, "c": {null: true}}}
	for i := range 1500 {
		text, want := g.value(4)
		r, err := d.exec("SELECT " + text + " FROM t")
		if sqlerr.Number(err) != want.err {
			t.Fatalf("seed %d, expression %d: %s gave %v, want message %d", seed, i, text, err, want.err)
		}
		if want.err != 0 {
			continue
		}
		if v := r.rows[0][0]; v.IsNull() != want.null || !want.null && v.N != want.n {
			t.Fatalf("seed %d, expression %d: %s gave %v, want %+v by %s", seed, i, text, v, want, d.sqlText())
		}
	}
}

// A condition that filters rows keeps the same ones as in CASE, and its negation keeps none of them.
func TestConditionsInWhere(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.ok("CREATE TABLE t (a int NULL, b int NULL, c int NULL); INSERT t VALUES (5, -3, NULL)")
	seed := rand.Uint64()
	g := &generator{r: rand.New(rand.NewPCG(seed, 2)), columns: map[string]number{"a": {n: 5}, "b": {n: -3}, "c": {null: true}}}
	for range 500 {
		text, want := g.cond(3)
		for cond, keep := range map[string]bool{text: !want.null && want.n == 1, "NOT (" + text + ")": !want.null && want.n == 0} {
			r, err := d.exec("SELECT 1 FROM t WHERE " + cond)
			if err != nil || (len(r.rows) == 1) != keep {
				t.Fatalf("seed %d: WHERE %s gave %d rows, %v; by %s", seed, cond, len(r.rows), err, d.sqlText())
			}
		}
	}
}
