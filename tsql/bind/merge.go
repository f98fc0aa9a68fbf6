package bind

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/sqlfn"
)

// merge binds MERGE. Each WHEN is a query of its own over the tables as they are; when all rows of all of them are known,
// the deletions come first, then the updates, then the insertions.
func (b *binder) merge(s *ast.Merge) (*Plan, error) {
	if s.Top != nil {
		return nil, b.refuse(s, "MERGE TOP")
	}
	var actions []*modifier
	var first *modifier
	out, err := b.outputTarget(s.Output)
	if err != nil {
		return nil, err
	}
	for i := range s.Whens {
		c := b.fork()
		m, err := c.mergeAction(s, i, out)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = m
		}
		actions = append(actions, m)
	}
	if first == nil {
		return nil, b.fail(s, 102, "MERGE")
	}
	p := &Plan{Verb: Merge, Table: first.Table, SQL: first.find.sql, Args: first.find.args, Columns: first.output.client()}
	b.writes(p, first.snap)
	p.run = func(ctx context.Context, p *Plan, r *Run) (Outcome, error) { return runMerge(ctx, p, r, actions) }
	return p, nil
}

// mergeAction binds one WHEN.
func (b *binder) mergeAction(e *ast.Merge, n int, out *output) (*modifier, error) {
	w := &e.Whens[n]
	with, err := b.with(e.With, e.Hints)
	if err != nil {
		return nil, err
	}
	defer func() { b.ctes = b.ctes[:len(b.ctes)-len(e.With)] }()
	s := &scope{clause: inFrom}
	targetText, tsrc, _, err := b.source(s, e.Target)
	if err != nil {
		return nil, err
	}
	sourceText, ssrc, _, err := b.source(s, e.Using)
	if err != nil {
		return nil, err
	}
	if tsrc[0].table == nil {
		return nil, b.notUpdatable(e, e.Target)
	}
	t := &target{Table: tsrc[0].table, snap: b.env.Snapshot, alias: tsrc[0].sql, rowid: tsrc[0].sql + ".rowid"}
	if b.env.Temp != nil && tsrc[0].schemaSQL == b.env.Temp.SQLSchema {
		t.snap, t.temp = b.env.Temp, true
	}
	both := &scope{clause: inFrom, sources: append(append([]*source{}, tsrc...), ssrc...)}
	on, err := b.cond(both, e.On)
	if err != nil {
		return nil, err
	}
	m := &modifier{target: t, verb: w.Action, output: out.copy()}
	u := &updater{binder: b, m: m, s: both, finder: &finder{index: map[string]int{}}, values: map[int32]sqlfn.Expr{}, merging: true}
	var from, cond string
	switch w.Match {
	case "MATCHED":
		from = targetText + " JOIN " + sourceText + " ON " + on
	case "NOT MATCHED BY TARGET":
		u.s = &scope{sources: ssrc}
		from, cond = sourceText, "NOT EXISTS (SELECT 1 FROM "+targetText+" WHERE "+on+")"
		m.rowid = "NULL"
	default:
		u.s, u.absent = &scope{sources: tsrc}, ssrc
		from, cond = targetText, "NOT EXISTS (SELECT 1 FROM "+sourceText+" WHERE "+on+")"
	}
	u.s.clause = inWhere
	if cond, err = u.mergeConditions(e, n, cond); err != nil {
		return nil, err
	}
	u.s.clause = inSet
	if err := u.mergeSet(w); err != nil {
		return nil, err
	}
	return m, u.finish(with, from, cond, everyRow)
}

// copy is an OUTPUT clause to be bound for another action.
func (o *output) copy() *output {
	if o == nil {
		return nil
	}
	c := *o
	return &c
}

// mergeConditions adds the clause's own condition, and that no clause of its kind before it took the row.
func (u *updater) mergeConditions(e *ast.Merge, n int, cond string) (string, error) {
	for i := 0; i <= n; i++ {
		w := &e.Whens[i]
		if w.Match != e.Whens[n].Match {
			continue
		}
		if w.And == nil {
			if i < n {
				return "", u.fail(w, 5324, w.Match)
			}
			continue
		}
		text, err := u.cond(u.s, w.And)
		if err != nil {
			return "", err
		}
		if i < n {
			text = "(" + text + " IS NOT 1)"
		}
		cond = and(cond, text)
	}
	return cond, nil
}

// mergeSet binds what a clause does.
func (u *updater) mergeSet(w *ast.MergeWhen) error {
	switch w.Action {
	case "DELETE":
		return nil
	case "UPDATE":
		return u.assignments(&ast.Update{Pos: w.Pos, Set: w.Set})
	}
	in := &inserter{target: u.m.target}
	s := &ast.Insert{Pos: w.Pos, Columns: w.Columns, DefaultValues: w.DefaultValues}
	if err := u.insertColumns(s, in); err != nil {
		return err
	}
	if len(w.Values) != len(in.cols) {
		return u.fail(w, 213)
	}
	given := make([]sqlfn.Expr, len(w.Values))
	for i, e := range w.Values {
		var err error
		if _, dflt := e.(*ast.Default); dflt {
			given[i], err = u.defaultOf(in.cols[i])
		} else {
			given[i], err = u.expr(u.s, e)
		}
		if err != nil {
			return err
		}
	}
	values, err := u.insertRow(in, given)
	if err != nil {
		return u.place(w, err)
	}
	i := 0
	for _, c := range stored(u.m.Table) {
		if c.Computed == "" {
			u.values[c.ID] = u.need(values[i])
			u.m.set = append(u.m.set, c)
			u.add(u.values[c.ID])
			i++
		}
	}
	return u.persistedColumns()
}

// runMerge runs a MERGE.
func runMerge(ctx context.Context, p *Plan, r *Run, actions []*modifier) (Outcome, error) {
	x := &execution{ctx: ctx, plan: p, Run: r}
	x.counter(&inserter{target: actions[0].target})
	var all [][]found
	seen := map[int64]bool{}
	for _, m := range actions {
		rows, err := x.mergeRows(m, seen)
		if err != nil {
			return Outcome{}, err
		}
		all = append(all, rows)
	}
	var outputs [][]sqltype.Value
	err := x.atomically(func() error {
		for _, verb := range []string{"DELETE", "UPDATE", "INSERT"} {
			for i, m := range actions {
				if m.verb != verb || len(all[i]) == 0 {
					continue
				}
				rows := outputsOf(m, all[i])
				if err := x.change(m, all[i], rows); err != nil {
					return err
				}
				outputs = append(outputs, rows...)
				x.out.Rows += int64(len(all[i]))
			}
		}
		return nil
	})
	if err != nil {
		return Outcome{Identity: x.out.Identity, HasIdentity: x.out.HasIdentity}, err
	}
	return x.out, x.emitOutput(actions[0].output, outputs)
}

// mergeRows finds the rows of one action; a row of the target that two rows of the source match is 8672.
func (x *execution) mergeRows(m *modifier, seen map[int64]bool) ([]found, error) {
	var rows []found
	err := x.each(m.find, nil, func(st *sqlite3.Stmt) error {
		f := found{rowid: st.ColumnInt64(0), values: append([]sqltype.Value(nil), x.decode(st, 1, m.types)...)}
		if m.verb != "INSERT" {
			if seen[f.rowid] {
				return place(sqlerr.New(8672), x.plan.Line)
			}
			seen[f.rowid] = true
		}
		rows = append(rows, f)
		return nil
	})
	return rows, err
}

// insertRows inserts what an action of MERGE worked out.
func (x *execution) insertRows(m *modifier, rows []found) error {
	var names, params []string
	var args []Arg
	for i, c := range m.set {
		names, params = append(names, columnName(c)), append(params, fmt.Sprintf("?%d", i+1))
		args = append(args, Arg{Kind: InputArg, n: i, Type: c.Type})
	}
	s := statement{sql: "INSERT INTO " + m.name() + "(" + strings.Join(names, ", ") + ") VALUES(" + strings.Join(params, ", ") + ")", args: args}
	for i := range rows {
		if err := x.each(s, rows[i].values, nil); err != nil {
			if e := x.notNull(m.Table, m.temp, "INSERT", err); e != nil {
				return e
			}
			return x.modifyError(m, &rows[i], err)
		}
		for c, col := range m.set {
			if col.Identity && x.out.Identity != rows[i].values[c].N { // under IDENTITY_INSERT
				if err := x.identities(m.target).Seen(x.Conn, m.snap.SQLSchema, m.Table, rows[i].values[c].N); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
