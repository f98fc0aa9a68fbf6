package link

import (
	"context"
	"errors"
	"fmt"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/internal/fsx"
	"linkspan/internal/smallfile"
	"linkspan/link/flow"
	"linkspan/sqlclient"
)

// Session is a Linker with its own connections to both sides.
type Session struct {
	*Linker
	spec    Spec
	secrets Secrets
	client  *sqlclient.Client
	arm     *armclient.Client
	later   []*laterSource
}

// Open connects to both sides of a spec. The spec was validated.
func Open(ctx context.Context, s Spec, secrets Secrets, fs fsx.FS, o Options) (*Session, error) {
	sourceCA, err := optionalFile(fs, s.Source.CA)
	if err != nil {
		return nil, fmt.Errorf("open link: source: %w", err)
	}
	targetCA, err := optionalFile(fs, s.Target.CA)
	if err != nil {
		return nil, fmt.Errorf("open link: target: %w", err)
	}
	management, err := armclient.New(s.ARMOptions(secrets, targetCA))
	if err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	client, err := sqlclient.Open(ctx, s.SourceTarget(secrets, sourceCA))
	if err != nil {
		management.Close()
		return nil, fmt.Errorf("open link: %w", err)
	}
	return &Session{Linker: New(sqlSource{client}, management, o), spec: s, secrets: secrets, client: client, arm: management}, nil
}

// OpenLater is Open for a session that is of use while one side is away: each side is connected to when it is first asked
// something. It speaks T-SQL with the managed instance too, where the spec has a login.
func OpenLater(s Spec, secrets Secrets, fs fsx.FS, o Options) (*Session, error) {
	sourceCA, err := optionalFile(fs, s.Source.CA)
	if err != nil {
		return nil, fmt.Errorf("open link: source: %w", err)
	}
	targetCA, err := optionalFile(fs, s.Target.CA)
	if err != nil {
		return nil, fmt.Errorf("open link: target: %w", err)
	}
	targetSQL, err := optionalFile(fs, s.Target.SQL.CA)
	if err != nil {
		return nil, fmt.Errorf("open link: target: %w", err)
	}
	management, err := armclient.New(s.ARMOptions(secrets, targetCA))
	if err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	source := &laterSource{open: func(ctx context.Context) (*sqlclient.Client, error) {
		return sqlclient.Open(ctx, s.SourceTarget(secrets, sourceCA))
	}}
	session := &Session{spec: s, secrets: secrets, arm: management, later: []*laterSource{source}}
	if secrets.TargetUser != "" {
		target := &laterSource{open: func(ctx context.Context) (*sqlclient.Client, error) {
			fqdn := ""
			if s.Target.SQL.Address == "" {
				id, _ := armtypes.ParseInstanceID(s.Target.Instance) // Validate reports the error
				mi, err := management.Instance(ctx, id)
				if err != nil {
					return nil, err
				}
				fqdn = mi.Properties.FullyQualifiedDomainName
			}
			return sqlclient.Open(ctx, s.TargetSQL(secrets, fqdn, targetSQL))
		}}
		o.Target = target
		session.later = append(session.later, target)
	}
	session.Linker = New(source, management, o)
	return session, nil
}

// laterSource is a Source that connects when it is first asked. For one goroutine.
type laterSource struct {
	open   func(context.Context) (*sqlclient.Client, error)
	client *sqlclient.Client
}

// Query implements Source.
func (l *laterSource) Query(ctx context.Context, text string, args ...any) ([]flow.Row, error) {
	if l.client == nil {
		c, err := l.open(ctx)
		if err != nil {
			return nil, err
		}
		l.client = c
	}
	return sqlSource{l.client}.Query(ctx, text, args...)
}

// OpenTarget connects to the managed instance's side alone, for List.
func OpenTarget(s Spec, secrets Secrets, fs fsx.FS, o Options) (*Session, error) {
	ca, err := optionalFile(fs, s.Target.CA)
	if err != nil {
		return nil, fmt.Errorf("open link: target: %w", err)
	}
	management, err := armclient.New(s.ARMOptions(secrets, ca))
	if err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	return &Session{Linker: New(nil, management, o), spec: s, secrets: secrets, arm: management}, nil
}

// Close gives the connections up. Idempotent.
func (s *Session) Close() error {
	s.arm.Close()
	var errs []error
	for _, l := range s.later {
		if l.client != nil {
			errs = append(errs, l.client.Close())
		}
	}
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	return errors.Join(errs...)
}

// each runs f for every link of the spec; one that fails does not keep the others from being done.
func (s *Session) each(ctx context.Context, f func(LinkSpec) error) error {
	var errs []error
	for _, l := range s.spec.Links {
		if err := context.Cause(ctx); err != nil {
			errs = append(errs, err)
			break
		}
		errs = append(errs, f(l))
	}
	return errors.Join(errs...)
}

// CreateAll makes every link of the spec, one after the other.
func (s *Session) CreateAll(ctx context.Context) error {
	return s.each(ctx, func(l LinkSpec) error { return s.Create(ctx, s.spec.Flow(l, s.secrets, s.o.Clock.Now())) })
}

// DeleteAll ends every link of the spec.
func (s *Session) DeleteAll(ctx context.Context) error {
	return s.each(ctx, func(l LinkSpec) error { return s.Delete(ctx, s.spec.Flow(l, s.secrets, s.o.Clock.Now())) })
}

// PlanAll plans every link of the spec, by the link's name.
func (s *Session) PlanAll(ctx context.Context) (map[string][]PlannedStep, error) {
	plans := make(map[string][]PlannedStep)
	err := s.each(ctx, func(l LinkSpec) error {
		f := s.spec.Flow(l, s.secrets, s.o.Clock.Now())
		p, err := s.Plan(ctx, f)
		if n, nerr := f.Normalize(); nerr == nil {
			plans[n.DAG] = p
		}
		return err
	})
	return plans, err
}

// StatusAll asks about every link of the spec.
func (s *Session) StatusAll(ctx context.Context) ([]Status, error) {
	var out []Status
	err := s.each(ctx, func(l LinkSpec) error {
		st, err := s.Status(ctx, s.spec.Flow(l, s.secrets, s.o.Clock.Now()))
		out = append(out, st)
		return err
	})
	return out, err
}

func optionalFile(fs fsx.FS, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	return smallfile.Read(fs, name)
}
