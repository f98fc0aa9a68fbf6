package seeding

import (
	"context"
	"time"

	"linkspan/internal/startstop"
	"linkspan/storage"
)

// readAhead is how many chunks a source holds: one is read while the one before is sent.
const readAhead = 2

// chunk is one that was read, or why it could not be.
type chunk struct {
	storage.Chunk
	// took is how long the disk took.
	took time.Duration
	err  error
}

// ahead reads a seeding's chunks in order.
type ahead struct {
	read chan *chunk
	free chan *chunk
	g    *startstop.Group
}

// startAhead reads chunks from page next on, until the last or an error. Close MUST be called before src is closed.
func (s *Source) startAhead(ctx context.Context, src *storage.SeedSource, next uint32) *ahead {
	a := &ahead{read: make(chan *chunk), free: make(chan *chunk, readAhead), g: startstop.New(ctx)}
	for range readAhead {
		a.free <- &chunk{}
	}
	a.g.Go(func(ctx context.Context) {
		for more := true; more; {
			var c *chunk
			select {
			case c = <-a.free:
			case <-ctx.Done():
				return
			}
			start := s.Clock.Now()
			c.err = src.ReadInto(ctx, &c.Chunk, next, ChunkPages)
			c.took = s.Clock.Now().Sub(start)
			next += uint32(len(c.LSNs))
			more = c.err == nil && len(c.LSNs) > 0
			select {
			case a.read <- c:
			case <-ctx.Done():
				return
			}
		}
	})
	return a
}

// next returns the chunk after the last. It is the caller's until he gives it back, which he MUST before he asks for the
// one after the next.
func (a *ahead) next(ctx context.Context) (*chunk, error) {
	select {
	case c := <-a.read:
		return c, c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// back gives a chunk's room back.
func (a *ahead) back(c *chunk) { a.free <- c }

// close ends the reading and waits. Idempotent.
func (a *ahead) close() { a.g.Stop() }
