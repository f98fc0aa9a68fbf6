package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// watch reads the source's files again and again.
type watch struct {
	*lane
	last    time.Time // of the last scan's end
	next    time.Time // of the next scan
	seen    []flow.Seen
	version int64 // of the migration after seen was stored; 0 for none
	busy    int   // scans that are done quickly
}

// busyScans is how many scans are done quickly after something came.
const busyScans = 20

// round scans when it is time to.
func (w *watch) round(ctx context.Context, s *ledger.Snapshot) (time.Duration, error) {
	clk := w.e.o.Clock
	x := s.Due(ledger.Watch)[0]
	at := w.next
	if soon := w.last.Add(quick); s.Migration.State == flow.CutoverInProgress && at.After(soon) {
		at = soon // the tail is waited for
	}
	if f := w.e.fails.next(s.ID, name(x)); f.After(at) {
		at = f
	}
	if rest := at.Sub(clk.Now()); rest > 0 {
		return rest, nil
	}
	select {
	case w.e.scans <- struct{}{}:
	case <-ctx.Done():
		return 0, nil
	}
	begun := clk.Now()
	events, err := w.do(ctx, s, x)
	<-w.e.scans
	took := clk.Now().Sub(begun)
	if err != nil {
		_, err = w.failed(ctx, s, x, err)
		return 0, err
	}
	w.last = clk.Now()
	w.next = w.last.Add(w.interval(cmp.Or(s.Migration.Options.ScanEvery, w.e.o.ScanEvery), events, took))
	if w.same(s, events) && len(s.Migration.Troubles) == 0 {
		return 0, nil
	}
	if err := w.worked(ctx, s, x, events, ""); err != nil {
		return 0, err
	}
	now, err := w.e.l.Look(ctx, s.ID)
	if err != nil {
		return 0, err
	}
	w.version = now.Version
	return 0, nil
}

// interval is the time to the next scan, every at most. A scan that takes little is done often; none is done for more than
// half of the time.
func (w *watch) interval(every time.Duration, events []flow.Event, took time.Duration) time.Duration {
	for _, e := range events {
		if e.Kind != flow.Scanned {
			continue
		}
		growing := slices.ContainsFunc(e.Files, func(f flow.Seen) bool { return f.Growing })
		if w.busy--; growing || !slices.EqualFunc(e.Files, w.seen, equal) {
			w.busy = busyScans
		}
	}
	wait := max(min(every, max(every/4, 10*took)), took)
	if w.busy > 0 {
		return max(min(quick, wait), took)
	}
	return wait
}

// same reports whether a scan found what the one before did, and nothing changed the migration since that was stored.
func (w *watch) same(s *ledger.Snapshot, events []flow.Event) bool {
	if len(events) != 1 || events[0].Kind != flow.Scanned {
		return false
	}
	same := w.version == s.Version && slices.EqualFunc(events[0].Files, w.seen, equal)
	w.seen = events[0].Files
	return same
}

func equal(a, b flow.Seen) bool {
	return a.Name == b.Name && a.Version == b.Version && a.Size == b.Size && a.Growing == b.Growing && a.Problem == b.Problem &&
		a.Sequence == b.Sequence && a.Stripes == b.Stripes && slices.Equal(a.Sets, b.Sets)
}
