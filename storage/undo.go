package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"path/filepath"
	"slices"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// place is the last record of a commit, and where it ends in the log.
type place struct {
	pagelog.Header
	end logvfs.Position
}

// findCommit looks for the commit that the record of the LSN ends. It errs with ErrLogGone when the log held begins after
// it, and with ErrGap when no commit ends there.
func findCommit(fsys fsx.FS, dir string, m *meta, at lsn.LSN) (place, error) {
	f, err := fsys.Open(filepath.Join(dir, segmentName(at.VLF)))
	if errors.Is(err, fs.ErrNotExist) {
		return place{}, fmt.Errorf("%w: record %s was in segment %d", ErrLogGone, at, at.VLF)
	}
	if err != nil {
		return place{}, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	start, prev, err := segmentStart(f, m, at.VLF)
	if err != nil {
		return place{}, err
	}
	if !prev.Less(at) {
		return place{}, fmt.Errorf("%w: record %s, the oldest is after %s", ErrLogGone, at, prev)
	}
	for sc := pagelog.NewScanner(f, at.VLF, start, prev); ; {
		h, _, _, err := sc.Next()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return place{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		case err != nil || at.Less(h.LSN) || h.LSN == at && h.More():
			return place{}, fmt.Errorf("%w: no commit of the log ends at %s", ErrGap, at)
		case h.LSN == at:
			return place{h, logvfs.Position{VLF: at.VLF, Offset: sc.Offset()}}, nil
		}
	}
}

// segmentStart returns where a segment's first record is, and the record before it.
func segmentStart(f fsx.File, m *meta, vlf uint32) (int64, lsn.LSN, error) {
	if vlf == m.from.VLF {
		return m.from.Offset, m.fromLSN, nil
	}
	head := make([]byte, pagelog.SegmentHeaderSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, lsn.Zero, err
	}
	h, err := pagelog.ParseSegmentHeader(head[:n])
	if err == nil && (h.ID != m.id || h.VLF != vlf) {
		err = fmt.Errorf("%w: segment %d of database %x", pagelog.ErrInvalid, h.VLF, h.ID)
	}
	if err != nil {
		return 0, lsn.Zero, fmt.Errorf("%w: log segment %s: %w", ErrDamaged, f.Name(), err)
	}
	return pagelog.SegmentHeaderSize, h.Prev, nil
}

// eachAfter calls f with every record after the place, up to upTo or where the chain of records ends, and returns the last.
func eachAfter(fsys fsx.FS, dir string, m *meta, from place, upTo lsn.LSN, f func(h *pagelog.Header, body []byte) error) (lsn.LSN, error) {
	vlfs, err := listSegments(fsys, dir)
	if err != nil {
		return lsn.Zero, err
	}
	last := from.LSN
	for _, vlf := range vlfs {
		if vlf < from.end.VLF || !last.Less(upTo) {
			continue
		}
		goes, err := eachOfSegment(fsys, dir, m, vlf, from, &last, upTo, f)
		if err != nil || !goes {
			return last, err
		}
	}
	return last, nil
}

// eachOfSegment is eachAfter for one segment. It reports false where the chain ends.
func eachOfSegment(fsys fsx.FS, dir string, m *meta, vlf uint32, from place, last *lsn.LSN, upTo lsn.LSN, f func(h *pagelog.Header, body []byte) error) (bool, error) {
	file, err := fsys.Open(filepath.Join(dir, segmentName(vlf)))
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	start := from.end.Offset
	if vlf > from.end.VLF {
		first, prev, err := segmentStart(file, m, vlf)
		if err != nil || prev != *last {
			return false, nil // was being made, or is of a tail that was cut
		}
		start = first
	}
	for sc := pagelog.NewScanner(file, vlf, start, *last); last.Less(upTo); {
		h, body, _, err := sc.Next()
		var broken *pagelog.BadRecord
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.As(err, &broken):
			return false, nil // what must be there is compared by the caller
		case err != nil:
			return false, fmt.Errorf("log segment %s: %w", file.Name(), err)
		}
		if err := f(&h, body); err != nil {
			return false, err
		}
		*last = h.LSN
	}
	return true, nil
}

// undo takes pages back to what they were at an earlier commit. A change is the old page XOR the new one, so the order in
// which changes are taken back does not matter: the log is read forwards.
type undo struct {
	fs  fsx.FS
	dir string
	m   *meta
	// to is the commit to go back to, upTo the last record to take back.
	to   place
	upTo lsn.LSN
	// read returns a page as it is now.
	read func(no uint32) (*logvfs.Page, error)
	// atOnce is how many pages are held in memory.
	atOnce int
}

// touched returns the pages that changed since, in order. ErrDamaged when the log ends before upTo.
func (u *undo) touched() ([]uint32, error) {
	var seen []uint64 // a bit for each page
	last, err := eachAfter(u.fs, u.dir, u.m, u.to, u.upTo, func(h *pagelog.Header, body []byte) error {
		if h.Kind != pagelog.KindPages {
			return nil
		}
		c := pagelog.ParseChanges(body)
		for c.Next() {
			if at := int(c.Page / 64); at >= len(seen) {
				seen = append(seen, make([]uint64, at+1-len(seen))...)
			}
			seen[c.Page/64] |= 1 << (c.Page % 64)
		}
		return c.Err()
	})
	if err != nil {
		return nil, err
	}
	if last.Less(u.upTo) {
		return nil, u.short(last)
	}
	var nos []uint32
	for i, word := range seen {
		for ; word != 0; word &= word - 1 {
			nos = append(nos, uint32(i*64+bits.TrailingZeros64(word)))
		}
	}
	return nos, nil
}

// undonePage is one page on its way back.
type undonePage struct {
	now, then *logvfs.Page
	// check names the content that the first change taken back applied to.
	check uint32
	any   bool
}

// each calls f with every page of nos, as it is now and as it was then; a page of zeros has the zero hash. The pages
// then have the LSN of the commit gone back to.
func (u *undo) each(nos []uint32, f func(no uint32, now, then *logvfs.Page) error) error {
	for part := range slices.Chunk(nos, max(u.atOnce, batchPages)) {
		pages, err := u.some(part)
		if err != nil {
			return err
		}
		for _, no := range part {
			p := pages[no]
			if p.then.Hash = pagelog.Hash(no, &p.then.Data); p.any && p.then.Hash.Check() != p.check {
				return fmt.Errorf("%w: page %d taken back from %s to %s has check %08x, the log says %08x", ErrDamaged, no,
					p.now.LSN, u.to.LSN, p.then.Hash.Check(), p.check)
			}
			if err := f(no, p.now, p.then); err != nil {
				return err
			}
		}
	}
	return nil
}

// some takes a part of the pages back.
func (u *undo) some(part []uint32) (map[uint32]*undonePage, error) {
	pages := make(map[uint32]*undonePage, len(part))
	for _, no := range part {
		now, err := u.read(no)
		if err != nil {
			return nil, err
		}
		if now == nil {
			now = &logvfs.Page{}
		}
		pages[no] = &undonePage{now: now, then: &logvfs.Page{Data: now.Data, LSN: u.to.LSN}}
	}
	last, err := eachAfter(u.fs, u.dir, u.m, u.to, u.upTo, func(h *pagelog.Header, body []byte) error {
		if h.Kind != pagelog.KindPages {
			return nil
		}
		c := pagelog.ParseChanges(body)
		for c.Next() {
			p := pages[c.Page]
			if p == nil || p.now.LSN.Less(h.LSN) {
				continue
			}
			if !p.any {
				p.any, p.check = true, c.Check
			}
			c.Apply(&p.then.Data)
		}
		return c.Err()
	})
	if err == nil && last.Less(u.upTo) {
		err = u.short(last)
	}
	return pages, err
}

func (u *undo) short(last lsn.LSN) error {
	return fmt.Errorf("%w: the log was read up to %s, it is there up to %s", ErrDamaged, last, u.upTo)
}
