package bind

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// expr binds a value.
func (b *binder) expr(s *scope, e ast.Expr) (sqlfn.Expr, error) {
	if b.depth++; b.depth > 2000 {
		return sqlfn.Expr{}, b.fail(e, 191)
	}
	defer func() { b.depth-- }()
	if x, ok := b.groupKey(s, e); ok {
		return x, nil
	}
	x, err := b.exprOf(s, e)
	return x, b.place(e, err)
}

func (b *binder) exprOf(s *scope, e ast.Expr) (sqlfn.Expr, error) {
	switch e := e.(type) {
	case *ast.Literal:
		return b.literal(e)
	case *ast.Variable:
		return b.variable(e)
	case *ast.SystemVariable:
		return b.global(e)
	case *ast.Column:
		return b.column(s, e)
	case *ast.Unary:
		return b.unary(s, e)
	case *ast.Binary:
		l, r, err := b.pair(s, e.L, e.R)
		if err != nil {
			return l, err
		}
		return sqlfn.Binary(e.Op, l, r)
	case *ast.Case:
		return b.caseExpr(s, e)
	case *ast.Cast:
		return b.cast(s, e.X, e.Type, nil, e.Try)
	case *ast.Convert:
		return b.cast(s, e.X, e.Type, e.Style, e.Try)
	case *ast.Parse:
		return b.parse(s, e)
	case *ast.Func:
		return b.function(s, e)
	case *ast.Subquery:
		return b.scalarQuery(s, e)
	case *ast.Collate:
		x, err := b.expr(s, e.X)
		if err != nil {
			return x, err
		}
		return sqlfn.Collate(x, e.Collation)
	case *ast.AtTimeZone:
		return sqlfn.Expr{}, b.refuse(e, "AT TIME ZONE")
	case *ast.NextValue:
		return sqlfn.Expr{}, b.refuse(e, "NEXT VALUE FOR")
	case *ast.Default:
		return sqlfn.Expr{}, b.fail(e, 156, "DEFAULT")
	case *ast.Star:
		return sqlfn.Expr{}, b.fail(e, 102, "*")
	}
	if ast.IsCondition(e) {
		return sqlfn.Expr{}, b.fail(e, 102, "condition")
	}
	return sqlfn.Expr{}, b.refuse(e, "this expression")
}

func (b *binder) pair(s *scope, l, r ast.Expr) (x, y sqlfn.Expr, err error) {
	if x, err = b.expr(s, l); err == nil {
		y, err = b.expr(s, r)
	}
	return x, y, err
}

func (b *binder) literal(e *ast.Literal) (sqlfn.Expr, error) {
	t, v, err := literalValue(e, b.collation())
	if err != nil {
		return sqlfn.Expr{}, b.place(e, err)
	}
	if e.Kind == ast.LitNull {
		return sqlfn.Expr{SQL: "NULL", Nullable: true, Const: &v}, nil
	}
	return b.constant(v, t), nil
}

// literalValue gives the type and value of a literal.
func literalValue(e *ast.Literal, collation string) (sqltype.Type, sqltype.Value, error) {
	var t sqltype.Type
	var v sqltype.Value
	var bad *sqlerr.Error
	switch e.Kind {
	case ast.LitNull:
	case ast.LitInteger, ast.LitDecimal, ast.LitFloat:
		t, v, bad = sqltype.Number(e.Text)
	case ast.LitMoney:
		t, v, bad = sqltype.Currency(e.Text)
	case ast.LitBinary:
		var ok bool
		if t, v, ok = sqltype.Hex(e.Text); !ok {
			bad = sqlerr.New(102, "0x"+e.Text)
		}
	default:
		t, v = sqltype.Str(e.Text, e.Kind == ast.LitNString, collation)
	}
	if bad != nil {
		return t, v, bad
	}
	return t, v, nil
}

func (b *binder) variable(e *ast.Variable) (sqlfn.Expr, error) {
	if x, ok := b.locals[b.fold(e.Name)]; ok {
		return x, nil
	}
	t, ok := b.env.variable(e.Name)
	if !ok {
		return sqlfn.Expr{}, b.fail(e, 137, e.Name)
	}
	return sqlfn.Expr{SQL: b.arg(Arg{Kind: VarArg, Name: e.Name, Type: b.collated(t)}), Type: b.collated(t), Nullable: true}, nil
}

// collated gives a text type the database's collation when it has none.
func (b *binder) collated(t sqltype.Type) sqltype.Type {
	if t.Kind.IsString() && t.Collation == "" {
		t.Collation = b.collation()
	}
	return t
}

func (b *binder) global(e *ast.SystemVariable) (sqlfn.Expr, error) {
	t, ok := GlobalType(e.Name)
	if !ok {
		return sqlfn.Expr{}, b.fail(e, 137, e.Name)
	}
	t = b.collated(t)
	return sqlfn.Expr{SQL: b.arg(Arg{Kind: GlobalArg, Name: strings.ToLower(e.Name), Type: t}), Type: t, Nullable: true}, nil
}

func (b *binder) unary(s *scope, e *ast.Unary) (sqlfn.Expr, error) {
	if lit, ok := e.X.(*ast.Literal); ok && e.Op == "-" { // a constant stays one: styles and lengths may be negative
		t, v, err := literalValue(lit, "")
		if err == nil && t.Kind == sqltype.Int {
			return b.constant(sqltype.IntOf(sqltype.Int, -v.N), t), nil
		}
	}
	x, err := b.expr(s, e.X)
	if err != nil {
		return x, err
	}
	return sqlfn.Unary(e.Op, x)
}

func (b *binder) cast(s *scope, e ast.Expr, name ast.TypeName, style ast.Expr, try bool) (sqlfn.Expr, error) {
	to, err := b.castType(name)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	x, err := b.expr(s, e)
	if err != nil {
		return x, err
	}
	o := sqlfn.Options{Try: try}
	if style != nil {
		st, err := b.expr(s, style)
		if err != nil {
			return st, err
		}
		o.Style = &st
	}
	return sqlfn.Convert(x, to, o)
}

func (b *binder) parse(s *scope, e *ast.Parse) (sqlfn.Expr, error) {
	name := "PARSE"
	if e.Try {
		name = "TRY_PARSE"
	}
	x, err := b.expr(s, e.X)
	if err != nil {
		return x, err
	}
	to, err := b.castType(e.Type)
	if err != nil {
		return x, err
	}
	args := []sqlfn.Expr{x, {Word: to.String()}}
	if e.Culture != nil {
		c, err := b.expr(s, e.Culture)
		if err != nil {
			return c, err
		}
		args = append(args, c)
	}
	return sqlfn.Call(name, args)
}

// caseExpr gives the type of highest precedence to all results, as SQL Server does.
func (b *binder) caseExpr(s *scope, e *ast.Case) (sqlfn.Expr, error) {
	conds := make([]string, len(e.Whens))
	var results []sqlfn.Expr
	for i, w := range e.Whens {
		c, err := b.caseCond(s, e, w.Cond)
		if err != nil {
			return sqlfn.Expr{}, err
		}
		conds[i] = c
		r, err := b.expr(s, w.Result)
		if err != nil {
			return r, err
		}
		results = append(results, r)
	}
	if e.Else != nil {
		r, err := b.expr(s, e.Else)
		if err != nil {
			return r, err
		}
		results = append(results, r)
	}
	if allNull(results) {
		return sqlfn.Expr{}, b.fail(e, 8133)
	}
	results, t, err := sqlfn.Unify(results)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	var text strings.Builder
	text.WriteString("(CASE")
	nullable := e.Else == nil
	for i, r := range results {
		nullable = nullable || r.Nullable
		if i < len(conds) {
			text.WriteString(" WHEN " + conds[i] + " THEN " + r.SQL)
		} else {
			text.WriteString(" ELSE " + r.SQL)
		}
	}
	text.WriteString(" END)")
	return sqlfn.Expr{SQL: text.String(), Type: t, Nullable: nullable}, nil
}

// allNull reports whether every result is a bare NULL, which leaves a CASE without a type.
func allNull(list []sqlfn.Expr) bool {
	for _, x := range list {
		if x.Const == nil || x.Type.Kind != sqltype.Null {
			return false
		}
	}
	return true
}

func (b *binder) caseCond(s *scope, e *ast.Case, cond ast.Expr) (string, error) {
	if e.Operand == nil {
		return b.cond(s, cond)
	}
	l, r, err := b.pair(s, e.Operand, cond)
	if err != nil {
		return "", err
	}
	c, err := sqlfn.Compare("=", l, r)
	return c.SQL, b.place(cond, err)
}

// scalarQuery binds a query that gives one value; more than one row is error 512 when it runs.
func (b *binder) scalarQuery(s *scope, e *ast.Subquery) (sqlfn.Expr, error) {
	outer := b.shared.outerAggregates
	q, err := b.subquery(s, e.Query)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	if !q.single() && b.shared.outerAggregates > outer {
		return sqlfn.Expr{}, b.refuse(e, "an aggregate of an outer query in a subquery that may give several rows")
	}
	if len(q.columns()) != 1 {
		return sqlfn.Expr{}, b.fail(e, 116)
	}
	x := q.columns()[0].expr
	text, err := q.text(b)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	if q.single() {
		return sqlfn.Expr{SQL: "(" + text + ")", Type: x.Type, Nullable: true}, nil
	}
	a := b.alias()
	return sqlfn.Expr{SQL: "(SELECT ls_single(" + a + ".k_1) FROM (" + text + ") AS " + a + ")", Type: x.Type, Nullable: true}, nil
}
