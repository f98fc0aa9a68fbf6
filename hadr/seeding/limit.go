package seeding

import (
	"context"
	"sync"
	"time"

	"linkspan/internal/clock"
)

// Limit bounds the bytes a second that several seedings send together: a bucket that holds a quarter of a second's worth. A
// nil Limit bounds nothing. Safe for concurrent use.
type Limit struct {
	clock clock.Clock

	mu   sync.Mutex // protects the rest
	rate int64
	// paid is the time up to which what was sent is paid for.
	paid time.Time
}

// NewLimit returns a Limit of so many bytes a second; 0 or less: none.
func NewLimit(c clock.Clock, rate int64) *Limit { return &Limit{clock: c, rate: rate} }

// Set changes the rate, in bytes a second, for what is sent from now on; 0 or less: none.
func (l *Limit) Set(rate int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.paid = rate, l.clock.Now()
}

// Rate is the present one, in bytes a second; 0: none.
func (l *Limit) Rate() int64 {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.rate)
}

// burst is what may be sent at once after a pause, as time.
const burst = 250 * time.Millisecond

// take accounts for n bytes and returns how long they are to wait.
func (l *Limit) take(n int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rate <= 0 {
		return 0
	}
	now := l.clock.Now()
	if least := now.Add(-burst); l.paid.Before(least) {
		l.paid = least
	}
	l.paid = l.paid.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
	return l.paid.Sub(now)
}

// Wait returns when n bytes may be sent.
func (l *Limit) Wait(ctx context.Context, n int) error {
	if l == nil {
		return nil
	}
	d := l.take(n)
	if d <= 0 {
		return nil
	}
	c, stop := l.clock.After(d)
	defer stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Slots bounds how many seedings an instance sends at once; those beyond wait, first come first served. A nil Slots bounds
// nothing. Safe for concurrent use.
type Slots struct{ free chan struct{} }

// NewSlots returns n slots, at least one.
func NewSlots(n int) *Slots {
	s := &Slots{free: make(chan struct{}, max(1, n))}
	for range cap(s.free) {
		s.free <- struct{}{}
	}
	return s
}

// Take waits for a slot, after telling waiting when there is none free, and returns how to give it back: once or more.
func (s *Slots) Take(ctx context.Context, waiting func()) (func(), error) {
	if s == nil {
		return func() {}, nil
	}
	back := sync.OnceFunc(func() { s.free <- struct{}{} })
	select {
	case <-s.free:
		return back, nil
	default:
	}
	waiting()
	select {
	case <-s.free:
		return back, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
