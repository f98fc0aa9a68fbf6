package hadr

import (
	"context"
	"sync"

	"linkspan/lsn"
)

// gate holds a database's commits back until its copy has hardened them: synchronous commit, of one link.
//
// A copy is waited for while it is *synchronized*: the link is in the mode SYNCHRONOUS_COMMIT, log flows, and the copy has
// hardened everything that was let through. One that is lost stops being waited for, unless the group requires it.
type gate struct {
	mu sync.Mutex // protects what follows
	// wanted is the mode, required that commits wait for a copy even when there is none to be had.
	wanted, required bool
	// flowing tells that log moves to the copy.
	flowing bool
	// synchronized tells that nothing was let through that the copy does not have.
	synchronized bool
	// released is the last LSN let through, acked the last that the copy has hardened.
	released, acked lsn.LSN
	changed         chan struct{}
}

// wake tells the waiters; it needs mu.
func (g *gate) wake() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// settle finds out anew whether the copy is synchronized; it needs mu. An empty log counts as hardened.
func (g *gate) settle() {
	switch {
	case !g.wanted || !g.flowing:
		g.synchronized = false
	case !g.acked.Less(g.released):
		g.synchronized = true
	}
	g.wake()
}

// mode says whether commits wait for this link's copy, and whether they do at any price.
func (g *gate) mode(wanted, required bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted, g.required = wanted, wanted && required
	g.settle()
}

// flow says whether log moves to the copy. Where it begins, what the copy has hardened is to be told anew.
func (g *gate) flow(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if on && !g.flowing {
		g.acked = lsn.Zero
	}
	g.flowing = on
	g.settle()
}

// ack takes the copy's word.
func (g *gate) ack(at lsn.LSN) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.acked.Less(at) {
		g.acked = at
		g.settle()
	}
}

// is reports whether the copy is synchronized.
func (g *gate) is() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.synchronized
}

// pass returns when the copy has hardened the LSN, or is not waited for.
func (g *gate) pass(ctx context.Context, at lsn.LSN) error {
	for {
		g.mu.Lock()
		if !g.acked.Less(at) && g.flowing || !g.synchronized && !g.required {
			g.released = lsn.Latest(g.released, at)
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

// free reports whether nothing would wait now, and lets the LSN through if so.
func (g *gate) free(at lsn.LSN) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.synchronized || g.required {
		return false
	}
	g.released = lsn.Latest(g.released, at)
	return true
}
