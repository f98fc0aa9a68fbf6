package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

const lockName = "lock"

// Create makes a new, empty database (a primary, epoch 1) in o.Dir, which must be absent or empty, and opens it.
func Create(ctx context.Context, o Options) (*DB, error) {
	var id Identity
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("create database %s: %w", o.Name, err)
	}
	db, err := create(ctx, o, id)
	if err != nil {
		return nil, fmt.Errorf("create database %s: %w", o.Name, err)
	}
	return db, nil
}

func create(ctx context.Context, o Options, id Identity) (*DB, error) {
	m := meta{id: id, role: rolePrimary, epoch: 1}
	db, err := createFiles(o, m)
	if err != nil {
		return nil, err
	}
	v := &logvfs.Version{Epoch: 1}
	v.WithPages(logvfs.NewBuilder(nil).Version(&logvfs.Version{}))
	db.marks.init(v, 1)
	if err := db.wal.next(1, pagelog.SegmentHeaderSize, 0); err != nil {
		return nil, errors.Join(err, db.closeFiles())
	}
	if err := db.start(); err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	if err := db.firstCommit(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// firstCommit makes the file a database to SQLite, so that every reader finds one.
func (db *DB) firstCommit(ctx context.Context) error {
	w, err := db.Writer(ctx)
	if err != nil {
		return err
	}
	defer w.Rollback()
	if err := w.trusted("PRAGMA user_version = 1"); err != nil {
		return err
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return err
	}
	return db.waitHardened(ctx, at)
}

// createFiles makes an empty directory's files, all but the log, and takes the lock.
func createFiles(o Options, m meta) (*DB, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	switch entries, err := o.FS.ReadDir(o.Dir); {
	case err == nil && len(entries) > 0:
		return nil, fmt.Errorf("directory %s holds %s: %w", o.Dir, entries[0].Name(), fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, err
	}
	db, err := newDB(o)
	if err != nil {
		return nil, err
	}
	if db.base, err = openBase(o.FS, o.Dir, true); err == nil {
		db.share()
		if db.dw, err = openDoubleWrite(o.FS, o.Dir, true); err == nil {
			db.meta, err = createMeta(o.FS, o.Dir, m)
		}
	}
	if err == nil {
		err = o.FS.SyncDir(o.Dir)
	}
	if err == nil { // the directory's own name
		err = o.FS.SyncDir(filepath.Dir(o.Dir))
	}
	if err != nil {
		return nil, errors.Join(err, db.closeFiles())
	}
	db.wal.id = m.id
	return db, nil
}

// newDB takes the lock on the directory.
func newDB(o Options) (*DB, error) {
	db := &DB{o: o, log: o.Log, turn: make(chan struct{}, 1), ckptWant: make(chan struct{}, 1), grew: make(chan struct{}, 1), reserve: reserved(&o), keep: map[any]lsn.LSN{}}
	db.turn <- struct{}{}
	db.marks.stopped = func(err error) { db.event(Event{Kind: EventStopped, Err: err}) }
	db.fence.init()
	db.maxLog.Store(o.MaxLogBytes)
	db.SetRecoveryTarget(o.RecoveryTarget)
	db.wal = &logFile{fs: o.FS, dir: o.Dir, full: o.SegmentBytes, bound: db.maxLog.Load}
	db.wal.grow(0)
	lock, err := o.FS.Lock(filepath.Join(o.Dir, lockName))
	if err != nil {
		return nil, err
	}
	db.lock = lock
	db.mem = o.Memory
	db.vers.init(db.mem)
	db.scrub = newScrubber(db)
	db.owner = db.mem.join(db)
	if db.wal.mark, err = openMark(o.FS, o.Dir); err != nil {
		db.mem.leave(db)
		return nil, errors.Join(err, lock.Close())
	}
	return db, nil
}

// share puts the base file's pages into the instance's cache.
func (db *DB) share() {
	db.base.cache, db.base.owner, db.base.id, db.base.met = &db.mem.cache, db.owner, db.o.ID, db.scrub.met
}
