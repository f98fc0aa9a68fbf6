package systest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// soak is how many times the usual count the long loops run; `make soak` sets it.
func soak() int {
	n, _ := strconv.Atoi(os.Getenv("LINKSPAN_SOAK"))
	return max(1, n)
}

// seedVariable repeats a schedule that a test has printed.
const seedVariable = "LINKSPAN_SEED"

// chaosSeed is the one asked for, or a new one; it is printed.
func chaosSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64() >> 40
	if s := os.Getenv(seedVariable); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seed = n
	}
	t.Logf("the schedule is that of %s=%d", seedVariable, seed)
	return seed
}

// trouble is one kind of event.
type trouble int

const (
	killSource trouble = iota
	killTarget
	pauseSource
	pauseTarget
	cutNetwork
	netDown
	troubles
)

var troubleNames = [...]string{"kill -9 of the source", "kill -9 of the target", "pause of the source", "pause of the target",
	"cut of the connections", "network down"}

// chaosEvent is one event of a schedule: after so long, and for so long where that has a meaning.
type chaosEvent struct {
	kind          trouble
	after, length time.Duration
}

func (e chaosEvent) String() string {
	return fmt.Sprintf("after %v %s for %v", e.after, troubleNames[e.kind], e.length)
}

// schedule draws n events of every kind.
func schedule(rnd *rand.Rand, n int) []chaosEvent {
	events := make([]chaosEvent, n)
	for i := range events {
		events[i] = chaosEvent{kind: trouble(rnd.IntN(int(troubles))), after: time.Duration(20+rnd.IntN(300)) * time.Millisecond,
			length: time.Duration(50+rnd.IntN(500)) * time.Millisecond}
	}
	return events
}

// strike makes an event happen.
func (p *pair) strike(e chaosEvent) {
	p.t.Helper()
	p.wait(e.after)
	switch e.kind {
	case killSource:
		p.source.restart()
	case killTarget:
		p.target.restart()
	case pauseSource:
		p.source.process.Pause()
		p.wait(e.length)
		p.source.process.Resume()
	case pauseTarget:
		p.target.process.Pause()
		p.wait(e.length)
		p.target.process.Resume()
	case cutNetwork:
		p.proxy.Cut()
	case netDown:
		p.proxy.SetDown(true)
		p.wait(e.length)
		p.proxy.SetDown(false)
	}
}

// wait lets the time of a schedule pass.
func (p *pair) wait(d time.Duration) {
	p.t.Helper()
	select {
	case <-time.After(d):
	case <-p.t.Context().Done():
		p.t.Fatal("the test ended")
	}
}

// Whatever is killed, paused and cut under load, while the copy is seeded and while it follows: the link heals, every
// acknowledged row is on both sides, the digests are equal, and there was never a second side that took writers.
func TestChaos(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	rnd := rand.New(rand.NewPCG(chaosSeed(t), 1))
	events := schedule(rnd, 25*soak())
	p.fill(60 << 20)
	writers := p.startLoad(3)
	link := p.startLink()
	seeding := len(events) / 4
	for _, e := range events[:seeding] {
		p.strike(e)
	}
	p.finishLink(link)
	p.waitState("ONLINE")
	for i, e := range events[seeding:] {
		p.strike(e)
		if i%5 == 4 {
			p.settle(writers, 20)
		}
	}
	p.settle(writers, 100)
	writers.stop()
	p.compare(writers)
	if n := writers.moves(); n != 0 {
		t.Errorf("the side that takes writers changed %d times, and nobody asked for it", n)
	}
	if t.Failed() {
		t.Logf("the schedule was %v", events)
	}
}
