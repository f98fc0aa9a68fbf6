package hadr

import (
	"bufio"
	"context"
	"crypto/sha1" // thumbprints are SHA-1 by definition
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/pagelog"
	"linkspan/sqlerr"
	"linkspan/storage"
)

func sha1Sum(b []byte) [20]byte { return sha1.Sum(b) }

// dial connects to the source; in the loop.
func (l *link) dial() {
	l.gen++
	gen, bound := l.gen, slices.Clone(l.core.State().Bound)
	l.group.Go(func(ctx context.Context) {
		s, c, r, err := l.connectControl(ctx, bound)
		if err != nil {
			e := agcore.Event{Kind: agcore.ConnectFailed}
			e.Fault, e.Final = l.connectFault(err)
			l.news(ctx, gen, func() { l.step(e) })
			return
		}
		l.offer(ctx, gen, func() { l.connected(s, c, r) }, func() { s.Close(nil); c.stop() })
	})
}

// connectControl connects and opens the control stream.
func (l *link) connectControl(ctx context.Context, bound []string) (*endpoint.Session, *control, *hadrwire.Reader, error) {
	s, err := l.connect(ctx, bound)
	if err != nil {
		return nil, nil, nil, err
	}
	stream, err := s.Open()
	if err != nil {
		s.Close(nil)
		return nil, nil, nil, err
	}
	return s, newControl(stream), hadrwire.NewReader(bufio.NewReader(stream)), nil
}

// connect makes the connection; the source's certificate must be one bound to the link, if any is.
func (l *link) connect(ctx context.Context, bound []string) (*endpoint.Session, error) {
	u, ok := agcore.ParseURL(l.spec.SourceEndpoint)
	if !ok {
		return nil, sqlerr.New(19499, l.spec.SourceEndpoint)
	}
	ips, err := l.m.resolve(ctx, u.Host)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", u.Host, err)
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip, u.Port))
	}
	return l.m.ep.Dial(ctx, addrs, func(p endpoint.Peer) error {
		if c := l.m.opts.Keeper.ByDER(p.Certificate.Raw); l.classic() && (c == nil || c.Owner == "") {
			return sqlerr.New(28034, "sa", 84) // the owner of everything is nobody in particular
		}
		if len(bound) > 0 && !slices.Contains(bound, thumbprint(p.Certificate.Raw)) {
			return sqlerr.New(28035, fmt.Sprintf("The certificate '%s' is not bound to link '%s'", p.Name, l.name), 94)
		}
		return nil
	})
}

// connectFault says in SQL Server's numbers why there is no connection, and whether trying again can help.
func (l *link) connectFault(err error) (agcore.Fault, bool) {
	var r *endpoint.Refusal
	var e *sqlerr.Error
	switch {
	case errors.As(err, &r) && l.classic():
		return faultOf(r.Err), false
	case errors.As(err, &r) && r.Remote:
		return faultOf(sqlerr.New(41974)), true
	case errors.As(err, &r) && r.Unknown:
		return faultOf(sqlerr.New(41973)), true
	case errors.As(err, &r):
		return faultOf(r.Err), true
	case errors.As(err, &e):
		return faultOf(e), true
	default:
		f := faultOf(sqlerr.New(41986))
		f.Text += " (" + err.Error() + ")"
		return f, false
	}
}

// hello is our first message.
func (l *link) hello() *hadrwire.Hello {
	o, s := &l.m.opts, l.core.State()
	h := &hadrwire.Hello{Protocol: hadrwire.Version, LogFormat: pagelog.Version, CollationTable: o.CollationTable, Collation: o.Collation,
		Server: o.ServerName, ShortName: o.ShortName, Link: l.name, OwnGroup: l.spec.OwnGroup, PartnerGroup: l.spec.PartnerGroup,
		Database: l.database, Suspended: s.Suspended && s.Reason != agcore.SuspendPartner}
	mine := l.standing(l.group.Context())
	if mine.Exists {
		h.Origin, h.Epoch, h.Position = s.Origin, mine.Epoch, mine.End
	}
	h.Standing = mine.Encode()
	return h
}

// connected takes the connection; in the loop.
func (l *link) connected(s *endpoint.Session, c *control, r *hadrwire.Reader) {
	l.session, l.control = s, c
	gen := l.gen
	l.teller.Store(&teller{c, gen})
	l.group.Go(func(ctx context.Context) { l.readControl(ctx, gen, s, r) })
	l.group.Go(func(ctx context.Context) { l.answer(ctx, s) })
	l.step(agcore.Event{Kind: agcore.Connected})
}

// readControl passes on what the peer says on the control stream, until it ends.
func (l *link) readControl(ctx context.Context, gen uint64, s *endpoint.Session, r *hadrwire.Reader) {
	for {
		m, err := r.Next()
		if err != nil {
			l.news(ctx, gen, func() {
				f := l.lost(s, err)
				l.disconnect(nil)
				l.step(agcore.Event{Kind: agcore.Lost, Fault: f})
			})
			return
		}
		if p, ok := m.(*hadrwire.Progress); ok {
			l.gate.ack(p.Hardened) // commits may wait for it
		}
		l.news(ctx, gen, func() { l.heard(m) })
	}
}

// heard acts on one message; in the loop.
func (l *link) heard(m hadrwire.Message) {
	l.step(agcore.Event{Kind: agcore.Heard})
	switch m := m.(type) {
	case *hadrwire.Config:
		l.configured(m)
	case *hadrwire.Refuse:
		l.step(agcore.Event{Kind: agcore.Refused, Fault: agcore.Fault{Number: m.Number, Text: m.Text}, Final: m.Final})
	case *hadrwire.Progress:
		l.progressed(m)
	case *hadrwire.State:
		l.step(agcore.Event{Kind: agcore.PeerState, On: m.Synchronous, Final: m.Synchronized})
	case *hadrwire.TurnOver:
		l.turned(m)
	case *hadrwire.Modes:
		if l.core.Split().Number == 0 { // the one that was outlived decides nothing
			l.takeModes(m)
		}
	case *hadrwire.Suspend:
		l.step(agcore.Event{Kind: agcore.Suspend, Peer: true, Reason: agcore.SuspendPartner, Text: m.Text, Fault: suspendFault(l.database, agcore.SuspendPartner, m.Text)})
	case *hadrwire.Resume:
		l.step(agcore.Event{Kind: agcore.Resume, Peer: true, Fault: faultOf(sqlerr.New(35265, l.database))})
	case *hadrwire.Rotate:
		l.rotate(m)
	case *hadrwire.Rotated:
		l.rotated(m)
	}
}

// configured takes the source's configuration; in the loop.
func (l *link) configured(c *hadrwire.Config) {
	if l.core.Connected() || !l.dials {
		return
	}
	s, g := l.core.State(), l.m.group(l.name)
	anew := g != nil && s.Joined && g.ID != agcore.ID(c.LinkID)
	if s.Origin != [16]byte{} && s.Origin != c.Origin || anew && l.core.Standing().Primary {
		l.step(agcore.Event{Kind: agcore.Refused, Fault: faultOf(sqlerr.New(1408, l.database))})
		return
	}
	if l.database == "" {
		l.learn(c)
		return
	}
	theirs, err := agcore.DecodeStanding(c.Standing)
	if err != nil {
		l.step(agcore.Event{Kind: agcore.Refused, Fault: faultOf(sqlerr.From(err))})
		return
	}
	l.config = c
	peer := l.session.Peer()
	l.core.Update(func(s *agcore.LinkState) {
		s.Origin, s.Peer, s.Endpoint = c.Origin, c.Server, l.spec.SourceEndpoint
		if print := thumbprint(peer.Certificate.Raw); !slices.Contains(s.Bound, print) {
			s.Bound = append(slices.Clone(s.Bound), print)
		}
	})
	if err := l.m.install(l, c); err != nil {
		l.step(agcore.Event{Kind: agcore.Refused, Fault: faultOf(sqlerr.From(err)), Final: sqlerr.Number(err) != 0})
		return
	}
	l.step(agcore.Event{Kind: agcore.Configured, Peer: c.Suspended, Mine: l.standing(l.group.Context()), Theirs: &theirs})
	l.step(agcore.Event{Kind: agcore.ModeSet, On: l.wantsSync()})
	l.established(c.Server)
}

// createCopy registers the database; in the loop.
func (l *link) createCopy() {
	if err := l.register(l.group.Context()); err != nil {
		l.queue = append(l.queue, agcore.Event{Kind: agcore.CopyFailed, Fault: faultOf(sqlerr.From(err))})
		return
	}
	l.queue = append(l.queue, agcore.Event{Kind: agcore.CopyReady})
}

// register makes the database known as one that is being restored, if its group may make databases.
func (l *link) register(ctx context.Context) error {
	if refused := l.m.mayCreate(l.spec.OwnGroup); refused != nil {
		return refused
	}
	_, err := l.m.opts.Databases.CreateRestoring(ctx, l.database)
	return err
}

// receiveSeed makes the copy and puts it online.
func (l *link) receiveSeed(ctx context.Context, gen uint64, s *endpoint.Session) {
	err := l.seedCopy(ctx, gen, s)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		mine := l.standing(ctx)
		l.news(ctx, gen, func() { l.step(agcore.Event{Kind: agcore.SeedDone, Mine: mine}) })
		return
	}
	f := faultOf(sqlerr.New(19494, l.database, l.name))
	if sqlerr.Number(err) == 19506 {
		f = faultOf(sqlerr.From(err))
	}
	l.seed.Fail(l.m.now(), agcore.Fault{Number: f.Number, Text: err.Error()})
	l.m.opts.Log.Warn("seeding interrupted", "link", l.name, "error", err)
	if s.Ended() {
		return // the reader of the control stream reports a lost connection
	}
	l.news(ctx, gen, func() { l.step(agcore.Event{Kind: agcore.FlowFailed, Fault: f}) })
}

func (l *link) seedCopy(ctx context.Context, gen uint64, s *endpoint.Session) error {
	dbs := l.m.opts.Databases
	again := l.snap.Load().state.Reseed
	if db, release, err := l.open(ctx); err == nil {
		release()
		switch {
		case again:
		case !db.IsReplica() || db.ID() != storage.Identity(l.origin()):
			return fmt.Errorf("make a copy: %w", sqlerr.New(1801, l.database))
		default:
			return nil // it went online, and we were stopped before we wrote that down
		}
	}
	if again {
		if _, err := l.reseedOptions(ctx); err != nil {
			return fmt.Errorf("close database %q to make its copy anew: %w", l.database, err)
		}
	}
	o, err := dbs.RestoringOptions(ctx, l.database)
	if sqlerr.Number(err) == 911 {
		if refused := l.m.mayCreate(l.spec.OwnGroup); refused != nil {
			return refused
		}
		o, err = dbs.CreateRestoring(ctx, l.database)
	}
	if err != nil {
		return fmt.Errorf("find database %q: %w", l.database, err)
	}
	t := &seeding.Target{Options: o, Progress: &l.seed, Clock: l.m.opts.Clock, Operation: l.m.newID(), Origin: storage.Identity(l.origin()), Open: s.Open, Again: again,
		Started: func() { l.news(ctx, gen, func() { l.step(agcore.Event{Kind: agcore.SeedStarted}) }) }}
	db, err := t.Receive(ctx)
	if err != nil {
		return err
	}
	if err := dbs.Online(context.WithoutCancel(ctx), l.database, db); err != nil {
		return errors.Join(fmt.Errorf("put database %q online: %w", l.database, err), db.Close())
	}
	return nil
}

func (l *link) origin() [16]byte { return l.snap.Load().state.Origin }
