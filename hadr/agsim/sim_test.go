package agsim

import (
	"bufio"
	_ "embed"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/seeds
var knownSeeds string

// hold runs worlds and fails with what does not hold, what happened before, and how to see it again.
func hold(t *testing.T, seed uint64, worlds int) *Report {
	t.Helper()
	r := Run(Options{Seed: seed, Minutes: worlds * WorldMinutes})
	for _, f := range r.Failures {
		tail := f.Trace[max(0, len(f.Trace)-80):]
		t.Errorf("%s\n%s\nrepeat: %s\n(a seed that fails belongs into testdata/seeds)", strings.Join(f.Texts, "\n"), strings.Join(tail, "\n"), f.Repeat())
	}
	return r
}

// TestSimulation runs a fixed set of worlds, in which every kind of fault and every step of a failover happens.
func TestSimulation(t *testing.T) {
	t.Parallel()
	r := hold(t, 1, 120)
	if t.Failed() {
		return
	}
	for k, n := range r.Faults {
		if n == 0 {
			t.Errorf("the fault %q never happened", k)
		}
	}
	for _, step := range []string{"fence", "promote", "open", "demote", "rescue", "rewind", "seeded", "state"} {
		if r.Steps["before "+step] == 0 || r.Steps["after "+step] == 0 {
			t.Errorf("no crash before (%d) or after (%d) the step %q", r.Steps["before "+step], r.Steps["after "+step], step)
		}
	}
	for _, k := range []string{"writes", "opened", "seeded", "seeding_resumed", "rewound", "taken_back", "classic_opened", "divergence_found", "pages_not_sent"} {
		if r.Did[k] == 0 {
			t.Errorf("%q never happened", k)
		}
	}
	if r.Worlds != 120 || r.Minutes != 1200 || r.Violations != 0 {
		t.Errorf("%d worlds, %d minutes, %d violations", r.Worlds, r.Minutes, r.Violations)
	}
}

// TestSimulationNeverTwoWritable is the test that must fail where the fence is taken away (sabotage_nofence): an old
// primary that opens again without asking is found in the first world with a failover.
func TestSimulationNeverTwoWritable(t *testing.T) {
	t.Parallel()
	hold(t, 500, 20)
}

// TestSimulationKnownSeeds runs the worlds that once failed.
func TestSimulationKnownSeeds(t *testing.T) {
	t.Parallel()
	for s := bufio.NewScanner(strings.NewReader(knownSeeds)); s.Scan(); {
		text, why, _ := strings.Cut(s.Text(), " ")
		if text == "#" || text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("testdata/seeds: %v", err)
		}
		if r := hold(t, seed, 1); r.Violations > 0 {
			t.Errorf("it is back: %s", strings.TrimSpace(why))
		}
	}
}

// TestSimulationRandomSeed runs worlds that nobody has seen; the seed is in the log.
func TestSimulationRandomSeed(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64N(1 << 48)
	t.Logf("seed %d", seed)
	hold(t, seed, 30)
}

// TestSimulationRepeats: one seed, one run.
func TestSimulationRepeats(t *testing.T) {
	t.Parallel()
	a, b := newWorld(77, true), newWorld(77, true)
	a.run()
	b.run()
	if !reflect.DeepEqual(a.trace, b.trace) || a.events != b.events {
		t.Errorf("seed 77 gave %d events and then %d", a.events, b.events)
	}
}

// TestReportMerges: parts of a run add up to the run.
func TestReportMerges(t *testing.T) {
	t.Parallel()
	whole := Run(Options{Seed: 40, Minutes: 4 * WorldMinutes})
	parts := Run(Options{Seed: 40, Minutes: 3 * WorldMinutes})
	parts.Merge(Run(Options{Seed: 43, Minutes: WorldMinutes}))
	if !reflect.DeepEqual(whole, parts) {
		t.Errorf("the parts give %+v, the whole %+v", parts, whole)
	}
}
