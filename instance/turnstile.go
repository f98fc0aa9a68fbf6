package instance

import "context"

// turnstile is a lock whose waiters can be called away: a session that waits for it is killed like any other, even by
// the one that holds it.
type turnstile chan struct{}

func newTurnstile() turnstile { return make(turnstile, 1) }

// enter waits for the lock. The error is ctx's.
func (t turnstile) enter(ctx context.Context) (leave func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
