package ast

// Insert is INSERT [INTO] target. Exactly one of Rows, Query, Exec and DefaultValues says what.
type Insert struct {
	Pos
	With          []*CTE
	Top           *Top
	Target        Source  // *TableName or *TableVariable
	Columns       []Ident // empty: all, in order
	Output        *Output
	Rows          [][]Expr
	Query         *Select
	Exec          *Execute
	DefaultValues bool
	Hints         []Option
}

// Update is UPDATE target SET ….
type Update struct {
	Pos
	With []*CTE
	Top  *Top
	// Target is a *TableName, whose name may be an alias used in From, or a *TableVariable.
	Target Source
	Set    []Assignment
	Output *Output
	From   []Source
	Where  Expr
	// Cursor is the cursor of WHERE CURRENT OF, or "".
	Cursor string
	Hints  []Option
}

// Assignment is column = value, @v = value, or @v = column = value, with = or a compound operator such as +=.
type Assignment struct {
	Pos
	Column   *Column // nil when only a variable is set
	Variable string  // with its @, "" when only a column is set
	Op       string
	Value    Expr // *Default for DEFAULT
}

// Delete is DELETE [FROM] target.
type Delete struct {
	Pos
	With   []*CTE
	Top    *Top
	Target Source
	Output *Output
	From   []Source
	Where  Expr
	Cursor string
	Hints  []Option
}

// Output is OUTPUT items [INTO target (columns)]. Columns of the items are qualified by inserted or deleted.
type Output struct {
	Pos
	Items   []SelectItem
	Into    Source // nil: to the client
	Columns []Ident
	// Client is a second OUTPUT clause without INTO after one with it; nil when absent.
	Client []SelectItem
}

// Merge is MERGE INTO target USING source ON … WHEN ….
type Merge struct {
	Pos
	With   []*CTE
	Top    *Top
	Target Source
	Using  Source
	On     Expr
	Whens  []MergeWhen
	Output *Output
	Hints  []Option
}

// MergeWhen is one WHEN clause of MERGE.
type MergeWhen struct {
	Pos
	// Match is "MATCHED", "NOT MATCHED BY TARGET" or "NOT MATCHED BY SOURCE".
	Match string
	And   Expr
	// Action is "UPDATE", "DELETE" or "INSERT".
	Action        string
	Set           []Assignment
	Columns       []Ident
	Values        []Expr
	DefaultValues bool
}

// TruncateTable is TRUNCATE TABLE t.
type TruncateTable struct {
	Pos
	Name ObjectName
}

// InsertBulk is INSERT BULK t (columns) WITH (…), by which a client announces a bulk load ([MS-TDS] 2.2.6.1).
type InsertBulk struct {
	Pos
	Table   ObjectName
	Columns []*ColumnDef
	Options []Option
}

func (*Insert) statement()        {}
func (*Update) statement()        {}
func (*Delete) statement()        {}
func (*Merge) statement()         {}
func (*TruncateTable) statement() {}
func (*InsertBulk) statement()    {}
