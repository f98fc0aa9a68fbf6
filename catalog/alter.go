package catalog

import (
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// Fill is what the rows already in a table get in a column: SQLite text over the old columns, which are s.c_<id>, and
// the values of its parameters.
type Fill struct {
	SQL string
	// Bind binds the parameters of SQL; nil when it has none.
	Bind func(*sqlite3.Stmt) error
}

// AddColumn adds a column at the end and gives it its number. Rows already there get fill, or NULL when it is nil.
func (d *Definer) AddColumn(t *rel.Table, c *rel.Column, fill *Fill) (*rel.Table, error) {
	n, err := d.number("SELECT lastcolumn + 1 FROM @sys_object WHERE id = ?1", t.ID)
	if err != nil {
		return nil, err
	}
	schema, err := d.schemaID(t.Schema)
	if err != nil {
		return nil, err
	}
	col := *c
	col.ID = int32(n)
	if err := d.addColumns(schema, t, []*rel.Column{&col}); err != nil {
		return nil, err
	}
	now, err := d.changed(t.ID)
	if err != nil {
		return nil, err
	}
	if !Stored(&col) {
		return now, nil
	}
	if fill == nil && col.Nullable {
		return now, d.conn.Exec("ALTER TABLE " + TableName(d.schema, t.ID) + " ADD COLUMN " + columnDef(now, &col))
	}
	return now, d.rebuild(t, now, map[int32]*Fill{col.ID: fill})
}

// AlterColumn gives a column another type or nullability; fill converts the rows already there.
func (d *Definer) AlterColumn(t *rel.Table, c *rel.Column, to sqltype.Type, nullable bool, fill *Fill) (*rel.Table, error) {
	var collation any
	if to.Collation != "" {
		collation = to.Collation
	}
	err := d.exec(`UPDATE @sys_column SET kind = ?3, len = ?4, prec = ?5, scale = ?6, collation = ?7, nullable = ?8
		WHERE object = ?1 AND id = ?2`, t.ID, c.ID, to.Kind.String(), to.Len, to.Prec, to.Scale, collation, nullable)
	if err != nil {
		return nil, err
	}
	now, err := d.changed(t.ID)
	if err != nil {
		return nil, err
	}
	return now, d.rebuild(t, now, map[int32]*Fill{c.ID: fill})
}

// DropColumn removes a column. What depends on it is gone already.
func (d *Definer) DropColumn(t *rel.Table, c *rel.Column) (*rel.Table, error) {
	if err := d.exec("DELETE FROM @sys_column WHERE object = ?1 AND id = ?2", t.ID, c.ID); err != nil {
		return nil, err
	}
	if c.Identity {
		if err := d.exec("DELETE FROM @sys_identity WHERE object = ?1", t.ID); err != nil {
			return nil, err
		}
	}
	if err := d.exec("DELETE FROM @sys_property WHERE class = 1 AND major = ?1 AND minor = ?2", t.ID, c.ID); err != nil {
		return nil, err
	}
	now, err := d.changed(t.ID)
	if err != nil || !Stored(c) {
		return now, err
	}
	return now, d.rebuild(t, now, nil)
}

// changed gives the table as the snapshot has it after a change.
func (d *Definer) changed(id int32) (*rel.Table, error) {
	if err := d.touch(id); err != nil {
		return nil, err
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	o := d.snap.objects[id]
	if o == nil || o.Table == nil {
		return nil, fmt.Errorf("table %d is gone", id)
	}
	return o.Table, nil
}

// rebuild makes the SQLite table of now from that of old, row by row.
func (d *Definer) rebuild(old, now *rel.Table, fills map[int32]*Fill) error {
	name := fmt.Sprintf("n_%d", now.ID)
	if err := d.buildTable(now, name); err != nil {
		return err
	}
	into, from := []string{}, []string{}
	var bind func(*sqlite3.Stmt) error
	for _, c := range now.Columns {
		if !Stored(c) {
			continue
		}
		into = append(into, ColumnName(c.ID))
		switch f, filled := fills[c.ID]; {
		case filled && f != nil:
			from = append(from, f.SQL)
			bind = f.Bind
		case old.Column(c.ID) != nil && Stored(old.Column(c.ID)):
			from = append(from, "s."+ColumnName(c.ID))
		default:
			from = append(from, "NULL")
		}
	}
	if len(into) > 0 {
		text := fmt.Sprintf("INSERT INTO %s.%s(%s) SELECT %s FROM %s AS s ORDER BY s.rowid", d.schema, name, strings.Join(into, ", "),
			strings.Join(from, ", "), TableName(d.schema, old.ID))
		if err := d.run(text, bind); err != nil {
			return err
		}
	}
	for _, text := range []string{"DROP TABLE " + TableName(d.schema, old.ID),
		fmt.Sprintf("ALTER TABLE %s.%s RENAME TO t_%d", d.schema, name, now.ID)} {
		if err := d.conn.Exec(text); err != nil {
			return fmt.Errorf("rebuild table: %w", err)
		}
	}
	return d.buildIndexes(now)
}

func (d *Definer) run(text string, bind func(*sqlite3.Stmt) error) error {
	st, err := d.conn.Stmt(text)
	if err != nil {
		return err
	}
	if bind != nil {
		err = bind(st)
	}
	if err == nil {
		err = st.Exec()
	}
	if e := st.Reset(); err == nil {
		err = e
	}
	st.ClearBindings()
	return err
}

// AddIndex adds an index or a key to a table. Rows with equal keys are a [DuplicateKeyError].
func (d *Definer) AddIndex(t *rel.Table, ix *rel.Index) (*rel.Table, error) {
	schema, err := d.schemaID(t.Schema)
	if err != nil {
		return nil, err
	}
	if err := d.addIndexRow(schema, t, ix); err != nil {
		return nil, err
	}
	if key := rowKey(t.Columns, []*rel.Index{ix}); key != 0 && t.RowKey == 0 {
		if err := d.exec("UPDATE @sys_object SET rowkey = ?2 WHERE id = ?1", t.ID, key); err != nil {
			return nil, err
		}
	}
	now, err := d.changed(t.ID)
	if err != nil {
		return nil, err
	}
	var made *rel.Index
	for _, x := range now.Indexes {
		if made == nil || x.ID > made.ID {
			made = x
		}
	}
	if now.RowKey != t.RowKey {
		if err := d.rebuild(t, now, nil); err != nil {
			return nil, duplicateOr(err, now, made)
		}
		return now, nil
	}
	return now, d.buildIndex(now, made)
}

// DropIndex removes an index, and the constraint it stands for.
func (d *Definer) DropIndex(t *rel.Table, ix *rel.Index) (*rel.Table, error) {
	for _, f := range t.Referenced {
		if f.TargetKey == ix.ID {
			return nil, sqlerr.New(3725, ix.Name, f.Name)
		}
	}
	if err := d.exec("DELETE FROM @sys_index_column WHERE idx = ?1", ix.ID); err != nil {
		return nil, err
	}
	if err := d.exec("DELETE FROM @sys_index WHERE id = ?1", ix.ID); err != nil {
		return nil, err
	}
	if ix.ObjectID != 0 {
		if err := d.forget(ix.ObjectID); err != nil {
			return nil, err
		}
	}
	wasKey := ix.Primary && t.RowKey != 0
	if wasKey {
		if err := d.exec("UPDATE @sys_object SET rowkey = 0 WHERE id = ?1", t.ID); err != nil {
			return nil, err
		}
	}
	now, err := d.changed(t.ID)
	if err != nil {
		return nil, err
	}
	if wasKey {
		return now, d.rebuild(t, now, nil)
	}
	for _, suffix := range []string{"", "n"} {
		if err := d.conn.Exec(fmt.Sprintf("DROP INDEX IF EXISTS %s.i_%d%s", d.schema, ix.ID, suffix)); err != nil {
			return nil, fmt.Errorf("drop index: %w", err)
		}
	}
	return now, nil
}

// SetIndexDisabled turns an index off (ALTER INDEX … DISABLE) or builds it anew (REBUILD).
func (d *Definer) SetIndexDisabled(t *rel.Table, ix *rel.Index, off bool) error {
	set := "UPDATE @sys_index SET flags = flags & ~?2 WHERE id = ?1"
	if off {
		set = "UPDATE @sys_index SET flags = flags | ?2 WHERE id = ?1"
	}
	if err := d.exec(set, ix.ID, flagDisabled); err != nil {
		return err
	}
	now, err := d.changed(t.ID)
	if err != nil {
		return err
	}
	for _, suffix := range []string{"", "n"} {
		if err := d.conn.Exec(fmt.Sprintf("DROP INDEX IF EXISTS %s.i_%d%s", d.schema, ix.ID, suffix)); err != nil {
			return fmt.Errorf("drop index: %w", err)
		}
	}
	for _, x := range now.Indexes {
		if x.ID == ix.ID {
			return d.buildIndex(now, x)
		}
	}
	return nil
}

// AddCheck adds a CHECK constraint. The caller has looked at the rows already there.
func (d *Definer) AddCheck(t *rel.Table, c *rel.Check) (*rel.Table, error) {
	schema, err := d.schemaID(t.Schema)
	if err != nil {
		return nil, err
	}
	if err := d.addCheckRow(schema, t, c); err != nil {
		return nil, err
	}
	return d.changed(t.ID)
}

// AddForeign adds a foreign key. The caller has looked at the rows already there.
func (d *Definer) AddForeign(t *rel.Table, f *rel.Foreign) (*rel.Table, error) {
	schema, err := d.schemaID(t.Schema)
	if err != nil {
		return nil, err
	}
	if err := d.addForeignRow(schema, t, f); err != nil {
		return nil, err
	}
	return d.changed(t.ID)
}

// AddDefault binds a default to a column that has none (1781 otherwise).
func (d *Definer) AddDefault(t *rel.Table, c *rel.Column, name, text string) (*rel.Table, error) {
	if c.Default != "" {
		return nil, sqlerr.New(1781)
	}
	schema, err := d.schemaID(t.Schema)
	if err != nil {
		return nil, err
	}
	col := *c
	col.Default, col.DefaultName = text, name
	id, err := d.defaultRow(schema, t, &col)
	if err != nil {
		return nil, err
	}
	if err := d.exec("UPDATE @sys_column SET dflt = ?3, dflt_id = ?4 WHERE object = ?1 AND id = ?2", t.ID, c.ID, text, id); err != nil {
		return nil, err
	}
	return d.changed(t.ID)
}

// DropConstraint removes a constraint of t by its object number.
func (d *Definer) DropConstraint(t *rel.Table, id int32) (*rel.Table, error) {
	for _, ix := range t.Indexes {
		if ix.ObjectID == id {
			return d.DropIndex(t, ix)
		}
	}
	for _, sql := range []string{
		"DELETE FROM @sys_check WHERE id = ?1",
		"DELETE FROM @sys_foreign_column WHERE id = ?1",
		"DELETE FROM @sys_foreign WHERE id = ?1",
		"UPDATE @sys_column SET dflt = NULL, dflt_id = NULL WHERE dflt_id = ?1",
	} {
		if err := d.exec(sql, id); err != nil {
			return nil, err
		}
	}
	if err := d.forget(id); err != nil {
		return nil, err
	}
	return d.changed(t.ID)
}

// SetConstraintState turns a CHECK or FOREIGN KEY constraint off or on, and says whether the rows are known to obey it.
func (d *Definer) SetConstraintState(t *rel.Table, id int32, disabled, notTrusted bool) (*rel.Table, error) {
	for _, sql := range []string{"UPDATE @sys_check SET flags = ?2 WHERE id = ?1", "UPDATE @sys_foreign SET flags = ?2 WHERE id = ?1"} {
		if err := d.exec(sql, id, stateFlags(disabled, notTrusted)); err != nil {
			return nil, err
		}
	}
	return d.changed(t.ID)
}

// Truncate removes all rows and sets the identity back to its seed.
func (d *Definer) Truncate(t *rel.Table) error {
	if err := d.conn.Exec("DELETE FROM " + TableName(d.schema, t.ID)); err != nil {
		return fmt.Errorf("truncate: %w", err)
	}
	if t.Identity < 0 {
		return nil
	}
	return d.ResetIdentity(t, t.Columns[t.Identity].Seed, false)
}

// ResetIdentity makes last the current identity value (DBCC CHECKIDENT … RESEED). The next value is last itself when
// used is false.
func (d *Definer) ResetIdentity(t *rel.Table, last int64, used bool) error {
	if err := d.exec("INSERT OR REPLACE INTO @sys_identity VALUES(?1, ?2, ?3)", t.ID, last, used); err != nil {
		return err
	}
	if err := d.exec("UPDATE @sys_object SET token = random() WHERE id = ?1", t.ID); err != nil {
		return err
	}
	return d.done()
}
