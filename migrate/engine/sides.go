package engine

import (
	"context"
	"slices"
	"time"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// sides works on a migration's source, or on its target, one effect after another.
type sides struct {
	*lane
	next   map[flow.EffectKind]time.Time // of what repeats
	every  time.Duration                 // between two looks at the target
	marked mark
	logins int64 // how far the activity's logins were when they were compared
	calm   int   // comparisons of logins in a row that lacked nothing
}

// mark is what a look at the target may change: when it differs from the last look's, the next one comes soon.
type mark struct {
	state    flow.State
	fence    flow.Fence
	stored   int
	restored int
	target   flow.Target
}

func markOf(m *flow.Migration) mark {
	k := mark{state: m.State, fence: m.Cutover.Fence, target: m.Target}
	for i := range m.Files {
		switch m.Files[i].State {
		case flow.FileUploaded, flow.FileRestoring:
			k.stored++
		case flow.FileRestored:
			k.restored++
		}
	}
	return k
}

// round does the first effect that is due: what is done once goes before what repeats.
func (w *sides) round(ctx context.Context, s *ledger.Snapshot) (time.Duration, error) {
	if w.next == nil {
		w.next = map[flow.EffectKind]time.Time{}
	}
	if k := markOf(s.Migration); k != w.marked {
		w.marked, w.every = k, min(quick, w.e.o.FollowEvery)
		if soon := w.e.o.Clock.Now().Add(w.every); w.next[flow.FollowRestore].After(soon) {
			w.next[flow.FollowRestore] = soon
		}
	}
	if n := w.e.moved(s.ActivityID); n != w.logins {
		w.logins, w.calm = n, 0
		delete(w.next, flow.CompareLogins)
	}
	due := s.Due(w.args.Lane)
	slices.SortStableFunc(due, func(a, b flow.Effect) int { return rank(a) - rank(b) })
	now := w.e.o.Clock.Now()
	rest := w.ends.Sub(now)
	for _, x := range due {
		if x.Kind == flow.CompareLogins && paused(s.Migration) {
			continue
		}
		at := w.next[x.Kind]
		if f := w.e.fails.next(s.ID, name(x)); f.After(at) {
			at = f
		}
		if left := at.Sub(now); left > 0 {
			rest = min(rest, left)
			continue
		}
		return 0, w.carry(ctx, s, x)
	}
	return max(rest, time.Millisecond), nil
}

func rank(e flow.Effect) int {
	switch {
	case !e.Repeats:
		return 0
	case e.Kind == flow.FollowRestore:
		return 1
	}
	return 2
}

// carry carries one effect out.
func (w *sides) carry(ctx context.Context, s *ledger.Snapshot, x flow.Effect) error {
	done := ""
	if !x.Repeats {
		done = x.Key
		if _, ok, err := w.e.lease.Begin(ctx, s.ID, x.Key); err != nil || !ok {
			return err
		}
	}
	events, err := w.do(ctx, s, x)
	if err != nil {
		if len(events) > 0 && ctx.Err() == nil {
			if err := w.e.batch.report(ctx, s.ID, events); err != nil {
				return err
			}
		}
		_, err = w.failed(ctx, s, x, err)
		return err
	}
	if err := w.worked(ctx, s, x, events, done); err != nil {
		return err
	}
	now := w.e.o.Clock.Now()
	switch x.Kind {
	case flow.FollowRestore:
		w.next[x.Kind] = now.Add(w.every)
		w.every = min(w.every*3/2, w.most(s.Migration))
	case flow.CompareLogins:
		lacks := slices.ContainsFunc(events, func(e flow.Event) bool { return len(e.Missing) > 0 })
		if w.calm = min(w.calm+1, 4); lacks {
			w.calm = 1
		}
		w.next[x.Kind] = now.Add(w.e.o.LoginsEvery << (w.calm - 1))
	}
	return nil
}

// paused: the source is or will soon be closed, and nothing is learned of logins that has not been.
func paused(m *flow.Migration) bool {
	return m.State == flow.CutoverInProgress && m.LoginsSeen && len(m.MissingLogins) == 0
}

// most is the longest time between two looks at the target. In a cutover the source is closed.
func (w *sides) most(m *flow.Migration) time.Duration {
	if m.State == flow.CutoverInProgress || m.State == flow.CutoverInitiated {
		return min(time.Second, w.e.o.FollowEvery)
	}
	return w.e.o.FollowEvery
}
