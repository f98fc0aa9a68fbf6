package storage

import (
	"context"
	"errors"
	"io"
	"slices"

	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// readRun fills c with n pages from first on as of the version, each checked against its hash. All of them take two
// reads of the base file, straight to where they are sent from; a page that is not there as it should be is read again
// by itself, which finds the older one that a reader's version needs, or says what is wrong.
func (s *SeedSource) readRun(ctx context.Context, v *logvfs.Version, c *Chunk, first uint32, n int) error {
	c.Pages = slices.Grow(c.Pages[:0], n*PageSize)[:n*PageSize]
	s.rows = slices.Grow(s.rows[:0], n*entrySize)[:n*entrySize]
	held := slices.Grow(s.held[:0], n)
	// What the version holds is asked BEFORE the base file is read: once a checkpoint has written it there, the version
	// forgets it.
	for i := range n {
		held = append(held, v.Changed(first+uint32(i)))
	}
	s.held = held
	defer clear(held)
	read := s.db.base.readRun(first, c.Pages, s.rows)
	for i, p := range held {
		no, to := first+uint32(i), (*pagelog.Page)(c.Pages[i*PageSize:])
		var e entry
		ok := false
		if p == nil && read {
			e, ok = runPage(no, v, s.rows[i*entrySize:(i+1)*entrySize], to)
		}
		if !ok {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if p == nil {
				var err error
				if p, err = s.page(v, no); err != nil {
					return err
				}
			}
			e = entry{hash: p.Hash, at: p.LSN}
			*to = p.Data
		}
		c.LSNs, c.Hashes = append(c.LSNs, e.at), append(c.Hashes, e.hash)
	}
	return nil
}

// runPage reports whether the page is what its row of the page table says, and what the version has.
func runPage(no uint32, v *logvfs.Version, row []byte, p *pagelog.Page) (entry, bool) {
	e, err := decodeEntry(no, row)
	switch {
	case err != nil, v.LSN.Less(e.at):
		return e, false
	case e.hash.IsZero():
		*p = pagelog.Page{} // what the file holds there does not matter
		return e, true
	}
	return e, pagelog.Hash(no, p) == e.hash
}

// readRun reads pages and their rows from page first on, unchecked and past the cache. What lies beyond the end of the
// files is left as zeros; false means that the disk failed.
func (b *baseFile) readRun(first uint32, pages, rows []byte) bool {
	for i := range b.shard { // in order, as every run does; a writer holds one only
		b.shard[i].RLock()
		defer b.shard[i].RUnlock()
	}
	n, err := b.table.ReadAt(rows, int64(first-1)*entrySize)
	clear(rows[n:])
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	n, err = b.data.ReadAt(pages, int64(first-1)*PageSize)
	clear(pages[n:])
	return err == nil || errors.Is(err, io.EOF)
}
