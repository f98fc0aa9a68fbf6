package storage

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

func (db *DB) wantCheckpoint() {
	select {
	case db.ckptWant <- struct{}{}:
	default:
	}
}

// checkpointRetry is how long checkpointLoop waits after a checkpoint that failed.
const checkpointRetry = time.Second

// checkpointLoop makes checkpoints when they are due. What keeps them from being made is told once.
func (db *DB) checkpointLoop(ctx context.Context) {
	failing := false
	for {
		select {
		case <-db.ckptWant:
		case <-ctx.Done():
			return
		}
		err := db.Checkpoint(ctx)
		if err == nil {
			if failing {
				db.log.Info("checkpoints work again", "database", db.o.Name)
			}
			failing = false
			continue
		}
		if db.Err() != nil || ctx.Err() != nil {
			continue
		}
		if !failing {
			db.log.Error("checkpoint failed; it is tried again every second", "database", db.o.Name, "error", err)
		}
		failing = true
		c, stop := db.o.Clock.After(checkpointRetry)
		select {
		case <-c:
		case <-ctx.Done():
		}
		stop()
	}
}

// throttle waits, before a transaction begins, while twice the changed pages that DirtyBytes or the instance's memory
// allow are held: the checkpoint is behind.
func (db *DB) throttle(ctx context.Context) error {
	own := db.changed.Load()
	if own < 2*db.o.DirtyBytes && (own == 0 || db.mem.changed.Load() < 2*db.mem.o.ChangedBytes) {
		return nil
	}
	return db.Checkpoint(ctx)
}

// Checkpoint writes every published change to the base file and removes the log that nobody needs.
func (db *DB) Checkpoint(ctx context.Context) error {
	db.ckptMu.Lock()
	defer db.ckptMu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := db.Err(); err != nil {
		return db.wrap("checkpoint", err)
	}
	v := db.marks.publishedVersion()
	if db.wal.synced().Less(v.LSN) { // a replica may publish before it has hardened, and with NoSync nobody hardens
		if _, err := db.wal.flush(); err != nil {
			return db.wrap("checkpoint", db.logFailed(err))
		}
	}
	before, written, records := db.wal.segments(), db.wal.written.Load(), db.records.Load()
	if err := db.checkpoint(v, v.LSN); err != nil {
		db.redo.bytes.Store(db.wal.written.Load()) // not again at once
		db.redo.records.Store(records)
		return db.wrap("checkpoint", db.checkpointFailed(err))
	}
	db.redo.bytes.Store(written - behind(before, v.End))
	db.redo.records.Store(records)
	db.forget(v)
	db.ckptDone.Add(1)
	if err := db.TrimLog(); err != nil {
		return err
	}
	db.logGrew()
	return nil
}

// checkpointFailed decides what the failure means: a full disk leaves everything as it was, for a later attempt.
func (db *DB) checkpointFailed(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC) && !errors.Is(err, ErrPoisoned):
		return db.full(ReuseCheckpoint, err)
	case !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrPoisoned):
		err = fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
	db.marks.fail(err)
	return err
}

// behind is how many bytes of records follow the position.
func behind(segs []segment, at logvfs.Position) (n int64) {
	for _, s := range segs {
		if s.vlf == at.VLF {
			n += s.end - at.Offset
		} else if s.vlf > at.VLF {
			n += s.end - s.start
		}
	}
	return n
}

// checkpoint writes v's changed pages to the base file and commits the state: until is the newest LSN there may be. It
// needs ckptMu, or to be alone. The base file is never ahead of what is hardened.
func (db *DB) checkpoint(v *logvfs.Version, until lsn.LSN) error {
	if m := db.meta.state(); m.at == v.LSN && m.batch == db.dw.last {
		return nil
	}
	b := &batch{until: until}
	var err error
	v.EachChanged(func(no uint32, p *logvfs.Page) bool {
		if p.Clean.Load() {
			return true
		}
		b.pages = append(b.pages, numbered{no, p})
		if len(b.pages) == batchPages {
			err = db.writeBatch(b)
			b = &batch{until: until}
		}
		return err == nil
	})
	if err == nil && len(b.pages) > 0 {
		err = db.writeBatch(b)
	}
	if err != nil {
		return err
	}
	if err := db.meta.update(func(m *meta) { // the role may have changed meanwhile
		m.epoch, m.at, m.end, m.time, m.pages = max(m.epoch, v.Epoch), v.LSN, v.End, v.Time, v.Pages
		m.until = lsn.Latest(m.until, until)
		m.digest, m.batch, m.controls = db.base.digest, db.dw.last, db.controlsUpTo(v.LSN)
	}); err != nil {
		return err
	}
	db.base.pages.Store(max(db.base.pages.Load(), v.Pages))
	db.ckptAt.Store(&v.LSN)
	return nil
}

// writeBatch brings some pages to the base file, by way of the double-write file.
func (db *DB) writeBatch(b *batch) error {
	b.digest = db.base.digest
	if err := db.base.reserve(b.pages[len(b.pages)-1].no); err != nil {
		return err
	}
	for _, n := range b.pages {
		old, hash, lost, err := db.base.replaced(n.no)
		if err != nil {
			return err
		}
		b.digest.XOR(hash)
		b.digest.XOR(n.page.Hash)
		var from lsn.LSN
		if old != nil {
			from = old.LSN
		} else if lost != nil {
			from = lost.LSN
		}
		db.vers.save(n.no, old, lost, from, n.page.LSN)
	}
	if err := db.dw.write(b); err != nil {
		return err
	}
	for _, n := range b.pages {
		if err := db.base.write(n.no, n.page); err != nil {
			return fmt.Errorf("%w: %w", ErrPoisoned, err)
		}
	}
	if err := db.base.sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
	for _, n := range b.pages {
		n.page.Clean.Store(true)
	}
	db.base.digest = b.digest
	return nil
}

// forget lets the versions drop what the base file now holds: those not older than v, and older ones that are being read,
// for which it saves what it loses.
func (db *DB) forget(v *logvfs.Version) {
	m := &db.marks
	m.mu.Lock()
	list := []*logvfs.Version{m.appended, m.durable, m.published}
	m.mu.Unlock()
	for _, w := range list {
		if !w.LSN.Less(v.LSN) {
			w.Forget()
		}
	}
	for _, w := range db.vers.pinned(v.LSN) {
		w.Forget()
	}
	db.noteChanged(int64(db.marks.appendedVersion().Dirty()) * PageSize)
	db.replicaMu.Lock()
	defer db.replicaMu.Unlock()
	for _, w := range db.rep.pending {
		if !w.LSN.Less(v.LSN) {
			w.Forget()
		}
	}
}

// keepLog has the log after the LSN kept for who; drop lets it go.
func (db *DB) keepLog(who any, after lsn.LSN) {
	db.keepMu.Lock()
	defer db.keepMu.Unlock()
	if !sabotage.NoPin {
		db.keep[who] = after
	}
}

func (db *DB) dropLog(who any) {
	db.keepMu.Lock()
	defer db.keepMu.Unlock()
	delete(db.keep, who)
}
