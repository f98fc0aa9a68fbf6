package storage

import (
	"context"
	"errors"
	"time"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/sqlerr"
	"linkspan/storage/logvfs"
)

// BadPage is one page that is not what was written.
type BadPage struct {
	Page             uint32
	LSN              lsn.LSN
	Expected, Actual Digest
	File             string
	Offset           int64
	// Reason says what was wrong in words.
	Reason   string
	cause    error
	database int
}

// Checksum tells a page whose content is wrong from one that could not be read, or whose entry is wrong.
func (p *BadPage) Checksum() bool { return !p.Actual.IsZero() }

// Error implements error.
func (p *BadPage) Error() string { return p.err().Error() }

// Report is the outcome of Verify.
type Report struct {
	// LSN is the version that was read, Pages its size, Digest what its pages gave.
	LSN            lsn.LSN
	Pages          uint32
	Digest         Digest
	ExpectedDigest Digest
	Started, Ended time.Time
	Bad            []BadPage
}

// OK reports whether nothing bad was found.
func (r *Report) OK() bool { return len(r.Bad) == 0 && r.Digest == r.ExpectedDigest }

// Verify makes a checkpoint, then reads every page of the published version, past every cache but the operating
// system's, and compares it with its hash. Bad pages are in the report; the error is for what kept it from looking.
// progress may be nil.
func (db *DB) Verify(ctx context.Context, progress func(done, total uint32)) (Report, error) {
	r := Report{Started: db.o.Clock.Now()}
	if err := db.Checkpoint(ctx); err != nil {
		return r, err
	}
	generation := db.marks.generation()
	v := db.pin(false)
	defer db.vers.unpin(v)
	r.LSN, r.Pages, r.ExpectedDigest = v.LSN, v.Pages, v.Digest
	for no := uint32(1); no <= v.Pages; no++ {
		if err := ctx.Err(); err != nil {
			return r, db.wrap("verify", context.Cause(ctx))
		}
		if progress != nil && no%1024 == 0 {
			progress(no, v.Pages)
		}
		db.verifyPage(v, no, &r)
		if v.Gone() { // what was read may be of something else
			if db.marks.generation() != generation {
				return r, db.wrap("verify", ErrRewound)
			}
			return r, db.wrap("verify", sqlerr.New(3966))
		}
	}
	r.Ended = db.o.Clock.Now()
	db.verifiedMu.Lock()
	defer db.verifiedMu.Unlock()
	db.verified = r
	if db.Err() != nil && !errors.Is(db.Err(), ErrDigest) {
		return r, db.wrap("verify", db.Err())
	}
	return r, nil
}

// verifyPage adds one page to the report: what the disk holds, and what the version has in memory of it.
func (db *DB) verifyPage(v *logvfs.Version, no uint32, r *Report) {
	changed := v.Changed(no)
	mu := &db.base.shard[no%uint32(len(db.base.shard))]
	mu.RLock()
	p, bad := db.base.readDisk(no)
	mu.RUnlock()
	if bad != nil {
		r.Bad = append(r.Bad, *bad)
		db.scrub.met(bad)
		return
	}
	if changed != nil {
		if got := pagelog.Hash(no, &changed.Data); got != changed.Hash {
			r.Bad = append(r.Bad, BadPage{Page: no, LSN: changed.LSN, Expected: changed.Hash, Actual: got, Reason: "incorrect checksum in memory"})
		}
		p = changed
	} else if p != nil && v.LSN.Less(p.LSN) { // overwritten since by a checkpoint
		old, _ := db.vers.find(no, v.LSN)
		p = old.page
	}
	if p != nil {
		r.Digest.XOR(p.Hash)
	}
}

// LastVerified is the report of the last full Verify since Open; its Ended is zero when there was none.
func (db *DB) LastVerified() Report {
	db.verifiedMu.Lock()
	defer db.verifiedMu.Unlock()
	return db.verified
}

// Stats are figures for views.
type Stats struct {
	// Pages is the size of the published version; DirtyPages those held in memory until the next checkpoint.
	Pages      uint32
	DirtyPages int
	// LogBytes is the log held, LogSize what its files take, Segments their number.
	LogBytes, LogSize int64
	Segments          int
	// OldestLSN is the LSN after which log is still held.
	OldestLSN     lsn.LSN
	CheckpointLSN lsn.LSN
	// Commits, Records and RecordBytes count since Open; Syncs the log's fsyncs and Checkpoints the checkpoints.
	Commits, Records, RecordBytes, Syncs, Checkpoints int64
	// Readers is the borrowed read connections, WritersWaiting the queue for the turn.
	Readers, WritersWaiting int
	// CommitTime is when the published version was committed.
	CommitTime time.Time
	// LogLimit is what the log's files may take, 0 for no bound; LogSince the log written since the last checkpoint, in
	// bytes, and RedoTime how long a restart would take to apply it.
	LogLimit, LogSince int64
	RedoTime           time.Duration
	// LogReuse is what keeps log that would otherwise go.
	LogReuse ReuseWait
	// KeptForLinks is the log, in bytes of files, that only links want, and KeptLimit its bound, 0 for none.
	KeptForLinks, KeptLimit int64
	// DiskFree is the disk's free bytes, negative when not known, and DiskReserve what links leave of it.
	DiskFree, DiskReserve int64
	// ChangedBytes and VersionBytes are memory: pages changed since the checkpoint, and pages that only readers of older
	// versions need.
	ChangedBytes, VersionBytes int64
}

// Stats returns present figures.
func (db *DB) Stats() Stats {
	v := db.marks.publishedVersion()
	s := Stats{Pages: v.Pages, DirtyPages: v.Dirty(), Commits: db.commits.Load(), Records: db.records.Load(), RecordBytes: db.wal.written.Load(),
		Syncs: db.wal.syncs.Load(), Checkpoints: db.ckptDone.Load(), WritersWaiting: int(db.waiting.Load()), CommitTime: time.Unix(0, v.Time)}
	for i, seg := range db.wal.segments() {
		if i == 0 {
			s.OldestLSN = seg.prev
		}
		s.LogBytes += seg.end - seg.start
		s.LogSize += seg.end
		s.Segments++
	}
	s.LogSize += db.wal.spare()
	s.CheckpointLSN = db.checkpointLSN()
	s.LogLimit, s.LogSince, s.RedoTime, s.LogReuse = db.maxLog.Load(), db.sinceCheckpoint(), db.RedoTime(), db.ReuseWait()
	s.KeptForLinks, s.KeptLimit = db.keptForLinks(), db.o.RetainBytes
	s.DiskFree, s.DiskReserve = db.o.FS.Free(db.o.Dir), db.reserve
	s.ChangedBytes, s.VersionBytes = db.changed.Load(), db.vers.bytes()
	db.conns.mu.Lock()
	defer db.conns.mu.Unlock()
	s.Readers = db.conns.borrowed
	return s
}
