package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// Open opens a database: a primary or a replica, as it was. It recovers what a crash left: a torn tail of the log is
// cut; anything else that is not as it was hardened yields ErrDamaged.
func Open(ctx context.Context, o Options) (*DB, error) {
	o = o.withDefaults()
	db, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", o.Name, err)
	}
	return db, nil
}

func open(ctx context.Context, o Options) (*DB, error) {
	db, err := openFiles(o)
	if err != nil {
		return nil, err
	}
	if db.meta.cur.role == roleSeeding {
		return nil, errors.Join(errors.New("its seeding was not finished: continue it, or drop it"), db.closeFiles())
	}
	if err := db.recover(ctx); err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	if err := db.start(); err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	return db, nil
}

// openFiles takes the lock and opens what lies in the directory, all but the log.
func openFiles(o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if _, err := o.FS.Stat(filepath.Join(o.Dir, metaName)); err != nil {
		return nil, err // before the lock file is made
	}
	db, err := newDB(o)
	if err != nil {
		return nil, err
	}
	if db.meta, err = openMeta(o.FS, o.Dir); err == nil {
		if db.base, err = openBase(o.FS, o.Dir, false, o.CacheBytes); err == nil {
			db.dw, err = openDoubleWrite(o.FS, o.Dir, false)
		}
	}
	if err == nil {
		err = db.clearTemp()
	}
	if err != nil {
		return nil, errors.Join(err, db.closeFiles())
	}
	db.wal.id = db.meta.cur.id
	db.wal.grow(db.meta.cur.pages)
	return db, nil
}

// clearTemp removes the temporary files a crash left.
func (db *DB) clearTemp() error {
	list, err := db.o.FS.ReadDir(db.tempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		err = errors.Join(err, db.o.FS.Remove(filepath.Join(db.tempDir(), e.Name())))
	}
	return err
}

// recover brings the database to the last whole commit in its log.
func (db *DB) recover(ctx context.Context) error {
	m, err := db.dw.redo(db.base, db.meta.cur)
	if err != nil {
		return fmt.Errorf("redo the last checkpoint: %w", err)
	}
	db.meta.cur = m // what the base file is now; the next checkpoint commits it
	db.replica.Store(m.role == roleReplica)
	db.ckptAt.Store(&m.at)
	db.base.pages.Store(m.pages)
	db.base.digest = m.digest
	for _, c := range m.controls {
		if err := db.keepControl(c, false); err != nil {
			return err
		}
	}
	tail, err := findTail(db.o.FS, db.o.Dir, m, readMark(db.o.FS, db.o.Dir))
	if err != nil {
		return err
	}
	if tail.last.Less(m.until) {
		return fmt.Errorf("%w: the log ends at %s, but the base file has pages up to %s", ErrDamaged, tail.last, m.until)
	}
	from := &logvfs.Version{LSN: m.at, End: m.end, Epoch: m.epoch, Time: m.time, Pages: m.pages, Digest: m.digest}
	from.WithPages(logvfs.NewBuilder(nil).Version(&logvfs.Version{}))
	v, err := db.replay(ctx, from, tail)
	if err != nil {
		return err
	}
	db.marks.init(v, max(m.epoch, v.Epoch))
	if tail.torn != "" {
		db.log.Warn("a torn end of the log was cut", "database", db.o.Name, "segment", tail.end.VLF, "offset", tail.end.Offset, "reason", tail.torn)
	}
	return db.continueLog(tail)
}

// replay applies the log after from up to the tail.
func (db *DB) replay(ctx context.Context, from *logvfs.Version, tail *logTail) (*logvfs.Version, error) {
	v, a := from, newApplier(db.base, from, db.meta.cur.until)
	var pending int64
	err := tail.each(db.o.FS, db.o.Dir, from, func(h *pagelog.Header, body []byte, end logvfs.Position) error {
		if err := a.record(h, body); err != nil {
			return err
		}
		if h.Kind == pagelog.KindControl {
			if err := db.replayControl(h, body); err != nil {
				return err
			}
		}
		if pending += int64(h.Length); a.open || (pending < replayBatch && h.LSN != tail.last) {
			return ctx.Err()
		}
		pending = 0
		next, err := a.version(end)
		if err != nil {
			return err
		}
		v = next
		if int64(v.Dirty())*PageSize >= db.o.DirtyBytes {
			return db.replayCheckpoint(&a, v)
		}
		return nil
	})
	return v, err
}

// replayBatch is how much log is replayed between two looks at the digest.
const replayBatch = 4 << 20

func (db *DB) replayCheckpoint(a **applier, v *logvfs.Version) error {
	if err := db.checkpoint(v, v.LSN); err != nil {
		return err
	}
	v.Forget()
	*a = newApplier(db.base, v, (*a).until)
	return nil
}

func (db *DB) replayControl(h *pagelog.Header, body []byte) error {
	kind, payload, err := pagelog.ParseControl(body)
	if err != nil {
		return fmt.Errorf("%w: record %s: %w", ErrDamaged, h.LSN, err)
	}
	return db.keepControl(Control{LSN: h.LSN, Epoch: h.Epoch, Kind: kind, Payload: payload}, false)
}

// continueLog cuts the torn tail and gives the log its place to append to: on a primary a new segment, on a replica
// where it ended.
func (db *DB) continueLog(tail *logTail) error {
	for _, vlf := range tail.empty {
		if err := db.o.FS.Remove(db.wal.path(vlf)); err != nil {
			return fmt.Errorf("remove the unfinished log segment %d: %w", vlf, err)
		}
	}
	if len(tail.empty) > 0 {
		if err := db.o.FS.SyncDir(db.o.Dir); err != nil {
			return err
		}
	}
	f, err := db.o.FS.OpenRW(db.wal.path(tail.end.VLF))
	if err != nil {
		return err
	}
	l := db.wal
	l.segs, l.cur, l.vlf, l.off, l.prev, l.safe = tail.segs, f, tail.end.VLF, tail.end.Offset, tail.last, tail.last
	if l.size, err = f.Size(); err != nil {
		return err
	}
	if err := f.Truncate(l.off); err != nil { // whatever follows must never be taken for records
		return fmt.Errorf("cut log segment %d at %d: %w", l.vlf, l.off, err)
	}
	if tail.last.Less(tail.mark) { // what was cut may come again, and be torn then
		if err := errors.Join(l.mark.write(tail.last), l.mark.f.Sync()); err != nil {
			return fmt.Errorf("write %s: %w", markName, err)
		}
	}
	used := l.segs[len(l.segs)-1].start < l.off
	if db.replica.Load() || !used {
		if err := f.Preallocate(l.size); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	if db.replica.Load() || !used {
		return nil
	}
	return l.next(l.vlf+1, pagelog.SegmentHeaderSize, 0)
}

// logTail is what the log holds after the last checkpoint.
type logTail struct {
	// segs are the segments there are, older ones too.
	segs []segment
	// empty are segments that were being made when the crash came.
	empty []uint32
	// last is the last record that ended a commit, and end where it ends.
	last lsn.LSN
	end  logvfs.Position
	// mark is hardened; foreign tells that the records' own word on that is another database's.
	mark    lsn.LSN
	foreign bool
	// torn says why the rest was cut; "" when there was none.
	torn string
}

// listSegments returns the numbers of the log's segments in order.
func listSegments(fsys fsx.FS, dir string) ([]uint32, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []uint32
	for _, e := range entries {
		if n, ok := parseSegmentName(e.Name()); ok {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// findTail reads the log from the checkpoint m on and finds its last whole commit. Mark is a record that is known to
// have been hardened here.
func findTail(fsys fsx.FS, dir string, m meta, mark lsn.LSN) (*logTail, error) {
	vlfs, err := listSegments(fsys, dir)
	if err != nil {
		return nil, err
	}
	t := &logTail{last: m.at, end: m.end, mark: mark, foreign: m.role != rolePrimary}
	prev := m.at // the last record read
	for i, vlf := range vlfs {
		if err := t.segment(fsys, dir, m, vlf, i == len(vlfs)-1, &prev); err != nil {
			return nil, err
		}
	}
	// The checkpoint's own segment may be gone when nothing followed in it: the next one's header tells.
	if n := len(t.segs); n == 0 || t.segs[n-1].vlf < m.end.VLF {
		return nil, fmt.Errorf("%w: log segment %d, where the log goes on after the last checkpoint, is gone", ErrDamaged, m.end.VLF)
	}
	if t.end.VLF == 0 { // nothing was ever committed
		t.end = logvfs.Position{VLF: t.segs[0].vlf, Offset: t.segs[0].start}
	}
	t.place()
	return t, nil
}

// place decides where the log goes on: behind the last whole commit, or in the segment that was begun after it.
func (t *logTail) place() {
	for n := len(t.segs); n > 0 && t.segs[n-1].vlf > t.end.VLF; n-- {
		s := &t.segs[n-1]
		if s.prev == t.last { // begun, and nothing in it yet
			t.end = logvfs.Position{VLF: s.vlf, Offset: s.start}
			break
		}
		t.empty = append(t.empty, s.vlf)
		t.segs = t.segs[:n-1]
	}
}

// segment looks at one segment: its header, and from the checkpoint on its records.
func (t *logTail) segment(fsys fsx.FS, dir string, m meta, vlf uint32, isLast bool, prev *lsn.LSN) error {
	name := filepath.Join(dir, segmentName(vlf))
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	head := make([]byte, pagelog.SegmentHeaderSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log segment %s: %w", name, err)
	}
	h, err := pagelog.ParseSegmentHeader(head[:n])
	if err == nil && (h.ID != m.id || h.VLF != vlf) {
		err = fmt.Errorf("%w: segment %d of database %x", pagelog.ErrInvalid, h.VLF, h.ID)
	}
	if err != nil {
		if _, n, e := pagelog.Survivors(f, vlf, 0); e == nil && n == 0 && isLast && vlf > m.end.VLF && len(t.segs) > 0 {
			t.empty = append(t.empty, vlf)
			return nil // it was being made
		}
		return fmt.Errorf("%w: log segment %s: %w", ErrDamaged, name, err)
	}
	s := segment{vlf: vlf, prev: h.Prev, start: pagelog.SegmentHeaderSize}
	if vlf == m.from.VLF {
		s.start, s.prev = m.from.Offset, m.fromLSN
	}
	if vlf < m.end.VLF { // before the checkpoint: kept for others
		size, err := f.Size()
		s.end = size
		t.segs = append(t.segs, s)
		return err
	}
	from := s.start
	if vlf == m.end.VLF {
		from = m.end.Offset
		if size, err := f.Size(); err != nil || size < from {
			return errors.Join(err, fmt.Errorf("%w: log segment %s ends at %d; it was hardened up to %d", ErrDamaged, name, size, from))
		}
	} else if h.Prev != *prev {
		return fmt.Errorf("%w: log segment %s follows %s, but the log before it ends at %s", ErrDamaged, name, h.Prev, *prev)
	}
	return t.records(f, name, s, from, isLast, prev)
}

// records reads a segment's records and decides what the first thing that is none of them means.
func (t *logTail) records(f fsx.File, name string, s segment, from int64, isLast bool, prev *lsn.LSN) error {
	sc := pagelog.NewScanner(f, s.vlf, from, *prev)
	hardened := lsn.Latest(t.last, t.mark)
	var bad error
	for {
		h, _, _, err := sc.Next()
		if err != nil {
			bad = err
			break
		}
		if !t.foreign {
			hardened = lsn.Latest(hardened, h.Hardened)
		}
		*prev = h.LSN
		if !h.More() {
			t.last, t.end = h.LSN, logvfs.Position{VLF: s.vlf, Offset: sc.Offset()}
		}
	}
	s.end = sc.Offset()
	t.segs = append(t.segs, s)
	var broken *pagelog.BadRecord
	if !errors.Is(bad, io.EOF) && !errors.As(bad, &broken) {
		return fmt.Errorf("log segment %s: %w", name, bad)
	}
	if !isLast {
		if broken != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, name, broken)
		}
		return nil // the next segment's header says whether this is all
	}
	known, survivors, err := pagelog.Survivors(f, s.vlf, sc.Offset())
	if err != nil {
		return err
	}
	next := pagelog.Next(*prev, s.vlf, sc.Offset())
	if t.foreign {
		known = lsn.Zero
	}
	known = lsn.Latest(known, hardened)
	if broken == nil && survivors == 0 && known.Less(next) {
		return nil
	}
	if !known.Less(next) {
		reason := error(broken)
		if broken == nil {
			reason = &pagelog.BadRecord{Offset: sc.Offset(), LSN: next, Err: pagelog.ErrBlank}
		}
		return fmt.Errorf("%w: %s: %w; the log up to %s was hardened", ErrDamaged, name, reason, known)
	}
	t.torn = "an unfinished write"
	if broken != nil {
		t.torn = broken.Error()
	}
	return nil
}

// each calls f with every record after from up to the last whole commit.
func (t *logTail) each(fsys fsx.FS, dir string, from *logvfs.Version, f func(h *pagelog.Header, body []byte, end logvfs.Position) error) error {
	prev := from.LSN
	for _, s := range t.segs {
		if s.vlf < from.End.VLF || !prev.Less(t.last) {
			continue
		}
		start := s.start
		if s.vlf == from.End.VLF {
			start = from.End.Offset
		}
		if err := eachInSegment(fsys, filepath.Join(dir, segmentName(s.vlf)), s.vlf, start, &prev, t.last, f); err != nil {
			return err
		}
	}
	if prev != t.last {
		return fmt.Errorf("%w: the log was read up to %s, not %s", ErrDamaged, prev, t.last)
	}
	return nil
}

func eachInSegment(fsys fsx.FS, name string, vlf uint32, start int64, prev *lsn.LSN, last lsn.LSN, f func(h *pagelog.Header, body []byte, end logvfs.Position) error) error {
	file, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	for sc := pagelog.NewScanner(file, vlf, start, *prev); prev.Less(last); {
		h, body, _, err := sc.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("log segment %s: %w", name, err)
		}
		*prev = h.LSN
		if err := f(&h, body, logvfs.Position{VLF: vlf, Offset: sc.Offset()}); err != nil {
			return err
		}
	}
	return nil
}
