package exec

import (
	"context"
	"strings"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/parse"
)

// prepared is a statement of sp_prepare.
type prepared struct{ text, params string }

// maxPrepared bounds the prepared statements of a session.
const maxPrepared = 10000

var typeHandle = sqltype.Type{Kind: sqltype.Int}

// executeSQL is sp_executesql @stmt [, @params, values…].
func (f *frame) executeSQL(c *call) (int32, flow, error) {
	text, params, values, e := split(c.args)
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	return f.runText(c, text, params, values)
}

// split takes the two texts off the front of sp_executesql's arguments.
func split(args []argument) (text, params string, values []argument, e *sqlerr.Error) {
	if len(args) == 0 {
		return "", "", nil, sqlerr.New(214, "ntext/nchar/nvarchar", "@statement")
	}
	for i, a := range args[:min(2, len(args))] {
		if a.value.Valid && !a.typ.Kind.IsString() {
			return "", "", nil, sqlerr.New(214, "ntext/nchar/nvarchar", []string{"@statement", "@params"}[i])
		}
	}
	text = args[0].value.S
	if len(args) > 1 {
		params, values = args[1].value.S, args[2:]
	}
	return text, params, values, nil
}

// runText runs a text with parameters.
func (f *frame) runText(c *call, text, params string, values []argument) (int32, flow, error) {
	code, err := f.s.e.cache.executeSQL(text, params, f.s.parseOptions())
	child := f.r.frame(code)
	child.inProc = true
	if err != nil {
		fl, err := inner(child.failBind(err))
		return notRun, fl, err
	}
	given, e := place("", len(code.params), func(i int) string { return code.params[i].Name }, values)
	if e == nil {
		e = f.bindValues(child, text, params, given)
	}
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	fl, err := f.nested(child, func() (flow, error) { return child.list(code.body) })
	if err != nil || fl.kind != flowNext {
		return f.s.lastError, fl, err
	}
	for i, a := range given {
		if a == nil || !a.output || !code.params[i].Output {
			continue
		}
		v := child.variable(code.params[i].Name)
		if err := c.giveBack(a, v.value, v.typ); err != nil {
			fl, err := f.evalFailed(err)
			return 1, fl, err
		}
	}
	return 0, next, nil
}

// bindValues declares the parameters of sp_executesql.
func (f *frame) bindValues(child *frame, text, params string, given []*argument) *sqlerr.Error {
	for i := range child.c.params {
		p := &child.c.params[i]
		t, err := child.typeOf(p.Type, true)
		if err != nil {
			return sqlerr.From(err)
		}
		v := child.declare(p.Name, t)
		a := given[i]
		if a == nil || a.byDef {
			if p.Default == nil {
				return sqlerr.New(8178, "("+params+")"+head(text), p.Name)
			}
			if v.value, err = f.value(p.Default, t); err != nil {
				return sqlerr.From(err)
			}
			continue
		}
		if v.value, err = assign(a.value, a.typ, t); err != nil {
			return paramError(err, a.typ, t)
		}
	}
	return nil
}

// head is what messages show of a statement.
func head(text string) string { return cut(text, 4000) }

// preparedCall is one of sp_prepare @handle OUTPUT, @params, @stmt; sp_execute @handle, values…; sp_prepexec @handle OUTPUT,
// @params, @stmt, values…; sp_unprepare @handle.
func (f *frame) preparedCall(name string, c *call) (int32, flow, error) {
	s := f.s
	want := map[string]int{"sp_prepare": 3, "sp_execute": 1, "sp_prepexec": 3, "sp_unprepare": 1}[name]
	if len(c.args) < want {
		fl, err := f.raise(sqlerr.New(201, name, "@handle"), abortStatement)
		return notRun, fl, err
	}
	handle := int32(c.args[0].value.N)
	p := s.prepared[handle]
	if want == 1 && (p == nil || !c.args[0].value.Valid) {
		fl, err := f.raise(sqlerr.New(8179, handle), abortStatement)
		return notRun, fl, err
	}
	switch name {
	case "sp_unprepare":
		delete(s.prepared, handle)
		return 0, next, nil
	case "sp_execute":
		return f.runText(c, p.text, p.params, c.args[1:])
	}
	p = &prepared{params: c.args[1].value.S, text: c.args[2].value.S}
	if _, err := s.e.cache.executeSQL(p.text, p.params, s.parseOptions()); err != nil {
		fl, err := inner(f.child(nil).failBind(err))
		return notRun, fl, err
	}
	if len(s.prepared) >= maxPrepared {
		fl, err := f.raise(sqlerr.New(701, "sp_prepare"), abortStatement)
		return notRun, fl, err
	}
	s.lastHandle++
	s.prepared[s.lastHandle] = p
	if err := c.giveBack(&c.args[0], sqltype.IntOf(sqltype.Int, int64(s.lastHandle)), typeHandle); err != nil {
		fl, err := f.evalFailed(err)
		return 1, fl, err
	}
	if name == "sp_prepare" {
		return 0, next, nil
	}
	return f.runText(c, p.text, p.params, c.args[3:])
}

// procNames are the procedures that have a number and are served.
var procNames = map[sqlapi.ProcID]string{
	sqlapi.ProcExecuteSQL: "sp_executesql", sqlapi.ProcPrepare: "sp_prepare", sqlapi.ProcExecute: "sp_execute",
	sqlapi.ProcPrepExec: "sp_prepexec", sqlapi.ProcUnprepare: "sp_unprepare",
}

// cursorNames are the others, for the message that refuses them.
var cursorNames = map[sqlapi.ProcID]string{
	sqlapi.ProcCursor: "sp_cursor", sqlapi.ProcCursorOpen: "sp_cursoropen", sqlapi.ProcCursorPrepare: "sp_cursorprepare",
	sqlapi.ProcCursorExecute: "sp_cursorexecute", sqlapi.ProcCursorPrepExec: "sp_cursorprepexec",
	sqlapi.ProcCursorUnprepare: "sp_cursorunprepare", sqlapi.ProcCursorFetch: "sp_cursorfetch",
	sqlapi.ProcCursorOption: "sp_cursoroption", sqlapi.ProcCursorClose: "sp_cursorclose", sqlapi.ProcPrepExecRPC: "sp_prepexecrpc",
}

// Call implements sqlapi.Session.
func (s *Session) Call(ctx context.Context, q sqlapi.Call, out sqlapi.ResultSink) error {
	return s.request(ctx, out, func(r *request) error {
		f := r.frame(&compiled{})
		f.inProc, f.line = true, 1
		c, e := wireCall(q)
		if e != nil {
			_, err := f.raise(e, abortStatement)
			return err
		}
		status, fl, err := f.callProcedure(c)
		if err != nil {
			return err
		}
		if fl.kind == flowNext && status != notRun {
			if err := out.ReturnStatus(status); err != nil {
				return err
			}
		}
		for _, p := range c.returned {
			if err := out.ReturnValue(p); err != nil {
				return err
			}
		}
		return nil
	})
}

// wireCall makes a call of what came over the wire.
func wireCall(q sqlapi.Call) (*call, *sqlerr.Error) {
	c := &call{}
	switch name, ok := procNames[q.ID]; {
	case ok:
		c.name = ast.ObjectName{Name: name}
	case q.ID != 0 && cursorNames[q.ID] != "":
		return nil, sqlerr.New(40510, cursorNames[q.ID])
	case q.ID != 0:
		return nil, sqlerr.New(2812, q.ID)
	default:
		n, err := parse.Name(strings.TrimRight(q.Name, "; "))
		if err != nil {
			return nil, sqlerr.New(2812, q.Name)
		}
		c.name = n
	}
	c.args = make([]argument, len(q.Params))
	for i, p := range q.Params {
		c.args[i] = argument{name: p.Name, typ: p.Type, value: p.Value, output: p.Output, byDef: p.Default}
	}
	if q.ID != 0 { // the texts of a numbered procedure are known by their place, whatever they are called
		for i := range c.args[:min(3, len(c.args))] {
			if i < fixedArgs[q.ID] {
				c.args[i].name = ""
			}
		}
	}
	return c, nil
}

// fixedArgs are how many leading arguments of a numbered procedure are its own.
var fixedArgs = map[sqlapi.ProcID]int{sqlapi.ProcExecuteSQL: 2, sqlapi.ProcPrepare: 3, sqlapi.ProcExecute: 1, sqlapi.ProcPrepExec: 3, sqlapi.ProcUnprepare: 1}
