package link

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/link/flow"
	"linkspan/sqlerr"
)

// Kind says what an Event reports.
type Kind string

// The kinds of events.
const (
	Looking Kind = "looking" // the step begins
	Acting  Kind = "acting"  // a statement or call is about to be made; Text is it
	Waiting Kind = "waiting" // Text says for what; told when it changes
	Skipped Kind = "present" // the step's effect was there already
	Did     Kind = "done"    // the step's effect is there now
	Failed  Kind = "failed"
)

// Event reports progress. It holds no secrets.
type Event struct {
	Time time.Time `json:"time"`
	// Link is the link's name, Step and Title are the step's.
	Link  string `json:"link"`
	Step  string `json:"step"`
	Title string `json:"title"`
	Kind  Kind   `json:"kind"`
	Text  string `json:"text,omitempty"`
	// Elapsed is the time since the step began.
	Elapsed time.Duration `json:"elapsed"`
}

// Options configure a Linker.
type Options struct {
	// Events is called with each event, from the goroutine of the caller. May be nil.
	Events func(Event)
	// Poll is how often is looked while waiting; default 500 ms.
	Poll time.Duration
	// Clock is the time; default the machine's.
	Clock clock.Clock
	// Log may be nil.
	Log *slog.Logger
	// Target is the managed instance's T-SQL, for what the management API does not tell (digests); may be nil.
	Target Source
}

// Linker runs flows against two sides. One call at a time.
type Linker struct {
	source Source
	arm    Management
	o      Options
}

const (
	defaultPoll = 500 * time.Millisecond
	// settle is how long the effect of an action may take to be seen.
	settle = 30 * time.Second
	// unreachable is how long a side that does not answer is asked again.
	unreachable = 30 * time.Second
)

// New makes a Linker over given sides. source may be nil where only the managed instance is asked (List).
func New(source Source, management Management, o Options) *Linker {
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	return &Linker{source: source, arm: management, o: o}
}

// Create makes the link, or finishes making it, and returns when the copy is online and keeps up. A *flow.Refusal in the
// error's chain names what the user has to change; context.DeadlineExceeded says that a wait ran out.
func (l *Linker) Create(ctx context.Context, s flow.Spec) error {
	return l.run(ctx, s, flow.Create())
}

// Delete ends the link, or finishes ending it. The copy becomes an independent, writable database.
func (l *Linker) Delete(ctx context.Context, s flow.Spec) error {
	return l.run(ctx, s, flow.Delete(s.DropAG))
}

func (l *Linker) run(ctx context.Context, s flow.Spec, steps []flow.Step) error {
	s, err := s.Normalize()
	if err != nil {
		return fmt.Errorf("link %q: %w", s.DAG, err)
	}
	state := &flow.State{Spec: s}
	for _, step := range steps {
		r := &runner{Linker: l, state: state, step: step, began: l.o.Clock.Now()}
		if err := r.run(ctx); err != nil {
			r.tell(Failed, err.Error())
			return fmt.Errorf("link %q, step %s: %w", s.DAG, step.ID, err)
		}
	}
	return nil
}

// runner takes one step.
type runner struct {
	*Linker
	state *flow.State
	step  flow.Step
	began time.Time
	// acted is when the action ran, zero before; silent since when a side has not answered, zero when both do.
	acted, silent time.Time
	said          string
}

func (r *runner) tell(k Kind, text string) {
	now := r.o.Clock.Now()
	r.o.Events(Event{Time: now, Link: r.state.DAG, Step: r.step.ID, Title: r.step.Title, Kind: k, Text: text, Elapsed: now.Sub(r.began)})
}

// run looks, acts once if it must, and looks until the effect is there.
func (r *runner) run(ctx context.Context) error {
	r.tell(Looking, "")
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		d, err := r.look(ctx)
		switch {
		case err != nil && r.tryAgain(err):
			r.wait(ctx, "asking again: "+err.Error())
			continue
		case err != nil:
			return err
		}
		switch d.Verdict {
		case flow.Done:
			if r.acted.IsZero() {
				r.tell(Skipped, d.Seen)
			} else {
				r.tell(Did, d.Seen)
			}
			return nil
		case flow.Act:
			if err := r.act(ctx, d); err != nil {
				return err
			}
		case flow.Wait:
			if now := r.o.Clock.Now(); r.step.Patience > 0 && now.Sub(r.began) > r.step.Patience {
				return r.late(d.Seen)
			}
			r.wait(ctx, d.Seen)
		}
	}
}

// late ends a step whose patience is over.
func (r *runner) late(seen string) error {
	if r.step.Late == nil {
		return fmt.Errorf("waited %v; last seen: %s: %w", r.step.Patience, seen, context.DeadlineExceeded)
	}
	err := r.step.Late(r.state, seen)
	if err == nil {
		r.tell(Skipped, "went on without: "+seen)
	}
	return err
}

// look makes the probe's calls and has the step decide.
func (r *runner) look(ctx context.Context) (flow.Decision, error) {
	var answers []flow.Answer
	for _, c := range r.step.Probe(r.state) {
		a, err := r.perform(ctx, c)
		if err != nil {
			return flow.Decision{}, err
		}
		answers = append(answers, a)
	}
	r.silent = time.Time{}
	r.state.Now = r.o.Clock.Now()
	return r.step.Decide(r.state, answers)
}

// tryAgain reports whether err is of a kind that passes, and has not lasted too long: a side that does not answer.
func (r *runner) tryAgain(err error) bool {
	if !passes(err) {
		return false
	}
	now := r.o.Clock.Now()
	if r.silent.IsZero() {
		r.silent = now
	}
	return now.Sub(r.silent) < unreachable
}

// passes tells trouble on the way from answers and from a side that nobody vouches for.
func passes(err error) bool {
	var unknown *tls.CertificateVerificationError
	var sql *sqlerr.Error
	var api *armtypes.Error
	if errors.As(err, &unknown) || errors.As(err, &sql) || errors.Is(err, context.Canceled) {
		return false
	}
	if errors.As(err, &api) {
		return api.Status >= http.StatusInternalServerError || api.Status == http.StatusTooManyRequests
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
}

// act runs the action, once; after that it only gives the effect time to be seen.
func (r *runner) act(ctx context.Context, d flow.Decision) error {
	if !r.acted.IsZero() {
		if r.o.Clock.Now().Sub(r.acted) > settle {
			return fmt.Errorf("the action ran, but its effect is not seen: %s", d.Seen)
		}
		r.wait(ctx, "the action ran; seen so far: "+d.Seen)
		return nil
	}
	began := r.o.Clock.Now()
	for _, c := range r.step.Do(r.state) {
		r.tell(Acting, c.String())
		if _, err := r.perform(ctx, c); err != nil && !r.tolerates(ctx, c, err) {
			return err
		}
	}
	r.acted = r.o.Clock.Now()
	r.state.Took = r.acted.Sub(began)
	return nil
}

// tolerates reports whether the probe may decide again in spite of err: somebody else did it first, or a call that had a
// bound of its own was given up while what it began goes on.
func (r *runner) tolerates(ctx context.Context, c flow.Call, err error) bool {
	var api *armtypes.Error
	if errors.As(err, &api) {
		if n, nerr := strconv.Atoi(api.Code); nerr == nil && slices.Contains(r.step.Tolerates, int32(n)) {
			return true
		}
	}
	return slices.Contains(r.step.Tolerates, sqlerr.Number(err)) || c.Timeout > 0 && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
}

// wait pauses for a poll interval, or until ctx ends, and tells what for when that changed.
func (r *runner) wait(ctx context.Context, what string) {
	if what != r.said {
		r.said = what
		r.tell(Waiting, what)
	}
	passed, stop := r.o.Clock.After(r.o.Poll)
	defer stop()
	select {
	case <-passed:
	case <-ctx.Done():
	}
}
