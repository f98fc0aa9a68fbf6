package exec

import (
	"math"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/parse"
)

// maxNesting is how deep procedures and EXEC may call each other.
const maxNesting = 32

// argument is one argument of a call, evaluated.
type argument struct {
	name   string // with its @, "" for a positional one
	typ    sqltype.Type
	value  sqltype.Value
	byDef  bool // DEFAULT was asked for
	output bool
	// target takes the value back: a variable of the calling frame; nil when the client does.
	target *variable
}

// call is one call of a procedure.
type call struct {
	name ast.ObjectName
	args []argument
	// returned gives the output values back to the client, for calls that came over the wire.
	returned []sqlapi.Param
}

func (f *frame) execute(st *ast.Execute) (flow, error) {
	switch {
	case st.At != "":
		return f.raise(sqlerr.New(40510, "EXECUTE … AT"), abortStatement)
	case st.AsUser != "":
		return f.raise(sqlerr.New(40510, "EXECUTE AS"), abortStatement)
	case st.SQL != nil:
		return f.executeText(st)
	}
	c := &call{name: st.Proc}
	if st.ProcVariable != "" {
		v := f.variable(st.ProcVariable)
		n, err := parse.Name(v.value.S)
		if err != nil || !v.value.Valid {
			return f.raise(sqlerr.New(2812, v.value.S), abortStatement)
		}
		c.name = n
	}
	for i := range st.Args {
		a, err := f.execArg(&st.Args[i])
		if err != nil {
			return f.evalFailed(err)
		}
		c.args = append(c.args, a)
	}
	status, fl, err := f.callProcedure(c)
	if err != nil || fl.kind == flowError || fl.kind == flowBatch {
		return fl, err
	}
	if status == notRun {
		return next, f.r.out.Done(sqlapi.Done{Command: sqlapi.CmdExecute, InProc: f.inProc, Failed: true})
	}
	if st.Return != "" {
		v := f.variable(st.Return)
		val, err := assign(sqltype.IntOf(sqltype.Int, int64(status)), sqltype.Type{Kind: sqltype.Int}, v.typ)
		if err != nil {
			return f.evalFailed(err)
		}
		v.value = val
	}
	if f.inProc {
		return next, nil
	}
	if err := f.r.out.ReturnStatus(status); err != nil {
		return next, err
	}
	return next, f.r.out.Done(sqlapi.Done{Command: sqlapi.CmdExecute})
}

func (f *frame) execArg(a *ast.ExecArg) (argument, error) {
	out := argument{name: a.Name, output: a.Output}
	if _, ok := a.Value.(*ast.Default); ok {
		out.byDef = true
		return out, nil
	}
	var err error
	out.typ, out.value, err = f.typed(a.Value)
	if v, ok := a.Value.(*ast.Variable); ok && a.Output {
		out.target = f.variable(v.Name)
	}
	if a.Output && out.target == nil {
		return out, bindError{sqlerr.New(179)}
	}
	return out, err
}

// notRun is the status of a procedure that was not begun: it is missing, or its arguments do not fit.
const notRun = math.MinInt32

// executeText runs EXEC ('…').
func (f *frame) executeText(st *ast.Execute) (flow, error) {
	v, err := f.value(st.SQL, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen})
	if err != nil {
		return f.evalFailed(err)
	}
	c, err := f.s.e.cache.batch(v.S, f.s.parseOptions())
	child := f.child(c)
	if err != nil {
		return inner(child.failBind(err))
	}
	fl, err := f.nested(child, func() (flow, error) { return child.list(c.body) })
	return fl, err
}

// inner makes the end of an inner scope the next statement of the outer one.
func inner(fl flow, err error) (flow, error) {
	if fl.kind == flowScope {
		fl = next
	}
	return fl, err
}

// child is a scope inside this one.
func (f *frame) child(c *compiled) *frame {
	k := f.r.frame(c)
	k.inProc = f.inProc
	return k
}

// nested runs an inner scope: it counts the nesting, and puts back what a scope may not leave behind.
func (f *frame) nested(child *frame, run func() (flow, error)) (flow, error) {
	s := f.s
	if s.nesting >= maxNesting {
		return f.raise(sqlerr.New(217, maxNesting), abortBatch)
	}
	before := s.trancount()
	as := len(s.as)
	s.nesting++
	child.outerAs = as
	set, tries, caught := s.set, len(s.tries), len(s.caught)
	db := s.db.Name()
	fl, err := run()
	s.nesting--
	if terr := s.dropTemps(s.nesting, false); err == nil {
		err = terr
	}
	s.tries, s.caught = s.tries[:tries], s.caught[:caught]
	s.revertTo(as)
	if child.procedure != "" {
		identity := [2]int64{int64(s.set.identityDB), int64(s.set.identityTable)}
		s.set = set
		s.set.identityDB, s.set.identityTable = int(identity[0]), int32(identity[1])
	} else {
		s.set = s.set.afterText(set)
	}
	if err != nil {
		return fl, err
	}
	if s.db.Name() != db { // USE inside holds inside
		f.r.release()
		if err := s.enter(db); err != nil {
			return f.fail(err)
		}
		if err := f.r.out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvDatabase, New: s.db.Name()}); err != nil {
			return next, err
		}
	}
	switch fl.kind {
	case flowError, flowBatch:
		return fl, nil
	}
	if after := s.trancount(); after != before && (s.tx == nil || !s.tx.doomed) {
		return f.raiseMessage(sqlerr.New(266, before, after))
	}
	return next, nil
}

// afterText gives the options after EXEC ('…'): SET inside holds inside.
func (s settings) afterText(before settings) settings {
	before.identityDB, before.identityTable = s.identityDB, s.identityTable
	return before
}

func (s *Session) trancount() int {
	if s.tx == nil {
		return 0
	}
	return s.tx.count
}

// callProcedure runs a procedure by its name.
func (f *frame) callProcedure(c *call) (int32, flow, error) {
	name := strings.ToLower(c.name.Name)
	switch name {
	case "sp_executesql":
		return f.executeSQL(c)
	case "sp_prepare", "sp_execute", "sp_prepexec", "sp_unprepare":
		return f.preparedCall(name, c)
	case "sp_reset_connection":
		return 0, next, f.resetHere()
	case "sp_set_session_context":
		return f.setContext(c)
	case "sp_rename":
		return f.rename(c)
	case "sp_helptext":
		return f.helpText(c)
	}
	if p := f.s.e.o.Procedures.Procedure(name); p != nil && (c.name.Schema == "" || strings.EqualFold(c.name.Schema, "sys") || strings.EqualFold(c.name.Schema, "dbo")) {
		return f.serverProcedure(p, c)
	}
	return f.userProcedure(c)
}

// resetHere is sp_reset_connection called by name: options and prepared statements are as new.
func (f *frame) resetHere() error {
	f.s.set = defaultSettings()
	clear(f.s.prepared)
	return nil
}

// setContext is sp_set_session_context @key, @value [, @read_only].
func (f *frame) setContext(c *call) (int32, flow, error) {
	vals, e := match("sp_set_session_context", []Param{
		{Name: "@key", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 128}},
		{Name: "@value", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}},
		{Name: "@read_only", Type: sqltype.Type{Kind: sqltype.Bit}, Optional: true, Default: sqltype.BitOf(false)}}, c.args)
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	m := map[string]sqltype.Value{}
	for k, v := range f.s.sessionState {
		m[k] = v
	}
	m[strings.ToLower(vals[0].S)] = vals[1]
	f.s.sessionState = m
	return 0, next, nil
}

// match sorts arguments under parameters and converts them.
func match(proc string, params []Param, args []argument) ([]sqltype.Value, *sqlerr.Error) {
	given, e := place(proc, len(params), func(i int) string { return params[i].Name }, args)
	if e != nil {
		return nil, e
	}
	vals := make([]sqltype.Value, len(params))
	for i := range params {
		a := given[i]
		switch {
		case a == nil || a.byDef:
			if !params[i].Optional {
				return nil, sqlerr.New(201, proc, params[i].Name)
			}
			if vals[i] = params[i].Default; !vals[i].Valid {
				vals[i] = sqltype.NullOf(params[i].Type.Kind)
			}
		default:
			v, err := assign(a.value, a.typ, params[i].Type)
			if err != nil {
				return nil, paramError(err, a.typ, params[i].Type)
			}
			vals[i] = v
		}
	}
	return vals, nil
}

// paramError words a failed conversion of an argument as SQL Server does.
func paramError(err error, from, to sqltype.Type) *sqlerr.Error {
	switch sqlerr.Number(err) {
	case 245, 8114, 0:
		return sqlerr.New(8114, sqltype.MessageName(from), sqltype.MessageName(to)).WithCause(err)
	}
	return sqlerr.From(err)
}

// place finds for each parameter the argument that is meant for it, nil when there is none.
func place(proc string, n int, name func(int) string, args []argument) ([]*argument, *sqlerr.Error) {
	given := make([]*argument, n)
	named := false
	for i := range args {
		a := &args[i]
		at := i
		if a.name != "" {
			named = true
			at = -1
			for j := range n {
				if strings.EqualFold(name(j), a.name) {
					at = j
				}
			}
			if at < 0 {
				return nil, sqlerr.New(8145, a.name, proc)
			}
		} else if named {
			return nil, sqlerr.New(119, i+1)
		}
		if at >= n {
			return nil, sqlerr.New(8144, proc)
		}
		if given[at] != nil {
			return nil, sqlerr.New(8143, a.name)
		}
		given[at] = a
	}
	return given, nil
}

// serverProcedure runs a procedure written in Go.
func (f *frame) serverProcedure(p *Procedure, c *call) (int32, flow, error) {
	vals, e := match(p.Name, p.Params, c.args)
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	given, _ := place(p.Name, len(p.Params), func(i int) string { return p.Params[i].Name }, c.args)
	f.r.release()
	inProc := f.inProc
	f.inProc = true
	defer func() { f.inProc = inProc }()
	out := &countingSink{ResultSink: f.r.out, f: f}
	if p.Statements != nil {
		return f.procedureStatements(p, vals, out)
	}
	status, err := p.Run(f.r.ctx, f.s.caller(), vals, out)
	if err != nil {
		saved := f.procedure
		f.procedure = p.Name
		fl, err := f.fail(out.unwrap(err))
		f.procedure = saved
		return max(status, 1), fl, err
	}
	if err := out.close(); err != nil {
		return status, next, err
	}
	f.s.lastError = 0
	for i, a := range given {
		if a != nil && a.output && p.Params[i].Output {
			if err := c.giveBack(a, vals[i], p.Params[i].Type); err != nil {
				fl, err := f.evalFailed(err)
				return status, fl, err
			}
		}
	}
	return status, next, nil
}

// giveBack puts an output value into the caller's variable, or keeps it for the client.
func (c *call) giveBack(a *argument, v sqltype.Value, t sqltype.Type) error {
	if a.target == nil {
		c.returned = append(c.returned, sqlapi.Param{Name: a.name, Type: t, Value: v, Output: true})
		return nil
	}
	val, err := assign(v, t, a.target.typ)
	if err != nil {
		return err
	}
	a.target.value = val
	return nil
}

// userProcedure runs a procedure of the database.
func (f *frame) userProcedure(c *call) (int32, flow, error) {
	s := f.s
	d := s.db
	missing := func() (int32, flow, error) {
		fl, err := f.raise(sqlerr.New(2812, c.name.String()).WithState(62), abortStatement)
		return notRun, fl, err
	}
	if c.name.Database != "" && !strings.EqualFold(c.name.Database, d.Name()) {
		return missing()
	}
	var o *catalog.Object
	var owner int32
	if err := f.reading(d, false, func(_ *conn, snap *catalog.Snapshot) error {
		if o = f.object(d, snap, c.name); o == nil || o.Kind != catalog.Procedure {
			return nil
		}
		owner = snap.OwnerOf(o)
		return f.permitNeeds(d, snap, []catalog.Need{{Permission: "EXECUTE", Object: o, Owner: owner}})
	}); err != nil {
		fl, err := f.fail(err)
		return notRun, fl, err
	}
	if o == nil || o.Kind != catalog.Procedure {
		return missing()
	}
	code, err := s.e.cache.module(o.Text, !o.QuotedIdentifier)
	if err != nil {
		fl, err := inner(f.child(nil).failBind(err))
		return notRun, fl, err
	}
	as, err := f.runAs(code.procedure, d, owner)
	if err != nil {
		fl, err := f.fail(err)
		return notRun, fl, err
	}
	if n := len(s.as); as != nil {
		s.become(*as)
		defer s.revertTo(n)
	}
	child := f.r.frame(code)
	child.owner, child.ownerDB, child.schema = owner, d.ID(), o.Schema
	return f.runProcedure(o.Name, child, c)
}

func (f *frame) runProcedure(name string, child *frame, c *call) (int32, flow, error) {
	code := child.c
	child.procedure, child.inProc = name, true
	given, e := place(name, len(code.params), func(i int) string { return code.params[i].Name }, c.args)
	if e == nil {
		e = f.bindParams(child, name, given)
	}
	if e != nil {
		fl, err := f.raise(e, abortStatement)
		return notRun, fl, err
	}
	fl, err := f.nested(child, func() (flow, error) { return child.list(code.body) })
	if err != nil || fl.kind != flowNext {
		return 1, fl, err
	}
	for i, a := range given {
		if a == nil || !a.output || !code.params[i].Output {
			continue
		}
		v := child.variable(code.params[i].Name)
		if err := c.giveBack(a, v.value, v.typ); err != nil {
			fl, err := f.evalFailed(err)
			return child.status, fl, err
		}
	}
	return child.status, next, nil
}

// bindParams declares a procedure's parameters in its frame.
func (f *frame) bindParams(child *frame, name string, given []*argument) *sqlerr.Error {
	for i := range child.c.params {
		p := &child.c.params[i]
		t, err := child.typeOf(p.Type, true)
		if err != nil {
			return sqlerr.From(err)
		}
		v := child.declare(p.Name, t)
		a := given[i]
		switch {
		case a != nil && !a.byDef:
			if v.value, err = assign(a.value, a.typ, t); err != nil {
				return paramError(err, a.typ, t)
			}
		case p.Default != nil:
			if v.value, err = f.value(p.Default, t); err != nil {
				return sqlerr.From(err)
			}
		default:
			return sqlerr.New(201, name, p.Name).WithState(4)
		}
		if a != nil && a.output && !p.Output {
			return sqlerr.New(8162, p.Name)
		}
	}
	return nil
}
