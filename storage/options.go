package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/lsn"
)

// Options say where a database lies and how it is run. The zero value of every field but Dir has a meaning.
type Options struct {
	// FS is the disk; nil means the operating system's.
	FS fsx.FS
	// Dir is the directory that holds the database's files and nothing else. Create and CreateReplica make it.
	Dir string
	// Name is what errors and the log call the database, and ID its number (database_id); they are not stored.
	Name string
	ID   int
	// Memory is shared by the databases of an instance; nil means one of its own, of CacheBytes and DirtyBytes.
	Memory *Memory
	// Clock stamps commits; nil means the system's.
	Clock clock.Clock
	// Log receives what an operator should know; nil discards.
	Log *slog.Logger
	// NoSync turns durability off: a commit is hardened when it is written, and lost with the machine's power.
	NoSync bool
	// Prepare is called once on every new SQLite connection, before the authorizer is set, to register functions,
	// collations and virtual tables. It MUST NOT read or write the database.
	Prepare func(*sqlite3.Conn) error
	// Harden, when set, is called after records up to the LSN are synced here and BEFORE they become visible and
	// acknowledged: it returns when the synchronous replicas have hardened them too. An error leaves the commits
	// appended but unacknowledged; Harden is called again with a later LSN, or after a second for the same.
	Harden func(context.Context, lsn.LSN) error
	// Waits, when set beside Harden, says whether Harden would wait now; where it would not, commits are published without
	// asking it. nil means that it may always.
	Waits func() bool
	// Retain, when set, names the LSN after which log is still wanted (by a replica, by a log backup): segments that
	// hold later records are kept. Return lsn.Max when nothing is wanted. Open log readers and seed sources count by
	// themselves.
	Retain func() lsn.LSN
	// Control, when set, is told every control record, in order: of the log read at Open, of AppendControl, and of
	// AppendLog. It MUST NOT call the database. Payload is valid during the call only.
	Control func(Control)
	// Fenced, when set, says from the latest control record of each kind whether the database, if it is a primary, takes
	// no writers. It is asked at Open, BEFORE anybody gets the DB, after every control record (own or received), by
	// Promote, Rewind and CheckFence. It MUST NOT call the database.
	Fenced func(controls []Control) bool
	// SegmentBytes is the size a full-grown log segment is preallocated with, from 64 KiB; 0 means 64 MiB. Segments of
	// a young database are smaller.
	SegmentBytes int64
	// CheckpointBytes is the log written since the last checkpoint that starts the next; 0 means 64 MiB.
	CheckpointBytes int64
	// DirtyBytes bounds the pages changed since the last checkpoint, which live in memory; 0 means Memory's ChangedBytes,
	// or 256 MiB.
	DirtyBytes int64
	// CacheBytes bounds the cache of unchanged pages read from the base file, when Memory is nil; 0 means 64 MiB.
	CacheBytes int64
	// RecoveryTarget is how long redo after a crash may take, as far as it can be estimated: checkpoints are made often
	// enough for that. 0 means no target; CheckpointBytes and DirtyBytes bound it all the same.
	RecoveryTarget time.Duration
	// MaxLogBytes bounds the log's files together: beyond it commits fail with 9002 and the reason. 0 means no bound;
	// SetMaxLog changes it. Control records may go beyond it, by one segment.
	MaxLogBytes int64
	// LogBackup, when set, names the LSN up to which the log was backed up, when it must be kept until it is: like
	// Retain, and lsn.Max when log need not be backed up.
	LogBackup func() lsn.LSN
	// RetainBytes bounds the log that is kept for Retain, log readers and seedings only; beyond it, or when less than
	// ReserveBytes of disk are free, all of that log is let go (EventLogDropped). 0 means no bound.
	RetainBytes int64
	// ReserveBytes is the free disk that links leave to others; at half of it commits fail with 9002 while a
	// checkpoint still has room. 0 means nothing is reserved, a negative value 5 % of the disk, at most 1 GiB.
	ReserveBytes int64
	// ScrubBytes is how many bytes of pages a second are read again in the background, all the time, to be compared with
	// their hashes; 0 means none.
	ScrubBytes int64
	// ScrubInterval is the least time from the start of one pass to that of the next; 0 means a day.
	ScrubInterval time.Duration
	// FetchPage, when set, gets a page from another copy: exactly the page whose hash is want, or an error. The
	// background scrub calls it for a page that is damaged here.
	FetchPage func(ctx context.Context, no uint32, want Digest) ([]byte, error)
	// Event, when set, is told what an operator should know. It is called from many goroutines, MUST return soon and
	// MUST NOT call the database.
	Event func(Event)
	// TransactionBytes bounds the pages one transaction may change; beyond it fails with 9002. 0 means 1 GiB.
	TransactionBytes int64
	// TempBytes bounds the disk that temporary files (sorts, temporary tables) of all connections use together; 0
	// means 4 GiB.
	TempBytes int64
	// IdleReaders is how many idle read connections are kept; 0 means 16. An idle one costs about 230 KiB.
	IdleReaders int
}

// Control is one control record: bytes that somebody above storage wanted ordered with the commits.
type Control struct {
	LSN   lsn.LSN
	Epoch uint32
	// Kind tells the meanings of Payload apart; storage does not interpret it.
	Kind    uint16
	Payload []byte
}

// Limits of Options.
const (
	// PageSize is the size of a database page in bytes.
	PageSize        = 8192
	minSegmentBytes = 64 << 10
)

// Validate reports every problem of o.
func (o *Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("storage options: Dir is empty"))
	}
	if o.SegmentBytes != 0 && o.SegmentBytes < minSegmentBytes {
		errs = append(errs, fmt.Errorf("storage options: SegmentBytes is %d, less than %d", o.SegmentBytes, minSegmentBytes))
	}
	for name, n := range map[string]int64{"CheckpointBytes": o.CheckpointBytes, "DirtyBytes": o.DirtyBytes, "CacheBytes": o.CacheBytes,
		"TransactionBytes": o.TransactionBytes, "TempBytes": o.TempBytes, "MaxLogBytes": o.MaxLogBytes, "RetainBytes": o.RetainBytes,
		"ScrubBytes": o.ScrubBytes, "RecoveryTarget": int64(o.RecoveryTarget), "ScrubInterval": int64(o.ScrubInterval), "SegmentBytes": o.SegmentBytes, "IdleReaders": int64(o.IdleReaders)} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("storage options: %s is negative", name))
		}
	}
	return errors.Join(errs...)
}
