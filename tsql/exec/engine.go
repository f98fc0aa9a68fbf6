package exec

import (
	"context"
	"errors"
	"log/slog"

	"linkspan/internal/clock"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
)

// Options say what an Engine works with.
type Options struct {
	Databases  Databases
	Admin      Admin
	Procedures Procedures
	Functions  Functions
	// Security knows the logins; nil lets every session do everything.
	Security Security
	// ServerName is @@SERVERNAME, Version @@VERSION, Service @@SERVICENAME.
	ServerName, Version, Service string
	// Clock gives GETDATE and WAITFOR their time; nil means the system's.
	Clock clock.Clock
	// Random fills its argument with random bytes, for NEWID.
	Random func([]byte)
	// Log receives RAISERROR … WITH LOG; nil discards.
	Log *slog.Logger
}

// Validate reports every problem of o.
func (o *Options) Validate() error {
	var errs []error
	for what, missing := range map[string]bool{
		"databases": o.Databases == nil, "admin": o.Admin == nil, "procedures": o.Procedures == nil,
		"functions": o.Functions == nil, "random": o.Random == nil, "server name": o.ServerName == "",
	} {
		if missing {
			errs = append(errs, errors.New("engine options: no "+what))
		}
	}
	return errors.Join(errs...)
}

// Engine makes sessions and holds what they share: the parsed batches and bound plans.
type Engine struct {
	o     Options
	cache planCache
}

// New returns an engine.
func New(o Options) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{o: o, cache: newPlanCache()}, nil
}

// SessionOptions describe a session.
type SessionOptions struct {
	// ID is @@SPID.
	ID int
	// Login is who logged in; its password is not kept.
	Login sqlapi.Login
	// Principal is the login's number, 0 for a session of the server's own, which may do everything.
	Principal int
	// Database is the first database; the session enters it.
	Database string
	// Closed is called once at the end of Close; may be nil.
	Closed func()
}

// Open makes a session. The error is that of the database (911, 927, …).
func (e *Engine) Open(ctx context.Context, o SessionOptions) (*Session, error) {
	o.Login.Password = ""
	s := &Session{e: e, o: o, set: defaultSettings(), prepared: map[int32]*prepared{}}
	s.life, s.end = context.WithCancelCause(context.Background())
	s.principal.Store(int64(o.Principal))
	if o.Login.Language != "" {
		s.set.language = o.Login.Language
	}
	d, err := e.o.Databases.Enter(o.Database, s.caller())
	if err != nil {
		s.end(err)
		return nil, err
	}
	s.db = d
	s.loginDB = d.Name()
	return s, nil
}

// Greet sends what a client hears after its login: the database and the language ([MS-TDS] 4.3).
func (s *Session) Greet(out sqlapi.ResultSink) error {
	return errors.Join(
		out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvDatabase, New: s.db.Name(), Old: "master"}),
		out.Message(sqlerr.New(5701, s.db.Name()).WithState(2)),
		out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvLanguage, New: s.set.language}),
		out.Message(sqlerr.New(5703, s.set.language)),
	)
}
