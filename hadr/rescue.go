package hadr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/seeding"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// rescueDB writes what the database has after the LSN, and the other side has not, to a file; in the loop.
func (l *link) rescueDB(fork lsn.LSN) {
	state, s := l.core.State(), l.session
	l.acting(func(ctx context.Context) agcore.Event {
		db, release, err := l.open(ctx)
		if err != nil {
			return l.failedAct(agcore.RescueFailed, "rescue rows of", err)
		}
		defer release()
		loss, err := l.rescue(ctx, db, s, fork, state)
		if err != nil {
			return l.failedAct(agcore.RescueFailed, "rescue rows of", err)
		}
		return agcore.Event{Kind: agcore.RescueDone, Loss: loss, Final: !loss.Beside.IsZero()}
	})
}

// endOf is the end of the log of a primary that was outlived, once nothing can come after it: all that is acknowledged is
// before.
func (l *link) endOf(ctx context.Context, db *storage.DB) (lsn.LSN, error) {
	if !db.IsReplica() && !db.IsFenced() {
		if err := l.checkFence(ctx, db); err != nil {
			return lsn.Zero, err
		}
		if !db.IsFenced() {
			return lsn.Zero, errWriters
		}
	}
	tail := db.Appended()
	return tail, db.WaitDurable(ctx, tail)
}

var errWriters = errors.New("it takes writers")

// rescue compares the tail with the fork, or, where the log here does not give that back, with the other side as it is now.
func (l *link) rescue(ctx context.Context, db *storage.DB, s *endpoint.Session, fork lsn.LSN, state agcore.LinkState) (*agcore.Loss, error) {
	tail, err := l.endOf(ctx, db)
	if err != nil {
		return nil, err
	}
	loss := &agcore.Loss{At: l.m.now(), Epoch: state.Outdated, Measured: true, Fork: fork, Tail: tail, End: tail}
	if l.m.opts.Rescue == nil {
		loss.Partial = true
		return loss, nil
	}
	o := RescueOrder{Server: l.m.opts.ServerName, Link: l.name, Database: l.database, Fork: fork, Tail: tail, TailEpoch: db.Epoch(), OpenedEpoch: state.Outdated}
	r, err := l.m.opts.Rescue(ctx, db, o)
	if forkIsGone(err) {
		l.m.opts.Log.Warn("the log does not give the fork back; the tail is compared with the other side", "link", l.name, "fork", fork, "error", err)
		r, err = l.rescueBeside(ctx, db, s, &o)
		loss.Beside = o.OtherAt
	}
	if err != nil {
		return nil, err
	}
	loss.File, loss.Rows, loss.Tables, loss.Partial = r.File, r.Rows, r.Tables, r.Partial
	return loss, nil
}

// forkIsGone reports whether the log cannot give a version back, now or later: it was removed, or it is damaged.
func forkIsGone(err error) bool {
	return errors.Is(err, storage.ErrLogGone) || errors.Is(err, storage.ErrGap) || errors.Is(err, storage.ErrDamaged)
}

// rescueBeside has the file written from the other side's version as it is now: the pages in which it differs are brought
// and kept aside, and nothing here is touched. It notes the version in the order.
func (l *link) rescueBeside(ctx context.Context, db *storage.DB, s *endpoint.Session, o *RescueOrder) (r Rescued, err error) {
	if s == nil {
		return r, sqlerr.New(35250)
	}
	c, err := db.Compare(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	v, err := l.fetchVersion(ctx, c, s)
	if err == nil && v.Epoch < o.OpenedEpoch {
		err = fmt.Errorf("the other side's version %s is of epoch %d, before %d", v.LSN, v.Epoch, o.OpenedEpoch)
	}
	if err != nil {
		return r, fmt.Errorf("compare with the other side, because the log does not reach back to %s: %w", o.Fork, err)
	}
	conn, err := c.Reader(ctx, v)
	if err != nil {
		return r, err
	}
	defer conn.Release()
	l.m.opts.Log.Info("pages of the other side's version are here, to be compared by row", "link", l.name, "lsn", v.LSN, "pages", c.Brought())
	o.Other, o.OtherAt = conn, v.LSN
	return l.m.opts.Rescue(ctx, db, *o)
}

// versions is how often a version of the other side is begun: one that is held for long may be given up there.
const versions = 6

// fetchVersion brings the other side's present version.
func (l *link) fetchVersion(ctx context.Context, c *storage.Comparison, s *endpoint.Session) (v storage.VersionInfo, err error) {
	for n := range versions {
		if n > 0 {
			l.m.opts.Log.Info("comparing with the other side begins anew", "link", l.name, "error", err)
			pause, stop := l.m.opts.Clock.After(time.Second)
			select {
			case <-pause:
			case <-ctx.Done():
			}
			stop()
			if err := c.Again(); err != nil {
				return v, err
			}
		}
		if v, err = l.tryVersion(ctx, c, s); err == nil || ctx.Err() != nil || s.Ended() {
			break
		}
	}
	return v, err
}

func (l *link) tryVersion(ctx context.Context, c *storage.Comparison, s *endpoint.Session) (storage.VersionInfo, error) {
	stream, err := s.Open()
	if err != nil {
		return storage.VersionInfo{}, err
	}
	defer tied(ctx, stream)()
	return seeding.FetchVersion(ctx, c, stream, storage.Identity(l.origin()))
}
