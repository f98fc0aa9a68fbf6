package catalog

import (
	"fmt"
	"strings"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// CreateTable adds a table as def describes it: names, types, columns' defaults and computed texts, checks, indexes and
// foreign keys. Columns are referred to by their position in def.Columns plus 1, since numbers are given here; foreign
// keys by the real numbers on the target's side, or Target 0 for the table itself. Constraints without a name get one.
func (d *Definer) CreateTable(def *rel.Table) (*rel.Table, error) {
	schema, err := d.schemaID(def.Schema)
	if err != nil {
		return nil, err
	}
	id, err := d.object(Table, schema, def.Name, 0, 0)
	if err != nil {
		return nil, err
	}
	t := &rel.Table{ID: id, Schema: def.Schema, Name: def.Name}
	for i, c := range def.Columns {
		c := *c
		c.ID = int32(i + 1)
		t.Columns = append(t.Columns, &c)
	}
	if err := d.addColumns(schema, t, t.Columns); err != nil {
		return nil, err
	}
	if err := d.addConstraints(schema, t, def); err != nil {
		return nil, err
	}
	if err := d.exec("UPDATE @sys_object SET rowkey = ?2 WHERE id = ?1", id, rowKey(t.Columns, def.Indexes)); err != nil {
		return nil, err
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	made := d.snap.objects[id].Table
	return made, d.buildTable(made, fmt.Sprintf("t_%d", id))
}

// addConstraints writes the rows of def's indexes, checks and foreign keys for the table t.
func (d *Definer) addConstraints(schema int32, t, def *rel.Table) error {
	for _, ix := range def.Indexes {
		if err := d.addIndexRow(schema, t, ix); err != nil {
			return err
		}
	}
	for _, c := range def.Checks {
		if err := d.addCheckRow(schema, t, c); err != nil {
			return err
		}
	}
	for _, f := range def.Foreign {
		if err := d.addForeignRow(schema, t, f); err != nil {
			return err
		}
	}
	return nil
}

// rowKey is the column that can be SQLite's rowid: the single integer column of the primary key.
func rowKey(cols []*rel.Column, indexes []*rel.Index) int32 {
	for _, ix := range indexes {
		if !ix.Primary || len(ix.Columns) != 1 || ix.Columns[0].Desc {
			continue
		}
		for _, c := range cols {
			if c.ID == ix.Columns[0].ColumnID && c.Computed == "" && c.Type.Kind.IsInteger() && c.Type.Kind != sqltype.Bit {
				return c.ID
			}
		}
	}
	return 0
}

// addColumns writes the rows of columns whose IDs are set.
func (d *Definer) addColumns(schema int32, t *rel.Table, cols []*rel.Column) error {
	for _, c := range cols {
		var dflt, dfltID, seed, incr, computed, collation any
		if c.Default != "" {
			id, err := d.defaultRow(schema, t, c)
			if err != nil {
				return err
			}
			dflt, dfltID = c.Default, id
		}
		if c.Identity {
			seed, incr = c.Seed, c.Increment
		}
		if c.Computed != "" {
			computed = c.Computed
		}
		if c.Type.Collation != "" {
			collation = c.Type.Collation
		}
		err := d.exec(`INSERT INTO @sys_column VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)`,
			t.ID, c.ID, c.Name, c.Type.Kind.String(), c.Type.Len, c.Type.Prec, c.Type.Scale, collation, c.Nullable, seed, incr,
			dflt, dfltID, computed, c.Persisted, c.RowGUID)
		if err != nil {
			return err
		}
		if err := d.exec("UPDATE @sys_object SET lastcolumn = max(lastcolumn, ?2) WHERE id = ?1", t.ID, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// constraint adds the object row of a constraint, naming it when it has no name.
func (d *Definer) constraint(kind Kind, schema int32, t *rel.Table, name string, auto func(id int32) string) (int32, string, error) {
	if name != "" {
		id, err := d.object(kind, schema, name, t.ID, 0)
		return id, name, err
	}
	id, err := d.nextID()
	if err != nil {
		return 0, "", err
	}
	name = auto(id)
	return id, name, d.objectRow(id, kind, schema, name, t.ID, flagGenerated)
}

func (d *Definer) defaultRow(schema int32, t *rel.Table, c *rel.Column) (int32, error) {
	id, _, err := d.constraint(DefaultKind, schema, t, c.DefaultName, func(id int32) string {
		return columnConstraintName("DF", t.Name, c.Name, id)
	})
	return id, err
}

// addIndexRow writes an index, and the constraint it stands for.
func (d *Definer) addIndexRow(schema int32, t *rel.Table, ix *rel.Index) error {
	var object int32
	var flags int64
	name := ix.Name
	if ix.Constraint {
		kind, prefix := UniqueKey, "UQ"
		if ix.Primary {
			kind, prefix = PrimaryKey, "PK"
		}
		var err error
		object, name, err = d.constraint(kind, schema, t, ix.Name, func(id int32) string { return keyName(prefix, t.Name, t.ID, id) })
		if err != nil {
			return err
		}
		if ix.Name == "" {
			flags |= flagGenerated
		}
	}
	for f, on := range map[int64]bool{flagUnique: ix.Unique, flagPrimary: ix.Primary, flagConstraint: ix.Constraint,
		flagClustered: ix.Clustered, flagDisabled: ix.Disabled, flagIgnoreDup: ix.IgnoreDup} {
		if on {
			flags |= f
		}
	}
	id, err := d.nextID()
	if err != nil {
		return err
	}
	number := int64(1)
	if !ix.Clustered {
		if number, err = d.number("SELECT max(1, coalesce(max(number), 1)) + 1 FROM @sys_index WHERE object = ?1", t.ID); err != nil {
			return err
		}
	}
	var filter, filterSQL any
	if ix.Filter != "" {
		filter, filterSQL = ix.Filter, ix.FilterSQL
	}
	err = d.exec("INSERT INTO @sys_index VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", id, t.ID, number, name, flags, object, filter, filterSQL)
	if err != nil {
		return err
	}
	return d.indexColumns(id, ix)
}

func (d *Definer) indexColumns(id int32, ix *rel.Index) error {
	ord := 0
	for _, k := range ix.Columns {
		ord++
		flags := 0
		if k.Desc {
			flags = flagDesc
		}
		if err := d.exec("INSERT INTO @sys_index_column VALUES(?1, ?2, ?3, ?4)", id, ord, k.ColumnID, flags); err != nil {
			return err
		}
	}
	for _, c := range ix.Include {
		ord++
		if err := d.exec("INSERT INTO @sys_index_column VALUES(?1, ?2, ?3, ?4)", id, ord, c, flagIncluded); err != nil {
			return err
		}
	}
	return nil
}

func (d *Definer) addCheckRow(schema int32, t *rel.Table, c *rel.Check) error {
	id, _, err := d.constraint(CheckKind, schema, t, c.Name, func(id int32) string {
		column := ""
		for _, x := range t.Columns {
			if x.ID == c.ColumnID {
				column = x.Name
			}
		}
		return columnConstraintName("CK", t.Name, column, id)
	})
	if err != nil {
		return err
	}
	return d.exec("INSERT INTO @sys_check VALUES(?1, ?2, ?3, ?4, ?5)", id, t.ID, c.ColumnID, c.Expr, stateFlags(c.Disabled, c.NotTrusted))
}

func stateFlags(disabled, notTrusted bool) (f int64) {
	if disabled {
		f |= flagDisabled
	}
	if notTrusted {
		f |= flagNotTrusted
	}
	return f
}

func (d *Definer) addForeignRow(schema int32, t *rel.Table, f *rel.Foreign) error {
	column := ""
	for _, x := range t.Columns {
		if len(f.Columns) > 0 && x.ID == f.Columns[0] {
			column = x.Name
		}
	}
	id, _, err := d.constraint(ForeignKind, schema, t, f.Name, func(id int32) string {
		return columnConstraintName("FK", t.Name, column, id)
	})
	if err != nil {
		return err
	}
	target := f.Target
	if target == 0 {
		target = t.ID
	}
	err = d.exec("INSERT INTO @sys_foreign VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", id, t.ID, target, f.TargetKey, f.OnDelete, f.OnUpdate,
		stateFlags(f.Disabled, f.NotTrusted))
	if err != nil {
		return err
	}
	for i := range f.Columns {
		if err := d.exec("INSERT INTO @sys_foreign_column VALUES(?1, ?2, ?3, ?4)", id, i, f.Columns[i], f.TargetColumns[i]); err != nil {
			return err
		}
	}
	return nil
}

// buildTable makes a table's SQLite table under a name; its indexes too, when the name is the table's own.
func (d *Definer) buildTable(t *rel.Table, name string) error {
	if err := d.conn.Exec(createTable(d.schema, name, t)); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	if name != fmt.Sprintf("t_%d", t.ID) {
		return nil
	}
	return d.buildIndexes(t)
}

func (d *Definer) buildIndexes(t *rel.Table) error {
	for _, ix := range t.Indexes {
		if err := d.buildIndex(t, ix); err != nil {
			return err
		}
	}
	return nil
}

func (d *Definer) buildIndex(t *rel.Table, ix *rel.Index) error {
	for _, text := range createIndex(d.schema, t, ix) {
		if err := d.conn.Exec(text); err != nil {
			return duplicateOr(err, t, ix)
		}
	}
	return nil
}

// duplicateOr gives 1505 for a duplicate key met while an index is built.
func duplicateOr(err error, t *rel.Table, ix *rel.Index) error {
	if !strings.Contains(err.Error(), "UNIQUE constraint failed") {
		return fmt.Errorf("create index: %w", err)
	}
	return &DuplicateKeyError{Table: t, Index: ix}
}

// DuplicateKeyError tells that the rows of a table do not allow an index to be unique. Whoever knows how values are
// spelled turns it into message 1505.
type DuplicateKeyError struct {
	Table *rel.Table
	Index *rel.Index
}

// Error names the index.
func (e *DuplicateKeyError) Error() string {
	return fmt.Sprintf("duplicate key for index %s of table %s.%s", e.Index.Name, e.Table.Schema, e.Table.Name)
}

// DropTable removes a table with its constraints. A table that others refer to is 3726.
func (d *Definer) DropTable(t *rel.Table) error {
	for _, f := range t.Referenced {
		if !f.SelfRefs {
			return sqlerr.New(3726, t.Schema+"."+t.Name)
		}
	}
	if err := d.conn.Exec("DROP TABLE " + TableName(d.schema, t.ID)); err != nil {
		return fmt.Errorf("drop table: %w", err)
	}
	for _, sql := range []string{
		"DELETE FROM @sys_index_column WHERE idx IN (SELECT id FROM @sys_index WHERE object = ?1)",
		"DELETE FROM @sys_index WHERE object = ?1",
		"DELETE FROM @sys_foreign_column WHERE id IN (SELECT id FROM @sys_foreign WHERE object = ?1)",
		"DELETE FROM @sys_foreign WHERE object = ?1",
		"DELETE FROM @sys_check WHERE object = ?1",
		"DELETE FROM @sys_column WHERE object = ?1",
		"DELETE FROM @sys_identity WHERE object = ?1",
		"DELETE FROM @sys_property WHERE class IN (1, 7) AND major = ?1",
		"DELETE FROM @sys_object WHERE id = ?1 OR parent = ?1",
	} {
		if err := d.exec(sql, t.ID); err != nil {
			return err
		}
	}
	return d.done()
}
