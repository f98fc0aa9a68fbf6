package storage

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// Promote makes a replica a primary of the given epoch, which must be greater than the last. What was appended becomes
// visible; a commit whose last record has not come is cut. It makes no checkpoint: it takes a few syncs, however much is
// dirty. When Options.Fenced says so, the primary is fenced from its first moment. Borrowed connections stay valid.
func (db *DB) Promote(ctx context.Context, epoch uint32) error {
	if err := db.act(ctx); err != nil {
		return db.wrap("promote", err)
	}
	defer db.acted()
	return db.wrap("promote", db.promote(epoch))
}

func (db *DB) promote(epoch uint32) error {
	if !db.replica.Load() {
		return ErrNotReplica
	}
	if epoch <= db.Epoch() {
		return fmt.Errorf("epoch %d is not after the present %d", epoch, db.Epoch())
	}
	if err := db.flushOnce(); err != nil {
		return err
	}
	v, fresh := db.marks.appendedVersion(), db.wal.vlf+1
	if err := db.wal.cut(v.End, v.LSN); err != nil {
		return db.logFailed(errors.Join(err, ErrPoisoned))
	}
	// The role before the new segment: a primary whose crash left none makes one at its start, but a replica could not
	// follow a log that goes on in the segment before.
	if err := db.meta.update(func(m *meta) { m.role, m.epoch = rolePrimary, epoch }); err != nil {
		return err
	}
	if err := db.wal.next(fresh, pagelog.SegmentHeaderSize, 0); err != nil {
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrPoisoned) {
			return db.logFailed(err)
		}
		db.wal.fill() // the first commit needs the segment, and finds room or fails
	}
	db.replicaMu.Lock()
	db.rep = replicaState{}
	db.replicaMu.Unlock()
	db.replica.Store(false)
	db.fence.set(db.askFence())
	db.marks.publish(v, db.marks.generation())
	return db.marks.setEpoch(epoch)
}

// Demote makes a primary a replica, after the running writer is done and everything appended is durable here; writers
// that wait get ErrReplica. It makes no checkpoint. Borrowed read connections stay valid.
func (db *DB) Demote(ctx context.Context) error {
	if err := db.act(ctx); err != nil {
		return db.wrap("demote", err)
	}
	defer db.acted()
	return db.wrap("demote", db.demote())
}

// Hold keeps writers, and changes of role, epoch and fence, waiting at a primary that is to be demoted as it is now. It is
// for one goroutine.
type Hold struct {
	db    *DB
	ended bool
}

// Hold waits until the running writer is done and lets no other begin before Release, which MUST follow. Appended stays
// where it is meanwhile; it may not be durable yet (WaitDurable). Readers, checkpoints and readers of the log go on. A
// fenced primary can be held too. ctx ends the waiting; a replica returns ErrReplica.
func (db *DB) Hold(ctx context.Context) (*Hold, error) {
	if err := db.act(ctx); err != nil {
		return nil, db.wrap("hold", err)
	}
	if db.replica.Load() {
		db.acted()
		return nil, db.wrap("hold", ErrReplica)
	}
	return &Hold{db: db}, nil
}

// Demote is DB.Demote, with no writer between Hold and it. It must not be called after Release.
func (h *Hold) Demote() error { return h.db.wrap("demote", h.db.demote()) }

// Release lets writers go on; they get ErrReplica after Demote. It does nothing when it is called again.
func (h *Hold) Release() {
	if h.ended {
		return
	}
	h.ended = true
	h.db.acted()
}

func (db *DB) demote() error {
	if db.replica.Load() {
		return ErrReplica
	}
	if err := db.flushOnce(); err != nil {
		return err
	}
	if err := db.meta.update(func(m *meta) { m.role = roleReplica }); err != nil {
		return err
	}
	v := db.marks.appendedVersion()
	db.replicaMu.Lock()
	if db.rep = (replicaState{}); db.Published().Less(v.LSN) {
		db.rep.pending = []*logvfs.Version{v}
	}
	db.replicaMu.Unlock()
	db.replica.Store(true)
	db.fence.set(false)
	return db.conns.dropIdleWriter()
}
