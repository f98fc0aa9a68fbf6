package bind

import (
	"strconv"

	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// modifier is a bound UPDATE or DELETE: a query that finds the rows and works out everything that is new, and then what is
// done to each row. All expressions are evaluated before the first row changes, as SQL Server does it.
type modifier struct {
	*target
	verb string
	// find gives the row's rowid, the new values of set, those of the variables, and those of OUTPUT.
	find   statement
	set    []*rel.Column
	vars   []string
	types  []sqltype.Type // of all columns of find after the rowid
	output *output
	verify []verification
	// once is true when a row may be found twice (joins): the first counts.
	once bool
	// keys is true when a unique key changes: rows are taken out and put in again, so that keys may change places.
	keys bool
	// foreign are the foreign keys that refer to columns that change.
	foreign []*rel.Foreign
	// whole does everything in one statement, where nothing has to be known of the single rows; empty otherwise.
	whole statement
}

// finder gathers the inner query of a modifier: what it selects, each text once.
type finder struct {
	items []string
	index map[string]int
}

// need gives the name under which the outer query sees an expression of the inner one.
func (f *finder) need(x sqlfn.Expr) sqlfn.Expr {
	i, ok := f.index[x.SQL]
	if !ok {
		i = len(f.items)
		f.index[x.SQL] = i
		f.items = append(f.items, x.SQL+" AS x_"+strconv.Itoa(i))
	}
	return sqlfn.Expr{SQL: "v.x_" + strconv.Itoa(i), Type: x.Type, Nullable: x.Nullable}
}

// modified binds the FROM of an UPDATE or DELETE: it finds the target among the sources or puts it beside them.
func (b *binder) modified(s *scope, at ast.Node, tgt ast.Source, from []ast.Source) (*target, string, error) {
	if len(from) == 0 {
		from = []ast.Source{tgt}
	}
	name, _ := tgt.(*ast.TableName)
	text, err := b.from(s, from)
	if err != nil {
		return nil, "", err
	}
	src := b.findTarget(s, name, tgt)
	if src == nil {
		more, added, _, err := b.source(s, tgt)
		if err != nil {
			return nil, "", err
		}
		s.sources = append(added, s.sources...)
		text, src = more+", "+text, added[0]
	}
	if src.table == nil {
		return nil, "", b.notUpdatable(at, tgt)
	}
	if src.need != nil {
		src.need.lazy = true
	}
	t := &target{Table: src.table, alias: src.sql, rowid: src.sql + ".rowid"}
	t.snap = b.env.Snapshot
	if b.env.Temp != nil && src.schemaSQL == b.env.Temp.SQLSchema {
		t.snap, t.temp = b.env.Temp, true
	} else if src.schemaSQL != b.env.Snapshot.SQLSchema {
		return nil, "", b.refuse(at, "a write to another database")
	}
	if src.viaCTE != "" { // the row of the table itself, found by what the CTE passes on
		t.alias = b.alias()
		t.rowid = t.alias + ".rowid"
		text += " JOIN " + t.name() + " AS " + t.alias + " ON " + t.rowid + " = " + src.viaCTE
	}
	return t, text, nil
}

// findTarget finds the source that a statement's target names: by its alias, or the only one of that table.
func (b *binder) findTarget(s *scope, name *ast.TableName, tgt ast.Source) *source {
	if v, ok := tgt.(*ast.TableVariable); ok {
		for _, src := range s.sources {
			if src.name == b.fold(v.Name) || src.table != nil && b.env.Temp != nil && src.table == b.env.Temp.Table("dbo", v.Name) {
				return src
			}
		}
		return nil
	}
	if name.Name.Schema == "" && name.Name.Database == "" {
		for _, src := range s.sources {
			if src.name == b.fold(name.Name.Name) {
				return src
			}
		}
	}
	r, err := b.resolve(name.Name)
	if err != nil || r.table == nil {
		return nil
	}
	for _, src := range s.sources {
		if src.table == r.table {
			return src
		}
	}
	return nil
}

func (b *binder) notUpdatable(at ast.Node, tgt ast.Source) error {
	name := "the derived table"
	if t, ok := tgt.(*ast.TableName); ok {
		name = t.Name.String()
	}
	return b.refuse(at, "a change through "+name+", which is no table")
}

// ctesOf binds the CTEs of an UPDATE, DELETE or MERGE; one that is the target passes on the rows it stands for.
func (b *binder) ctesOf(list []*ast.CTE, tgt ast.Source, hints []ast.Option) ([]string, error) {
	if t, ok := tgt.(*ast.TableName); ok && t.Name.Schema == "" {
		b.rowsOf = b.fold(t.Name.Name)
		defer func() { b.rowsOf = "" }()
	}
	return b.with(list, hints)
}

// update binds UPDATE.
func (b *binder) update(e *ast.Update) (*Plan, error) {
	if e.Cursor != "" {
		return nil, b.refuse(e, "WHERE CURRENT OF")
	}
	with, err := b.ctesOf(e.With, e.Target, e.Hints)
	if err != nil {
		return nil, err
	}
	s := &scope{clause: inFrom}
	t, from, err := b.modified(s, e, e.Target, e.From)
	if err != nil {
		return nil, err
	}
	m := &modifier{target: t, verb: "UPDATE", once: len(s.sources) > 1}
	u := &updater{binder: b, m: m, s: s, finder: &finder{index: map[string]int{}}, values: map[int32]sqlfn.Expr{}}
	s.clause = inSet
	if err := u.assignments(e); err != nil {
		return nil, err
	}
	if m.output, err = b.outputTarget(e.Output); err != nil {
		return nil, err
	}
	return b.modifyPlan(u, e, with, from, e.Where, e.Top)
}

// updater binds the parts of an UPDATE.
type updater struct {
	*binder
	m *modifier
	s *scope
	*finder
	// values are the new values, by column.
	values map[int32]sqlfn.Expr
	// outer are the items of the outer query.
	outer []string
	// merging is set for an action of MERGE, whose OUTPUT has $action.
	merging bool
	// absent are sources of MERGE that have no row for this action.
	absent []*source
}

// old is the value that a column had; a row that MERGE inserts had none.
func (u *updater) old(c *rel.Column) sqlfn.Expr {
	if u.m.verb == "INSERT" {
		return sqlfn.Expr{SQL: "NULL", Type: c.Type, Nullable: true}
	}
	return u.need(sqlfn.Expr{SQL: u.m.alias + "." + columnName(c), Type: c.Type, Nullable: c.Nullable})
}

// now is the value that a column will have.
func (u *updater) now(c *rel.Column) sqlfn.Expr {
	if x, ok := u.values[c.ID]; ok {
		return x
	}
	return u.old(c)
}

func (u *updater) add(x sqlfn.Expr) {
	u.outer = append(u.outer, x.SQL)
	u.m.types = append(u.m.types, x.Type)
}

// assignments binds the SET clause.
func (u *updater) assignments(e *ast.Update) error {
	var vars []sqlfn.Expr
	for i := range e.Set {
		a := &e.Set[i]
		x, err := u.assigned(a)
		if err != nil {
			return err
		}
		if a.Variable != "" {
			t, ok := u.env.variable(a.Variable)
			if !ok {
				return u.fail(a.Value, 137, a.Variable)
			}
			v, err := sqlfn.Convert(x, u.collated(t), sqlfn.Options{Implicit: true})
			if err != nil {
				return u.place(a.Value, err)
			}
			u.m.vars = append(u.m.vars, a.Variable)
			vars = append(vars, u.need(v))
		}
	}
	for _, c := range u.m.set {
		u.add(u.values[c.ID])
	}
	if err := u.persistedColumns(); err != nil {
		return err
	}
	for _, v := range vars {
		u.add(v)
	}
	return nil
}

// persistedColumns lets the stored computed columns follow the columns they are made of.
func (u *updater) persistedColumns() error {
	for _, c := range u.m.Columns {
		if c.Computed != "" && c.Persisted {
			exprs := map[int32]sqlfn.Expr{}
			for _, o := range u.m.Columns {
				if o.Computed == "" {
					exprs[o.ID] = u.now(o)
				}
			}
			x, err := u.persisted(u.m.target, exprs, c)
			if err != nil {
				return err
			}
			u.m.set = append(u.m.set, c)
			u.add(x)
		}
	}
	return nil
}

// assigned binds one item of SET and gives the value before it was converted to the column's type.
func (u *updater) assigned(a *ast.Assignment) (sqlfn.Expr, error) {
	var c *rel.Column
	if a.Column != nil {
		var err error
		if c, err = u.targetColumn(u.m.target, a.Column, a.Column.Name); err != nil {
			return sqlfn.Expr{}, err
		}
		switch _, twice := u.values[c.ID]; {
		case twice:
			return sqlfn.Expr{}, u.fail(a.Column, 264, c.Name)
		case c.Computed != "":
			return sqlfn.Expr{}, u.fail(a.Column, 271, c.Name)
		case c.Identity:
			return sqlfn.Expr{}, u.fail(a.Column, 8102, c.Name)
		case c.Type.Kind == sqltype.RowVersion:
			return sqlfn.Expr{}, u.fail(a.Column, 272)
		}
	}
	x, err := u.setValue(a, c)
	if err != nil || c == nil {
		return x, u.place(a.Value, err)
	}
	y, err := u.assign(u.m.target, c, x, "UPDATE")
	if err != nil {
		return x, u.place(a.Value, err)
	}
	u.m.set = append(u.m.set, c)
	u.values[c.ID] = u.need(y)
	return x, nil
}

func (u *updater) setValue(a *ast.Assignment, c *rel.Column) (sqlfn.Expr, error) {
	if _, dflt := a.Value.(*ast.Default); dflt && c != nil {
		return u.defaultOf(c)
	}
	x, err := u.expr(u.s, a.Value)
	if err != nil || len(a.Op) < 2 {
		return x, err
	}
	var left sqlfn.Expr
	if c != nil {
		left = sqlfn.Expr{SQL: u.m.alias + "." + columnName(c), Type: c.Type, Nullable: c.Nullable}
	} else if left, err = u.variable(&ast.Variable{Pos: a.Value.Position(), Name: a.Variable}); err != nil {
		return x, err
	}
	return sqlfn.Binary(a.Op[:len(a.Op)-1], left, x)
}

// delete binds DELETE.
func (b *binder) delete(e *ast.Delete) (*Plan, error) {
	if e.Cursor != "" {
		return nil, b.refuse(e, "WHERE CURRENT OF")
	}
	with, err := b.ctesOf(e.With, e.Target, e.Hints)
	if err != nil {
		return nil, err
	}
	s := &scope{clause: inFrom}
	t, from, err := b.modified(s, e, e.Target, e.From)
	if err != nil {
		return nil, err
	}
	m := &modifier{target: t, verb: "DELETE", once: len(s.sources) > 1}
	if m.output, err = b.outputTarget(e.Output); err != nil {
		return nil, err
	}
	u := &updater{binder: b, m: m, s: s, finder: &finder{index: map[string]int{}}}
	return b.modifyPlan(u, e, with, from, e.Where, e.Top)
}
