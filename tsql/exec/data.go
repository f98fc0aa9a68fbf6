package exec

import (
	"errors"

	"linkspan/catalog"
	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// query runs SELECT, INSERT, UPDATE, DELETE, MERGE and TRUNCATE.
func (f *frame) query(st ast.Statement) (flow, error) {
	if ins, ok := st.(*ast.Insert); ok && ins.Exec != nil {
		return f.insertExec(ins)
	}
	t := f.c.traitsOf(st)
	d, err := f.home(t)
	if err != nil {
		return f.failBind(err)
	}
	if f.s.set.implicit && f.s.tx == nil && (t.writes || t.tables) {
		if err := f.r.begin(""); err != nil {
			return f.fail(err)
		}
	}
	x := &execution{f: f, d: d, st: st}
	if len(t.temps) > 0 && (f.s.temp != nil || t.tempTarget) {
		err = x.tempQuery(t)
	} else if t.writes {
		err = x.write()
	} else {
		err = f.reading(d, f.s.locking() || t.locks && f.s.tx != nil, x.read)
	}
	if err != nil {
		return x.failed(err, t.writes)
	}
	return next, x.finish()
}

// execution is one run of one statement over tables.
type execution struct {
	f    *frame
	d    Database
	st   ast.Statement
	plan *bind.Plan
	out  bind.Outcome
	// held keeps the first rows of a statement that writes until its commit is hardened.
	held [][]sqltype.Value
	// streaming tells that rows go to the client at once.
	streaming bool
	input     *captured
	// begun tells that the client was told of a result set, which has to be ended.
	begun bool
	// refused tells that the session may not run it: nothing was begun.
	refused bool
}

// maxHeld is how many rows are kept back; beyond it the version they were read from is waited for instead.
const maxHeld = 256

func (x *execution) bind(k *conn, snap *catalog.Snapshot) error {
	f := x.f
	p, err := f.c.plan(f.key(x.st, x.d, snap, sqltype.Type{}), func() (*bind.Plan, error) { return bind.Query(f.env(k.db, snap), x.st) })
	if err != nil {
		return bindError{err}
	}
	x.plan = p
	return nil
}

// read runs a statement that writes nothing.
func (x *execution) read(k *conn, snap *catalog.Snapshot) error {
	if err := x.bind(k, snap); err != nil {
		return err
	}
	x.streaming = true
	return x.run(k, snap)
}

// write runs a statement that writes, and waits until its commit is hardened.
func (x *execution) write() error {
	x.prebind()
	at, err := x.f.writing(x.d, func(k *conn, snap *catalog.Snapshot) error {
		if err := x.bind(k, snap); err != nil {
			return err
		}
		if x.f.s.set.fmtOnly {
			return x.columns()
		}
		return x.run(k, snap)
	})
	if err != nil {
		return err
	}
	if err := x.harden(at); err != nil {
		return err
	}
	return x.release()
}

// prebind binds against the schema seen last, so that it need not be done while others wait for the turn. Nothing is lost
// when that schema is not the present one any more.
func (x *execution) prebind() {
	f := x.f
	snap := f.s.seen
	if snap == nil || f.s.seenDB != x.d.ID() || f.s.tx != nil && f.s.tx.writer != nil {
		return
	}
	_, _ = f.c.plan(f.key(x.st, x.d, snap, sqltype.Type{}), func() (*bind.Plan, error) { return bind.Query(f.env(x.d, snap), x.st) })
}

func (x *execution) harden(at lsn.LSN) error { return x.f.harden(x.d, at) }

// release sends the rows that were kept back.
func (x *execution) release() error {
	for _, row := range x.held {
		if err := x.f.r.out.Row(row); err != nil {
			return sinkError{err}
		}
	}
	x.held = nil
	return nil
}

func (x *execution) columns() error {
	if len(x.plan.Columns) == 0 || x.plan.Verb == bind.Assign {
		return nil
	}
	x.begun = true
	return wrapSink(x.f.r.out.Columns(x.plan.Columns))
}

func (x *execution) run(k *conn, snap *catalog.Snapshot) error {
	f := x.f
	if err := f.permit(k.db, snap, x.plan); err != nil {
		x.refused = true
		return err
	}
	if err := x.columns(); err != nil {
		return err
	}
	if f.s.set.fmtOnly {
		return nil
	}
	r := &bind.Run{MaxRows: f.s.set.rowCount}
	switch {
	case x.plan.Verb == bind.Assign:
		r.Row = x.assign
	case len(x.plan.Columns) > 0:
		r.Row = func(row []sqltype.Value) error { return x.row(k, row) }
	}
	if x.input != nil {
		r.Input = x.input.rows
	}
	var err error
	x.out, err = f.run(k, snap, x.plan, r)
	return err
}

// row takes one row of the result.
func (x *execution) row(k *conn, row []sqltype.Value) error {
	if !x.streaming && len(x.held) < maxHeld && x.f.s.tx == nil {
		x.held = append(x.held, append([]sqltype.Value(nil), row...))
		return nil
	}
	if !x.streaming {
		if err := x.stream(k); err != nil {
			return err
		}
	}
	return wrapSink(x.f.r.out.Row(row))
}

// stream waits until the version that the writing statement read is hardened, and sends what was kept back.
func (x *execution) stream(k *conn) error {
	db, err := x.d.Storage()
	if err != nil {
		return err
	}
	if err := db.WaitHardened(x.f.r.ctx, k.LSN()); err != nil {
		return err
	}
	x.streaming = true
	return x.release()
}

// assign sets the variables of SELECT @a = ….
func (x *execution) assign(row []sqltype.Value) error {
	for i, name := range x.plan.Assign {
		if v := x.f.variable(name); v != nil {
			v.value = row[i]
		}
	}
	return nil
}

// failed tells of the statement's error.
func (x *execution) failed(err error, writes bool) (flow, error) {
	f := x.f
	var b bindError
	if errors.As(err, &b) {
		return f.failBind(b.err)
	}
	fl, ferr := f.fail(err)
	if writes && x.plan != nil && !x.refused {
		fl, ferr = f.terminated(fl, ferr)
	}
	if ferr == nil && (x.begun || fl.kind == flowNext) {
		ferr = f.r.out.Done(sqlapi.Done{Command: x.command(), InProc: f.inProc, Failed: fl.kind != flowError})
	}
	return fl, ferr
}

func (x *execution) command() sqlapi.Command {
	if x.plan == nil {
		return sqlapi.CmdNone
	}
	return command(x.plan.Verb)
}

// finish notes what the statement did and ends it for the client.
func (x *execution) finish() error {
	f, s := x.f, x.f.s
	s.lastError, s.rowCount = 0, x.out.Rows
	if x.out.HasIdentity {
		s.identity = sqltype.IntOf(sqltype.BigInt, x.out.Identity)
		f.identity = s.identity
	} else if x.plan.Verb == bind.Insert {
		s.identity, f.identity = sqltype.Value{}, sqltype.Value{}
	}
	for _, a := range x.out.Assigned {
		if v := f.variable(a.Name); v != nil {
			v.value = a.Value
		}
	}
	rows := x.out.Rows
	if x.plan.Verb == bind.Assign || x.plan.Verb == bind.Truncate {
		rows = -1
	}
	return wrapEnd(f.done(x.command(), rows))
}

// wrapEnd takes the mark off an error that ends the session, where it is returned as it is.
func wrapEnd(err error) error {
	var se sinkError
	if errors.As(err, &se) {
		return se.err
	}
	return err
}

// define runs a statement that defines, alters or drops an object of a database.
func (f *frame) define(st ast.Statement) (flow, error) {
	t := f.c.traitsOf(st)
	d, err := f.home(t)
	if err != nil {
		return f.failBind(err)
	}
	if f.s.set.fmtOnly {
		return next, nil
	}
	if len(t.temps) > 0 && !t.base {
		if err := f.tempDefine(st); err != nil {
			return f.fail(err)
		}
		f.ok()
		return next, wrapEnd(f.done(sqlapi.CmdNone, -1))
	}
	if f.s.set.implicit && f.s.tx == nil {
		if err := f.r.begin(""); err != nil {
			return f.fail(err)
		}
	}
	at, err := f.writing(d, func(k *conn, snap *catalog.Snapshot) error {
		st, err := f.permitDefine(k.db, snap, st)
		if err != nil {
			return err
		}
		ch, err := bind.Define(f.env(k.db, snap), st)
		if err != nil {
			return err
		}
		f.begin(f.r.ctx, k, snap, ch.Sites)
		defer k.env.End()
		return ch.Apply(f.r.ctx, &bind.Run{Conn: k, Variable: f.variableValue, Global: f.global, Identities: k.db.Identities(),
			Database: d.Name(), Now: f.s.e.o.Clock.Now()})
	})
	if err == nil {
		err = f.harden(d, at)
	}
	if err != nil {
		return f.fail(err)
	}
	f.ok()
	return next, wrapEnd(f.done(sqlapi.CmdNone, -1))
}
