package link_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/link"
	"linkspan/link/flow"
)

// linkedWorld is a world with a link that keeps up.
func linkedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	w.failover, w.did, w.calls = newRoles(), nil, 0
	return w
}

// impatient is a clock on which every wait takes a second at once.
type impatient struct {
	clock.Clock
	now time.Time
}

func (i *impatient) Now() time.Time { return i.now }
func (i *impatient) After(time.Duration) (<-chan time.Time, func()) {
	i.now = i.now.Add(time.Second)
	c := make(chan time.Time, 1)
	c <- i.now
	return c, func() {}
}

func (w *world) failoverLinker() *link.Linker {
	return link.New(w, w, link.Options{Poll: time.Second, Clock: &impatient{Clock: clock.System, now: time.Now()}, Target: target{w}})
}

const failoverStatement = "ALTER AVAILABILITY GROUP [DAG_db1] FAILOVER"

func TestPlannedFailover(t *testing.T) {
	t.Parallel()
	w := linkedWorld(t)
	r, err := w.failoverLinker().Failover(t.Context(), w.spec(), link.FailoverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{failoverStatement}, w.did); d != "" || w.failover.target != "PRIMARY" {
		t.Errorf("%s %+v", d, w.failover)
	}
	if !r.Changed || r.PauseMs != 42 || r.Kind != "planned" || r.Before == nil || r.Before.LSN != "100" || r.Before.Digest != "010203" || r.After == nil || len(r.Notes) != 0 {
		t.Errorf("report %+v", r)
	}
	// Again: nothing is done. Back: by the management API, as the managed instance is the primary.
	if r, err = w.failoverLinker().Failover(t.Context(), w.spec(), link.FailoverOptions{To: flow.TargetSide}); err != nil || r.Changed || len(w.did) != 1 {
		t.Errorf("again: %+v %v %q", r, err, w.did)
	}
	if r, err = w.failoverLinker().Failover(t.Context(), w.spec(), link.FailoverOptions{To: flow.SourceSide}); err != nil || !r.Changed || w.failover.source != "PRIMARY" || w.did[1] != "Planned failover DAG_db1" {
		t.Errorf("back: %+v %v %q", r, err, w.did)
	}
}

// Killed at any call, before or after its effect, the same command again goes on, and fails over once.
func TestFailoverDiesAnywhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o    link.FailoverOptions
		want []string
		min  int
	}{
		"planned": {link.FailoverOptions{}, []string{failoverStatement}, 15},
		"by hand": {link.FailoverOptions{ByHand: true}, []string{"ALTER AVAILABILITY GROUP [DAG_db1] MODIFY AVAILABILITY GROUP ON N'AG_db1' WITH (AVAILABILITY_MODE = SYNCHRONOUS_COMMIT), " +
			"N'AG_db1_MI' WITH (AVAILABILITY_MODE = SYNCHRONOUS_COMMIT)", "DELETE link DAG_db1", "DROP AVAILABILITY GROUP [DAG_db1]"}, 15},
		"forced": {link.FailoverOptions{Force: true}, []string{"ForcedAllowDataLoss failover DAG_db1"}, 5},
	} {
		for _, late := range []bool{false, true} {
			at := 1
			for ; at < 200; at++ {
				w := linkedWorld(t)
				w.failover.cut = c.o.Force
				if !diesAt(t, w, at, late, func(ctx context.Context, _ *link.Linker) error {
					_, err := w.failoverLinker().Failover(ctx, w.spec(), c.o)
					return err
				}) {
					break
				}
				if d := cmp.Diff(c.want, w.did); d != "" {
					t.Fatalf("%s, died at call %d, late %v: %s", name, at, late, d)
				}
			}
			if at < c.min {
				t.Errorf("%s: only %d places to die at", name, at)
			}
		}
	}
}

// What keeps a planned failover from being safe refuses it, with what to do; nothing is changed.
func TestFailoverRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world)
		o      link.FailoverOptions
		says   []string
	}{
		"split brain":            {func(w *world) { w.failover.target = "PRIMARY" }, link.FailoverOptions{}, []string{"split brain", "SET (ROLE = SECONDARY)", "[DAG_db1]"}},
		"neither side":           {func(w *world) { w.failover.source = "SECONDARY" }, link.FailoverOptions{}, []string{"neither side is primary", "FORCE_FAILOVER_ALLOW_DATA_LOSS"}},
		"no link":                {func(w *world) { w.link = nil }, link.FailoverOptions{}, []string{"the managed instance shows no link", "create it first"}},
		"suspended":              {func(w *world) { w.failover.suspended = true }, link.FailoverOptions{}, []string{"suspended (SUSPEND_FROM_REDO)"}},
		"behind":                 {func(w *world) { w.failover.behind = 99_999 }, link.FailoverOptions{}, []string{"99999 KB of log have still to be sent", "reduce the load"}},
		"not connected":          {func(w *world) { w.failover.cut = true }, link.FailoverOptions{}, []string{"not connected"}},
		"digests differ":         {func(w *world) { w.failover.digest = 9 }, link.FailoverOptions{}, []string{"the sides differ at LSN 100"}},
		"forced while it works":  {func(*world) {}, link.FailoverOptions{Force: true}, []string{"a planned failover loses nothing"}},
		"by hand, under load":    {func(w *world) { w.failover.writes = 1 }, link.FailoverOptions{ByHand: true}, []string{"stop the applications"}},
		"by hand, the other way": {func(*world) {}, link.FailoverOptions{ByHand: true, To: flow.SourceSide}, []string{"no way back"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := linkedWorld(t)
			c.change(w)
			before := w.failover
			_, err := w.failoverLinker().Failover(t.Context(), w.spec(), c.o)
			var refusal *flow.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("%v", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q lacks %q", err, s)
				}
			}
			if before.source != w.failover.source || before.target != w.failover.target || w.failover.turned > 0 {
				t.Errorf("the roles changed: %+v", w.failover)
			}
		})
	}
}

// A copy that catches up is waited for; digests that are never seen at one LSN are told of.
func TestFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	w := linkedWorld(t)
	w.failover.behind, w.failover.state, w.failover.heals, w.failover.writes = 99_999, "NOT SYNCHRONIZING", true, 1
	r, err := w.failoverLinker().Failover(t.Context(), w.spec(), link.FailoverOptions{})
	if err != nil || !r.Changed || r.Before != nil || len(r.Notes) != 2 {
		t.Errorf("%+v %v", r, err)
	}
}

// A failover that broke off says how the sides stand and which command decides.
func TestFailoverUndecided(t *testing.T) {
	t.Parallel()
	w := linkedWorld(t)
	w.failover.undecided = true
	r, err := w.failoverLinker().Failover(t.Context(), w.spec(), link.FailoverOptions{})
	if err == nil || !strings.Contains(err.Error(), "FORCE_FAILOVER_ALLOW_DATA_LOSS") || !strings.Contains(err.Error(), "SQL Server SECONDARY, managed instance SECONDARY") || r.Error == "" {
		t.Errorf("%+v %v", r, err)
	}
}

// A forced failover needs only the side that is opened, and says how the other one comes back.
func TestForcedFailover(t *testing.T) {
	t.Parallel()
	for _, to := range []flow.Side{flow.TargetSide, flow.SourceSide} {
		w := linkedWorld(t)
		w.failover.cut = true
		if to == flow.SourceSide {
			w.failover.source, w.failover.target = "SECONDARY", "PRIMARY"
		}
		r, err := w.failoverLinker().Failover(t.Context(), w.spec(), link.FailoverOptions{To: to, Force: true})
		if err != nil || !r.Changed || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "SET (ROLE = SECONDARY)") || w.failover.source != "PRIMARY" || w.failover.target != "PRIMARY" {
			t.Errorf("to %s: %+v %v %+v", to, r, err, w.failover)
		}
	}
}

func TestPlanFailoverChangesNothing(t *testing.T) {
	t.Parallel()
	w := linkedWorld(t)
	plan, err := w.failoverLinker().PlanFailover(t.Context(), w.spec(), link.FailoverOptions{MaxPause: time.Second})
	if err != nil || len(w.did) != 0 || len(plan) != 6 || plan[3].State != link.ToDo || plan[3].Statements[0] != failoverStatement {
		t.Errorf("%+v %v %q", plan, err, w.did)
	}
	if undo := plan[3].Undo; len(undo) != 1 || !strings.Contains(undo[0], armtypes.Planned) {
		t.Errorf("undo %q", undo)
	}
}
