package systest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// failover has the side that is primary ask for a planned failover, and says how the statement ended. It finds out which
// side that is by asking, and counts how often: a statement whose answer was lost may have moved the link, and the other
// side, asked next, moves it back.
func (p *pair) failover(ctx context.Context) error {
	var errs []error
	for _, s := range []*side{p.source, p.target} {
		p.asked++
		db := s.open("master")
		_, err := db.ExecContext(ctx, "ALTER AVAILABILITY GROUP ["+pairGroup+"] FAILOVER")
		_ = db.Close()
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
	}
	return errors.Join(errs...)
}

// mustFailover asks until one has succeeded: a copy that was killed a moment ago is behind, and the statement says so.
func (p *pair) mustFailover() {
	p.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
		err := p.failover(p.t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("no failover for a minute: %v\n%s", err, p.states())
		}
	}
}

// failoverUnder asks for a failover and makes the event happen meanwhile. How the statement ends is not looked at: what
// counts is that every acknowledged row is there afterwards, and that somebody takes writers.
func (p *pair) failoverUnder(e chaosEvent) {
	p.t.Helper()
	p.waitHealthy() // else it is refused before anything can go wrong
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	go func() { done <- p.failover(ctx) }()
	p.strike(e)
	select {
	case err := <-done:
		p.t.Logf("failover, %v: %v", e, err)
	case <-p.t.Context().Done():
	}
}

// Planned failovers there and back under load, with kills, pauses and cuts before, during and after each: whoever is
// primary afterwards has every acknowledged row, the copy has the same, and there were never two.
func TestFailoverChaos(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	rnd := rand.New(rand.NewPCG(chaosSeed(t), 2))
	p.fill(2 << 20)
	writers := p.startLoad(3)
	p.createLink()
	p.settle(writers, 100)
	moved := 0
	for range 8 * soak() {
		// Both ways, with nothing in the way.
		for range 2 {
			p.mustFailover()
			moved++
			p.settle(writers, 30)
		}
		events := schedule(rnd, 5)
		p.strike(events[0])
		for _, e := range events[1:] {
			e.after = time.Duration(rnd.IntN(60_000)) * time.Microsecond
			p.failoverUnder(e)
			p.settle(writers, 30)
		}
	}
	writers.stop()
	p.compare(writers)
	if n := writers.moves(); n < moved/2 || n > p.asked {
		t.Errorf("the side that takes writers changed %d times; %d failovers succeeded, a side was asked for one %d times", n, moved, p.asked)
	}
	t.Logf("a side was asked for a failover %d times, the side that takes writers changed %d times", p.asked, writers.moves())
}
