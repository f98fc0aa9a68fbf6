package bind

import (
	"strings"

	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// partFunctions take a bare word first: a part of a date.
var partFunctions = map[string]bool{"DATEADD": true, "DATEDIFF": true, "DATEDIFF_BIG": true, "DATEPART": true, "DATENAME": true,
	"DATETRUNC": true, "DATE_BUCKET": true}

// ranking functions are the window functions that SQLite has under the same name and with the same meaning.
var ranking = map[string]sqltype.Type{
	"ROW_NUMBER": {Kind: sqltype.BigInt}, "RANK": {Kind: sqltype.BigInt}, "DENSE_RANK": {Kind: sqltype.BigInt},
	"NTILE": {Kind: sqltype.BigInt}, "PERCENT_RANK": {Kind: sqltype.Float, Prec: 53}, "CUME_DIST": {Kind: sqltype.Float, Prec: 53},
}

// function binds a call.
func (b *binder) function(s *scope, f *ast.Func) (sqlfn.Expr, error) {
	if f.Name.Schema != "" && !strings.EqualFold(f.Name.Schema, "sys") || f.Name.Database != "" {
		return b.userFunction(s, f)
	}
	name := strings.ToUpper(f.Name.Name)
	if f.IgnoreNulls {
		return sqlfn.Expr{}, b.refuse(f, "IGNORE NULLS")
	}
	switch {
	case ranking[name].Kind != 0 || name == "LAG" || name == "LEAD" || name == "FIRST_VALUE" || name == "LAST_VALUE":
		return b.window(s, f, name)
	case sqlfn.IsAggregate(name):
		return b.aggregate(s, f, name)
	case name == "IIF":
		return b.iif(s, f)
	case name == "COALESCE" && len(f.Args) >= 1:
		return b.coalesce(s, f)
	case name == "GROUPING" || name == "GROUPING_ID":
		return sqlfn.Expr{}, b.refuse(f, name)
	case !sqlfn.IsFunction(name):
		return sqlfn.Expr{}, b.fail(f, 195, f.Name.Name, "built-in function name")
	}
	args, err := b.arguments(s, f, name)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	return sqlfn.Call(name, args)
}

func (b *binder) arguments(s *scope, f *ast.Func, name string) ([]sqlfn.Expr, error) {
	var args []sqlfn.Expr
	for i, a := range f.Args {
		if c, ok := a.(*ast.Column); ok && i == 0 && partFunctions[name] && c.Table.Name == "" {
			args = append(args, sqlfn.Expr{Word: c.Name})
			continue
		}
		if star, ok := a.(*ast.Star); ok {
			return nil, b.fail(star, 102, "*")
		}
		x, err := b.expr(s, a)
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	return args, nil
}

func (b *binder) iif(s *scope, f *ast.Func) (sqlfn.Expr, error) {
	if len(f.Args) != 3 {
		return sqlfn.Expr{}, b.fail(f, 174, "iif", 3)
	}
	return b.caseExpr(s, &ast.Case{Pos: f.Pos, Whens: []ast.When{{Cond: f.Args[0], Result: f.Args[1]}}, Else: f.Args[2]})
}

// coalesce takes the type of highest precedence, unlike ISNULL.
func (b *binder) coalesce(s *scope, f *ast.Func) (sqlfn.Expr, error) {
	args, err := b.arguments(s, f, "COALESCE")
	if err != nil {
		return sqlfn.Expr{}, err
	}
	if allNull(args) {
		return sqlfn.Expr{}, b.fail(f, 4127)
	}
	args, t, err := sqlfn.Unify(args)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	texts, nullable := make([]string, len(args)), true
	for i, a := range args {
		texts[i] = a.SQL
		nullable = nullable && a.Nullable
	}
	if len(texts) == 1 {
		return args[0], nil
	}
	return sqlfn.Expr{SQL: "coalesce(" + strings.Join(texts, ", ") + ")", Type: t, Nullable: nullable}, nil
}

// aggregate binds an aggregate of the query, or over a window.
func (b *binder) aggregate(s *scope, f *ast.Func, name string) (sqlfn.Expr, error) {
	if f.Over == nil {
		owner := b.aggregateOwner(s, f)
		if owner != s && (owner.agg == nil || !owner.agg.active) {
			return sqlfn.Expr{}, b.fail(f, 147)
		}
		if owner != s {
			b.shared.outerAggregates++
		}
		if err := b.aggregateAllowed(owner, f); err != nil {
			return sqlfn.Expr{}, err
		}
		owner.agg.seen = true
		owner.inAggregate++
		defer func() { owner.inAggregate-- }()
	}
	if f.Over != nil && (s == nil || s.clause != inSelect && s.clause != inOrder) {
		return sqlfn.Expr{}, b.fail(f, 4108)
	}
	if len(f.Args) == 0 {
		return sqlfn.Expr{}, b.fail(f, 174, strings.ToLower(name), 1)
	}
	var args []sqlfn.Expr
	for i, a := range f.Args {
		if _, star := a.(*ast.Star); star && i == 0 && strings.HasPrefix(name, "COUNT") {
			continue
		}
		x, err := b.expr(s, a)
		if err != nil {
			return x, err
		}
		args = append(args, x)
	}
	x, err := sqlfn.Aggregate(name, f.Distinct, args)
	if err != nil {
		return x, err
	}
	if len(f.WithinGroup) > 0 {
		return b.withinGroup(s, f, x)
	}
	if f.Over != nil {
		if f.Distinct {
			return x, b.refuse(f, "DISTINCT in a window function")
		}
		o, err := b.over(s, f.Over, name)
		x.SQL = "(" + x.SQL + o + ")"
		return x, err
	}
	return x, nil
}

// aggregateOwner is the query whose rows an aggregate is over: the one it stands in, or one around it when all columns it
// reads are that one's and that one groups.
func (b *binder) aggregateOwner(s *scope, f *ast.Func) *scope {
	var owner *scope
	for _, a := range f.Args {
		walk(a, func(e ast.Expr) bool {
			if c, ok := e.(*ast.Column); ok {
				if _, _, at, err := b.find(s, c); err == nil && owner != s {
					owner = at
				}
			}
			return true
		})
	}
	if owner == nil {
		return s
	}
	return owner
}

// aggregateAllowed refuses aggregates where rows are not grouped yet.
func (b *binder) aggregateAllowed(s *scope, f *ast.Func) error {
	switch {
	case s == nil || s.agg == nil:
		return b.fail(f, 157)
	case s.inAggregate > 0:
		return b.fail(f, 130)
	case s.clause == inWhere || s.clause == inFrom:
		return b.fail(f, 147)
	case s.clause == inGroup:
		return b.fail(f, 144)
	}
	return nil
}

// withinGroup is STRING_AGG(…) WITHIN GROUP (ORDER BY …).
func (b *binder) withinGroup(s *scope, f *ast.Func, x sqlfn.Expr) (sqlfn.Expr, error) {
	if x.Agg == nil {
		return x, b.refuse(f, "WITHIN GROUP")
	}
	var keys []string
	for _, o := range f.WithinGroup {
		k, err := b.expr(s, o.Expr)
		if err != nil {
			return x, err
		}
		key := sqlfn.OrderKey(k)
		if o.Desc {
			key += " DESC"
		}
		keys = append(keys, key)
	}
	x.SQL = x.Agg.String(strings.Join(keys, ", "))
	return x, nil
}

// window binds a ranking or offset function.
func (b *binder) window(s *scope, f *ast.Func, name string) (sqlfn.Expr, error) {
	if f.Over == nil {
		return sqlfn.Expr{}, b.fail(f, 10753, f.Name.Name)
	}
	if s == nil || s.clause != inSelect && s.clause != inOrder {
		return sqlfn.Expr{}, b.fail(f, 4108)
	}
	if len(f.Over.OrderBy) == 0 {
		return sqlfn.Expr{}, b.fail(f, 4112, f.Name.Name)
	}
	args, err := b.arguments(s, f, name)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	x := sqlfn.Expr{Type: ranking[name]}
	texts := make([]string, len(args))
	switch name {
	case "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE":
		if len(args) == 0 || len(args) > 3 {
			return x, b.fail(f, 189, strings.ToLower(name), 1, 3)
		}
		x.Type, x.Nullable = args[0].Type, true
		if len(args) == 3 {
			if args[2], err = sqlfn.Convert(args[2], x.Type, sqlfn.Options{Implicit: true}); err != nil {
				return x, err
			}
		}
	default:
		if want := map[bool]int{true: 1}[name == "NTILE"]; len(args) != want {
			return x, b.fail(f, 174, strings.ToLower(name), want)
		}
	}
	for i, a := range args {
		texts[i] = a.SQL
	}
	o, err := b.over(s, f.Over, name)
	x.SQL = "(" + strings.ToLower(name) + "(" + strings.Join(texts, ", ") + ")" + o + ")"
	return x, err
}
