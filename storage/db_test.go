package storage_test

import (
	"errors"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/storage"
)

func TestCommitSurvivesReopen(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, options(fs))
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)", "INSERT INTO t VALUES (1, 'one')")
	exec(t, db, "INSERT INTO t VALUES (2, 'two')")
	at, digest := db.Digest()
	closeDB(t, db)
	db = reopen(t, options(fs))
	if got := one(t, db, "SELECT group_concat(b) FROM t"); got != "one,two" {
		t.Errorf("after reopen: %q", got)
	}
	if at2, digest2 := db.Digest(); at2 != at || digest2 != digest {
		t.Errorf("digest %s at %s, before it was %s at %s", digest2, at2, digest, at)
	}
	exec(t, db, "INSERT INTO t VALUES (3, 'three')")
	if at2 := db.Hardened(); at2.VLF != at.VLF+1 {
		t.Errorf("after a start the log goes on at %s, before it was at %s: no new segment", at2, at)
	}
}

func TestCrashRecoversAcknowledged(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, options(fs))
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
	for range 20 {
		exec(t, db, "INSERT INTO t(b) VALUES (hex(randomblob(3000)))")
	}
	_, digest := db.Digest()
	crashed := reopen(t, options(fs.CrashClone(1, 0)))
	if got := one(t, crashed, "SELECT count(*) FROM t"); got != "20" {
		t.Errorf("%s rows", got)
	}
	if _, d := crashed.Digest(); d != digest {
		t.Errorf("digest %s, want %s", d, digest)
	}
	if r, err := crashed.Verify(t.Context(), nil); err != nil || !r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

func TestReaderKeepsItsVersion(t *testing.T) {
	t.Parallel()
	for _, inBase := range []bool{false, true} { // what the reader needs lies in memory, or in the base file alone
		db := create(t, options(fsx.NewMem()))
		exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)", "INSERT INTO t VALUES (1, 'old')")
		if inBase {
			checkpoint(t, db)
		}
		readerKeepsItsVersion(t, db)
	}
}

func readerKeepsItsVersion(t *testing.T, db *storage.DB) {
	t.Helper()
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if _, err := c.Begin(); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE t SET b = 'new'")
	checkpoint(t, db)
	exec(t, db, "UPDATE t SET b = 'newer'")
	checkpoint(t, db)
	if got, err := rows(c, "SELECT b FROM t"); err != nil || got[0] != "old" {
		t.Errorf("inside the transaction: %v, %v", got, c.Cause(err))
	}
	if err := c.End(); err != nil {
		t.Fatal(err)
	}
	if got, err := rows(c, "SELECT b FROM t"); err != nil || got[0] != "newer" {
		t.Errorf("after the transaction: %v, %v", got, err)
	}
}

func checkpoint(t *testing.T, db *storage.DB) {
	t.Helper()
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	o := storage.Options{Dir: t.TempDir() + "/d", Name: "d"}
	db := create(t, o)
	if _, err := storage.Open(t.Context(), o); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	closeDB(t, db)
	closeDB(t, reopen(t, o))
}
