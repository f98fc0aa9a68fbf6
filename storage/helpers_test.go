package storage_test

import (
	"context"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "/db"

func options(fs fsx.FS) storage.Options {
	return storage.Options{FS: fs, Dir: dir, Name: "d"}
}

func create(t *testing.T, o storage.Options) *storage.DB {
	t.Helper()
	db, err := storage.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, db) })
	return db
}

func reopen(t *testing.T, o storage.Options) *storage.DB {
	t.Helper()
	db, err := storage.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, db) })
	return db
}

func closeDB(t *testing.T, db *storage.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// exec commits one transaction of some statements and waits until it is hardened.
func exec(t *testing.T, db *storage.DB, sql ...string) lsn.LSN {
	t.Helper()
	at, err := tryExec(t.Context(), db, sql...)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func tryExec(ctx context.Context, db *storage.DB, sql ...string) (lsn.LSN, error) {
	w, err := db.Writer(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	defer w.Rollback()
	for _, s := range sql {
		if err := w.Exec(s); err != nil {
			return lsn.Zero, fmt.Errorf("%s: %w", s, err)
		}
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	return at, db.WaitHardened(ctx, at)
}

// query returns the first column of the result as text.
func query(t *testing.T, db *storage.DB, sql string) []string {
	t.Helper()
	out, err := tryQuery(t.Context(), db, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func tryQuery(ctx context.Context, db *storage.DB, sql string) ([]string, error) {
	c, err := db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Release()
	r, err := rows(c, sql)
	return r, c.Cause(err)
}

func rows(c *storage.Conn, sql string) ([]string, error) {
	s, err := c.Stmt(sql)
	if err != nil {
		return nil, err
	}
	var out []string
	for s.Step() {
		out = append(out, s.ColumnText(0))
	}
	if err := s.Err(); err != nil {
		_ = s.Reset() // repeats it
		return out, err
	}
	return out, s.Reset()
}

func one(t *testing.T, db *storage.DB, sql string) string {
	t.Helper()
	r := query(t, db, sql)
	if len(r) != 1 {
		t.Fatalf("%s: %d rows", sql, len(r))
	}
	return r[0]
}
