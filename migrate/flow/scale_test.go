package flow_test

import (
	"fmt"
	"testing"
	"time"

	"linkspan/migrate/flow"
)

// TestWeeksOfLogs: a heap of 10,000 log backups is planned at once, and one more is a small step, by far faster than the
// two seconds in which the share is read.
func TestWeeksOfLogs(t *testing.T) {
	t.Parallel()
	const logs = 10_000
	w := newWorld(t)
	w.share = append(w.share, seen("full.bak", flow.Set{ID: "full", Kind: flow.Full, Database: "db1", First: at(1), Last: at(2), Fork: "A", Checksum: true}))
	for i := range int64(logs) {
		w.share = append(w.share, seen(fmt.Sprintf("%d.trn", i), flow.Set{ID: fmt.Sprint(i), Kind: flow.Log, Database: "db1", First: at(2 + i), Last: at(3 + i), Fork: "A", Checksum: true}))
	}
	begin := time.Now()
	for _, e := range []flow.Event{{Kind: flow.Start}, {Kind: flow.TargetChecked}, {Kind: flow.Scanned, Files: w.share}} {
		if _, err := w.m.Step(e); err != nil {
			t.Fatal(err)
		}
	}
	planned := time.Since(begin)
	if len(w.m.Chain) != logs+1 || w.m.Pending() != logs {
		t.Fatalf("%d in the chain, %d pending", len(w.m.Chain), w.m.Pending())
	}
	begin = time.Now()
	if _, err := w.m.Step(flow.Event{Kind: flow.Scanned, Files: w.share}); err != nil {
		t.Fatal(err)
	}
	again := time.Since(begin)
	begin = time.Now()
	if _, err := w.m.Step(flow.Event{Kind: flow.BlockStored, File: "full.bak", Version: "1", Done: block}); err != nil {
		t.Fatal(err)
	}
	t.Logf("planned in %v, scanned again in %v, a block in %v", planned, again, time.Since(begin))
	if planned > 20*time.Second || again > 2*time.Second {
		t.Errorf("planned in %v, scanned again in %v", planned, again)
	}
}
