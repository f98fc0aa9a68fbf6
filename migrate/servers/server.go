package servers

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// Options say which server, and how it is spoken to.
type Options struct {
	// Target is where it is and who logs in. Database in it is not used. An address of the form server\INSTANCE is
	// understood, too.
	Target sqlclient.Target
	// At is the place in errors; default flow.AtSource.
	At flow.Place
	// Clock waits between tries; default clock.System. Log may be nil.
	Clock clock.Clock
	Log   *slog.Logger
}

// speaker is the client as this package needs it; *sqlclient.Client is one.
type speaker interface {
	Query(ctx context.Context, text string, args ...any) (*sqlclient.Result, error)
	Each(ctx context.Context, text string, row func([]any) error, args ...any) error
	Close() error
}

// Server is one server. Safe for concurrent use.
type Server struct {
	o    Options
	dial func(context.Context, sqlclient.Target) (speaker, error)

	mu     sync.Mutex
	client speaker // nil until it is needed, and after the connection was lost
}

// Open describes a server; it connects when it is first asked something, and again after a connection was lost.
func Open(_ context.Context, o Options) (*Server, error) {
	if host, instance, named := strings.Cut(o.Target.Address, `\`); named {
		o.Target.Address, o.Target.Instance = host, instance
	}
	if o.Target.Address == "" {
		return nil, errors.New("open server: no address")
	}
	o.Target.Database = "master"
	if o.At == "" {
		o.At = flow.AtSource
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{o: o, dial: dial}, nil
}

func dial(ctx context.Context, t sqlclient.Target) (speaker, error) {
	c, err := sqlclient.Open(ctx, t)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close gives the connections up; the server can be asked again afterwards. Idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	c := s.client
	s.client = nil
	return c.Close()
}

// Name is the server as people know it: host or host\INSTANCE.
func (s *Server) Name() string {
	if i := s.o.Target.Instance; i != "" {
		return s.o.Target.Address + `\` + i
	}
	return s.o.Target.Address
}

// connected gives the client, connecting when there is none.
func (s *Server) connected(ctx context.Context) (speaker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	c, err := s.dial(ctx, s.o.Target)
	if err != nil {
		return nil, err
	}
	s.client = c
	return c, nil
}

// rows runs a batch in master and gives the rows of its first result set. SQL errors are *sqlerr.Error. When a connection
// breaks all are given up, so that an instance is found whose port has changed; what only reads is asked once more then.
func (s *Server) rows(ctx context.Context, text string, args ...any) ([]row, error) {
	for try := 1; ; try++ {
		c, err := s.connected(ctx)
		if err != nil {
			return nil, err
		}
		r, err := c.Query(ctx, text, args...)
		if err == nil {
			return rowsOf(r.First()), nil
		}
		broken := sqlerr.Number(err) == 0 || sqlerr.Number(err) == sessionKilled
		if !broken || ctx.Err() != nil {
			return nil, err
		}
		s.lost(c)
		if try > 1 || !strings.HasPrefix(text, "SELECT") {
			return nil, err
		}
	}
}

// sessionKilled is what the client of a session that was ended hears.
const sessionKilled = 596

// lost gives up a client whose connection broke, unless another took its place.
func (s *Server) lost(c speaker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == c {
		s.client = nil
		if err := c.Close(); err != nil {
			s.o.Log.Debug("lost connection did not close", "server", s.Name(), "reason", err)
		}
	}
}

// optional is rows for something that this version, or this login, may not have: no rows then.
func (s *Server) optional(ctx context.Context, text string, args ...any) ([]row, error) {
	found, err := s.rows(ctx, text, args...)
	if absent[sqlerr.Number(err)] {
		return nil, nil
	}
	return found, err
}

// absent are the errors that say that a view, a column or a procedure is not there, or not shown to this login, or lies in
// a database that cannot be entered now.
var absent = map[int32]bool{207: true, 208: true, 2812: true, 4121: true, 40510: true, 40514: true, 229: true, 230: true, 297: true, 300: true,
	371: true, 911: true, 916: true, 924: true, 927: true, 942: true, 954: true, 976: true, 978: true, 15247: true}

// pause waits between tries.
func (s *Server) pause(ctx context.Context, d time.Duration) error {
	c, stop := s.o.Clock.After(d)
	defer stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// trouble is an error at this server, as a *flow.Hindrance. That the caller gave up is passed on as it is.
func (s *Server) trouble(ctx context.Context, what string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var h *flow.Hindrance
	var halt *flow.Halt
	if errors.As(err, &h) || errors.As(err, &halt) {
		return err
	}
	if f, ok := s.connectFinding(err); ok {
		return &flow.Hindrance{At: s.o.At, What: what + ": " + f.Text, Fix: f.Fix}
	}
	return &flow.Hindrance{At: s.o.At, What: what + " on " + s.Name(), Fix: fixOf(err), Err: err}
}

// hinder is trouble that this package found itself.
func (s *Server) hinder(what, fix string) error {
	return &flow.Hindrance{At: s.o.At, What: what, Fix: fix}
}

// fixOf is the next step for errors whose text does not say it.
func fixOf(err error) string {
	switch n := sqlerr.Number(err); n {
	case 0:
		return "see that the server runs and can be reached; it is tried again by itself"
	case 229, 262, 297, 300, 916, 3110, 5011, 15247:
		return "make the login a member of the server role sysadmin"
	default:
		return ""
	}
}
