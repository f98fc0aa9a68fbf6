package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// laneWorker works on one lane for a turn.
type laneWorker struct {
	river.WorkerDefaults[ledger.LaneArgs]
	e *Engine
}

// Timeout implements river.Worker: a lane has none, and is not rescued. Each of its effects has a limit.
func (w *laneWorker) Timeout(*river.Job[ledger.LaneArgs]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *laneWorker) Work(ctx context.Context, job *river.Job[ledger.LaneArgs]) error {
	e := w.e
	changed, ok := e.jobs.enter(job.Args)
	if !ok {
		return river.JobSnooze(time.Second) // somebody works on it
	}
	defer e.jobs.leave(job.Args)
	works, release := e.pool.hold(job.Args.Activity)
	defer release()
	ln := &lane{e: e, job: job, args: job.Args, changed: changed, works: works, ends: e.o.Clock.Now().Add(turn)}
	var err error
	switch job.Args.Lane {
	case ledger.Watch:
		err = ln.each(ctx, (&watch{lane: ln}).round)
	case ledger.Copies:
		err = (&copies{lane: ln}).run(ctx)
	case ledger.Source, ledger.Sides:
		err = ln.each(ctx, (&sides{lane: ln}).round)
	case ledger.Pause:
		err = ln.each(ctx, ln.pause)
	case ledger.Logins:
		err = (&logins{lane: ln, waits: map[string]*failure{}}).run(ctx)
	default:
		return river.JobCancel(fmt.Errorf("there is no lane %q", job.Args.Lane))
	}
	if ctx.Err() != nil {
		return river.JobSnooze(0) // the engine stops: the next one goes on
	}
	return err
}

// wakeWorker has a migration looked at that another process changed.
type wakeWorker struct {
	river.WorkerDefaults[ledger.WakeArgs]
	e *Engine
}

// Work implements river.Worker.
func (w *wakeWorker) Work(ctx context.Context, job *river.Job[ledger.WakeArgs]) error {
	w.e.jobs.wake(ledger.LaneArgs{Activity: job.Args.Activity, Lane: ledger.Logins})
	if job.Args.Migration == 0 {
		return nil
	}
	s, err := w.e.l.Look(ctx, job.Args.Migration)
	if err != nil {
		return err
	}
	w.e.changed(s)
	return nil
}

// lane is one turn of work.
type lane struct {
	e       *Engine
	job     *river.Job[ledger.LaneArgs]
	args    ledger.LaneArgs
	changed <-chan struct{}
	works   *shared
	ends    time.Time
	drain   func() // waits for what a turn left running; may be nil
}

// errEnded ends the work of a turn: its job is completed.
var errEnded = errors.New("the turn has ended")

// each goes round while there is something to do. A round does what is due, and returns how long nothing is.
func (ln *lane) each(ctx context.Context, round func(ctx context.Context, s *ledger.Snapshot) (time.Duration, error)) error {
	for ctx.Err() == nil {
		s, err := ln.e.l.Look(ctx, ln.args.Migration)
		if err != nil {
			ln.e.o.Log.Error("read a migration", "migration", ln.args.Migration, "error", err)
			ln.wait(ctx, ln.e.o.Backoff)
			continue
		}
		var rest time.Duration
		over := !ln.e.o.Clock.Now().Before(ln.ends)
		if ln.idle(s) || over {
			if ln.drain != nil {
				ln.drain()
			}
			err = ln.end(ctx, over)
		} else {
			rest, err = round(ctx, s)
		}
		switch {
		case errors.Is(err, errEnded):
			return nil
		case err != nil && ctx.Err() == nil:
			ln.e.check(err)
			ln.e.o.Log.Error("work on a migration", "database", s.Database, "lane", string(ln.args.Lane), "error", err)
			rest = ln.e.o.Backoff
		}
		if rest > 0 {
			ln.wait(ctx, rest)
		}
	}
	return context.Cause(ctx)
}

// idle: nothing is to be done in the lane.
func (ln *lane) idle(s *ledger.Snapshot) bool {
	if ln.args.Lane == ledger.Pause {
		return s.Migration.Deadline().IsZero()
	}
	return len(s.Due(ln.args.Lane)) == 0
}

// end completes the job if nothing is to be done in the lane, or if the next job is to go on (again): errEnded. It is nil when
// something has come up.
func (ln *lane) end(ctx context.Context, again bool) error {
	ended, err := ln.e.lease.EndTurn(ctx, ln.args, again, func(tx *sql.Tx) error {
		_, err := river.JobCompleteTx[ledger.Driver](ctx, tx, ln.job)
		return err
	})
	if ended {
		return errEnded
	}
	return err
}

// wait waits for a change of the migration, for d at most.
func (ln *lane) wait(ctx context.Context, d time.Duration) {
	c, stop := ln.e.o.Clock.After(d)
	defer stop()
	select {
	case <-c:
	case <-ln.changed:
	case <-ctx.Done():
	}
}

// limits are how long an effect may take before it is cut short and tried again; others 5 minutes. What grows with the
// database has a day.
var limits = map[flow.EffectKind]time.Duration{
	flow.Scan: 15 * time.Minute, flow.CopyBlock: 15 * time.Minute, flow.SealFile: 24 * time.Hour, flow.TakeTail: 24 * time.Hour,
	flow.ReopenSource: time.Hour, flow.CompleteRestore: time.Hour, flow.MapUsers: time.Hour, flow.Compare: 24 * time.Hour, flow.WriteReport: time.Hour,
	flow.DropTarget: time.Hour,
}

// do carries one effect out. errGone: it need not be done any more. There may be events beside an error.
func (ln *lane) do(ctx context.Context, s *ledger.Snapshot, x flow.Effect) ([]flow.Event, error) {
	works, err := ln.works.get(ctx, ln.e, s.ActivityID)
	if err != nil {
		return nil, err
	}
	limit, ok := limits[x.Kind]
	if !ok {
		limit = 5 * time.Minute
	}
	ctx, end := ln.e.jobs.begin(ctx, s.ID, x)
	defer end()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s took longer than %s", x, limit))
	defer cancel()
	o := Order{Activity: s.Activity, Database: s.Database, Effect: x, Migration: s.Migration}
	o.File, o.Set = s.Migration.Named(x)
	events, err := ln.call(ctx, works, o)
	switch cause := context.Cause(ctx); {
	case err != nil && errors.Is(cause, errGone):
		return nil, errGone
	case err != nil && cause != nil:
		err = fmt.Errorf("%w: %w", cause, err)
	case err == nil:
		dieAfter(x.Kind)
	}
	now := ln.e.o.Clock.Now()
	for i := range events {
		v := &events[i]
		if v.At.IsZero() {
			v.At = now
		}
		if v.Attempt == 0 {
			v.Attempt = x.Attempt
		}
		if v.File == "" && (v.Kind == flow.BlockStored || v.Kind == flow.FileSealed) {
			v.File, v.Version = x.File, x.Version
		}
	}
	return events, err
}

// call has Works carry an order out. A defect there is an error of this effect, and harms no other migration.
func (ln *lane) call(ctx context.Context, works Works, o Order) (events []flow.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			ln.e.o.Log.Error("a defect of the program", "effect", o.Effect.String(), "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("a defect of the program, see its log: %v", r)
		}
	}()
	return works.Do(ctx, o)
}

// worked stores what came of an effect, and that the troubles are over which it shows to be. done is the effect's key when it
// is not to be carried out again while it is outstanding, or "".
func (ln *lane) worked(ctx context.Context, s *ledger.Snapshot, x flow.Effect, events []flow.Event, done string) error {
	now := ln.e.o.Clock.Now()
	for _, place := range ln.e.fails.worked(s, x) {
		events = append([]flow.Event{{Kind: flow.Cleared, Where: place, At: now}}, events...)
	}
	if done == "" {
		if len(events) == 0 {
			return nil
		}
		return ln.e.batch.report(ctx, s.ID, events)
	}
	return ln.e.batch.report(ctx, s.ID, events, done)
}

// failed stores why an effect failed. It is tried again after the wait that is returned.
func (ln *lane) failed(ctx context.Context, s *ledger.Snapshot, x flow.Effect, err error) (time.Duration, error) {
	if ctx.Err() != nil || errors.Is(err, errGone) {
		return 0, nil
	}
	events, place := report(s.Migration, x, err)
	var shut *unopened
	if errors.As(err, &shut) && events[0].Kind == flow.Trouble {
		place = atActivity
		events[0].Where = place
	}
	wait, tell := ln.e.fails.failed(s, name(x), place, events[0].Text)
	ln.e.o.Log.Warn("an effect failed", "activity", s.Activity, "database", s.Database, "effect", x.String(), "error", err, "again", wait)
	if events[0].Kind == flow.Trouble && !tell {
		return wait, nil
	}
	events[0].At = ln.e.o.Clock.Now()
	return wait, ln.e.batch.report(ctx, s.ID, events)
}

// pause is a round of the lane that ends a pause that was too long.
func (ln *lane) pause(ctx context.Context, s *ledger.Snapshot) (time.Duration, error) {
	now := ln.e.o.Clock.Now()
	if left := s.Migration.Deadline().Sub(now); left > 0 {
		return min(left, ln.ends.Sub(now)), nil
	}
	return quick, ln.e.batch.report(ctx, s.ID, []flow.Event{{Kind: flow.PauseExpired, At: now}})
}
