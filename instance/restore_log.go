package instance

import (
	"context"
	"errors"
	"fmt"

	"linkspan/backup"
	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// waiting finds a database that a restore left waiting for more, and takes it for this statement alone. Errors: 3101,
// 3102, 3104, 3117, 3118.
func (t *restoring) waiting() (*Database, *restoreDoc, func(), error) {
	d, err := t.in.Find(t.r.database)
	if err != nil {
		return nil, nil, nil, sqlerr.New(3118, t.r.database)
	}
	doc := d.snapshot()
	if _, _, _, joined := t.in.hadr.Member(doc.Name); joined {
		return nil, nil, nil, sqlerr.New(3104, doc.Name)
	}
	if doc.Restore == nil || !doc.Restoring && !doc.Standby {
		return nil, nil, nil, sqlerr.New(3117)
	}
	open, err := d.seize(t.caller, t.r.verb)
	return d, doc.Restore, open, err
}

// storageOf opens the storage of a waiting database as a replica. It is its own when the database is in standby.
func (t *restoring) storageOf(ctx context.Context, d *Database) (*storage.DB, error) {
	d.mu.RLock()
	db, doc := d.db, d.doc
	d.mu.RUnlock()
	if db == nil {
		var err error
		if db, err = storage.Open(ctx, d.storageOptions(doc.Name, doc.Folder)); err != nil {
			return nil, sqlerr.New(3167, doc.Name).WithCause(err)
		}
	}
	if !db.IsReplica() { // a tail-log backup was recorded and no more
		if err := db.Demote(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

// applyLog restores a log backup.
func (t *restoring) applyLog(ctx context.Context) error {
	d, at, open, err := t.waiting()
	if err != nil {
		return err
	}
	defer open()
	last, err := lsnOf(at.LastLSN)
	if err != nil {
		return err
	}
	if at.Foreign != nil {
		return sqlerr.New(4330)
	}
	switch h := t.header; {
	case last.Less(h.FirstLSN):
		return sqlerr.New(4305, h.FirstLSN.Decimal(), last.Decimal())
	case h.LastLSN.Less(last) && h.RecoveryForkID != bak.GUID(at.Fork):
		return sqlerr.New(4330)
	case h.LastLSN.Less(last):
		return sqlerr.New(4326, h.LastLSN.Decimal(), last.Decimal())
	case !t.r.stopLSN.IsZero() && t.r.stopLSN.Less(last):
		return sqlerr.New(4335)
	}
	db, err := t.storageOf(ctx, d)
	if err != nil {
		return err
	}
	if s := db.Stats(); !t.r.stopAt.IsZero() && t.r.stopAt.Before(s.CommitTime) {
		return errors.Join(sqlerr.New(4335), t.putBack(d, db))
	}
	got, err := t.readLog(ctx, db)
	if err != nil {
		return errors.Join(err, t.putBack(d, db))
	}
	t.log = inPages(got.LogBytes)
	return t.advanced(ctx, d, db, got)
}

func (t *restoring) readLog(ctx context.Context, db *storage.DB) (*backup.Restored, error) {
	payload, err := t.payload()
	if err != nil {
		return nil, err
	}
	p := newProgress(t.in, t.caller, t.r.verb, t.r.stats, t.out)
	defer p.end()
	got, err := backup.RestoreLog(ctx, db, payload, backup.Stop{At: t.r.stopAt, LSN: t.r.stopLSN, Before: t.r.stopBefore})
	if errors.Is(err, storage.ErrGap) {
		return nil, sqlerr.New(4330).WithCause(err)
	}
	if err != nil {
		return nil, t.damaged(err)
	}
	return got, p.whole()
}

// putBack leaves a database as it waits: closed, or open in standby.
func (t *restoring) putBack(d *Database, db *storage.DB) error {
	if d.snapshot().Standby {
		return nil
	}
	return db.Close()
}

// advanced leaves the database as the statement asks, and remembers how far it is. When there was somewhere to stop and
// the backup ends before, the database goes on waiting (4322).
func (t *restoring) advanced(ctx context.Context, d *Database, db *storage.DB, got *backup.Restored) error {
	early := t.r.stops() && !got.Stopped && !t.r.norecovery && t.r.standby == ""
	if early {
		if err := t.out.Message(sqlerr.New(4322)); err != nil {
			return err
		}
		t.r.norecovery = true
	}
	if err := t.leave(ctx, d, db, got.At); err != nil {
		return err
	}
	return t.done(ctx)
}

// leave is settle for a database that is known already.
func (t *restoring) leave(ctx context.Context, d *Database, db *storage.DB, at lsn.LSN) error {
	step := &Database{in: t.in, doc: d.snapshot()}
	r := *step.doc.Restore
	r.LastLSN = at.Decimal()
	if t.header != nil {
		r.Fork = t.header.RecoveryForkID
	}
	step.doc.Restore = &r
	step.doc.Restoring, step.doc.Standby = true, false
	if t.r.standby != "" || !t.r.norecovery {
		step.doc.Restoring = false
	}
	step.adopt(db)
	if t.r.standby != "" {
		step.doc.Standby = true
	} else if !t.r.norecovery {
		if err := t.recoverInto(ctx, step, db); err != nil {
			return errors.Join(err, t.putBack(d, db))
		}
	}
	err := d.update(context.WithoutCancel(ctx), func(doc *databaseDoc) { *doc = step.doc })
	if err != nil {
		return errors.Join(err, t.putBack(d, db))
	}
	if step.doc.Restoring {
		return errors.Join(db.Close(), d.forget())
	}
	d.adopt(db)
	return nil
}

// forget drops a storage that was closed.
func (d *Database) forget() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db = nil
	return nil
}

// finish is RESTORE DATABASE without FROM: recovery, or standby, of what was restored so far.
func (t *restoring) finish(ctx context.Context) error {
	if t.r.kind != "DATABASE" || t.r.stops() {
		return sqlerr.New(3032, "stopat")
	}
	if d, err := t.in.Find(t.r.database); err == nil && d.State() == Online && d.snapshot().Restore == nil {
		return sqlerr.New(3153)
	}
	d, at, open, err := t.waiting()
	if err != nil {
		return err
	}
	defer open()
	if at.Foreign != nil {
		if t.r.norecovery || t.r.standby != "" {
			return nil
		}
		return t.finishForeign(ctx, d)
	}
	last, err := lsnOf(at.LastLSN)
	if err != nil {
		return err
	}
	db, err := t.storageOf(ctx, d)
	if err != nil {
		return err
	}
	if err := t.leave(ctx, d, db, last); err != nil {
		return err
	}
	return t.out.Message(t.in.processed(t.r.verb, 0, t.started))
}

// applyDifferential makes the database anew from what was restored and the pages of the differential, and puts it in its
// place at the end, so that a failure leaves the restore where it was.
func (t *restoring) applyDifferential(ctx context.Context) error {
	d, at, open, err := t.waiting()
	if err != nil {
		return err
	}
	defer open()
	if at.Foreign != nil || bak.GUID(at.Base) != t.header.DifferentialBaseGUID {
		return sqlerr.New(3136).WithCause(fmt.Errorf("the differential builds on backup set %s, the database began with %s", t.header.DifferentialBaseGUID, bak.GUID(at.Base)))
	}
	last, err := lsnOf(at.LastLSN)
	if err != nil {
		return err
	}
	if t.header.LastLSN.Less(last) {
		return sqlerr.New(4326, t.header.LastLSN.Decimal(), last.Decimal())
	}
	old, err := t.storageOf(ctx, d)
	if err != nil {
		return err
	}
	fresh, db, got, err := t.merge(ctx, d, old)
	if err != nil {
		return errors.Join(err, t.putBack(d, old))
	}
	t.pages, t.log = got.Pages, inPages(got.LogBytes)
	fresh.doc.Restore.LastLSN = got.At.Decimal()
	if err = t.settle(ctx, fresh, db); err == nil {
		err = t.swap(ctx, d, fresh)
	}
	if err != nil {
		err = errors.Join(err, fresh.close()) // before its files go: closing writes
		t.in.discardFolder(fresh.doc.Folder)
		return errors.Join(err, t.putBack(d, old))
	}
	if !d.snapshot().Standby {
		err = old.Close()
	}
	return errors.Join(err, t.done(ctx))
}

// merge writes the pages of the old storage and of the differential into a new folder.
func (t *restoring) merge(ctx context.Context, d *Database, old *storage.DB) (*Database, *storage.DB, *backup.Restored, error) {
	payload, err := t.payload()
	if err != nil {
		return nil, nil, nil, err
	}
	doc, err := t.newDoc(d)
	if err != nil {
		return nil, nil, nil, err
	}
	was := d.snapshot()
	r := *was.Restore
	doc.Restore, doc.Base, doc.FullBackup, doc.LastLogBackup = &r, was.Base, was.FullBackup, was.LastLogBackup
	fresh := &Database{in: t.in, doc: doc}
	p := newProgress(t.in, t.caller, t.r.verb, t.r.stats, t.out)
	defer p.end()
	db, got, err := backup.RestoreDifferential(ctx, fresh.storageOptions(doc.Name, doc.Folder), old, payload, p.report)
	if err != nil {
		t.in.discardFolder(doc.Folder)
		return nil, nil, nil, t.damaged(err)
	}
	return fresh, db, got, p.whole()
}
