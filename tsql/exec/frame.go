package exec

import (
	"context"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// request is one request of the client while it runs.
type request struct {
	s   *Session
	ctx context.Context
	out sqlapi.ResultSink
	// reader is the connection for reads outside the transaction's own, borrowed at the first.
	reader *conn
}

// frame is a scope: a batch, the text of an EXEC, or a procedure.
type frame struct {
	r *request
	s *Session
	c *compiled
	// vars are by lower-case name with the @.
	vars map[string]*variable
	// procedure is the name for messages, "" in a batch.
	procedure string
	// inProc tells that results go with DONEINPROC.
	inProc bool
	// status is what RETURN gave.
	status int32
	// identity is SCOPE_IDENTITY().
	identity sqltype.Value
	// owner is the principal that owns the procedure, in the database ownerDB; 0 in a batch. What it owns too may be used
	// by whoever may run the procedure.
	owner   int32
	ownerDB int
	// schema is that of the procedure, where names without one are looked for first; "" in a batch.
	schema string
	// outerAs counts the contexts of EXECUTE AS that were open when an inner scope began.
	outerAs int
	// line is the line of the running statement.
	line int
	// snap is the schema that the running statement sees, conn the connection it runs on.
	snap *catalog.Snapshot
	conn *conn
	// cursors are the local ones and those in variables, by lower-case name.
	cursors map[string]*cursor
}

// variable is a local variable.
type variable struct {
	typ   sqltype.Type
	value sqltype.Value
}

func (r *request) frame(c *compiled) *frame {
	return &frame{r: r, s: r.s, c: c, vars: map[string]*variable{}}
}

// declare adds a variable with the value NULL.
func (f *frame) declare(name string, t sqltype.Type) *variable {
	v := &variable{typ: t, value: sqltype.NullOf(t.Kind)}
	f.vars[strings.ToLower(name)] = v
	return v
}

// variable finds a variable, nil when there is none.
func (f *frame) variable(name string) *variable {
	if v, ok := f.vars[name]; ok { // most names are written in lower case
		return v
	}
	return f.vars[strings.ToLower(name)]
}

// variableType is bind.Env.Variable.
func (f *frame) variableType(name string) (sqltype.Type, bool) {
	if v := f.variable(name); v != nil {
		return v.typ, true
	}
	return sqltype.Type{}, false
}

// variableValue is bind.Run.Variable.
func (f *frame) variableValue(name string) (sqltype.Value, error) {
	if v := f.variable(name); v != nil {
		return v.value, nil
	}
	return sqltype.Value{}, sqlerr.New(137, name).WithState(2)
}

// abort says what an error ends when no TRY catches it.
type abort uint8

const (
	abortStatement abort = iota
	abortScope
	abortBatch // and roll back
	abortKeep  // the batch, but not the transaction: THROW
)

// flowKind says how a statement ended.
type flowKind uint8

const (
	flowNext flowKind = iota
	flowBreak
	flowContinue
	flowReturn
	flowGoto
	flowError // on the way to a TRY
	flowScope // the error was told; leave the frame
	flowBatch // the error was told; leave the batch
)

// flow is how a statement ended and where the run goes on.
type flow struct {
	kind  flowKind
	label string
	err   *sqlerr.Error
	// skip is the frame whose own TRY blocks do not catch the error.
	skip *frame
}

var next = flow{}

// list runs statements in order. The error ends the session: the client is gone or cancelled.
func (f *frame) list(list []ast.Statement) (flow, error) {
	for i := 0; i < len(list); i++ {
		fl, err := f.statement(list[i])
		if err != nil {
			return next, err
		}
		switch fl.kind {
		case flowNext:
		case flowGoto:
			at := labelIn(list, fl.label)
			if at < 0 {
				return fl, nil
			}
			i = at
			if err := f.r.check(); err != nil {
				return next, err
			}
		default:
			return fl, nil
		}
	}
	return next, nil
}

// labelIn finds a label among the statements of one list; jumping into a block is not possible.
func labelIn(list []ast.Statement, label string) int {
	for i, s := range list {
		if l, ok := s.(*ast.Label); ok && strings.EqualFold(l.Name, label) {
			return i
		}
	}
	return -1
}

// check ends the run when the client cancelled or is gone.
func (r *request) check() error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return nil
}

// statement runs one statement.
func (f *frame) statement(st ast.Statement) (flow, error) {
	f.line = st.Position().Line
	if f.s.set.noExec || f.s.set.parseOnly {
		if _, ok := st.(*ast.SetOptions); !ok {
			return next, nil
		}
	}
	switch st := st.(type) {
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge, *ast.TruncateTable:
		return f.query(st)
	case *ast.Execute:
		return f.execute(st)
	}
	if fl, done, err := f.control(st); done {
		return fl, err
	}
	if fl, done, err := f.sessionStatement(st); done {
		return fl, err
	}
	if defines(st) {
		return f.define(st)
	}
	if definesPrincipals(st) {
		return f.principals(st)
	}
	return f.admin(st)
}

// control runs the statements that steer the others.
func (f *frame) control(st ast.Statement) (fl flow, done bool, err error) {
	switch st := st.(type) {
	case *ast.Block:
		fl, err = f.list(st.Body)
	case *ast.If:
		fl, err = f.ifStatement(st)
	case *ast.While:
		fl, err = f.while(st)
	case *ast.TryCatch:
		fl, err = f.tryCatch(st)
	case *ast.Break:
		fl.kind = flowBreak
	case *ast.Continue:
		fl.kind = flowContinue
	case *ast.Goto:
		fl.kind, fl.label = flowGoto, st.Label
	case *ast.Label, *ast.Empty:
	case *ast.Return:
		fl, err = f.returnStatement(st)
	case *ast.Print:
		fl, err = f.print(st)
	case *ast.RaiseError:
		fl, err = f.raiseError(st)
	case *ast.Throw:
		fl, err = f.throw(st)
	case *ast.WaitFor:
		fl, err = f.waitFor(st)
	default:
		return next, false, nil
	}
	return fl, true, err
}

// sessionStatement runs the statements about the session's own state.
func (f *frame) sessionStatement(st ast.Statement) (fl flow, done bool, err error) {
	switch st := st.(type) {
	case *ast.Declare:
		fl, err = f.declareStatement(st)
	case *ast.SetVariable:
		fl, err = f.setVariable(st)
	case *ast.SetOptions:
		f.setOptions(st)
	case *ast.SetValue:
		fl, err = f.setValue(st)
	case *ast.SetIdentityInsert:
		fl, err = f.setIdentityInsert(st)
	case *ast.SetIsolation:
		f.s.set.isolation = st.Level
		f.s.rowCount = 0
	case *ast.DeclareCursor:
		fl, err = f.declareCursor(st)
	case *ast.CursorStatement:
		fl, err = f.cursorStatement(st)
	case *ast.Use:
		fl, err = f.use(st)
	case *ast.ExecuteAs:
		fl, err = f.executeAs(st)
	case *ast.BeginTransaction:
		fl, err = f.beginStatement(st)
	case *ast.Commit:
		fl, err = f.commitStatement()
	case *ast.Rollback:
		fl, err = f.rollbackStatement(st)
	case *ast.Save:
		fl, err = f.saveStatement(st)
	default:
		return next, false, nil
	}
	return fl, true, err
}

// defines reports the statements that bind.Define takes.
func defines(st ast.Statement) bool {
	switch st.(type) {
	case *ast.CreateTable, *ast.AlterTable, *ast.CreateIndex, *ast.AlterIndex, *ast.DropIndex, *ast.Drop, *ast.CreateSchema,
		*ast.AlterSchema, *ast.CreateStatistics, *ast.CreateView, *ast.CreateProcedure, *ast.CreateFunction:
		return true
	}
	return false
}

// ok notes that a statement succeeded and set no row count.
func (f *frame) ok() { f.s.lastError, f.s.rowCount = 0, 0 }

// done sends the end of a statement; rows < 0 means that it has no count.
func (f *frame) done(cmd sqlapi.Command, rows int64) error {
	d := sqlapi.Done{Command: cmd, InProc: f.inProc}
	if rows >= 0 && !f.s.set.noCount {
		d.Rows, d.HasRows = rows, true
	}
	return wrapSink(f.r.out.Done(d))
}

// command is the verb's number on the wire.
func command(v bind.Verb) sqlapi.Command {
	switch v {
	case bind.Select, bind.Assign, bind.SelectInto:
		return sqlapi.CmdSelect
	case bind.Insert:
		return sqlapi.CmdInsert
	case bind.Update:
		return sqlapi.CmdUpdate
	case bind.Delete:
		return sqlapi.CmdDelete
	}
	return sqlapi.CmdNone
}
