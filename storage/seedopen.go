package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// seedState is a seeding's first state.
func seedState(h *SeedHeader, name string) (meta, error) {
	if h.LogFrom.VLF == 0 || h.LogOffset < pagelog.SegmentHeaderSize || len(h.Controls) > maxControls+maxEarlier {
		return meta{}, fmt.Errorf("seed database %s: the header is not one: log from %s, offset %d", name, h.LogFrom, h.LogOffset)
	}
	at := logvfs.Position{VLF: h.LogFrom.VLF, Offset: h.LogOffset}
	return meta{id: h.ID, role: roleSeeding, epoch: h.Epoch, at: h.LogFrom, end: at, time: h.LogTime, from: at, fromLSN: h.LogFrom,
		nextPage: 1, until: h.LogFrom, controls: h.Controls, mark: 1}, nil
}

// CreateSeedTarget begins to receive a seeding in o.Dir, which must be absent or empty.
func CreateSeedTarget(ctx context.Context, o Options, h SeedHeader) (*SeedTarget, error) {
	m, err := seedState(&h, o.Name)
	if err != nil {
		return nil, err
	}
	db, err := createFiles(o, m)
	if err != nil {
		return nil, fmt.Errorf("seed database %s: %w", o.Name, err)
	}
	t := &SeedTarget{db: db, o: o, state: m}
	if err := t.beginLog(h.LogPrev); err != nil {
		return nil, errors.Join(fmt.Errorf("seed database %s: %w", o.Name, err), db.closeFiles())
	}
	return t, ctx.Err()
}

// beginLog makes the segment in which the source's log begins.
func (t *SeedTarget) beginLog(prev lsn.LSN) error {
	l := t.db.wal
	l.prev = prev
	if err := l.next(t.state.end.VLF, t.state.end.Offset, 0); err != nil {
		return err
	}
	l.prev = t.state.at
	l.segs[0].prev = t.state.at
	return nil
}

// RestartSeedTarget begins to receive a seeding in a directory that holds the same database, as a primary or a replica
// that went another way or fell behind, or an interrupted seeding of it. The pages there are kept, so that only those that
// differ need be sent (Progress().Difference, PageHashes); log, role and control records are the seeding's from now on, and
// what was only in the old log is lost.
func RestartSeedTarget(ctx context.Context, o Options, h SeedHeader) (*SeedTarget, error) {
	o = o.withDefaults()
	t, err := restartSeedTarget(o, h)
	if err != nil {
		return nil, fmt.Errorf("seed database %s again: %w", o.Name, err)
	}
	return t, ctx.Err()
}

func restartSeedTarget(o Options, h SeedHeader) (*SeedTarget, error) {
	first, err := seedState(&h, o.Name)
	if err != nil {
		return nil, err
	}
	db, err := openFiles(o)
	if err != nil {
		return nil, err
	}
	t := &SeedTarget{db: db, o: o}
	if err := t.restart(first, h.LogPrev); err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	return t, nil
}

func (t *SeedTarget) restart(first meta, prev lsn.LSN) error {
	db := t.db
	old, err := db.dw.redo(db.base, db.meta.cur)
	if err != nil {
		return fmt.Errorf("redo the last checkpoint: %w", err)
	}
	if old.id != first.id {
		return errors.New("the seeding is of another database")
	}
	if first.mark = old.mark + 1; first.mark == 0 {
		first.mark = 1
	}
	first.batch, first.difference, first.phase, first.rewind = db.dw.last, true, phaseLog, prev
	if err := db.meta.write(first); err != nil {
		return err
	}
	t.state = first
	return t.replaceLog()
}

// replaceLog takes the old history's log away and begins the new one.
func (t *SeedTarget) replaceLog() error {
	db := t.db
	if err := errors.Join(db.wal.mark.write(t.state.at), db.wal.mark.f.Sync()); err != nil {
		return fmt.Errorf("write %s: %w", markName, err)
	}
	vlfs, err := listSegments(db.o.FS, db.o.Dir)
	if err != nil {
		return err
	}
	for _, vlf := range vlfs {
		if err := db.o.FS.Remove(db.wal.path(vlf)); err != nil {
			return fmt.Errorf("remove log segment %d: %w", vlf, err)
		}
	}
	if err := t.beginLog(t.state.rewind); err != nil {
		return err
	}
	t.state.phase, t.state.rewind = 0, lsn.Zero
	return db.meta.write(t.state)
}

// OpenSeedTarget continues one that was interrupted.
func OpenSeedTarget(ctx context.Context, o Options) (*SeedTarget, error) {
	o = o.withDefaults()
	t, err := openSeedTarget(o)
	if err != nil {
		return nil, fmt.Errorf("continue seeding database %s: %w", o.Name, err)
	}
	return t, ctx.Err()
}

func openSeedTarget(o Options) (*SeedTarget, error) {
	db, err := openFiles(o)
	if err != nil {
		return nil, err
	}
	t := &SeedTarget{db: db, o: o, state: db.meta.cur}
	if t.state.role != roleSeeding {
		return nil, errors.Join(errors.New("it is not being seeded"), db.closeFiles())
	}
	if t.state.phase == phaseLog {
		err = t.replaceLog()
	} else {
		err = t.continueLog()
	}
	if err == nil {
		err = t.countInstalled()
	}
	if err != nil {
		return nil, errors.Join(err, db.wal.close(false), db.closeFiles())
	}
	return t, nil
}

func (t *SeedTarget) continueLog() error {
	tail, err := findTail(t.o.FS, t.o.Dir, t.state, readMark(t.o.FS, t.o.Dir))
	if err != nil {
		return err
	}
	t.db.replica.Store(true)
	return t.db.continueLog(tail)
}

// countInstalled finds the page to continue at: what the last sync made durable is there, and what was installed after it
// as far as its entries and pages came through whatever interrupted the seeding.
func (t *SeedTarget) countInstalled() error {
	m := &t.state
	durable := m.nextPage
	m.nextPage, m.digest = 1, pagelog.Digest{}
	buf := make([]byte, 1<<20)
	for {
		n, err := t.db.base.table.ReadAt(buf, int64(m.nextPage-1)*entrySize)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the page table: %w", err)
		}
		for row := buf[:n-n%entrySize]; len(row) > 0; row = row[entrySize:] {
			e, err := decodeEntry(m.nextPage, row[:entrySize])
			if err != nil || m.nextPage >= durable && !t.installed(&e) {
				return nil
			}
			m.digest.XOR(e.hash)
			m.until = lsn.Latest(m.until, e.at)
			m.nextPage++
		}
		if n < len(buf) {
			return nil
		}
	}
}

// installed reports whether the next page is one that this seeding installed, and whole.
func (t *SeedTarget) installed(e *entry) bool {
	if e.mark != t.state.mark {
		return false
	}
	p, bad := t.db.base.readDisk(t.state.nextPage)
	return bad == nil && p != nil
}

// PageHashes returns the hashes of the pages that the copy has from first on: of their content, whatever the page table
// says, so that a damaged page is one that differs. It may be called while chunks of earlier pages are installed.
func (t *SeedTarget) PageHashes(first uint32, n int) ([]Digest, error) {
	if first == 0 || n <= 0 {
		return nil, t.wrap(errors.New("pages are counted from 1"))
	}
	buf := make([]byte, n*PageSize)
	m, err := t.db.base.data.ReadAt(buf, int64(first-1)*PageSize)
	if err != nil && !errors.Is(err, io.EOF) {
		m = 0 // what cannot be read is fetched
	}
	clear(buf[m:])
	out := make([]Digest, n)
	for i := range out {
		out[i] = pagelog.Hash(first+uint32(i), (*pagelog.Page)(buf[i*PageSize:]))
	}
	return out, nil
}
