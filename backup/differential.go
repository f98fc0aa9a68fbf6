package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/storage"
)

// RestoreDifferential makes the database of a differential backup in o.Dir, which must be absent or empty, from its pages
// and those of old, a replica that was restored from the differential's base and not recovered. old is only read. After
// an error the directory holds no database, and everything in it may be removed.
func RestoreDifferential(ctx context.Context, o storage.Options, old *storage.DB, r *Reader, progress func(done, total int64)) (*storage.DB, *Restored, error) {
	h := &r.start.Header
	switch {
	case r.start.Kind != bak.Differential:
		return nil, nil, fmt.Errorf("restore: %w", errors.New("the backup is not a differential"))
	case h.ID != old.ID():
		return nil, nil, fmt.Errorf("restore: %w: the differential is of database %x, not of %x", storage.ErrGap, h.ID, old.ID())
	case old.Published().Less(r.start.Base):
		return nil, nil, fmt.Errorf("restore: %w: the differential has what changed after %s, the database ends at %s", storage.ErrGap, r.start.Base, old.Published())
	}
	src, err := old.SeedSource(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("restore: %w", err)
	}
	defer src.Close()
	t, err := storage.CreateSeedTarget(ctx, o, *h)
	if err != nil {
		return nil, nil, fmt.Errorf("restore: %w", err)
	}
	defer r.readAhead()()
	m := &merge{t: t, src: src, at: h.LogFrom, next: 1, out: &Restored{}, progress: progress}
	end, err := m.run(ctx, r)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("restore: %w", err), t.Close())
	}
	db, err := t.Finish(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("restore: %w", err)
	}
	if err := arrived(db, end); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, m.out, nil
}

// merge lays the pages of a differential over those of the database it builds on, in the order of page numbers.
type merge struct {
	t   *storage.SeedTarget
	src *storage.SeedSource
	// at is the latest version of the differential's pages so far, next the first page not installed yet.
	at       lsn.LSN
	next     uint32
	out      *Restored
	progress func(done, total int64)
}

func (m *merge) run(ctx context.Context, r *Reader) (*End, error) {
	for {
		f, err := r.Next()
		switch {
		case err != nil:
			return nil, err
		case f.Pages != nil:
			err = m.pages(ctx, f.Pages)
		case f.Last != nil:
			err = m.last(ctx, f.Last)
		case f.Log != nil:
			m.out.LogBytes += int64(len(f.Log))
			err = m.t.ApplyLog(ctx, f.Log)
		case f.End != nil:
			m.out.At, m.out.Time = f.End.Last, time.Unix(0, f.End.Time).UTC()
			return f.End, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// pages installs the differential's pages and, before and between them, the old ones.
func (m *merge) pages(ctx context.Context, p *Pages) error {
	m.at = lsn.Latest(m.at, p.LSN)
	for i := 0; i < len(p.Numbers); {
		if p.Numbers[i] < m.next {
			return fmt.Errorf("%w: page %d comes after page %d", ErrFormat, p.Numbers[i], m.next-1)
		}
		if err := m.old(ctx, p.Numbers[i]); err != nil {
			return err
		}
		n := 1
		for i+n < len(p.Numbers) && p.Numbers[i+n] == p.Numbers[i]+uint32(n) {
			n++
		}
		c := storage.Chunk{First: m.next, LSN: m.at, Size: p.Size, Pages: p.Bytes[i*storage.PageSize : (i+n)*storage.PageSize], LSNs: p.LSNs[i : i+n], Hashes: p.Hashes[i : i+n]}
		if err := m.t.InstallChunk(ctx, c); err != nil {
			return err
		}
		m.next += uint32(n)
		i += n
		m.out.Pages += int64(n)
	}
	m.tell(p.Size)
	return nil
}

// old installs the old pages up to, and not with, page no.
func (m *merge) old(ctx context.Context, no uint32) error {
	for m.next < no {
		n := int(min(no-m.next, ChunkPages))
		c, err := m.src.ReadChunk(ctx, m.next, n)
		if err != nil {
			return err
		}
		if len(c.LSNs) == 0 {
			return fmt.Errorf("%w: page %d is neither in the differential nor in the database, which has %d", ErrFormat, m.next, c.Size)
		}
		c.LSN, c.Digest = m.at, storage.Digest{}
		if err := m.t.InstallChunk(ctx, c); err != nil {
			return err
		}
		m.next += uint32(len(c.LSNs))
	}
	return nil
}

// last installs the rest of the old pages and the empty chunk that ends them.
func (m *merge) last(ctx context.Context, p *Pages) error {
	m.at = lsn.Latest(m.at, p.LSN)
	if err := m.old(ctx, p.Size+1); err != nil {
		return err
	}
	m.tell(p.Size)
	return m.t.InstallChunk(ctx, storage.Chunk{First: m.next, LSN: p.LSN, Size: p.Size, Digest: p.Digest})
}

func (m *merge) tell(size uint32) {
	if m.progress != nil {
		m.progress(int64(m.next-1), int64(size))
	}
}
