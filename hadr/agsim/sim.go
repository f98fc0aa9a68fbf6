package agsim

import (
	"fmt"
	"maps"
	"time"
)

// Lengths of a world.
const (
	// WorldMinutes is how long one world lasts.
	WorldMinutes = 10
	faultTime    = 8 * time.Minute
	healTime     = 2 * time.Minute
)

// Options says what to simulate.
type Options struct {
	// Seed is the first world's; the others follow.
	Seed uint64
	// Minutes of simulated time, rounded up to whole worlds.
	Minutes int
	// MaxFailures ends the run after so many worlds that failed; 0 means 1.
	MaxFailures int
	// Stop, when not nil, is asked between worlds.
	Stop func() bool
}

// Report is what a run did and found.
type Report struct {
	Seed    uint64 `json:"seed"`
	Minutes int    `json:"minutes"`
	Worlds  int    `json:"worlds"`
	Events  int64  `json:"events"`
	// Faults counts what was done to the two sides, by kind; Steps the crashes before and after each durable step.
	Faults map[string]int64 `json:"faults"`
	Steps  map[string]int64 `json:"crashes_at_steps"`
	// Did counts what happened otherwise: writes, failovers, seedings.
	Did        map[string]int64 `json:"did"`
	Violations int              `json:"violations"`
	Failures   []Failure        `json:"failures,omitempty"`
}

// Failure is one world in which an invariant did not hold.
type Failure struct {
	Seed uint64 `json:"seed"`
	// Texts say what did not hold and when, Trace what happened before, oldest first.
	Texts []string `json:"texts"`
	Trace []string `json:"trace"`
}

// Repeat is the command that runs the failed world again.
func (f Failure) Repeat() string {
	return fmt.Sprintf("linkspan simulate --seed %d --minutes %d", f.Seed, WorldMinutes)
}

// Run simulates until the minutes are over or too much has failed.
func Run(o Options) *Report {
	r := &Report{Seed: o.Seed, Faults: map[string]int64{}, Steps: map[string]int64{}, Did: map[string]int64{}}
	for _, k := range FaultKinds() {
		r.Faults[k] = 0
	}
	worlds := (o.Minutes + WorldMinutes - 1) / WorldMinutes
	for i := range worlds {
		if o.Stop != nil && o.Stop() {
			break
		}
		seed := o.Seed + uint64(i)
		w := newWorld(seed, false)
		w.run()
		r.add(w)
		if len(w.broken) == 0 {
			continue
		}
		again := newWorld(seed, true)
		again.run()
		r.Failures = append(r.Failures, Failure{Seed: seed, Texts: w.broken, Trace: again.trace})
		if len(r.Failures) >= max(1, o.MaxFailures) {
			break
		}
	}
	return r
}

func (r *Report) add(w *world) {
	r.Worlds++
	r.Minutes += WorldMinutes
	r.Events += w.events
	r.Violations += len(w.broken)
	for k, n := range w.faults {
		r.Faults[k] += n
	}
	for k, n := range w.steps {
		r.Steps[k] += n
	}
	for k, n := range w.did {
		r.Did[k] += n
	}
}

// Merge adds another run's counts and failures to r.
func (r *Report) Merge(o *Report) {
	r.Minutes += o.Minutes
	r.Worlds += o.Worlds
	r.Events += o.Events
	r.Violations += o.Violations
	r.Failures = append(r.Failures, o.Failures...)
	for _, m := range [...][2]map[string]int64{{r.Faults, o.Faults}, {r.Steps, o.Steps}, {r.Did, o.Did}} {
		for k := range maps.Keys(m[1]) {
			m[0][k] += m[1][k]
		}
	}
}
