package catalog

import (
	"fmt"
	"strings"
	"time"

	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/sqlfn"
)

// Definer changes the schema of one database. It belongs to one statement: the transaction of a writer connection, and
// the snapshot that transaction sees. Each method leaves the system tables, SQLite's schema and the definer's snapshot
// in agreement; after an error the caller MUST roll back to before the first call.
type Definer struct {
	store
	snap *Snapshot
	now  time.Time
}

// NewDefiner begins a change of the schema that snap describes.
func NewDefiner(conn Conn, snap *Snapshot, now time.Time) *Definer {
	return &Definer{store: store{conn, snap.SQLSchema}, snap: snap, now: now}
}

// Snapshot is the schema as it is after the changes made so far.
func (d *Definer) Snapshot() *Snapshot { return d.snap }

// done gives the schema a new version and reads it again.
func (d *Definer) done() error {
	if err := d.bump(); err != nil {
		return err
	}
	s, err := Load(d.conn, d.schema)
	if err != nil {
		return err
	}
	d.snap = s
	return nil
}

// object adds a row to sys_object. A name that is taken is 2714.
func (d *Definer) object(kind Kind, schema int32, name string, parent int32, flags int64) (int32, error) {
	for _, s := range d.snap.schemas {
		if s.ID == schema && d.snap.Object(s.Name, name) != nil {
			return 0, sqlerr.New(2714, name)
		}
	}
	id, err := d.nextID()
	if err != nil {
		return 0, err
	}
	return id, d.objectRow(id, kind, schema, name, parent, flags)
}

func (d *Definer) objectRow(id int32, kind Kind, schema int32, name string, parent int32, flags int64) error {
	now := d.now.UnixMicro()
	return d.exec(`INSERT INTO @sys_object(id, kind, schema, name, parent, created, modified, text, flags, token, rowkey, lastcolumn)
		VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6, NULL, ?7, random(), 0, 0)`, id, kind, schema, name, parent, now, flags)
}

func (d *Definer) touch(id int32) error {
	return d.exec("UPDATE @sys_object SET modified = ?2 WHERE id = ?1", id, d.now.UnixMicro())
}

func (d *Definer) schemaID(name string) (int32, error) {
	s := d.snap.Schema(name)
	if s == nil {
		return 0, sqlerr.New(2760, name)
	}
	return s.ID, nil
}

// CreateSchema adds a schema owned by dbo or owner.
func (d *Definer) CreateSchema(name, owner string) error {
	if d.snap.Schema(name) != nil {
		return sqlerr.New(2714, name)
	}
	ownerID := int32(1)
	if owner != "" {
		p := d.snap.Principal(owner)
		if p == nil {
			return sqlerr.New(15151, "find", "principal", owner)
		}
		ownerID = p.ID
	}
	n, err := d.number("SELECT max(4, coalesce(max(id), 0)) + 1 FROM @sys_schema WHERE id < 16384")
	if err != nil {
		return err
	}
	if err := d.exec("INSERT INTO @sys_schema VALUES(?1, ?2, ?3)", n, name, ownerID); err != nil {
		return err
	}
	return d.done()
}

// DropSchema removes an empty schema (3729 otherwise).
func (d *Definer) DropSchema(name string) error {
	s := d.snap.Schema(name)
	if s == nil || s.ID <= 4 || s.ID >= 16384 {
		return sqlerr.New(15151, "drop", "schema", name)
	}
	for _, o := range d.snap.ordered {
		if o.SchemaID == s.ID {
			return sqlerr.New(3729, "DROP SCHEMA", name, o.Name)
		}
	}
	if err := d.exec("DELETE FROM @sys_schema WHERE id = ?1", s.ID); err != nil {
		return err
	}
	if err := d.disown(ClassSchema, s.ID); err != nil {
		return err
	}
	return d.done()
}

// TransferObject moves an object, and the constraints of a table, to another schema.
func (d *Definer) TransferObject(o *Object, schema string) error {
	to, err := d.schemaID(schema)
	if err != nil {
		return err
	}
	if d.snap.Object(schema, o.Name) != nil {
		return sqlerr.New(15530, o.Name)
	}
	if err := d.exec("UPDATE @sys_object SET schema = ?2 WHERE id = ?1 OR parent = ?1", o.ID, to); err != nil {
		return err
	}
	return d.done()
}

// Module is a view, procedure or function as it is stored.
type Module struct {
	Kind                        Kind
	Schema, Name                string
	Text                        string
	QuotedIdentifier, AnsiNulls bool
}

func (m Module) flags() (f int64) {
	if m.QuotedIdentifier {
		f |= flagQuotedIdentifier
	}
	if m.AnsiNulls {
		f |= flagAnsiNulls
	}
	return f
}

// CreateModule adds a module and gives its number.
func (d *Definer) CreateModule(m Module) (int32, error) {
	schema, err := d.schemaID(m.Schema)
	if err != nil {
		return 0, err
	}
	id, err := d.object(m.Kind, schema, m.Name, 0, m.flags())
	if err != nil {
		return 0, err
	}
	if err := d.exec("UPDATE @sys_object SET text = ?2 WHERE id = ?1", id, m.Text); err != nil {
		return 0, err
	}
	return id, d.done()
}

// AlterModule replaces the text of a module, which keeps its number.
func (d *Definer) AlterModule(o *Object, m Module) error {
	err := d.exec("UPDATE @sys_object SET text = ?2, flags = ?3, kind = ?4 WHERE id = ?1", o.ID, m.Text, m.flags(), m.Kind)
	if err != nil {
		return err
	}
	if err := d.touch(o.ID); err != nil {
		return err
	}
	return d.done()
}

// DropModule removes a module and its properties.
func (d *Definer) DropModule(o *Object) error {
	if err := d.forget(o.ID); err != nil {
		return err
	}
	return d.done()
}

// forget removes an object's row and properties.
func (d *Definer) forget(id int32) error {
	if err := d.exec("DELETE FROM @sys_object WHERE id = ?1", id); err != nil {
		return err
	}
	if err := d.exec("DELETE FROM @sys_property WHERE class IN (1, 7) AND major = ?1", id); err != nil {
		return err
	}
	return d.disown(ClassObject, id)
}

// Rename gives an object another name (sp_rename). The texts of modules keep the old one, as in SQL Server.
func (d *Definer) Rename(o *Object, name string) error {
	if other := d.snap.Object(o.Schema, name); other != nil && other != o {
		return sqlerr.New(15335, name, "object")
	}
	if err := d.exec("UPDATE @sys_object SET name = ?2, flags = flags & ~?3 WHERE id = ?1", o.ID, name, flagGenerated); err != nil {
		return err
	}
	if err := d.exec("UPDATE @sys_index SET name = ?2, flags = flags & ~?3 WHERE constraint_id = ?1", o.ID, name, flagGenerated); err != nil {
		return err
	}
	return d.done()
}

// RenameColumn gives a column another name.
func (d *Definer) RenameColumn(t *rel.Table, c *rel.Column, name string) error {
	for _, x := range t.Columns {
		if x != c && d.snap.Fold(x.Name) == d.snap.Fold(name) {
			return sqlerr.New(15335, name, "COLUMN")
		}
	}
	if err := d.exec("UPDATE @sys_column SET name = ?3 WHERE object = ?1 AND id = ?2", t.ID, c.ID, name); err != nil {
		return err
	}
	return d.done()
}

// RenameIndex gives an index another name.
func (d *Definer) RenameIndex(ix *rel.Index, name string) error {
	if err := d.exec("UPDATE @sys_index SET name = ?2 WHERE id = ?1", ix.ID, name); err != nil {
		return err
	}
	return d.done()
}

// SetProperty adds, changes or, with a nil value, removes an extended property.
func (d *Definer) SetProperty(class uint8, major, minor int32, name string, value *string) error {
	var err error
	if value == nil {
		err = d.exec("DELETE FROM @sys_property WHERE class = ?1 AND major = ?2 AND minor = ?3 AND name = ?4", class, major, minor, name)
	} else {
		err = d.exec("INSERT OR REPLACE INTO @sys_property VALUES(?1, ?2, ?3, ?4, ?5)", class, major, minor, name, *value)
	}
	if err != nil {
		return err
	}
	return d.done()
}

// kindOf finds a type by the name that Kind.String gives it.
func kindOf(name string) (sqltype.Kind, bool) {
	for k := sqltype.Null; k <= sqltype.Variant; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// names of things in SQLite.

// TableName is the SQLite name of a table, with its schema.
func TableName(sqlSchema string, id int32) string { return fmt.Sprintf("%s.t_%d", sqlSchema, id) }

// ColumnName is the SQLite name of a column.
func ColumnName(id int32) string { return fmt.Sprintf("c_%d", id) }

// columnDef is a column as CREATE TABLE spells it: without a type, so that SQLite converts nothing.
func columnDef(t *rel.Table, c *rel.Column) string {
	var b strings.Builder
	b.WriteString(ColumnName(c.ID))
	if t.RowKey == c.ID {
		b.WriteString(" INTEGER PRIMARY KEY")
		return b.String()
	}
	if sqlfn.HasCollation(c.Type.Kind) {
		b.WriteString(" COLLATE " + sqlfn.CollationName(c.Type))
	}
	if !c.Nullable {
		b.WriteString(" NOT NULL")
	}
	return b.String()
}

// Stored reports whether a column has a place in the row.
func Stored(c *rel.Column) bool { return c.Computed == "" || c.Persisted }

// createTable is the text that makes t's table in SQLite.
func createTable(sqlSchema, name string, t *rel.Table) string {
	var cols []string
	for _, c := range t.Columns {
		if Stored(c) {
			cols = append(cols, columnDef(t, c))
		}
	}
	if len(cols) == 0 {
		cols = []string{"c_0"} // a table of computed columns only
	}
	return fmt.Sprintf("CREATE TABLE %s.%s(%s)", sqlSchema, name, strings.Join(cols, ", "))
}

// createIndex is the texts that make ix in SQLite. A unique index over nullable columns gets a second one over the
// rows with a NULL, since SQLite lets any number of NULLs into the first and SQL Server takes one.
func createIndex(sqlSchema string, t *rel.Table, ix *rel.Index) []string {
	if ix.Disabled || (len(ix.Columns) == 1 && ix.Columns[0].ColumnID == t.RowKey && ix.Primary) {
		return nil
	}
	unique := ""
	if ix.Unique {
		unique = "UNIQUE "
	}
	var keys, markers, nulls []string
	for _, k := range ix.Columns {
		c := t.Column(k.ColumnID)
		name := ColumnName(c.ID)
		if k.Desc {
			keys = append(keys, name+" DESC")
		} else {
			keys = append(keys, name)
		}
		if !c.Nullable {
			markers = append(markers, name)
			continue
		}
		nulls = append(nulls, name+" IS NULL")
		marker := "ifnull(" + name + ", 0)"
		if sqlfn.HasCollation(c.Type.Kind) {
			marker += " COLLATE " + sqlfn.CollationName(c.Type)
		}
		markers = append(markers, name+" IS NULL", marker)
	}
	where, and := "", ""
	if ix.FilterSQL != "" {
		where, and = " WHERE "+ix.FilterSQL, "("+ix.FilterSQL+") AND "
	}
	texts := []string{fmt.Sprintf("CREATE %sINDEX %s.i_%d ON t_%d(%s)%s", unique, sqlSchema, ix.ID, t.ID, strings.Join(keys, ", "), where)}
	if ix.Unique && len(nulls) > 0 {
		texts = append(texts, fmt.Sprintf("CREATE UNIQUE INDEX %s.i_%dn ON t_%d(%s) WHERE %s(%s)", sqlSchema, ix.ID, t.ID,
			strings.Join(markers, ", "), and, strings.Join(nulls, " OR ")))
	}
	return texts
}
