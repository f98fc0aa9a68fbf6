package exec

import (
	"errors"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
	"linkspan/tsql/parse"
)

// tempQuery runs a statement that names temporary tables or table variables.
func (x *execution) tempQuery(t traits) error {
	f := x.f
	ts, err := f.temps()
	if err != nil {
		return err
	}
	switch {
	case t.tempTarget && t.baseOutput:
		return sqlerr.New(40510, "OUTPUT … INTO a table of the database from a change of a temporary one")
	case !t.base:
		err = ts.atHome(f, func(k *conn, snap *catalog.Snapshot) error {
			x.streaming = true
			if err := x.bind(k, snap); err != nil {
				return err
			}
			return x.run(k, snap)
		})
		if err == nil && x.plan.Defines {
			err = ts.reload(f.s.nesting)
		}
		return err
	case !t.tempTarget && t.writes:
		return x.writeWith(ts, t)
	case !t.tempTarget:
		return f.reading(x.d, f.s.locking() || t.locks && f.s.tx != nil, func(k *conn, snap *catalog.Snapshot) error {
			return x.withCopies(ts, t, k, snap, false)
		})
	}
	if ins, ok := x.st.(*ast.Insert); ok && ins.Query != nil && len(ins.With) == 0 {
		return x.insertTemp(ts, t, ins, ins.Query)
	}
	if sel, ok := x.st.(*ast.Select); ok {
		return x.selectIntoTemp(ts, t, sel)
	}
	return f.reading(x.d, false, func(k *conn, snap *catalog.Snapshot) error { return x.withCopies(ts, t, k, snap, true) })
}

// readingAll runs what reads tables of d, temporary tables, or both: where the temporary ones live, or beside copies of
// them.
func (f *frame) readingAll(d Database, t traits, run func(*conn, *catalog.Snapshot) error) error {
	ts := f.s.temp
	lock := f.s.locking() || t.locks && f.s.tx != nil
	switch {
	case len(t.temps) == 0 || ts == nil:
		return f.reading(d, lock, run)
	case !t.base:
		return ts.atHome(f, run)
	}
	return f.reading(d, lock, func(k *conn, snap *catalog.Snapshot) error {
		copies := ts.stored(t.temps)
		err := ts.copyTo(k, copies, false)
		if err == nil {
			err = run(k, snap)
		}
		return errors.Join(err, dropCopies(k, copies))
	})
}

// writeWith runs a statement that writes into the database and reads temporary tables.
func (x *execution) writeWith(ts *tempStore, t traits) error {
	at, err := x.f.writing(x.d, func(k *conn, snap *catalog.Snapshot) error { return x.withCopies(ts, t, k, snap, t.tempOutput) })
	if err != nil {
		return err
	}
	if err := x.harden(at); err != nil {
		return err
	}
	return x.release()
}

// withCopies runs the statement on a connection of its database, beside copies of the temporary tables it names; with
// back the copies are what it changes.
func (x *execution) withCopies(ts *tempStore, t traits, k *conn, snap *catalog.Snapshot, back bool) error {
	copies := ts.stored(t.temps)
	if back {
		sys, err := ts.tables("sys_%")
		if err != nil {
			return err
		}
		copies = append(copies, sys...)
	}
	err := ts.copyTo(k, copies, back)
	if err == nil {
		err = x.bind(k, snap)
	}
	if err == nil {
		x.streaming = !x.plan.Writes
		err = x.run(k, snap)
	}
	if err == nil && back {
		err = ts.takeBack(k, copies)
	}
	if k.GetAutocommit() {
		return err
	}
	if derr := dropCopies(k, copies); err == nil {
		err = derr
	}
	return err
}

// insertTemp is INSERT #t SELECT … from tables of the database: the query runs there, its rows go home.
func (x *execution) insertTemp(ts *tempStore, t traits, ins *ast.Insert, query *ast.Select) error {
	f := x.f
	rows := &captured{}
	var columns []sqlapi.Column
	err := f.reading(x.d, f.s.locking(), func(k *conn, snap *catalog.Snapshot) error {
		copies := ts.stored(t.temps)
		err := ts.copyTo(k, copies, false)
		if err == nil {
			columns, err = x.capture(k, snap, query, rows)
		}
		return errors.Join(err, dropCopies(k, copies))
	})
	if err != nil {
		return err
	}
	x.input = rows
	return ts.atHome(f, func(k *conn, snap *catalog.Snapshot) error {
		p, err := bind.InsertRows(f.env(k.db, snap), ins, columns)
		if err != nil {
			return bindError{err}
		}
		x.plan, x.streaming = p, true
		return x.run(k, snap)
	})
}

// capture runs a query and keeps its rows.
func (x *execution) capture(k *conn, snap *catalog.Snapshot, query *ast.Select, rows *captured) ([]sqlapi.Column, error) {
	p, err := bind.Query(x.f.env(x.d, snap), query)
	if err != nil {
		return nil, bindError{err}
	}
	if err := x.f.permit(k.db, snap, p); err != nil {
		return nil, err
	}
	_, err = x.f.run(k, snap, p, &bind.Run{Row: rows.Row})
	return p.Columns, err
}

// selectIntoTemp is SELECT … INTO #t from tables of the database.
func (x *execution) selectIntoTemp(ts *tempStore, t traits, sel *ast.Select) error {
	f := x.f
	spec, ok := sel.Body.(*ast.SelectSpec)
	plain := *sel
	var into *ast.ObjectName
	if ok {
		s := *spec
		into, s.Into = s.Into, nil
		plain.Body = &s
	} else if op, isOp := sel.Body.(*ast.SetOp); isOp {
		plain.Body, into = withoutInto(op)
	}
	var columns []sqlapi.Column
	if err := f.reading(x.d, false, func(k *conn, snap *catalog.Snapshot) error {
		p, err := bind.Query(f.env(x.d, snap), &plain)
		if err != nil {
			return bindError{err}
		}
		columns = p.Columns
		return nil
	}); err != nil {
		return err
	}
	def := &ast.CreateTable{Pos: sel.Pos, Name: *into}
	for _, c := range columns {
		typ, err := parse.Type(c.Type.String())
		if err != nil {
			return err
		}
		typ.Collation = c.Type.Collation
		if typ.Name == "timestamp" {
			typ = ast.TypeName{Name: "binary", Args: []int{8}}
		}
		null := c.Nullable
		def.Columns = append(def.Columns, &ast.ColumnDef{Pos: sel.Pos, Name: c.Name, Type: typ, Null: &null})
	}
	if err := f.tempDefine(def); err != nil {
		return err
	}
	return x.insertTemp(ts, t, &ast.Insert{Pos: sel.Pos, Target: &ast.TableName{Pos: sel.Pos, Name: *into}, Query: &plain}, &plain)
}

// withoutInto copies a set operation without the INTO of its first query.
func withoutInto(op *ast.SetOp) (*ast.SetOp, *ast.ObjectName) {
	c := *op
	switch left := op.Left.(type) {
	case *ast.SelectSpec:
		s := *left
		into := s.Into
		s.Into = nil
		c.Left = &s
		return &c, into
	case *ast.SetOp:
		l, into := withoutInto(left)
		c.Left = l
		return &c, into
	}
	return &c, nil
}
