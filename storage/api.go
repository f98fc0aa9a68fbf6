package storage

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"linkspan/lsn"
)

// Errors that callers branch on; all are wrapped with the database's name and the evidence.
var (
	// ErrClosed: the database was closed.
	ErrClosed = errors.New("database is closed")
	// ErrReplica: the database is a replica and takes no writer.
	ErrReplica = errors.New("database is a replica")
	// ErrNotReplica: the database is not a replica and takes no log.
	ErrNotReplica = errors.New("database is not a replica")
	// ErrPoisoned: a sync failed; what the disk holds of the unhardened tail is unknown, so no commit is taken any
	// more. Close and Open the database to find out.
	ErrPoisoned = errors.New("database stopped after a failed write to its log")
	// ErrDamaged: what was read is not what was once hardened. The text names file, offset and LSN or page.
	ErrDamaged = errors.New("damaged")
	// ErrLogGone: the log asked for was removed by a checkpoint.
	ErrLogGone = errors.New("log is no longer held")
	// ErrDigest: two copies differ at one LSN.
	ErrDigest = errors.New("digests differ")
	// ErrGap: the log offered to a replica does not continue its own.
	ErrGap = errors.New("log does not continue")
)

// DB is an open database. Its methods may be called concurrently.
type DB struct{}

// Identity names a database across its copies: a replica has its primary's.
type Identity [16]byte

// Digest is the XOR of the hashes of a database's pages, each keyed by its page number.
type Digest [16]byte

// Create makes a new, empty database (a primary, epoch 1) in o.Dir, which must be absent or empty, and opens it.
func Create(ctx context.Context, o Options) (*DB, error) { return nil, errors.ErrUnsupported }

// Open opens a database: a primary or a replica, as it was. It recovers what a crash left: a torn tail of the log is
// cut; anything else that is not as it was hardened yields ErrDamaged.
func Open(ctx context.Context, o Options) (*DB, error) { return nil, errors.ErrUnsupported }

// Close ends every use, makes a checkpoint and waits. Idempotent. Borrowed connections must be released first; those
// that are not are interrupted.
func (db *DB) Close() error { return nil }

// ID is the database's identity.
func (db *DB) ID() Identity { return Identity{} }

// Epoch counts the changes of the primary role; it starts at 1 and every record carries it.
func (db *DB) Epoch() uint32 { return 0 }

// IsReplica reports whether the database takes log instead of writers.
func (db *DB) IsReplica() bool { return false }

// Promote makes a replica a primary of the given epoch, which must be greater than the last. Every connection is
// closed first.
func (db *DB) Promote(ctx context.Context, epoch uint32) error { return errors.ErrUnsupported }

// Demote makes a primary a replica after the running writer is done and everything appended is hardened.
func (db *DB) Demote(ctx context.Context) error { return errors.ErrUnsupported }

// Err is the error that stopped the database (ErrPoisoned, ErrDamaged, ErrClosed), or nil.
func (db *DB) Err() error { return nil }

// Appended is the LSN of the last record in the log; it may be lost in a crash.
func (db *DB) Appended() lsn.LSN { return lsn.Zero }

// Hardened is the LSN of the last commit that is durable here. On a replica this is what it may acknowledge.
func (db *DB) Hardened() lsn.LSN { return lsn.Zero }

// Published is the LSN of the version that new readers see: on a primary the last commit hardened here and by
// Options.Harden, on a replica the last Publish.
func (db *DB) Published() lsn.LSN { return lsn.Zero }

// WaitHardened returns when the commit is durable here and by Options.Harden, hence visible to new readers. Only then
// may it be acknowledged.
func (db *DB) WaitHardened(ctx context.Context, at lsn.LSN) error { return errors.ErrUnsupported }

// WaitDurable returns when the commit is durable here, whatever others say. A replica acknowledges with it.
func (db *DB) WaitDurable(ctx context.Context, at lsn.LSN) error { return errors.ErrUnsupported }

// WaitPublished returns when new readers see the version of at or a later one.
func (db *DB) WaitPublished(ctx context.Context, at lsn.LSN) error { return errors.ErrUnsupported }

// Digest is the digest of the published version and its LSN.
func (db *DB) Digest() (lsn.LSN, Digest) { return lsn.Zero, Digest{} }

// Conn is a borrowed SQLite connection. It is for one goroutine. ATTACH, PRAGMA, BEGIN, COMMIT and the like are refused
// on it; use the methods.
type Conn struct {
	*sqlite3.Conn
}

// Stmt returns the prepared statement of sql, reset and with its bindings cleared. The connection owns and caches it:
// do not close it. It must not be in use already.
func (c *Conn) Stmt(sql string) (*sqlite3.Stmt, error) { return nil, errors.ErrUnsupported }

// Reader borrows a read connection. Outside Begin and End each statement sees the newest published version at its
// start. ctx interrupts its statements until Release.
func (db *DB) Reader(ctx context.Context) (*Conn, error) { return nil, errors.ErrUnsupported }

// Begin opens a read transaction: until End, every statement sees the version that was newest published now; its LSN is
// returned.
func (c *Conn) Begin() (lsn.LSN, error) { return lsn.Zero, errors.ErrUnsupported }

// End closes the read transaction, if one is open.
func (c *Conn) End() error { return nil }

// Release gives the connection back and ends its transaction. Idempotent.
func (c *Conn) Release() {}

// Writer is the turn of a database's one writing connection, in a transaction. It is for one goroutine and ends with
// Commit or Rollback.
type Writer struct {
	*Conn
}

// Writer waits for the turn, first come first served, and begins a transaction. ctx ends the waiting and afterwards
// interrupts the statements. A replica returns ErrReplica.
func (db *DB) Writer(ctx context.Context) (*Writer, error) { return nil, errors.ErrUnsupported }

// Base is the LSN of the version the transaction builds on. It may not be hardened yet: wait for it before showing rows
// read in this transaction to anybody, unless the transaction's own commit is waited for.
func (w *Writer) Base() lsn.LSN { return lsn.Zero }

// Commit appends the transaction to the log and gives the turn away. Call WaitHardened with the LSN before
// acknowledging. A transaction that changed nothing returns Base. After an error nothing was committed.
func (w *Writer) Commit(ctx context.Context) (lsn.LSN, error) { return lsn.Zero, errors.ErrUnsupported }

// Rollback undoes the transaction and gives the turn away. It does nothing after Commit or Rollback.
func (w *Writer) Rollback() {}

// AppendControl appends a control record between transactions, waiting for the turn, and returns its LSN; wait for it
// to be hardened as for a commit. Payload is at most 64 KiB.
func (db *DB) AppendControl(ctx context.Context, kind uint16, payload []byte) (lsn.LSN, error) {
	return lsn.Zero, errors.ErrUnsupported
}

// SetEpoch gives all later records the epoch, which must not be less than the present one.
func (db *DB) SetEpoch(ctx context.Context, epoch uint32) error { return errors.ErrUnsupported }
