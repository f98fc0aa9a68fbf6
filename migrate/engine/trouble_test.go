package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// begun is an engine with a started migration of db1 in a world that a test may set up before.
func begun(t *testing.T, set func(w *world)) (*ledger.Ledger, *world, *engine.Engine) {
	t.Helper()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	if set != nil {
		set(w)
	}
	e := start(t, l, w.options())
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	return l, w, e
}

func waits(text string) func(ledger.Database) bool {
	return func(d ledger.Database) bool {
		return slices.ContainsFunc(d.Waits, func(w ledger.Wait) bool { return strings.Contains(w.Text, text) })
	}
}

// TestTroubleIsToldAndGoes: each effect of a migration fails some times: the trouble is told at its place, once in the
// timeline, everything is tried again, and no trouble is left in the end.
func TestTroubleIsToldAndGoes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	tries := map[flow.EffectKind]int{}
	l, w, _ := begun(t, func(w *world) {
		w.before = func(o engine.Order) error {
			mu.Lock()
			defer mu.Unlock()
			if tries[o.Effect.Kind]++; tries[o.Effect.Kind] <= 3 {
				return &flow.Hindrance{At: flow.AtStorage, What: string(o.Effect.Kind) + " is down", Fix: "wait"}
			}
			return nil
		}
	})
	await(t, l, "move", "db1", "in trouble", waits("is down — wait"))
	await(t, l, "move", "db1", "ready", ready)
	ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true})
	if d := await(t, l, "move", "db1", "completed", in(flow.Completed)); len(d.Waits) > 0 {
		t.Errorf("it waits: %+v", d.Waits)
	}
	checkOnce(t, w, "db1")
	entries, err := l.Timeline(t.Context(), "move", "db1", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, n := range entries {
		told[n.Kind+" "+n.Text]++
	}
	if told["Trouble storage: CheckTarget is down — wait"] != 1 || told["Cleared storage: it works again"] == 0 {
		t.Errorf("told: %v", told)
	}
}

// TestHaltFailsAndRetryGoesOn: what says that it cannot go on fails the migration, and Retry goes on.
func TestHaltFailsAndRetryGoesOn(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	halt := true
	l, w, _ := begun(t, func(w *world) {
		w.before = func(o engine.Order) error {
			mu.Lock()
			defer mu.Unlock()
			if o.Effect.Kind == flow.SealFile && halt {
				return fmt.Errorf("seal: %w", &flow.Halt{What: "the container is gone", Fix: "make it"})
			}
			return nil
		}
	})
	if d := await(t, l, "move", "db1", "failed", in(flow.Failed)); d.Reason != "the container is gone — make it" {
		t.Errorf("the reason: %q", d.Reason)
	}
	mu.Lock()
	halt = false
	mu.Unlock()
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Retry})
	await(t, l, "move", "db1", "ready", ready)
	if n := w.did("db1")["seal db1/full"]; n != 1 {
		t.Errorf("sealed %d times", n)
	}
}

// TestEventsBesideAnError: a target that tells how far it is, and that it is hindered, is believed in both.
func TestEventsBesideAnError(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	o := w.options()
	o.Open = func(context.Context, ledger.Activity) (engine.Works, error) { return hindered{w}, nil }
	start(t, l, o)
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	d := await(t, l, "move", "db1", "restored", func(d ledger.Database) bool { return d.Files[flow.FileRestored] == 3 })
	if !waits("target: the SAS expires")(d) {
		t.Errorf("waits: %v", d.Waits)
	}
}

// hindered is a world whose target is hindered.
type hindered struct{ *world }

func (h hindered) Do(ctx context.Context, o engine.Order) ([]flow.Event, error) {
	events, err := h.world.Do(ctx, o)
	if o.Effect.Kind == flow.FollowRestore {
		err = &flow.Hindrance{At: flow.AtTarget, What: "the SAS expires"}
	}
	return events, err
}

// TestDefectHarmsOneEffect: what panics is a trouble of its migration, and is tried again.
func TestDefectHarmsOneEffect(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	l, _, _ := begun(t, func(w *world) {
		w.before = func(o engine.Order) error {
			if o.Effect.Kind == flow.CopyBlock && tries.Add(1) < 8 {
				panic("index out of range")
			}
			return nil
		}
	})
	await(t, l, "move", "db1", "in trouble", waits("storage: a defect of the program, see its log: index out of range"))
	await(t, l, "move", "db1", "ready", ready)
}

// TestWorksThatCannotBeMade: the activity's parts cannot be made at first; each database says so, and goes on by itself.
func TestWorksThatCannotBeMade(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	o := w.options()
	var mu sync.Mutex
	secret := false
	o.Open = func(context.Context, ledger.Activity) (engine.Works, error) {
		mu.Lock()
		defer mu.Unlock()
		if !secret {
			return nil, errors.New("LINKSPAN_TARGET_PASSWORD is not set")
		}
		return w, nil
	}
	start(t, l, o)
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	await(t, l, "move", "db1", "in trouble", waits("activity: the parts of the activity cannot be made: LINKSPAN_TARGET_PASSWORD is not set"))
	mu.Lock()
	secret = true
	mu.Unlock()
	if d := await(t, l, "move", "db1", "ready", ready); len(d.Waits) > 0 {
		t.Errorf("it waits: %+v", d.Waits)
	}
}

// TestWhatIsNotDueIsCutShort: a tail that hangs holds up neither the cancellation nor the end of the engine.
func TestWhatIsNotDueIsCutShort(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	hanging := make(chan struct{})
	o := w.options()
	o.Open = func(context.Context, ledger.Activity) (engine.Works, error) { return &hangs{w, hanging}, nil }
	e := start(t, l, o)
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	await(t, l, "move", "db1", "ready", ready)
	ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true})
	<-hanging
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Cancel})
	await(t, l, "move", "db1", "cancelled", in(flow.Cancelled))
	if err := e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// hangs is a world whose TakeTail hangs until it is cut short.
type hangs struct {
	*world
	hanging chan struct{}
}

func (h *hangs) Do(ctx context.Context, o engine.Order) ([]flow.Event, error) {
	if o.Effect.Kind == flow.TakeTail {
		select {
		case h.hanging <- struct{}{}:
		case <-ctx.Done():
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.world.Do(ctx, o)
}

// TestSilentTargetKeepsNoSource: the target stops answering in a cutover; giving up opens the source all the same.
func TestSilentTargetKeepsNoSource(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	s := &silent{world: w, from: make(chan struct{}), asked: make(chan struct{}, 1)}
	o := w.options()
	o.Open = func(context.Context, ledger.Activity) (engine.Works, error) { return s, nil }
	e := start(t, l, o)
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	await(t, l, "move", "db1", "ready", ready)
	close(s.from)
	<-s.asked
	ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true})
	await(t, l, "move", "db1", "closed", func(ledger.Database) bool { return w.did("db1")["tail"] > 0 })
	ask(t, l, "move", "db1", flow.Event{Kind: flow.GiveUp})
	await(t, l, "move", "db1", "open again", func(d ledger.Database) bool { return d.State == flow.LogsUploading && w.did("db1")["reopen"] > 0 })
	if err := e.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// silent is a world whose target answers nothing from a moment on.
type silent struct {
	*world
	from, asked chan struct{}
}

func (s *silent) Do(ctx context.Context, o engine.Order) ([]flow.Event, error) {
	select {
	case <-s.from:
		if o.Effect.Kind == flow.FollowRestore {
			select {
			case s.asked <- struct{}{}:
			default:
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	default:
	}
	return s.world.Do(ctx, o)
}

// TestPauseEndsBehindARestart: the longest pause runs out while no engine runs; the next one gives the source back, and the
// migration goes on.
func TestPauseEndsBehindARestart(t *testing.T) {
	t.Parallel()
	l, w, e := begun(t, nil)
	await(t, l, "move", "db1", "ready", ready)
	w.mu.Lock()
	w.before = func(o engine.Order) error {
		if o.Effect.Kind == flow.SealFile {
			return errors.New("the tail never comes to storage")
		}
		return nil
	}
	w.mu.Unlock()
	ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, MaxPause: time.Second})
	await(t, l, "move", "db1", "closed", func(ledger.Database) bool { return w.did("db1")["tail"] > 0 })
	if err := e.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, l, w.options())
	await(t, l, "move", "db1", "given back", func(d ledger.Database) bool {
		return d.State == flow.LogsUploading && w.did("db1")["reopen"] > 0 && !waits("opened again")(d)
	})
	if w.did("db1")["reopen"] != 1 {
		t.Errorf("%v", w.did("db1"))
	}
}

// TestOvertakenEngineEnds: an engine whose lock was deleted, and which another one took over, stores nothing more and ends.
func TestOvertakenEngineEnds(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l, other := openLedger(t, dir), openLedger(t, dir)
	w := newWorld(t, t.TempDir(), "db1")
	create(t, l, "move", "db1")
	first := start(t, l, w.options())
	if err := os.Remove(filepath.Join(dir, "engine.lock")); err != nil {
		t.Fatal(err)
	}
	start(t, other, w.options())
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	await(t, other, "move", "db1", "ready", ready)
	ask(t, other, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true})
	await(t, other, "move", "db1", "completed", in(flow.Completed))
	select {
	case <-first.Done():
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}

// TestLostJobsAreFound: whatever becomes of the jobs, a migration that has something to do goes on.
func TestLostJobsAreFound(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l := openLedger(t, dir)
	w := newWorld(t, t.TempDir(), "db1")
	start(t, l, w.options())
	create(t, l, "move", "db1")
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, ledger.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it is thrown away
	if _, err := db.Exec("CREATE TRIGGER lose AFTER INSERT ON river_job BEGIN UPDATE river_job SET state = 'running' WHERE id = new.id; END"); err != nil {
		t.Fatal(err)
	}
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	if _, err := db.Exec("DROP TRIGGER lose"); err != nil {
		t.Fatal(err)
	}
	await(t, l, "move", "db1", "ready", ready)
}

// TestManyAtOnce: twenty activities with three databases each end, each result once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	worlds := map[string]*world{}
	o := newWorld(t, t.TempDir()).options()
	o.Open = func(_ context.Context, a ledger.Activity) (engine.Works, error) { return worlds[a.Name], nil }
	o.ScanEvery, o.FollowEvery, o.LoginsEvery = 100*time.Millisecond, 100*time.Millisecond, time.Second
	for i := range 20 {
		name := fmt.Sprintf("move%d", i)
		dbs := []string{"db1", "db2", "db3"}
		worlds[name] = newWorld(t, t.TempDir(), dbs...)
		create(t, l, name, dbs...)
		for _, d := range dbs {
			ask(t, l, name, d, flow.Event{Kind: flow.Start})
		}
	}
	begin := time.Now()
	start(t, l, o)
	for name, w := range worlds {
		for d := range w.dbs {
			await(t, l, name, d, "ready", ready)
			ask(t, l, name, d, flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true})
		}
	}
	for name, w := range worlds {
		for d := range w.dbs {
			await(t, l, name, d, "completed", in(flow.Completed))
			checkOnce(t, w, d)
		}
		if w.worst != 1 {
			t.Errorf("%s: %d effects on one database's sides at once", name, w.worst)
		}
	}
	t.Logf("60 databases of 20 activities in %v", time.Since(begin))
}
