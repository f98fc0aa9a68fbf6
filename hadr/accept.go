package hadr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/pagelog"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// helloTimeout bounds the time that a peer has for the first message of a stream.
const helloTimeout = 10 * time.Second

// accept serves one session that was accepted: the first stream says which link it is for, and further ones ask for
// pages and log. It returns when the session is over.
func (m *Manager) accept(s *endpoint.Session) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, r, first, err := nextStream(ctx, s)
	if err != nil {
		m.opts.Log.Info("mirroring session without a hello", "peer", s.Peer().Addr, "error", err)
		return
	}
	if p, ok := first.(*hadrwire.Probe); ok {
		m.answerProbe(stream, s.Peer(), &p.Hello)
		return
	}
	hello, ok := first.(*hadrwire.Hello)
	if !ok {
		m.opts.Log.Info("mirroring session without a hello", "peer", s.Peer().Addr, "type", first.Type())
		return
	}
	c := newControl(stream)
	defer c.stop()
	l, refusal := m.admit(hello, s.Peer())
	if refusal != nil {
		c.send(refusal)
		m.lastWord(s, c, r)
		return
	}
	adopted := false
	l.call(func() {
		adopted = true
		l.adopt(s, c, r, hello)
	})
	if !adopted {
		return
	}
	l.answer(ctx, s)
}

// answer takes the streams that the peer opens on a session, until it is over.
func (l *link) answer(ctx context.Context, s *endpoint.Session) {
	for {
		stream, r, first, err := nextStream(ctx, s)
		if err != nil {
			s.Close(err)
			<-s.Done()
			return
		}
		l.post(func() { l.serve(s, stream, r, first) })
	}
}

// lastWord waits until the peer has taken a refusal and closed, but not for long.
func (m *Manager) lastWord(s *endpoint.Session, c *control, r *hadrwire.Reader) {
	late, stop := m.opts.Clock.After(2 * time.Second)
	defer stop()
	select {
	case <-s.Done():
	case <-late:
	}
}

// nextStream waits for a stream and reads its first message.
func nextStream(ctx context.Context, s *endpoint.Session) (net.Conn, *hadrwire.Reader, hadrwire.Message, error) {
	stream, err := s.Accept(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	r := hadrwire.NewReader(stream)
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	first, err := r.Next()
	if err != nil {
		stream.Close()
		return nil, nil, nil, fmt.Errorf("read first message: %w", err)
	}
	return stream, r, first, nil
}

// refuse is the answer to a hello and, for the links concerned, a line in the error log and last_connect_error.
func refuse(number int32, final bool, args ...any) *hadrwire.Refuse {
	e := sqlerr.New(number, args...)
	return &hadrwire.Refuse{Number: e.Number, Text: e.Message, Final: final}
}

// admit decides whether a peer may have the link it asks for. What it learns when not is a number of SQL Server's.
func (m *Manager) admit(h *hadrwire.Hello, p endpoint.Peer) (*link, *hadrwire.Refuse) {
	if h.Protocol != hadrwire.Version {
		return nil, m.mismatch(h, fmt.Sprintf("protocol version %d here, %d there", hadrwire.Version, h.Protocol))
	}
	g := m.group(h.Link)
	if g == nil || !g.Distributed {
		m.errorLog(sqlerr.New(28048, "Database Mirroring", p.Name, fmt.Sprintf("there is no distributed availability group '%s'", h.Link), "[CLIENT: "+p.Addr+"]"))
		return nil, refuse(41976, true, h.PartnerGroup, m.opts.ServerName)
	}
	l := m.link(g.Name)
	if l == nil {
		return nil, refuse(41977, false, h.PartnerGroup, m.opts.ServerName)
	}
	if !m.bound(g, p) {
		why := sqlerr.New(28035, fmt.Sprintf("The certificate is not the one bound to availability group '%s'", g.Name), 94)
		l.refused((&endpoint.Refusal{Err: why, Peer: p.Name, Addr: p.Addr}).Logged(), why)
		return nil, refuse(41974, true)
	}
	if what := m.differs(h); what != "" {
		r := m.mismatch(h, what)
		l.refused(sqlerr.New(35203, m.opts.ServerName, h.Server, what), nil)
		return nil, r
	}
	if what := mismatched(g, h); what != "" {
		l.refused(sqlerr.New(28048, "Database Mirroring", p.Name, what, "[CLIENT: "+p.Addr+"]"), nil)
		return nil, refuse(41976, true, h.PartnerGroup, m.opts.ServerName)
	}
	if !strings.EqualFold(l.database, h.Database) && (h.Database != "" || g.IsLink()) {
		l.refused(sqlerr.New(28048, "Database Mirroring", p.Name, fmt.Sprintf("database '%s' is not in availability group '%s'", h.Database, g.Name), "[CLIENT: "+p.Addr+"]"), nil)
		return nil, refuse(41977, true, h.PartnerGroup, m.opts.ServerName)
	}
	return l, nil
}

// differs names the first version or collation that is not the same on both sides.
func (m *Manager) differs(h *hadrwire.Hello) string {
	switch {
	case h.LogFormat != pagelog.Version:
		return fmt.Sprintf("log format %d here, %d there", pagelog.Version, h.LogFormat)
	case h.CollationTable != m.opts.CollationTable:
		return fmt.Sprintf("collation table version %d here, %d there", m.opts.CollationTable, h.CollationTable)
	case !strings.EqualFold(h.Collation, m.opts.Collation):
		return fmt.Sprintf("collation %s here, %s there", m.opts.Collation, h.Collation)
	}
	return ""
}

func (m *Manager) mismatch(h *hadrwire.Hello, what string) *hadrwire.Refuse {
	return refuse(35203, true, m.opts.ServerName, h.Server, what)
}

// mismatched names what of a hello does not fit the group.
func mismatched(g *agcore.Group, h *hadrwire.Hello) string {
	u := g.RemoteURL()
	switch {
	case sideOf(g) != agcore.Side1:
		return fmt.Sprintf("it is the other side that connects for '%s'", g.Name)
	case !strings.EqualFold(g.Member(true).Name, h.PartnerGroup):
		return fmt.Sprintf("the local availability group of '%s' is '%s', not '%s'", g.Name, g.Member(true).Name, h.PartnerGroup)
	case !strings.EqualFold(g.Member(false).Name, h.OwnGroup):
		return fmt.Sprintf("the remote availability group of '%s' is '%s', not '%s'", g.Name, g.Member(false).Name, h.OwnGroup)
	case u.Server == "" && h.ShortName != h.Server: // a managed instance
		return fmt.Sprintf("the listener URL '%s' of '%s' names no server with ';Server=[name]'", g.Member(false).URL, g.Member(false).Name)
	case u.Server != "" && !strings.EqualFold(u.Server, h.ShortName):
		return fmt.Sprintf("the listener URL of '%s' names server '%s', not '%s'", g.Member(false).Name, u.Server, h.ShortName)
	}
	theirs, err := agcore.DecodeStanding(h.Standing)
	switch {
	case err != nil:
		return err.Error()
	case theirs.Primary && theirs.Last.Kind != 0 && theirs.Last.Link != g.ID: // nobody is outlived by a link that was dropped
		return fmt.Sprintf("it is primary by a link that was dropped here before '%s' was made anew; delete that link there", g.Name)
	}
	return ""
}

// bound reports whether the peer's certificate authorises the link: it is named as the host of the remote listener URL,
// or was bound to the link later (rotation).
func (m *Manager) bound(g *agcore.Group, p endpoint.Peer) bool {
	if strings.EqualFold(p.Name, g.RemoteURL().Host) {
		return true
	}
	return m.entitled(g, p) || g.Link != nil && slices.Contains(g.Link.Bound, thumbprint(p.Certificate.Raw))
}

// refused notes a refusal with the link that it was about. logged goes to the error log; shown, or logged when nil, to
// last_connect_error.
func (l *link) refused(logged, shown *sqlerr.Error) {
	if shown == nil {
		shown = logged
	}
	l.m.errorLog(logged)
	l.post(func() {
		if !l.core.Connected() {
			l.step(agcore.Event{Kind: agcore.Refused, Fault: faultOf(shown)})
		}
	})
}

// refused is told by the endpoint of peers that were refused for their certificates. The line goes to the error log; the
// links that wait for a peer at that address show it as their last_connect_error.
func (m *Manager) refused(r *endpoint.Refusal) {
	m.errorLog(r.Logged())
	from, err := netip.ParseAddrPort(r.Addr)
	if err != nil {
		return
	}
	select {
	case m.resolving <- struct{}{}:
		defer func() { <-m.resolving }()
	default:
		return // strangers in numbers cost no more than a line each
	}
	for _, g := range m.groups() {
		l := m.link(g.Name)
		if l == nil || l.dials || l.snap.Load().connected {
			continue
		}
		if addrs, err := m.resolve(context.Background(), g.RemoteURL().Host); err == nil && slices.Contains(addrs, from.Addr().Unmap()) {
			l.post(func() {
				if !l.core.Connected() {
					l.step(agcore.Event{Kind: agcore.Refused, Fault: faultOf(r.Err)})
				}
			})
		}
	}
}

// resolve finds a host's addresses.
func (m *Manager) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	addrs, err := m.opts.Resolve(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("host %q has no address", host)
	}
	return addrs, err
}

// open opens a link's database; it must be online.
func (l *link) open(ctx context.Context) (*storage.DB, func(), error) {
	db, release, err := l.m.opts.Databases.Open(ctx, l.database)
	if err != nil {
		return nil, nil, fmt.Errorf("open database %q: %w", l.database, err)
	}
	if release == nil {
		release = func() {}
	}
	return db, release, nil
}

var errReplaced = errors.New("the peer connected anew")

// adopt takes a session for the link's connection; in the loop.
func (l *link) adopt(s *endpoint.Session, c *control, r *hadrwire.Reader, h *hadrwire.Hello) {
	l.disconnect(errReplaced)
	l.session, l.control = s, c
	if l.classic() {
		l.bind(thumbprint(s.Peer().Certificate.Raw))
	}
	l.core.Update(func(st *agcore.LinkState) { st.Peer = h.Server })
	gen := l.gen
	l.group.Go(func(ctx context.Context) { l.readControl(ctx, gen, s, r) })
	l.teller.Store(&teller{c, gen})
	theirs, err := agcore.DecodeStanding(h.Standing)
	if err != nil {
		l.m.opts.Log.Error("the peer's standing cannot be read", "link", l.name, "error", err)
		l.disconnect(err)
		return
	}
	l.step(agcore.Event{Kind: agcore.Hello, Peer: h.Suspended, Mine: l.standing(l.group.Context()), Theirs: &theirs})
	l.established(h.Server)
}

// established writes message 35202.
func (l *link) established(peer string) {
	near, far := l.replicaIDs()
	l.m.errorLog(sqlerr.New(35202, l.name, l.m.opts.ServerName, near, peer, far))
}

// replicaIDs are those of this side's member and of the other's.
func (l *link) replicaIDs() (near, far agcore.ID) {
	if g := l.m.group(l.name); g != nil {
		near, far = g.Member(true).ID, g.Member(false).ID
	}
	return near, far
}
