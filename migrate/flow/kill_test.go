package flow_test

import (
	"testing"
	"time"

	"linkspan/migrate/flow"
)

// lives are histories that come through every state.
var lives = map[string]func(*world) flow.State{
	"to the end": func(w *world) flow.State {
		through(w)
		return flow.Completed
	},
	"cancelled in the cutover": func(w *world) flow.State {
		until(w)
		must(w.t, w.step(flow.Event{Kind: flow.CutoverStart, TakeTail: true}))
		w.run()
		if w.m.Cutover.Fence != flow.FenceHeld || !w.closed {
			w.t.Fatalf("the source is not closed: %+v", w.m.Cutover)
		}
		must(w.t, w.step(flow.Event{Kind: flow.Cancel}))
		w.run()
		if w.closed || w.restored != nil {
			w.t.Fatalf("cancelled, and the source is closed (%v) or the copy there (%v)", w.closed, w.restored)
		}
		return flow.Cancelled
	},
	"deleted on the target, and again": func(w *world) flow.State {
		until(w)
		w.gone, w.restored = true, nil
		w.run()
		if w.m.State != flow.Failed {
			w.t.Fatalf("it is %s", w.m.State)
		}
		w.run()
		w.gone = false
		must(w.t, w.step(flow.Event{Kind: flow.Retry}))
		finish(w)
		return flow.Completed
	},
}

func until(w *world) {
	w.share = append(w.share[:0:0], seen("full.bak", flow.Set{ID: "full", Kind: flow.Full, Database: "db1", First: at(10), Last: at(20), Fork: "A", Checksum: true}))
	must(w.t, w.step(flow.Event{Kind: flow.Start}))
	w.run()
	w.share = append(w.share, seen("log1.trn", flow.Set{ID: "log1", Kind: flow.Log, Database: "db1", First: at(15), Last: at(30), Fork: "A", Checksum: true}))
	w.run()
}

func finish(w *world) {
	w.run()
	must(w.t, w.step(flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true, MaxPause: time.Minute}))
	w.run()
}

func through(w *world) { until(w); finish(w) }

// TestKilledInEachState kills the service in each state of the table, before every effect was noted, and asks for the same
// end, with every block copied once by the record.
func TestKilledInEachState(t *testing.T) {
	t.Parallel()
	visited := map[flow.State]bool{}
	for _, s := range flow.States {
		for name, life := range lives {
			w := newWorld(t)
			w.kill = s.State
			if want := life(w); w.m.State != want {
				t.Errorf("%s, killed in %s: it ended %s (%s), waits %v, gates %v", name, s.State, w.m.State, w.m.Reason, w.m.Waits(), w.m.Gates())
			}
			for k, n := range w.did {
				if n > 1 && len(k) > 9 && k[:9] == "CopyBlock" {
					t.Errorf("%s, killed in %s: %s was asked for %d times", name, s.State, k, n)
				}
			}
			for v := range w.visited {
				visited[v] = true
			}
		}
	}
	for _, s := range flow.States {
		if !visited[s.State] {
			t.Errorf("no history comes through %s: give lives one", s.State)
		}
	}
}

// TestCancelInEachState cancels in each state of the table: what was begun is taken back, or it is refused and goes on.
func TestCancelInEachState(t *testing.T) {
	t.Parallel()
	for _, s := range flow.States {
		w := newWorld(t)
		w.m.State = s.State
		err := w.step(flow.Event{Kind: flow.Cancel})
		switch s.State {
		case flow.CutoverInitiated, flow.CutoverCompleted, flow.Completed:
			if err == nil || w.m.State != s.State {
				t.Errorf("%s: %v, %s", s.State, err, w.m.State)
			}
		default:
			if w.run(); err != nil || w.m.State != flow.Cancelled {
				t.Errorf("%s: %v, %s", s.State, err, w.m.State)
			}
		}
	}
}

// TestTableIsWhole: every state is described, reached and left, every guard has a name, every state but the ends owes
// something or waits for the user.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	known, reached, left := map[flow.State]bool{}, map[flow.State]bool{flow.Initial: true}, map[flow.State]bool{}
	for _, s := range flow.States {
		known[s.State] = true
		if s.Meaning == "" || s.Cancel == "" {
			t.Errorf("%s is not described", s.State)
		}
	}
	for _, r := range flow.Table() {
		for _, from := range r.From {
			if !known[from] {
				t.Errorf("%s is in a row and not among the states", from)
			}
			left[from] = left[from] || r.To != "" && r.To != from
		}
		if reached[r.To] = true; r.To != "" && !known[r.To] {
			t.Errorf("%s is in a row and not among the states", r.To)
		}
	}
	for s := range known {
		if end := s == flow.Completed || s == flow.Cancelled; !reached[s] || left[s] == end {
			t.Errorf("%s: reached %v, left %v", s, reached[s], left[s])
		}
	}
}

// TestLogins: stages go in order, wait for the databases, keep warnings, and a late report changes nothing.
func TestLogins(t *testing.T) {
	t.Parallel()
	l := flow.NewLogin("app", false)
	l.Step(flow.LoginEvent{Kind: flow.LoginStart})
	var went []flow.Stage
	open, failed := false, false
	for range 20 {
		stage, ok := l.Due(open)
		if !ok {
			if open {
				break
			}
			if open = true; l.Stage != flow.EstablishUserMapping {
				t.Errorf("it waits in %s", l.Stage)
			}
			continue
		}
		went = append(went, stage)
		if stage == flow.AssignRoleMembership && !failed {
			failed = true
			l.Step(flow.LoginEvent{Kind: flow.StageFailed, Stage: stage, Text: "15151"})
			if l.State != flow.LoginFailed {
				t.Errorf("%+v", l)
			}
			l.Step(flow.LoginEvent{Kind: flow.LoginStart})
		}
		e := flow.LoginEvent{Kind: flow.StageDone, Stage: stage}
		if stage == flow.LoginMigration || stage == flow.EstablishServerPermissions {
			e.Text = "CONTROL SERVER was left out" // before it fails, and told again behind
		}
		l.Step(e)
		l.Step(e)
	}
	if len(went) != len(flow.Stages)-1 || l.State != flow.LoginWarning || l.Stage != flow.LoginDone || l.Detail != "CONTROL SERVER was left out" {
		t.Errorf("%v %+v", went, l)
	}
	s := flow.NewLogin("later", false)
	for _, k := range []flow.LoginEventKind{flow.LoginSkip, flow.LoginStart} {
		s.Step(flow.LoginEvent{Kind: k, Text: "nobody needs it"})
	}
	if stage, ok := s.Due(false); !ok || stage != flow.Initialize || s.Detail != "" {
		t.Errorf("skipped, and needed now: %+v", s)
	}
	w := flow.NewLogin(`CORP\anna`, true)
	if w.Step(flow.LoginEvent{Kind: flow.LoginStart}); w.State != flow.LoginSkipped || w.Detail == "" {
		t.Errorf("%+v", w)
	}
}
