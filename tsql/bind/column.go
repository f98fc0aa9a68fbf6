package bind

import (
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/parse"
	"linkspan/tsql/sqlfn"
)

// column binds a reference to a column.
func (b *binder) column(s *scope, e *ast.Column) (sqlfn.Expr, error) {
	c, src, owner, err := b.find(s, e)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	return b.columnOf(s, e, c, src, owner)
}

// columnOf gives a column's expression, if the grouping of the query that owns it lets it be used (8120 and its like).
func (b *binder) columnOf(s *scope, at ast.Node, c *column, src *source, owner *scope) (sqlfn.Expr, error) {
	x, err := c.value()
	if err != nil {
		return x, err
	}
	if c.col != nil {
		src.need.use(c.col.ID)
	}
	if g := owner.agg; g != nil && g.active && owner.inAggregate == 0 && !g.keys[x.SQL] {
		number := int32(8120)
		switch owner.clause {
		case inHaving:
			number = 8121
		case inOrder:
			number = 8127
		}
		return x, b.fail(at, number, src.shown+"."+c.name)
	}
	if owner.rowParams != nil && owner == s {
		return owner.rowParams.column(b, x), nil
	}
	return x, nil
}

// definition binds the text of a computed column, default or check; to converts the result, the zero Type leaves it.
func (b *binder) definition(s *scope, text string, to sqltype.Type) (sqlfn.Expr, error) {
	e, err := parse.Expr(text)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	c := *b
	c.inView, c.within = true, nobody
	x, err := c.expr(s, e)
	if err != nil || to == (sqltype.Type{}) {
		return x, err
	}
	return sqlfn.Convert(x, to, sqlfn.Options{Implicit: true})
}

// check binds the text of a CHECK constraint or of a filter.
func (b *binder) check(s *scope, text string) (string, error) {
	e, err := parse.Condition(text)
	if err != nil {
		return "", err
	}
	c := *b
	c.inView, c.within = true, nobody
	return c.cond(s, e)
}

// rowParams turns the columns of a scope into parameters that the running plan feeds, one row after the other.
type rowParams struct {
	index map[string]int // by text
	list  []sqlfn.Expr
}

func (r *rowParams) column(b *binder, x sqlfn.Expr) sqlfn.Expr {
	n, ok := r.index[x.SQL]
	if !ok {
		n = len(r.list)
		r.index[x.SQL] = n
		r.list = append(r.list, x)
	}
	y := b.input(n, x.Type)
	y.Nullable = x.Nullable
	return y
}
