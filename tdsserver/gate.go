package tdsserver

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"

	"linkspan/internal/clock"
)

// patience is how long a login may take before it may be cut in favour of a newer one.
const patience = time.Second

// gate limits the connections that have not logged in. When it is full, the oldest is cut if it has had its patience;
// until then newcomers wait in the listener's queue. A crowd of honest clients is thus served in turn, while strangers
// who connect and say nothing cannot shut others out.
type gate struct {
	max   int
	clock clock.Clock
	freed chan struct{}

	mu     sync.Mutex
	places *list.List // of *place, oldest first
}

type place struct {
	conn  net.Conn
	since time.Time
	in    *list.Element // nil once out
}

func newGate(limit int, c clock.Clock) *gate {
	return &gate{max: limit, clock: c, freed: make(chan struct{}, 1), places: list.New()}
}

// enter waits for a place. The error is ctx's.
func (g *gate) enter(ctx context.Context, nc net.Conn) (*place, error) {
	for {
		p, wait := g.try(nc)
		if p != nil {
			return p, nil
		}
		due, stop := g.clock.After(wait)
		select {
		case <-g.freed:
		case <-due:
		case <-ctx.Done():
			stop()
			return nil, context.Cause(ctx)
		}
		stop()
	}
}

// try takes a place, or says how long to wait for the oldest to lose its patience.
func (g *gate) try(nc net.Conn) (*place, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if g.places.Len() >= g.max {
		oldest := g.places.Front().Value.(*place)
		if age := now.Sub(oldest.since); age < patience {
			return nil, patience - age
		}
		g.places.Remove(oldest.in)
		oldest.in = nil
		_ = oldest.conn.Close()
	}
	p := &place{conn: nc, since: now}
	p.in = g.places.PushBack(p)
	return p, 0
}

// leave gives the place back; idempotent.
func (g *gate) leave(p *place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.in == nil {
		return
	}
	g.places.Remove(p.in)
	p.in = nil
	select {
	case g.freed <- struct{}{}:
	default:
	}
}
