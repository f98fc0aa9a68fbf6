package arm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/startstop"
)

// Limits of a connection. Bodies are small; answers come at once because long work runs as operations.
const (
	maxBody      = 1 << 20
	maxHeader    = 64 << 10
	headerTime   = 10 * time.Second
	requestTime  = 30 * time.Second
	answerTime   = 60 * time.Second
	idleTime     = 2 * time.Minute
	stopTime     = 5 * time.Second
	maxInFlight  = 256 // of those who are known
	strangerTime = 5 * time.Second
	maxOpenConns = 1024
)

// Server is the endpoint. New makes it, Serve runs it on a listener, Close stops it.
type Server struct {
	o      Options
	routes []route
	auth   *authority
	ops    *operations
	group  *startstop.Group
	http   *http.Server
	base   atomic.Pointer[string]
	slots  chan struct{} // one per request in flight
	// strangers are the requests in flight without a token.
	strangers crowd

	closeOnce sync.Once
}

// New checks the options and makes a server. No I/O.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("make ARM endpoint: %w", err)
	}
	s := &Server{o: o, slots: make(chan struct{}, maxInFlight), strangers: crowd{maxHere: 64, max: 192}}
	s.group = startstop.New(context.Background())
	s.ops = newOperations(o.Clock, o.KeepOperations, s.group, o.Log)
	s.auth = newAuthority(&s.o, s.baseURL)
	s.routes = s.table()
	s.ops.fail = s.asError
	if o.BaseURL != "" {
		if err := s.SetBaseURL(o.BaseURL); err != nil {
			return nil, err
		}
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{o.Identity.leaf},
			NextProtos:   []string{"h2", "http/1.1"},
		},
	}
	return s, nil
}

// SetBaseURL sets the address that answers are made of. It MUST be set, here or in Options, before Serve.
func (s *Server) SetBaseURL(u string) error {
	base, err := cleanBase(u)
	if err != nil {
		return err
	}
	s.base.Store(&base)
	return nil
}

func (s *Server) baseURL() string {
	if p := s.base.Load(); p != nil {
		return *p
	}
	return ""
}

// Serve answers on l, which it owns, until Close; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	if s.baseURL() == "" {
		return errors.Join(errors.New("serve ARM endpoint: BaseURL is not set"), l.Close())
	}
	err := s.http.ServeTLS(newLimited(l, maxOpenConns), "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve ARM endpoint: %w", err)
}

// Close ends the running operations, waits for requests a little, and stops. Idempotent.
func (s *Server) Close() error {
	var err error
	s.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err = s.http.Shutdown(ctx); err != nil {
			err = s.http.Close()
		}
		s.group.Stop()
	})
	return err
}

// limited closes connections beyond a number, so that idle strangers cannot use up the process's descriptors.
type limited struct {
	net.Listener
	slots chan struct{}
}

func newLimited(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n)}
}

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

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
