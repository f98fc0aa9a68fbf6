package bind

import (
	"linkspan/catalog"
	"linkspan/tsql/ast"
	"linkspan/tsql/parse"
	"linkspan/tsql/sqlfn"
)

// userFunction binds a call of a scalar function of the user by putting its body in the place of the call: a body that is
// one RETURN, as most are. Others are refused by name.
func (b *binder) userFunction(s *scope, f *ast.Func) (sqlfn.Expr, error) {
	def, o, err := b.functionText(f, f.Name)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	ret := onlyReturn(def.Body)
	if ret == nil || o.Kind != catalog.Scalar {
		return sqlfn.Expr{}, b.refuse(f, "a call of the function "+f.Name.String()+", whose body is more than one RETURN,")
	}
	b.asks("EXECUTE", o, b.env.Snapshot)
	inner, err := b.inline(s, f, def, o)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	to, err := b.typeOf(def.Returns, 1)
	if err != nil {
		return sqlfn.Expr{}, err
	}
	x, err := inner.expr(&scope{clause: inSet}, ret.Value)
	if err == nil {
		x, err = sqlfn.Convert(x, to, sqlfn.Options{Implicit: true})
	}
	x.Nullable, x.Const = true, nil
	return x, b.place(f, err)
}

// functionText finds a function and parses its text.
func (b *binder) functionText(at ast.Node, n ast.ObjectName) (*ast.CreateFunction, *catalog.Object, error) {
	var o *catalog.Object
	if b.env.Snapshot != nil && (n.Database == "" || b.fold(n.Database) == b.fold(b.env.Database)) {
		o = b.env.Snapshot.Object(n.Schema, n.Name)
	}
	if o == nil || o.Text == "" {
		return nil, nil, b.fail(at, 4121, n.Schema, n.String())
	}
	list, err := parse.Batch(o.Text)
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 1 {
		if def, ok := list[0].(*ast.CreateFunction); ok {
			return def, o, nil
		}
	}
	return nil, nil, b.fail(at, 4121, n.Schema, n.String())
}

// onlyReturn gives the RETURN that is all of a body.
func onlyReturn(body []ast.Statement) *ast.Return {
	for len(body) == 1 {
		switch s := body[0].(type) {
		case *ast.Return:
			if s.Value != nil {
				return s
			}
			return nil
		case *ast.Block:
			body = s.Body
			continue
		}
		break
	}
	return nil
}

// inline gives a binder for a function's body, in which its parameters stand for the arguments of the call.
func (b *binder) inline(s *scope, f *ast.Func, def *ast.CreateFunction, o *catalog.Object) (*binder, error) {
	if len(f.Args) > len(def.Params) {
		return nil, b.fail(f, 8144, f.Name.String())
	}
	locals := map[string]sqlfn.Expr{}
	for i, p := range def.Params {
		t, err := b.typeOf(p.Type, 1)
		if err != nil {
			return nil, err
		}
		var x sqlfn.Expr
		switch {
		case i >= len(f.Args):
			return nil, b.fail(f, 313, f.Name.String())
		case isDefault(f.Args[i]) && p.Default != nil:
			x, err = b.expr(&scope{clause: inDefault}, p.Default)
		default:
			x, err = b.expr(s, f.Args[i])
		}
		if err == nil {
			x, err = sqlfn.Convert(x, t, sqlfn.Options{Implicit: true})
		}
		if err != nil {
			return nil, b.place(f, err)
		}
		x.Const = nil
		locals[b.fold(p.Name)] = x
	}
	c := *b
	env := *b.env
	env.DefaultSchema, env.Variable = o.Schema, nil
	c.env, c.locals, c.inView, c.ctes, c.within = &env, locals, true, nil, b.env.Snapshot.OwnerOf(o)
	if c.depth += 60; c.depth > 60*maxDepth {
		return nil, b.fail(f, 217, maxDepth)
	}
	return &c, nil
}

func isDefault(e ast.Expr) bool {
	_, ok := e.(*ast.Default)
	return ok
}

// inlineTable binds a call of an inline table-valued function as the query that it is.
func (b *binder) inlineTable(outer *scope, f *ast.FunctionTable) (string, *source, error) {
	def, o, err := b.functionText(f, f.Call.Name)
	if err != nil {
		return "", nil, b.place(f, err)
	}
	if def.Query == nil {
		return "", nil, b.refuse(f, "the table-valued function "+f.Call.Name.String()+", which is not inline")
	}
	for _, a := range f.Call.Args {
		if refers(a) && outer != nil && len(outer.sources) > 0 {
			return "", nil, b.refuse(f, "APPLY of the function "+f.Call.Name.String()+" to columns of the left side")
		}
	}
	b.asks("SELECT", o, b.env.Snapshot)
	inner, err := b.inline(outer, f.Call, def, o)
	if err != nil {
		return "", nil, err
	}
	q, err := inner.subquery(nil, def.Query)
	if err != nil {
		return "", nil, b.place(f, err)
	}
	alias := f.Alias
	if alias == "" {
		alias = f.Call.Name.Name
	}
	src := b.newSource(ast.ObjectName{}, alias, b.alias())
	text, err := inner.querySource(f, src, q, f.Columns)
	return text, src, err
}

// refers reports whether an expression reads a column.
func refers(e ast.Expr) bool {
	found := false
	walk(e, func(x ast.Expr) bool {
		if _, ok := x.(*ast.Column); ok {
			found = true
		}
		return !found
	})
	return found
}
