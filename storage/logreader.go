package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// LogReader gives the hardened records of the log in order, for a replica. It is for one goroutine; Close from another
// ends it. While it is open the log after its acknowledged position is kept.
type LogReader struct {
	db   *DB
	ctx  context.Context
	stop context.CancelCauseFunc
	pos  logvfs.Position
	at   lsn.LSN

	mu   sync.Mutex // held by Next; protects file against Close
	file fsx.File
	buf  []byte
}

// Batch is a run of whole records of one segment.
type Batch struct {
	// Records are the log's bytes. Valid until the next call.
	Records []byte
	// First and Last are the LSNs of the first and last record. Last ends a commit unless that commit is larger than
	// what was asked for.
	First, Last lsn.LSN
	// Digest is the database's digest after Last, as the primary had it; zero when Last does not end a commit.
	Digest Digest
	// Published is the primary's published LSN: a replica publishes no further.
	Published lsn.LSN
	// Time is when Last was committed, by the primary's clock.
	Time time.Time
}

// errReaderClosed is the cause of a Next that Close ended.
var errReaderClosed = errors.New("log reader was closed")

// LogReader returns a reader of the records after the LSN, which must be one that Hardened once returned, or zero for
// the whole log. It errs with ErrLogGone when they were removed, and with ErrGap when the log has no such LSN.
func (db *DB) LogReader(after lsn.LSN) (*LogReader, error) {
	r := &LogReader{db: db, at: after}
	r.ctx, r.stop = context.WithCancelCause(context.Background())
	db.keepLog(r, after)
	pos, err := db.find(after)
	if err != nil {
		r.Close()
		return nil, db.wrap("read the log of", err)
	}
	r.pos = pos
	return r, nil
}

// find returns where the record of the LSN ends.
func (db *DB) find(at lsn.LSN) (logvfs.Position, error) {
	v := db.marks.durableVersion()
	if at == v.LSN && !at.IsZero() {
		return v.End, nil
	}
	segs := db.wal.segments()
	for _, s := range segs {
		if s.prev == at {
			return logvfs.Position{VLF: s.vlf, Offset: s.start}, nil
		}
		if s.vlf == at.VLF && at.Less(v.LSN) {
			return db.findIn(s, at)
		}
	}
	if v.LSN.Less(at) {
		return logvfs.Position{}, fmt.Errorf("%w: it is asked for after %s and ends at %s", ErrGap, at, v.LSN)
	}
	return logvfs.Position{}, fmt.Errorf("%w after %s: the oldest is after %s", ErrLogGone, at, segs[0].prev)
}

func (db *DB) findIn(s segment, at lsn.LSN) (logvfs.Position, error) {
	f, err := db.o.FS.Open(db.wal.path(s.vlf))
	if err != nil {
		return logvfs.Position{}, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	for sc := pagelog.NewScanner(f, s.vlf, s.start, s.prev); ; {
		h, _, _, err := sc.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return logvfs.Position{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err != nil || at.Less(h.LSN) {
			if at.Less(s.prev) { // a seeded copy has only the end of its first segment
				return logvfs.Position{}, fmt.Errorf("%w after %s: the oldest is after %s", ErrLogGone, at, s.prev)
			}
			return logvfs.Position{}, fmt.Errorf("%w: the log has no record %s", ErrGap, at)
		}
		if h.LSN == at {
			return logvfs.Position{VLF: s.vlf, Offset: sc.Offset()}, nil
		}
	}
}

// Next waits for hardened records and returns at least one, and otherwise at most maxBytes.
func (r *LogReader) Next(ctx context.Context, maxBytes int) (Batch, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := r.next(ctx, maxBytes)
	if r.ctx.Err() != nil { // what was read may have been taken back
		b, err = Batch{}, context.Cause(r.ctx)
	}
	return b, r.db.wrap("read the log of", err)
}

func (r *LogReader) next(ctx context.Context, maxBytes int) (Batch, error) {
	m := &r.db.marks
	var durable *logvfs.Version
	var published lsn.LSN
	if err := m.until(ctx, func() bool {
		durable, published = m.durable, m.published.LSN
		return r.at.Less(durable.LSN)
	}); err != nil {
		return Batch{}, err
	}
	for {
		limit, next, err := r.bounds(durable)
		if err != nil {
			return Batch{}, err
		}
		b, err := r.read(limit, maxBytes)
		if err != nil || b.Records != nil {
			b.Published = published
			return b, err
		}
		if next.VLF == 0 {
			return Batch{}, fmt.Errorf("%w: the log ends at %s in segment %d, not at %s", ErrDamaged, r.at, r.pos.VLF, durable.LSN)
		}
		r.pos = next
		if err := r.closeFile(); err != nil {
			return Batch{}, err
		}
	}
}

// bounds returns where the present segment's hardened records end, and where the next segment's begin.
func (r *LogReader) bounds(durable *logvfs.Version) (limit int64, next logvfs.Position, err error) {
	if r.pos.VLF == durable.End.VLF {
		return durable.End.Offset, next, nil
	}
	here := false
	for _, s := range r.db.wal.segments() {
		if s.vlf == r.pos.VLF {
			limit, here = s.end, true
		}
		if s.vlf > r.pos.VLF {
			if !here && s.prev != r.at {
				return 0, next, errLogGone(r.at, s.prev)
			}
			return limit, logvfs.Position{VLF: s.vlf, Offset: s.start}, nil
		}
	}
	return limit, next, nil
}

// read returns the records from the position on, as many as fit; none at the end of the segment.
func (r *LogReader) read(limit int64, maxBytes int) (Batch, error) {
	if r.pos.Offset >= limit {
		return Batch{}, nil
	}
	if err := r.fill(min(limit-r.pos.Offset, int64(max(maxBytes, pagelog.HeaderSize)))); err != nil {
		return Batch{}, err
	}
	n, err := pagelog.PeekLength(r.buf)
	if errors.Is(err, pagelog.ErrBlank) {
		return Batch{}, nil // a segment that a crash left with room
	}
	if err == nil && n > len(r.buf) {
		err = r.fill(int64(n))
	}
	if err != nil {
		return Batch{}, r.damaged(err)
	}
	return r.parse()
}

// parse cuts the batch out of what was read: up to the last commit's end, or all of a part of one.
func (r *LogReader) parse() (Batch, error) {
	var b, whole Batch
	for at, used := r.at, 0; ; {
		h, _, err := pagelog.Parse(r.buf[used:])
		if errors.Is(err, pagelog.ErrShort) || errors.Is(err, pagelog.ErrBlank) {
			break
		}
		if want := pagelog.Next(at, r.pos.VLF, r.pos.Offset+int64(used)); err == nil && (h.LSN != want || h.Prev != at) {
			err = fmt.Errorf("%w: LSN %s after %s, not %s after %s", pagelog.ErrInvalid, h.LSN, h.Prev, want, at)
		}
		if err != nil {
			return Batch{}, r.damaged(err)
		}
		used += int(h.Length)
		at = h.LSN
		if b.First.IsZero() {
			b.First = h.LSN
		}
		b.Records, b.Last, b.Digest, b.Time = r.buf[:used], h.LSN, Digest{}, time.Unix(0, h.Time)
		if !h.More() {
			b.Digest = h.Digest
			whole = b
		}
	}
	if whole.Records != nil {
		b = whole
	}
	if b.Records == nil {
		return Batch{}, r.damaged(pagelog.ErrShort)
	}
	r.at = b.Last
	r.pos.Offset += int64(len(b.Records))
	return b, nil
}

func (r *LogReader) damaged(err error) error {
	return fmt.Errorf("%w: log segment %d at %d after %s: %w", ErrDamaged, r.pos.VLF, r.pos.Offset, r.at, err)
}

// fill reads n bytes at the position into buf.
func (r *LogReader) fill(n int64) error {
	if r.file == nil {
		f, err := r.db.o.FS.Open(r.db.wal.path(r.pos.VLF))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w after %s: %w", ErrLogGone, r.at, err)
		}
		if err != nil {
			return err
		}
		r.file = f
	}
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	m, err := r.file.ReadAt(r.buf[:n], r.pos.Offset)
	r.buf = r.buf[:m]
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (r *LogReader) closeFile() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Position is the LSN after which Next continues.
func (r *LogReader) Position() lsn.LSN { return r.at }

// Acknowledge tells that records up to at need not be kept for this reader any more. Until the first call everything
// after the start is kept.
func (r *LogReader) Acknowledge(at lsn.LSN) {
	if r.ctx.Err() == nil {
		r.db.keepLog(r, at)
	}
}

// Close ends the reader, and a Next that is waiting. Idempotent.
func (r *LogReader) Close() {
	r.stop(errReaderClosed)
	r.db.dropLog(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.closeFile(); err != nil {
		r.db.log.Warn("log segment did not close", "database", r.db.o.Name, "error", err)
	}
}
