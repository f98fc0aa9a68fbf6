package bind

import (
	"context"
	"strconv"
	"strings"

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

// modifyPlan makes the plan of an UPDATE or DELETE from its bound parts.
func (b *binder) modifyPlan(u *updater, at ast.Statement, with []string, from string, where ast.Expr, top *ast.Top) (*Plan, error) {
	m, s := u.m, u.s
	cond := ""
	var err error
	if where != nil {
		s.clause = inWhere
		if cond, err = b.cond(s, where); err != nil {
			return nil, err
		}
	}
	limit := everyRow
	if top != nil {
		if limit, err = b.modifyTop(top); err != nil {
			return nil, err
		}
	}
	if err := u.finish(with, from, cond, limit); err != nil {
		return nil, err
	}
	p := &Plan{Table: m.Table, SQL: m.find.sql, Args: m.find.args, Columns: m.output.client(), Verb: Update}
	if m.verb == "DELETE" {
		p.Verb = Delete
	}
	b.writes(p, m.snap)
	p.run = func(ctx context.Context, p *Plan, r *Run) (Outcome, error) { return runModify(ctx, p, r, m) }
	return p, nil
}

// finish binds OUTPUT and the constraints, and makes the query that finds the rows.
func (u *updater) finish(with []string, from, cond, limit string) error {
	m := u.m
	if m.output != nil {
		if err := u.bindOutputs(); err != nil {
			return err
		}
	}
	var guards []string
	if m.verb != "DELETE" {
		row := u.rowScope(m.Table, func(c *rel.Column) (sqlfn.Expr, error) { return u.now(c), nil })
		changed := func(id int32) bool { _, ok := u.values[id]; return ok }
		verb := m.verb
		if u.merging {
			verb = "MERGE"
		}
		var err error
		if guards, m.verify, err = u.guards(m.target, row, verb, changed); err != nil {
			return err
		}
	}
	u.effects()
	m.find = u.statement(u.findText(with, from, cond, guards, limit))
	if !u.merging && !m.once && !m.keys && m.output == nil && len(m.foreign) == 0 && len(m.verify) == 0 && len(m.vars) == 0 {
		m.whole = u.statement(u.wholeText(from, cond, len(with) == 0 && len(guards) == 0 && limit == everyRow))
	}
	return nil
}

// everyRow is the limit of a change without TOP; it also keeps SQLite from taking the inner query apart.
const everyRow = " LIMIT -1 OFFSET 0"

// wholeText is the change as one statement, "" when there is none. plain tells that nothing but FROM and WHERE finds the
// rows. Where a subquery might look at rows that were changed a moment ago, the rows are found first.
func (u *updater) wholeText(from, cond string, plain bool) string {
	m := u.m
	direct := plain && from == m.name()+" AS "+m.alias && !strings.Contains(cond, "SELECT ")
	where := ""
	if cond != "" {
		where = " WHERE " + cond
	}
	if m.verb == "DELETE" {
		if direct {
			return "DELETE FROM " + from + where
		}
		return "DELETE FROM " + m.name() + " WHERE rowid IN (SELECT f.r FROM (" + m.find.sql + ") AS f)"
	}
	sets := make([]string, len(m.set))
	for i, c := range m.set {
		value, ok := u.inner(u.outer[i])
		if !ok || !direct || strings.Contains(value, "SELECT ") {
			return ""
		}
		sets[i] = columnName(c) + " = " + value
	}
	return "UPDATE " + from + " SET " + strings.Join(sets, ", ") + where
}

// inner gives the text that a name of the outer query stands for.
func (f *finder) inner(name string) (string, bool) {
	for text, i := range f.index {
		if name == "v.x_"+strconv.Itoa(i) {
			return text, true
		}
	}
	return "", false
}

func (b *binder) modifyTop(top *ast.Top) (string, error) {
	if top.Percent || top.WithTies {
		return "", b.refuse(top, "TOP … PERCENT or WITH TIES of a data change")
	}
	n, err := b.count(nil, top.Count)
	return " LIMIT " + n + " OFFSET 0", err
}

// bindOutputs binds the OUTPUT clause: inserted, deleted, and the other sources by what the inner query passes on.
func (u *updater) bindOutputs() error {
	var inserted func(*rel.Column) sqlfn.Expr
	if u.m.verb != "DELETE" {
		inserted = u.now
	} else if u.merging {
		inserted = func(c *rel.Column) sqlfn.Expr { return sqlfn.Expr{SQL: "NULL", Type: c.Type, Nullable: true} }
	}
	s := u.outputScope(u.m.Table, inserted, u.old)
	if u.merging {
		x := u.constant(sqltype.NVarCharOf(u.m.verb), u.collated(sqltype.Type{Kind: sqltype.NVarChar, Len: 10}))
		x.Const = nil
		s.sources = append(s.sources, &source{shown: "$action", columns: []column{{name: "$action", fold: u.fold("$action"), expr: x}}})
	}
	for _, src := range u.s.sources {
		c := *src
		c.columns = append([]column(nil), src.columns...)
		for i := range c.columns {
			col := &src.columns[i]
			c.columns[i].compute = func() (sqlfn.Expr, error) {
				x, err := col.value()
				return u.need(x), err
			}
		}
		s.sources = append(s.sources, &c)
	}
	for _, src := range u.absent {
		c := *src
		c.columns = append([]column(nil), src.columns...)
		for i := range c.columns {
			c.columns[i].expr = sqlfn.Expr{SQL: "NULL", Type: src.columns[i].expr.Type, Nullable: true}
		}
		s.sources = append(s.sources, &c)
	}
	if err := u.bindOutput(u.m.output, s); err != nil {
		return err
	}
	for _, c := range u.m.output.columns {
		u.add(c.expr)
	}
	return nil
}

// effects finds out what the change means for keys and for the tables that refer to them.
func (u *updater) effects() {
	m := u.m
	for _, f := range m.Referenced {
		if f.Disabled {
			continue
		}
		if m.verb == "DELETE" || m.verb == "UPDATE" && anyOf(f.TargetColumns, func(id int32) bool { _, ok := u.values[id]; return ok }) {
			m.foreign = append(m.foreign, f)
		}
	}
	if m.verb != "UPDATE" {
		return
	}
	for _, ix := range m.Indexes {
		for _, k := range ix.Columns {
			if _, ok := u.values[k.ColumnID]; ok && ix.Unique {
				m.keys = true
			}
		}
	}
}

// findText is the query that finds the rows.
func (u *updater) findText(with []string, from, cond string, guards []string, limit string) string {
	var t strings.Builder
	if len(with) > 0 {
		t.WriteString("WITH RECURSIVE " + strings.Join(with, ", ") + " ")
	}
	t.WriteString("SELECT " + strings.Join(append([]string{"v.r"}, u.outer...), ", ") + " FROM (SELECT " +
		strings.Join(append([]string{u.m.rowid + " AS r"}, u.finder.items...), ", ") + " FROM " + from)
	if cond != "" {
		t.WriteString(" WHERE " + cond)
	}
	t.WriteString(limit + ") AS v")
	if len(guards) > 0 {
		t.WriteString(" WHERE " + strings.Join(guards, " AND "))
	}
	return t.String()
}
