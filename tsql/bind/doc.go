// Package bind owns the meaning of T-SQL statements over tables: it finds the names in the catalog and the views,
// gives every expression SQL Server's type, and makes SQLite text of it.
//
// What single expressions mean (operators, conversions, functions) is package sqlfn's; bind composes. No name and no
// literal of the user enters SQLite text: objects are t_<id> and c_<id>, values are parameters.
//
//	Query(env, statement)      *Plan    SELECT, INSERT, UPDATE, DELETE, MERGE, TRUNCATE
//	InsertRows(env, insert, columns)    INSERT … EXEC and bulk loads: rows come from Run.Input
//	Scalar(env, expr, type)    *Plan    one value: SET @v = …, DECLARE @v t = …, PRINT, RETURN, arguments
//	Condition(env, expr)       *Plan    IF and WHILE: one bit, NULL when unknown
//	Define(env, statement)     *Change  CREATE, ALTER and DROP of tables, indexes, schemas, views, modules
//
// The plan runs itself (Plan.Run): statements that write check constraints, hand out identity values, answer OUTPUT
// and undo themselves when they fail. [Register] adds the few SQLite functions that only this package's text calls.
package bind
