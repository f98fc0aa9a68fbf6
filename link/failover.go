package link

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"linkspan/link/flow"
)

// Kind of a failover.
const (
	PlannedFailover = "planned"
	ForcedFailover  = "forced"
	ByHandFailover  = "by hand"
)

// FailoverOptions say how the roles are to change.
type FailoverOptions struct {
	// To is the side that shall be the primary; default flow.TargetSide. Naming it makes a run that is repeated harmless.
	To flow.Side
	// Force makes it the primary without asking the other side. The caller MUST have asked the user: data may be lost.
	Force bool
	// ByHand takes the sequence for SQL Server before 2022, which ends the link. It is taken for such servers anyway.
	ByHand bool
	// MaxPause is how long the statement that changes the roles may take; default 10 s.
	MaxPause time.Duration
}

// defaultPause is how long the roles may take to change.
const defaultPause = 10 * time.Second

// FailoverReport says how a failover went.
type FailoverReport struct {
	Link     string    `json:"link"`
	Database string    `json:"database"`
	Kind     string    `json:"kind"`
	To       flow.Side `json:"to"`
	// Changed is false when the roles were as asked for already.
	Changed bool `json:"changed"`
	// PauseMs is how long no writer was let in, as the servers measured it, and 0 where they do not; StatementMs how long
	// the statement took, which the pause is part of.
	PauseMs     float64 `json:"pauseMs,omitempty"`
	StatementMs float64 `json:"statementMs,omitempty"`
	// Before and After are the position and digest at which both sides were compared and found equal.
	Before *flow.Proof `json:"before,omitempty"`
	After  *flow.Proof `json:"after,omitempty"`
	Notes  []string    `json:"notes,omitempty"`
	// Stands is how the sides stood when they were last seen.
	Stands string `json:"stands"`
	Error  string `json:"error,omitempty"`
}

// firstWithFailover is the major version of SQL Server that knows ALTER AVAILABILITY GROUP … FAILOVER for links.
const firstWithFailover = 16

// Failover makes one side of the link the primary, or finishes doing so. After an error the report, and the error's text,
// say how the sides stand; running it again with the same options goes on from there. A *flow.Refusal in the error's
// chain says that nothing was changed.
func (l *Linker) Failover(ctx context.Context, s flow.Spec, o FailoverOptions) (FailoverReport, error) {
	s, err := s.Normalize()
	if err != nil {
		return FailoverReport{}, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	c := &flow.Change{To: o.To, MaxPause: o.MaxPause}
	if c.To == "" {
		c.To = flow.TargetSide
	}
	if c.MaxPause <= 0 {
		c.MaxPause = defaultPause
	}
	r := FailoverReport{Link: s.DAG, Database: s.Database, To: c.To, Kind: PlannedFailover}
	steps, err := l.failoverSteps(ctx, o, &r)
	if err != nil {
		return r, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	state := &flow.State{Spec: s, Change: c}
	turned, err := l.walk(ctx, state, steps)
	r.fill(state, turned)
	if err != nil {
		r.Error = err.Error()
		var refusal *flow.Refusal
		if !errors.As(err, &refusal) {
			err = fmt.Errorf("%w (last seen: %s; run the same command again to go on)", err, r.Stands)
		}
	}
	return r, err
}

// failoverSteps chooses the sequence.
func (l *Linker) failoverSteps(ctx context.Context, o FailoverOptions, r *FailoverReport) ([]flow.Step, error) {
	if o.Force {
		r.Kind = ForcedFailover
		return flow.ForcedFailover(), nil
	}
	a, err := l.perform(ctx, flow.Call{SQL: "SELECT CAST(SERVERPROPERTY('ProductMajorVersion') AS nvarchar(20)) AS version"})
	if err != nil {
		return nil, err
	}
	version := 0
	if len(a.Rows) == 1 {
		version, _ = strconv.Atoi(a.Rows[0].Text("version"))
	}
	if o.ByHand || version > 0 && version < firstWithFailover {
		r.Kind = ByHandFailover
		return flow.FailoverByHand(), nil
	}
	return flow.Failover(), nil
}

// walk runs steps and says how long the action that changed the roles ran; 0 when there was none.
func (l *Linker) walk(ctx context.Context, state *flow.State, steps []flow.Step) (turned time.Duration, err error) {
	for _, step := range steps {
		r := &runner{Linker: l, state: state, step: step, began: l.o.Clock.Now()}
		err := r.run(ctx)
		if !r.acted.IsZero() && (step.ID == "failover" || step.ID == "force" || step.ID == "leave") {
			turned = max(state.Took, 1)
		}
		if err != nil {
			r.tell(Failed, err.Error())
			return turned, fmt.Errorf("link %q, step %s: %w", state.DAG, step.ID, err)
		}
	}
	return turned, nil
}

// fill takes over what the steps found out.
func (r *FailoverReport) fill(s *flow.State, turned time.Duration) {
	c := s.Change
	r.Stands, r.Notes, r.Changed = c.Stands(), c.Notes, turned > 0
	if r.Changed {
		r.StatementMs, r.PauseMs = milliseconds(turned), milliseconds(c.Pause)
	}
	for _, p := range []struct {
		to   **flow.Proof
		from flow.Proof
	}{{&r.Before, c.Before}, {&r.After, c.After}} {
		if p.from != (flow.Proof{}) {
			*p.to = &p.from
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// PlanFailover says what Failover would do now, and changes nothing.
func (l *Linker) PlanFailover(ctx context.Context, s flow.Spec, o FailoverOptions) ([]PlannedStep, error) {
	s, err := s.Normalize()
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	c := &flow.Change{To: o.To, MaxPause: o.MaxPause}
	if c.To == "" {
		c.To = flow.TargetSide
	}
	var r FailoverReport
	steps, err := l.failoverSteps(ctx, o, &r)
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", s.DAG, err)
	}
	return l.plan(ctx, &flow.State{Spec: s, Change: c}, steps)
}

// FailoverAll fails every link of the spec over, one after the other, and reports each.
func (s *Session) FailoverAll(ctx context.Context, o FailoverOptions) ([]FailoverReport, error) {
	out := []FailoverReport{}
	err := s.each(ctx, func(l LinkSpec) error {
		r, err := s.Failover(ctx, s.spec.Flow(l, s.secrets, s.o.Clock.Now()), o)
		out = append(out, r)
		return err
	})
	return out, err
}

// PlanFailoverAll plans it for every link, by the link's name.
func (s *Session) PlanFailoverAll(ctx context.Context, o FailoverOptions) (map[string][]PlannedStep, error) {
	plans := make(map[string][]PlannedStep)
	err := s.each(ctx, func(l LinkSpec) error {
		f := s.spec.Flow(l, s.secrets, s.o.Clock.Now())
		p, err := s.PlanFailover(ctx, f, o)
		if n, nerr := f.Normalize(); nerr == nil {
			plans[n.DAG] = p
		}
		return err
	})
	return plans, err
}
