package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/internal/fsx"
	"linkspan/lsn"
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

func TestTurnIsFairAndCancellable(t *testing.T) {
	t.Parallel()
	db := create(t, options(fsx.NewMem()))
	w, err := db.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("lock timeout")
	cancel(why)
	if _, err := db.Writer(ctx); !errors.Is(err, why) {
		t.Errorf("waiting with an ended context: %v", err)
	}
	var order []int
	var mu sync.Mutex
	var g sync.WaitGroup
	for i := range 5 {
		g.Go(func() {
			w, err := db.Writer(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			w.Rollback()
		})
		for deadline := time.After(10 * time.Second); db.Stats().WritersWaiting <= i; {
			select {
			case <-deadline:
				t.Fatal("the writer does not wait")
			default:
			}
		}
	}
	w.Rollback()
	g.Wait()
	if fmt.Sprint(order) != "[0 1 2 3 4]" {
		t.Errorf("turns were given in the order %v", order)
	}
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, options(fs))
	exec(t, db, "CREATE TABLE t(a)")
	gate := make(chan struct{})
	var syncs atomic.Int64
	fs.SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpSync && syncs.Add(1) == 1 {
			<-gate // the first sync is slow: the others gather behind it
		}
		return nil
	})
	var g sync.WaitGroup
	for i := range 10 {
		at, err := appendOnly(t.Context(), db, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		if err != nil {
			t.Fatal(err)
		}
		if got := one(t, db, "SELECT count(*) FROM t"); got != "0" {
			t.Errorf("%s rows are visible before they are hardened", got)
		}
		g.Go(func() {
			if err := db.WaitHardened(t.Context(), at); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	g.Wait()
	if n := syncs.Load(); n > 3 {
		t.Errorf("ten commits took %d syncs", n)
	}
	if got := one(t, db, "SELECT count(*) FROM t"); got != "10" {
		t.Errorf("%s rows", got)
	}
}

// appendOnly commits without waiting.
func appendOnly(ctx context.Context, db *storage.DB, sql string) (lsn.LSN, error) {
	w, err := db.Writer(ctx)
	if err != nil {
		return lsn.Zero, err
	}
	defer w.Rollback()
	if err := w.Exec(sql); err != nil {
		return lsn.Zero, err
	}
	return w.Commit(ctx)
}

func TestHardenComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refuse atomic.Bool
		gate := make(chan struct{})
		o := options(fsx.NewMem())
		o.Harden = func(ctx context.Context, _ lsn.LSN) error {
			if refuse.CompareAndSwap(true, false) {
				return errors.New("the partner is away")
			}
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		go func() { gate <- struct{}{} }() // for the first commit of Create
		db, err := storage.Create(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		refuse.Store(true)
		at, err := appendOnly(t.Context(), db, "CREATE TABLE t(a)")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.WaitDurable(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if db.Published() == at {
			t.Error("visible before the partner hardened it")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := db.WaitHardened(ctx, at); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acknowledged before the partner hardened it: %v", err)
		}
		close(gate)
		if err := db.WaitHardened(t.Context(), at); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestControlRecords(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	listen := func(c storage.Control) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%d:%d:%s", c.Epoch, c.Kind, c.Payload))
	}
	take := func() string {
		mu.Lock()
		defer mu.Unlock()
		s := strings.Join(seen, " ")
		seen = nil
		return s
	}
	o := options(fsx.NewMem())
	o.Control = listen
	db := create(t, o)
	for _, p := range []string{"primary", "fenced"} {
		at, err := db.AppendControl(t.Context(), 1, []byte(p))
		if err == nil {
			err = db.WaitHardened(t.Context(), at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SetEpoch(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AppendControl(t.Context(), 2, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := db.WaitHardened(t.Context(), db.Appended()); err != nil {
		t.Fatal(err)
	}
	if got := take(); got != "1:1:primary 1:1:fenced 5:2:x" {
		t.Errorf("told %s", got)
	}
	if _, err := db.AppendControl(t.Context(), 3, make([]byte, 5000)); err == nil {
		t.Error("a payload of 5000 bytes went through")
	}
	replica := seed(t, db, func() storage.Options { o := options(fsx.NewMem()); o.Control = listen; return o }(), 10, nil)
	if got := take(); got != "1:1:fenced 5:2:x" {
		t.Errorf("the seeded replica was told %s", got)
	}
	if _, err := db.AppendControl(t.Context(), 1, []byte("open")); err != nil {
		t.Fatal(err)
	}
	if err := db.WaitHardened(t.Context(), db.Appended()); err != nil {
		t.Fatal(err)
	}
	take()
	catchUp(t, db, replica, big)
	if got := take(); got != "5:1:open" {
		t.Errorf("the replica was told %s", got)
	}
	closeDB(t, db) // the checkpoint takes the log away
	take()
	db = reopen(t, o)
	if got := take(); got != "5:2:x 5:1:open" && got != "5:1:open 5:2:x" {
		t.Errorf("after a start: %s", got)
	}
	if db.Epoch() != 5 {
		t.Errorf("epoch %d after a start", db.Epoch())
	}
}

func TestPromoteAndDemote(t *testing.T) {
	t.Parallel()
	ao, bo := options(fsx.NewMem()), options(fsx.NewMem())
	a := create(t, ao)
	exec(t, a, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	b := seed(t, a, bo, 3, nil)
	exec(t, a, "INSERT INTO t VALUES (2)")
	if err := a.Demote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("writer after the demotion: %v", err)
	}
	catchUp(t, a, b, big)
	sameDigest(t, a, b)
	if err := b.Promote(t.Context(), a.Epoch()); err == nil {
		t.Error("promoted without a new epoch")
	}
	if err := b.Promote(t.Context(), a.Epoch()+1); err != nil {
		t.Fatal(err)
	}
	exec(t, b, "INSERT INTO t VALUES (3)")
	closeDB(t, a)
	a = reopen(t, ao)
	if !a.IsReplica() {
		t.Error("the demotion was forgotten")
	}
	catchUp(t, b, a, big)
	sameDigest(t, b, a)
	if got := one(t, a, "SELECT group_concat(a) FROM t"); got != "1,2,3" {
		t.Errorf("the old primary shows %s", got)
	}
	if a.Epoch() != 2 {
		t.Errorf("the old primary has epoch %d", a.Epoch())
	}
	closeDB(t, b)
	b = reopen(t, bo)
	if b.IsReplica() {
		t.Error("the promotion was forgotten")
	}
	exec(t, b, "INSERT INTO t VALUES (4)")
}

func TestLogReader(t *testing.T) {
	t.Parallel()
	o := options(fsx.NewMem())
	o.SegmentBytes = 64 << 10
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	r, err := db.LogReader(db.Hardened())
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 9))
	first := exec(t, db, "INSERT INTO t(b) VALUES (1)")
	for range 20 {
		exec(t, db, fmt.Sprintf("INSERT INTO t(b) VALUES (randomblob(%d))", 1000*rnd.IntN(20)))
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := r.Next(t.Context(), 1)
	if err != nil || b.First != first || b.Last != first || b.Digest.IsZero() {
		t.Fatalf("the first batch is %s to %s, %v", b.First, b.Last, err)
	}
	r.Acknowledge(db.Hardened())
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t(b) VALUES (1)")
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.LogReader(first); !errors.Is(err, storage.ErrLogGone) {
		t.Errorf("log from before the checkpoint: %v", err)
	}
	if _, err := db.LogReader(lsn.LSN{VLF: 900, Block: 1, Slot: 1}); !errors.Is(err, storage.ErrGap) {
		t.Errorf("log from the future: %v", err)
	}
	tail, err := db.LogReader(db.Hardened())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := tail.Next(t.Context(), 100)
		done <- err
	}()
	tail.Close()
	if err := <-done; err == nil {
		t.Error("a closed reader gave log")
	}
	r.Close()
	r.Close()
}

func TestNoSyncDoesNotSync(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	o := options(fs)
	o.NoSync = true
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a)")
	fs.SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpSync {
			t.Errorf("sync of %s", op.Name)
		}
		return nil
	})
	exec(t, db, "INSERT INTO t VALUES (1)")
	if got := one(t, db, "SELECT count(*) FROM t"); got != "1" {
		t.Errorf("%s rows", got)
	}
	fs.SetHook(nil)
}

func TestCloseInterrupts(t *testing.T) {
	t.Parallel()
	db := create(t, options(fsx.NewMem()))
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		s, err := c.Stmt("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n")
		if err != nil {
			t.Error(err)
		}
		close(started)
		for s.Step() {
		}
		done <- s.Err()
		c.Release()
	}()
	<-started
	closeDB(t, db)
	if err := <-done; !errors.Is(err, sqlite3.INTERRUPT) {
		t.Errorf("a running query ended with %v", err)
	}
	if _, err := db.Reader(t.Context()); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("reader after close: %v", err)
	}
	if _, err := db.Writer(t.Context()); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("writer after close: %v", err)
	}
	if err := db.WaitHardened(t.Context(), lsn.Max); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("wait after close: %v", err)
	}
}

// TestNoSyncLosesOnlyTheEnd takes the power from a database without durability: what is left is as it was after some
// commit.
func TestNoSyncLosesOnlyTheEnd(t *testing.T) {
	t.Parallel()
	fs, h := fsx.NewMem(), &history{}
	o := crashOptions(fs)
	o.NoSync = true
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.add("0 0 0")
	rnd := rand.New(rand.NewPCG(4, 4))
	for i := range 40 {
		if err := crashWork(t.Context(), db, rnd, 3, h); err != nil {
			t.Fatal(err)
		}
		checkClone(t, fmt.Sprint("crash ", i), fs.CrashClone(uint64(i), 0.7), h, 0, h.started.Load())
	}
}
