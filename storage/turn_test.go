package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

func TestTurnIsFairAndCancellable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, turnIsFairAndCancellable)
}

func turnIsFairAndCancellable(t *testing.T) {
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
		synctest.Wait() // it waits
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
