package ast

// Select is a query expression: as a statement, a subquery, a derived table, the body of a CTE or view.
type Select struct {
	Pos
	With    []*CTE
	Body    Query
	OrderBy []OrderItem
	// Offset and Fetch are those of OFFSET … ROWS FETCH NEXT … ROWS ONLY; nil when absent.
	Offset, Fetch Expr
	// For is FOR XML, FOR JSON or FOR BROWSE: its mode in upper case ("XML PATH"), "" when absent.
	For        string
	ForOptions []Option
	// Hints are those of OPTION (…).
	Hints []Option
}

// CTE is one common table expression.
type CTE struct {
	Pos
	Name    string
	Columns []Ident
	Query   *Select
}

// SelectSpec is SELECT … FROM … WHERE … GROUP BY … HAVING ….
type SelectSpec struct {
	Pos
	Distinct bool
	Top      *Top
	Items    []SelectItem
	Into     *ObjectName // SELECT … INTO; nil when absent
	From     []Source    // comma-separated; empty when there is no FROM
	Where    Expr
	GroupBy  []Expr
	// GroupKind is "", or "ROLLUP", "CUBE" or "GROUPING SETS", which are parsed only to be refused by name.
	GroupKind string
	Having    Expr
	Windows   []NamedWindow
}

// NamedWindow is one of WINDOW w AS (…).
type NamedWindow struct {
	Name string
	Over *Over
}

// SetOp joins two query bodies.
type SetOp struct {
	Pos
	Op          string // "UNION", "EXCEPT" or "INTERSECT"
	All         bool   // UNION ALL
	Left, Right Query
}

func (*SelectSpec) query() {}
func (*SetOp) query()      {}

// Top is TOP (n) [PERCENT] [WITH TIES].
type Top struct {
	Pos
	Count             Expr
	Percent, WithTies bool
}

// SelectItem is one item of a select list or of OUTPUT.
type SelectItem struct {
	Pos
	Expr Expr // *Star for * and t.*
	// Alias is the column's name given by AS, alias = or the bare word; "" when none.
	Alias string
	// Variable is set for @v = expr, Op then is "=" or a compound assignment such as "+=".
	Variable string
	Op       string
}

// OrderItem is one item of ORDER BY.
type OrderItem struct {
	Pos
	Expr Expr
	Desc bool
}

// TableName is a table, view or CTE by name; a temporary table's name begins with #.
type TableName struct {
	Pos
	Name  ObjectName
	Alias string
	// Hints are those of WITH (…), which may be acted on or ignored; INDEX hints have Args.
	Hints []Option
	// Columns are the names given after the alias, if any.
	Columns []Ident
}

// TableVariable is @t as a source or target.
type TableVariable struct {
	Pos
	Name  string // with its @
	Alias string
}

// Derived is (query) AS alias (columns).
type Derived struct {
	Pos
	Query   *Select
	Alias   string
	Columns []Ident
}

// ValuesTable is (VALUES (…), (…)) AS alias (columns).
type ValuesTable struct {
	Pos
	Rows    [][]Expr
	Alias   string
	Columns []Ident
}

// FunctionTable is a table-valued function: STRING_SPLIT(…), sys.f(…), OPENJSON(…) WITH (…).
type FunctionTable struct {
	Pos
	Call    *Func
	With    []*ColumnDef // of OPENJSON; nil when absent
	Alias   string
	Columns []Ident
}

// Join is two sources joined.
type Join struct {
	Pos
	// Kind is "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "CROSS APPLY" or "OUTER APPLY".
	Kind        string
	Left, Right Source
	On          Expr // nil for CROSS and the APPLYs
}

// Pivot is PIVOT or UNPIVOT over a source, parsed so that it can be refused by name.
type Pivot struct {
	Pos
	Unpivot bool
	Source  Source
	Alias   string
}

func (*TableName) source()     {}
func (*TableVariable) source() {}
func (*Derived) source()       {}
func (*ValuesTable) source()   {}
func (*FunctionTable) source() {}
func (*Join) source()          {}
func (*Pivot) source()         {}

func (*Select) statement() {}
