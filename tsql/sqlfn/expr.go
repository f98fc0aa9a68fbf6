package sqlfn

import (
	"strconv"
	"strings"

	"linkspan/sqltype"
)

// Expr is a bound scalar expression or, with Cond, a condition.
type Expr struct {
	// SQL is SQLite text for one operand: parenthesised unless it is a name, number, parameter or call.
	SQL string
	// Type is the SQL Server type; the value is in its row-store encoding.
	Type sqltype.Type
	// Nullable is false when the value cannot be NULL.
	Nullable bool
	// Const is the value when it is a literal, nil otherwise.
	Const *sqltype.Value
	// Word is a bare word given as an argument, such as the part in DATEADD(day, …); then nothing else is set.
	Word string
	// Cond is true when SQL is a condition: 1, 0 or NULL, no bit of T-SQL.
	Cond bool
	// Agg is set for an aggregate: the parts that SQL was made of.
	Agg *Agg
	// Rule says where the collation of a text comes from; the stronger one rules a comparison, two of equal strength that
	// differ are error 468.
	Rule Rule
}

// Rule is the strength of a collation: "Collation Precedence (Transact-SQL)".
type Rule uint8

// The strengths.
const (
	// Coercible is that of literals, variables and most functions' results.
	Coercible Rule = iota
	// Implicit is that of columns. The binder sets it.
	Implicit
	// Explicit is that of COLLATE.
	Explicit
)

// Agg is an aggregate call in parts, for a binder that adds ORDER BY (WITHIN GROUP) or FILTER. Its text is
// Func(DISTINCT? Args…).
type Agg struct {
	Func     string
	Distinct bool
	Args     []string
}

// String gives the aggregate's text with orderBy, when it is not "", inside the parentheses.
func (a Agg) String(orderBy string) string {
	var b strings.Builder
	b.WriteString(a.Func)
	b.WriteByte('(')
	if a.Distinct {
		b.WriteString("DISTINCT ")
	}
	b.WriteString(strings.Join(a.Args, ", "))
	if orderBy != "" {
		b.WriteString(" ORDER BY ")
		b.WriteString(orderBy)
	}
	b.WriteByte(')')
	return b.String()
}

// Options say how a conversion is done.
type Options struct {
	// Style is CONVERT's third argument; nil for none. A constant is read while binding, another expression as it runs.
	Style *Expr
	// Try gives NULL where the conversion of a value fails (TRY_CAST, TRY_CONVERT).
	Try bool
	// Implicit allows only what SQL Server converts by itself (257 otherwise).
	Implicit bool
}

// call writes name(args…).
func call(name string, args ...string) string {
	return name + "(" + strings.Join(args, ", ") + ")"
}

// code is t as the integer that the functions take.
func code(t sqltype.Type) string { return strconv.FormatInt(sqltype.Pack(t), 10) }

func itoa(n int) string { return strconv.Itoa(n) }

// momentCollation is the collation of datetimeoffset.
const momentCollation = "ls_datetimeoffset"

// HasCollation reports whether values of kind k are stored as text and compare under a collation: strings, and
// datetimeoffset, whose offset does not count.
func HasCollation(k sqltype.Kind) bool { return k.IsString() || k == sqltype.DateTimeOffset }

// CollationName is the SQLite name of a type's collation, for COLLATE in the definition of columns and indexes. The type
// has one (HasCollation).
func CollationName(t sqltype.Type) string {
	if t.Kind == sqltype.DateTimeOffset {
		return momentCollation
	}
	return "ls_" + strings.ToLower(sqltype.CollationOf(t).Name)
}

// OrderKey is what stands for x in ORDER BY, GROUP BY, PARTITION BY and DISTINCT: x under its collation.
func OrderKey(x Expr) string {
	if HasCollation(x.Type.Kind) {
		return x.SQL + " COLLATE " + CollationName(x.Type)
	}
	return x.SQL
}
