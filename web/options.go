package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"

	"linkspan/internal/clock"
	"linkspan/migrate"
)

// Service is what the API shows: *migrate.Service, or a test's. Safe for concurrent use.
type Service interface {
	migrate.Asks
	migrate.Views
	// Plan and Start are those of *migrate.Service.
	Plan(ctx context.Context, spec migrate.SpecSource) (migrate.Plan, error)
	Start(ctx context.Context, spec migrate.SpecSource, who migrate.Who) (activity string, err error)
}

// Options configure a Server.
type Options struct {
	Service Service
	Tokens  *Tokens
	// Certificate gives the server's certificate for each connection. TLS is always spoken.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Folders are where the files may lie that a spec names.
	Folders Folders
	// OpenMetrics shows the metrics to clients on this machine without a token. MUST NOT be set behind a proxy on this
	// machine: every client would be one.
	OpenMetrics bool
	// Clock is the time; default the machine's. Log may be nil.
	Clock clock.Clock
	Log   *slog.Logger
}

// Validate fills in defaults and reports every problem.
func (o *Options) Validate() error {
	var errs []error
	if o.Service == nil {
		errs = append(errs, errors.New("no Service"))
	}
	if o.Tokens == nil {
		errs = append(errs, errors.New("no Tokens"))
	}
	if o.Certificate == nil {
		errs = append(errs, errors.New("no Certificate"))
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}
