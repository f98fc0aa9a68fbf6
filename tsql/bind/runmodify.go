package bind

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
)

// found is one row to change.
type found struct {
	rowid  int64
	values []sqltype.Value // new values, variables, OUTPUT
	// old holds the row as it was, by column; only when something needs it.
	old map[int32]sqltype.Value
}

// runModify runs an UPDATE or DELETE.
func runModify(ctx context.Context, p *Plan, r *Run, m *modifier) (Outcome, error) {
	x := &execution{ctx: ctx, plan: p, Run: r}
	if m.whole.sql != "" {
		return x.changeWhole(m)
	}
	rows, err := x.findRows(m)
	if err != nil {
		return x.out, err
	}
	outputs := outputsOf(m, rows)
	change := func() error { return x.change(m, rows, outputs) }
	if len(rows) > 1 || len(m.foreign) > 0 || len(m.verify) > 0 || m.output != nil && m.output.into != nil {
		err = x.atomically(change)
	} else if len(rows) > 0 {
		err = change()
	}
	if err != nil {
		return Outcome{}, err
	}
	x.out.Rows = int64(len(rows))
	if n := len(rows); n > 0 {
		for i, name := range m.vars {
			x.out.Assigned = append(x.out.Assigned, Assigned{Name: name, Value: rows[n-1].values[len(m.set)+i]})
		}
	}
	return x.out, x.emitOutput(m.output, outputs)
}

// changeWhole runs the change as one statement.
func (x *execution) changeWhole(m *modifier) (Outcome, error) {
	if m.verb == "DELETE" && m.Identity >= 0 {
		if err := x.identities(m.target).Save(x.Conn, m.snap.SQLSchema, m.Table); err != nil {
			return Outcome{}, err
		}
	}
	err := x.atomically(func() error {
		return x.eachThen(m.whole, nil, nil, func(c *sqlite3.Conn) { x.out.Rows = c.Changes() })
	})
	if err != nil {
		if e := x.notNull(m.Table, m.temp, m.verb, err); e != nil {
			err = e
		}
	}
	return x.out, err
}

// outputsOf gives the values of OUTPUT, the last of each row.
func outputsOf(m *modifier, rows []found) [][]sqltype.Value {
	if m.output == nil {
		return nil
	}
	from := len(m.types) - len(m.output.columns)
	list := make([][]sqltype.Value, len(rows))
	for i, f := range rows {
		list[i] = f.values[from:]
	}
	return list
}

// findRows runs the query; a row that joins found twice counts once.
func (x *execution) findRows(m *modifier) ([]found, error) {
	var rows []found
	var seen map[int64]bool
	if m.once {
		seen = map[int64]bool{}
	}
	err := x.each(m.find, nil, func(st *sqlite3.Stmt) error {
		id := st.ColumnInt64(0)
		if st.ColumnType(0) == sqlite3.NULL || seen[id] { // NULL: an outer join found no row of the target
			return nil
		}
		if seen != nil {
			seen[id] = true
		}
		rows = append(rows, found{rowid: id, values: append([]sqltype.Value(nil), x.decode(st, 1, m.types)...)})
		return nil
	})
	return rows, err
}

func (x *execution) change(m *modifier, rows []found, outputs [][]sqltype.Value) error {
	replace := m.keys && len(rows) > 1
	if len(m.foreign) > 0 || replace || m.keys {
		if err := x.readOld(m.target, rows); err != nil {
			return err
		}
	}
	var err error
	switch {
	case m.verb == "DELETE":
		err = x.deleteRows(m.target, rows)
	case m.verb == "INSERT":
		err = x.insertRows(m, rows)
	case replace:
		err = x.replaceRows(m, rows)
	default:
		err = x.updateRows(m, rows)
	}
	if err != nil {
		return err
	}
	for _, f := range m.foreign {
		if err := x.referenced(m, f, rows); err != nil {
			return err
		}
	}
	if err := x.verify(m.verify); err != nil {
		return err
	}
	return x.outputRows(m.output, outputs)
}

// readOld reads the rows as they are.
func (x *execution) readOld(t *target, rows []found) error {
	cols := stored(t.Table)
	names, types := make([]string, len(cols)), make([]sqltype.Type, len(cols))
	for i, c := range cols {
		names[i], types[i] = columnName(c), c.Type
	}
	if len(cols) == 0 {
		return nil
	}
	s := statement{sql: "SELECT " + strings.Join(names, ", ") + " FROM " + t.name() + " WHERE rowid = ?1",
		args: []Arg{{Kind: InputArg, Type: sqltype.Type{Kind: sqltype.BigInt}}}}
	for i := range rows {
		err := x.each(s, []sqltype.Value{rowidValue(rows[i].rowid)}, func(st *sqlite3.Stmt) error {
			rows[i].old = map[int32]sqltype.Value{}
			for c, v := range x.decode(st, 0, types) {
				rows[i].old[cols[c].ID] = v
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func rowidValue(n int64) sqltype.Value { return sqltype.IntOf(sqltype.BigInt, n) }

// deleteRows removes rows by rowid. The identity's current value is kept first: the greatest may be among them.
func (x *execution) deleteRows(t *target, rows []found) error {
	if t.Identity >= 0 && len(rows) > 0 {
		if err := x.identities(t).Save(x.Conn, t.snap.SQLSchema, t.Table); err != nil {
			return err
		}
	}
	s := statement{sql: "DELETE FROM " + t.name() + " WHERE rowid = ?1", args: []Arg{{Kind: InputArg, Type: sqltype.Type{Kind: sqltype.BigInt}}}}
	for i := range rows {
		if err := x.each(s, []sqltype.Value{rowidValue(rows[i].rowid)}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (x *execution) updateRows(m *modifier, rows []found) error {
	if len(m.set) == 0 {
		return nil
	}
	var sets []string
	var args []Arg
	for i, c := range m.set {
		sets = append(sets, fmt.Sprintf("%s = ?%d", columnName(c), i+1))
		args = append(args, Arg{Kind: InputArg, n: i, Type: c.Type})
	}
	n := len(m.set)
	args = append(args, Arg{Kind: InputArg, n: n, Type: sqltype.Type{Kind: sqltype.BigInt}})
	s := statement{sql: fmt.Sprintf("UPDATE %s SET %s WHERE rowid = ?%d", m.name(), strings.Join(sets, ", "), n+1), args: args}
	input := make([]sqltype.Value, n+1)
	for i := range rows {
		copy(input, rows[i].values[:n])
		input[n] = rowidValue(rows[i].rowid)
		if err := x.each(s, input, nil); err != nil {
			return x.modifyError(m, &rows[i], err)
		}
	}
	return nil
}

// replaceRows takes all rows out before it puts them in anew, so that keys may move among them.
func (x *execution) replaceRows(m *modifier, rows []found) error {
	del := statement{sql: "DELETE FROM " + m.name() + " WHERE rowid = ?1", args: []Arg{{Kind: InputArg, Type: sqltype.Type{Kind: sqltype.BigInt}}}}
	for i := range rows {
		if err := x.each(del, []sqltype.Value{rowidValue(rows[i].rowid)}, nil); err != nil {
			return err
		}
	}
	cols := stored(m.Table)
	var names, params []string
	var args []Arg
	if m.RowKey == 0 {
		names, params = []string{"rowid"}, []string{"?1"}
		args = []Arg{{Kind: InputArg, n: len(cols), Type: sqltype.Type{Kind: sqltype.BigInt}}}
	}
	for i, c := range cols {
		args = append(args, Arg{Kind: InputArg, n: i, Type: c.Type})
		names, params = append(names, columnName(c)), append(params, fmt.Sprintf("?%d", len(args)))
	}
	s := statement{sql: "INSERT INTO " + m.name() + "(" + strings.Join(names, ", ") + ") VALUES(" + strings.Join(params, ", ") + ")", args: args}
	input := make([]sqltype.Value, len(cols)+1)
	for i := range rows {
		values := rows[i].now(m)
		for c, col := range cols {
			input[c] = values[col.ID]
		}
		input[len(cols)] = rowidValue(rows[i].rowid)
		if err := x.each(s, input, nil); err != nil {
			return x.modifyError(m, &rows[i], err)
		}
	}
	return nil
}

// now is the row as it will be, as far as it is known.
func (f *found) now(m *modifier) map[int32]sqltype.Value {
	values := map[int32]sqltype.Value{}
	for id, v := range f.old {
		values[id] = v
	}
	for i, c := range m.set {
		values[c.ID] = f.values[i]
	}
	return values
}

func (x *execution) modifyError(m *modifier, f *found, err error) error {
	if e := x.notNull(m.Table, m.temp, m.verb, err); e != nil {
		return e
	}
	if errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) || errors.Is(err, sqlite3.CONSTRAINT_ROWID) {
		return x.duplicate(m.Table, f.now(m), err)
	}
	return err
}

// referenced looks after the rows that referred to keys that are gone: it refuses, or changes them along.
func (x *execution) referenced(m *modifier, f *rel.Foreign, rows []found) error {
	child := m.snap.ObjectByID(f.Table).Table
	ct := &target{Table: child, snap: m.snap, temp: m.temp}
	action := f.OnDelete
	if m.verb == "UPDATE" {
		action = f.OnUpdate
	}
	v := &violation{table: child, verb: m.verb, kind: "REFERENCE", name: f.Name, temp: m.temp}
	if f.SelfRefs {
		v.kind = "SAME TABLE REFERENCE"
	}
	if len(f.Columns) == 1 {
		v.column = child.Column(f.Columns[0]).Name
	}
	for i := range rows {
		key, gone, err := x.keyGone(m, f, &rows[i])
		if err != nil {
			return err
		}
		if !gone {
			continue
		}
		children, err := x.children(ct, f, key)
		if err != nil {
			return err
		}
		if len(children) == 0 {
			continue
		}
		if err := x.follow(ct, f, action, children, rows[i].now(m), v, m.verb); err != nil {
			return err
		}
	}
	return nil
}

// keyGone gives the key that a row had and whether no row has it any more.
func (x *execution) keyGone(m *modifier, f *rel.Foreign, row *found) ([]sqltype.Value, bool, error) {
	var conds []string
	var args []Arg
	key := make([]sqltype.Value, len(f.TargetColumns))
	for i, id := range f.TargetColumns {
		key[i] = row.old[id]
		if key[i].IsNull() {
			return nil, false, nil
		}
		conds = append(conds, fmt.Sprintf("%s = ?%d", catalog.ColumnName(id), i+1))
		args = append(args, Arg{Kind: InputArg, n: i, Type: m.Column(id).Type})
	}
	gone := true
	err := x.each(statement{sql: "SELECT 1 FROM " + m.name() + " WHERE " + strings.Join(conds, " AND "), args: args}, key,
		func(*sqlite3.Stmt) error { gone = false; return nil })
	return key, gone, err
}

// children finds the rows that refer to a key.
func (x *execution) children(t *target, f *rel.Foreign, key []sqltype.Value) ([]found, error) {
	var conds []string
	var args []Arg
	for i, id := range f.Columns {
		conds = append(conds, fmt.Sprintf("%s = ?%d", catalog.ColumnName(id), i+1))
		args = append(args, Arg{Kind: InputArg, n: i, Type: t.Column(id).Type})
	}
	var rows []found
	err := x.each(statement{sql: "SELECT rowid FROM " + t.name() + " WHERE " + strings.Join(conds, " AND "), args: args}, key,
		func(st *sqlite3.Stmt) error { rows = append(rows, found{rowid: st.ColumnInt64(0)}); return nil })
	return rows, err
}

// follow does to the referring rows what the foreign key says.
func (x *execution) follow(t *target, f *rel.Foreign, action string, rows []found, parent map[int32]sqltype.Value, v *violation, verb string) error {
	if action == "" || action == "NO ACTION" {
		return place(v.error(x.Run), x.plan.Line)
	}
	m := &modifier{target: t, verb: "UPDATE"}
	if action == "CASCADE" && verb == "DELETE" {
		m.verb = "DELETE"
	}
	for i, id := range f.Columns {
		if m.verb == "DELETE" {
			break
		}
		c := t.Column(id)
		value := sqltype.NullOf(c.Type.Kind)
		if action == "CASCADE" {
			value = parent[f.TargetColumns[i]]
		}
		m.set = append(m.set, c)
		for r := range rows {
			rows[r].values = append(rows[r].values, value)
		}
	}
	for _, next := range t.Referenced {
		if !next.Disabled && (m.verb == "DELETE" || anyOf(next.TargetColumns, func(id int32) bool { return contains(f.Columns, id) })) {
			m.foreign = append(m.foreign, next)
		}
	}
	for _, ix := range t.Indexes {
		for _, k := range ix.Columns {
			m.keys = m.keys || ix.Unique && m.verb == "UPDATE" && contains(f.Columns, k.ColumnID)
		}
	}
	return x.change(m, rows, nil)
}

func contains(list []int32, id int32) bool { return anyOf(list, func(x int32) bool { return x == id }) }

// truncate empties a table.
func (x *execution) truncate(t *rel.Table, snap *catalog.Snapshot) error {
	return catalog.NewDefiner(x.Conn, snap, x.Now).Truncate(t)
}
