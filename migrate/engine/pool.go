package engine

import (
	"context"
	"errors"
	"sync"
	"time"
)

// pool holds the Works of the activities for which there is something to do.
type pool struct {
	e  *Engine
	mu sync.Mutex
	of map[int64]*shared
}

// shared is one activity's Works, with the number of lanes that use them.
type shared struct {
	mu    sync.Mutex // held while they are opened
	works Works
	// users and closing are protected by the pool's mu; closing: somebody waits to close them.
	users   int
	closing bool
}

func newPool(e *Engine) *pool { return &pool{e: e, of: map[int64]*shared{}} }

// linger is how long Works stay open that nobody uses: what they know of a share is not given up because lanes change hands.
const linger = time.Minute

// hold counts a lane in; release counts it out. Works that nobody used for a while are closed.
func (p *pool) hold(activity int64) (s *shared, release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = p.of[activity]
	if s == nil {
		s = &shared{}
		p.of[activity] = s
	}
	s.users++
	return s, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.users--; s.users == 0 && !s.closing {
			s.closing = p.e.group.Go(func(ctx context.Context) { p.retire(ctx, activity, s) })
		}
	}
}

// retire closes Works that nobody uses when they have lingered.
func (p *pool) retire(ctx context.Context, activity int64, s *shared) {
	c, stop := p.e.o.Clock.After(linger)
	defer stop()
	select {
	case <-c:
	case <-ctx.Done():
		return // close does it
	}
	p.mu.Lock()
	s.closing = false
	idle := s.users == 0
	if idle {
		delete(p.of, activity)
	}
	p.mu.Unlock()
	if idle && s.works != nil {
		if err := s.works.Close(); err != nil {
			p.e.o.Log.Warn("close the parts of an activity", "activity", activity, "error", err)
		}
	}
}

// get opens the Works when they are not.
func (s *shared) get(ctx context.Context, e *Engine, activity int64) (Works, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.works != nil {
		return s.works, nil
	}
	a, err := e.l.ActivityOf(ctx, activity)
	if err != nil {
		return nil, err
	}
	w, err := e.o.Open(ctx, a)
	if err != nil {
		return nil, &unopened{err}
	}
	s.works = w
	return w, nil
}

// unopened is why an activity's Works could not be made.
type unopened struct{ err error }

func (u *unopened) Error() string {
	return "the parts of the activity cannot be made: " + u.err.Error()
}

// Unwrap gives the cause.
func (u *unopened) Unwrap() error { return u.err }

// close closes what is open. Nobody MUST use it any more.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for id, s := range p.of {
		if s.works != nil {
			errs = append(errs, s.works.Close())
		}
		delete(p.of, id)
	}
	return errors.Join(errs...)
}
