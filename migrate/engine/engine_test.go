package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// Every goroutine of an engine has ended when it was stopped.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openLedger(t *testing.T, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func start(t *testing.T, l *ledger.Ledger, o engine.Options) *engine.Engine {
	t.Helper()
	e, err := engine.Start(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil { // the test's own context has ended
			t.Error(err)
		}
	})
	return e
}

func create(t *testing.T, l *ledger.Ledger, activity string, databases ...string) {
	t.Helper()
	var planned []ledger.Planned
	for _, d := range databases {
		planned = append(planned, ledger.Planned{Target: d, Options: flow.Options{Database: d, Block: blockSize, Parallel: 2}})
	}
	if err := l.Create(t.Context(), ledger.Activity{Name: activity}, planned, "anna"); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, l *ledger.Ledger, activity, database string, e flow.Event) {
	t.Helper()
	if err := l.Ask(t.Context(), activity, database, e, "anna"); err != nil {
		t.Fatal(err)
	}
}

// await polls the status of a database until it is as asked.
func await(t *testing.T, l *ledger.Ledger, activity, database, what string, ok func(ledger.Database) bool) ledger.Database {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := l.Status(t.Context(), activity, false)
		if err != nil {
			t.Fatal(err)
		}
		var d ledger.Database
		for _, d = range s.Databases {
			if d.Name == database {
				break
			}
		}
		if ok(d) {
			return d
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is not %s: %+v", database, what, d)
		}
	}
}

func in(s flow.State) func(ledger.Database) bool {
	return func(d ledger.Database) bool { return d.State == s }
}

func ready(d ledger.Database) bool { return d.CutoverReady && d.PendingChanges == 0 }

// TestToTheEnd: a migration that is asked for goes through every state, and each result comes once. The cutover is asked for
// through another ledger, as by another process.
func TestToTheEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l, other := openLedger(t, dir), openLedger(t, dir)
	w := newWorld(t, t.TempDir(), "db1")
	e := start(t, l, w.options())
	if _, err := engine.Start(t.Context(), other, w.options()); !errors.Is(err, engine.ErrRunning) {
		t.Errorf("a second engine: %v", err)
	}
	create(t, other, "move", "db1")
	ask(t, other, "move", "db1", flow.Event{Kind: flow.Start})
	await(t, l, "move", "db1", "ready", ready)
	begin := time.Now()
	ask(t, other, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true, MaxPause: time.Hour})
	d := await(t, l, "move", "db1", "completed", in(flow.Completed))
	t.Logf("the cutover took %v", time.Since(begin))
	if d.Report != "/reports/db1" || d.Cutover.PauseSeconds <= 0 || d.LastRestored != "db1/tail1" {
		t.Errorf("status: %+v %+v", d, d.Cutover)
	}
	checkOnce(t, w, "db1")
	if w.worst != 1 {
		t.Errorf("%d effects on one database's sides at once", w.worst)
	}
	for range 2 {
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if s, err := l.Status(t.Context(), "move", false); err != nil || s.Running {
		t.Errorf("running %v behind Stop, %v", s.Running, err)
	}
}

// checkOnce: what counts was done, and once.
func checkOnce(t *testing.T, w *world, db string) {
	t.Helper()
	did := w.did(db)
	for _, want := range []string{"start", "tail", "open", "report", "seal " + db + "/full", "seal " + db + "/log1", "seal " + db + "/log2", "seal " + db + "/tail1"} {
		if did[want] != 1 {
			t.Errorf("%s: %q was done %d times", db, want, did[want])
		}
		delete(did, want)
	}
	if len(did) > 0 {
		t.Errorf("%s: besides were done %v", db, did)
	}
}
