package engine

import (
	"context"
	"errors"
	"sync"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// errGone is the cause of an effect that was cut short: it is not outstanding any more.
var errGone = errors.New("it need not be done any more")

// registry knows the lanes that are worked on and the orders that are being carried out.
type registry struct {
	mu     sync.Mutex
	lanes  map[ledger.LaneArgs]chan struct{} // one token: something changed
	orders map[int64]map[*order]bool         // by migration
}

// order is an effect that is being carried out.
type order struct {
	effect flow.Effect
	cancel context.CancelCauseFunc
}

func newRegistry() *registry {
	return &registry{lanes: map[ledger.LaneArgs]chan struct{}{}, orders: map[int64]map[*order]bool{}}
}

// enter registers who works on a lane; false when somebody does.
func (r *registry) enter(a ledger.LaneArgs) (<-chan struct{}, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes[a] != nil {
		return nil, false
	}
	r.lanes[a] = make(chan struct{}, 1)
	return r.lanes[a], true
}

func (r *registry) leave(a ledger.LaneArgs) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lanes, a)
}

// held reports whether somebody works on a lane.
func (r *registry) held(a ledger.LaneArgs) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[a] != nil
}

// wake has a lane look again.
func (r *registry) wake(a ledger.LaneArgs) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.lanes[a]; c != nil {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// changed wakes a migration's lanes and cuts short what is not outstanding any more.
func (r *registry) changed(s *ledger.Snapshot) {
	for _, lane := range []ledger.Lane{ledger.Watch, ledger.Copies, ledger.Source, ledger.Sides, ledger.Pause} {
		r.wake(ledger.LaneArgs{Activity: s.ActivityID, Migration: s.ID, Lane: lane})
	}
	var due map[string]bool
	r.mu.Lock()
	defer r.mu.Unlock()
	for o := range r.orders[s.ID] {
		if due == nil {
			due = names(s.Migration)
		}
		if !due[name(o.effect)] {
			o.cancel(errGone)
		}
	}
}

// name tells effects apart, but for the blocks of one file, of which several are carried out at once.
func name(e flow.Effect) string {
	if e.Kind == flow.CopyBlock || e.Kind == flow.SealFile {
		return e.File + "/" + e.Version
	}
	return e.Key
}

// names are those of the effects that are outstanding.
func names(m *flow.Migration) map[string]bool {
	out := map[string]bool{}
	for _, e := range m.Outstanding() {
		out[name(e)] = true
	}
	return out
}

// begin registers an order; its context ends when it is not outstanding any more. end MUST be called.
func (r *registry) begin(ctx context.Context, migration int64, e flow.Effect) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	o := &order{e, cancel}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.orders[migration] == nil {
		r.orders[migration] = map[*order]bool{}
	}
	r.orders[migration][o] = true
	return ctx, func() {
		cancel(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.orders[migration], o); len(r.orders[migration]) == 0 {
			delete(r.orders, migration)
		}
	}
}
