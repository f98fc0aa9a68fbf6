package engine_test

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// TestLoginsGoTheirWay: logins are listed and moved stage by stage; those that fail hold up no other and go on after Retry,
// one in trouble is tried again, stages that need the databases wait for the cutover.
func TestLoginsGoTheirWay(t *testing.T) {
	t.Parallel()
	l := openLedger(t, filepath.Join(t.TempDir(), "state"))
	w := newWorld(t, t.TempDir(), "db1")
	var mu sync.Mutex
	mended, tries := false, 0
	went := map[string][]flow.Stage{}
	w.logins = func() ([]engine.Found, error) {
		if mu.Lock(); tries == 0 {
			tries++
			mu.Unlock()
			return nil, errors.New("the source does not answer")
		}
		mu.Unlock()
		return []engine.Found{{Name: "sa", Skip: "it is on every server"}, {Name: "app"}, {Name: "bad"}, {Name: `CORP\anna`, Windows: true}}, nil
	}
	w.stage = func(name string, s flow.Stage) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if name == "bad" && s == flow.LoginMigration && !mended {
			return "", &flow.Halt{What: "another login has its SID", Fix: "drop that"}
		}
		if tries++; name == "app" && tries == 2 {
			return "", errors.New("the target does not answer")
		}
		went[name] = append(went[name], s)
		if s == flow.EstablishServerPermissions {
			return "a permission was left out", nil
		}
		return "", nil
	}
	start(t, l, w.options())
	create(t, l, "move", "db1")
	ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
	states := func() map[string]string {
		s, err := l.Status(t.Context(), "move", false)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, g := range s.Logins {
			out[g.Name] = string(g.State) + " " + string(g.Stage)
		}
		return out
	}
	awaitLogins(t, states, map[string]string{"sa": "Skipped Initialize", "app": "InProgress EstablishUserMapping", "bad": "Failed LoginMigration", `CORP\anna`: "Skipped Initialize"})
	mu.Lock()
	mended = true
	mu.Unlock()
	ask(t, l, "move", "", flow.Event{Kind: flow.Retry})
	awaitLogins(t, states, map[string]string{"sa": "Skipped Initialize", "app": "InProgress EstablishUserMapping", "bad": "InProgress EstablishUserMapping", `CORP\anna`: "Skipped Initialize"})
	await(t, l, "move", "db1", "ready", ready)
	ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true})
	awaitLogins(t, states, map[string]string{"sa": "Skipped Initialize", "app": "Warning Completed", "bad": "Warning Completed", `CORP\anna`: "Skipped Initialize"})
	mu.Lock()
	defer mu.Unlock()
	if want := flow.Stages[:len(flow.Stages)-1]; !slices.Equal(went["app"], want) || !slices.Equal(went["bad"], want) {
		t.Errorf("stages: %v", went)
	}
	checkTold(t, l)
}

func awaitLogins(t *testing.T, states func() map[string]string, want map[string]string) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !maps.Equal(states(), want) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the logins are %v, want %v", states(), want)
		}
	}
}

func checkTold(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	entries, err := l.Timeline(t.Context(), "move", "", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the logins cannot be listed: the source does not answer", "the target does not answer", "Failed: another login has its SID — drop that"} {
		if !slices.ContainsFunc(entries, func(n ledger.Entry) bool { return n.Text == want }) {
			t.Errorf("the timeline does not tell %q", want)
		}
	}
}
