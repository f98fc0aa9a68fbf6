package tdsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/startstop"
)

// Server serves TDS on its listeners from Start to Stop.
type Server struct {
	opts           Options
	inBand, strict *tls.Config
	gate           *gate
	sessions       atomic.Int64

	mu        sync.Mutex // protects the fields below
	group     *startstop.Group
	listeners []net.Listener
}

// New checks the options. It does no I/O.
func New(opts Options) (*Server, error) {
	opts.setDefaults()
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("configure the TDS server: %w", err)
	}
	s := &Server{opts: opts, gate: newGate(opts.MaxLogins, opts.Clock)}
	s.inBand, s.strict = tlsConfigs(opts.TLS)
	return s, nil
}

// Start binds the addresses and serves until Stop, or until ctx ends. It returns once connections are accepted; an
// error leaves nothing running. It is called once.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group != nil {
		return errors.New("start the TDS server: it was started before")
	}
	listeners := append([]net.Listener(nil), s.opts.Listeners...)
	var config net.ListenConfig
	for _, a := range s.opts.Addresses {
		l, err := config.Listen(ctx, "tcp", a)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return fmt.Errorf("listen for TDS on %s: %w; stop what holds the address or configure another", a, err)
		}
		listeners = append(listeners, l)
	}
	s.group, s.listeners = startstop.New(ctx), listeners
	for _, l := range listeners {
		context.AfterFunc(s.group.Context(), func() { _ = l.Close() })
		s.group.Go(func(ctx context.Context) { s.accept(ctx, l) })
	}
	return nil
}

// Stop closes the listeners and every connection, and waits for the sessions to end. Idempotent.
func (s *Server) Stop() {
	s.mu.Lock()
	group, listeners := s.group, s.listeners
	s.mu.Unlock()
	if group == nil {
		return
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	group.Stop()
}

// Addrs are the addresses bound, in the order of Listeners and then Addresses.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := make([]net.Addr, 0, len(s.listeners))
	for _, l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// Sessions is the number of clients logged in.
func (s *Server) Sessions() int { return int(s.sessions.Load()) }

// acceptPause is how long accepting rests after an error such as too many open files.
const acceptPause = 50 * time.Millisecond

func (s *Server) accept(ctx context.Context, l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.opts.Log.Warn("a TDS connection could not be accepted", "error", err)
			c, stop := s.opts.Clock.After(acceptPause)
			select {
			case <-c:
			case <-ctx.Done():
			}
			stop()
			continue
		}
		place, err := s.gate.enter(ctx, nc)
		if err != nil {
			_ = nc.Close()
			return
		}
		if !s.group.Go(func(ctx context.Context) { s.serve(ctx, nc, place) }) {
			s.gate.leave(place)
			_ = nc.Close()
			return
		}
	}
}
