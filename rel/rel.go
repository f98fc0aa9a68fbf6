// Package rel owns the descriptions of relations that the binder, the catalog and the views of the instance share:
// tables with their columns, keys and constraints, and read-only views that Go code fills.
//
// It holds data and small interfaces only, so that the binder needs neither the catalog nor the instance.
package rel

import (
	"context"
	"iter"

	"linkspan/sqlapi"
	"linkspan/sqltype"
)

// View is a read-only relation whose rows Go code produces: a catalog view, a dynamic management view.
type View struct {
	// Schema and Name name it, for example "sys" and "databases". Names compare without case.
	Schema, Name string
	// Columns are in order of SELECT *.
	Columns []sqlapi.Column
	// Rows yields the rows as of one moment, each with len(Columns) values of the columns' kinds. The slice may be
	// reused between rows.
	Rows func(ctx context.Context, s Scope) iter.Seq2[[]sqltype.Value, error]
}

// Scope is who asks, and from where.
type Scope struct {
	// Database is the database that the view was asked in ("db.sys.objects" or the current one), as the instance
	// spells it, and DatabaseID its number.
	Database   string
	DatabaseID int
	// SessionID is @@SPID.
	SessionID int
}

// Views finds views by name.
type Views interface {
	// View returns the view, or nil. Names compare without case.
	View(schema, name string) *View
}

// Table describes a base table as one version of the schema has it. It is immutable once handed out.
type Table struct {
	ID           int32
	Schema, Name string
	Columns      []*Column
	// Keys are the primary key and the unique constraints and indexes, the primary key first if there is one.
	Indexes []*Index
	Checks  []*Check
	// Identity is the position of the identity column in Columns, or -1.
	Identity int
	// Token is a random number that the creation of the table and each reset of its identity get anew; two tables of
	// the same ID in two versions of a schema differ by it.
	Token int64
	// Foreign are the foreign keys that this table declares, Referenced those of other tables (or itself) to it.
	Foreign, Referenced []*Foreign
	// RowKey is the ID of the integer primary key column that is SQLite's rowid, or 0.
	RowKey int32
}

// Column returns the column with an ID, or nil.
func (t *Table) Column(id int32) *Column {
	for _, c := range t.Columns {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// Foreign describes a foreign key. Columns pair up by position.
type Foreign struct {
	ID   int32
	Name string
	// Table declares it, with Columns; Target is referenced, in TargetColumns, which are a key of it (TargetKey).
	Table, Target          int32
	Columns, TargetColumns []int32
	TargetKey              int32
	OnDelete, OnUpdate     string // "NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT"
	// SelfRefs tells that Table and Target are one.
	Disabled, NotTrusted, SelfRefs, Generated bool
}

// Column describes a column of a table.
type Column struct {
	ID       int32
	Name     string
	Type     sqltype.Type
	Nullable bool
	// Default is the text of the default expression, "" for none; DefaultName is its constraint's name.
	Default, DefaultName string
	// Seed and Increment are those of an identity column.
	Seed, Increment int64
	Identity        bool
	// Computed is the text of a computed column's expression, "" for a stored one. It is evaluated when read, unless
	// Persisted.
	Computed  string
	Persisted bool
	// RowGUID is ROWGUIDCOL.
	RowGUID bool
	// DefaultID is the object number of the default's constraint, 0 without one; DefaultGenerated tells that the
	// server named it.
	DefaultID        int32
	DefaultGenerated bool
}

// Index describes an index, or the one behind a primary or unique key.
type Index struct {
	ID         int32
	Name       string
	Unique     bool
	Primary    bool
	Constraint bool // a UNIQUE or PRIMARY KEY constraint, not just an index
	Clustered  bool
	Columns    []IndexColumn
	Include    []int32
	// Filter is the condition of a filtered index as written, FilterSQL the same as SQLite text over c_<id> columns.
	Filter, FilterSQL string
	// Number is index_id: 1 for the clustered index, from 2 for others.
	Number int32
	// ObjectID is the constraint's object number; 0 for an index that is no constraint. Generated: the server named it.
	ObjectID            int32
	Generated, Disabled bool
	// IgnoreDup is IGNORE_DUP_KEY = ON.
	IgnoreDup bool
}

// IndexColumn is one column of an index's key.
type IndexColumn struct {
	ColumnID int32
	Desc     bool
}

// Check describes a CHECK constraint.
type Check struct {
	ID   int32
	Name string
	// Expr is the text of the condition, in parentheses.
	Expr string
	// ColumnID is the column it was declared on, or 0 for a table constraint.
	ColumnID                        int32
	Disabled, NotTrusted, Generated bool
}
