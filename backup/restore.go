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

// Restored is what a restore left in the database.
type Restored struct {
	// At is the last record applied, and Time when it was committed.
	At   lsn.LSN
	Time time.Time
	// Stopped: the place to stop at lies inside this backup; what follows was left out.
	Stopped bool
	// Pages and LogBytes count what was applied.
	Pages, LogBytes int64
}

// RestoreFull makes the database of a full backup in o.Dir, which must be absent or empty, and returns it opened as a
// replica. After an error the directory holds no database, and everything in it may be removed. progress, when not nil,
// is told the pages done and to do.
func RestoreFull(ctx context.Context, o storage.Options, r *Reader, progress func(done, total int64)) (*storage.DB, *Restored, error) {
	if r.start.Kind != bak.Full {
		return nil, nil, fmt.Errorf("restore: %w", errors.New("the backup is not a full one"))
	}
	t, err := storage.CreateSeedTarget(ctx, o, r.start.Header)
	if err != nil {
		return nil, nil, fmt.Errorf("restore: %w", err)
	}
	defer r.readAhead()()
	out := &Restored{}
	end, err := fill(ctx, t, r, out, progress)
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
	return db, out, nil
}

// fill gives a target the pages and the log.
func fill(ctx context.Context, t *storage.SeedTarget, r *Reader, out *Restored, progress func(done, total int64)) (*End, error) {
	next := uint32(1)
	for {
		f, err := r.Next()
		switch {
		case err != nil:
			return nil, err
		case f.Pages != nil:
			p := f.Pages
			for i, no := range p.Numbers {
				if no != next+uint32(i) {
					return nil, fmt.Errorf("%w: page %d is where page %d should be", ErrFormat, no, next+uint32(i))
				}
			}
			err = t.InstallChunk(ctx, storage.Chunk{First: next, LSN: p.LSN, Size: p.Size, Digest: p.Digest, Pages: p.Bytes, LSNs: p.LSNs, Hashes: p.Hashes})
			next += uint32(len(p.Numbers))
			out.Pages += int64(len(p.Numbers))
			if progress != nil {
				progress(int64(next-1), int64(p.Size))
			}
		case f.Last != nil:
			err = t.InstallChunk(ctx, storage.Chunk{First: next, LSN: f.Last.LSN, Size: f.Last.Size, Digest: f.Last.Digest})
		case f.Log != nil:
			out.LogBytes += int64(len(f.Log))
			err = t.ApplyLog(ctx, f.Log)
		case f.End != nil:
			out.At, out.Time = f.End.Last, time.Unix(0, f.End.Time).UTC()
			return f.End, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// arrived compares the database with what the backup says of itself.
func arrived(db *storage.DB, end *End) error {
	at, digest := db.Digest()
	if at != end.Last || digest != end.Digest {
		return fmt.Errorf("restore: %w at %s: the backup was taken with %s, the restored pages give %s at %s", storage.ErrDigest, end.Last, end.Digest, digest, at)
	}
	return nil
}

// RestoreLog applies a log backup to a database that was restored and not recovered; what it has already is skipped.
// storage.ErrGap: the backup does not continue the database's log; nothing was changed.
func RestoreLog(ctx context.Context, db *storage.DB, r *Reader, stop Stop) (*Restored, error) {
	out := &Restored{At: db.Appended()}
	switch {
	case r.start.Kind != bak.Log:
		return nil, fmt.Errorf("restore log: %w", errors.New("the backup is not one of the log"))
	case r.start.Header.ID != db.ID():
		return nil, fmt.Errorf("restore log: %w: it is of database %x, not of %x", storage.ErrGap, r.start.Header.ID, db.ID())
	case out.At.Less(r.start.Header.LogFrom):
		return nil, fmt.Errorf("restore log: %w: it begins after %s, the database ends at %s", storage.ErrGap, r.start.Header.LogFrom, out.At)
	}
	defer r.readAhead()()
	for {
		f, err := r.Next()
		if err != nil {
			return nil, err
		}
		if f.End != nil {
			return out, show(db, out, f.End)
		}
		if f.Log == nil || out.Stopped {
			continue
		}
		if err := applyRecords(ctx, db, f.Log, stop, out); err != nil {
			return nil, err
		}
	}
}

func applyRecords(ctx context.Context, db *storage.DB, records []byte, stop Stop, out *Restored) error {
	whole := len(records)
	records, last, err := cut(records, stop.over)
	if err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	out.Stopped = len(records) < whole
	if last == nil {
		return nil
	}
	at, err := db.AppendLog(ctx, records)
	if err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	if out.At.Less(at) {
		out.At, out.Time = at, time.Unix(0, last.Time).UTC()
		out.LogBytes += int64(len(records))
	}
	return nil
}

// show publishes what was applied, once it is durable.
func show(db *storage.DB, out *Restored, end *End) error {
	if err := db.WaitDurable(context.Background(), out.At); err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	digest := storage.Digest{}
	if out.At == end.Last {
		digest = end.Digest
	}
	if err := db.Publish(out.At, digest); err != nil {
		return fmt.Errorf("restore log: %w", err)
	}
	out.At = db.Published() // the end of a commit, where the records stop inside one
	return nil
}
