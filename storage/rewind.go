package storage

import (
	"context"
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

// phase is how far a rewind has come. A crash before the first is durable leaves the database as it was; after that
// every start goes on where it stopped, to the end.
type phase uint8

const (
	// phaseUndo: pages of the base file are being taken back. Those that were have the LSN gone back to, so that doing it
	// again leaves them.
	phaseUndo phase = 1
	// phaseCut: the base file is as it was then, and the log after it is being removed.
	phaseCut phase = 2
	// phaseLog: the database has become the target of a seeding, and its log is being replaced by that of the source;
	// rewind is then the last record before the segment.
	phaseLog phase = 3
)

// Rewind takes every record after to back, which MUST be the LSN of a commit or control record, or the zero LSN is
// refused: the log is cut there, and the database is a replica of the record's epoch afterwards. It is durable when it
// returns; a crash leaves the database as it was, or is finished by the next Open. ErrLogGone when the log does not hold
// the record to (nor does a seeded copy that of the LSN which its log begins after); ErrGap when no commit ends at to; ErrDamaged when the pages would not come out with the digest of that record. In
// these cases nothing has changed. Every connection that is open, every log reader and seed source fails with ErrRewound
// from then on; commits that were taken back and are waited for, too.
func (db *DB) Rewind(ctx context.Context, to lsn.LSN) error {
	if err := db.act(ctx); err != nil {
		return db.wrap("rewind", err)
	}
	defer db.acted()
	db.ckptMu.Lock()
	defer db.ckptMu.Unlock()
	return db.wrap("rewind", db.rewind(ctx, to))
}

func (db *DB) rewind(ctx context.Context, to lsn.LSN) error {
	if err := db.flushOnce(); err != nil {
		return err
	}
	v := db.marks.appendedVersion()
	if to == v.LSN && db.wal.prev == to {
		if db.replica.Load() {
			return nil
		}
		return db.demote()
	}
	if v.LSN.Less(to) {
		return fmt.Errorf("%w: the log ends at %s, before %s", ErrGap, v.LSN, to)
	}
	m := db.meta.state()
	at, err := findCommit(db.o.FS, db.o.Dir, &m, to)
	if err != nil {
		return err
	}
	u, nos, err := db.undoing(ctx, v, at)
	if err == nil {
		err = u.undone(v, nos, func(uint32, *logvfs.Page) error { return nil })
	}
	if err != nil {
		return err
	}
	if err := db.meta.update(func(m *meta) { m.rewind, m.phase = to, phaseUndo }); err != nil {
		return db.logFailed(err) // the next start may find it, or not
	}
	db.conns.hold.Lock()
	defer db.conns.hold.Unlock()
	db.retire()
	if err := db.takeBack(ctx); err != nil {
		return db.logFailed(fmt.Errorf("%w: %w", ErrPoisoned, err))
	}
	return nil
}

// undoing plans to take v's pages back to what they were at the commit: it returns the pages that changed since, in order.
func (db *DB) undoing(ctx context.Context, v *logvfs.Version, at place) (*undo, []uint32, error) {
	m := db.meta.state()
	u := &undo{fs: db.o.FS, dir: db.o.Dir, m: &m, to: at, upTo: v.LSN, atOnce: int(db.o.DirtyBytes / PageSize), read: func(no uint32) (*logvfs.Page, error) {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		return db.pageOf(v, no)
	}}
	nos, err := u.touched()
	return u, nos, err
}

// undone takes the pages back, as many at once as DirtyBytes holds, and makes sure that they come out right. set is told
// each of them, in order.
func (u *undo) undone(v *logvfs.Version, nos []uint32, set func(no uint32, p *logvfs.Page) error) error {
	digest := v.Digest
	if err := u.each(nos, func(no uint32, now, then *logvfs.Page) error {
		digest.XOR(now.Hash)
		digest.XOR(then.Hash)
		return set(no, then)
	}); err != nil {
		return err
	}
	if digest != u.to.Digest {
		return fmt.Errorf("%w: taken back to %s the pages give digest %s, the record has %s", ErrDamaged, u.to.LSN, digest, u.to.Digest)
	}
	return nil
}

// stamped adds the pages whose entry names an LSN after the one gone back to, though no record changed them since: the
// end of a seeding and an earlier rewind give such. The base file would refuse them to a reader of an older version.
func (db *DB) stamped(v *logvfs.Version, at lsn.LSN, nos []uint32) ([]uint32, error) {
	list, err := db.base.changedIn(at, v.LSN)
	for _, no := range list {
		if v.Changed(no) == nil {
			nos = append(nos, no)
		}
	}
	slices.Sort(nos)
	return slices.Compact(nos), err
}

// pageOf returns the version's page, read past the cache.
func (db *DB) pageOf(v *logvfs.Version, no uint32) (*logvfs.Page, error) {
	p, ok, err := v.Held(no)
	if !ok && err == nil {
		p, err = db.loadOnce(no, v.AsOf())
	}
	if err != nil {
		return nil, err
	}
	if v.Gone() {
		return nil, ErrRewound
	}
	return p, nil
}

// retire has everybody who reads the database as it was fail.
func (db *DB) retire() {
	db.conns.vfs.Retire(ErrRewound)
	for {
		if v, _ := db.vers.expire(lsn.Max); v == nil {
			break
		}
	}
	db.keepMu.Lock()
	defer db.keepMu.Unlock()
	for who := range db.keep {
		switch who := who.(type) {
		case *LogReader:
			who.stop(ErrRewound)
		case *SeedSource:
			who.ended.Store(true)
		}
	}
}

// takeBack does what the state demands, and starts again from the files.
func (db *DB) takeBack(ctx context.Context) error {
	if err := db.wal.release(); err != nil {
		return err
	}
	if err := db.finishRewind(); err != nil {
		return err
	}
	v, tail, err := db.reload(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if err := db.continueLog(tail); err != nil {
		return err
	}
	db.replicaMu.Lock()
	db.rep = replicaState{}
	db.replicaMu.Unlock()
	db.marks.rewound(v, v.Epoch)
	db.noteChanged(int64(v.Dirty()) * PageSize)
	db.fence.set(false)
	db.askFence()
	return db.conns.renew()
}

// finishRewind does what is left of a rewind that the state tells of. It needs ckptMu, or to be alone.
func (db *DB) finishRewind() error {
	m := db.meta.state()
	if m.phase != phaseUndo && m.phase != phaseCut {
		return nil
	}
	to, err := findCommit(db.o.FS, db.o.Dir, &m, m.rewind)
	if err != nil {
		return err
	}
	if m.phase == phaseUndo {
		if err := db.undoBase(&m, to); err != nil {
			return err
		}
	}
	if err := cutAfter(db.o.FS, db.o.Dir, db.wal.mark, to); err != nil {
		return fmt.Errorf("cut the log after %s: %w", to.LSN, err)
	}
	return db.meta.update(func(m *meta) { m.rewind, m.phase = lsn.Zero, 0 })
}

// undoBase takes the base file's pages back to the commit, or to the checkpoint when that is older, and commits the state
// as it was then.
func (db *DB) undoBase(m *meta, to place) error {
	back := to
	if !to.LSN.Less(m.at) {
		back = place{Header: pagelog.Header{LSN: m.at, Digest: to.Digest}, end: m.end}
	}
	if newest := lsn.Latest(m.at, m.until); back.LSN.Less(newest) {
		u := undo{fs: db.o.FS, dir: db.o.Dir, m: m, to: back, upTo: newest, atOnce: int(db.o.DirtyBytes / PageSize), read: db.base.readOnce}
		nos, err := db.base.changedIn(back.LSN, lsn.Max)
		if err == nil {
			err = db.undoPages(&u, nos)
		}
		if err != nil {
			return err
		}
	}
	if to.LSN.Less(m.at) && db.base.digest != to.Digest {
		return fmt.Errorf("%w: taken back to %s the base file has digest %s, the record %s", ErrDamaged, to.LSN, db.base.digest, to.Digest)
	}
	return db.meta.update(func(m *meta) {
		m.role, m.epoch, m.phase = roleReplica, to.Epoch, phaseCut
		if to.LSN.Less(m.at) {
			m.at, m.end, m.time, m.pages = to.LSN, to.end, to.Time, to.Pages
		}
		m.until = m.at
		m.digest, m.batch, m.controls = db.base.digest, db.dw.last, upTo(m.controls, to.LSN)
	})
}

// undoPages writes the pages as they were, by way of the double-write file. When they were last changed is not known any
// more: they get the LSN gone back to, which is not before.
func (db *DB) undoPages(u *undo, nos []uint32) error {
	b := &batch{until: u.to.LSN}
	err := u.each(nos, func(no uint32, _, then *logvfs.Page) error {
		b.pages = append(b.pages, numbered{no, then})
		if len(b.pages) < batchPages {
			return nil
		}
		full := b
		b = &batch{until: u.to.LSN}
		return db.writeBatch(full)
	})
	if err == nil && len(b.pages) > 0 {
		err = db.writeBatch(b)
	}
	return err
}

// changedIn returns the pages whose entry names an LSN after the first and not after the second.
func (b *baseFile) changedIn(after, upTo lsn.LSN) ([]uint32, error) {
	var out []uint32
	buf := make([]byte, 1<<20)
	for first := uint32(1); ; first += uint32(len(buf) / entrySize) {
		n, err := b.table.ReadAt(buf, int64(first-1)*entrySize)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the page table: %w", err)
		}
		for i := range n / entrySize {
			e, err := decodeEntry(first+uint32(i), buf[i*entrySize:(i+1)*entrySize])
			if err != nil && !errors.Is(err, errNoEntry) {
				return nil, fmt.Errorf("%w: page %d: %w", ErrDamaged, first+uint32(i), err)
			}
			if err == nil && after.Less(e.at) && !upTo.Less(e.at) {
				out = append(out, first+uint32(i))
			}
		}
		if n < len(buf) {
			return out, nil
		}
	}
}

// cutAfter removes what follows the commit from the log's files.
func cutAfter(fsys fsx.FS, dir string, mark *hardMark, to place) error {
	// The mark first: what it names is about to go, and would be missed at the next start.
	if err := errors.Join(mark.write(to.LSN), mark.f.Sync()); err != nil {
		return fmt.Errorf("write %s: %w", markName, err)
	}
	vlfs, err := listSegments(fsys, dir)
	if err != nil {
		return err
	}
	for _, vlf := range slices.Backward(vlfs) { // the last first
		if vlf <= to.end.VLF {
			break
		}
		if err := fsys.Remove(filepath.Join(dir, segmentName(vlf))); err != nil {
			return err
		}
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	f, err := fsys.OpenRW(filepath.Join(dir, segmentName(to.end.VLF)))
	if err != nil {
		return err
	}
	if err = f.Truncate(to.end.Offset); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
