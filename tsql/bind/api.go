package bind

import (
	"fmt"
	"strings"

	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// GlobalType gives the type of an @@ variable (in any case) and whether there is one.
func GlobalType(name string) (sqltype.Type, bool) {
	t, ok := globals()[strings.ToUpper(name)]
	return t, ok
}

// Query binds SELECT, INSERT, UPDATE, DELETE, MERGE or TRUNCATE TABLE.
func Query(env *Env, s ast.Statement) (*Plan, error) {
	b := newBinder(env)
	var p *Plan
	var err error
	switch s := s.(type) {
	case *ast.Select:
		p, err = b.selectPlan(s)
	case *ast.Insert:
		p, err = b.insert(s, nil)
	case *ast.Update:
		p, err = b.update(s)
	case *ast.Delete:
		p, err = b.delete(s)
	case *ast.Merge:
		p, err = b.merge(s)
	case *ast.TruncateTable:
		p, err = b.truncate(s)
	default:
		return nil, fmt.Errorf("bind: %T is no query", s)
	}
	return b.finish(p, err, s)
}

// finish puts what the binder gathered into the plan, and the statement's line on its error.
func (b *binder) finish(p *Plan, err error, at ast.Node) (*Plan, error) {
	if err != nil {
		return nil, place(err, at.Position().Line)
	}
	p.Line = at.Position().Line
	p.Sites, p.checks, p.Needs = b.shared.sites, b.shared.checks, b.shared.needed()
	return p, nil
}

// InsertRows binds INSERT … EXEC and bulk loads: the rows, of the columns described, come from Run.Input.
func InsertRows(env *Env, s *ast.Insert, columns []sqlapi.Column) (*Plan, error) {
	b := newBinder(env)
	p, err := b.insert(s, columns)
	return b.finish(p, err, s)
}

// Scalar binds one expression as a value of type to, the zero Type leaving it as it is. The plan yields one row.
func Scalar(env *Env, e ast.Expr, to sqltype.Type) (*Plan, error) {
	b := newBinder(env)
	p, err := b.scalar(e, to)
	return b.finish(p, err, e)
}

func (b *binder) scalar(e ast.Expr, to sqltype.Type) (*Plan, error) {
	x, err := b.expr(&scope{clause: inSet}, e)
	if err != nil {
		return nil, err
	}
	if to != (sqltype.Type{}) {
		if x, err = sqlfn.Convert(x, b.collated(to), sqlfn.Options{Implicit: true}); err != nil {
			return nil, err
		}
	}
	return &Plan{Verb: Select, SQL: "SELECT " + x.SQL, Args: b.param.args, run: runQuery,
		Columns: []sqlapi.Column{{Type: x.Type, Nullable: x.Nullable}}}, nil
}

// Condition binds a condition. The plan yields one row with one bit, NULL when unknown.
func Condition(env *Env, e ast.Expr) (*Plan, error) {
	b := newBinder(env)
	p, err := func() (*Plan, error) {
		c, err := b.cond(&scope{clause: inSet}, e)
		return &Plan{Verb: Select, SQL: "SELECT " + c, Args: b.param.args, run: runQuery,
			Columns: []sqlapi.Column{{Type: sqltype.Type{Kind: sqltype.Bit}, Nullable: true}}}, err
	}()
	return b.finish(p, err, e)
}
