package engine

import (
	"context"
	"sync"
	"time"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// storeWithin is how long storing may take, also after the engine was told to stop: what was done is stored if it can be.
const storeWithin = 30 * time.Second

// batches stores reports. Those of one migration that come while another is being stored go into one transaction.
type batches struct {
	lease *ledger.Lease
	mu    sync.Mutex
	of    map[int64]*batch
}

type batch struct {
	waiting []*waiting
	busy    bool
}

type waiting struct {
	events []flow.Event
	done   []string
	err    chan error
}

func newBatches(lease *ledger.Lease) *batches { return &batches{lease: lease, of: map[int64]*batch{}} }

// report stores events and keys of effects that are done, and returns when they are on disk.
func (b *batches) report(ctx context.Context, migration int64, events []flow.Event, done ...string) error {
	w := &waiting{events, done, make(chan error, 1)}
	b.mu.Lock()
	x := b.of[migration]
	if x == nil {
		x = &batch{}
		b.of[migration] = x
	}
	x.waiting = append(x.waiting, w)
	lead := !x.busy
	x.busy = true
	b.mu.Unlock()
	for lead {
		lead = b.store(ctx, migration, x)
	}
	return <-w.err
}

// store stores what waits; false when nothing did.
func (b *batches) store(ctx context.Context, migration int64, x *batch) bool {
	b.mu.Lock()
	all := x.waiting
	x.waiting = nil
	if len(all) == 0 {
		x.busy = false
		delete(b.of, migration)
	}
	b.mu.Unlock()
	if len(all) == 0 {
		return false
	}
	var events []flow.Event
	var done []string
	for _, w := range all {
		events, done = append(events, w.events...), append(done, w.done...)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
	defer cancel()
	err := b.lease.Report(ctx, migration, events, done...)
	for _, w := range all {
		w.err <- err
	}
	return true
}
