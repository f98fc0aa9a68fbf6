package tdsserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tds"
)

// errClientGone is the cancellation cause of what ran when the client closed its connection or broke the protocol.
var errClientGone = errors.New("the client is gone")

// conn is one client's connection. All fields belong to the goroutine of serve, but for turn, and for rd, which the
// reader takes over after the login.
type conn struct {
	s   *Server
	nc  net.Conn
	log *slog.Logger
	t   *transport
	rd  *tds.Reader
	out *patientWriter
	wr  *tds.Writer

	isStrict  bool // TDS 8.0
	encrypted bool // the whole session, not just the login
	session   sqlapi.Session
	sink      sink
	turn      turn
}

// serve runs a connection from its first byte to its end.
func (s *Server) serve(ctx context.Context, nc net.Conn, p *place) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errClientGone)
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })() // unblocks reads and writes
	defer nc.Close()
	defer s.gate.leave(p)

	c := &conn{s: s, nc: nc, log: s.opts.Log.With("client", nc.RemoteAddr().String()), t: newTransport(nc)}
	c.rd = tds.NewReader(c.t)
	c.out = &patientWriter{nc: nc, clock: s.opts.Clock, dst: c.t}
	c.wr = tds.NewWriter(c.out)
	c.sink.c = c
	c.turn.idle = make(chan struct{}, 1)
	// A defect in one session must not end the others.
	defer func() {
		if v := recover(); v != nil {
			s.opts.Log.Error("a TDS session panicked; its connection is closed", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	defer c.close()

	if err := nc.SetDeadline(s.opts.Clock.Now().Add(s.opts.LoginTimeout)); err != nil {
		return
	}
	if err := c.handshake(ctx); err != nil || c.session == nil {
		if err != nil && !quiet(err) {
			c.log.Debug("a connection ended before its login", "error", err)
		}
		return
	}
	s.gate.leave(p)
	if err := nc.SetDeadline(noDeadline); err != nil {
		return
	}
	c.out.timeout = s.opts.WriteTimeout
	c.requests(ctx, cancel)
}

// close ends the session, if there is one.
func (c *conn) close() {
	if c.session == nil {
		return
	}
	defer c.s.sessions.Add(-1)
	if err := c.session.Close(); err != nil {
		c.log.Error("a session could not be closed", "error", err)
	}
}

// requests runs the client's requests until it leaves. The reader ends before it returns.
func (c *conn) requests(ctx context.Context, cancel context.CancelCauseFunc) {
	in, done := make(chan request), make(chan struct{})
	started := c.s.group.Go(func(context.Context) {
		defer close(done)
		c.read(ctx, cancel, in)
	})
	if !started {
		return
	}
	defer func() {
		cancel(errClientGone)
		_ = c.nc.Close()
		<-done
	}()
	for r := range in {
		if err := c.handle(r); err != nil {
			c.log.Debug("a connection ended", "error", err)
			return
		}
	}
}

// messageText is an error as its token carries it.
func (c *conn) messageText(e *sqlerr.Error) tds.MessageText {
	return tds.MessageText{Number: e.Number, State: e.State, Class: e.Severity, Text: e.Message, Server: c.s.opts.ServerName, Procedure: e.Procedure, Line: uint32(max(e.Line, 0))}
}
