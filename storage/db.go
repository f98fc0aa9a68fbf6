package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/internal/startstop"
	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// DB is an open database. Its methods may be called concurrently.
//
// Locks, in the order they are taken: fence.acting, turn (the writer's), ckptMu, replicaMu, marks.mu; versions.mu,
// meta.mu, fence.mu and the log's are leaves.
type DB struct {
	o    Options
	log  *slog.Logger
	lock io.Closer
	meta *metaFile
	base *baseFile
	dw   *doubleWrite
	wal  *logFile
	mem  *Memory
	// owner is our number in mem's cache, and changed what we hold there of changed pages.
	owner   uint32
	changed atomic.Int64
	vers    versionSet
	marks   watermarks
	conns   connections
	group   *startstop.Group

	// turn holds a token while nobody writes: receiving it, first come first served, is having the turn.
	turn    chan struct{}
	waiting atomic.Int64
	fence   fence
	// appendBuf is the turn's scratch space.
	appendBuf []byte

	replica   atomic.Bool
	replicaMu sync.Mutex // protects rep
	rep       replicaState

	ckptMu   sync.Mutex // one checkpoint at a time; protects base.digest, dw
	ckptWant chan struct{}
	ckptDone atomic.Int64
	// asides counts the files of newAside, for their names.
	asides atomic.Int64
	// ckptAt is meta.cur.at, for those who do not wait.
	ckptAt atomic.Pointer[lsn.LSN]
	redo   redo

	controlMu sync.Mutex // protects controls
	controls  []Control

	// maxLog bounds the log's files, 0 for no bound; reserve is Options.ReserveBytes of the disk there is.
	maxLog  atomic.Int64
	reserve int64
	// grew wakes watchLog.
	grew chan struct{}
	// logFull, warned and tooLarge tell what was told already: 9002, log kept for links, and a commit that no log has
	// room for.
	logFull, warned, tooLarge atomic.Bool
	trimMu                    sync.Mutex // one trimming of the log at a time

	keepMu sync.Mutex // protects keep and dropped
	// keep holds what readers and seedings want of the log: the LSN after which.
	keep map[any]lsn.LSN
	// dropped is up to where log was let go that links wanted.
	dropped lsn.LSN

	scrub *scrubber

	verifiedMu sync.Mutex // protects verified
	verified   Report

	commits, records atomic.Int64
	closeOnce        sync.Once
	closeErr         error
}

// withDefaults fills o in.
func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = fsx.OS{}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dirty := int64(256 << 20)
	if o.Memory != nil {
		dirty = o.Memory.o.ChangedBytes
	}
	for p, d := range map[*int64]int64{&o.SegmentBytes: 64 << 20, &o.CheckpointBytes: 64 << 20, &o.DirtyBytes: dirty,
		&o.CacheBytes: 64 << 20, &o.TransactionBytes: 1 << 30, &o.TempBytes: 4 << 30} {
		if *p == 0 {
			*p = d
		}
	}
	if o.Memory == nil {
		o.Memory = NewMemory(MemoryOptions{CacheBytes: o.CacheBytes, ChangedBytes: o.DirtyBytes, VersionBytes: 2 * o.DirtyBytes,
			ReaderCache: 4 * mib, WriterCache: 32 * mib})
	}
	if o.ScrubInterval == 0 {
		o.ScrubInterval = 24 * time.Hour
	}
	if o.IdleReaders == 0 {
		o.IdleReaders = 16
	}
	return o
}

// wrap names the database in an error.
func (db *DB) wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s database %s: %w", verb, db.o.Name, err)
}

// ID is the database's identity.
func (db *DB) ID() Identity { return db.wal.id }

// Name is Options.Name.
func (db *DB) Name() string { return db.o.Name }

// Epoch counts the changes of the primary role; it starts at 1 and every record carries it.
func (db *DB) Epoch() uint32 { return db.marks.currentEpoch() }

// IsReplica reports whether the database takes log instead of writers.
func (db *DB) IsReplica() bool { return db.replica.Load() }

// Err is the error that stopped the database (ErrPoisoned, ErrDamaged, ErrDigest, ErrClosed), or nil.
func (db *DB) Err() error { return db.marks.failure() }

// now is the time for a commit's stamp.
func (db *DB) now() int64 { return db.o.Clock.Now().UnixNano() }

// start begins the background work of a database whose state is in place.
func (db *DB) start() error {
	db.group = startstop.New(context.Background())
	db.group.Go(db.flushLoop)
	db.group.Go(db.checkpointLoop)
	db.group.Go(db.watchLog)
	db.group.Go(db.scrub.run)
	if db.o.Harden != nil {
		db.group.Go(db.hardenLoop)
	}
	if err := db.conns.open(db); err != nil {
		db.group.Stop()
		return err
	}
	return nil
}

// Close ends every use, makes a checkpoint and waits. Idempotent. Borrowed connections must be released first; those
// that are not are interrupted, and waited for a while.
func (db *DB) Close() error {
	db.closeOnce.Do(func() { db.closeErr = db.wrap("close", db.close()) })
	return db.closeErr
}

// patience is how long Close waits for borrowed connections.
const patience = 10 * time.Second

func (db *DB) close() error {
	db.marks.closing.Store(true)
	c, stop := db.o.Clock.After(patience)
	defer stop()
	if !db.lastTurn(c) {
		db.log.Warn("a writer was not released before the database closed", "database", db.o.Name)
	}
	db.conns.drain(c)
	failed := db.Err()
	var errs []error
	if failed == nil {
		errs = append(errs, db.settle(), db.Checkpoint(context.Background()))
	}
	db.marks.fail(ErrClosed)
	db.group.Stop()
	errs = append(errs, db.conns.close(), db.wal.close(failed == nil && errors.Join(errs...) == nil), db.closeFiles())
	return errors.Join(errs...)
}

// lastTurn takes the turn, if the fence does not keep it, and keeps it: nobody writes any more.
func (db *DB) lastTurn(impatient <-chan time.Time) bool {
	select {
	case <-db.fence.acting:
	case <-impatient:
		return false
	}
	if db.fence.isOn() {
		return true
	}
	select {
	case <-db.turn:
		return true
	case <-impatient:
		return false
	}
}

// settle hardens and publishes what was appended.
func (db *DB) settle() error {
	if err := db.flushOnce(); err != nil {
		return err
	}
	if db.alone() {
		db.marks.publish(db.marks.durableVersion(), db.marks.generation())
	}
	return nil
}

func (db *DB) closeFiles() error {
	var errs []error
	db.mem.leave(db)
	if db.meta != nil {
		errs = append(errs, db.meta.f.Close())
	}
	if db.base != nil {
		errs = append(errs, db.base.close())
	}
	if db.dw != nil {
		errs = append(errs, db.dw.close())
	}
	if db.wal.mark != nil {
		errs = append(errs, db.wal.mark.f.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

func (db *DB) tempDir() string { return filepath.Join(db.o.Dir, "temp") }

// Pin implements logvfs.Host.
func (db *DB) pin(writer bool) *logvfs.Version {
	if writer {
		return db.vers.pin(db.marks.appendedVersion)
	}
	return db.vers.pin(db.marks.publishedVersion)
}

// load implements logvfs.Host: a page that no version in memory has.
func (db *DB) load(no uint32, at lsn.LSN) (*logvfs.Page, error) {
	p, err := db.base.read(no)
	return db.asOf(no, at, p, err)
}

// loadOnce is load without taking room in the cache.
func (db *DB) loadOnce(no uint32, at lsn.LSN) (*logvfs.Page, error) {
	p, err := db.base.readOnce(no)
	return db.asOf(no, at, p, err)
}

// asOf gives the base file's page, or the older one that a checkpoint saved for the version of the LSN.
func (db *DB) asOf(no uint32, at lsn.LSN, p *logvfs.Page, err error) (*logvfs.Page, error) {
	if err != nil || p == nil || !at.Less(p.LSN) {
		return p, err
	}
	if old, ok := db.vers.find(no, at); ok {
		if old.lost != nil {
			return nil, old.lost.err()
		}
		return old.page, nil
	}
	return nil, fmt.Errorf("page %d of LSN %s is wanted as of %s, which no reader had pinned", no, p.LSN, at)
}

// host is what the DB shows to its file system.
type host struct{ db *DB }

func (h host) Pin(writer bool) *logvfs.Version                  { return h.db.pin(writer) }
func (h host) Unpin(v *logvfs.Version)                          { h.db.vers.unpin(v) }
func (h host) Load(no uint32, at lsn.LSN) (*logvfs.Page, error) { return h.db.load(no, at) }
func (h host) Commit(c *logvfs.Commit) error                    { return h.db.appendCommit(c) }
