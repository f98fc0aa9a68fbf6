package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"linkspan/lsn"
	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

const (
	blockSize = 10
	fileSize  = 25
)

// world is a model of a source, a share, a storage and a target, for the databases of one activity. What it holds outlives
// the process: each change is a file that replaces the one before.
type world struct {
	dir string
	mu  sync.Mutex
	dbs map[string]*sides
	// before and after are called around each effect, without the lock; an error of before is the effect's.
	before func(engine.Order) error
	after  func(engine.Order)
	// logins are what is found on the source; stage does one.
	logins func() ([]engine.Found, error)
	stage  func(name string, s flow.Stage) (string, error)
	busy   map[string]int // effects on the sides of a database that run now
	worst  int
	count  map[flow.EffectKind]int
}

// sides is what there is of one database. Did are the effects that changed something, in their order.
type sides struct {
	Share           []flow.Seen
	Blocks          map[string][]int64
	Sealed          []string
	Started, Opened bool
	Restored        []string
	Gone            bool
	Closed          bool
	Tail            string
	Did             []string
}

func newWorld(t *testing.T, dir string, databases ...string) *world {
	t.Helper()
	w := &world{dir: dir, dbs: map[string]*sides{}, busy: map[string]int{}, count: map[flow.EffectKind]int{}}
	for _, d := range databases {
		s := &sides{Blocks: map[string][]int64{}, Share: []flow.Seen{
			seen(d, flow.Full, "full", 10, 20), seen(d, flow.Log, "log1", 15, 30), seen(d, flow.Log, "log2", 30, 40),
		}}
		b, err := os.ReadFile(filepath.Join(dir, d+".json"))
		if err == nil {
			err = json.Unmarshal(b, s)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		w.dbs[d] = s
	}
	return w
}

func seen(db string, kind flow.Kind, id string, first, last uint32) flow.Seen {
	return flow.Seen{Name: db + "/" + id, Version: "1", Size: fileSize, Sequence: 1, Stripes: 1, Sets: []flow.Set{{ID: db + id, Kind: kind, Database: db, Fork: "A",
		Checksum: true, First: lsn.LSN{VLF: 1, Block: first, Slot: 1}, Last: lsn.LSN{VLF: 1, Block: last, Slot: 1}}}}
}

// change changes one database's sides and keeps them; did names what was done, "" for nothing that counts.
func (w *world) change(db string, f func(s *sides) (did string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.dbs[db]
	if did := f(s); did != "" {
		s.Did = append(s.Did, did)
	}
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, db+".new"), b, 0o600)
	}
	if err == nil {
		err = os.Rename(filepath.Join(w.dir, db+".new"), filepath.Join(w.dir, db+".json"))
	}
	if err != nil {
		panic(err)
	}
}

// Do implements engine.Works.
func (w *world) Do(_ context.Context, o engine.Order) ([]flow.Event, error) {
	if ledger.LaneOf(o.Effect.Kind) == ledger.Sides {
		w.mu.Lock()
		w.busy[o.Database]++
		w.worst = max(w.worst, w.busy[o.Database])
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			w.busy[o.Database]--
			w.mu.Unlock()
		}()
	}
	if w.before != nil {
		if err := w.before(o); err != nil {
			return nil, err
		}
	}
	var out []flow.Event
	w.change(o.Database, func(s *sides) string {
		w.count[o.Effect.Kind]++
		e, did := s.do(o)
		out = []flow.Event{e}
		if e.Kind == "" {
			out = nil
		}
		return did
	})
	if w.after != nil {
		w.after(o)
	}
	return out, nil
}

// do looks first whether it is done already, as every Works does.
func (s *sides) do(o engine.Order) (e flow.Event, did string) {
	x := o.Effect
	restore := func() flow.Event {
		return flow.Event{Kind: flow.RestoreSeen, Restore: flow.Restore{Restored: slices.Clone(s.Restored), Opened: s.Opened}}
	}
	switch x.Kind {
	case flow.CheckTarget:
		return flow.Event{Kind: flow.TargetChecked}, ""
	case flow.Scan:
		return flow.Event{Kind: flow.Scanned, Files: slices.Clone(s.Share)}, ""
	case flow.CopyBlock:
		if !slices.Contains(s.Blocks[x.File], x.Offset) {
			s.Blocks[x.File] = append(s.Blocks[x.File], x.Offset)
		}
		return flow.Event{Kind: flow.BlockStored, Done: x.Offset + x.Length}, ""
	case flow.SealFile:
		if !slices.Contains(s.Sealed, o.Set.ID) {
			s.Sealed, did = append(s.Sealed, o.Set.ID), "seal "+x.File
		}
		if want := (fileSize + blockSize - 1) / blockSize; len(s.Blocks[x.File]) != want {
			did = fmt.Sprintf("HOLE %s: %v", x.File, s.Blocks[x.File])
		}
		return flow.Event{Kind: flow.FileSealed}, did
	case flow.StartRestore:
		if !s.Started {
			s.Started, did = true, "start"
		}
		return flow.Event{}, did
	case flow.FollowRestore:
		if s.Gone {
			return flow.Event{Kind: flow.TargetGone}, ""
		}
		for _, id := range o.Migration.Chain {
			if slices.Contains(s.Sealed, id) && !slices.Contains(s.Restored, id) && s.Started {
				s.Restored = append(s.Restored, id)
			}
		}
		return restore(), ""
	case flow.CompareLogins:
		return flow.Event{Kind: flow.LoginsCompared}, ""
	}
	return s.doLate(o, restore)
}

func (s *sides) doLate(o engine.Order, restore func() flow.Event) (e flow.Event, did string) {
	switch o.Effect.Kind {
	case flow.TakeTail:
		if s.Tail == "" || !s.Closed {
			t := seen(o.Database, flow.Log, fmt.Sprintf("tail%d", o.Migration.Cutover.Number), 40, 50)
			t.Sets[0].Tail = true
			s.Share, s.Tail, s.Closed, did = append(s.Share, t), t.Sets[0].ID, true, "tail"
		}
		return flow.Event{Kind: flow.TailTaken, Set: s.Tail}, did
	case flow.ReopenSource:
		if s.Closed {
			s.Closed, did = false, "reopen"
		}
		return flow.Event{Kind: flow.SourceBack}, did
	case flow.CompleteRestore:
		if !s.Opened {
			s.Opened, did = true, "open"
		}
		return restore(), did
	case flow.DropTarget:
		if s.Started {
			s.Started, s.Restored, did = false, nil, "drop"
		}
		return flow.Event{Kind: flow.TargetGone}, did
	case flow.MapUsers:
		return flow.Event{Kind: flow.UsersMapped}, ""
	case flow.Compare:
		return flow.Event{Kind: flow.Compared, Equal: s.Opened && len(s.Restored) == len(o.Migration.Chain), Text: "1 table"}, ""
	case flow.WriteReport:
		if !slices.Contains(s.Did, "report") {
			did = "report"
		}
		return flow.Event{Kind: flow.ReportWritten, Text: "/reports/" + o.Database}, did
	}
	panic("no such effect: " + string(o.Effect.Kind))
}

// Logins implements engine.Works.
func (w *world) Logins(context.Context) ([]engine.Found, error) {
	if w.logins == nil {
		return nil, nil
	}
	return w.logins()
}

// Login implements engine.Works.
func (w *world) Login(_ context.Context, name string, s flow.Stage) (string, error) {
	return w.stage(name, s)
}

// Close implements engine.Works.
func (w *world) Close() error { return nil }

// did is what was done to a database, and how often.
func (w *world) did(db string) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int{}
	for _, d := range w.dbs[db].Did {
		out[d]++
	}
	return out
}

// options are quick ones.
func (w *world) options() engine.Options {
	return engine.Options{Open: func(context.Context, ledger.Activity) (engine.Works, error) { return w, nil }, ScanEvery: 20 * time.Millisecond,
		FollowEvery: 20 * time.Millisecond, LoginsEvery: 50 * time.Millisecond, Backoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, SweepEvery: time.Second}
}
