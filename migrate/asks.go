package migrate

import (
	"context"

	"linkspan/migrate/ledger"
)

// Cutover implements Asks.
func (s *Service) Cutover(ctx context.Context, activity string, databases []string, o CutoverOptions, who Who) error {
	return &UnknownError{"activity", activity}
}

// Confirm implements Asks.
func (s *Service) Confirm(ctx context.Context, activity string, databases []string, lastFile string, who Who) error {
	return &UnknownError{"activity", activity}
}

// GiveUp implements Asks.
func (s *Service) GiveUp(ctx context.Context, activity string, databases []string, who Who) error {
	return &UnknownError{"activity", activity}
}

// Cancel implements Asks.
func (s *Service) Cancel(ctx context.Context, activity string, databases []string, who Who) error {
	return &UnknownError{"activity", activity}
}

// Retry implements Asks.
func (s *Service) Retry(ctx context.Context, activity string, databases []string, who Who) error {
	return &UnknownError{"activity", activity}
}

// AcceptNoChecksum implements Asks.
func (s *Service) AcceptNoChecksum(ctx context.Context, activity string, databases []string, who Who) error {
	return &UnknownError{"activity", activity}
}

// List implements Views.
func (s *Service) List(ctx context.Context) ([]ledger.Summary, error) { return nil, nil }

// Status implements Views.
func (s *Service) Status(ctx context.Context, activity string, files bool) (ledger.Status, error) {
	return ledger.Status{}, &UnknownError{"activity", activity}
}

// Timeline implements Views.
func (s *Service) Timeline(ctx context.Context, activity, database string, after int64, limit int) ([]ledger.Entry, error) {
	return nil, &UnknownError{"activity", activity}
}

// Audit implements Views.
func (s *Service) Audit(ctx context.Context, after int64, limit int) ([]ledger.AuditEntry, error) {
	return nil, nil
}

var (
	_ Asks  = (*Service)(nil)
	_ Views = (*Service)(nil)
)
