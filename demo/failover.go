package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/link/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// How the load runs while the roles change: some writers, and as long before, between and after the failovers.
const (
	turnWriters = 4
	turnRate    = 100 // a second, each
	turnRest    = 700 * time.Millisecond
	// turnFirst is the first key of the first writer; each has turnKeys of them.
	turnFirst = 1_000_000
	turnKeys  = 1_000_000
	// giveUp is how long a writer tries both sides before it says that none takes its row.
	giveUp = 15 * time.Second
)

// ack is one row that a side acknowledged.
type ack struct {
	id int
	at time.Time
	to int // 0 the source, 1 the target
}

// writer inserts rows, each in a transaction of its own, and looks for the side that takes them.
type writer struct {
	sides [2]*sqlclient.Client
	first int
	acked []ack
}

const (
	errDuplicate = 2627
	tryAgain     = time.Millisecond
)

// run writes until stop. A row that was refused is tried again, on the other side: on the old primary it is not there. One
// whose outcome is not known is tried on both, where a duplicate says that it was committed.
func (w *writer) run(ctx context.Context, stop *atomic.Bool) error {
	next := clock.System.Now()
	for id := w.first; !stop.Load(); id++ {
		if err := sleepUntil(ctx, next); err != nil {
			return err
		}
		next = next.Add(time.Second / turnRate)
		if err := w.insert(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) insert(ctx context.Context, id int) error {
	to := 0
	if n := len(w.acked); n > 0 {
		to = w.acked[n-1].to
	}
	const insert = "INSERT INTO " + table + " (Id, Quantity, Note, Price) VALUES (@p1, @p2, @p3, @p4)"
	for began := clock.System.Now(); ; to = 1 - to {
		_, err := w.sides[to].Query(ctx, insert, int64(id), id%97, "written while the roles changed", float64(id)/4)
		if err == nil || sqlerr.Number(err) == errDuplicate {
			w.acked = append(w.acked, ack{id, clock.System.Now(), to})
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if now := clock.System.Now(); now.Sub(began) > giveUp {
			return fmt.Errorf("insert row %d: no side took it within %v: %w", id, giveUp, err)
		}
		if err := sleepUntil(ctx, clock.System.Now().Add(tryAgain)); err != nil {
			return err
		}
	}
}

// failover changes the roles there and back while writers run, and counts the rows.
func (t *tour) failover(ctx context.Context) error {
	spec, secrets, err := t.linkSpec()
	if err != nil {
		return err
	}
	s, err := link.OpenLater(spec, secrets, fsx.OS{}, link.Options{Poll: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // only spoken to
	writers, err := t.writers(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for _, w := range writers {
		wg.Go(func() {
			if err := w.run(ctx, &stop); err != nil {
				cancel(err)
			}
		})
	}
	reports, err := turns(ctx, s)
	stop.Store(true)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	for _, w := range writers {
		err = errors.Join(err, w.sides[0].Close(), w.sides[1].Close())
	}
	if err != nil {
		return err
	}
	t.tellPauses(writers, reports)
	return t.countRows(ctx, writers)
}

// turns fails over to the target and back, with a rest around each.
func turns(ctx context.Context, s *link.Session) ([]link.FailoverReport, error) {
	var out []link.FailoverReport
	for _, to := range []flow.Side{flow.TargetSide, flow.SourceSide} {
		if err := sleepUntil(ctx, clock.System.Now().Add(turnRest)); err != nil {
			return out, err
		}
		all, err := s.FailoverAll(ctx, link.FailoverOptions{To: to})
		if err != nil {
			return out, err
		}
		out = append(out, all...)
	}
	return out, sleepUntil(ctx, clock.System.Now().Add(turnRest))
}

// writers logs each writer in to both sides.
func (t *tour) writers(ctx context.Context) ([]*writer, error) {
	var out []*writer
	for i := range turnWriters {
		w := &writer{first: turnFirst + i*turnKeys}
		var err error
		if w.sides[0], err = t.connect(ctx, t.ready.Source, database); err != nil {
			return nil, err
		}
		if w.sides[1], err = t.connect(ctx, t.ready.Target, database); err != nil {
			return nil, errors.Join(err, w.sides[0].Close())
		}
		out = append(out, w)
	}
	return out, nil
}

// tellPauses tells of each change how long no row was acknowledged: from the last one on the old side to the first one on
// the new side, of all writers together.
func (t *tour) tellPauses(writers []*writer, reports []link.FailoverReport) {
	for n, r := range reports {
		var last, first time.Time
		for _, w := range writers {
			turn := 0
			for i := 1; i < len(w.acked); i++ {
				if w.acked[i].to == w.acked[i-1].to {
					continue
				}
				if turn == n {
					if a := w.acked[i-1].at; a.After(last) {
						last = a
					}
					if a := w.acked[i].at; first.IsZero() || a.Before(first) {
						first = a
					}
				}
				turn++
			}
		}
		t.tell("%s failover to the %s: write pause %s from the last acknowledgement on the old side to the first on the new; no writer was let in for %s", r.Kind, r.To,
			round(max(0, first.Sub(last))), round(time.Duration(r.PauseMs*float64(time.Millisecond))))
	}
}

// countRows looks for every acknowledged row, by key, on both sides, and compares the digests.
func (t *tour) countRows(ctx context.Context, writers []*writer) error {
	s, c, err := compare(ctx, t.source, t.target, database)
	if err != nil {
		return err
	}
	acked := 0
	for _, w := range writers {
		acked += len(w.acked)
	}
	for _, side := range []struct {
		name   string
		client *sqlclient.Client
	}{{t.ready.Source.Name, t.source}, {t.ready.Target.Name, t.target}} {
		r, err := side.client.Query(ctx, "SELECT Id FROM "+table+" WHERE Id >= @p1", int64(turnFirst))
		if err != nil {
			return err
		}
		there := make(map[int64]bool)
		for _, row := range r.First().Rows {
			id, _ := row[0].(int64)
			there[id] = true
		}
		missing := 0
		for _, w := range writers {
			for _, a := range w.acked {
				if !there[int64(a.id)] {
					missing++
				}
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d acknowledged rows are missing on %s", missing, acked, side.name)
		}
		t.tell("%-10s  %d rows acknowledged by key, %d there, 0 missing", side.name, acked, len(there))
	}
	if s.digest != c.digest {
		return fmt.Errorf("the digests differ at LSN %s: %s and %s", s.lsn, s.digest, c.digest)
	}
	t.tell("both sides at LSN %s with digest %s: no acknowledged row is missing", s.lsn, s.digest)
	return nil
}
