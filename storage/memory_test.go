package storage_test

import (
	"context"
	"testing"
	"time"

	"linkspan/internal/fsx"
)

// TestOutOfMemory has SQLite run out of memory in a transaction and in a reading: the turn to write and the connection
// come back all the same.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	db := create(t, options(fsx.NewMem()))
	exec(t, db, "CREATE TABLE t(a)", "INSERT INTO t VALUES ('x')")
	const limit, huge = 16 << 20, "SELECT hex(zeroblob(12000000)) || a FROM t"
	panics := func(use func()) (did bool) {
		defer func() { did = recover() != nil }()
		use()
		return false
	}
	write := func() {
		w, err := db.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Rollback()
		w.HardHeapLimit(limit)
		s, err := w.Stmt(huge)
		if err != nil {
			t.Fatal(err)
		}
		for s.Step() {
		}
	}
	read := func() {
		c, err := db.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
		c.HardHeapLimit(limit)
		s, err := c.Stmt(huge)
		if err != nil {
			t.Fatal(err)
		}
		for s.Step() {
		}
	}
	if !panics(write) || !panics(read) {
		t.Error("SQLite does not run out of memory")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := tryExec(ctx, db, "INSERT INTO t VALUES ('y')"); err != nil {
		t.Errorf("the next writer: %v", err)
	}
	if got := one(t, db, "SELECT count(*) FROM t"); got != "2" {
		t.Errorf("%s rows", got)
	}
}
