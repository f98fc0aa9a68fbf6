package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// maxStreams is how many streams a peer may have open on one session.
const maxStreams = 16

// slice is the most that one write puts on the wire at once, so that streams take turns.
const slice = 256 << 10

// window is the flow-control window of a stream.
const window = 8 << 20

// Peer is who is at the other end.
type Peer struct {
	// Name is the name of its certificate here.
	Name        string
	Certificate *x509.Certificate
	Addr        string
}

// Session is a connection with a peer whose certificate was accepted. Its methods are safe for concurrent use.
type Session struct {
	e        *Endpoint
	raw      *tls.Conn
	mux      *yamux.Session
	creds    credentials
	accepted bool

	once  sync.Once
	cause error // set before done is closed
	done  chan struct{}
}

func (e *Endpoint) newSession(conn *tls.Conn, c *credentials, accepted bool) (*Session, error) {
	cfg := yamux.DefaultConfig()
	cfg.EnableKeepAlive = false // heartbeats on the control stream tell more
	cfg.ConnectionWriteTimeout = 30 * time.Second
	cfg.MaxStreamWindowSize = window
	cfg.AcceptBacklog = maxStreams
	cfg.LogOutput, cfg.Logger = nil, log.New(io.Discard, "", 0)
	start := yamux.Client
	if accepted {
		start = yamux.Server
	}
	mux, err := start(&joined{Conn: conn}, cfg)
	if err != nil {
		return nil, fmt.Errorf("start streams: %w", err)
	}
	s := &Session{e: e, raw: conn, mux: mux, creds: *c, accepted: accepted, done: make(chan struct{})}
	e.mu.Lock()
	e.sessions[s] = struct{}{}
	if accepted {
		e.accepted++
	}
	e.mu.Unlock()
	if !e.group.Go(s.follow) {
		s.Close(errors.New("the endpoint is closed"))
		return nil, s.cause
	}
	e.Recheck() // for its dates
	return s, nil
}

// follow closes the session when the connection ends by itself.
func (s *Session) follow(ctx context.Context) {
	select {
	case <-s.mux.CloseChan():
		s.Close(io.EOF)
	case <-s.done:
	case <-ctx.Done():
		s.Close(context.Cause(ctx))
	}
}

// Peer is who is at the other end.
func (s *Session) Peer() Peer {
	return Peer{Name: s.creds.name, Certificate: s.creds.peer, Addr: s.raw.RemoteAddr().String()}
}

// RestsOn reports whether this side showed the certificate when the session began.
func (s *Session) RestsOn(der []byte) bool { return bytes.Equal(s.creds.mine.DER, der) }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Ended reports whether the connection is gone. It is true before a stream of the session fails for that reason.
func (s *Session) Ended() bool { return s.mux.IsClosed() }

// Cause is why the session ended; valid after Done.
func (s *Session) Cause() error {
	<-s.done
	return s.cause
}

// Close ends the session and its streams. The first cause counts; nil means an ordinary end.
func (s *Session) Close(cause error) {
	s.once.Do(func() {
		s.e.mu.Lock()
		delete(s.e.sessions, s)
		if s.accepted {
			s.e.accepted--
		}
		s.e.mu.Unlock()
		if cause == nil {
			cause = io.EOF
		}
		s.cause = cause
		close(s.done)
		// The socket first: a peer that does not read must not hold up the closing.
		s.raw.NetConn().Close()
		s.mux.Close()
	})
}

// Open opens a stream.
func (s *Session) Open() (net.Conn, error) {
	st, err := s.mux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return &stream{st}, nil
}

// Accept waits for a stream that the peer opens. A peer that opens too many loses the session.
func (s *Session) Accept(ctx context.Context) (net.Conn, error) {
	st, err := s.mux.AcceptStreamWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("accept stream: %w", err)
	}
	if s.mux.NumStreams() > maxStreams {
		err := fmt.Errorf("the peer opened more than %d streams", maxStreams)
		s.Close(err)
		return nil, err
	}
	return &stream{st}, nil
}

// stream puts long writes on the wire in slices.
type stream struct{ *yamux.Stream }

func (s *stream) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		var m int
		m, err = s.Stream.Write(b[:min(len(b), slice)])
		n, b = n+m, b[m:]
	}
	return n, err
}

// Close ends the stream in both directions: whoever reads or writes it here returns at once, and the peer reads its end.
func (s *stream) Close() error {
	err := s.Stream.Close()
	return errors.Join(err, s.Stream.SetDeadline(time.Unix(1, 0)))
}

// joined puts a frame's header and body, which yamux writes one after the other, into one TLS record: one system call,
// and one wake-up of the peer, for each message of the log. yamux writes from one goroutine.
type joined struct {
	*tls.Conn
	held []byte
}

// yamux's header: version, type (0: data), flags, stream, length ("spec.md" there).
const (
	muxHeader   = 12
	muxTypeAt   = 1
	muxLengthAt = 8
)

func (j *joined) Write(b []byte) (int, error) {
	if len(j.held) == 0 && len(b) == muxHeader && b[muxTypeAt] == 0 && binary.BigEndian.Uint32(b[muxLengthAt:]) > 0 {
		j.held = append(j.held, b...)
		return len(b), nil
	}
	if len(j.held) == 0 {
		return j.Conn.Write(b)
	}
	first := min(len(b), 12<<10) // with the header still one record
	j.held = append(j.held, b[:first]...)
	_, err := j.Conn.Write(j.held)
	j.held = j.held[:0]
	if err != nil || first == len(b) {
		return len(b), err
	}
	n, err := j.Conn.Write(b[first:])
	return first + n, err
}
