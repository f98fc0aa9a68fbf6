package ast

// CreateTable is CREATE TABLE.
type CreateTable struct {
	Pos
	Name        ObjectName
	Columns     []*ColumnDef
	Constraints []*Constraint
	Indexes     []*CreateIndex // INDEX i (…) inside the table
	Options     []Option
}

// ColumnDef is a column of a table, of a table variable, or of a bulk load.
type ColumnDef struct {
	Pos
	Name string
	Type TypeName // Name "" for a computed column
	// Computed is the expression of a computed column, or nil.
	Computed  *ExprText
	Persisted bool
	// Null is nil when neither NULL nor NOT NULL is said.
	Null     *bool
	Identity *IdentityDef
	// Constraints are PRIMARY KEY, UNIQUE, CHECK, DEFAULT and REFERENCES written on the column.
	Constraints        []*Constraint
	RowGUIDCol, Sparse bool
}

// IdentityDef is IDENTITY [(seed, increment)], (1, 1) when not given.
type IdentityDef struct {
	Pos
	Seed, Increment   string // decimal integers, possibly with a minus
	NotForReplication bool
}

// ConstraintKind says what a constraint demands.
type ConstraintKind uint8

// The kinds of constraints.
const (
	PrimaryKey ConstraintKind = iota + 1
	Unique
	Check
	DefaultValue
	ForeignKey
)

// Constraint is a constraint of a column or of a table.
type Constraint struct {
	Pos
	Name      string // "" when the server names it
	Kind      ConstraintKind
	Clustered *bool         // of PrimaryKey and Unique; nil when not said
	Columns   []IndexColumn // of PrimaryKey, Unique and ForeignKey; empty when written on a column
	Expr      ExprText      // of Check and DefaultValue
	For       string        // the column of ALTER TABLE … ADD DEFAULT … FOR column
	Ref       *Reference    // of ForeignKey
	NoCheck   bool          // WITH NOCHECK
	Options   []Option
}

// Reference is REFERENCES table (columns) ON DELETE … ON UPDATE ….
type Reference struct {
	Pos
	Table              ObjectName
	Columns            []Ident
	OnDelete, OnUpdate string // "NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT" or ""
}

// IndexColumn is a column of a key.
type IndexColumn struct {
	Pos
	Name string
	Desc bool
}

// AlterTable is ALTER TABLE; exactly one of the groups is set.
type AlterTable struct {
	Pos
	Name ObjectName
	// AddColumns and AddConstraints are those of ADD, which may hold both.
	AddColumns     []*ColumnDef
	AddConstraints []*Constraint
	// Alter is the column of ALTER COLUMN with its new type.
	Alter *ColumnDef
	// Drop is what DROP COLUMN and DROP CONSTRAINT name.
	Drop []DropItem
	// Check is "CHECK" or "NOCHECK" with the constraints it turns on or off; no names mean ALL. WithCheck is the WITH
	// CHECK or WITH NOCHECK before it, "" when absent.
	Check            string
	WithCheck        string
	CheckConstraints []Ident
	// Other is the first words of an action that is recognised and refused by name, such as "SWITCH PARTITION", or of
	// one that changes nothing here, "REBUILD".
	Other string
}

// DropItem is one thing that ALTER TABLE … DROP names.
type DropItem struct {
	Pos
	Column   bool // else a constraint
	IfExists bool
	Name     string
}

// CreateIndex is CREATE INDEX.
type CreateIndex struct {
	Pos
	Unique    bool
	Clustered *bool // nil: not said, nonclustered
	// Columnstore is true for CREATE COLUMNSTORE INDEX.
	Columnstore bool
	Name        string
	Table       ObjectName
	Columns     []IndexColumn
	Include     []Ident
	Where       *ExprText
	Options     []Option
}

// AlterIndex is ALTER INDEX name|ALL ON table action.
type AlterIndex struct {
	Pos
	Name   string // "" for ALL
	Table  ObjectName
	Action string // "REBUILD", "REORGANIZE", "DISABLE", "SET"
}

// DropIndex is DROP INDEX [IF EXISTS] i ON t, ….
type DropIndex struct {
	Pos
	IfExists bool
	Items    []IndexOnTable
}

// IndexOnTable names an index.
type IndexOnTable struct {
	Pos
	Name  string
	Table ObjectName
}

// Drop is DROP kind [IF EXISTS] name, … for the objects that have no node of their own.
type Drop struct {
	Pos
	// Kind is "TABLE", "VIEW", "PROCEDURE", "FUNCTION", "SCHEMA", "TRIGGER", "SYNONYM", "SEQUENCE", "TYPE", "STATISTICS"
	// or another word or two, in upper case.
	Kind     string
	IfExists bool
	Names    []ObjectName
}

// CreateSchema is CREATE SCHEMA name [AUTHORIZATION owner].
type CreateSchema struct {
	Pos
	Name, Owner string
}

// AlterSchema is ALTER SCHEMA name TRANSFER object.
type AlterSchema struct {
	Pos
	Name   string
	Object ObjectName
}

// CreateStatistics is CREATE or UPDATE STATISTICS, which are accepted and change nothing that a query shows.
type CreateStatistics struct {
	Pos
	Update bool
	Name   string
	Table  ObjectName
}

// CreateView is CREATE, CREATE OR ALTER or ALTER VIEW.
type CreateView struct {
	Pos
	Alter, OrAlter bool
	Name           ObjectName
	Columns        []Ident
	Options        []Option // SCHEMABINDING and the like
	Query          *Select
	CheckOption    bool
	// Text is the whole statement as written, as sys.sql_modules shows it; QueryText is that of the query alone.
	Text, QueryText string
}

// ParamDef is a parameter of a procedure or function.
type ParamDef struct {
	Pos
	Name             string // with its @
	Type             TypeName
	Default          Expr // nil when there is none
	Output, ReadOnly bool
}

// CreateProcedure is CREATE, CREATE OR ALTER or ALTER PROCEDURE. It is the only statement of its batch.
type CreateProcedure struct {
	Pos
	Alter, OrAlter bool
	Name           ObjectName
	Params         []ParamDef
	Options        []Option
	Body           []Statement
	Text           string // the whole statement as written
}

// CreateFunction is CREATE, CREATE OR ALTER or ALTER FUNCTION.
type CreateFunction struct {
	Pos
	Alter, OrAlter bool
	Name           ObjectName
	Params         []ParamDef
	// Returns is the scalar type; ReturnsTable is true for a table-valued function, TableVariable with its columns for
	// one of several statements, Query for an inline one.
	Returns       TypeName
	ReturnsTable  bool
	TableVariable string
	TableDef      *TableDef
	Query         *Select
	Options       []Option
	Body          []Statement
	Text          string
}

// Refused is a statement that is known to T-SQL and not served. It fails when it is run, not when it is parsed, and by
// the name in What ("CREATE TRIGGER"). It reaches to the end of its batch.
type Refused struct {
	Pos
	What string
	Text string
}

// TableDef is the column list of a table variable.
type TableDef struct {
	Pos
	Columns     []*ColumnDef
	Constraints []*Constraint
	Indexes     []*CreateIndex
}

func (*CreateTable) statement()      {}
func (*AlterTable) statement()       {}
func (*CreateIndex) statement()      {}
func (*AlterIndex) statement()       {}
func (*DropIndex) statement()        {}
func (*Drop) statement()             {}
func (*CreateSchema) statement()     {}
func (*AlterSchema) statement()      {}
func (*CreateStatistics) statement() {}
func (*CreateView) statement()       {}
func (*CreateProcedure) statement()  {}
func (*CreateFunction) statement()   {}
func (*Refused) statement()          {}
