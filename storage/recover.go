package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// Open opens a database: a primary or a replica, as it was. It recovers what a crash left: a torn tail of the log is
// cut; anything else that is not as it was hardened yields ErrDamaged.
func Open(ctx context.Context, o Options) (*DB, error) {
	o = o.withDefaults()
	db, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", o.Name, err)
	}
	return db, nil
}

func open(ctx context.Context, o Options) (*DB, error) {
	db, err := openFiles(o)
	if err != nil {
		return nil, err
	}
	if db.meta.cur.role == roleSeeding {
		return nil, errors.Join(errors.New("its seeding was not finished: continue it, or drop it"), db.closeFiles())
	}
	if err := db.recover(ctx); err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	if db.askFence() && !db.replica.Load() {
		<-db.turn
		db.fence.set(true)
	}
	if err := db.start(); err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	return db, nil
}

// openFiles takes the lock and opens what lies in the directory, all but the log.
func openFiles(o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if _, err := o.FS.Stat(filepath.Join(o.Dir, metaName)); err != nil {
		return nil, err // before the lock file is made
	}
	db, err := newDB(o)
	if err != nil {
		return nil, err
	}
	if db.meta, err = openMeta(o.FS, o.Dir); err == nil {
		if db.base, err = openBase(o.FS, o.Dir, false); err == nil {
			db.share()
			db.dw, err = openDoubleWrite(o.FS, o.Dir, false)
		}
	}
	if err == nil {
		err = db.clearTemp()
	}
	if err != nil {
		return nil, errors.Join(err, db.closeFiles())
	}
	db.wal.id = db.meta.cur.id
	db.wal.grow(db.meta.cur.pages)
	return db, nil
}

// clearTemp removes the temporary files a crash left.
func (db *DB) clearTemp() error {
	list, err := db.o.FS.ReadDir(db.tempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		err = errors.Join(err, db.o.FS.Remove(filepath.Join(db.tempDir(), e.Name())))
	}
	return err
}

// recover brings the database to the last whole commit in its log.
func (db *DB) recover(ctx context.Context) error {
	m, err := db.dw.redo(db.base, db.meta.cur)
	if err != nil {
		return fmt.Errorf("redo the last checkpoint: %w", err)
	}
	db.meta.cur = m // what the base file is now; the next checkpoint commits it
	db.base.digest = m.digest
	if err := db.finishRewind(); err != nil {
		return fmt.Errorf("finish the rewind to %s: %w", m.rewind, err)
	}
	v, tail, err := db.reload(ctx)
	if err != nil {
		return err
	}
	db.marks.init(v, max(db.meta.cur.epoch, v.Epoch))
	if tail.torn != "" {
		db.log.Warn("a torn end of the log was cut", "database", db.o.Name, "segment", tail.end.VLF, "offset", tail.end.Offset, "reason", tail.torn)
	}
	return db.continueLog(tail)
}

// reload makes the newest version from the base file, whose state is in place, and the log.
func (db *DB) reload(ctx context.Context) (*logvfs.Version, *logTail, error) {
	m := db.meta.state()
	db.replica.Store(m.role == roleReplica)
	db.ckptAt.Store(&m.at)
	db.base.pages.Store(m.pages)
	db.loadControls(m.controls)
	tail, err := findTail(db.o.FS, db.o.Dir, m, readMark(db.o.FS, db.o.Dir))
	if err != nil {
		return nil, nil, err
	}
	if tail.last.Less(m.until) {
		return nil, nil, fmt.Errorf("%w: the log ends at %s, but the base file has pages up to %s", ErrDamaged, tail.last, m.until)
	}
	from := &logvfs.Version{LSN: m.at, End: m.end, Epoch: m.epoch, Time: m.time, Pages: m.pages, Digest: m.digest}
	from.WithPages(logvfs.NewBuilder(nil).Version(&logvfs.Version{}))
	v, err := db.replay(ctx, from, tail)
	return v, tail, err
}

// replay applies the log after from up to the tail.
func (db *DB) replay(ctx context.Context, from *logvfs.Version, tail *logTail) (*logvfs.Version, error) {
	v, a := from, newApplier(db.base, from, db.meta.state().until)
	var pending int64
	began := db.o.Clock.Now()
	err := tail.each(db.o.FS, db.o.Dir, from, func(h *pagelog.Header, body []byte, end logvfs.Position) error {
		if err := a.record(h, body); err != nil {
			return err
		}
		if h.Kind == pagelog.KindControl {
			if err := db.replayControl(h, body); err != nil {
				return err
			}
		}
		pending += int64(h.Length)
		few := pending < replayBatch && int64(len(a.touched))*PageSize < min(db.o.DirtyBytes/4, replayBatch)
		if a.open || (few && h.LSN != tail.last) {
			return ctx.Err()
		}
		pending = 0
		next, err := a.version(end)
		if err != nil {
			return err
		}
		v = next
		if int64(v.Dirty())*PageSize >= db.o.DirtyBytes {
			return db.replayCheckpoint(&a, v)
		}
		return nil
	})
	db.recovered(tail.given, tail.bytes, int64(v.Dirty()), db.o.Clock.Now().Sub(began))
	return v, err
}

// replayBatch is how much log is replayed, and how many bytes of pages are changed by it, between two looks at the
// digest: pages that are changed again and again are hashed once for each.
const replayBatch = 256 << 20

func (db *DB) replayCheckpoint(a **applier, v *logvfs.Version) error {
	if err := db.checkpoint(v, v.LSN); err != nil {
		return err
	}
	v.Forget()
	*a = newApplier(db.base, v, (*a).until)
	return nil
}

func (db *DB) replayControl(h *pagelog.Header, body []byte) error {
	kind, payload, err := pagelog.ParseControl(body)
	if err != nil {
		return fmt.Errorf("%w: record %s: %w", ErrDamaged, h.LSN, err)
	}
	return db.keepControl(Control{LSN: h.LSN, Epoch: h.Epoch, Kind: kind, Payload: payload}, false)
}

// continueLog cuts the torn tail and gives the log its place to append to: on a primary a new segment, on a replica
// where it ended.
func (db *DB) continueLog(tail *logTail) error {
	if tail.last.Less(tail.mark) { // before it is cut: what the mark names would be missed, were we killed in between
		if err := errors.Join(db.wal.mark.write(tail.last), db.wal.mark.f.Sync()); err != nil {
			return fmt.Errorf("write %s: %w", markName, err)
		}
	}
	for _, vlf := range tail.empty {
		if err := db.o.FS.Remove(db.wal.path(vlf)); err != nil {
			return fmt.Errorf("remove the unfinished log segment %d: %w", vlf, err)
		}
	}
	if len(tail.empty) > 0 {
		if err := db.o.FS.SyncDir(db.o.Dir); err != nil {
			return err
		}
	}
	f, err := db.o.FS.OpenRW(db.wal.path(tail.end.VLF))
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l := db.wal
	l.adopt(tail, f, size)
	if err := f.Truncate(l.off); err != nil { // whatever follows must never be taken for records
		return fmt.Errorf("cut log segment %d at %d: %w", l.vlf, l.off, err)
	}
	used := l.segs[len(l.segs)-1].start < l.off
	if db.replica.Load() || !used {
		if err := f.Preallocate(l.size); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	if db.replica.Load() || !used {
		return nil
	}
	return l.next(l.vlf+1, pagelog.SegmentHeaderSize, 0)
}
