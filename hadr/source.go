package hadr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/internal/startstop"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// batchBytes is the most log in one message.
const batchBytes = 4 << 20

// holdEvery is how often the LSN that the log is held from is stored; what is stored may be older than what is held.
const holdEvery = 5 * time.Second

// sendConfig answers the hello that was accepted; in the loop.
func (l *link) sendConfig() {
	g := l.m.group(l.name)
	if g == nil || len(g.Databases) == 0 {
		l.queue = append(l.queue, agcore.Event{Kind: agcore.Lost, Fault: faultOf(sqlerr.New(35239, l.database, l.name))})
		return
	}
	c := &hadrwire.Config{Server: l.m.opts.ServerName, Link: g.Name, LinkID: g.ID, DatabaseID: g.Databases[0].ID, Database: g.Databases[0].Name,
		Source: wireMember(g.Member(true)), Target: wireMember(g.Member(false)), Required: uint8(g.Options.RequiredSync)}
	standing := &agcore.Standing{}
	db, release, err := l.open(l.group.Context())
	switch {
	case err == nil:
		l.core.Update(func(s *agcore.LinkState) { s.Origin = db.ID() }) // what a copy here is made of, should it have to be
		c.Origin, c.Epoch, c.Bytes = db.ID(), db.Epoch(), uint64(db.Stats().Pages)*storage.PageSize
		standing = l.standingOf(l.group.Context(), db)
		release()
	case l.core.State().Reseed && l.origin() != [16]byte{}: // the copy is made anew
		c.Origin = l.origin()
	default:
		l.send(refuse(41977, false, g.Member(true).Name, l.m.opts.ServerName))
		l.m.opts.Log.Warn("database of a link cannot be opened", "link", l.name, "error", err)
		return
	}
	s := l.core.State()
	c.Suspended, c.Standing = s.Suspended && s.Reason != agcore.SuspendPartner, standing.Encode()
	l.send(c)
}

func wireMember(r *agcore.Replica) hadrwire.Member {
	return hadrwire.Member{ID: r.ID, Name: r.Name, URL: r.URL, Mode: uint8(r.Mode), Seeding: uint8(r.Seeding), SessionTimeout: uint32(r.SessionTimeout)}
}

// serve answers a stream that the peer opened; in the loop.
func (l *link) serve(s *endpoint.Session, stream net.Conn, r *hadrwire.Reader, first hadrwire.Message) {
	if s == l.session && compares(first) {
		l.startFlow(func(ctx context.Context, _ uint64, _ *endpoint.Session) { l.serveCompare(ctx, stream, first) })
		return
	}
	if s != l.session || l.core.Phase() == agcore.PhaseSuspended || l.core.Phase() == agcore.PhaseBroken || l.core.Copy() {
		stream.Close()
		return
	}
	switch req := first.(type) {
	case *hadrwire.SeedRequest:
		l.startFlow(func(ctx context.Context, gen uint64, _ *endpoint.Session) { l.sendSeed(ctx, gen, stream, req) })
	case *hadrwire.LogRequest:
		l.startFlow(func(ctx context.Context, gen uint64, _ *endpoint.Session) { l.sendLog(ctx, gen, stream, req) })
	default:
		stream.Close()
	}
}

// tied closes a stream at the end of ctx or of the flow that uses it.
func tied(ctx context.Context, stream net.Conn) func() {
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	return func() { stop(); stream.Close() }
}

// sendSeed sends the pages.
func (l *link) sendSeed(ctx context.Context, gen uint64, stream net.Conn, req *hadrwire.SeedRequest) {
	defer tied(ctx, stream)()
	l.news(ctx, gen, func() { l.step(agcore.Event{Kind: agcore.SeedStarted}) })
	err := func() error {
		db, release, err := l.open(ctx)
		if err != nil {
			return err
		}
		defer release()
		src := &seeding.Source{DB: db, Progress: &l.seed, Clock: l.m.opts.Clock, Operation: l.m.newID(), Slots: l.m.seedSlots, Limit: l.m.seedLimit,
			Hold: func(ctx context.Context, after lsn.LSN) error { return l.keepFrom(ctx, gen, after) }}
		return src.Serve(ctx, stream, req)
	}()
	if err == nil || ctx.Err() != nil {
		return
	}
	f := faultOf(sqlerr.New(19494, l.database, l.name))
	l.seed.Fail(l.m.now(), agcore.Fault{Number: f.Number, Text: err.Error()})
	l.m.opts.Log.Warn("seeding interrupted", "link", l.name, "error", err)
	hadrwire.Write(stream, &hadrwire.Refuse{Number: f.Number, Text: f.Text})
}

// keepFrom holds the log after the LSN, durably.
func (l *link) keepFrom(ctx context.Context, gen uint64, after lsn.LSN) error {
	l.news(ctx, gen, func() { l.core.Update(func(s *agcore.LinkState) { s.HoldAfter = after }) })
	return l.m.edit(ctx, l.name, func(g *agcore.Group) {
		if g.Link != nil {
			g.Link.HoldAfter = after
		}
		l.m.hold(g, after)
	})
}

// sendLog sends the log as it is hardened.
func (l *link) sendLog(ctx context.Context, gen uint64, stream net.Conn, req *hadrwire.LogRequest) {
	defer tied(ctx, stream)()
	// The copy says nothing more on this stream but its end.
	ctx, hungUp := context.WithCancel(ctx)
	watch := startstop.New(ctx)
	watch.Go(func(context.Context) {
		defer hungUp()
		io.Copy(io.Discard, stream) //nolint:errcheck // any end is the end
	})
	defer watch.Stop()
	defer stream.Close()
	err := func() error {
		db, release, err := l.open(ctx)
		if err != nil {
			return err
		}
		defer release()
		r, refusal, err := l.logReader(db, req)
		if refusal != nil {
			return hadrwire.Write(stream, refusal)
		}
		if err != nil {
			return err
		}
		defer r.Close()
		if !req.Seeding { // before the copy can answer
			l.move.serve(req.After, l.m.now())
		}
		if err := hadrwire.Write(stream, &hadrwire.LogStart{After: req.After}); err != nil {
			return err
		}
		if !req.Seeding {
			l.seed.Complete(l.m.now())
			end := db.Hardened()
			l.news(ctx, gen, func() {
				l.step(agcore.Event{Kind: agcore.SeedDone})
				l.step(agcore.Event{Kind: agcore.LogStarted, End: end})
				l.progress() // the copy's first word may have come before
			})
		}
		return l.ship(ctx, db, r, stream, req.Seeding)
	}()
	if err != nil && ctx.Err() == nil {
		l.m.opts.Log.Info("shipping of log ended", "link", l.name, "error", err)
	}
}

// logReader opens the log for a copy, or says why it cannot be continued.
func (l *link) logReader(db *storage.DB, req *hadrwire.LogRequest) (*storage.LogReader, *hadrwire.Refuse, error) {
	if req.Origin != db.ID() || req.Epoch > db.Epoch() {
		return nil, refuse(1408, true, l.database), nil
	}
	r, err := db.LogReader(req.After)
	switch {
	case errors.Is(err, storage.ErrLogGone):
		return nil, refuse(1412, true, l.database), nil
	case errors.Is(err, storage.ErrGap):
		return nil, refuse(1408, true, l.database), nil
	}
	return r, nil, err
}

// ship sends batches until ctx ends, and a word whenever more of what was sent is published here: the copy shows no more
// than we do.
func (l *link) ship(ctx context.Context, db *storage.DB, r *storage.LogReader, w io.Writer, seeding bool) error {
	s := &shipper{l: l, db: db, w: w, seeding: seeding}
	words := startstop.New(ctx)
	defer words.Stop()
	if !seeding { // a copy in the making shows nothing
		words.Go(s.tellPublished)
	}
	for {
		b, err := r.Next(ctx, batchBytes)
		if err != nil {
			return fmt.Errorf("read log after %v: %w", r.Position(), err)
		}
		if err := s.send(&b); err != nil {
			return err
		}
		if at := l.move.acknowledged(); !at.IsZero() && !seeding {
			r.Acknowledge(at)
		}
	}
}

// shipper sends log on one stream.
type shipper struct {
	l       *link
	db      *storage.DB
	seeding bool

	mu sync.Mutex // protects what follows, and the order on the stream
	w  io.Writer
	// buf is scratch space, told the last LSN that the copy may show, and last the last one sent.
	buf        []byte
	told, last lsn.LSN
}

func (s *shipper) send(b *storage.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.l.m.now()
	published := lsn.Latest(s.db.Published(), s.told)
	m := hadrwire.LogBatch{First: b.First, Last: b.Last, Digest: b.Digest, Published: published, Time: b.Time, Sent: now, Records: b.Records}
	s.buf = hadrwire.Append(s.buf[:0], &m)
	s.l.move.sent(b.Last, now, len(b.Records)) // before the copy can answer
	if _, err := s.w.Write(s.buf); err != nil {
		return fmt.Errorf("send log up to %v: %w", b.Last, err)
	}
	s.told, s.last = published, b.Last
	return nil
}

// tellPublished sends a word of what is published that no batch has told.
func (s *shipper) tellPublished(ctx context.Context) {
	for seen := lsn.Zero; ; {
		if err := s.db.WaitPublished(ctx, following(seen)); err != nil {
			return
		}
		seen = s.db.Published()
		if s.word(seen) != nil {
			return // whoever reads the stream reports its end
		}
	}
}

// following is the least LSN after l.
func following(l lsn.LSN) lsn.LSN {
	if l.Slot++; l.Slot == 0 {
		l.Block++
	}
	return l
}

func (s *shipper) word(published lsn.LSN) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told.Less(published) || !s.told.Less(s.last) {
		return nil // the next batch says it
	}
	s.told = published
	return hadrwire.Write(s.w, &hadrwire.LogBatch{Last: published, Published: published, Sent: s.l.m.now()})
}

// progressed takes the copy's word of how far it is; in the loop.
func (l *link) progressed(p *hadrwire.Progress) {
	l.move.progress(p)
	l.progress()
	if s := l.core.State(); p.Hardened.IsZero() || !s.Seeded || l.core.Copy() || s.Outdated != 0 {
		return // one that was outlived needs its log for the way back
	}
	g := l.m.group(l.name)
	if g == nil {
		return
	}
	l.m.hold(g, p.Hardened)
	if now := l.m.now(); now.Sub(l.move.heldAt) >= holdEvery {
		l.move.heldAt = now
		l.core.Update(func(s *agcore.LinkState) { s.HoldAfter = p.Hardened })
		l.note()
	}
}
