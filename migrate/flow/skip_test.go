package flow_test

import (
	"testing"

	"linkspan/migrate/flow"
)

// TestLogsThatTheTargetSkips: the target takes a differential that reaches farther and leaves the logs before it out; they
// are pending no more, and the cutover may come.
func TestLogsThatTheTargetSkips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := func(kind flow.Kind, id string, first, last int64) flow.Seen {
		s := flow.Set{ID: id, Kind: kind, Database: "db1", First: at(first), Last: at(last), Fork: "A", Checksum: true}
		if kind == flow.Differential {
			s.Base = "full"
		}
		return seen(id, s)
	}
	w.share = append(w.share, set(flow.Full, "full", 10, 20), set(flow.Log, "log1", 15, 30), set(flow.Log, "log2", 30, 40))
	scan := func() { must(t, w.step(flow.Event{Kind: flow.Scanned, Files: w.share})) }
	must(t, w.step(flow.Event{Kind: flow.Start}))
	must(t, w.step(flow.Event{Kind: flow.TargetChecked}))
	scan()
	w.share = append(w.share, set(flow.Differential, "diff", 38, 60))
	scan()
	for _, s := range w.share {
		must(t, w.step(flow.Event{Kind: flow.BlockStored, File: s.Name, Version: s.Version, Done: s.Size}))
		must(t, w.step(flow.Event{Kind: flow.FileSealed, File: s.Name, Version: s.Version}))
	}
	must(t, w.step(flow.Event{Kind: flow.RestoreSeen, Attempt: 1, Restore: flow.Restore{Restored: []string{"full", "diff"}}}))
	must(t, w.step(flow.Event{Kind: flow.LoginsCompared}))
	if w.m.State != flow.LogsUploading || w.m.Pending() != 0 || len(w.m.Chain) != 4 {
		t.Fatalf("%s, %d pending, chain %v", w.m.State, w.m.Pending(), w.m.Chain)
	}
	must(t, w.step(flow.Event{Kind: flow.CutoverStart, TakeTail: true}))
}

// TestHugeFilesHaveLargerBlocks: no file takes more blocks than a blob may have, and small ones are as the options say.
func TestHugeFilesHaveLargerBlocks(t *testing.T) {
	t.Parallel()
	m := flow.New(flow.Options{Database: "db1", Block: 8 << 20, Parallel: 1})
	for _, size := range []int64{1, 8 << 20, 300 << 30, 320 << 30, 390 << 30, 20 << 40} {
		n := m.Block(flow.File{Name: "f", Size: size}, 0).Length
		if blocks := (size + n - 1) / n; blocks > 45_000 || size <= 300<<30 && n != min(8<<20, size) || n > 8<<20 && n%(1<<20) != 0 {
			t.Errorf("%d bytes in %d blocks of %d", size, blocks, n)
		}
	}
}
