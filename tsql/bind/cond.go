package bind

import (
	"strings"

	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// cond binds a condition; its text is 1, 0 or NULL.
func (b *binder) cond(s *scope, e ast.Expr) (string, error) {
	if b.depth++; b.depth > 2000 {
		return "", b.fail(e, 191)
	}
	defer func() { b.depth-- }()
	x, err := b.condOf(s, e)
	return x, b.place(e, err)
}

func (b *binder) condOf(s *scope, e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.Logic:
		return b.logic(s, e)
	case *ast.Not:
		x, err := b.cond(s, e.X)
		return "(NOT " + x + ")", err
	case *ast.Compare:
		l, r, err := b.pair(s, e.L, e.R)
		if err != nil {
			return "", err
		}
		return b.compare(e.Op, l, r)
	case *ast.IsNull:
		x, err := b.expr(s, e.X)
		if e.Not {
			return "(" + x.SQL + " IS NOT NULL)", err
		}
		return "(" + x.SQL + " IS NULL)", err
	case *ast.IsDistinct:
		return b.isDistinct(s, e)
	case *ast.Between:
		return b.between(s, e)
	case *ast.Like:
		return b.like(s, e)
	case *ast.In:
		return b.in(s, e)
	case *ast.Exists:
		return b.exists(s, e)
	case *ast.CompareQuery:
		return b.compareQuery(s, e)
	}
	return "", b.fail(e, 4145, b.near(e))
}

// near gives a word of the expression for message 4145.
func (b *binder) near(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Column:
		return e.Name
	case *ast.Variable:
		return e.Name
	case *ast.Literal:
		return e.Text
	case *ast.Func:
		return e.Name.Name
	}
	return "expression"
}

func (b *binder) logic(s *scope, e *ast.Logic) (string, error) {
	op := " AND "
	if e.Or {
		op = " OR "
	}
	terms := make([]string, len(e.Terms))
	for i, t := range e.Terms {
		x, err := b.cond(s, t)
		if err != nil {
			return "", err
		}
		terms[i] = x
	}
	return "(" + strings.Join(terms, op) + ")", nil
}

// compare compares; under ANSI_NULLS OFF a bare NULL equals NULL.
func (b *binder) compare(op string, l, r sqlfn.Expr) (string, error) {
	if b.env.AnsiNullsOff && (op == "=" || op == "<>") {
		x, y, err := sqlfn.Comparable(l, r)
		is := " IS "
		if op == "<>" {
			is = " IS NOT "
		}
		return "(" + x.SQL + is + sqlfn.OrderKey(y) + ")", err
	}
	c, err := sqlfn.Compare(op, l, r)
	return c.SQL, err
}

func (b *binder) isDistinct(s *scope, e *ast.IsDistinct) (string, error) {
	l, r, err := b.pair(s, e.L, e.R)
	if err != nil {
		return "", err
	}
	x, y, err := sqlfn.Comparable(l, r)
	is := " IS NOT "
	if e.Not {
		is = " IS "
	}
	return "(" + x.SQL + is + sqlfn.OrderKey(y) + ")", err
}

func (b *binder) between(s *scope, e *ast.Between) (string, error) {
	x, err := b.expr(s, e.X)
	if err != nil {
		return "", err
	}
	lo, hi, err := b.pair(s, e.Low, e.High)
	if err != nil {
		return "", err
	}
	c, err := sqlfn.Between(x, lo, hi, e.Not)
	return c.SQL, err
}

func (b *binder) like(s *scope, e *ast.Like) (string, error) {
	x, p, err := b.pair(s, e.X, e.Pattern)
	if err != nil {
		return "", err
	}
	var escape *sqlfn.Expr
	if e.Escape != nil {
		y, err := b.expr(s, e.Escape)
		if err != nil {
			return "", err
		}
		escape = &y
	}
	c, err := sqlfn.Like(x, p, escape, e.Not)
	return c.SQL, err
}

func (b *binder) in(s *scope, e *ast.In) (string, error) {
	x, err := b.expr(s, e.X)
	if err != nil {
		return "", err
	}
	if e.Query == nil {
		list := make([]sqlfn.Expr, len(e.List))
		for i, item := range e.List {
			if list[i], err = b.expr(s, item); err != nil {
				return "", err
			}
		}
		c, err := sqlfn.In(x, list, e.Not)
		return c.SQL, err
	}
	q, err := b.subquery(s, e.Query)
	if err != nil {
		return "", err
	}
	cols := q.columns()
	if len(cols) != 1 {
		return "", b.fail(e, 116)
	}
	x, element, err := sqlfn.Comparable(x, cols[0].expr)
	if err != nil {
		return "", err
	}
	if err := q.convert(0, element.Type); err != nil {
		return "", err
	}
	text, err := q.text(b)
	if err != nil {
		return "", err
	}
	c, err := sqlfn.InQuery(x, element, text, e.Not)
	return c.SQL, err
}

func (b *binder) exists(s *scope, e *ast.Exists) (string, error) {
	q, err := b.subquery(s, e.Query)
	if err != nil {
		return "", err
	}
	text, err := q.text(b)
	return "EXISTS (" + text + ")", err
}

// compareQuery is x op ALL|ANY (query): for ALL false beats unknown beats true, for ANY the other way round; of no rows
// ALL is true and ANY false.
func (b *binder) compareQuery(s *scope, e *ast.CompareQuery) (string, error) {
	x, err := b.expr(s, e.L)
	if err != nil {
		return "", err
	}
	q, err := b.subquery(s, e.Query)
	if err != nil {
		return "", err
	}
	cols := q.columns()
	if len(cols) != 1 {
		return "", b.fail(e, 116)
	}
	text, err := q.text(b)
	if err != nil {
		return "", err
	}
	inner, outer := b.alias(), b.alias()
	element := cols[0].expr
	element.SQL, element.Const = inner+".k_1", nil
	c, err := sqlfn.Compare(e.Op, x, element)
	if err != nil {
		return "", err
	}
	empty, fold, decides := "0", "max", "1"
	if e.All {
		empty, fold, decides = "1", "min", "0"
	}
	return "(SELECT CASE WHEN count(*) = 0 THEN " + empty + " WHEN " + fold + "(" + outer + ".c) = " + decides + " THEN " + decides +
		" WHEN count(" + outer + ".c) < count(*) THEN NULL ELSE " + empty + " END FROM (SELECT " + c.SQL + " AS c FROM (" + text + ") AS " +
		inner + ") AS " + outer + ")", nil
}
