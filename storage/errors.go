package storage

import (
	"errors"
	"fmt"

	"linkspan/lsn"
	"linkspan/pagelog"
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
	// ErrRewound: what was read, or committed, was taken back by Rewind.
	ErrRewound = errors.New("the database was taken back to an earlier LSN")
	// ErrDigest: two copies differ at one LSN.
	ErrDigest = errors.New("digests differ")
	// ErrGap: the log offered to a replica does not continue its own.
	ErrGap = errors.New("log does not continue")
)

// DigestError is an ErrDigest: what the primary's log says of a copy's content is not what the copy has.
type DigestError struct {
	LSN lsn.LSN
	// Page is the one that differs, when the record that changes it told; otherwise 0, and only that some page differs is
	// known (HashReader finds which).
	Page uint32
	// Expected and Actual are the digests of the database, or the first bytes of the page's hash.
	Expected, Actual string
}

// Error implements error.
func (e *DigestError) Error() string {
	if e.Page != 0 {
		return fmt.Sprintf("%v: record %s changes page %d with check %s, which here has %s", ErrDigest, e.LSN, e.Page, e.Expected, e.Actual)
	}
	return fmt.Sprintf("%v at %s: the log has %s, this copy's pages give %s", ErrDigest, e.LSN, e.Expected, e.Actual)
}

// Unwrap gives ErrDigest.
func (e *DigestError) Unwrap() error { return ErrDigest }

// Identity names a database across its copies: a replica has its primary's.
type Identity [16]byte

// Digest is the XOR of the hashes of a database's pages, each keyed by its page number.
type Digest = pagelog.Digest
