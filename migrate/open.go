package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/migrate/engine"
	"linkspan/migrate/ledger"
)

// Options configure a Service.
type Options struct {
	// State is the folder of the ledger; made when it does not exist.
	State string
	// Env looks environment variables up, for secrets; default: the process's.
	Env func(string) string
	// Reports is the folder of report files; default: reports in State.
	Reports string
	Clock   clock.Clock
	Log     *slog.Logger
	// Client makes requests to storage and to the management API; nil means the default.
	Client *http.Client
}

// Service is migrations by backups as commands and the API use them. Safe for concurrent use, but for Close. It implements
// Asks and Views.
type Service struct {
	o      Options
	ledger *ledger.Ledger
	engine *engine.Engine // nil before Engage
}

// Open opens the state folder; nothing is worked on before Engage.
func Open(ctx context.Context, o Options) (*Service, error) {
	if o.Env == nil {
		o.Env = os.Getenv
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Reports == "" {
		o.Reports = filepath.Join(o.State, "reports")
	}
	l, err := ledger.Open(ctx, o.State, ledger.Options{Clock: o.Clock, Log: o.Log})
	if err != nil {
		return nil, err
	}
	return &Service{o: o, ledger: l}, nil
}

// Engage begins to work on what is in the state folder, in this process, until Close. ErrRunning when another process does.
func (s *Service) Engage(ctx context.Context) error {
	e, err := engine.Start(ctx, s.ledger, engine.Options{Open: s.works, Clock: s.o.Clock, Log: s.o.Log})
	if errors.Is(err, ledger.ErrRunning) {
		return ErrRunning
	}
	if err != nil {
		return err
	}
	s.engine = e
	return nil
}

// Close ends the work where it is, and waits. It goes on when the folder is engaged again.
func (s *Service) Close() error {
	var err error
	if s.engine != nil {
		err = s.engine.Stop(context.Background())
	}
	return errors.Join(err, s.ledger.Close())
}

// works is engine.Options.Open.
func (s *Service) works(ctx context.Context, a ledger.Activity) (engine.Works, error) {
	spec, err := s.read(SpecSource{a.Spec, a.Base})
	if err != nil {
		return nil, err
	}
	return s.open(spec, func(ctx context.Context) (ledger.Status, error) { return s.ledger.Status(ctx, a.Name, false) })
}

// read takes a spec as it was given.
func (s *Service) read(src SpecSource) (Spec, error) {
	spec, err := Parse(src.Text)
	if err != nil {
		return Spec{}, err
	}
	return spec.Under(src.Base), nil
}

// open makes the parts of a spec.
func (s *Service) open(spec Spec, status func(context.Context) (ledger.Status, error)) (*parts, error) {
	secrets, err := spec.Secrets(fsx.OS{}, s.o.Env)
	if err != nil {
		return nil, fmt.Errorf("the spec's secrets: %w", err)
	}
	return openParts(spec, secrets, s.o, status)
}
