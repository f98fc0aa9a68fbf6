package bind

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// alterTable binds ALTER TABLE. What refers to rows already there is done when the change is applied.
func (b *binder) alterTable(s *ast.AlterTable) (*Change, error) {
	t, snap, err := b.alterable(s, s.Name)
	if err != nil {
		return nil, err
	}
	a := &alteration{binder: b, s: s, t: t, snap: snap}
	var f func(*definition) error
	switch {
	case len(s.AddColumns) > 0 || len(s.AddConstraints) > 0:
		f, err = a.add()
	case s.Alter != nil:
		f, err = a.alterColumn()
	case len(s.Drop) > 0:
		f = a.drop
	case s.Check != "":
		f = a.check
	case s.Other == "REBUILD":
		f = func(*definition) error { return nil }
	default:
		return nil, b.refuse(s, "ALTER TABLE … "+s.Other)
	}
	if err != nil {
		return nil, err
	}
	return b.changeIn(snap, "ALTER TABLE", f), nil
}

// alteration is one ALTER TABLE.
type alteration struct {
	*binder
	s    *ast.AlterTable
	t    *rel.Table
	snap *catalog.Snapshot
}

// add binds ADD. A description of the table as it will be serves to bind constraints over old and new columns.
func (a *alteration) add() (func(*definition) error, error) {
	next := *a.t
	next.Columns = append([]*rel.Column(nil), a.t.Columns...)
	next.Indexes = append([]*rel.Index(nil), a.t.Indexes...)
	next.Checks, next.Foreign = nil, nil
	last := int32(0)
	for _, c := range a.t.Columns {
		last = max(last, c.ID)
	}
	var added []*rel.Column
	for _, c := range a.s.AddColumns {
		for _, o := range next.Columns {
			if a.fold(o.Name) == a.fold(c.Name) {
				return nil, a.fail(c, 2705, c.Name, a.t.Name)
			}
		}
		col, err := a.columnDef(c, a.t.Name)
		if err != nil {
			return nil, err
		}
		last++
		col.ID = last
		a.siteOf(&target{Table: a.t, snap: a.snap}, col) // numbered now: the statement's sites are handed over before it runs
		if col.Identity && next.Identity >= 0 {
			return nil, a.fail(c, 2744, a.t.Name)
		}
		if col.Computed != "" {
			if err := a.computedTypes([]*ast.ColumnDef{c}, &rel.Table{Schema: a.t.Schema, Name: a.t.Name, Columns: append([]*rel.Column{col}, next.Columns...)}); err != nil {
				return nil, err
			}
		}
		added, next.Columns = append(added, col), append(next.Columns, col)
	}
	k := &constraintAdder{binder: a.binder, t: &next, snap: a.snap}
	for i, c := range a.s.AddColumns {
		for _, con := range c.Constraints {
			if err := k.constraint(con, added[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, con := range a.s.AddConstraints {
		if con.Kind == ast.DefaultValue {
			continue
		}
		if err := k.constraint(con, nil); err != nil {
			return nil, err
		}
	}
	k.clusterPrimary()
	return func(d *definition) error { return a.applyAdd(d, &next, added) }, nil
}

// applyAdd adds columns, then what was defined over them. Numbers of new columns are settled as they are added.
func (a *alteration) applyAdd(d *definition, next *rel.Table, added []*rel.Column) error {
	t, real := a.t, map[int32]int32{}
	for i, c := range added {
		var err error
		guess := c.ID
		if t, err = a.addColumn(d, t, c, a.s.AddColumns[i]); err != nil {
			return err
		}
		real[guess] = t.Columns[len(t.Columns)-1].ID
	}
	number := func(id int32) int32 {
		if n, ok := real[id]; ok {
			return n
		}
		return id
	}
	for _, ix := range next.Indexes[len(a.t.Indexes):] {
		for i := range ix.Columns {
			ix.Columns[i].ColumnID = number(ix.Columns[i].ColumnID)
		}
		var err error
		if t, err = d.AddIndex(t, ix); err != nil {
			return err
		}
	}
	for _, c := range next.Checks {
		c.ColumnID = number(c.ColumnID)
		if err := a.addCheck(d, &t, c); err != nil {
			return err
		}
	}
	for _, f := range next.Foreign {
		for i := range f.Columns {
			f.Columns[i] = number(f.Columns[i])
		}
		if err := a.addForeign(d, &t, f); err != nil {
			return err
		}
	}
	for _, con := range a.s.AddConstraints {
		if con.Kind != ast.DefaultValue {
			continue
		}
		k := &constraintAdder{binder: a.binder, t: copyTable(t), snap: a.snap}
		if err := k.constraint(con, nil); err != nil {
			return err
		}
		col := k.find(con.For)
		var err error
		if t, err = d.AddDefault(t, t.Column(col.ID), con.Name, col.Default); err != nil {
			return err
		}
	}
	return nil
}

// copyTable copies what binding a default writes to.
func copyTable(t *rel.Table) *rel.Table {
	c := *t
	c.Columns = nil
	for _, col := range t.Columns {
		x := *col
		c.Columns = append(c.Columns, &x)
	}
	return &c
}

// addColumn adds one column; rows already there get the default when the column must not be NULL or WITH VALUES asks.
func (a *alteration) addColumn(d *definition, t *rel.Table, c *rel.Column, def *ast.ColumnDef) (*rel.Table, error) {
	b := a.fork()
	site := b.siteOf(&target{Table: t, snap: a.snap}, c)
	var x sqlfn.Expr
	var err error
	switch {
	case c.Identity:
		x = sqlfn.Expr{SQL: fmt.Sprintf("(%d + (row_number() OVER (ORDER BY s.rowid) - 1) * %d)", c.Seed, c.Increment), Type: sqltype.Type{Kind: sqltype.BigInt}}
	case c.Persisted && c.Computed != "":
		exprs := map[int32]sqlfn.Expr{}
		for _, o := range t.Columns {
			exprs[o.ID] = sqlfn.Expr{SQL: "s." + columnName(o), Type: o.Type, Nullable: o.Nullable}
		}
		x, err = b.persisted(&target{Table: t, snap: a.snap}, exprs, c)
	case c.Default != "" && (!c.Nullable || withValues(def)):
		x, err = b.defaultOf(c)
	case !c.Nullable && c.Computed == "":
		empty, err := a.empty(d, t)
		if err != nil {
			return nil, err
		}
		if !empty {
			return nil, a.fail(def, 4901, c.Name, t.Name)
		}
		return d.AddColumn(t, c, &catalog.Fill{SQL: "NULL"})
	default:
		return d.AddColumn(t, c, nil)
	}
	if err == nil {
		x, err = sqlfn.Assign(x, c.Type, site)
	}
	if err != nil {
		return nil, a.place(def, err)
	}
	now, err := d.AddColumn(t, c, d.fill(b, x))
	return now, d.filled(c, t, err)
}

func withValues(def *ast.ColumnDef) bool {
	for _, k := range def.Constraints {
		if ast.FindOption(k.Options, "VALUES") != nil {
			return true
		}
	}
	return false
}

// fill is a bound expression as the catalog takes it.
func (d *definition) fill(b *binder, x sqlfn.Expr) *catalog.Fill {
	args := b.param.args
	return &catalog.Fill{SQL: x.SQL, Bind: func(st *sqlite3.Stmt) error { return d.execution.bind(st, args, nil) }}
}

// filled gives the SQL error that stopped the rewriting of a table.
func (d *definition) filled(c *rel.Column, t *rel.Table, err error) error {
	if err == nil || errors.As(err, new(*sqlerr.Error)) || errors.As(err, new(*catalog.DuplicateKeyError)) {
		return err
	}
	if errors.Is(err, sqlite3.CONSTRAINT_NOTNULL) {
		return (&violation{table: t, verb: "UPDATE", column: c.Name}).error(d.Run)
	}
	if st, e := d.Conn.Stmt("SELECT 1"); e == nil {
		if env, e := sqlfn.EnvOf(st.Conn()); e == nil {
			if taken := env.TakeError(); taken != nil {
				return taken
			}
		}
	}
	return err
}

func (a *alteration) empty(d *definition, t *rel.Table) (bool, error) {
	empty := true
	err := d.each(statement{sql: "SELECT 1 FROM " + catalog.TableName(a.snap.SQLSchema, t.ID) + " LIMIT 1"}, nil,
		func(*sqlite3.Stmt) error { empty = false; return nil })
	return empty, err
}

// addCheck adds a CHECK constraint after a look at the rows.
func (a *alteration) addCheck(d *definition, t **rel.Table, c *rel.Check) error {
	if !c.NotTrusted {
		if err := a.checkRows(d, *t, c); err != nil {
			return err
		}
	}
	now, err := d.AddCheck(*t, c)
	*t = now
	return err
}

// checkRows fails when a row breaks a CHECK constraint.
func (a *alteration) checkRows(d *definition, t *rel.Table, c *rel.Check) error {
	b := a.fork()
	s := b.tableScope(t, "v")
	text, err := b.check(s, c.Expr)
	if err != nil {
		return err
	}
	q := b.statement("SELECT 1 FROM " + catalog.TableName(a.snap.SQLSchema, t.ID) + " AS v WHERE (" + text + ") = 0 LIMIT 1")
	v := &violation{table: t, verb: "ALTER TABLE", kind: "CHECK", name: d.constraintName(c.Name, c.ID)}
	if col := t.Column(c.ColumnID); col != nil {
		v.column = col.Name
	}
	return d.each(q, nil, func(*sqlite3.Stmt) error { return v.error(d.Run) })
}

// constraintName is the name for a message about a constraint that may have none yet.
func (d *definition) constraintName(name string, id int32) string {
	if name == "" {
		return "(unnamed)"
	}
	return name
}

// addForeign adds a foreign key after a look at the rows.
func (a *alteration) addForeign(d *definition, t **rel.Table, f *rel.Foreign) error {
	if f.Target == 0 {
		f.Target = (*t).ID
	}
	if !f.NotTrusted {
		if err := a.foreignRows(d, *t, f); err != nil {
			return err
		}
	}
	now, err := d.AddForeign(*t, f)
	*t = now
	return err
}

func (a *alteration) foreignRows(d *definition, t *rel.Table, f *rel.Foreign) error {
	parent := d.Definer.Snapshot().ObjectByID(f.Target)
	if parent == nil {
		return fmt.Errorf("no table %d", f.Target)
	}
	v := &violation{table: parent.Table, verb: "ALTER TABLE", kind: "FOREIGN KEY", name: d.constraintName(f.Name, f.ID)}
	if len(f.TargetColumns) == 1 {
		v.column = parent.Table.Column(f.TargetColumns[0]).Name
	}
	tgt := &target{Table: t, snap: a.snap}
	return d.verify([]verification{{sql: a.orphans(tgt, f), violation: v}})
}

// alterColumn binds ALTER COLUMN: a new type, a new nullability.
func (a *alteration) alterColumn() (func(*definition) error, error) {
	def := a.s.Alter
	var col *rel.Column
	for _, c := range a.t.Columns {
		if a.fold(c.Name) == a.fold(def.Name) {
			col = c
		}
	}
	if col == nil {
		return nil, a.fail(a.s, 4924, "ALTER TABLE ALTER COLUMN", def.Name, a.t.Name)
	}
	if col.Computed != "" {
		return nil, a.fail(a.s, 4928, col.Name, "COMPUTED")
	}
	to, err := a.typeOf(def.Type, 1)
	if err != nil {
		return nil, err
	}
	nullable := true
	if def.Null != nil {
		nullable = *def.Null
	}
	if err := a.dependents(col, "ALTER TABLE ALTER COLUMN", to, nullable); err != nil {
		return nil, err
	}
	b := a.fork()
	site := b.siteOf(&target{Table: a.t, snap: a.snap}, col)
	x, err := sqlfn.Assign(sqlfn.Expr{SQL: "s." + columnName(col), Type: col.Type, Nullable: col.Nullable}, to, site)
	if err != nil {
		return nil, a.place(a.s, err)
	}
	return func(d *definition) error {
		_, err := d.AlterColumn(a.t, col, to, nullable && !col.Identity, d.fill(b, x))
		return d.filled(col, a.t, err)
	}, nil
}
