package ast

// LiteralKind is what a literal looks like; its type follows from it and the text.
type LiteralKind uint8

// The kinds of literals.
const (
	LitNull    LiteralKind = iota // NULL
	LitInteger                    // 42: int, or numeric(n,0) when it does not fit
	LitDecimal                    // 4.2, .5, 4.: numeric by its digits
	LitFloat                      // 1e3: float
	LitMoney                      // $1.50: money; Text holds the number without the currency sign and thousands' commas
	LitBinary                     // 0xAB: varbinary; Text holds the hex digits after 0x
	LitString                     // 'text': varchar; Text holds the characters, quotes undoubled
	LitNString                    // N'text': nvarchar
)

// Literal is a constant as written. A leading minus is a Unary.
type Literal struct {
	Pos
	Kind LiteralKind
	Text string
}

// Variable is @name.
type Variable struct {
	Pos
	Name string // with its @, as written; names compare without case
}

// SystemVariable is @@NAME.
type SystemVariable struct {
	Pos
	Name string // with its @@, in upper case
}

// Column is a reference to a column: a, t.a, s.t.a or d.s.t.a. The first argument of DATEADD, DATEDIFF, DATEPART and the
// like is one too. Pseudo columns ($action, $identity, $rowguid) have their name with the dollar.
type Column struct {
	Pos
	// Table qualifies the column; its Name is "" when nothing does.
	Table ObjectName
	Name  string
}

// Star is * or t.* in a select list, or the argument of COUNT(*).
type Star struct {
	Pos
	Table ObjectName
}

// Unary is -x, +x or ~x.
type Unary struct {
	Pos
	Op string
	X  Expr
}

// Binary is an arithmetic, bitwise or concatenating operator: + - * / % & | ^ << >> ||. Pos is the operator's.
type Binary struct {
	Pos
	Op   string
	L, R Expr
}

// Compare is a comparison; Op is one of = <> < > <= >= (the other spellings are normalised).
type Compare struct {
	Pos
	Op   string
	L, R Expr
}

// CompareQuery is x op ALL|ANY|SOME (query).
type CompareQuery struct {
	Pos
	Op    string
	L     Expr
	All   bool
	Query *Select
}

// Logic is a chain of conditions joined by AND, or by OR.
type Logic struct {
	Pos
	Or    bool
	Terms []Expr // two or more
}

// Not negates a condition.
type Not struct {
	Pos
	X Expr
}

// Like is x [NOT] LIKE pattern [ESCAPE e].
type Like struct {
	Pos
	Not                bool
	X, Pattern, Escape Expr // Escape may be nil
}

// Between is x [NOT] BETWEEN low AND high.
type Between struct {
	Pos
	Not          bool
	X, Low, High Expr
}

// In is x [NOT] IN (list) or x [NOT] IN (query).
type In struct {
	Pos
	Not   bool
	X     Expr
	List  []Expr
	Query *Select // nil for a list
}

// IsNull is x IS [NOT] NULL.
type IsNull struct {
	Pos
	Not bool
	X   Expr
}

// IsDistinct is l IS [NOT] DISTINCT FROM r.
type IsDistinct struct {
	Pos
	Not  bool
	L, R Expr
}

// Exists is EXISTS (query).
type Exists struct {
	Pos
	Query *Select
}

// Case is CASE [operand] WHEN … THEN … [ELSE …] END. With an operand, each When.Cond is a value to compare with it.
type Case struct {
	Pos
	Operand Expr // nil for a searched CASE
	Whens   []When
	Else    Expr // nil when absent
}

// When is one arm of a CASE.
type When struct {
	Cond, Result Expr
}

// Cast is CAST(x AS type) or TRY_CAST.
type Cast struct {
	Pos
	Try  bool
	X    Expr
	Type TypeName
}

// Convert is CONVERT(type, x [, style]) or TRY_CONVERT.
type Convert struct {
	Pos
	Try   bool
	Type  TypeName
	X     Expr
	Style Expr // nil when absent
}

// Parse is PARSE(x AS type [USING culture]) or TRY_PARSE.
type Parse struct {
	Pos
	Try     bool
	X       Expr
	Type    TypeName
	Culture Expr // nil when absent
}

// Func is a function call. COALESCE, NULLIF, IIF, LEFT, CURRENT_TIMESTAMP and the like are Funcs too.
type Func struct {
	Pos
	// Name has the function's name as written; Schema is set for user functions (dbo.f).
	Name ObjectName
	Args []Expr // COUNT(*) has one *Star
	// Distinct is true for agg(DISTINCT x).
	Distinct bool
	// Over is the window, or nil.
	Over *Over
	// WithinGroup is WITHIN GROUP (ORDER BY …), nil when absent.
	WithinGroup []OrderItem
	// IgnoreNulls is IGNORE NULLS of FIRST_VALUE and the like.
	IgnoreNulls bool
}

// Over is the OVER clause of a function.
type Over struct {
	Pos
	// Window names a WINDOW of the query, or "".
	Window      string
	PartitionBy []Expr
	OrderBy     []OrderItem
	// Unit is "ROWS" or "RANGE", "" when no frame was given.
	Unit     string
	From, To FrameBound
}

// FrameBound is one end of a window's frame.
type FrameBound struct {
	// Kind is "UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING" or "UNBOUNDED FOLLOWING".
	Kind  string
	Count Expr // of PRECEDING and FOLLOWING
}

// Subquery is a query in parentheses where a scalar is wanted.
type Subquery struct {
	Pos
	Query *Select
}

// Collate is x COLLATE name.
type Collate struct {
	Pos
	X         Expr
	Collation string
}

// AtTimeZone is x AT TIME ZONE zone.
type AtTimeZone struct {
	Pos
	X, Zone Expr
}

// NextValue is NEXT VALUE FOR sequence.
type NextValue struct {
	Pos
	Sequence ObjectName
}

// Default is the word DEFAULT in VALUES, SET or EXEC.
type Default struct{ Pos }

func (*Literal) expr()        {}
func (*Variable) expr()       {}
func (*SystemVariable) expr() {}
func (*Column) expr()         {}
func (*Star) expr()           {}
func (*Unary) expr()          {}
func (*Binary) expr()         {}
func (*Compare) expr()        {}
func (*CompareQuery) expr()   {}
func (*Logic) expr()          {}
func (*Not) expr()            {}
func (*Like) expr()           {}
func (*Between) expr()        {}
func (*In) expr()             {}
func (*IsNull) expr()         {}
func (*IsDistinct) expr()     {}
func (*Exists) expr()         {}
func (*Case) expr()           {}
func (*Cast) expr()           {}
func (*Convert) expr()        {}
func (*Parse) expr()          {}
func (*Func) expr()           {}
func (*Subquery) expr()       {}
func (*Collate) expr()        {}
func (*AtTimeZone) expr()     {}
func (*NextValue) expr()      {}
func (*Default) expr()        {}

// IsCondition reports whether e is a condition (true, false or unknown) and not a value. The parser has checked that
// conditions stand exactly where conditions may.
func IsCondition(e Expr) bool {
	switch e.(type) {
	case *Compare, *CompareQuery, *Logic, *Not, *Like, *Between, *In, *IsNull, *IsDistinct, *Exists:
		return true
	}
	return false
}
