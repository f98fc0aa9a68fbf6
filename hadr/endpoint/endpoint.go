package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"linkspan/internal/startstop"
	"linkspan/sqlerr"
)

// maxPending is how many connections may be in their handshake; beyond it the oldest is closed.
const maxPending = 128

// recheckEvery bounds the time after which a clock that was set is noticed.
const recheckEvery = time.Minute

// Endpoint is one instance's mirroring endpoint. It dials whether it listens or not.
type Endpoint struct {
	opts  Options
	group *startstop.Group
	// recheck wakes the goroutine that watches the certificates' dates.
	recheck chan struct{}

	mu       sync.Mutex // protects what follows
	listen   []net.Listener
	port     uint16
	pending  []net.Conn // in their handshake, oldest first
	sessions map[*Session]struct{}
	accepted int
}

// New makes an endpoint that does not listen yet.
func New(o Options) (*Endpoint, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	e := &Endpoint{opts: o, group: startstop.New(context.Background()), recheck: make(chan struct{}, 1), sessions: make(map[*Session]struct{})}
	e.group.Go(e.watch)
	return e, nil
}

// Listen starts to listen on the port at each address. Port 0 picks one that is free at all of them; Port tells. Errors:
// 9692 the port is in use, 9693 another reason.
func (e *Endpoint) Listen(addrs []netip.Addr, port uint16) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.listen) > 0 {
		return errors.New("the endpoint listens already")
	}
	var cfg net.ListenConfig
	for _, a := range addrs {
		l, err := cfg.Listen(e.group.Context(), "tcp", netip.AddrPortFrom(a, port).String())
		if err != nil {
			e.closeListeners()
			if errors.Is(err, syscall.EADDRINUSE) {
				return sqlerr.New(9692, "Database Mirroring", port).WithCause(err)
			}
			return sqlerr.New(9693, "Database Mirroring", err).WithCause(err)
		}
		port = uint16(l.Addr().(*net.TCPAddr).Port)
		e.listen = append(e.listen, l)
	}
	e.port = port
	for _, l := range e.listen {
		e.group.Go(func(ctx context.Context) { e.serve(ctx, l) })
	}
	return nil
}

// Port is the port listened on, or 0.
func (e *Endpoint) Port() uint16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.port
}

func (e *Endpoint) closeListeners() {
	for _, l := range e.listen {
		l.Close()
	}
	e.listen, e.port = nil, 0
}

// Unlisten stops listening and closes the sessions that were accepted, with the cause; those dialed stay.
func (e *Endpoint) Unlisten(cause error) {
	e.mu.Lock()
	e.closeListeners()
	for _, c := range e.pending {
		c.Close()
	}
	e.mu.Unlock()
	for _, s := range e.list() {
		if s.accepted {
			s.Close(cause)
		}
	}
}

// Close ends everything and waits. Idempotent.
func (e *Endpoint) Close() {
	e.Unlisten(startstop.ErrStopped)
	for _, s := range e.list() {
		s.Close(startstop.ErrStopped)
	}
	e.group.Stop()
	for _, s := range e.list() { // those that were in their handshake
		s.Close(startstop.ErrStopped)
	}
}

func (e *Endpoint) list() []*Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*Session, 0, len(e.sessions))
	for s := range e.sessions {
		out = append(out, s)
	}
	return out
}

func (e *Endpoint) serve(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			e.admit(conn)
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return
		default: // out of file descriptors, for one: it passes
			e.opts.Log.Warn("mirroring endpoint cannot accept", "error", err)
			c, stop := e.opts.Clock.After(100 * time.Millisecond)
			select {
			case <-c:
			case <-ctx.Done():
			}
			stop()
		}
	}
}

// admit puts a new connection into its handshake. When too many are there the oldest goes: an honest one takes
// milliseconds.
func (e *Endpoint) admit(conn net.Conn) {
	e.mu.Lock()
	if len(e.pending) >= maxPending {
		e.pending[0].Close()
		e.pending = e.pending[1:]
	}
	e.pending = append(e.pending, conn)
	e.mu.Unlock()
	if !e.group.Go(func(ctx context.Context) { e.accept(ctx, conn) }) {
		conn.Close()
	}
}

func (e *Endpoint) accept(ctx context.Context, conn net.Conn) {
	secured, c, err := e.shake(ctx, conn, true)
	e.mu.Lock()
	for i, p := range e.pending {
		if p == conn {
			e.pending = append(e.pending[:i:i], e.pending[i+1:]...)
			break
		}
	}
	full := e.accepted >= e.opts.MaxSessions
	e.mu.Unlock()
	if err == nil && full {
		err = fmt.Errorf("more than %d sessions", e.opts.MaxSessions)
	}
	if err != nil {
		conn.Close()
		e.refused(err, conn)
		return
	}
	s, err := e.newSession(secured, c, true)
	if err != nil {
		conn.Close()
		e.opts.Log.Warn("mirroring session not started", "peer", conn.RemoteAddr(), "error", err)
		return
	}
	defer s.Close(nil)
	e.opts.Accept(s)
}

// refused passes a refusal on, once.
func (e *Endpoint) refused(err error, conn net.Conn) {
	var r *Refusal
	if errors.As(err, &r) {
		e.opts.Refused(r)
		return
	}
	e.opts.Log.Debug("mirroring handshake failed", "peer", conn.RemoteAddr(), "error", err)
}

// Dial connects to the first of the addresses that answers, and returns when the peer has accepted our certificate and we
// its. allow, when not nil, is asked about the peer's certificate in addition to Options.Peer. Errors are *Refusal, or
// those of the network.
func (e *Endpoint) Dial(ctx context.Context, addrs []netip.AddrPort, allow func(Peer) error) (*Session, error) {
	conn, err := e.dialAny(ctx, addrs)
	if err != nil {
		return nil, err
	}
	secured, c, err := e.shake(ctx, conn, false)
	if err == nil && allow != nil {
		if err = allow(Peer{Name: c.name, Certificate: c.peer, Addr: conn.RemoteAddr().String()}); err != nil {
			err = e.refusal(conn, c, err)
		}
	}
	if err != nil {
		conn.Close()
		var r *Refusal
		if errors.As(err, &r) && !r.Remote {
			e.opts.Refused(r)
		}
		return nil, err
	}
	s, err := e.newSession(secured, c, false)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (e *Endpoint) dialAny(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	var errs []error
	d := net.Dialer{Timeout: e.opts.HandshakeTimeout}
	for _, a := range addrs {
		d.LocalAddr = nil
		if l := e.opts.Local; l.IsValid() && l.Is4() == a.Addr().Is4() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(l, 0))
		}
		conn, err := d.DialContext(ctx, "tcp", a.String())
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, errors.New("no address to connect to")
	}
	return nil, errors.Join(errs...)
}

// Resting is how many live sessions rest on a certificate, as ours or as the peer's.
func (e *Endpoint) Resting(der []byte) int {
	n := 0
	for _, s := range e.list() {
		if bytes.Equal(s.creds.mine.DER, der) || bytes.Equal(s.creds.peer.Raw, der) {
			n++
		}
	}
	return n
}

// Recheck closes the sessions whose certificates, ours or the peer's, are not good any more. It is called after a
// certificate was dropped or replaced.
func (e *Endpoint) Recheck() {
	select {
	case e.recheck <- struct{}{}:
	default:
	}
}

// watch closes sessions when Recheck is called and when a certificate expires.
func (e *Endpoint) watch(ctx context.Context) {
	for {
		expiry, stop := e.nextExpiry()
		select {
		case <-ctx.Done():
			stop()
			return
		case <-e.recheck:
		case <-expiry:
		}
		stop()
		for _, s := range e.list() {
			c := s.creds
			if err := e.check(&c); err != nil {
				err = e.refusal(s.raw, &s.creds, err)
				e.refused(err, s.raw)
				s.Close(err)
			}
		}
	}
}

// nextExpiry fires when the first certificate of a live session expires.
func (e *Endpoint) nextExpiry() (<-chan time.Time, func()) {
	var first time.Time
	for _, s := range e.list() {
		for _, at := range [...]time.Time{s.creds.mine.End, s.creds.peer.NotAfter} {
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	if first.IsZero() {
		return nil, func() {}
	}
	// Far dates are looked at again and again: clocks are set, and timers do not notice.
	return e.opts.Clock.After(min(first.Sub(e.opts.Clock.Now()), recheckEvery))
}
