// Package startstop owns the life of a service's goroutines: one owner, a Stop that is idempotent and waits, and a
// context whose cause says why it ended.
package startstop

import (
	"context"
	"errors"
	"sync"
)

// ErrStopped is the cause of a group's context after Stop.
var ErrStopped = errors.New("stopped")

// Group runs the goroutines of one service. The zero Group is not usable; see New.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // protects stopped, and wg.Add against wg.Wait
	stopped bool
}

// New returns a group whose context ends with parent's or with Stop.
func New(parent context.Context) *Group {
	ctx, cancel := context.WithCancelCause(parent)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context is the group's lifetime.
func (g *Group) Context() context.Context { return g.ctx }

// Go runs f in a goroutine that Stop waits for, and reports true; after Stop it does nothing and reports false. f MUST
// return soon after its context is done.
func (g *Group) Go(f func(ctx context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return false
	}
	g.wg.Go(func() { f(g.ctx) })
	return true
}

// Stop ends the context and waits for every goroutine. Idempotent; it MUST NOT be called from one of them.
func (g *Group) Stop() {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.cancel(ErrStopped)
	g.wg.Wait()
}
