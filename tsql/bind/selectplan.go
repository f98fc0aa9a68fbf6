package bind

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// selectPlan binds a SELECT statement: a result set, SELECT @v = … or SELECT … INTO.
func (b *binder) selectPlan(e *ast.Select) (*Plan, error) {
	spec, _ := e.Body.(*ast.SelectSpec)
	if spec != nil && accumulates(spec) && len(spec.From) > 0 {
		return b.accumulate(e, spec)
	}
	q, err := b.selectQuery(nil, e)
	if err != nil {
		return nil, err
	}
	text, err := q.text(b)
	if err != nil {
		return nil, err
	}
	cols := q.columns()
	p := &Plan{Verb: Select, SQL: text, Args: b.param.args, Columns: describe(cols), run: runQuery}
	for _, c := range cols {
		if c.variable != "" {
			p.Verb = Assign
			p.Assign = append(p.Assign, c.variable)
		}
	}
	if into := intoOf(e.Body); into != nil {
		return b.selectInto(p, into, cols)
	}
	return p, nil
}

// intoOf finds INTO in the leftmost SELECT.
func intoOf(q ast.Query) *ast.ObjectName {
	switch q := q.(type) {
	case *ast.SelectSpec:
		return q.Into
	case *ast.SetOp:
		return intoOf(q.Left)
	}
	return nil
}

// accumulates reports whether a SELECT assigns a variable that it also reads: SELECT @list = @list + name FROM t.
func accumulates(spec *ast.SelectSpec) bool {
	set := map[string]bool{}
	for _, item := range spec.Items {
		if item.Variable != "" {
			set[strings.ToUpper(item.Variable)] = true
		}
	}
	if len(set) == 0 || hasAggregate(spec.Items) || len(spec.GroupBy) > 0 {
		return false
	}
	found := false
	for _, item := range spec.Items {
		found = found || len(item.Op) > 1
		if item.Expr != nil {
			variables(item.Expr, func(name string) { found = found || set[strings.ToUpper(name)] })
		}
	}
	return found
}

// assignment is one @v = expression that is run for every row.
type assignment struct {
	variable string
	stmt     statement
	typ      sqltype.Type
}

// accumulate binds such a SELECT as a query for the columns its items read and, for each of its rows, one statement an
// item, which sees what the items before it assigned.
func (b *binder) accumulate(e *ast.Select, spec *ast.SelectSpec) (*Plan, error) {
	q, err := b.selectQuery(nil, e)
	if err != nil {
		return nil, err
	}
	s := q.block.scope
	s.clause, s.rowParams = inSelect, &rowParams{index: map[string]int{}}
	var list []assignment
	p := &Plan{Verb: Assign}
	for _, item := range spec.Items {
		c := b.fork()
		out, err := c.assignItem(s, item)
		if err != nil {
			return nil, err
		}
		list = append(list, assignment{item.Variable, c.statement("SELECT " + out.expr.SQL), out.expr.Type})
		p.Assign = append(p.Assign, item.Variable)
		p.Columns = append(p.Columns, describe([]outColumn{out})...)
	}
	rows := s.rowParams.list
	s.rowParams = nil
	q.block.items = nil
	types := make([]sqltype.Type, len(rows))
	for i, x := range rows {
		q.block.items = append(q.block.items, outColumn{expr: x})
		types[i] = x.Type
	}
	if len(rows) == 0 {
		q.block.items = []outColumn{{expr: sqlfn.Expr{SQL: "1", Type: sqltype.Type{Kind: sqltype.Int}}}}
	}
	if p.SQL, err = q.text(b); err != nil {
		return nil, err
	}
	p.Args = b.param.args
	p.run = func(ctx context.Context, p *Plan, r *Run) (Outcome, error) {
		return runAccumulate(ctx, p, r, types, list)
	}
	return p, nil
}

func runAccumulate(ctx context.Context, p *Plan, r *Run, types []sqltype.Type, list []assignment) (Outcome, error) {
	x := &execution{ctx: ctx, plan: p, Run: r, overlay: map[string]sqltype.Value{}}
	var rows [][]sqltype.Value
	err := x.each(statement{p.SQL, p.Args}, nil, func(st *sqlite3.Stmt) error {
		rows = append(rows, append([]sqltype.Value(nil), x.decode(st, 0, types)...))
		return nil
	})
	if err != nil {
		return x.out, err
	}
	values := make([]sqltype.Value, len(list))
	for _, row := range rows {
		for i, a := range list {
			err := x.each(a.stmt, row, func(st *sqlite3.Stmt) error {
				values[i] = sqlfn.ColumnValue(st, 0, a.typ)
				return nil
			})
			if err != nil {
				return x.out, err
			}
			x.overlay[strings.ToUpper(a.variable)] = values[i]
		}
		if err := x.emit(values); err != nil {
			return x.out, err
		}
	}
	return x.out, nil
}

// truncate binds TRUNCATE TABLE.
func (b *binder) truncate(s *ast.TruncateTable) (*Plan, error) {
	t, snap, err := b.targetTable(s, s.Name)
	if err != nil {
		return nil, err
	}
	b.asks("ALTER", snap.ObjectByID(t.ID), snap)
	for _, f := range t.Referenced {
		if !f.SelfRefs && !f.Disabled {
			return nil, b.fail(s, 4712, s.Name.String())
		}
	}
	p := &Plan{Verb: Truncate, Table: t, SQL: "DELETE FROM " + fmt.Sprintf("%s.t_%d", snap.SQLSchema, t.ID)}
	b.writes(p, snap)
	p.Defines = true
	p.run = func(ctx context.Context, p *Plan, r *Run) (Outcome, error) {
		x := &execution{ctx: ctx, plan: p, Run: r}
		return x.out, x.atomically(func() error { return x.truncate(t, snap) })
	}
	return p, nil
}
