package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// soak is how many times the long loops run; `make soak` sets it.
func soak() int {
	n, _ := strconv.Atoi(os.Getenv("LINKSPAN_SOAK"))
	return max(1, n)
}

// history is what a workload did so far: the states after each of its commits.
type history struct {
	mu     sync.Mutex
	states []string
	// started and acked index the last commit that was begun, and acknowledged.
	started, acked atomic.Int64
}

func (h *history) state(i int64) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i < int64(len(h.states)) {
		return h.states[i]
	}
	return "unknown"
}

func (h *history) add(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, s)
}

const crashState = "SELECT count(*) || ' ' || coalesce(sum(a), 0) || ' ' || coalesce(sum(length(b)), 0) FROM t"

// crashOptions make everything happen often.
func crashOptions(fs fsx.FS) storage.Options {
	o := options(fs)
	o.SegmentBytes, o.CheckpointBytes, o.CacheBytes = 64<<10, 40<<10, 64<<10
	o.Prepare = shrinking
	return o
}

// shrinking makes a new database give pages back at every commit, so that its size goes up and down. The pragma also
// wants to write, which is refused outside a transaction; the connection remembers it all the same.
func shrinking(c *sqlite3.Conn) error {
	_ = c.Exec("PRAGMA auto_vacuum = FULL")
	return nil
}

// crashWork runs n random transactions and notes what each left.
func crashWork(ctx context.Context, db *storage.DB, rnd *rand.Rand, n int, h *history) error {
	for i := range n {
		w, err := db.Writer(ctx)
		if err != nil {
			return err
		}
		if err := w.Exec(randomWork(rnd)); err != nil {
			w.Rollback()
			return err
		}
		s, err := rows(w.Conn, crashState)
		if err != nil {
			w.Rollback()
			return err
		}
		h.add(s[0])
		h.started.Add(1)
		if i%7 == 3 { // what is rolled back must never be seen
			w.Rollback()
			h.mu.Lock()
			h.states[len(h.states)-1] = h.states[len(h.states)-2]
			h.mu.Unlock()
			continue
		}
		at, err := w.Commit(ctx)
		if err != nil {
			return err
		}
		if rnd.IntN(3) == 0 && i < n-1 { // not everybody waits
			continue
		}
		if err := db.WaitHardened(ctx, at); err != nil {
			return err
		}
		h.acked.Store(h.started.Load())
	}
	return nil
}

// clones checks the disk as crashes at every operation would leave it.
type clones struct {
	t     *testing.T
	seed  uint64
	n     atomic.Uint64
	todo  chan func()
	group sync.WaitGroup
	// hooks is held for reading by hooks that are running.
	hooks sync.RWMutex
	over  bool
}

func newClones(t *testing.T, seed uint64) *clones {
	c := &clones{t: t, seed: seed, todo: make(chan func(), 4)}
	for range 2 {
		c.group.Go(func() {
			for f := range c.todo {
				f()
			}
		})
	}
	return c
}

// add has the check made, unless wait was called.
func (c *clones) add(check func()) {
	c.hooks.RLock()
	defer c.hooks.RUnlock()
	if !c.over {
		c.todo <- check
	}
}

func (c *clones) wait() {
	c.hooks.Lock()
	c.over = true
	c.hooks.Unlock()
	close(c.todo)
	c.group.Wait()
}

// hook takes a clone before every operation that changes the disk.
func (c *clones) hook(fs *fsx.Mem, acked func() int64, check func(name string, clone *fsx.Mem, acked int64)) func(fsx.Op) error {
	return func(op fsx.Op) error {
		if op.Kind == fsx.OpRead {
			return nil
		}
		n := c.n.Add(1)
		keep := []float64{0, 0.5, 1, 0.9}[(n+c.seed)%4]
		name := fmt.Sprintf("seed %d, operation %d: %s %s at %d, keeping %v", c.seed, n, op.Kind, op.Name, op.Offset, keep)
		before := acked() // before the clone: others go on meanwhile
		clone := fs.CrashClone(n*1000+c.seed, keep)
		c.add(func() { check(name, clone, before) })
		return nil
	}
}

// TestCrashAnywhere crashes at every change of the disk and every sync, and finds each acknowledged commit and nothing
// half-made.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	for round := range soak() {
		crashAnywhere(t, uint64(round+1))
	}
}

func crashAnywhere(t *testing.T, seed uint64) {
	fs, h := fsx.NewMem(), &history{}
	db, err := storage.Create(t.Context(), crashOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	h.add("0 0 0")
	c := newClones(t, seed)
	fs.SetHook(c.hook(fs, h.acked.Load, func(name string, clone *fsx.Mem, acked int64) {
		checkClone(t, name, clone, h, acked, h.started.Load())
	}))
	rnd := rand.New(rand.NewPCG(seed, 0))
	err = crashWork(t.Context(), db, rnd, 100, h)
	err = errors.Join(err, db.Close())
	if err == nil { // a start, too, may be cut short
		if db, err = storage.Open(t.Context(), crashOptions(fs)); err == nil {
			err = errors.Join(crashWork(t.Context(), db, rnd, 10, h), db.Close())
		}
	}
	fs.SetHook(nil)
	c.wait()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.n.Load(); n < 300 {
		t.Errorf("only %d crashes", n)
	}
}

// checkClone opens what a crash left and looks for the state after one of the commits from acked to started.
func checkClone(t *testing.T, name string, clone *fsx.Mem, h *history, acked, started int64) {
	db, err := storage.Open(context.Background(), crashOptions(clone))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}()
	got, err := tryQuery(context.Background(), db, crashState)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	found := false
	for i := acked; i <= started; i++ {
		found = found || h.state(i) == got[0]
	}
	if !found {
		t.Errorf("%s: found %q, acknowledged was %q (commit %d, %d begun)", name, got[0], h.state(acked), acked, started)
	}
	if check, err := tryQuery(context.Background(), db, "PRAGMA integrity_check"); err != nil || check[0] != "ok" {
		t.Errorf("%s: integrity: %v %v", name, check, err)
	}
	if r, err := db.Verify(context.Background(), nil); err != nil || !r.OK() {
		t.Errorf("%s: verify: %+v, %v", name, r, err)
	}
	if _, err := tryExec(context.Background(), db, "INSERT INTO t(b) VALUES (1)"); err != nil {
		t.Errorf("%s: write after recovery: %v", name, err)
	}
}

// TestFailedOperation fails each change of the disk once: nothing acknowledged is lost, and after a failed sync or write
// of the log no commit is taken.
func TestFailedOperation(t *testing.T) {
	t.Parallel()
	for _, kind := range []fsx.OpKind{fsx.OpWrite, fsx.OpSync} {
		for n := 1; n < 60*soak(); n += 3 {
			failOperation(t, kind, n)
		}
	}
}

func failOperation(t *testing.T, kind fsx.OpKind, n int) {
	name := fmt.Sprintf("%s %d", kind, n)
	fs, h := fsx.NewMem(), &history{}
	db, err := storage.Create(t.Context(), crashOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	h.add("0 0 0")
	var count atomic.Int64
	fs.SetHook(func(op fsx.Op) error {
		if op.Kind == kind && count.Add(1) == int64(n) {
			return syscall.EIO
		}
		return nil
	})
	err = crashWork(t.Context(), db, rand.New(rand.NewPCG(7, 0)), 40, h)
	fs.SetHook(nil)
	if err != nil {
		if _, err := tryExec(t.Context(), db, "INSERT INTO t(b) VALUES (1)"); !errors.Is(err, storage.ErrPoisoned) {
			t.Errorf("%s: a commit after the failure: %v", name, err)
		}
	}
	_ = db.Close() // its error was seen
	checkClone(t, name, fs.CrashClone(uint64(n), 0), h, h.acked.Load(), h.started.Load())
}

// TestDiskFull lets the disk fill up: the commit fails with 9002, what was acknowledged stays, and the database goes on
// when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	fs, h := fsx.NewMem(), &history{}
	o := crashOptions(fs)
	o.CheckpointBytes = 1 << 30
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	h.add("0 0 0")
	fs.SetLimit(fs.Used() + 300<<10)
	err := crashWork(t.Context(), db, rand.New(rand.NewPCG(3, 0)), 200, h)
	if sqlerr.Number(err) != 9002 {
		t.Fatalf("full disk: %v", err)
	}
	if got := one(t, db, crashState); got != h.state(h.acked.Load()) {
		t.Errorf("with the disk full: %q, acknowledged was %q", got, h.state(h.acked.Load()))
	}
	fs.SetLimit(-1)
	exec(t, db, "INSERT INTO t(b) VALUES (1)")
	want := one(t, db, crashState)
	crashed := reopen(t, crashOptions(fs.CrashClone(1, 0)))
	if got := one(t, crashed, crashState); got != want {
		t.Errorf("after the disk was full: %q, want %q", got, want)
	}
}

// TestReplicaCrashAnywhere crashes a replica at its changes of the disk: it still has what it acknowledged, and follows
// its primary again.
func TestReplicaCrashAnywhere(t *testing.T) {
	t.Parallel()
	so := options(fsx.NewMem())
	so.SegmentBytes = 64 << 10
	so.Retain = func() lsn.LSN { return lsn.Zero }
	source := create(t, so)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	fs := fsx.NewMem()
	replica := seed(t, source, crashOptions(fs), 5, nil)
	var acked atomic.Pointer[lsn.LSN]
	acked.Store(&lsn.Zero)
	c := newClones(t, 1)
	var n atomic.Int64
	fs.SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpRead || n.Add(1)%int64(max(1, 3/soak())) != 0 {
			return nil
		}
		before := *acked.Load()
		clone := fs.CrashClone(uint64(n.Load()), []float64{0, 0.5, 1}[n.Load()/3%3])
		name := fmt.Sprintf("operation %d: %s %s", n.Load(), op.Kind, op.Name)
		c.add(func() { checkReplicaClone(t, name, clone, source, before) })
		return nil
	})
	rnd := rand.New(rand.NewPCG(8, 8))
	for range 25 {
		exec(t, source, randomWork(rnd))
		catchUp(t, source, replica, func() int { return 1 + rnd.IntN(30000) })
		at := replica.Appended()
		if err := replica.WaitDurable(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		acked.Store(&at)
	}
	fs.SetHook(nil)
	c.wait()
	sameDigest(t, source, replica)
}

func checkReplicaClone(t *testing.T, name string, clone *fsx.Mem, source *storage.DB, acked lsn.LSN) {
	db, err := storage.Open(context.Background(), crashOptions(clone))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}()
	if db.Hardened().Less(acked) {
		t.Errorf("%s: acknowledged %s, came back with %s", name, acked, db.Hardened())
	}
	if err := ship(context.Background(), source, db, big); err != nil {
		t.Errorf("%s: follow again: %v", name, err)
	}
	if r, err := db.Verify(context.Background(), nil); err != nil || !r.OK() {
		t.Errorf("%s: verify: %+v, %v", name, r, err)
	}
}
