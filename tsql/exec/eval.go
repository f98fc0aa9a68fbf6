package exec

import (
	"errors"
	"strings"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// bindError marks an error of binding, which ends the scope and not just the statement.
type bindError struct{ err error }

func (e bindError) Error() string { return e.err.Error() }
func (e bindError) Unwrap() error { return e.err }

// evalFailed tells of an error of an expression.
func (f *frame) evalFailed(err error) (flow, error) {
	var b bindError
	if errors.As(err, &b) {
		return f.failBind(b.err)
	}
	return f.fail(err)
}

// simple evaluates what needs no database: constants, variables and negative numbers. ok is false for the rest.
func (f *frame) simple(e ast.Expr) (t sqltype.Type, v sqltype.Value, ok bool, err error) {
	switch e := e.(type) {
	case *ast.Literal:
		t, v, err = f.literal(e)
		return t, v, true, err
	case *ast.Variable:
		x := f.variable(e.Name)
		if x == nil {
			return t, v, true, bindError{sqlerr.New(137, e.Name).WithState(2).WithLine(e.Line)}
		}
		return x.typ, x.value, true, nil
	case *ast.SystemVariable:
		t, known := bind.GlobalType(e.Name)
		if !known {
			return t, v, true, bindError{sqlerr.New(137, e.Name).WithState(2).WithLine(e.Line)}
		}
		v, err = f.global(strings.ToLower(e.Name))
		return t, v, true, err
	case *ast.Unary:
		lit, isLit := e.X.(*ast.Literal)
		if !isLit || lit.Kind == ast.LitString || lit.Kind == ast.LitNString || lit.Kind == ast.LitBinary || e.Op == "~" {
			return t, v, false, nil
		}
		t, v, err = f.literal(lit)
		if e.Op == "-" && err == nil && v.Valid {
			v = sqltype.Negate(v)
		}
		return t, v, true, err
	case *ast.Keyword:
		t, v = sqltype.Str(e.Word, true, "")
		return t, v, true, nil
	}
	return t, v, false, nil
}

func (f *frame) literal(l *ast.Literal) (t sqltype.Type, v sqltype.Value, err error) {
	var e *sqlerr.Error
	switch l.Kind {
	case ast.LitNull:
		return sqltype.Type{}, sqltype.Value{}, nil
	case ast.LitString, ast.LitNString:
		t, v = sqltype.Str(l.Text, l.Kind == ast.LitNString, "")
	case ast.LitBinary:
		t, v, _ = sqltype.Hex(l.Text)
	case ast.LitMoney:
		t, v, e = sqltype.Currency(l.Text)
	default:
		t, v, e = sqltype.Number(l.Text)
	}
	if e != nil {
		return t, v, e.WithLine(l.Line)
	}
	return t, v, nil
}

// typed evaluates an expression as whatever type it has.
func (f *frame) typed(e ast.Expr) (sqltype.Type, sqltype.Value, error) {
	if t, v, ok, err := f.simple(e); ok {
		return t, v, err
	}
	return f.scalar(e, sqltype.Type{})
}

// value evaluates an expression as a value of type to, as an assignment converts it.
func (f *frame) value(e ast.Expr, to sqltype.Type) (sqltype.Value, error) {
	if t, v, ok, err := f.simple(e); ok {
		if err != nil {
			return v, err
		}
		return assign(v, t, to)
	}
	_, v, err := f.scalar(e, to)
	return v, err
}

// assign converts a value for a variable; too long a text is cut off, as SQL Server does there.
func assign(v sqltype.Value, from, to sqltype.Type) (sqltype.Value, error) {
	if from == to {
		return v, nil
	}
	if !v.Valid {
		return sqltype.NullOf(to.Kind), nil
	}
	if e := sqltype.Allowed(from.Kind, to.Kind, false); e != nil {
		return v, bindError{e}
	}
	c, err := sqltype.Convert(v, from, to, 0)
	if err != nil {
		return v, err
	}
	return c, nil
}

// scalar evaluates an expression on a connection.
func (f *frame) scalar(e ast.Expr, to sqltype.Type) (sqltype.Type, sqltype.Value, error) {
	var t sqltype.Type
	var v sqltype.Value
	err := f.evaluate(e, to, func(env *bind.Env) (*bind.Plan, error) { return bind.Scalar(env, e, to) },
		func(p *bind.Plan, row []sqltype.Value) { t, v = p.Columns[0].Type, row[0] })
	return t, v, err
}

// condition evaluates a condition; unknown is false.
func (f *frame) condition(e ast.Expr) (bool, error) {
	yes := false
	err := f.evaluate(e, sqltype.Type{}, func(env *bind.Env) (*bind.Plan, error) { return bind.Condition(env, e) },
		func(_ *bind.Plan, row []sqltype.Value) { yes = row[0].Valid && row[0].N != 0 })
	return yes, err
}

func (f *frame) evaluate(e ast.Expr, to sqltype.Type, make func(*bind.Env) (*bind.Plan, error), got func(*bind.Plan, []sqltype.Value)) error {
	t := f.c.traitsOf(e)
	d, err := f.home(t)
	if err != nil {
		return bindError{err}
	}
	run := func(k *conn, snap *catalog.Snapshot) error {
		p, err := f.c.plan(f.key(e, d, snap, to), func() (*bind.Plan, error) { return make(f.env(k.db, snap)) })
		if err != nil {
			return bindError{err}
		}
		if err := f.permit(k.db, snap, p); err != nil {
			return err
		}
		_, err = f.run(k, snap, p, &bind.Run{Row: func(row []sqltype.Value) error { got(p, row); return nil }})
		return err
	}
	return f.readingAll(d, t, run)
}

func (f *frame) key(n ast.Node, d Database, snap *catalog.Snapshot, to sqltype.Type) planKey {
	k := planKey{node: n, database: d.ID(), version: snap.Version, schema: f.defaultSchema(d, snap), nullsOff: !f.s.set.ansiNulls, to: to}
	if f.s.temp != nil {
		k.temp = f.s.temp.snap.Version
	}
	if f.s.set.identityDB == d.ID() {
		k.identity = f.s.set.identityTable
	}
	return k
}

// other is bind.Env.Other: the views of another database. Its tables can be reached by statements that name no other
// database's.
func (f *frame) other(name string) (*catalog.Snapshot, rel.Views, error) {
	d, err := f.s.e.o.Databases.Find(name)
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.Storage(); err != nil {
		return nil, nil, err
	}
	if s := f.s.e.o.Security; s != nil {
		if err := s.Enter(f.r.ctx, f.s.caller(), d); err != nil {
			return nil, nil, err
		}
	}
	return nil, d.Views(), nil
}

// typeOf resolves a type's name in the current database; param tells that it stands in the text of the parameters.
func (f *frame) typeOf(n ast.TypeName, param bool) (sqltype.Type, error) {
	s := f.s
	if s.seen == nil || s.seenDB != s.db.ID() {
		if err := f.reading(s.db, false, func(*conn, *catalog.Snapshot) error { return nil }); err != nil {
			return sqltype.Type{}, err
		}
	}
	t, err := f.c.typeOf(n, s.seen, param)
	if err != nil {
		return t, bindError{err}
	}
	return t, nil
}

// typeOf resolves a type's name once per text and collation.
func (c *compiled) typeOf(n ast.TypeName, snap *catalog.Snapshot, param bool) (sqltype.Type, error) {
	key := typeKey{n.Offset, snap.Collation, param}
	c.mu.Lock()
	t, ok := c.types[key]
	c.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := bind.TypeOf(&bind.Env{Snapshot: snap}, n)
	if err != nil {
		return t, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.types[key] = t
	return t, nil
}
