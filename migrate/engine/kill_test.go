//go:build unix

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// A child process runs an engine, and what it is asked, in a folder that outlives it. It is this test program again.
const (
	childFolder = "ENGINE_CHILD_FOLDER"
	childStory  = "ENGINE_CHILD_STORY"
	childDies   = "ENGINE_CHILD_DIES" // "in STATE", "before EFFECT" or "after EFFECT"; "" to live
)

// story is what a user does, and how it ends.
type story struct {
	end  flow.State
	next func(t *testing.T, l *ledger.Ledger, w *world, d ledger.Database)
}

// stories are what the child is asked, told from what is stored alone: whoever comes back after a death goes on.
var stories = map[string]story{
	"to the end": {flow.Completed, func(t *testing.T, l *ledger.Ledger, _ *world, d ledger.Database) {
		t.Helper()
		if ready(d) {
			ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true})
		}
	}},
	"cancelled in the cutover": {flow.Cancelled, func(t *testing.T, l *ledger.Ledger, w *world, d ledger.Database) {
		t.Helper()
		if ready(d) {
			ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true})
		}
		if d.CanConfirm || d.State == flow.CutoverInProgress && w.did("db1")["tail"] > 0 {
			ask(t, l, "move", "db1", flow.Event{Kind: flow.Cancel})
		}
	}},
	"deleted on the target, and again": {flow.Completed, func(t *testing.T, l *ledger.Ledger, w *world, d ledger.Database) {
		t.Helper()
		switch did := w.did("db1"); {
		case d.State == flow.LogsUploading && did["gone"] == 0:
			w.change("db1", func(s *sides) string { s.Gone, s.Started, s.Restored = true, false, nil; return "gone" })
		case d.State == flow.Failed:
			w.change("db1", func(s *sides) string { s.Gone = false; return "found again" })
			ask(t, l, "move", "db1", flow.Event{Kind: flow.Retry})
		case ready(d) && did["found again"] > 0:
			ask(t, l, "move", "db1", flow.Event{Kind: flow.CutoverStart, TakeTail: true, Apply: true})
		}
	}},
}

// TestChild is the child; by itself it plays each story without dying.
func TestChild(t *testing.T) {
	if dir := os.Getenv(childFolder); dir != "" {
		play(t, dir, stories[os.Getenv(childStory)])
		return
	}
	for name, s := range stories {
		t.Run(name, func(t *testing.T) { play(t, t.TempDir(), s) })
	}
}

// play is a process's part of a story: it ends with the story, or when it is killed.
func play(t *testing.T, dir string, story story) {
	t.Helper()
	how, what, _ := strings.Cut(os.Getenv(childDies), " ")
	die := func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) } //nolint:errcheck // it is us
	w := newWorld(t, dir, "db1")
	w.before = func(o engine.Order) error {
		if how == "before" && what == string(o.Effect.Kind) || how == "in" && what == string(o.Migration.State) {
			die()
		}
		return nil
	}
	w.after = func(o engine.Order) {
		if how == "after" && what == string(o.Effect.Kind) {
			die()
		}
	}
	l := openLedger(t, filepath.Join(dir, "state"))
	start(t, l, w.options())
	if _, err := l.Activity(t.Context(), "move"); err != nil {
		create(t, l, "move", "db1")
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := l.Status(t.Context(), "move", false)
		if err != nil {
			t.Fatal(err)
		}
		d := s.Databases[0]
		if how == "in" && what == string(d.State) {
			die()
		}
		if d.State == story.end {
			return
		}
		if strings.HasPrefix(d.Detail, "It is planned") {
			ask(t, l, "move", "db1", flow.Event{Kind: flow.Start})
		}
		story.next(t, l, w, d)
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not end: %+v", d)
		}
	}
}

// child runs the child, and tells whether it was killed.
func child(t *testing.T, dir, story, dies string) bool {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.count=1") //nolint:gosec // this program
	c.Env = append(os.Environ(), childFolder+"="+dir, childStory+"="+story, childDies+"="+dies)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL { //nolint:errcheck,forcetypeassert // on unix it is one
		return true
	}
	if err != nil {
		t.Fatalf("%s, to die %q: %v\n%s", story, dies, err, out)
	}
	return false
}

// killed lets a story be told to its end by a child that is killed once and one that is not. It reports whether it came to the
// place where it was to be killed.
func killed(t *testing.T, story, dies string) bool {
	t.Helper()
	dir := t.TempDir()
	if !child(t, dir, story, dies) {
		return false
	}
	child(t, dir, story, "")
	w := newWorld(t, dir, "db1")
	did := w.did("db1")
	for what, n := range did {
		if again := (what == "start" || what == "found again") && did["gone"] > 0; n > 1 && !again || strings.HasPrefix(what, "HOLE") {
			t.Errorf("%s, killed %s: %q was done %d times", story, dies, what, n)
		}
	}
	switch stories[story].end {
	case flow.Completed:
		delete(did, "gone")
		delete(did, "found again")
		w.dbs["db1"].Did = slices.Collect(maps.Keys(did))
		checkOnce(t, w, "db1")
	case flow.Cancelled:
		if s := w.dbs["db1"]; s.Closed || s.Started || did["open"] > 0 {
			t.Errorf("%s, killed %s: the source is closed (%v) or the copy there (%v): %v", story, dies, s.Closed, s.Started, did)
		}
	}
	return true
}

// TestKilledAgainAndAgain kills it at any moment, a dozen times in a row.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // a test's
	dir := t.TempDir()
	for range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), 80*time.Millisecond+time.Duration(random.IntN(300))*time.Millisecond)
		c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.count=1") //nolint:gosec // this program
		c.Env = append(os.Environ(), childFolder+"="+dir, childStory+"=to the end", childDies+"=")
		out, err := c.CombinedOutput()
		cancel()
		if err != nil && ctx.Err() == nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	child(t, dir, "to the end", "")
	checkOnce(t, newWorld(t, dir, "db1"), "db1")
}

// tellers are the stories that come through a place, the likeliest first.
func tellers(place string) []string {
	switch place {
	case string(flow.Cancelling), string(flow.Cancelled), string(flow.ReopenSource), string(flow.DropTarget):
		return []string{"cancelled in the cutover"}
	case string(flow.Failed):
		return []string{"deleted on the target, and again"}
	}
	return []string{"to the end"}
}

// TestKilledInEachState kills the process by SIGKILL in each state of the table: whoever comes next ends the story, and nothing
// that counts is done twice.
func TestKilledInEachState(t *testing.T) {
	t.Parallel()
	for _, s := range flow.States {
		t.Run(string(s.State), func(t *testing.T) {
			t.Parallel()
			died := false
			for _, story := range tellers(string(s.State)) {
				died = killed(t, story, "in "+string(s.State)) || died
			}
			if !died {
				t.Errorf("no story comes through %s: give stories one", s.State)
			}
		})
	}
}

// TestKilledAroundEachEffect kills it right before and right after each effect of the table: what was done and not noted is
// found to be done.
func TestKilledAroundEachEffect(t *testing.T) {
	t.Parallel()
	kinds := map[flow.EffectKind]bool{}
	for _, d := range flow.Duties() {
		for _, k := range d.Effects {
			kinds[k] = true
		}
	}
	for k := range kinds {
		for _, when := range []string{"before", "after"} {
			t.Run(fmt.Sprintf("%s %s", when, k), func(t *testing.T) {
				t.Parallel()
				for _, story := range tellers(string(k)) {
					if !killed(t, story, when+" "+string(k)) {
						t.Errorf("no story comes to %s: give stories one", k)
					}
				}
			})
		}
	}
}
