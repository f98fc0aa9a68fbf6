package rescue

import (
	"fmt"
	"slices"
	"strings"

	"linkspan/rel"
)

// quoteName makes a name safe in T-SQL: [a]]b].
func quoteName(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }

// quoted is a table's name in full.
func quoted(t *rel.Table) string { return quoteName(t.Schema) + "." + quoteName(t.Name) }

func reseed(t *rel.Table, last int64) string {
	return fmt.Sprintf("DBCC CHECKIDENT (%s, RESEED, %d) WITH NO_INFOMSGS", text(quoted(t)), last)
}

// columnDef is a column as CREATE TABLE and ADD take it.
func columnDef(c *rel.Column) string {
	if c.Computed != "" {
		d := quoteName(c.Name) + " AS " + c.Computed
		if c.Persisted {
			d += " PERSISTED"
			if !c.Nullable {
				d += " NOT NULL"
			}
		}
		return d
	}
	d := columnType(c)
	if c.Identity {
		d += fmt.Sprintf(" IDENTITY(%d,%d)", c.Seed, c.Increment)
	}
	if c.RowGUID {
		d += " ROWGUIDCOL"
	}
	if c.Nullable {
		d += " NULL"
	} else {
		d += " NOT NULL"
	}
	if c.Default != "" {
		d += " CONSTRAINT " + quoteName(c.DefaultName) + " DEFAULT " + c.Default
	}
	return d
}

// columnType is name, type and collation.
func columnType(c *rel.Column) string {
	d := quoteName(c.Name) + " " + c.Type.String()
	if c.Type.Collation != "" {
		d += " COLLATE " + c.Type.Collation
	}
	return d
}

// columnList names the columns of a key or index.
func columnList(t *rel.Table, key []rel.IndexColumn) string {
	var parts []string
	for _, k := range key {
		if c := t.Column(k.ColumnID); c != nil {
			part := quoteName(c.Name)
			if k.Desc {
				part += " DESC"
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

func names(t *rel.Table, ids []int32) string {
	var parts []string
	for _, id := range ids {
		if c := t.Column(id); c != nil {
			parts = append(parts, quoteName(c.Name))
		}
	}
	return strings.Join(parts, ", ")
}

func clustered(ix *rel.Index) string {
	if ix.Clustered {
		return "CLUSTERED"
	}
	return "NONCLUSTERED"
}

// keyDef is a primary or unique key as CREATE TABLE and ADD take it.
func keyDef(t *rel.Table, ix *rel.Index) string {
	kind := "UNIQUE"
	if ix.Primary {
		kind = "PRIMARY KEY"
	}
	return fmt.Sprintf("CONSTRAINT %s %s %s (%s)", quoteName(ix.Name), kind, clustered(ix), columnList(t, ix.Columns))
}

func addIndex(t *rel.Table, ix *rel.Index) string {
	if ix.Constraint {
		return "ALTER TABLE " + quoted(t) + " ADD " + keyDef(t, ix)
	}
	unique := ""
	if ix.Unique {
		unique = "UNIQUE "
	}
	s := fmt.Sprintf("CREATE %s%s INDEX %s ON %s (%s)", unique, clustered(ix), quoteName(ix.Name), quoted(t), columnList(t, ix.Columns))
	if len(ix.Include) > 0 {
		s += " INCLUDE (" + names(t, ix.Include) + ")"
	}
	if ix.Filter != "" {
		s += " WHERE " + ix.Filter
	}
	if ix.IgnoreDup {
		s += " WITH (IGNORE_DUP_KEY = ON)"
	}
	return s
}

func dropIndex(t *rel.Table, ix *rel.Index) string {
	if ix.Constraint {
		return "ALTER TABLE " + quoted(t) + " DROP CONSTRAINT " + quoteName(ix.Name)
	}
	return "DROP INDEX " + quoteName(ix.Name) + " ON " + quoted(t)
}

func checkDef(c *rel.Check) string { return "CONSTRAINT " + quoteName(c.Name) + " CHECK " + c.Expr }

func addForeign(t, target *rel.Table, f *rel.Foreign) string {
	s := fmt.Sprintf("ALTER TABLE %s WITH NOCHECK ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)", quoted(t), quoteName(f.Name),
		names(t, f.Columns), quoted(target), names(target, f.TargetColumns))
	for _, a := range []struct{ on, what string }{{"ON DELETE", f.OnDelete}, {"ON UPDATE", f.OnUpdate}} {
		if a.what != "" && a.what != "NO ACTION" {
			s += " " + a.on + " " + a.what
		}
	}
	return s
}

// creation makes a table with its keys, and after the rows its indexes and checks.
func creation(t *rel.Table) *Change {
	c := &Change{What: "created", Kind: "table", Schema: t.Schema, Name: t.Name}
	var parts []string
	for _, col := range t.Columns {
		parts = append(parts, columnDef(col))
	}
	for _, ix := range t.Indexes {
		switch {
		case ix.Primary:
			parts = append(parts, keyDef(t, ix))
		default:
			c.After = append(c.After, addIndex(t, ix))
		}
		if ix.Disabled {
			c.After = append(c.After, "ALTER INDEX "+quoteName(ix.Name)+" ON "+quoted(t)+" DISABLE")
		}
	}
	for _, k := range t.Checks {
		c.After = append(c.After, addCheck(t, k)...)
	}
	c.Before = []string{"CREATE TABLE " + quoted(t) + " (" + strings.Join(parts, ", ") + ")"}
	return c
}

func addCheck(t *rel.Table, k *rel.Check) []string {
	with := ""
	if k.NotTrusted || k.Disabled {
		with = " WITH NOCHECK"
	}
	out := []string{"ALTER TABLE " + quoted(t) + with + " ADD " + checkDef(k)}
	if k.Disabled {
		out = append(out, "ALTER TABLE "+quoted(t)+" NOCHECK CONSTRAINT "+quoteName(k.Name))
	}
	return out
}

// alteration is what makes fork's table the tail's; nil when nothing differs. Foreign keys are not in it.
func alteration(fork, tail *rel.Table) *Change {
	a := alterer{fork: fork, tail: tail, Change: &Change{What: "altered", Kind: "table", Schema: tail.Schema, Name: tail.Name}}
	a.dropIndexes()
	a.rename()
	a.columns()
	a.addIndexes()
	if len(a.Before)+len(a.After) == 0 {
		return nil
	}
	return a.Change
}

type alterer struct {
	*Change
	fork, tail *rel.Table
}

func (a *alterer) before(s string) { a.Before = append(a.Before, s) }
func (a *alterer) after(s string)  { a.After = append(a.After, s) }

// sameIndex reports whether an index is as it was, whatever its columns are called now.
func sameIndex(a, b *rel.Index) bool {
	return a.Name == b.Name && a.Unique == b.Unique && a.Primary == b.Primary && a.Filter == b.Filter && a.Disabled == b.Disabled &&
		slices.Equal(a.Columns, b.Columns) && slices.Equal(a.Include, b.Include)
}

func findIndex(t *rel.Table, id int32) *rel.Index {
	for _, ix := range t.Indexes {
		if ix.ID == id {
			return ix
		}
	}
	return nil
}

func findCheck(t *rel.Table, id int32) *rel.Check {
	for _, k := range t.Checks {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// keptIndex reports whether an index stands while columns change: one over a column of another type is made anew.
func (a *alterer) keptIndex(was *rel.Index) bool {
	now := findIndex(a.tail, was.ID)
	if now == nil || !sameIndex(was, now) {
		return false
	}
	ids := slices.Clone(was.Include)
	for _, k := range was.Columns {
		ids = append(ids, k.ColumnID)
	}
	return !slices.ContainsFunc(ids, func(id int32) bool { return a.retyped(id) })
}

// retyped reports whether a column is there on both sides with another type.
func (a *alterer) retyped(id int32) bool {
	f, t := a.fork.Column(id), a.tail.Column(id)
	return f != nil && t != nil && (f.Type != t.Type || f.Nullable != t.Nullable)
}

func (a *alterer) dropIndexes() {
	for _, k := range a.fork.Checks {
		if now := findCheck(a.tail, k.ID); now == nil || *now != *k {
			a.before("ALTER TABLE " + quoted(a.fork) + " DROP CONSTRAINT " + quoteName(k.Name))
		}
	}
	for _, ix := range slices.Backward(a.fork.Indexes) {
		if !a.keptIndex(ix) {
			a.before(dropIndex(a.fork, ix))
		}
	}
	for _, c := range a.fork.Columns {
		now := a.tail.Column(c.ID)
		if c.Default != "" && (now == nil || now.DefaultID != c.DefaultID || a.retyped(c.ID)) {
			a.before("ALTER TABLE " + quoted(a.fork) + " DROP CONSTRAINT " + quoteName(c.DefaultName))
		}
	}
}

func (a *alterer) rename() {
	if a.fork.Schema != a.tail.Schema {
		a.before("ALTER SCHEMA " + quoteName(a.tail.Schema) + " TRANSFER " + quoted(a.fork))
	}
	if a.fork.Name != a.tail.Name {
		a.before("EXEC sys.sp_rename " + text(quoteName(a.tail.Schema)+"."+quoteName(a.fork.Name)) + ", " + text(a.tail.Name))
	}
}

func (a *alterer) columns() {
	alter := "ALTER TABLE " + quoted(a.tail) + " "
	for _, c := range a.fork.Columns {
		if now := a.tail.Column(c.ID); now == nil || now.Computed != c.Computed {
			a.before(alter + "DROP COLUMN " + quoteName(c.Name))
		} else if now.Name != c.Name {
			a.before("EXEC sys.sp_rename " + text(quoted(a.tail)+"."+quoteName(c.Name)) + ", " + text(now.Name) + ", N'COLUMN'")
		}
	}
	for _, c := range a.tail.Columns {
		was := a.fork.Column(c.ID)
		switch {
		case was == nil || was.Computed != c.Computed:
			a.addColumn(alter, c)
			continue
		case a.retyped(c.ID) && c.Computed == "":
			a.before(alter + "ALTER COLUMN " + columnType(c) + " NULL")
			if !c.Nullable {
				a.after(alter + "ALTER COLUMN " + columnType(c) + " NOT NULL")
			}
		}
		if c.Default != "" && (was.DefaultID != c.DefaultID || a.retyped(c.ID)) {
			a.after(alter + "ADD CONSTRAINT " + quoteName(c.DefaultName) + " DEFAULT " + c.Default + " FOR " + quoteName(c.Name))
		}
	}
}

// addColumn adds a column that may be empty until the rows have their values.
func (a *alterer) addColumn(alter string, c *rel.Column) {
	if c.Computed != "" || c.Nullable || c.Identity {
		a.before(alter + "ADD " + columnDef(c))
		return
	}
	loose := *c
	loose.Nullable, loose.Default = true, ""
	a.before(alter + "ADD " + columnDef(&loose))
	a.after(alter + "ALTER COLUMN " + columnType(c) + " NOT NULL")
	if c.Default != "" {
		a.after(alter + "ADD CONSTRAINT " + quoteName(c.DefaultName) + " DEFAULT " + c.Default + " FOR " + quoteName(c.Name))
	}
}

func (a *alterer) addIndexes() {
	for _, ix := range a.tail.Indexes {
		if was := findIndex(a.fork, ix.ID); was != nil && a.keptIndex(was) {
			continue
		}
		a.after(addIndex(a.tail, ix))
		if ix.Disabled {
			a.after("ALTER INDEX " + quoteName(ix.Name) + " ON " + quoted(a.tail) + " DISABLE")
		}
	}
	for _, k := range a.tail.Checks {
		if was := findCheck(a.fork, k.ID); was == nil || *was != *k {
			for _, s := range addCheck(a.tail, k) {
				a.after(s)
			}
		}
	}
}
