package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// slow is a world whose blocks take a while, as a network's do.
type slow struct {
	*world
	block      time.Duration
	now, worst atomic.Int64
	blocks     atomic.Int64
}

func (s *slow) Do(ctx context.Context, o engine.Order) ([]flow.Event, error) {
	if o.Effect.Kind == flow.CopyBlock {
		n := s.now.Add(1)
		defer s.now.Add(-1)
		for worst := s.worst.Load(); n > worst && !s.worst.CompareAndSwap(worst, n); worst = s.worst.Load() {
		}
		s.blocks.Add(1)
		select {
		case <-time.After(s.block):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return []flow.Event{{Kind: flow.BlockStored, Done: o.Effect.Offset + o.Effect.Length}}, nil
	}
	if o.Effect.Kind == flow.SealFile {
		s.change(o.Database, func(w *sides) string { w.Blocks[o.Effect.File] = []int64{0, 10, 20}; return "" })
	}
	return s.world.Do(ctx, o)
}

// TestCopyKeepsTheLineBusy: a file of 2,000 blocks that take 10 ms each, four at once, takes little more than they do: what is
// stored meanwhile does not stand in the way. Each block is asked for once, and no more at once than allowed.
func TestCopyKeepsTheLineBusy(t *testing.T) {
	t.Parallel()
	const blocks = 2000
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := &slow{world: newWorld(t, t.TempDir(), "db1"), block: 10 * time.Millisecond}
	w.dbs["db1"].Share = w.dbs["db1"].Share[:1]
	w.dbs["db1"].Share[0].Size = blocks * blockSize
	o := w.options()
	o.PerFile = 4
	o.Open = func(context.Context, ledger.Activity) (engine.Works, error) { return w, nil }
	start(t, l, o)
	create(t, l, "move", "db1")
	begin := time.Now()
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	await(t, l, "move", "db1", "in storage", func(d ledger.Database) bool { return d.Files[flow.FileRestored] == 1 })
	took, least := time.Since(begin), blocks*w.block/4
	t.Logf("%d blocks in %v, which take %v: %.2f", blocks, took, least, least.Seconds()/took.Seconds())
	if w.blocks.Load() != blocks || w.worst.Load() != 4 {
		t.Errorf("%d blocks were copied, %d at once", w.blocks.Load(), w.worst.Load())
	}
	if took > 10*least {
		t.Errorf("it took %v", took)
	}
}

// TestAskOfAnotherProcessIsSeen: what is asked through another ledger of the folder is taken up by an engine whose own rounds
// are an hour apart.
func TestAskOfAnotherProcessIsSeen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l, other := openLedger(t, dir), openLedger(t, dir)
	w := newWorld(t, t.TempDir(), "db1")
	o := w.options()
	o.ScanEvery, o.FollowEvery, o.LoginsEvery = 4*time.Hour, 4*time.Hour, time.Hour
	taken := make(chan time.Time, 1)
	w.before = func(o engine.Order) error {
		if o.Effect.Kind == flow.CheckTarget {
			taken <- time.Now()
		}
		return nil
	}
	start(t, l, o)
	create(t, other, "move", "db1")
	begin := time.Now()
	ask(t, other, "move", "db1", flow.Event{Kind: flow.Start})
	t.Logf("taken up after %v", (<-taken).Sub(begin))
	await(t, l, "move", "db1", "there", func(d ledger.Database) bool { return d.State == flow.LogsUploading })
	begin = time.Now()
	ask(t, other, "move", "db1", flow.Event{Kind: flow.Cancel})
	await(t, l, "move", "db1", "cancelled", in(flow.Cancelled))
	t.Logf("cancelled after %v", time.Since(begin))
}

// TestLogIsRestoredSoon: a log that comes to a quiet share is restored long before the engine's longest intervals, 2 s and
// 5 s, are over twice.
func TestLogIsRestoredSoon(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	o := w.options()
	o.ScanEvery, o.FollowEvery, o.LoginsEvery = 0, 0, 0
	start(t, l, o)
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	d := await(t, l, "move", "db1", "restored", func(d ledger.Database) bool { return d.Files[flow.FileRestored] == 3 })
	for i := range uint32(8) {
		begin := time.Now()
		w.change("db1", func(s *sides) string {
			s.Share = append(s.Share, seen("db1", flow.Log, fmt.Sprint("more", i), 40+i, 41+i))
			return ""
		})
		d = await(t, l, "move", "db1", "restored", func(d ledger.Database) bool { return d.Files[flow.FileRestored] == int(4+i) })
		t.Logf("after %v", time.Since(begin))
	}
	if d.PredictedPauseSeconds <= 0 || d.PredictedPauseSeconds > 60 {
		t.Errorf("a pause of %v s is predicted", d.PredictedPauseSeconds)
	}
}

// TestThousandsOfLogs: a backlog of logs, the state that the engine of a month leaves, is worked off.
func TestThousandsOfLogs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	const logs = 500
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := &backlog{of: map[string]bool{}}
	w.seen = append(w.seen, seen("db1", flow.Full, "full", 10, 20))
	for i := range uint32(logs) {
		w.seen = append(w.seen, seen("db1", flow.Log, fmt.Sprint("log", i), 20+i, 21+i))
	}
	start(t, l, engine.Options{Open: func(context.Context, ledger.Activity) (engine.Works, error) { return w, nil }})
	create(t, l, "move", "db1")
	begin := time.Now()
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	deadline := time.After(4 * time.Minute)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n <= logs; {
		s, err := l.Status(t.Context(), "move", false)
		if err != nil {
			t.Fatal(err)
		}
		n = s.Databases[0].Files[flow.FileRestored]
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%+v", s.Databases[0])
		}
	}
	took := time.Since(begin)
	info, err := os.Stat(filepath.Join(l.Dir(), ledger.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d logs in %v, %v each; the ledger has %d bytes", logs, took, took/logs, info.Size())
}

// backlog is a world in memory, of one database.
type backlog struct {
	mu     sync.Mutex
	seen   []flow.Seen
	of     map[string]bool
	sealed []string
}

func (b *backlog) Do(_ context.Context, o engine.Order) ([]flow.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch x := o.Effect; x.Kind {
	case flow.CheckTarget:
		return []flow.Event{{Kind: flow.TargetChecked}}, nil
	case flow.Scan:
		return []flow.Event{{Kind: flow.Scanned, Files: slices.Clone(b.seen)}}, nil
	case flow.CopyBlock:
		return []flow.Event{{Kind: flow.BlockStored, Done: x.Offset + x.Length}}, nil
	case flow.SealFile:
		if !b.of[o.Set.ID] {
			b.of[o.Set.ID] = true
			b.sealed = append(b.sealed, o.Set.ID)
		}
		return []flow.Event{{Kind: flow.FileSealed}}, nil
	case flow.FollowRestore:
		return []flow.Event{{Kind: flow.RestoreSeen, Restore: flow.Restore{Restored: slices.Clone(b.sealed)}}}, nil
	case flow.CompareLogins:
		return []flow.Event{{Kind: flow.LoginsCompared}}, nil
	}
	return nil, nil
}

func (b *backlog) Logins(context.Context) ([]engine.Found, error) { return nil, nil }

func (b *backlog) Login(context.Context, string, flow.Stage) (string, error) { return "", nil }

func (b *backlog) Close() error { return nil }
