package migrate

import (
	"context"
	"errors"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// Cutover implements Asks.
func (s *Service) Cutover(ctx context.Context, activity string, databases []string, o CutoverOptions, who Who) error {
	spec, err := s.specOf(ctx, activity)
	if err != nil {
		return err
	}
	e := flow.Event{Kind: flow.CutoverStart, TakeTail: !spec.Settings.UserTail, Apply: o.Apply, MaxPause: spec.Settings.MaxPause}
	if o.UserTail != nil {
		e.TakeTail = !*o.UserTail
	}
	if o.MaxPause != 0 {
		e.MaxPause = o.MaxPause
	}
	return s.ask(ctx, activity, databases, e, who)
}

// Confirm implements Asks.
func (s *Service) Confirm(ctx context.Context, activity string, databases []string, lastFile string, who Who) error {
	return s.ask(ctx, activity, databases, flow.Event{Kind: flow.Confirm, LastFile: lastFile}, who)
}

// GiveUp implements Asks.
func (s *Service) GiveUp(ctx context.Context, activity string, databases []string, who Who) error {
	return s.ask(ctx, activity, databases, flow.Event{Kind: flow.GiveUp}, who)
}

// Cancel implements Asks.
func (s *Service) Cancel(ctx context.Context, activity string, databases []string, who Who) error {
	return s.ask(ctx, activity, databases, flow.Event{Kind: flow.Cancel}, who)
}

// Retry implements Asks. Without databases the activity's failed logins go on as well.
func (s *Service) Retry(ctx context.Context, activity string, databases []string, who Who) error {
	if len(databases) == 0 {
		if err := s.ledger.Ask(ctx, activity, "", flow.Event{Kind: flow.Retry}, who.String()); err != nil {
			return known(err)
		}
	}
	return s.ask(ctx, activity, databases, flow.Event{Kind: flow.Retry}, who)
}

// AcceptNoChecksum implements Asks.
func (s *Service) AcceptNoChecksum(ctx context.Context, activity string, databases []string, who Who) error {
	return s.ask(ctx, activity, databases, flow.Event{Kind: flow.AcceptNoChecksum}, who)
}

// ask steps the databases by one event each. Those that refuse do not keep the others from it.
func (s *Service) ask(ctx context.Context, activity string, databases []string, e flow.Event, who Who) error {
	if len(databases) == 0 {
		all, err := s.databases(ctx, activity, e.Kind)
		if err != nil {
			return err
		}
		databases = all
	}
	refused := &Refusals{Asked: string(e.Kind)}
	for _, d := range databases {
		err := s.ledger.Ask(ctx, activity, d, e, who.String())
		var refusal *flow.Refusal
		switch {
		case errors.As(err, &refusal):
			refused.Refused = append(refused.Refused, Refused{d, refusal.Error()})
		case err != nil:
			return known(err)
		}
	}
	if len(refused.Refused) == 0 {
		return nil
	}
	return refused
}

// specOf is the spec that an activity was started with.
func (s *Service) specOf(ctx context.Context, activity string) (Spec, error) {
	a, err := s.ledger.Activity(ctx, activity)
	if err != nil {
		return Spec{}, known(err)
	}
	return s.read(SpecSource{a.Spec, a.Base})
}

// databases are those of an activity that something can be meant for that was asked of all: a retry is for those that have
// failed, and what has ended is left alone. When that leaves none all are asked, so that each says why not.
func (s *Service) databases(ctx context.Context, activity string, asked flow.EventKind) ([]string, error) {
	st, err := s.ledger.Status(ctx, activity, false)
	if err != nil {
		return nil, known(err)
	}
	var all, meant []string
	for _, d := range st.Databases {
		all = append(all, d.Name)
		switch d.State {
		case flow.Completed, flow.Cancelled:
		case flow.Failed:
			if asked == flow.Retry || asked == flow.Cancel {
				meant = append(meant, d.Name)
			}
		default:
			if asked != flow.Retry {
				meant = append(meant, d.Name)
			}
		}
	}
	if len(meant) == 0 && asked != flow.Retry { // failed logins alone may have been meant
		return all, nil
	}
	return meant, nil
}

// known gives the ledger's errors the names of this package.
func known(err error) error {
	var unknown *ledger.Unknown
	switch {
	case !errors.As(err, &unknown):
		return err
	case unknown.Database != "":
		return &UnknownError{"database", unknown.Database}
	}
	return &UnknownError{"activity", unknown.Activity}
}

// List implements Views.
func (s *Service) List(ctx context.Context) ([]ledger.Summary, error) {
	return s.ledger.Activities(ctx)
}

// Status implements Views.
func (s *Service) Status(ctx context.Context, activity string, files bool) (ledger.Status, error) {
	st, err := s.ledger.Status(ctx, activity, files)
	return st, known(err)
}

// Timeline implements Views.
func (s *Service) Timeline(ctx context.Context, activity, database string, after int64, limit int) ([]ledger.Entry, error) {
	entries, err := s.ledger.Timeline(ctx, activity, database, after, limit)
	return entries, known(err)
}

// Audit implements Views.
func (s *Service) Audit(ctx context.Context, after int64, limit int) ([]ledger.AuditEntry, error) {
	return s.ledger.Audit(ctx, after, limit)
}

var (
	_ Asks  = (*Service)(nil)
	_ Views = (*Service)(nil)
)
