package storage_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/internal/fsx"
	"linkspan/storage"
)

// roleKind is the kind of the tests' role records: "fence…" closes the database for writing, "open…" opens it.
const roleKind = 1

func fenced(controls []storage.Control) bool {
	for _, c := range controls {
		if c.Kind == roleKind {
			return strings.HasPrefix(string(c.Payload), "fence")
		}
	}
	return false
}

func roleOptions(fs fsx.FS) storage.Options {
	o := options(fs)
	o.Fenced = fenced
	return o
}

// waitingWriters starts writers that insert a row each, and returns when they wait for the turn.
func waitingWriters(t *testing.T, db *storage.DB, n int) <-chan error {
	t.Helper()
	out := make(chan error, n)
	for range n {
		go func() {
			_, err := tryExec(context.WithoutCancel(t.Context()), db, "INSERT INTO t(b) VALUES (1)")
			out <- err
		}()
	}
	eventually(t, func() bool { return db.Stats().WritersWaiting == n })
	return out
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.After(10 * time.Second); !done(); {
		select {
		case <-deadline:
			t.Fatal("waited in vain")
		default:
		}
	}
}

func TestFenceKeepsWritersOut(t *testing.T) {
	t.Parallel()
	o := roleOptions(fsx.NewMem())
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "INSERT INTO t(b) VALUES (0)")
	if _, err := db.Fence(t.Context(), roleKind, []byte("open")); err == nil {
		t.Error("a record that does not fence was taken for a fence")
	}
	at, err := db.Fence(t.Context(), roleKind, []byte("fence 2"))
	if err != nil {
		t.Fatal(err)
	}
	if db.Hardened() != at || !db.IsFenced() {
		t.Errorf("fenced at %s, hardened %s, %v", at, db.Hardened(), db.IsFenced())
	}
	if _, err := db.Fence(t.Context(), roleKind, []byte("fence 4")); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("a second fence: %v", err)
	}
	waiting := waitingWriters(t, db, 3)
	decide := errors.New("somebody must decide")
	db.Refuse(decide)
	for range 3 {
		if err := <-waiting; !errors.Is(err, decide) {
			t.Errorf("a waiting writer got %v", err)
		}
	}
	if _, err := db.Writer(t.Context()); !errors.Is(err, decide) {
		t.Errorf("a later writer got %v", err)
	}
	db.Refuse(nil)
	waiting = waitingWriters(t, db, 2)
	if got := one(t, db, "SELECT count(*) FROM t"); got != "1" {
		t.Errorf("%s rows behind the fence", got)
	}
	if err := db.SetEpoch(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AppendControl(t.Context(), roleKind, []byte("fence again")); err != nil || !db.IsFenced() {
		t.Errorf("another record behind the fence: %v, %v", err, db.IsFenced())
	}
	if _, err := db.AppendControl(t.Context(), roleKind, []byte("open 3")); err != nil || db.IsFenced() {
		t.Errorf("the opening record: %v, %v", err, db.IsFenced())
	}
	for range 2 {
		if err := <-waiting; err != nil {
			t.Errorf("a writer after the fence: %v", err)
		}
	}
}

func TestFenceSurvivesRestart(t *testing.T) {
	t.Parallel()
	o := roleOptions(fsx.NewMem())
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	if _, err := db.Fence(t.Context(), roleKind, []byte("fence 2")); err != nil {
		t.Fatal(err)
	}
	o.FS = o.FS.(*fsx.Mem).CrashClone(1, 0)
	db = reopen(t, o)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("lock timeout")
	cancel(why)
	if _, err := db.Writer(ctx); !errors.Is(err, why) || !db.IsFenced() {
		t.Errorf("a writer after the restart: %v, fenced %v", err, db.IsFenced())
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Error(err)
	}
	closeDB(t, db) // at once, though nobody gives the turn back
	var open atomic.Bool
	o.Fenced = func(c []storage.Control) bool { return !open.Load() && fenced(c) }
	db = reopen(t, o)
	waiting := waitingWriters(t, db, 1)
	open.Store(true)
	if err := db.CheckFence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	open.Store(false)
	if err := db.CheckFence(t.Context()); err != nil || !db.IsFenced() {
		t.Errorf("CheckFence: %v, fenced %v", err, db.IsFenced())
	}
	waiting = waitingWriters(t, db, 2)
	if err := db.Demote(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-waiting; !errors.Is(err, storage.ErrReplica) {
			t.Errorf("a writer that waited for a demoted database: %v", err)
		}
	}
	if err := db.Promote(t.Context(), 2); err != nil || !db.IsFenced() {
		t.Errorf("promoted behind a fence record: %v, fenced %v", err, db.IsFenced())
	}
	if _, err := db.AppendControl(t.Context(), roleKind, []byte("open 2")); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t(b) VALUES (2)")
}

// TestRoleChangeWritesNoPages changes roles with much dirty and a checkpoint that is stuck: neither is waited for, and
// readers notice nothing.
func TestRoleChangeWritesNoPages(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	a := create(t, roleOptions(fs))
	exec(t, a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO t(b) SELECT randomblob(4000) FROM n")
	c, err := a.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	before, err := c.Begin()
	if err != nil {
		t.Fatal(err)
	}
	gate, stuck := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var pages atomic.Int64
	fs.SetHook(func(op fsx.Op) error {
		switch name := filepath.Base(op.Name); {
		case op.Kind != fsx.OpWrite:
		case strings.HasPrefix(name, "doublewrite"):
			once.Do(func() { close(stuck) })
			<-gate
		case name == storage.PagesFile:
			pages.Add(1)
		}
		return nil
	})
	checkpoint := make(chan error, 1)
	go func() { checkpoint <- a.Checkpoint(context.WithoutCancel(t.Context())) }()
	<-stuck
	if _, err := a.Fence(t.Context(), roleKind, []byte("fence 2")); err != nil {
		t.Fatal(err)
	}
	if err := a.Demote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Promote(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := a.AppendControl(t.Context(), roleKind, []byte("open 3")); err != nil {
		t.Fatal(err)
	}
	exec(t, a, "INSERT INTO t(b) VALUES (2)")
	if pages.Load() != 0 {
		t.Errorf("%d changes of the base file", pages.Load())
	}
	if got, err := rows(c, "SELECT count(*) FROM t"); err != nil || got[0] != "3000" || c.LSN() != before {
		t.Errorf("the open transaction reads %v at %s, %v", got, c.LSN(), err)
	}
	if err := c.End(); err != nil {
		t.Error(err)
	}
	if got, err := rows(c, "SELECT count(*) FROM t"); err != nil || got[0] != "3001" {
		t.Errorf("the connection reads %v afterwards, %v", got, err)
	}
	close(gate)
	if err := <-checkpoint; err != nil {
		t.Error(err)
	}
	fs.SetHook(nil)
	again := reopen(t, roleOptions(fs.CrashClone(1, 0)))
	if again.IsReplica() || again.IsFenced() || again.Epoch() != 3 || one(t, again, "SELECT count(*) FROM t") != "3001" {
		t.Errorf("after a crash: replica %v, fenced %v, epoch %d", again.IsReplica(), again.IsFenced(), again.Epoch())
	}
}

// step is what surely happened before a crash in TestSwitchoverCrashAnywhere.
type step int64

const (
	writing step = iota
	fencing
	fencedStep
	promotedStep
	openedStep
	demotedStep
)

// TestSwitchoverCrashAnywhere crashes both sides at every change of their disks while the primary's role goes over: no
// moment finds two sides that take writers, and the new primary has the old one's last commit.
func TestSwitchoverCrashAnywhere(t *testing.T) {
	t.Parallel()
	fa, fb := fsx.NewMem(), fsx.NewMem()
	a := create(t, roleOptions(fa))
	exec(t, a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	b := seed(t, a, roleOptions(fb), 4, nil)
	var now atomic.Int64
	c := newClones(t, 3)
	hook := func(old bool) func(fs *fsx.Mem) {
		return func(fs *fsx.Mem) {
			fs.SetHook(c.hook(fs, now.Load, func(name string, clone *fsx.Mem, at int64) {
				checkRole(t, fmt.Sprintf("%s, step %d", name, at), clone, old, step(at), step(now.Load()))
			}))
		}
	}
	hook(true)(fa)
	hook(false)(fb)
	at := func(s step, f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		now.Store(int64(s))
	}
	exec(t, a, "INSERT INTO t(b) VALUES ('last')")
	now.Store(int64(fencing))
	at(fencedStep, func() error { _, err := a.Fence(t.Context(), roleKind, []byte("fence 2")); return err })
	catchUp(t, a, b, big)
	at(promotedStep, func() error { return b.Promote(t.Context(), 2) })
	at(openedStep, func() error { _, err := b.AppendControl(t.Context(), roleKind, []byte("open 2")); return err })
	at(demotedStep, func() error { return a.Demote(t.Context()) })
	exec(t, b, "INSERT INTO t(b) VALUES ('first')")
	catchUp(t, b, a, big)
	sameDigest(t, b, a)
	fa.SetHook(nil)
	fb.SetHook(nil)
	c.wait()
	if n := c.n.Load(); n < 30 {
		t.Errorf("only %d crashes", n)
	}
	if got := one(t, a, "SELECT group_concat(b) FROM t"); got != "last,first" || a.Epoch() != 2 {
		t.Errorf("the old primary has %s, epoch %d", got, a.Epoch())
	}
}

// checkRole opens what a crash between two steps left of the old primary or the copy.
func checkRole(t *testing.T, name string, clone *fsx.Mem, old bool, from, to step) {
	db, err := storage.Open(context.Background(), roleOptions(clone))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}()
	last := "none"
	for _, c := range db.Controls() {
		last = string(c.Payload)
	}
	writes := !db.IsReplica() && !db.IsFenced()
	state := fmt.Sprintf("replica %v, fenced %v, last record %q, epoch %d", db.IsReplica(), db.IsFenced(), last, db.Epoch())
	switch {
	case !db.IsReplica() && last == "fence 2" && !db.IsFenced():
		t.Errorf("%s: a primary with a fence at its end is open: %s", name, state)
	case old && from >= fencedStep && writes:
		t.Errorf("%s: the old primary forgot its fence: %s", name, state)
	case old && from >= demotedStep && !db.IsReplica():
		t.Errorf("%s: the demotion was forgotten: %s", name, state)
	case !old && to < fencedStep && !db.IsReplica():
		t.Errorf("%s: the copy is a primary already: %s", name, state)
	case !old && from >= promotedStep && (db.IsReplica() || db.Epoch() != 2):
		t.Errorf("%s: the promotion was forgotten: %s", name, state)
	case !old && from >= openedStep && !writes:
		t.Errorf("%s: the opening was forgotten: %s", name, state)
	case !old && writes && last != "open 2":
		t.Errorf("%s: the copy takes writers before it was opened: %s", name, state)
	}
	if writes {
		if _, err := tryExec(context.Background(), db, "INSERT INTO t(b) VALUES (1)"); err != nil {
			t.Errorf("%s: write: %v", name, err)
		}
	}
	if !old && !db.IsReplica() {
		if got, err := tryQuery(context.Background(), db, "SELECT count(*) FROM t WHERE b = 'last'"); err != nil || got[0] != "1" {
			t.Errorf("%s: the new primary lacks the last commit: %v, %v", name, got, err)
		}
	}
}
