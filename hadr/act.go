package hadr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/internal/startstop"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// acting runs what changes the database's role, one after the other, beside the loop; in the loop. done runs in the loop
// afterwards, whatever has become of the connection.
func (l *link) acting(f func(ctx context.Context) agcore.Event) {
	before, done := l.lastAct, make(chan struct{})
	l.lastAct = done
	l.group.Go(func(ctx context.Context) {
		defer close(done)
		if before != nil {
			select {
			case <-before:
			case <-ctx.Done():
				return
			}
		}
		if e := f(ctx); e.Kind != 0 {
			l.post(func() { l.step(e) })
		}
	})
}

// failed is the event of an action that did not come about.
func (l *link) failedAct(kind agcore.EventKind, what string, err error) agcore.Event {
	l.m.opts.Log.Error("a step of a failover failed", "link", l.name, "step", what, "error", err)
	return agcore.Event{Kind: kind, Fault: faultOf(sqlerr.From(fmt.Errorf("%s database %q: %w", what, l.database, err)))}
}

// done is the event of an action that came about: with how the database stands now.
func (l *link) doneAct(ctx context.Context, kind agcore.EventKind, db *storage.DB) agcore.Event {
	return agcore.Event{Kind: kind, Mine: l.standingOf(ctx, db)}
}

// fenceDB stops the writers for good with a FENCE; those that have a transaction open get a while to end it.
func (l *link) fenceDB(a agcore.Action) {
	record := a.Record
	l.acting(func(ctx context.Context) agcore.Event {
		db, release, err := l.open(ctx)
		if err != nil {
			return l.failedAct(agcore.FenceFailed, "fence", err)
		}
		defer release()
		record.Link, record.Time = l.id(), l.m.now()
		if err := l.fence(ctx, db, &record, a.By); err != nil {
			return l.failedAct(agcore.FenceFailed, "fence", err)
		}
		l.fencedAt.Store(l.m.now().UnixNano())
		return l.doneAct(ctx, agcore.FenceDone, db)
	})
}

// rollbackAfter is how long a failover waits for transactions that are open before they are rolled back.
const rollbackAfter = 5 * time.Second

func (l *link) fence(ctx context.Context, db *storage.DB, r *agcore.RoleRecord, by time.Time) error {
	left := FailoverTimeout
	if !by.IsZero() {
		left = max(0, by.Sub(l.m.now()))
	}
	late, stopLate := l.m.opts.Clock.After(left)
	defer stopLate()
	impatient, stopImpatient := l.m.opts.Clock.After(min(rollbackAfter, left/2))
	defer stopImpatient()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fenced := make(chan error, 1)
	work := startstop.New(ctx)
	defer work.Stop()
	work.Go(func(ctx context.Context) {
		_, err := db.Fence(ctx, agcore.ControlRole, r.Encode())
		fenced <- err
	})
	for {
		select {
		case err := <-fenced:
			return err
		case <-impatient:
			l.m.opts.Log.Warn("transactions are rolled back for a failover", "link", l.name, "database", l.database)
			l.m.opts.Databases.EndWriters(l.database)
			impatient = nil
		case <-late:
			cancel(sqlerr.New(47514, l.name, "the transactions that are open did not end in time"))
			late = nil
		}
	}
}

// openDB makes the database the primary of the record's epoch. What is done already is not done again.
func (l *link) openDB(record agcore.RoleRecord) {
	l.acting(func(ctx context.Context) agcore.Event {
		db, release, err := l.open(ctx)
		if err != nil {
			return l.failedAct(agcore.OpenFailed, "open", err)
		}
		defer release()
		record.Link, record.Time = l.id(), l.m.now()
		if err := l.lead(ctx, db, &record); err != nil {
			return l.failedAct(agcore.OpenFailed, "open", err)
		}
		l.paused()
		return l.doneAct(ctx, agcore.OpenDone, db)
	})
}

func (l *link) lead(ctx context.Context, db *storage.DB, r *agcore.RoleRecord) error {
	last, at := lastRole(db.Controls(), r.Link)
	if !db.IsReplica() && last.Kind == agcore.RoleOpen && last.Epoch >= r.Epoch {
		return db.WaitDurable(ctx, at.LSN)
	}
	history := (&agcore.Standing{Last: last}).History()
	end := db.Appended()
	if db.IsReplica() || l.snap.Load().state.HoldAfter.IsZero() {
		l.keep(end) // the other side has all up to here, which a primary cannot know of its copy
	}
	if db.IsReplica() {
		if err := db.Promote(ctx, r.Epoch); err != nil {
			return err
		}
	} else if db.Epoch() < r.Epoch {
		if err := db.SetEpoch(ctx, r.Epoch); err != nil {
			return err
		}
	}
	r.History = history.Add(r.Epoch, end)
	l.m.opts.Databases.Opening(l.database)
	opened, err := db.AppendControl(ctx, agcore.ControlRole, r.Encode())
	if err != nil {
		return err
	}
	return db.WaitDurable(ctx, opened)
}

// keep holds the log after the LSN for the other side; the state that is stored next says so too.
func (l *link) keep(after lsn.LSN) {
	if g := l.m.group(l.name); g != nil {
		l.m.hold(g, after)
	}
	l.post(func() { l.core.Update(func(s *agcore.LinkState) { s.HoldAfter = after }) })
}

// demoteDB makes the database a copy.
func (l *link) demoteDB() {
	l.acting(func(ctx context.Context) agcore.Event {
		db, release, err := l.open(ctx)
		if err != nil {
			return l.failedAct(agcore.DemoteFailed, "demote", err)
		}
		defer release()
		if !db.IsReplica() {
			if err := db.Demote(ctx); err != nil {
				return l.failedAct(agcore.DemoteFailed, "demote", err)
			}
		}
		l.paused()
		return l.doneAct(ctx, agcore.DemoteDone, db)
	})
}

// refuseWriters tells those who want to write why they cannot, or has them wait.
func (l *link) refuseWriters(f agcore.Fault) {
	var why error
	if f.Number != 0 {
		why = errorOf(f)
	}
	l.acting(func(ctx context.Context) agcore.Event {
		db, release, err := l.open(ctx)
		if err != nil {
			return agcore.Event{}
		}
		defer release()
		db.Refuse(why)
		if db.IsReplica() {
			return agcore.Event{}
		}
		if err := l.checkFence(ctx, db); err != nil {
			l.m.opts.Log.Error("the fence of a database cannot be checked", "link", l.name, "error", err)
		}
		return agcore.Event{}
	})
}

// checkFence is storage's, which waits for the transaction that is open: one that does not end is rolled back and its
// session ended.
func (l *link) checkFence(ctx context.Context, db *storage.DB) error {
	impatient, stop := l.m.opts.Clock.After(rollbackAfter)
	defer stop()
	checked := make(chan error, 1)
	work := startstop.New(ctx)
	defer work.Stop()
	work.Go(func(ctx context.Context) { checked <- db.CheckFence(ctx) })
	for {
		select {
		case err := <-checked:
			return err
		case <-impatient:
			l.m.opts.Log.Warn("transactions are rolled back: the database takes no writers any more", "link", l.name, "database", l.database)
			l.m.opts.Databases.EndWriters(l.database)
			impatient = nil
		}
	}
}

// rewindDB takes the log back to the LSN.
func (l *link) rewindDB(to lsn.LSN) {
	l.acting(func(ctx context.Context) agcore.Event {
		db, release, err := l.open(ctx)
		if err != nil {
			return l.failedAct(agcore.RewindFailed, "rewind", err)
		}
		defer release()
		if err := db.Rewind(ctx, to); err != nil {
			e := l.failedAct(agcore.RewindFailed, "rewind", err)
			e.Final = errors.Is(err, storage.ErrLogGone)
			return e
		}
		l.m.opts.Databases.Opening(l.database) // counters may be ahead of the rows now
		return l.doneAct(ctx, agcore.RewindDone, db)
	})
}

// id is the link's id.
func (l *link) id() agcore.ID {
	if g := l.m.group(l.name); g != nil {
		return g.ID
	}
	return agcore.ID{}
}
