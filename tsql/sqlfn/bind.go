package sqlfn

import "linkspan/sqltype"

// The signatures below are what the binder calls.

// Unary gives -x, +x or ~x.
func Unary(op string, x Expr) (Expr, error) { return unary(op, x) }

// Binary gives a op b for + - * / % & | ^, with SQL Server's result type.
func Binary(op string, a, b Expr) (Expr, error) { return binary(op, a, b) }

// Compare gives the condition a op b for = <> != < <= > >= !< !>.
func Compare(op string, a, b Expr) (Expr, error) { return compare(op, a, b) }

// Comparable converts a and b to the type in which they compare, both with the collation that rules.
func Comparable(a, b Expr) (Expr, Expr, error) { return comparable2(a, b) }

// In gives the condition x [NOT] IN (list).
func In(x Expr, list []Expr, not bool) (Expr, error) { return in(x, list, not) }

// InQuery gives x [NOT] IN (query). element is the query's column; query must select it as Comparable(x, element)
// converted it, and x comes from there too.
func InQuery(x, element Expr, query string, not bool) (Expr, error) {
	return inQuery(x, element, query, not)
}

// Between gives x [NOT] BETWEEN lo AND hi.
func Between(x, lo, hi Expr, not bool) (Expr, error) { return between(x, lo, hi, not) }

// Like gives x [NOT] LIKE pattern; escape is nil when there is none.
func Like(x, pattern Expr, escape *Expr, not bool) (Expr, error) {
	return like(x, pattern, escape, not)
}

// Convert gives x as type to.
func Convert(x Expr, to sqltype.Type, o Options) (Expr, error) { return convert(x, to, o) }

// Assign gives x as a value for a column of type to; site is the column's place in Statement.Sites.
func Assign(x Expr, to sqltype.Type, site int) (Expr, error) { return assign(x, to, site) }

// Unify converts all of list to the one type that CASE, COALESCE, UNION and VALUES give.
func Unify(list []Expr) ([]Expr, sqltype.Type, error) { return unify(list) }

// Collate gives x under the named collation; 448 when it is unknown, 447 when x is no text.
func Collate(x Expr, collation string) (Expr, error) { return collate(x, collation) }

// Call gives the scalar function name over args.
func Call(name string, args []Expr) (Expr, error) { return callFunction(name, args) }

// IsFunction reports whether Call knows name.
func IsFunction(name string) bool { return isFunction(name) }

// Aggregate gives the aggregate name over args; COUNT(*) has no args.
func Aggregate(name string, distinct bool, args []Expr) (Expr, error) {
	return aggregate(name, distinct, args)
}

// IsAggregate reports whether Aggregate knows name.
func IsAggregate(name string) bool { return isAggregate(name) }
