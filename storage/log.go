package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"linkspan/internal/fsx"
	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// logFile is the log's files: the segments, and the one being appended to. One goroutine appends at a time.
type logFile struct {
	fs  fsx.FS
	dir string
	id  Identity
	// full is the size of a full-grown segment, and bound what the log may take, 0 for no bound.
	full  int64
	bound func() int64

	// syncMu is held while cur is synced or replaced. Taken before mu.
	syncMu sync.Mutex
	mu     sync.Mutex // protects segs, and the appender's fields below against readers
	segs   []segment
	cur    fsx.File
	mark   *hardMark
	vlf    uint32
	off    int64
	size   int64 // allocated
	prev   lsn.LSN
	// safe is the last record known to be durable.
	safe lsn.LSN
	// grown is the size the next segment gets.
	grown int64
	// syncs counts them, and written the bytes appended, since Open.
	syncs, written atomic.Int64
}

// segment is one file of the log.
type segment struct {
	vlf uint32
	// prev is the last record before it.
	prev lsn.LSN
	// start is where its first record is; end is where its last one ends, once another segment follows.
	start, end int64
}

const minGrown = 1 << 20

func segmentName(vlf uint32) string { return fmt.Sprintf("vlf-%08d.log", vlf) }

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (uint32, bool) {
	s, begins := strings.CutPrefix(name, "vlf-")
	s, ends := strings.CutSuffix(s, ".log")
	if !begins || !ends {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0 && segmentName(uint32(n)) == name
}

func (l *logFile) path(vlf uint32) string { return filepath.Join(l.dir, segmentName(vlf)) }

// grow sets how large the next segment is, for a database of so many pages.
func (l *logFile) grow(pages uint32) {
	l.grown = min(minGrown, l.full)
	for want := int64(pages) * PageSize / 8; l.grown < want && l.grown < l.full; {
		l.grown = min(l.grown*2, l.full)
	}
}

// next makes segment vlf, with room for at least need bytes of records, and appends to it from now on. After an error
// nothing has changed.
func (l *logFile) next(vlf uint32, start, need int64) error {
	size := l.nextSize(start, need, l.bound())
	if l.cur != nil && l.synced() != l.prev { // a segment's header promises that what precedes it is hardened
		if _, err := l.flush(); err != nil {
			return errors.Join(err, ErrPoisoned)
		}
	}
	f, err := l.create(vlf, size)
	if err != nil {
		return fmt.Errorf("make log segment %d: %w", vlf, err)
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.cur != nil { // its records are durable; that it was cut to its length need not be
		if err := errors.Join(l.cur.Truncate(l.off), l.cur.Close()); err != nil {
			return errors.Join(fmt.Errorf("finish log segment %d: %w", l.vlf, err), f.Close(), ErrPoisoned)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segs); n > 0 {
		l.segs[n-1].end = l.off
	}
	l.segs = append(l.segs, segment{vlf: vlf, prev: l.prev, start: start})
	l.cur, l.vlf, l.off, l.size = f, vlf, start, size
	l.grown = min(l.grown*2, l.full)
	return nil
}

// create makes a segment's file, allocated and with a durable header.
func (l *logFile) create(vlf uint32, size int64) (fsx.File, error) {
	f, err := l.fs.Create(l.path(vlf))
	if err != nil {
		return nil, err
	}
	h := pagelog.SegmentHeader{ID: l.id, VLF: vlf, Prev: l.prev}
	err = f.Preallocate(size)
	if err == nil {
		_, err = f.WriteAt(h.Encode(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), l.fs.Remove(l.path(vlf)))
	}
	return f, nil
}

// finish syncs the present segment, cut to its length, and closes it. It needs syncMu.
func (l *logFile) finish() error {
	err := l.cur.Truncate(l.off)
	if err == nil {
		err = l.sync()
	}
	return errors.Join(err, l.cur.Close())
}

// nextSize is how large the next segment will be: where the log is bounded, an eighth of that at most.
func (l *logFile) nextSize(start, need, bound int64) int64 {
	size := l.grown
	if bound > 0 {
		size = min(size, max(bound/8, minSegmentBytes))
	}
	return max(size, start+need)
}

// total is what the log's files take.
func (l *logFile) total() (n int64) {
	for _, s := range l.segments() {
		n += s.end
	}
	return n + l.spare()
}

// smallest is what the log takes at least: its present segment.
func (l *logFile) smallest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// write appends whole records, the last of which is last, and returns where they end. They fit (room).
func (l *logFile) write(b []byte, last lsn.LSN) (logvfs.Position, error) {
	if _, err := l.cur.WriteAt(b, l.off); err != nil {
		return logvfs.Position{}, fmt.Errorf("write log at %s:%d: %w", l.cur.Name(), l.off, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off += int64(len(b))
	l.prev = last
	l.written.Add(int64(len(b)))
	return logvfs.Position{VLF: l.vlf, Offset: l.off}, nil
}

// flush makes everything written so far durable, and returns the last record of it.
func (l *logFile) flush() (lsn.LSN, error) {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	last := l.prev
	l.mu.Unlock()
	if err := l.sync(); err != nil {
		return lsn.Zero, fmt.Errorf("sync log: %w", err)
	}
	if err := l.mark.write(last); err != nil {
		return lsn.Zero, fmt.Errorf("write %s: %w", markName, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.safe = lsn.Latest(l.safe, last)
	return last, nil
}

// sync makes what was written to the present segment durable. It needs syncMu.
func (l *logFile) sync() error {
	l.syncs.Add(1)
	if sabotage.NoFsync {
		return nil
	}
	return l.cur.Sync()
}

// synced is the last record known to be durable.
func (l *logFile) synced() lsn.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.safe
}

// close ends the log; the last segment is cut to its length when the log is in order.
func (l *logFile) close(clean bool) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.cur == nil {
		return nil
	}
	f := l.cur
	var err error
	if clean {
		err = l.finish()
	} else if err = f.Close(); errors.Is(err, fs.ErrClosed) {
		err = nil // finishing it failed
	}
	l.cur = nil
	return err
}

// segments returns a copy of the list; the last one's end is where the log ends now.
func (l *logFile) segments() []segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append([]segment(nil), l.segs...)
	if len(out) > 0 {
		out[len(out)-1].end = l.off
	}
	return out
}

// spare is the room allocated and not used yet.
func (l *logFile) spare() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.size-l.off)
}

// trim removes the segments whose last record is at or before the LSN, but never the last segment.
func (l *logFile) trim(upTo lsn.LSN) error {
	l.mu.Lock()
	var gone []segment
	for len(l.segs) > 1 && !upTo.Less(l.segs[1].prev) {
		gone = append(gone, l.segs[0])
		l.segs = l.segs[1:]
	}
	l.mu.Unlock()
	for _, s := range gone { // one after the other, so that a crash leaves no gap
		err := l.fs.Remove(l.path(s.vlf))
		if err == nil {
			err = l.fs.SyncDir(l.dir)
		}
		if err != nil {
			return fmt.Errorf("remove log segment %d: %w", s.vlf, err)
		}
	}
	return nil
}

// adopt makes the tail's end, in the file of that many bytes, the place to append to.
func (l *logFile) adopt(tail *logTail, f fsx.File, size int64) {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segs, l.cur, l.vlf, l.off, l.prev, l.safe, l.size = tail.segs, f, tail.end.VLF, tail.end.Offset, tail.last, tail.last, size
}

// release closes the present segment, before the files change.
func (l *logFile) release() error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	f := l.cur
	l.cur = nil
	return f.Close()
}

// fill leaves no room in the present segment: what is appended next begins another.
func (l *logFile) fill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = l.off
}

// extend makes sure that n more bytes fit into the present segment, which somebody else decided to fill so far.
func (l *logFile) extend(n int64) error {
	if l.off+n <= l.size {
		return nil
	}
	size := l.size + max(n, l.size)
	if err := l.cur.Preallocate(size); err != nil {
		return fmt.Errorf("extend log segment %d: %w", l.vlf, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = size
	return nil
}

// cut drops what follows the record last, which ends at the position and is durable: the rest of its segment, and the
// segments after it. After an error the log is not to be used any more.
func (l *logFile) cut(end logvfs.Position, last lsn.LSN) error {
	if l.prev == last {
		return nil
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	// The mark first: what it names is about to go, and would be missed at the next start.
	if err := errors.Join(l.mark.write(last), l.mark.f.Sync()); err != nil {
		return fmt.Errorf("write %s: %w", markName, err)
	}
	end, err := l.dropAfter(end, last)
	if err != nil {
		return fmt.Errorf("cut the log after %s: %w", last, err)
	}
	if err := l.cur.Truncate(end.Offset); err != nil {
		return fmt.Errorf("cut the log after %s: %w", last, err)
	}
	if err := l.sync(); err != nil { // BEFORE a segment follows that does not know of what was cut
		return fmt.Errorf("cut the log after %s: %w", last, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vlf, l.off, l.size, l.prev, l.safe = end.VLF, end.Offset, end.Offset, last, last
	return nil
}

// dropAfter removes the segments that hold only what follows the record last, and makes the one before them the present
// one. It returns where that is to be cut. It needs syncMu.
func (l *logFile) dropAfter(end logvfs.Position, last lsn.LSN) (logvfs.Position, error) {
	segs := l.segments()
	keep := len(segs)
	for ; keep > 0 && segs[keep-1].vlf > end.VLF; keep-- {
		if s := segs[keep-1]; s.prev == last { // the segment of last itself may be gone
			end = logvfs.Position{VLF: s.vlf, Offset: s.start}
			break
		}
	}
	if keep == len(segs) {
		return end, nil
	}
	f, err := l.fs.OpenRW(l.path(end.VLF))
	if err != nil {
		return end, err
	}
	old := l.cur
	l.mu.Lock()
	l.cur, l.segs = f, segs[:keep]
	l.mu.Unlock()
	if err := old.Close(); err != nil {
		return end, err
	}
	for n := len(segs); n > keep; n-- { // the last first, so that a crash leaves no gap
		if err := l.fs.Remove(l.path(segs[n-1].vlf)); err != nil {
			return end, err
		}
	}
	return end, l.fs.SyncDir(l.dir)
}
