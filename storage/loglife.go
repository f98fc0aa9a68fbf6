package storage

import (
	"context"
	"fmt"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/sqlerr"
)

// ReuseWait is what keeps the oldest log; the values are those of sys.databases.log_reuse_wait.
type ReuseWait uint8

// The reasons.
const (
	ReuseNothing             ReuseWait = 0
	ReuseCheckpoint          ReuseWait = 1
	ReuseLogBackup           ReuseWait = 2
	ReuseActiveTransaction   ReuseWait = 4
	ReuseAvailabilityReplica ReuseWait = 9
)

// String spells the reason as log_reuse_wait_desc does.
func (w ReuseWait) String() string {
	switch w {
	case ReuseCheckpoint:
		return "CHECKPOINT"
	case ReuseLogBackup:
		return "LOG_BACKUP"
	case ReuseActiveTransaction:
		return "ACTIVE_TRANSACTION"
	case ReuseAvailabilityReplica:
		return "AVAILABILITY_REPLICA"
	default:
		return "NOTHING"
	}
}

// LogSegment is one file of the log: a virtual log file.
type LogSegment struct {
	// VLF is its number, Bytes what it takes on disk, Used what of it holds records.
	VLF         uint32
	Bytes, Used int64
	// Previous is the last record before it.
	Previous lsn.LSN
	// Active tells that recovery needs it.
	Active bool
}

// LogSegments lists the log's files, oldest first.
func (db *DB) LogSegments() []LogSegment {
	segs, spare, from := db.wal.segments(), db.wal.spare(), db.checkpointLSN()
	out := make([]LogSegment, len(segs))
	for i, s := range segs {
		out[i] = LogSegment{VLF: s.vlf, Bytes: s.end, Used: s.end - s.start, Previous: s.prev,
			Active: i == len(segs)-1 || from.Less(segs[i+1].prev)}
	}
	if n := len(out); n > 0 {
		out[n-1].Bytes += spare
	}
	return out
}

func (db *DB) checkpointLSN() lsn.LSN {
	if at := db.ckptAt.Load(); at != nil {
		return *at
	}
	return lsn.Zero
}

// SetMaxLog changes Options.MaxLogBytes of the open database; 0 means no bound. Log there is stays.
func (db *DB) SetMaxLog(bytes int64) { db.maxLog.Store(max(0, bytes)) }

// keepers are those that need log: each everything after an LSN.
type keepers struct{ checkpoint, backup, link lsn.LSN }

func (db *DB) keepers() keepers {
	k := keepers{checkpoint: db.checkpointLSN(), backup: lsn.Max, link: lsn.Max}
	if db.o.LogBackup != nil {
		k.backup = db.o.LogBackup()
	}
	if db.o.Retain != nil {
		k.link = db.o.Retain()
	}
	db.keepMu.Lock()
	defer db.keepMu.Unlock()
	for _, at := range db.keep {
		k.link = lsn.Earliest(k.link, at)
	}
	k.link = lsn.Latest(k.link, db.dropped) // what was let go is not asked for any more
	return k
}

func (k keepers) own() lsn.LSN { return lsn.Earliest(k.checkpoint, k.backup) }

// TrimLog removes the segments that neither recovery nor anybody else needs: what a checkpoint, and a log backup, end
// with.
func (db *DB) TrimLog() error {
	db.trimMu.Lock()
	defer db.trimMu.Unlock()
	k := db.keepers()
	return db.wrap("trim the log of", db.wal.trim(lsn.Earliest(k.own(), k.link)))
}

// ReuseWait tells what keeps log that would otherwise go.
func (db *DB) ReuseWait() ReuseWait {
	k := db.keepers()
	switch {
	case k.backup.Less(k.checkpoint) && !k.link.Less(k.backup):
		return ReuseLogBackup
	case k.link.Less(k.own()), db.Published().Less(db.Hardened()) && db.o.Harden != nil:
		return ReuseAvailabilityReplica
	case len(db.wal.segments()) > 1 && k.checkpoint.Less(db.Published()):
		return ReuseCheckpoint
	case db.tooLarge.Load():
		return ReuseActiveTransaction
	}
	return ReuseNothing
}

// keptForLinks is the log, in bytes of files, that only links want.
func (db *DB) keptForLinks() int64 {
	var n int64
	own, segs := db.keepers().own(), db.wal.segments()
	for i := range segs[:max(0, len(segs)-1)] {
		if !own.Less(segs[i+1].prev) {
			n += segs[i].end
		}
	}
	return n
}

// makeRoom makes sure that a record of n bytes fits, within what the log may take. It runs in the turn.
func (db *DB) makeRoom(n int64, kind pagelog.Kind) error {
	l := db.wal
	if l.off+n <= l.size {
		return nil
	}
	if kind == pagelog.KindPages {
		if err := db.mayGrow(n); err != nil {
			return err
		}
	}
	if err := l.next(l.vlf+1, pagelog.SegmentHeaderSize, n); err != nil {
		return db.logFailed(err)
	}
	db.logGrew()
	return nil
}

// logGrew has watchLog look.
func (db *DB) logGrew() {
	select {
	case db.grew <- struct{}{}:
	default:
	}
}

// mayGrow refuses a segment that the log's bound, or what is reserved of the disk, has no room for, after it let go what
// could be.
func (db *DB) mayGrow(n int64) error {
	if db.fits(n) {
		db.logFull.Store(false)
		return nil
	}
	if err := db.TrimLog(); err != nil {
		return db.logFailed(err)
	}
	if !db.fits(n) && db.ReuseWait() == ReuseCheckpoint {
		if err := db.Checkpoint(context.Background()); err != nil {
			return err
		}
	}
	if !db.fits(n) {
		db.checkRetention()
	}
	if db.fits(n) {
		db.logFull.Store(false)
		return nil
	}
	limit := db.maxLog.Load()
	large := limit > 0 && pagelog.SegmentHeaderSize+n > limit-db.wal.smallest()
	db.tooLarge.Store(large)
	wait := db.ReuseWait()
	if large {
		wait = ReuseActiveTransaction
	}
	return db.full(wait, nil)
}

// full is error 9002, told to the operator the first time.
func (db *DB) full(wait ReuseWait, cause error) error {
	reason := wait.String()
	if wait == ReuseNothing {
		reason = "DISK FULL"
	}
	if !db.logFull.Swap(true) {
		db.event(Event{Kind: EventLogFull, Reason: reason, Used: db.wal.total(), Limit: db.maxLog.Load(), Err: cause})
	}
	e := sqlerr.New(9002, db.o.Name, reason)
	if cause != nil {
		e = e.WithCause(cause)
	}
	return e
}

// fits tells whether another segment with n bytes of records may be made.
func (db *DB) fits(n int64) bool {
	size := db.wal.nextSize(pagelog.SegmentHeaderSize, n, db.maxLog.Load())
	if limit := db.maxLog.Load(); limit > 0 && db.wal.total()+size > limit {
		return false
	}
	free := db.o.FS.Free(db.o.Dir)
	return free < 0 || db.reserve == 0 || free-size >= db.reserve/2
}

// watchLog looks after the log that is kept for links, each time the log has grown by a segment.
func (db *DB) watchLog(ctx context.Context) {
	for {
		select {
		case <-db.grew:
			db.checkRetention()
		case <-ctx.Done():
			return
		}
	}
}

// checkRetention warns when the log that only links want comes near its bound or the disk near its end, and lets that
// log go when there is no more room.
func (db *DB) checkRetention() {
	kept, limit := db.keptForLinks(), db.o.RetainBytes
	free := db.o.FS.Free(db.o.Dir)
	scarce := kept > 0 && db.reserve > 0 && free >= 0
	switch {
	case limit > 0 && kept > limit:
		db.dropRetained(kept, limit, "RETENTION_LIMIT")
	case scarce && free < db.reserve:
		db.dropRetained(kept, db.reserve, "DISK_SPACE")
	case limit > 0 && kept > limit/5*4:
		db.warnRetention(Event{Kind: EventRetentionHigh, Used: kept, Limit: limit, Reason: "RETENTION_LIMIT"})
	case scarce && free < db.reserve/4*5:
		db.warnRetention(Event{Kind: EventRetentionHigh, Used: free, Limit: db.reserve, Reason: "DISK_SPACE"})
	default:
		db.warned.Store(false)
	}
}

func (db *DB) warnRetention(e Event) {
	if !db.warned.Swap(true) {
		db.event(e)
	}
}

// dropRetained lets the log go that only links want.
func (db *DB) dropRetained(kept, limit int64, reason string) {
	k := db.keepers()
	db.keepMu.Lock()
	db.dropped = k.own()
	db.keepMu.Unlock()
	db.warned.Store(false)
	db.event(Event{Kind: EventLogDropped, LSN: k.own(), Used: kept, Limit: limit, Reason: reason})
	if err := db.TrimLog(); err != nil && db.Err() == nil {
		db.log.Error("log that links wanted was not removed", "database", db.o.Name, "error", err)
	}
}

// reserved is Options.ReserveBytes of the disk there is.
func reserved(o *Options) int64 {
	if o.ReserveBytes >= 0 {
		return o.ReserveBytes
	}
	if total := o.FS.Total(o.Dir); total > 0 {
		return min(total/20, 1<<30)
	}
	return 0
}

// errLogGone is what a reader gets whose log was let go.
func errLogGone(at, oldest lsn.LSN) error {
	return fmt.Errorf("%w after %s: the oldest is after %s", ErrLogGone, at, oldest)
}

// reserveFor takes the room for a batch's first run before anything of it is applied: a log that is full then leaves
// everything as it is (9002), and the batch can be offered again. Batches of a LogReader have one run.
func (db *DB) reserveFor(p *runPlan) error {
	l, first := db.wal, p.runs[0]
	n := int64(len(first.bytes))
	if first.vlf == l.vlf && l.off+n <= l.size {
		return nil
	}
	if err := db.mayGrow(n); err != nil {
		return err
	}
	var err error
	if first.vlf == l.vlf {
		err = l.extend(n)
	} else {
		err = l.next(first.vlf, pagelog.SegmentHeaderSize, n)
	}
	if err != nil {
		return db.logFailed(err)
	}
	db.logGrew()
	return nil
}
