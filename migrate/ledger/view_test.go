package ledger_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// TestEachStateSaysWhatHappens: in each state of the table the status says in a sentence of its own what happens.
func TestEachStateSaysWhatHappens(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "state"), clock.NewManual(begun))
	create(t, l, "move", "db1")
	said := map[string]flow.State{}
	for _, s := range flow.States {
		value := fmt.Sprintf(`{"options":{"database":"db1","block":10,"parallel":1},"state":%q,"started":true,"cutover":{},"reason":"the disk burns"}`, s.State)
		if err := l.Exec(t, "UPDATE migrations SET value = ?, version = version + 1", value); err != nil {
			t.Fatal(err)
		}
		st, err := l.Status(t.Context(), "move", false)
		if err != nil {
			t.Fatal(err)
		}
		d := st.Databases[0].Detail
		if !strings.HasSuffix(d, ".") || said[d] != "" || s.State == flow.Failed && !strings.Contains(d, "the disk burns") {
			t.Errorf("%s says %q, as does %q", s.State, d, said[d])
		}
		said[d] = s.State
	}
}

// TestPauseIsPredicted by the logs that came behind the full backup: the time from the arrival to the restore of the last ones.
func TestPauseIsPredicted(t *testing.T) {
	t.Parallel()
	clk := clock.NewManual(begun)
	l := open(t, filepath.Join(t.TempDir(), "state"), clk)
	create(t, l, "move", "db1")
	if err := l.Ask(t.Context(), "move", "db1", flow.Event{Kind: flow.Start}, "anna"); err != nil {
		t.Fatal(err)
	}
	s := engage(t, l)
	share, ids := []flow.Seen{}, []string{}
	report := func(e flow.Event) {
		t.Helper()
		e.At = clk.Now()
		if err := s.Report(t.Context(), 1, []flow.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	restore := func(f flow.Seen, takes time.Duration) ledger.Database {
		t.Helper()
		share, ids = append(share, f), append(ids, f.Sets[0].ID)
		report(flow.Event{Kind: flow.Scanned, Files: share})
		report(flow.Event{Kind: flow.BlockStored, File: f.Name, Version: "1", Done: 25})
		report(flow.Event{Kind: flow.FileSealed, File: f.Name, Version: "1"})
		clk.Advance(takes)
		report(flow.Event{Kind: flow.RestoreSeen, Attempt: 1, Restore: flow.Restore{Restored: ids}})
		clk.Advance(time.Minute)
		st, err := l.Status(t.Context(), "move", false)
		if err != nil {
			t.Fatal(err)
		}
		return st.Databases[0]
	}
	report(flow.Event{Kind: flow.TargetChecked})
	if d := restore(backup(flow.Full, "full", 10, 20), time.Hour); d.PredictedPauseSeconds != 0 {
		t.Errorf("by a full backup alone %v s are predicted", d.PredictedPauseSeconds)
	}
	var d ledger.Database
	for i, takes := range []time.Duration{9, 9, 2, 3, 100, 4, 3} {
		d = restore(backup(flow.Log, fmt.Sprint("log", i), 20+uint32(i), 21+uint32(i)), takes*time.Second)
	}
	if d.PredictedPauseSeconds != 3 || d.LastRestored != "log6.bak" {
		t.Errorf("%v s are predicted, %s was restored last", d.PredictedPauseSeconds, d.LastRestored)
	}
}
