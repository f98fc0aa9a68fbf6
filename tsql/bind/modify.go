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
	u.asksToChange()
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

// asksToChange notes the permission to do what the modifier does.
func (u *updater) asksToChange() {
	m := u.m
	n := u.asks(m.verb, m.snap.ObjectByID(m.Table.ID), m.snap)
	if n == nil || m.verb != "UPDATE" {
		return
	}
	for _, c := range m.set {
		if c.Computed == "" {
			n.use(c.ID)
		}
	}
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
