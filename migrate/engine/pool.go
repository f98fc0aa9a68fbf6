package engine

import (
	"context"
	"errors"
	"sync"
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
	users int // protected by the pool's mu
}

func newPool(e *Engine) *pool { return &pool{e: e, of: map[int64]*shared{}} }

// hold counts a lane in; release counts it out, and the last one closes the Works.
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
		if s.users--; s.users > 0 {
			return
		}
		delete(p.of, activity)
		if s.works != nil {
			if err := s.works.Close(); err != nil {
				p.e.o.Log.Warn("close the parts of an activity", "activity", activity, "error", err)
			}
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
