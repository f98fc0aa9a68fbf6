package hadr

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/internal/startstop"
	"linkspan/lsn"
	"linkspan/storage"
)

// received is a batch that was appended and is not visible yet.
type received struct {
	last      lsn.LSN
	digest    storage.Digest
	published lsn.LSN
	committed time.Time
	bytes     int
}

// follower applies the log to a copy: one goroutine appends what comes, another makes it durable and then visible, so that
// the next batch is read while the disk works on the last.
type follower struct {
	l   *link
	db  *storage.DB
	gen uint64
	// link is the link's id, and fence the last FENCE that was seen.
	link  agcore.ID
	fence lsn.LSN

	mu    sync.Mutex // protects what follows
	queue []received
	// limit is the last LSN that the source has published.
	limit lsn.LSN
	wake  chan struct{}
}

// receiveLog follows the source's log until ctx ends.
func (l *link) receiveLog(ctx context.Context, gen uint64, s *endpoint.Session) {
	err := l.follow(ctx, gen, s)
	if err == nil || ctx.Err() != nil || s.Ended() {
		return // the reader of the control stream reports a lost connection
	}
	e := l.stopped(s, err)
	l.news(ctx, gen, func() {
		l.step(e)
		if e.Kind == agcore.Divergence {
			l.explain(s, err, e.Text)
		}
	})
}

// refusedError is the source's refusal of a stream.
type refusedError struct{ hadrwire.Refuse }

// Error implements error.
func (e *refusedError) Error() string { return fmt.Sprintf("refused with %d: %s", e.Number, e.Text) }

func (l *link) follow(ctx context.Context, gen uint64, s *endpoint.Session) error {
	db, release, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer release()
	stream, err := s.Open()
	if err != nil {
		return err
	}
	defer tied(ctx, stream)()
	after := db.Appended()
	if err := db.WaitDurable(ctx, after); err != nil { // the source takes it for hardened
		return err
	}
	if err := hadrwire.Write(stream, &hadrwire.LogRequest{Origin: db.ID(), Epoch: db.Epoch(), After: after}); err != nil {
		return fmt.Errorf("ask for log: %w", err)
	}
	r := hadrwire.NewReader(stream)
	switch m, err := r.Next(); m := m.(type) {
	case *hadrwire.LogStart:
	case *hadrwire.Refuse:
		return &refusedError{*m}
	default:
		return fmt.Errorf("ask for log after %v: %w", after, errors.Join(err, errUnexpected))
	}
	if err := showTail(ctx, db, after); err != nil {
		return err
	}
	l.news(ctx, gen, func() { l.step(agcore.Event{Kind: agcore.LogStarted}) })
	l.move.begin(db.Hardened(), db.Published(), l.m.now())
	l.tell(gen)
	f := &follower{l: l, db: db, gen: gen, link: l.id(), wake: make(chan struct{}, 1)}
	return f.run(ctx, r, stream.Close)
}

// showTail shows what was appended before the last connection broke and not shown any more. That the source took after
// for an LSN of its own log says that it had hardened all up to there: nothing else is ever sent.
func showTail(ctx context.Context, db *storage.DB, after lsn.LSN) error {
	if !db.Published().Less(after) {
		return nil
	}
	if err := db.WaitDurable(ctx, after); err != nil {
		return fmt.Errorf("harden log up to %v: %w", after, err)
	}
	if err := db.Publish(after, storage.Digest{}); err != nil { // AppendLog compared the digests of the commits
		return fmt.Errorf("show version %v: %w", after, err)
	}
	return nil
}

var errUnexpected = errors.New("unexpected answer")

// run reads and appends until the stream ends, with the publisher beside it; the first error counts.
func (f *follower) run(ctx context.Context, r *hadrwire.Reader, hangUp func() error) error {
	g := startstop.New(ctx)
	failed := make(chan error, 1)
	g.Go(func(ctx context.Context) {
		if err := f.publish(ctx); err != nil && ctx.Err() == nil {
			failed <- err
			hangUp() // ends the reading
		}
	})
	err := f.read(ctx, r)
	g.Stop()
	select {
	case err = <-failed:
	default:
	}
	return err
}

func (f *follower) read(ctx context.Context, r *hadrwire.Reader) error {
	pending := 0 // bytes of a commit whose end has not come
	for {
		m, err := r.Next()
		if err != nil {
			return fmt.Errorf("receive log: %w", err)
		}
		b, ok := m.(*hadrwire.LogBatch)
		if !ok {
			return fmt.Errorf("receive log: %w", errUnexpected)
		}
		if len(b.Records) > 0 {
			if _, err := f.db.AppendLog(ctx, b.Records); err != nil {
				return fmt.Errorf("append log up to %v: %w", b.Last, err)
			}
			f.l.move.received(b.Last, f.l.m.now(), len(b.Records))
			pending += len(b.Records)
		}
		if b.Digest == (storage.Digest{}) {
			f.allow(b.Published) // the commit goes on in the next batch, or it is but a word
			continue
		}
		f.push(received{b.Last, b.Digest, b.Published, b.Time, pending})
		pending = 0
	}
}

func (f *follower) push(r received) {
	f.mu.Lock()
	f.queue = append(f.queue, r)
	f.limit = lsn.Latest(f.limit, r.published)
	f.mu.Unlock()
	f.signal()
}

// allow takes the source's word of what it has published.
func (f *follower) allow(upTo lsn.LSN) {
	f.mu.Lock()
	f.limit = lsn.Latest(f.limit, upTo)
	f.mu.Unlock()
	f.signal()
}

func (f *follower) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take removes the batches that are durable here and that the source has published, and returns the last of them.
func (f *follower) take(durable lsn.LSN) (r received, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, bytes := 0, 0
	for n < len(f.queue) && !f.limit.Less(f.queue[n].last) && !durable.Less(f.queue[n].last) {
		r, ok = f.queue[n], true
		bytes += r.bytes
		n++
	}
	r.bytes = bytes
	f.queue = append(f.queue[:0], f.queue[n:]...)
	return r, ok
}

// newest is the end of the last batch that came, or zero.
func (f *follower) newest() lsn.LSN {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.queue); n > 0 {
		return f.queue[n-1].last
	}
	return lsn.Zero
}

// publish makes what was appended durable, and visible as far as the source has made it so, and tells the source of both:
// what is durable at once, because commits may wait for it there.
func (f *follower) publish(ctx context.Context) error {
	durable := lsn.Zero // of what the source was told
	f.fenceSeen(ctx, f.db.Hardened())
	for {
		if r, ok := f.take(durable); ok {
			if err := f.show(r); err != nil {
				return err
			}
			continue
		}
		at := f.newest()
		if !durable.Less(at) {
			select {
			case <-f.wake:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := f.db.WaitDurable(ctx, at); err != nil {
			return fmt.Errorf("harden log up to %v: %w", at, err)
		}
		durable = at
		f.l.move.hardened(at, f.l.m.now())
		f.l.tell(f.gen)
		f.fenceSeen(ctx, durable)
	}
}

// show makes a batch and those before it visible.
func (f *follower) show(r received) error {
	if f.db.Published().Less(r.last) {
		if err := f.db.Publish(r.last, r.digest); err != nil {
			return fmt.Errorf("show version %v: %w", r.last, err)
		}
		if r.digest != (storage.Digest{}) {
			f.l.digests.Add(1)
		}
	}
	f.l.move.redoneBytes(r.last, r.committed, f.l.m.now(), r.bytes)
	f.l.tell(f.gen)
	return nil
}

// tell sends the present progress to the source.
func (l *link) tell(gen uint64) {
	if c := l.teller.Load(); c != nil && c.gen == gen {
		c.control.send(l.move.report())
	}
}
