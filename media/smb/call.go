package smb

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloudsoda/go-smb2"
)

// answer is what a request gave.
type answer[T any] struct {
	v   T
	err error
}

// call makes a request within the time of a call. When ctx ends first it comes back at once, and the request is ended
// behind the caller's back, so that nothing stays open on the server that nobody knows of: undo takes back what it gave.
// Of a request that is late nobody knows how it ends: the connection is given up.
func call[T any](ctx context.Context, s *Source, name string, folder bool, undo func(T), do func(*smb2.Share) (T, error)) (T, error) {
	var none T
	if ctx.Err() != nil {
		return none, fmt.Errorf("use %s: %w", s.shown(name), context.Cause(ctx))
	}
	came := make(chan answer[T], 1)
	if !s.begin(func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.CallTimeout)
		defer cancel()
		v, err := do(s.share.WithContext(bounded))
		came <- answer[T]{v, err}
	}) {
		return none, s.failure(Lost, s.shown(name), errClosed)
	}
	select {
	case a := <-came:
		return a.v, s.result(name, folder, a.err)
	case <-ctx.Done():
		s.begin(func() {
			if a := <-came; a.err == nil && undo != nil {
				undo(a.v)
			}
		})
		return none, fmt.Errorf("use %s: %w", s.shown(name), context.Cause(ctx))
	}
}

var errClosed = errors.New("it was closed")

// begin starts do unless the source is closed; Close waits for it.
func (s *Source) begin(do func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false
	}
	s.running.Go(do)
	return true
}

// result makes a request's error one of this package's.
func (s *Source) result(name string, folder bool, err error) error {
	if err == nil {
		return nil
	}
	k := after(err, folder)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", s.o.CallTimeout)
	}
	if k == Lost {
		s.conn.Close() // whoever waits for an answer is told
	}
	return s.failure(k, s.shown(name), err)
}
