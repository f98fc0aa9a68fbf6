package engine

import (
	"context"
	"errors"
	"time"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// logins moves the logins of one activity, one stage of one login after another. One that fails holds up no other.
type logins struct {
	*lane
	next   time.Time // of the next listing
	failed int       // listings in a row
	told   string    // why the last one failed
	waits  map[string]*failure
}

// run goes round while a database has not ended, or a login is under way.
func (w *logins) run(ctx context.Context) error {
	for ctx.Err() == nil {
		now := w.e.o.Clock.Now()
		err := w.end(ctx, !now.Before(w.ends))
		if err == nil {
			err = w.round(ctx)
		}
		if errors.Is(err, errEnded) {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			w.e.check(err)
			w.e.o.Log.Error("move logins", "activity", w.args.Activity, "error", err)
		}
		w.wait(ctx, min(w.e.o.LoginsEvery, 5*time.Second))
	}
	return context.Cause(ctx)
}

// round lists the logins now and then, and does what is due.
func (w *logins) round(ctx context.Context) error {
	_, _, over, err := w.e.l.LoginsOf(ctx, w.args.Activity)
	if err != nil {
		return err
	}
	if over {
		return w.stop(ctx)
	}
	if !w.e.o.Clock.Now().Before(w.next) {
		if err := w.list(ctx); err != nil {
			return err
		}
	}
	known, open, _, err := w.e.l.LoginsOf(ctx, w.args.Activity)
	for i := 0; err == nil && i < len(known); i++ {
		err = w.move(ctx, known[i], open)
	}
	return err
}

// stop ends what will not be needed: every database was cancelled.
func (w *logins) stop(ctx context.Context) error {
	known, _, _, err := w.e.l.LoginsOf(ctx, w.args.Activity)
	if err != nil {
		return err
	}
	var changes []ledger.LoginChange
	for _, l := range known {
		changes = append(changes, ledger.LoginChange{Name: l.Name, Events: []flow.LoginEvent{{Kind: flow.LoginStop}}})
	}
	return w.e.lease.ReportLogins(ctx, w.args.Activity, changes)
}

// list takes in logins that were not known, and those that were skipped for a reason that is gone.
func (w *logins) list(ctx context.Context) error {
	works, err := w.works.get(ctx, w.e, w.args.Activity)
	var found []Found
	if err == nil {
		found, err = works.Logins(ctx)
	}
	now := w.e.o.Clock.Now()
	if err != nil {
		w.next = now.Add(min(w.e.o.Backoff<<min(w.failed, 20), w.e.o.MaxBackoff))
		w.failed++
		return w.tell(ctx, err)
	}
	w.next, w.failed, w.told = now.Add(4*w.e.o.LoginsEvery), 0, ""
	var changes []ledger.LoginChange
	known, _, _, err := w.e.l.LoginsOf(ctx, w.args.Activity)
	if err != nil {
		return err
	}
	has := map[string]flow.Login{}
	for _, l := range known {
		has[l.Name] = l
	}
	for _, f := range found {
		old, ok := has[f.Name]
		if needed := old.State == flow.LoginSkipped && !old.Windows && f.Skip == ""; ok && !needed {
			continue
		}
		e := flow.LoginEvent{Kind: flow.LoginStart}
		if f.Skip != "" {
			e = flow.LoginEvent{Kind: flow.LoginSkip, Text: f.Skip}
		}
		changes = append(changes, ledger.LoginChange{Name: f.Name, Windows: f.Windows, Events: []flow.LoginEvent{e}})
	}
	if len(changes) == 0 {
		return nil
	}
	return w.e.lease.ReportLogins(ctx, w.args.Activity, changes)
}

// tell puts into the timeline, once, why the logins cannot be listed.
func (w *logins) tell(ctx context.Context, cause error) error {
	if ctx.Err() != nil || w.told == cause.Error() {
		return nil
	}
	w.told = cause.Error()
	w.e.o.Log.Warn("list the logins", "activity", w.args.Activity, "error", cause)
	a, err := w.e.l.ActivityOf(ctx, w.args.Activity)
	if err != nil {
		return err
	}
	return w.e.l.Record(ctx, a.Name, "", string(flow.Trouble), "the logins cannot be listed: "+w.told, "")
}

// move carries out every stage of a login that is due.
func (w *logins) move(ctx context.Context, l flow.Login, open bool) error {
	for ctx.Err() == nil {
		stage, due := l.Due(open)
		wait := w.waits[l.Name]
		if !due || wait != nil && w.e.o.Clock.Now().Before(wait.next) {
			return nil
		}
		works, err := w.works.get(ctx, w.e, w.args.Activity)
		var warning string
		if err == nil {
			warning, err = works.Login(ctx, l.Name, stage)
		}
		if ctx.Err() != nil {
			return nil
		}
		ch := ledger.LoginChange{Name: l.Name}
		var halt *flow.Halt
		switch {
		case errors.As(err, &halt):
			ch.Events = []flow.LoginEvent{{Kind: flow.StageFailed, Stage: stage, Text: halt.Error()}}
		case err != nil:
			ch.Trouble = err.Error()
		default:
			ch.Events = []flow.LoginEvent{{Kind: flow.StageDone, Stage: stage, Text: warning}}
		}
		if err := w.e.lease.ReportLogins(ctx, w.args.Activity, []ledger.LoginChange{ch}); err != nil {
			return err
		}
		if ch.Trouble != "" {
			w.later(l.Name, wait)
			return nil
		}
		delete(w.waits, l.Name)
		w.e.move(w.args.Activity)
		for _, e := range ch.Events {
			l.Step(e)
		}
	}
	return nil
}

// later has a login wait before it is tried again.
func (w *logins) later(name string, wait *failure) {
	if wait == nil {
		wait = &failure{}
		w.waits[name] = wait
	}
	wait.next = w.e.o.Clock.Now().Add(min(w.e.o.Backoff<<min(wait.attempts, 20), w.e.o.MaxBackoff))
	wait.attempts++
}

// moved counts the stages of an activity's logins that this engine carried out; move counts one more.
func (e *Engine) moved(activity int64) int64 {
	e.movedMu.Lock()
	defer e.movedMu.Unlock()
	return e.movedBy[activity]
}

func (e *Engine) move(activity int64) {
	e.movedMu.Lock()
	defer e.movedMu.Unlock()
	e.movedBy[activity]++
}
