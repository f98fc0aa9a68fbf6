// Package sqlfn owns what T-SQL expressions mean on top of SQLite: for the binder, the text and the type of every
// operator, comparison, conversion, function and aggregate; for a connection, the Go functions, collations and the
// virtual table that such text calls.
//
// # The binder's side
//
// The binder never spells a function of this package. It composes values of type [Expr] (SQLite text + SQL Server
// type), and each call below checks arity and types, raises SQL Server's error, inserts the implicit conversions and
// gives the Expr of the result:
//
//	Unary(op, x)                        - + ~
//	Binary(op, a, b)                    + - * / % & | ^           (+ also joins strings and binaries)
//	Compare(op, a, b)                   = <> != < <= > >= !< !>   condition
//	In(x, list, not)                    x [NOT] IN (list)         condition
//	InQuery(x, element, query, not)     x [NOT] IN (SELECT …)     condition; Comparable makes both sides' conversions
//	Between(x, lo, hi, not)             condition
//	Like(x, pattern, escape, not)       condition
//	Convert(x, to, Options)             CAST, CONVERT with style, TRY_CAST, TRY_CONVERT, implicit conversion
//	Assign(x, to, site)                 the conversion of INSERT, UPDATE and DEFAULT: too long is 2628, not cut
//	Unify(list)                         one type for CASE branches, VALUES and UNION columns, and their conversions
//	Call(name, args)                    a scalar function by its T-SQL name, in any case
//	Aggregate(name, distinct, args)     an aggregate or aggregate window function
//	OrderKey(x)                         what to write in ORDER BY, GROUP BY, PARTITION BY and DISTINCT keys: x, under
//	                                    its collation
//	IsFunction(name), IsAggregate(name) whether Call or Aggregate knows the name (others: ranking functions such as
//	                                    ROW_NUMBER are SQLite's own, the binder writes them)
//
// Conditions come back as Expr with Cond set: SQLite text that is 1, 0 or NULL, with SQL's three-valued logic; join
// them with AND, OR, NOT.
//
// Rules for the text:
//   - Expr.SQL is one self-contained operand: parenthesised unless it is a name, a number, a parameter or a call.
//   - Each argument's text stands exactly once in the result, and the arguments' order may change: write parameters
//     with numbers (?1, ?2).
//   - An aggregate's text is one plain call, name(args): OVER (…), FILTER and ORDER BY inside may be added. [Agg] has
//     the parts.
//   - Columns hold the row-store encoding (package sqltype, storage.go) and are declared without a SQLite type, text
//     columns with COLLATE [CollationName]. Comparisons repeat the collation, so indexes are found.
//   - Every text type carries its collation's name; "" means [sqltype.DefaultCollation]. Columns have the Rule Implicit;
//     two columns of different collations do not compare (468).
//   - Nullable is false only where the value cannot be NULL; result columns may be announced so.
//   - A literal or variable is an Expr whose SQL is a parameter, bound with [BindValue] as its Type; Const is set for
//     literals, so that styles, lengths and the like can be read while binding.
//   - A word that is an argument (DATEADD(day, …), and the type in PARSE) is an Expr with only Word set.
//
// Functions about the session, the server or the catalog (DB_ID, OBJECT_ID, SERVERPROPERTY, SUSER_SNAME, …: the
// table is host_table.go) are bound by Call like any other and reach [Statement].Host when they run. @@ functions are
// the binder's: it binds their values as parameters.
//
// # The connection's side
//
// [Register] is called once on each connection, with an [Env]. [EnvOf] finds it again. For every statement:
//
//	env.Begin(sqlfn.Statement{Now: …, Ctx: …})   BEFORE the first Step
//	… Step fails: if e := env.TakeError(); e != nil { it is the SQL error } else { it is SQLite's }
//	env.End()                                    AFTER the statement was reset; drops the views' rows
//
// Values cross with [BindValue] and [ColumnValue].
//
// Views are read as
//
//	SELECT v.c_1, v.c_7 FROM ls_view('sys.databases', ?1) AS v
//
// where the first argument is schema.name of a [rel.View], the second the database it is asked in (a bound parameter, or
// an empty string for the statement's own), and c_n is the view's n-th column in row-store encoding. The rows are taken
// once per statement and database; an equality with an integer column is answered from an index made on the way.
//
// # The functions in SQLite text
//
// Their names begin with ls_. Types travel as integers, [sqltype.Pack]. A function that meets NULL where SQL Server
// gives NULL gives NULL. They are deterministic except for those that read the statement (clock, host, NEWID, RAND).
package sqlfn
