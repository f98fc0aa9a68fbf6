package bind

import (
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// walk calls f for e and the expressions in it, but not for those of subqueries; f returns false to go no deeper.
func walk(e ast.Expr, f func(ast.Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	each := func(list ...ast.Expr) {
		for _, x := range list {
			if x != nil {
				walk(x, f)
			}
		}
	}
	switch e := e.(type) {
	case *ast.Unary:
		each(e.X)
	case *ast.Binary:
		each(e.L, e.R)
	case *ast.Compare:
		each(e.L, e.R)
	case *ast.CompareQuery:
		each(e.L)
	case *ast.Logic:
		each(e.Terms...)
	case *ast.Not:
		each(e.X)
	case *ast.Like:
		each(e.X, e.Pattern, e.Escape)
	case *ast.Between:
		each(e.X, e.Low, e.High)
	case *ast.In:
		each(e.X)
		each(e.List...)
	case *ast.IsNull:
		each(e.X)
	case *ast.IsDistinct:
		each(e.L, e.R)
	case *ast.Case:
		each(e.Operand, e.Else)
		for _, w := range e.Whens {
			each(w.Cond, w.Result)
		}
	case *ast.Cast:
		each(e.X)
	case *ast.Convert:
		each(e.X, e.Style)
	case *ast.Parse:
		each(e.X, e.Culture)
	case *ast.Collate:
		each(e.X)
	case *ast.AtTimeZone:
		each(e.X, e.Zone)
	case *ast.Func:
		each(e.Args...)
		walkWindow(e, each)
	}
}

func walkWindow(e *ast.Func, each func(...ast.Expr)) {
	for _, o := range e.WithinGroup {
		each(o.Expr)
	}
	if e.Over == nil {
		return
	}
	each(e.Over.PartitionBy...)
	for _, o := range e.Over.OrderBy {
		each(o.Expr)
	}
}

// isAggregate reports whether f aggregates the query's rows (and not those of a window).
func isAggregate(f *ast.Func) bool {
	return f.Over == nil && f.Name.Schema == "" && sqlfn.IsAggregate(f.Name.Name)
}

// hasAggregate reports whether a select list aggregates.
func hasAggregate(items []ast.SelectItem) bool {
	found := false
	for _, item := range items {
		walk(item.Expr, func(e ast.Expr) bool {
			if f, ok := e.(*ast.Func); ok && isAggregate(f) {
				found = true
			}
			return !found
		})
	}
	return found
}

func ordersByAggregate(order []ast.OrderItem) bool {
	items := make([]ast.SelectItem, len(order))
	for i, o := range order {
		items[i].Expr = o.Expr
	}
	return hasAggregate(items)
}

// variables lists the local variables that e reads, subqueries left out.
func variables(e ast.Expr, add func(name string)) {
	walk(e, func(e ast.Expr) bool {
		if v, ok := e.(*ast.Variable); ok {
			add(v.Name)
		}
		return true
	})
}
