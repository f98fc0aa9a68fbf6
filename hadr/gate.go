package hadr

import (
	"context"
	"sync"

	"linkspan/lsn"
)

// gate holds a database's commits back until a link's copy has hardened them, while it is closed: synchronous commit.
// Whether it is closed is the machine's decision.
type gate struct {
	mu sync.Mutex // protects what follows
	// closed tells that commits wait, acked is the last LSN that the copy has hardened.
	closed  bool
	acked   lsn.LSN
	changed chan struct{}
}

// wake tells the waiters; it needs mu.
func (g *gate) wake() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// close has commits wait from now on. What was let through before is older than what they wait for.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// open lets commits through, also those that wait; what the copy said before does not count when the gate closes again.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.acked = false, lsn.Zero
	g.wake()
}

// ack takes the copy's word.
func (g *gate) ack(at lsn.LSN) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.acked.Less(at) {
		g.acked = at
		g.wake()
	}
}

// isClosed reports whether commits wait.
func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// pass returns when the copy has hardened the LSN, or the gate is open.
func (g *gate) pass(ctx context.Context, at lsn.LSN) error {
	for {
		g.mu.Lock()
		if !g.closed || !g.acked.Less(at) {
			g.mu.Unlock()
			return nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		c := g.changed
		g.mu.Unlock()
		select {
		case <-c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
