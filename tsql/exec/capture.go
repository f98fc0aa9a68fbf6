package exec

import (
	"errors"

	"linkspan/catalog"
	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// countingSink passes on what a Go procedure or an instance's statement gives, and ends its result sets with their
// counts.
type countingSink struct {
	sqlapi.ResultSink
	f    *frame
	open bool
	rows int64
	err  error // the sink's own
}

func (c *countingSink) keep(err error) error {
	if err != nil && c.err == nil {
		c.err = err
	}
	return err
}

// unwrap marks an error that was the sink's.
func (c *countingSink) unwrap(err error) error {
	if c.err != nil && errors.Is(err, c.err) {
		return sinkError{c.err}
	}
	return err
}

// Columns implements sqlapi.ResultSink.
func (c *countingSink) Columns(cols []sqlapi.Column) error {
	if err := c.close(); err != nil {
		return err
	}
	c.open, c.rows = true, 0
	return c.keep(c.ResultSink.Columns(cols))
}

// Row implements sqlapi.ResultSink.
func (c *countingSink) Row(row []sqltype.Value) error {
	c.rows++
	return c.keep(c.ResultSink.Row(row))
}

// Message implements sqlapi.ResultSink: messages get the statement's line.
func (c *countingSink) Message(e *sqlerr.Error) error {
	return c.keep(c.ResultSink.Message(e.WithLine(c.f.line)))
}

// Done implements sqlapi.ResultSink: only counts of rows pass, the end of a result set is close's.
func (c *countingSink) Done(sqlapi.Done) error { return nil }

// Flush implements sqlapi.Flusher.
func (c *countingSink) Flush() error {
	if fl, ok := c.ResultSink.(sqlapi.Flusher); ok {
		return c.keep(fl.Flush())
	}
	return nil
}

// close ends an open result set.
func (c *countingSink) close() error {
	if !c.open {
		return nil
	}
	c.open = false
	c.f.s.rowCount = c.rows
	return wrapEnd(c.f.done(sqlapi.CmdSelect, c.rows))
}

// captured keeps the rows of a procedure for INSERT … EXEC; messages go on to the client.
type captured struct {
	sqlapi.ResultSink
	columns []sqlapi.Column
	all     [][]sqltype.Value
	bytes   int
}

// maxCaptured bounds what INSERT … EXEC keeps in memory.
const maxCaptured = 64 << 20

// Columns implements sqlapi.ResultSink.
func (c *captured) Columns(cols []sqlapi.Column) error {
	c.columns = append([]sqlapi.Column(nil), cols...)
	return nil
}

// Row implements sqlapi.ResultSink.
func (c *captured) Row(row []sqltype.Value) error {
	c.bytes += 64 * len(row)
	for _, v := range row {
		c.bytes += len(v.S)
	}
	if c.bytes > maxCaptured {
		return sqlerr.New(701, "INSERT EXEC")
	}
	c.all = append(c.all, append([]sqltype.Value(nil), row...))
	return nil
}

// Done implements sqlapi.ResultSink.
func (c *captured) Done(sqlapi.Done) error { return nil }

// ReturnStatus implements sqlapi.ResultSink.
func (c *captured) ReturnStatus(int32) error { return nil }

func (c *captured) rows(yield func([]sqltype.Value, error) bool) {
	for _, r := range c.all {
		if !yield(r, nil) {
			return
		}
	}
}

// insertExec runs INSERT … EXEC: the procedure first, then the insert of its rows.
func (f *frame) insertExec(st *ast.Insert) (flow, error) {
	if _, nested := f.r.out.(*captured); nested {
		return f.raise(sqlerr.New(8164), abortBatch)
	}
	c := &captured{ResultSink: f.r.out}
	f.r.out = c
	fl, err := f.execute(st.Exec)
	f.r.out = c.ResultSink
	if err != nil || fl.kind != flowNext {
		return fl, err
	}
	if c.columns == nil {
		f.ok()
		return next, wrapEnd(f.done(sqlapi.CmdInsert, 0))
	}
	t := f.c.traitsOf(st)
	d, err := f.home(t)
	if err != nil {
		return f.failBind(err)
	}
	x := &execution{f: f, d: d, st: st, input: c}
	insert := func(k *conn, snap *catalog.Snapshot) error {
		p, err := bind.InsertRows(f.env(k.db, snap), st, c.columns)
		if err != nil {
			return bindError{err}
		}
		x.plan = p
		return x.run(k, snap)
	}
	var at lsn.LSN
	if t.tempTarget && f.s.temp != nil {
		x.streaming = true
		err = f.s.temp.atHome(f, insert)
	} else if at, err = f.writing(d, insert); err == nil {
		if err = x.harden(at); err == nil {
			err = x.release()
		}
	}
	if err != nil {
		return x.failed(err, true)
	}
	return next, x.finish()
}
