package bind

import (
	"strconv"
	"strings"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// orderBy binds ORDER BY: positions, names of the select list, and with a single SELECT any expression over its sources.
func (b *binder) orderBy(q *query, e *ast.Select) error {
	for _, o := range e.OrderBy {
		key, err := b.orderKey(q, o.Expr)
		if err != nil {
			return err
		}
		if o.Desc {
			key += " DESC"
		}
		q.order = append(q.order, key)
	}
	return nil
}

func (b *binder) orderKey(q *query, e ast.Expr) (string, error) {
	cols := q.columns()
	if lit, ok := e.(*ast.Literal); ok {
		n, err := strconv.Atoi(lit.Text)
		if lit.Kind != ast.LitInteger {
			return "", b.fail(e, 408)
		}
		if err != nil || n < 1 || n > len(cols) {
			return "", b.fail(e, 108, lit.Text)
		}
		return outKey(q, n-1), nil
	}
	if c, ok := e.(*ast.Column); ok && c.Table.Name == "" {
		found := -1
		for i := range cols {
			if cols[i].name != "" && b.fold(cols[i].name) == b.fold(c.Name) {
				if found >= 0 && (q.block == nil || cols[found].expr.SQL != cols[i].expr.SQL) {
					return "", b.fail(e, 209, c.Name)
				}
				found = i
			}
		}
		if found >= 0 {
			return outKey(q, found), nil
		}
	}
	if q.block == nil {
		if c, ok := e.(*ast.Column); ok {
			return "", b.fail(e, 207, c.Name)
		}
		return "", b.fail(e, 104)
	}
	return b.orderExpr(q, e)
}

// orderExpr binds an expression that is not in the select list by name.
func (b *binder) orderExpr(q *query, e ast.Expr) (string, error) {
	s := q.block.scope
	s.clause = inOrder
	x, err := b.expr(s, e)
	if err != nil {
		return "", err
	}
	if q.block.distinct {
		for i, c := range q.columns() {
			if c.expr.SQL == x.SQL {
				return outKey(q, i), nil
			}
		}
		return "", b.fail(e, 145)
	}
	return sqlfn.OrderKey(x), nil
}

// outKey orders by a column of the result.
func outKey(q *query, i int) string {
	x := q.columns()[i].expr
	if q.ties == "" || q.block == nil {
		x.SQL = "k_" + strconv.Itoa(i+1)
	}
	return sqlfn.OrderKey(x)
}

// limits binds TOP, OFFSET and FETCH.
func (b *binder) limits(q *query, outer *scope, e *ast.Select) error {
	var top *ast.Top
	if spec, ok := e.Body.(*ast.SelectSpec); ok {
		top = spec.Top
	}
	if e.Offset != nil {
		if top != nil {
			return b.fail(e, 10741)
		}
		var err error
		if q.offset, err = b.count(outer, e.Offset); err != nil {
			return err
		}
		q.limit = "-1"
		if e.Fetch != nil {
			q.limit, err = b.count(outer, e.Fetch)
		}
		return err
	}
	if top == nil {
		return nil
	}
	return b.top(q, outer, top, e)
}

func (b *binder) top(q *query, outer *scope, top *ast.Top, e *ast.Select) error {
	switch {
	case top.Percent && top.WithTies:
		return b.refuse(top, "TOP … PERCENT WITH TIES")
	case top.Percent:
		if lit, ok := top.Count.(*ast.Literal); ok && lit.Text == "100" {
			return nil
		}
		x, err := b.expr(outer, top.Count)
		if err != nil {
			return err
		}
		x, err = sqlfn.Convert(x, sqltype.Type{Kind: sqltype.Float, Prec: 53}, sqlfn.Options{Implicit: true})
		q.percent = x.SQL
		return b.place(top, err)
	}
	n, err := b.count(outer, top.Count)
	if err != nil {
		return err
	}
	if !top.WithTies {
		q.limit = n
		if lit, ok := top.Count.(*ast.Literal); ok && (lit.Text == "1" || lit.Text == "0") && q.block != nil {
			q.block.one = true
		}
		return nil
	}
	if len(e.OrderBy) == 0 {
		return b.fail(top, 1062)
	}
	if q.block.distinct || len(q.block.group) > 0 {
		return b.refuse(top, "TOP … WITH TIES together with DISTINCT or GROUP BY")
	}
	q.ties, q.order = n, nil
	return b.orderBy(q, e)
}

// count binds the number of TOP, OFFSET and FETCH; what it must not be is found when it runs.
func (b *binder) count(outer *scope, e ast.Expr) (string, error) {
	x, err := b.expr(outer, e)
	if err != nil {
		return "", err
	}
	x, err = sqlfn.Convert(x, sqltype.Type{Kind: sqltype.BigInt}, sqlfn.Options{Implicit: true})
	if err != nil {
		return "", b.place(e, err)
	}
	if x.Const != nil && x.Const.Valid && x.Const.N >= 0 && x.Type.Kind == sqltype.BigInt {
		return x.SQL, nil
	}
	return "ls_top(" + x.SQL + ")", nil
}

// over binds a window.
func (b *binder) over(s *scope, o *ast.Over, name string) (string, error) {
	var parts []string
	for i, p := range o.PartitionBy {
		x, err := b.expr(s, p)
		if err != nil {
			return "", err
		}
		if i == 0 {
			parts = append(parts, "PARTITION BY "+sqlfn.OrderKey(x))
			continue
		}
		parts[0] += ", " + sqlfn.OrderKey(x)
	}
	for i, p := range o.OrderBy {
		x, err := b.expr(s, p.Expr)
		if err != nil {
			return "", err
		}
		key := sqlfn.OrderKey(x)
		if p.Desc {
			key += " DESC"
		}
		if i == 0 {
			parts = append(parts, "ORDER BY "+key)
			continue
		}
		parts[len(parts)-1] += ", " + key
	}
	if o.Unit != "" {
		frame, err := b.frame(s, o)
		if err != nil {
			return "", err
		}
		parts = append(parts, frame)
	}
	return " OVER (" + strings.Join(parts, " ") + ")", nil
}

func (b *binder) frame(s *scope, o *ast.Over) (string, error) {
	if len(o.OrderBy) == 0 {
		return "", b.fail(o, 10756)
	}
	bound := func(f ast.FrameBound) (string, error) {
		if f.Count == nil {
			return f.Kind, nil
		}
		lit, ok := f.Count.(*ast.Literal)
		if !ok || lit.Kind != ast.LitInteger || o.Unit == "RANGE" {
			return "", b.fail(o, 4194)
		}
		return b.intLiteral(lit) + " " + f.Kind, nil
	}
	from, err := bound(o.From)
	if err != nil {
		return "", err
	}
	if o.To.Kind == "" {
		return o.Unit + " " + from, nil
	}
	to, err := bound(o.To)
	return o.Unit + " BETWEEN " + from + " AND " + to, err
}

// intLiteral is an integer literal as a parameter.
func (b *binder) intLiteral(lit *ast.Literal) string {
	n, _ := strconv.ParseInt(lit.Text, 10, 64)
	return b.intConstant(n).SQL
}

// windows refuses named windows that the query does not need to refer to; OVER name is resolved where it stands.
func (b *binder) windows(e *ast.SelectSpec) error {
	if len(e.Windows) > 0 {
		return b.refuse(e, "the WINDOW clause")
	}
	return nil
}
