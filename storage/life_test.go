package storage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"linkspan/internal/fsx"
	"linkspan/sqlerr"
	"linkspan/storage"
)

func TestRollbackAfterSpill(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	o := options(fs)
	o.Prepare = func(c *sqlite3.Conn) error { return c.Exec("PRAGMA cache_size = 20") }
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "INSERT INTO t(b) VALUES ('kept')")
	at, digest := db.Digest()
	fill := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO t(b) SELECT randomblob(700) FROM n"
	w, err := db.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Exec(fill); err != nil {
		t.Fatal(err)
	}
	w.Rollback()
	if at2, digest2 := db.Digest(); at2 != at || digest2 != digest || db.Appended() != at {
		t.Errorf("a rollback moved the database from %s to %s", at, db.Appended())
	}
	// Part of a transaction undone, after it was spilled.
	exec(t, db, "SAVEPOINT s", fill, "ROLLBACK TO s", "RELEASE s", "INSERT INTO t(b) VALUES ('also kept')")
	if got := one(t, db, "SELECT group_concat(b) FROM t"); got != "kept,also kept" {
		t.Errorf("after the rollbacks: %.100q", got)
	}
	exec(t, db, fill) // a commit of many records
	want := one(t, db, "SELECT count(*) || ' ' || sum(length(b)) FROM t")
	crashed := reopen(t, options(fs.CrashClone(4, 0)))
	if got := one(t, crashed, "SELECT count(*) || ' ' || sum(length(b)) FROM t"); got != want || !strings.HasPrefix(want, "3002 ") {
		t.Errorf("a large commit came back as %s, want %s", got, want)
	}
	if s := db.Stats(); s.Records < s.Commits+5 {
		t.Errorf("%d commits took %d records: the large one was not cut", s.Commits, s.Records)
	}
}

func TestTransactionTooLarge(t *testing.T) {
	t.Parallel()
	o := options(fsx.NewMem())
	o.TransactionBytes = 40 * storage.PageSize
	o.Prepare = func(c *sqlite3.Conn) error { return c.Exec("PRAGMA cache_size = 10") }
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	w, err := db.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = w.Cause(w.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO t(b) SELECT randomblob(700) FROM n"))
	if sqlerr.Number(err) != 9002 || !strings.Contains(err.Error(), "ACTIVE_TRANSACTION") {
		t.Errorf("a transaction beyond its bound: %v", err)
	}
	if w.Alive() {
		t.Error("the transaction goes on")
	}
	if _, err := w.Commit(t.Context()); err == nil {
		t.Error("the transaction committed")
	}
	exec(t, db, "INSERT INTO t(b) VALUES (1)")
	if got := one(t, db, "SELECT count(*) FROM t"); got != "1" {
		t.Errorf("%s rows", got)
	}
}

func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	db := create(t, options(fsx.NewMem()))
	exec(t, db, "CREATE TABLE t(a)")
	w, err := db.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Rollback()
	for _, sql := range []string{"ATTACH 'x' AS y", "DETACH main", "PRAGMA journal_mode = OFF", "PRAGMA synchronous", "PRAGMA writable_schema = 1",
		"BEGIN", "COMMIT", "ROLLBACK", "VACUUM", "SELECT load_extension('x')", "CREATE VIEW v AS SELECT 1",
		"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE VIRTUAL TABLE v USING fts5(a)"} {
		if err := w.Exec(sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
	if !w.Alive() {
		t.Error("the transaction ended")
	}
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "CREATE TABLE u(a)", "DROP TABLE t", "BEGIN IMMEDIATE"} {
		if err := c.Exec(sql); err == nil {
			t.Errorf("%s went through on a reader", sql)
		}
	}
	if err := c.Exec("CREATE TEMP TABLE x(a); INSERT INTO x VALUES (1); DROP TABLE x"); err != nil {
		t.Errorf("temporary table on a reader: %v", err)
	}
}

func TestTemporaryFiles(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	o := options(fs)
	o.TempBytes = 1 << 20
	db := create(t, o)
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	sorted := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT count(*) FROM (SELECT randomblob(500) b FROM n ORDER BY b LIMIT 100000)"
	before := fs.Used()
	if _, err := rows(c, fmt.Sprintf(sorted, 30000)); sqlerr.Number(c.Cause(err)) != 1105 {
		t.Errorf("a sort beyond the bound: %v", err)
	}
	if _, err := rows(c, fmt.Sprintf(sorted, 1000)); err != nil {
		t.Errorf("a sort within the bound: %v", err)
	}
	if fs.Used() != before {
		t.Errorf("%d bytes of temporary files are left", fs.Used()-before)
	}
}

func TestStatementCache(t *testing.T) {
	t.Parallel()
	db := create(t, options(fsx.NewMem()))
	exec(t, db, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1), (2)")
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	q := "SELECT a FROM t WHERE a > ?"
	outer, err := c.Stmt(q)
	if err != nil {
		t.Fatal(err)
	}
	if err := outer.BindInt(1, 0); err != nil {
		t.Fatal(err)
	}
	n := 0
	for outer.Step() { // the same text again while it runs
		inner, err := c.Stmt(q)
		if err != nil {
			t.Fatal(err)
		}
		if err := inner.BindInt(1, 1); err != nil {
			t.Fatal(err)
		}
		for inner.Step() {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d rows of the nested statement, want 2", n)
	}
	for i := range 600 {
		if _, err := rows(c, fmt.Sprintf("SELECT %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Stmt("SELECT 1; DROP TABLE t"); err == nil {
		t.Error("two statements at once")
	}
	s, err := c.Stmt(q)
	if err != nil || s.Step() { // bindings are cleared: a > NULL
		t.Errorf("a binding survived, %v", err)
	}
}
