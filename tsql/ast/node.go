// Package ast owns the syntax tree of T-SQL: what a statement says, with the place where it says it, and nothing about
// what the names in it mean.
//
// Nodes are plain data made by tsql/parse and never changed afterwards, so a tree may be cached and run by many
// sessions at once. Keywords that choose between forms (SYNCHRONOUS_COMMIT, READ_ONLY) are kept as upper-case strings;
// "" means that the clause is absent. Names are kept as written, without their quotes.
package ast

import "strings"

// Pos is where a node begins in the text of its batch.
type Pos struct {
	// Offset counts bytes from 0.
	Offset int
	// Line and Column count from 1; Column counts bytes.
	Line, Column int
}

// Position gives the place of the node that embeds it.
func (p Pos) Position() Pos { return p }

// Node is anything with a place.
type Node interface{ Position() Pos }

// Statement is one statement of a batch.
type Statement interface {
	Node
	statement()
}

// Expr is a scalar expression or a condition; IsCondition tells which.
type Expr interface {
	Node
	expr()
}

// Query is the body of a query expression: *SelectSpec or *SetOp.
type Query interface {
	Node
	query()
}

// Source is an item of a FROM clause or the target of a data change: *TableName, *TableVariable, *Derived, *ValuesTable,
// *FunctionTable, *Join or *Pivot.
type Source interface {
	Node
	source()
}

// Ident is one name.
type Ident struct {
	Pos
	Name string
	// Quoted is true for [name] and "name".
	Quoted bool
}

// ObjectName is a name of up to four parts; absent parts are "". In db..t the schema is "".
type ObjectName struct {
	Pos
	Server, Database, Schema, Name string
}

// String spells the name with dots, unquoted, as error messages do: "dbo.t".
func (n ObjectName) String() string {
	var b strings.Builder
	begun := false
	for _, p := range []string{n.Server, n.Database, n.Schema} {
		if p == "" && !begun {
			continue
		}
		begun = true
		b.WriteString(p)
		b.WriteByte('.')
	}
	b.WriteString(n.Name)
	return b.String()
}

// TypeName is a data type as written.
type TypeName struct {
	Pos
	// Schema is "" or the schema of the type ("sys", "dbo").
	Schema string
	// Name is in lower case with synonyms as written: "numeric", "dec", "character varying", "national character",
	// "double precision", "sysname".
	Name string
	// Args are the numbers in parentheses: length, or precision and scale. Empty when none was given.
	Args []int
	// Max is true for (max).
	Max bool
	// Collation is the one given after the type, or "".
	Collation string
}

// ExprText is an expression together with its source text, for definitions that are stored: defaults, checks,
// computed columns, index filters. Text is without the outermost parentheses' surroundings, exactly as written.
type ExprText struct {
	Expr Expr
	Text string
}

// Option is one NAME [= value] of a list of options, such as those of WITH (…) and BACKUP.
type Option struct {
	Pos
	// Name is in upper case; words of a longer name are joined by one blank.
	Name string
	// Value is what stands after the equals sign: a *Literal, a *Variable, a *Keyword, or nil for a bare word.
	Value Expr
	// Args are nested options: COMPRESSION (ALGORITHM = MS_XPRESS). Nil when none.
	Args []Option
	// To is the second operand of MOVE 'logical' TO 'path'; nil otherwise.
	To Expr
}

// Keyword is a word used as an option's value, such as ON in STATISTICS_NORECOMPUTE = ON.
type Keyword struct {
	Pos
	// Word is in upper case.
	Word string
}

func (*Keyword) expr() {}

// FindOption returns the option of that name (upper case), or nil.
func FindOption(list []Option, name string) *Option {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// NameOrVariable is a name that may be given in a variable, as in BACKUP DATABASE @db.
type NameOrVariable struct {
	Pos
	Name string
	// Variable is with its @, or "".
	Variable string
}
