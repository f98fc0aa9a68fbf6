// Package catalog owns what a database knows of itself: its schemas, tables, columns, keys, constraints, modules and
// properties, in system tables inside the database, so that they replicate with it.
//
// A reader loads a [Snapshot] in the transaction in which it will use it; a [Cache] keeps the last one by its version.
// Whoever defines something does so on the writer connection, inside its transaction, through the functions of this
// package, which keep the system tables and SQLite's own schema in step and give the schema a new version.
//
// In SQLite a table is t_<id>, a column c_<id>, an index i_<id>; names of users are values in the system tables and
// never part of SQLite text.
package catalog

import "github.com/ncruces/go-sqlite3"

// Conn is a connection of one database, used by one goroutine at a time. storage's connections are such.
type Conn interface {
	// Stmt gives the prepared statement of a text from the connection's cache, reset and without bindings.
	Stmt(sql string) (*sqlite3.Stmt, error)
	// Exec runs text without results, for definitions.
	Exec(sql string) error
}
