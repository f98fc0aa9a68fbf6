package storage

import (
	"context"
	"errors"
	"sync/atomic"

	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage/logvfs"
)

// SeedHeader tells a target what it will receive.
type SeedHeader struct {
	ID Identity
	// Epoch is the source's at the start.
	Epoch uint32
	// Pages is the size at the start; the source may grow.
	Pages uint32
	// LogFrom is the LSN after which the target needs the log, LogOffset the byte offset in its segment where that
	// record ends, LogPrev the last record before the segment, and LogTime the record's time (nanoseconds since 1970).
	LogFrom   lsn.LSN
	LogOffset int64
	LogPrev   lsn.LSN
	LogTime   int64
	// Controls are the latest control records of each kind at the start.
	Controls []Control
}

// Chunk is a run of pages as they were at one hardened LSN.
type Chunk struct {
	// First is the number of the first page, from 1.
	First uint32
	// LSN is the version the pages were read at, Size the pages the database had then and Digest its digest.
	LSN    lsn.LSN
	Size   uint32
	Digest Digest
	// Pages holds len(LSNs) pages of PageSize bytes, but for those that the target has.
	Pages []byte
	// Have tells which pages the target has with this content already; nil: none.
	Have []bool
	// LSNs are the pages' last changes, and Hashes their hashes.
	LSNs   []lsn.LSN
	Hashes []Digest
}

// SeedSource reads a database's pages for a new replica while it is being written. It pins no version between chunks;
// it keeps the log from its start. For one goroutine.
type SeedSource struct {
	db     *DB
	header SeedHeader
	// ended is set when the database was rewound.
	ended atomic.Bool
	// rows and held are room for one run.
	rows []byte
	held []*logvfs.Page
}

// SeedSource starts a seeding.
func (db *DB) SeedSource(ctx context.Context) (*SeedSource, error) {
	s := &SeedSource{db: db}
	db.keepLog(s, lsn.Zero) // until it is known what is needed
	v := db.pin(false)
	defer db.vers.unpin(v)
	if db.Hardened().Less(v.LSN) { // a replica may show what it has not hardened
		if err := db.WaitDurable(ctx, v.LSN); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.header = SeedHeader{ID: db.ID(), Epoch: v.Epoch, Pages: v.Pages, LogFrom: v.LSN, LogOffset: v.End.Offset, LogTime: v.Time, Controls: latestControls(db.controlsUpTo(v.LSN))}
	for _, seg := range db.wal.segments() {
		if seg.vlf == v.LSN.VLF {
			s.header.LogPrev = seg.prev
		}
	}
	db.keepLog(s, v.LSN)
	return s, nil
}

// ResumeSeedSource continues one whose header a target still has. ErrLogGone when its log was removed.
func (db *DB) ResumeSeedSource(ctx context.Context, h SeedHeader) (*SeedSource, error) {
	if h.ID != db.ID() {
		return nil, db.wrap("seed from", errors.New("the seeding is of another database"))
	}
	s := &SeedSource{db: db, header: h}
	db.keepLog(s, h.LogFrom)
	if _, err := db.find(h.LogFrom); err != nil {
		s.Close()
		return nil, db.wrap("seed from", err)
	}
	return s, ctx.Err()
}

// Header describes the seeding.
func (s *SeedSource) Header() SeedHeader { return s.header }

// ReadChunk is ReadInto with room of its own.
func (s *SeedSource) ReadChunk(ctx context.Context, first uint32, n int) (Chunk, error) {
	var c Chunk
	err := s.ReadInto(ctx, &c, first, n)
	return c, err
}

// ReadInto reads up to n pages from first on, into the room that c has. It reads no pages when first is beyond the
// present size: then all has been read, and the chunk's LSN is the one from which the copy is consistent.
func (s *SeedSource) ReadInto(ctx context.Context, c *Chunk, first uint32, n int) error {
	if first == 0 || n <= 0 {
		return s.db.wrap("seed from", errors.New("pages are counted from 1"))
	}
	v := s.db.pin(false)
	defer s.db.vers.unpin(v)
	*c = Chunk{First: first, LSN: v.LSN, Size: v.Pages, Digest: v.Digest, Pages: c.Pages[:0], LSNs: c.LSNs[:0], Hashes: c.Hashes[:0]}
	last := min(uint64(first)+uint64(n)-1, uint64(v.Pages))
	if uint64(first) > last {
		return nil
	}
	err := s.readRun(ctx, v, c, first, int(last-uint64(first)+1))
	if err == nil && s.ended.Load() {
		err = ErrRewound // the pages may be of before
	}
	return s.db.wrap("seed from", err)
}

// page reads past the cache, which is for those who read again.
func (s *SeedSource) page(v *logvfs.Version, no uint32) (*logvfs.Page, error) {
	p := v.Changed(no)
	if p == nil {
		var err error
		if p, err = s.db.loadOnce(no, v.LSN); err != nil {
			return nil, err
		}
	}
	if v.Gone() {
		return nil, sqlerr.New(3966)
	}
	if p == nil {
		return &logvfs.Page{}, nil
	}
	return p, nil
}

// Close lets the log go.
func (s *SeedSource) Close() { s.db.dropLog(s) }

// Omit leaves the pages out whose content the target has: have are the hashes of its pages from First on.
func (c *Chunk) Omit(have []Digest) {
	c.Have = make([]bool, len(c.LSNs))
	kept := c.Pages[:0]
	for i := range c.LSNs {
		if c.Have[i] = i < len(have) && have[i] == c.Hashes[i]; !c.Have[i] {
			kept = append(kept, c.Pages[i*PageSize:(i+1)*PageSize]...)
		}
	}
	c.Pages = kept
}
