package exec

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/ast"
	"linkspan/tsql/bind"
)

// tempSchema is the SQLite schema of temporary tables, private to a connection.
const tempSchema = "temp"

// tempStore holds the temporary tables and table variables of a session, in the temporary schema of a connection of
// tempdb that the session keeps as long as it has any. A statement that names tables of a database beside temporary
// ones gets copies of those on the connection it runs on. Temporary tables take no part in transactions: a rollback
// leaves them as they are.
type tempStore struct {
	conn *conn
	snap *catalog.Snapshot
	ids  *catalog.Identities
	// level is the nesting at which each was made, by name; what was made inside ends with the inside.
	level map[string]int
}

// temps gives the session's store, making it at the first use.
func (f *frame) temps() (*tempStore, error) {
	s := f.s
	if s.temp != nil {
		return s.temp, nil
	}
	d, err := s.e.o.Databases.Find("tempdb")
	if err != nil {
		return nil, err
	}
	db, err := d.Storage()
	if err != nil {
		return nil, err
	}
	c, err := db.Reader(s.life)
	if err != nil {
		return nil, err
	}
	k, err := newConn(c, d)
	if err == nil {
		err = catalog.Init(k, catalog.InitOptions{SQLSchema: tempSchema, Collation: f.collation(), Now: s.e.o.Clock.Now()})
	}
	ts := &tempStore{conn: k, ids: catalog.NewIdentities(), level: map[string]int{}}
	if err == nil {
		ts.snap, err = catalog.Load(k, tempSchema)
	}
	if err != nil {
		retire(c)
		return nil, err
	}
	s.temp = ts
	return ts, nil
}

// collation is that of the current database, which temporary tables take.
func (f *frame) collation() string {
	if f.s.seen != nil && f.s.seenDB == f.s.db.ID() {
		return f.s.seen.Collation
	}
	return ""
}

// dropTemps removes what was made deeper than a level; below 0 everything, and the connection is given back.
func (s *Session) dropTemps(level int, variables bool) error {
	ts := s.temp
	if ts == nil {
		return nil
	}
	d := catalog.NewDefiner(ts.conn, ts.snap, s.e.o.Clock.Now())
	for name, at := range ts.level {
		if at <= level && !(variables && at == level && strings.HasPrefix(name, "@")) {
			continue
		}
		delete(ts.level, name)
		if t := d.Snapshot().Table("dbo", name); t != nil {
			if err := d.DropTable(t); err != nil {
				return err
			}
		}
	}
	ts.snap = d.Snapshot()
	return ts.conn.End()
}

// closeTemps drops everything and gives the connection back.
func (s *Session) closeTemps() {
	ts := s.temp
	if ts == nil {
		return
	}
	s.temp = nil
	ts.conn.SetInterrupt(context.Background()) // the session may be ending
	names, err := ts.tables("sys_%", "t_%")
	for _, n := range names {
		if err == nil {
			err = ts.conn.Exec("DROP TABLE " + tempSchema + "." + n)
		}
	}
	if err != nil {
		s.e.o.Log.Warn("temporary tables were not dropped", "session", s.o.ID, "reason", err)
		retire(ts.conn.Conn)
		return
	}
	ts.conn.Release()
}

// retire gives a connection back that nobody should use again: one with an open transaction is closed.
func retire(c *storage.Conn) {
	_ = c.Exec("SAVEPOINT retired")
	c.Release()
}

// tables lists tables of the store by patterns of their SQLite names.
func (ts *tempStore) tables(patterns ...string) ([]string, error) {
	var names []string
	for _, p := range patterns {
		st, err := ts.conn.Stmt("SELECT name FROM temp.sqlite_master WHERE type = 'table' AND name LIKE ?1")
		if err != nil {
			return nil, err
		}
		if err := st.BindText(1, p); err != nil {
			return nil, err
		}
		for st.Step() {
			names = append(names, st.ColumnText(0))
		}
		if err := st.Reset(); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// stored are the SQLite tables of the names that exist.
func (ts *tempStore) stored(names []string) []string {
	var out []string
	for _, n := range names {
		if t := ts.snap.Table("dbo", n); t != nil {
			out = append(out, fmt.Sprintf("t_%d", t.ID))
		}
	}
	return out
}

// copyTo makes copies of tables in the temporary schema of another connection, with their indexes if asked.
func (ts *tempStore) copyTo(k *conn, tables []string, indexes bool) error {
	for _, t := range tables {
		if err := ts.define(k, "type = 'table' AND name = ?1", t); err != nil {
			return err
		}
		if err := copyRows(ts.conn, k, t); err != nil {
			return err
		}
		if indexes {
			if err := ts.define(k, "type = 'index' AND sql IS NOT NULL AND tbl_name = ?1", t); err != nil {
				return err
			}
		}
	}
	return nil
}

// define repeats the definitions of tables or indexes on another connection.
func (ts *tempStore) define(k *conn, where, table string) error {
	st, err := ts.conn.Stmt("SELECT sql, name FROM temp.sqlite_master WHERE " + where)
	if err != nil {
		return err
	}
	if err := st.BindText(1, table); err != nil {
		return err
	}
	var texts []string
	for st.Step() {
		name := st.ColumnText(1)
		text := strings.Replace(st.ColumnText(0), name, tempSchema+"."+name, 1)
		texts = append(texts, text)
	}
	if err := st.Reset(); err != nil {
		return err
	}
	for _, text := range texts {
		if err := k.Exec(text); err != nil {
			return fmt.Errorf("copy temporary table: %w", err)
		}
	}
	return nil
}

// copyRows copies the rows of a temporary table from one connection to another that has the table, empty.
func copyRows(from, to *conn, table string) error {
	// Not a kept statement: a later table of the same number has other columns, and a statement prepared for the earlier
	// one tells their old count until it is stepped.
	src, _, err := from.Prepare("SELECT * FROM " + tempSchema + "." + table)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // a statement that only read
	n := src.ColumnCount()
	dst, err := to.Stmt("INSERT INTO " + tempSchema + "." + table + " VALUES(?" + strings.Repeat(",?", n-1) + ")")
	if err != nil {
		return err
	}
	for src.Step() {
		for i := range n {
			if err := copyColumn(dst, src, i); err != nil {
				return err
			}
		}
		dst.Step()
		if err := dst.Reset(); err != nil {
			return err
		}
	}
	return src.Err()
}

// copyColumn binds the value of a column as the parameter of the same place.
func copyColumn(dst, src *sqlite3.Stmt, i int) error {
	switch src.ColumnType(i) {
	case sqlite3.INTEGER:
		return dst.BindInt64(i+1, src.ColumnInt64(i))
	case sqlite3.FLOAT:
		return dst.BindFloat(i+1, src.ColumnFloat(i))
	case sqlite3.TEXT:
		return dst.BindText(i+1, src.ColumnText(i))
	case sqlite3.BLOB:
		return dst.BindBlob(i+1, src.ColumnRawBlob(i))
	}
	return dst.BindNull(i + 1)
}

// takeBack replaces the rows of tables by those of their copies on another connection.
func (ts *tempStore) takeBack(k *conn, tables []string) error {
	if err := ts.conn.Exec("SAVEPOINT back"); err != nil {
		return err
	}
	for _, t := range tables {
		err := ts.conn.Exec("DELETE FROM " + tempSchema + "." + t)
		if err == nil {
			err = copyRows(k, ts.conn, t)
		}
		if err != nil {
			_ = ts.conn.End()
			return fmt.Errorf("%w (%w)", err, ts.conn.Exec("ROLLBACK TO back; RELEASE back"))
		}
	}
	if err := ts.conn.End(); err != nil {
		return err
	}
	return ts.conn.Exec("RELEASE back")
}

// dropCopies removes copies.
func dropCopies(k *conn, tables []string) error {
	for _, t := range tables {
		if err := k.Exec("DROP TABLE IF EXISTS " + tempSchema + "." + t); err != nil {
			return err
		}
	}
	return nil
}

// atHome runs f on the store's own connection, in a transaction of its own.
func (ts *tempStore) atHome(f *frame, run func(*conn, *catalog.Snapshot) error) error {
	old := ts.conn.GetInterrupt()
	ts.conn.SetInterrupt(interrupt{f.r.ctx, old})
	defer ts.conn.SetInterrupt(old)
	snap, err := ts.conn.db.Catalog().Get(ts.conn)
	if err != nil {
		return err
	}
	if err := ts.conn.Exec("SAVEPOINT home"); err != nil {
		return err
	}
	err = run(ts.conn, snap)
	_ = ts.conn.End() // resets the statements
	end := "RELEASE home"
	if err != nil {
		end = "ROLLBACK TO home; RELEASE home"
	}
	if ts.conn.GetAutocommit() { // SQLite rolled back by itself
		return err
	}
	if eerr := ts.conn.Exec(end); err == nil {
		err = eerr
	}
	return err
}

// reload reads the store's schema after a change, and notes what is new.
func (ts *tempStore) reload(level int) error {
	snap, err := catalog.Load(ts.conn, tempSchema)
	if err != nil {
		return err
	}
	ts.snap = snap
	seen := map[string]bool{}
	for _, o := range snap.Objects() {
		if o.Table == nil {
			continue
		}
		seen[o.Name] = true
		if _, ok := ts.level[o.Name]; !ok {
			ts.level[o.Name] = level
		}
	}
	for name := range ts.level {
		if !seen[name] {
			delete(ts.level, name)
		}
	}
	return ts.conn.End()
}

// tempDefine runs CREATE TABLE #t and the like.
func (f *frame) tempDefine(st ast.Statement) error {
	ts, err := f.temps()
	if err != nil {
		return err
	}
	return f.changeTemps(ts, func(env *bind.Env) (*bind.Change, error) { return bind.Define(env, st) })
}

func (f *frame) changeTemps(ts *tempStore, make func(*bind.Env) (*bind.Change, error)) error {
	err := ts.atHome(f, func(k *conn, snap *catalog.Snapshot) error {
		ch, err := make(f.env(k.db, snap))
		if err != nil {
			return err
		}
		f.begin(f.r.ctx, k, snap, ch.Sites)
		defer k.env.End()
		return ch.Apply(f.r.ctx, &bind.Run{Conn: k, Variable: f.variableValue, Global: f.global, Identities: k.db.Identities(),
			TempIdentities: ts.ids, Database: k.db.Name(), Now: f.s.e.o.Clock.Now()})
	})
	if err != nil {
		return err
	}
	return ts.reload(f.s.nesting)
}

// declareTable is DECLARE @t TABLE (…). In a loop the table that is there stays.
func (f *frame) declareTable(d *ast.DeclaredVariable) error {
	ts, err := f.temps()
	if err != nil {
		return err
	}
	if ts.snap.Table("dbo", d.Name) != nil {
		if at, ok := ts.level[d.Name]; ok && at < f.s.nesting {
			return sqlerr.New(40510, "DECLARE "+d.Name+" TABLE inside a procedure whose caller has a table variable of that name")
		}
		return nil
	}
	return f.changeTemps(ts, func(env *bind.Env) (*bind.Change, error) { return bind.DeclareTable(env, d.Name, d.Table) })
}
