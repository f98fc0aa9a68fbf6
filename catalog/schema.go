package catalog

import (
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqltype"
)

// formatVersion is that of the system tables. A database of another version is refused.
const formatVersion = 1

// firstID is the first object number given out; SQL Server keeps the numbers up to 100 for itself.
const firstID = 101

// systemTables are those that Init makes. The prefix %s is the SQLite schema with its dot.
const systemTables = `
CREATE TABLE %[1]ssys_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE %[1]ssys_schema(id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner INTEGER NOT NULL);
CREATE TABLE %[1]ssys_object(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, schema INTEGER NOT NULL, name TEXT NOT NULL,
	parent INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL, text TEXT, flags INTEGER NOT NULL,
	token INTEGER NOT NULL, rowkey INTEGER NOT NULL, lastcolumn INTEGER NOT NULL);
CREATE TABLE %[1]ssys_column(object INTEGER, id INTEGER, name TEXT NOT NULL, kind TEXT NOT NULL, len INTEGER NOT NULL,
	prec INTEGER NOT NULL, scale INTEGER NOT NULL, collation TEXT, nullable INTEGER NOT NULL, seed INTEGER,
	increment INTEGER, dflt TEXT, dflt_id INTEGER, computed TEXT, persisted INTEGER NOT NULL, rowguid INTEGER NOT NULL,
	PRIMARY KEY(object, id)) WITHOUT ROWID;
CREATE TABLE %[1]ssys_index(id INTEGER PRIMARY KEY, object INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,
	flags INTEGER NOT NULL, constraint_id INTEGER NOT NULL, filter TEXT, filter_sql TEXT);
CREATE TABLE %[1]ssys_index_column(idx INTEGER, ord INTEGER, col INTEGER NOT NULL, flags INTEGER NOT NULL,
	PRIMARY KEY(idx, ord)) WITHOUT ROWID;
CREATE TABLE %[1]ssys_check(id INTEGER PRIMARY KEY, object INTEGER NOT NULL, col INTEGER NOT NULL, text TEXT NOT NULL,
	flags INTEGER NOT NULL);
CREATE TABLE %[1]ssys_foreign(id INTEGER PRIMARY KEY, object INTEGER NOT NULL, target INTEGER NOT NULL,
	target_key INTEGER NOT NULL, on_delete TEXT NOT NULL, on_update TEXT NOT NULL, flags INTEGER NOT NULL);
CREATE TABLE %[1]ssys_foreign_column(id INTEGER, ord INTEGER, col INTEGER NOT NULL, target_col INTEGER NOT NULL,
	PRIMARY KEY(id, ord)) WITHOUT ROWID;
CREATE TABLE %[1]ssys_property(class INTEGER, major INTEGER, minor INTEGER, name TEXT, value TEXT,
	PRIMARY KEY(class, major, minor, name)) WITHOUT ROWID;
CREATE TABLE %[1]ssys_identity(object INTEGER PRIMARY KEY, last INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE TABLE %[1]ssys_principal(id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, default_schema TEXT,
	sid BLOB, created INTEGER NOT NULL, fixed INTEGER NOT NULL);
CREATE TABLE %[1]ssys_member(role INTEGER, member INTEGER, PRIMARY KEY(role, member)) WITHOUT ROWID;
`

// fixedSchemas are in every database, with SQL Server's numbers; each is owned by the principal of its number.
var fixedSchemas = []Schema{
	{1, "dbo", 1}, {2, "guest", 2}, {3, "INFORMATION_SCHEMA", 3}, {4, "sys", 4},
	{16384, "db_owner", 16384}, {16385, "db_accessadmin", 16385}, {16386, "db_securityadmin", 16386},
	{16387, "db_ddladmin", 16387}, {16389, "db_backupoperator", 16389}, {16390, "db_datareader", 16390},
	{16391, "db_datawriter", 16391}, {16392, "db_denydatareader", 16392}, {16393, "db_denydatawriter", 16393},
}

// InitOptions say what a new database is like.
type InitOptions struct {
	// SQLSchema is the SQLite schema to build in; "" means main.
	SQLSchema string
	// Collation is the database's collation; "" means sqltype.DefaultCollation.
	Collation string
	// Now is the time of creation.
	Now time.Time
}

// Init makes the system tables of a new, empty database. It runs inside the caller's transaction.
func Init(conn Conn, o InitOptions) error {
	if o.SQLSchema == "" {
		o.SQLSchema = "main"
	}
	if o.Collation == "" {
		o.Collation = sqltype.DefaultCollation
	}
	if err := conn.Exec(fmt.Sprintf(systemTables, o.SQLSchema+".")); err != nil {
		return fmt.Errorf("create system tables: %w", err)
	}
	s := store{conn: conn, schema: o.SQLSchema}
	now := o.Now.UnixMicro()
	for _, kv := range []struct {
		key   string
		value any
	}{{"format", formatVersion}, {"collation", o.Collation}, {"next", firstID}, {"count", 0}, {"version", ""}} {
		if err := s.exec("INSERT INTO @sys_meta VALUES(?1, ?2)", kv.key, kv.value); err != nil {
			return err
		}
	}
	for _, x := range fixedSchemas {
		if err := s.exec("INSERT INTO @sys_schema VALUES(?1, ?2, ?3)", x.ID, x.Name, x.Owner); err != nil {
			return err
		}
	}
	if err := s.initPrincipals(now); err != nil {
		return err
	}
	return s.bump()
}

// initPrincipals adds the users and roles that every database has.
func (s store) initPrincipals(now int64) error {
	for _, x := range append(fixedSchemas[:len(fixedSchemas):len(fixedSchemas)], Schema{ID: 0, Name: "public"}) {
		kind, dflt := "S", any(nil)
		if x.ID == 0 || x.ID >= 16384 {
			kind = "R"
		} else if x.ID <= 2 {
			dflt = x.Name
		}
		err := s.exec("INSERT INTO @sys_principal VALUES(?1, ?2, ?3, ?4, NULL, ?5, 1)", x.ID, x.Name, kind, dflt, now)
		if err != nil {
			return err
		}
	}
	return nil
}

// store reads and writes the system tables. In its texts @ stands for the SQLite schema and a dot.
type store struct {
	conn   Conn
	schema string
}

func (s store) text(sql string) string { return strings.ReplaceAll(sql, "@", s.schema+".") }

// bindAll binds Go values; a type that is not listed is a defect of the caller.
func bindAll(st *sqlite3.Stmt, args []any) error {
	for i, a := range args {
		var err error
		switch a := a.(type) {
		case nil:
			err = st.BindNull(i + 1)
		case bool:
			err = st.BindBool(i+1, a)
		case int:
			err = st.BindInt(i+1, a)
		case int32:
			err = st.BindInt64(i+1, int64(a))
		case uint8:
			err = st.BindInt64(i+1, int64(a))
		case int64:
			err = st.BindInt64(i+1, a)
		case string:
			err = st.BindText(i+1, a)
		case []byte:
			err = st.BindBlob(i+1, a)
		case Kind:
			err = st.BindText(i+1, string(a))
		default:
			err = fmt.Errorf("cannot bind a %T", a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// query runs a statement over the system tables and calls row for each of its rows.
func (s store) query(row func(*sqlite3.Stmt) error, sql string, args ...any) error {
	st, err := s.conn.Stmt(s.text(sql))
	if err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	err = bindAll(st, args)
	for err == nil && st.Step() {
		if row != nil {
			err = row(st)
		}
	}
	if e := st.Reset(); err == nil {
		err = e
	}
	if e := st.ClearBindings(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	return nil
}

func (s store) exec(sql string, args ...any) error { return s.query(nil, sql, args...) }

// number runs a query of one integer, 0 when there is no row.
func (s store) number(sql string, args ...any) (n int64, err error) {
	err = s.query(func(st *sqlite3.Stmt) error { n = st.ColumnInt64(0); return nil }, sql, args...)
	return n, err
}

// bump gives the schema a new version. The random part keeps two copies that went separate ways from ever having one
// version for two schemas.
func (s store) bump() error {
	if err := s.exec("UPDATE @sys_meta SET value = value + 1 WHERE key = 'count'"); err != nil {
		return err
	}
	return s.exec(`UPDATE @sys_meta SET value = (SELECT value FROM @sys_meta WHERE key = 'count') || '-' || hex(randomblob(8))
		WHERE key = 'version'`)
}

// nextID hands out an object or index number.
func (s store) nextID() (int32, error) {
	if err := s.exec("UPDATE @sys_meta SET value = value + 1 WHERE key = 'next'"); err != nil {
		return 0, err
	}
	n, err := s.number("SELECT value - 1 FROM @sys_meta WHERE key = 'next'")
	return int32(n), err
}
