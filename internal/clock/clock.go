// Package clock owns the reading of time: the only place of the product that calls time.Now and makes timers, so that
// tests can stop, skip and set back the clock.
package clock

import (
	"sync"
	"time"
)

// Clock gives the time and waits for it.
type Clock interface {
	// Now is the current time with a monotonic reading.
	Now() time.Time
	// After sends once on the returned channel when d has passed; stop releases it early.
	After(d time.Duration) (c <-chan time.Time, stop func())
}

// Machine is the machine's clock, always: for deadlines of connections, which the network counts by it.
var Machine Clock = system{}

// System is the clock the product goes by: the machine's, unless the program was built with the tag "clockhook".
var System = product()

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// Manual is a clock that stands still until it is told to move. Safe for concurrent use.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*manualTimer]struct{}
}

type manualTimer struct {
	at time.Time
	c  chan time.Time
}

// NewManual returns a Manual that shows now.
func NewManual(now time.Time) *Manual {
	return &Manual{now: now, timers: make(map[*manualTimer]struct{})}
}

// Now implements Clock.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// After implements Clock.
func (m *Manual) After(d time.Duration) (<-chan time.Time, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &manualTimer{at: m.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- m.now
		return t.c, func() {}
	}
	m.timers[t] = struct{}{}
	return t.c, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.timers, t)
	}
}

// Set moves the clock to now, forwards or back, and fires the timers that are due.
func (m *Manual) Set(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
	for t := range m.timers {
		if !t.at.After(now) {
			t.c <- now
			delete(m.timers, t)
		}
	}
}

// Advance moves the clock forward by d.
func (m *Manual) Advance(d time.Duration) { m.Set(m.Now().Add(d)) }
