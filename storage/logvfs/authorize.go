package logvfs

import (
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Guard decides which SQL a connection may prepare: what is not listed is refused. SQL comes from our own binder only;
// this stands in case it errs.
type Guard struct {
	// Writer allows changes of the main database, and not of temporary tables only.
	Writer bool
	// Trusted lets everything pass, while storage itself uses the connection.
	Trusted bool
}

// readOnlyPragmas tell about the schema and change nothing when they have no argument but a name.
var readOnlyPragmas = map[string]bool{"table_info": true, "table_xinfo": true, "table_list": true, "index_list": true, "index_info": true,
	"index_xinfo": true, "foreign_key_list": true, "foreign_key_check": true, "integrity_check": true, "quick_check": true,
	"function_list": true, "collation_list": true, "data_version": true, "freelist_count": true, "page_count": true, "defer_foreign_keys": true}

// deniedFunctions reach outside the database.
var deniedFunctions = map[string]bool{"load_extension": true, "readfile": true, "writefile": true, "edit": true, "fts3_tokenizer": true}

// Authorize is the callback for sqlite3.Conn.SetAuthorizer.
func (g *Guard) Authorize(action sqlite3.AuthorizerActionCode, third, fourth, schema, _ string) sqlite3.AuthorizerReturnCode {
	if g.Trusted || g.allows(action, third, fourth, schema) {
		return sqlite3.AUTH_OK
	}
	return sqlite3.AUTH_DENY
}

func (g *Guard) allows(action sqlite3.AuthorizerActionCode, third, fourth, schema string) bool {
	switch action {
	case sqlite3.AUTH_SELECT, sqlite3.AUTH_READ, sqlite3.AUTH_RECURSIVE, sqlite3.AUTH_SAVEPOINT:
		return true
	case sqlite3.AUTH_FUNCTION:
		return !deniedFunctions[strings.ToLower(fourth)]
	case sqlite3.AUTH_PRAGMA:
		return readOnlyPragmas[strings.ToLower(third)]
	case sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE:
		return g.Writer || schema != "main"
	case sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_DROP_TEMP_TABLE, sqlite3.AUTH_DROP_TEMP_INDEX:
		return true
	case sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_INDEX,
		sqlite3.AUTH_REINDEX, sqlite3.AUTH_ANALYZE:
		return g.Writer || schema == "temp" // CREATE TABLE temp.x is one of these, CREATE TEMP TABLE x is not
	case sqlite3.AUTH_ALTER_TABLE: // its third is the schema
		return g.Writer || third != "main"
	case sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_VTABLE:
		return schema == "temp"
	}
	return false // ATTACH, DETACH, BEGIN, COMMIT, ROLLBACK, triggers, views, and what SQLite may add
}
