package storage

import (
	"context"
	"errors"
	"io"
	"time"

	"linkspan/internal/fsx"
	"linkspan/lsn"
)

// LogReader gives the records of the log in order, for a replica. It is for one goroutine; Close from another ends it.
// While it is open the log after its position is kept.
type LogReader struct{}

// Batch is a run of whole records, the last of which ends a commit.
type Batch struct {
	// Records are the log's bytes, contiguous but for changes of segment. Valid until the next call.
	Records []byte
	// First and Last are the LSNs of the first and last record.
	First, Last lsn.LSN
	// Digest is the database's digest after Last, as the primary had it.
	Digest Digest
	// Published is the primary's published LSN: a replica publishes no further.
	Published lsn.LSN
	// Time is when Last was committed, by the primary's clock.
	Time time.Time
}

// LogReader returns a reader of the records after the LSN, which must be one that Hardened once returned, or zero for
// the whole log. It errs with ErrLogGone when they were removed, and with ErrGap when the log has no such LSN.
func (db *DB) LogReader(after lsn.LSN) (*LogReader, error) { return nil, errors.ErrUnsupported }

// Next waits for hardened records and returns at least one commit and otherwise at most maxBytes.
func (r *LogReader) Next(ctx context.Context, maxBytes int) (Batch, error) {
	return Batch{}, errors.ErrUnsupported
}

// Position is the LSN after which Next continues.
func (r *LogReader) Position() lsn.LSN { return lsn.Zero }

// Acknowledge tells that records up to at need not be kept for this reader any more. Until the first call everything
// after the start is kept.
func (r *LogReader) Acknowledge(at lsn.LSN) {}

// Close ends the reader. Idempotent.
func (r *LogReader) Close() {}

// AppendLog appends a batch's records to a replica's log and applies them, invisibly; they are hardened soon after
// (WaitDurable). Records the replica already has are skipped. ErrGap: they do not continue its log. ErrDigest: the
// result differs from what the records say; nothing after the last good batch is kept and the caller must stop.
func (db *DB) AppendLog(ctx context.Context, records []byte) (lsn.LSN, error) {
	return lsn.Zero, errors.ErrUnsupported
}

// Publish shows new readers the version at upTo, the Last of a batch that was appended. ErrDigest, naming both, when
// this copy's digest at upTo is not the expected one; the version is not shown then.
func (db *DB) Publish(upTo lsn.LSN, expected Digest) error { return errors.ErrUnsupported }

// SeedHeader tells a target what it will receive.
type SeedHeader struct {
	ID Identity
	// Epoch is the source's at the start.
	Epoch uint32
	// Pages is the size at the start; the source may grow.
	Pages uint32
	// LogFrom is the LSN after which the target needs the log, and LogOffset the byte offset in its segment at which
	// the record after it starts.
	LogFrom   lsn.LSN
	LogOffset int64
}

// Chunk is a run of pages as they were at one hardened LSN.
type Chunk struct {
	// First is the number of the first page, from 1.
	First uint32
	// LSN is the version the pages were read at, and Size the pages the database had then.
	LSN  lsn.LSN
	Size uint32
	// Pages holds len(LSNs) pages of PageSize bytes.
	Pages []byte
	// LSNs are the pages' last changes, and Hashes their hashes.
	LSNs   []lsn.LSN
	Hashes []Digest
}

// SeedSource reads a database's pages for a new replica while it is being written. It pins no version; it keeps the log
// from its start. For one goroutine.
type SeedSource struct{}

// SeedSource starts a seeding.
func (db *DB) SeedSource(ctx context.Context) (*SeedSource, error) { return nil, errors.ErrUnsupported }

// ResumeSeedSource continues one whose header a target still has. ErrLogGone when its log was removed.
func (db *DB) ResumeSeedSource(ctx context.Context, h SeedHeader) (*SeedSource, error) {
	return nil, errors.ErrUnsupported
}

// Header describes the seeding.
func (s *SeedSource) Header() SeedHeader { return SeedHeader{} }

// ReadChunk reads up to n pages from first on. It returns no pages when first is beyond the present size: then all has
// been read, and the chunk's LSN is the one from which the copy is consistent.
func (s *SeedSource) ReadChunk(ctx context.Context, first uint32, n int) (Chunk, error) {
	return Chunk{}, errors.ErrUnsupported
}

// Close lets the log go.
func (s *SeedSource) Close() {}

// SeedTarget receives a seeding. What it was given survives a crash: reopen it and continue at Progress. For one
// goroutine at a time.
type SeedTarget struct{}

// SeedProgress is where a seeding continues.
type SeedProgress struct {
	Header SeedHeader
	// NextPage is the first page not yet safely installed.
	NextPage uint32
	// LogAt is the last LSN of the log received; continue after it.
	LogAt lsn.LSN
	// ConsistentAt is the latest LSN of an installed chunk: Finish needs log up to it.
	ConsistentAt lsn.LSN
}

// CreateSeedTarget begins to receive a seeding in o.Dir, which must be absent or empty.
func CreateSeedTarget(ctx context.Context, o Options, h SeedHeader) (*SeedTarget, error) {
	return nil, errors.ErrUnsupported
}

// OpenSeedTarget continues one that was interrupted.
func OpenSeedTarget(ctx context.Context, o Options) (*SeedTarget, error) {
	return nil, errors.ErrUnsupported
}

// Progress tells where to continue.
func (t *SeedTarget) Progress() SeedProgress { return SeedProgress{} }

// InstallChunk checks the pages against their hashes and stores them. Chunks come in order of pages, without gaps.
func (t *SeedTarget) InstallChunk(ctx context.Context, c Chunk) error { return errors.ErrUnsupported }

// ApplyLog stores a batch's records, which must continue Progress().LogAt.
func (t *SeedTarget) ApplyLog(ctx context.Context, records []byte) error {
	return errors.ErrUnsupported
}

// Finish makes the copy a replica and opens it, once the empty last chunk is installed and the log reaches its LSN.
func (t *SeedTarget) Finish(ctx context.Context) (*DB, error) { return nil, errors.ErrUnsupported }

// Close leaves the seeding to be continued. Idempotent, and harmless after Finish.
func (t *SeedTarget) Close() error { return nil }

// BadPage is one page that is not what was written.
type BadPage struct {
	Page             uint32
	LSN              lsn.LSN
	Expected, Actual Digest
	File             string
	Offset           int64
	// Reason says what was wrong in words.
	Reason string
}

// Report is the outcome of Verify.
type Report struct {
	// LSN is the version that was read, Pages its size, Digest what its pages on disk gave.
	LSN            lsn.LSN
	Pages          uint32
	Digest         Digest
	ExpectedDigest Digest
	Started, Ended time.Time
	Bad            []BadPage
}

// OK reports whether nothing bad was found.
func (r *Report) OK() bool { return len(r.Bad) == 0 && r.Digest == r.ExpectedDigest }

// Verify makes a checkpoint, then reads every page of the database from the disk again and compares it with its hash.
// Bad pages are in the report; the error is for what kept it from looking. progress may be nil.
func (db *DB) Verify(ctx context.Context, progress func(done, total uint32)) (Report, error) {
	return Report{}, errors.ErrUnsupported
}

// LastVerified is the report of the last full Verify since Open; its Ended is zero when there was none.
func (db *DB) LastVerified() Report { return Report{} }

// Checkpoint writes every hardened change to the base file and removes the log that nobody needs.
func (db *DB) Checkpoint(ctx context.Context) error { return errors.ErrUnsupported }

// Stats are figures for views.
type Stats struct {
	// Pages is the size of the published version; DirtyPages those held in memory until the next checkpoint.
	Pages      uint32
	DirtyPages int
	// LogBytes is the log held, LogSize what its files take, Segments their number.
	LogBytes, LogSize int64
	Segments          int
	// OldestLSN is the first record still held.
	OldestLSN     lsn.LSN
	CheckpointLSN lsn.LSN
	// Commits, Records and RecordBytes count since Open; Syncs the log's fsyncs and Checkpoints the checkpoints.
	Commits, Records, RecordBytes, Syncs, Checkpoints int64
	// Readers is the borrowed read connections, WritersWaiting the queue for the turn.
	Readers, WritersWaiting int
}

// Stats returns present figures.
func (db *DB) Stats() Stats { return Stats{} }

// DumpLog writes the records of the log segment file name as text, or as JSON lines, to w: what `linkspan log dump`
// prints. It works on files of open, closed and damaged databases, and errs with ErrDamaged, after what it could read,
// when something in the file is not as written.
func DumpLog(fsys fsx.FS, name string, w io.Writer, asJSON bool) error { return errors.ErrUnsupported }

// VerifyDir checks every segment, the page table and the base file of the closed database in dir, and writes what it
// found, as text or JSON lines, to w. It errs with ErrDamaged when something is bad.
func VerifyDir(ctx context.Context, fsys fsx.FS, dir string, w io.Writer, asJSON bool) error {
	return errors.ErrUnsupported
}
