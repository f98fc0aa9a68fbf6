package storage

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

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
	// given and bytes are the records that each gave.
	given, bytes int64
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
	prev, tell := from.LSN, f
	f = func(h *pagelog.Header, body []byte, end logvfs.Position) error {
		t.given++
		t.bytes += int64(h.Length)
		return tell(h, body, end)
	}
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
	b := scanAhead(pagelog.NewScanner(file, vlf, start, *prev), last)
	defer b.stop()
	for r := range b.records {
		if r.err != nil {
			return fmt.Errorf("log segment %s: %w", name, r.err)
		}
		for i := range r.heads {
			h := &r.heads[i]
			*prev = h.LSN
			if err := f(h, r.bodies[i], logvfs.Position{VLF: vlf, Offset: r.ends[i]}); err != nil {
				return err
			}
		}
		b.back(r)
	}
	return nil
}
