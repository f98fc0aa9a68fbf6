package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"linkspan/internal/startstop"
)

// Limits of the API. A spec of a thousand databases fits into a body; a plan of five hundred into the time.
const (
	maxBody      = 1 << 20
	maxHeader    = 32 << 10
	headerTime   = 10 * time.Second
	requestTime  = 30 * time.Second
	workTime     = 2 * time.Minute
	answerTime   = workTime + requestTime
	idleTime     = 2 * time.Minute
	stopTime     = 5 * time.Second
	maxInFlight  = 64 // of those who are known
	maxOpenConns = 512
)

// Server is the API. New makes it, Serve runs it on a listener, Close stops it.
type Server struct {
	o      Options
	routes []route
	http   *http.Server
	group  *startstop.Group // its context is that of every request
	slots  chan struct{}    // one per request of a known client
	kept   *kept
	scrape http.Handler

	closeOnce sync.Once
	closed    error
}

// New checks the options and makes a server. No I/O.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("make API: %w", err)
	}
	s := &Server{o: o, routes: routes(), slots: make(chan struct{}, maxInFlight), group: startstop.New(context.Background()), kept: newKept(o.Clock)}
	s.scrape = newScrape(o)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		BaseContext:    func(net.Listener) context.Context { return s.group.Context() },
		TLSConfig:      &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: o.Certificate, NextProtos: []string{"h2", "http/1.1"}},
	}
	return s, nil
}

// Serve answers on l, which it owns, until Close; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.ServeTLS(&limited{Listener: l, slots: make(chan struct{}, maxOpenConns)}, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve API: %w", err)
}

// Close waits for requests a little, and stops. Idempotent.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if s.closed = s.http.Shutdown(ctx); s.closed != nil {
			s.closed = s.http.Close()
		}
		s.group.Stop()
	})
	return s.closed
}

// limited closes connections beyond a number, so that idle strangers cannot use up the process's descriptors.
type limited struct {
	net.Listener
	slots chan struct{}
}

// Accept takes the next connection there is room for.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = c.Close() // over the limit: the client sees a reset and tries again
		}
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close gives the room back.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
