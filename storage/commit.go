package storage

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// hardenRetry is how long hardenLoop waits after the synchronous replicas failed.
const hardenRetry = 100 * time.Millisecond

// pieceBytes is the length at which a commit's record is ended and another begun, so that a large commit travels in
// frames.
const pieceBytes = 256 << 10

// appendCommit writes a transaction's record and makes its version the appended one. It runs in the writer's turn,
// inside SQLite's COMMIT.
func (db *DB) appendCommit(c *logvfs.Commit) error {
	if err := db.Err(); err != nil {
		return err
	}
	buf, pieces := db.encode(c)
	digest := c.Base.Digest
	for i := range c.Changes {
		digest.XOR(c.Changes[i].OldHash)
		digest.XOR(c.Changes[i].NewHash)
	}
	v := &logvfs.Version{Pages: c.Pages, Digest: digest}
	if err := db.appendRecords(buf, pieces, pagelog.KindPages, v); err != nil {
		return err
	}
	b := logvfs.NewBuilder(c.Base)
	for i := range c.Changes {
		c.Changes[i].New.LSN = v.LSN
		b.Set(c.Changes[i].No, c.Changes[i].New)
	}
	db.commits.Add(1)
	full := db.superseded(c, v.LSN)
	db.appended(b.Version(v))
	if full {
		db.mem.relieve()
	}
	return nil
}

// superseded notes the pages in memory that only readers of older versions still need, and reports whether these are
// too many.
func (db *DB) superseded(c *logvfs.Commit, at lsn.LSN) bool {
	var from []lsn.LSN
	for i := range c.Changes {
		if old := c.Changes[i].Old; old != nil && !old.Clean.Load() {
			from = append(from, old.LSN)
		}
	}
	return db.vers.superseded(c.Base, from, at)
}

// encode lays the changes out as records without headers, and returns the lengths of the records.
func (db *DB) encode(c *logvfs.Commit) ([]byte, []int) {
	buf := pagelog.Begin(db.appendBuf[:0])
	var pieces []int
	start, prev := 0, uint32(0)
	for i := range c.Changes {
		ch := &c.Changes[i]
		if len(buf)-start > pieceBytes {
			pieces = append(pieces, len(buf)-start)
			start, prev = len(buf), 0
			buf = pagelog.Begin(buf)
		}
		var old *pagelog.Page
		if ch.Old != nil {
			old = &ch.Old.Data
		}
		buf = pagelog.AppendChange(buf, prev, ch.No, ch.OldHash.Check(), old, &ch.New.Data)
		prev = ch.No
	}
	if cap(buf) <= 1<<20 { // one large transaction does not keep its space for ever
		db.appendBuf = buf[:0]
	}
	return buf, append(pieces, len(buf)-start)
}

// appendRecords seals the records that lie in buf and writes them. It fills in v's LSN, place, epoch and time.
func (db *DB) appendRecords(buf []byte, pieces []int, kind pagelog.Kind, v *logvfs.Version) error {
	if err := db.makeRoom(int64(len(buf)), kind); err != nil {
		return err
	}
	h := pagelog.Header{Kind: kind, Epoch: db.Epoch(), Hardened: db.wal.synced(), Pages: v.Pages, Time: db.now(), Digest: v.Digest}
	at, prev := 0, db.wal.prev
	for i, n := range pieces {
		h.Flags = 0
		if i < len(pieces)-1 {
			h.Flags = pagelog.FlagMore
		}
		h.LSN, h.Prev = pagelog.Next(prev, db.wal.vlf, db.wal.off+int64(at)), prev
		pagelog.Seal(buf[at:at+n], &h)
		at, prev = at+n, h.LSN
	}
	end, err := db.wal.write(buf, prev)
	if err != nil {
		return db.logFailed(err)
	}
	v.LSN, v.End, v.Epoch, v.Time = prev, end, h.Epoch, h.Time
	db.records.Add(int64(len(pieces)))
	return nil
}

// logFailed turns an error of the log into a commit's: a full disk fails the commit only, anything else the database.
func (db *DB) logFailed(err error) error {
	if errors.Is(err, syscall.ENOSPC) && !errors.Is(err, ErrPoisoned) {
		return db.full(ReuseNothing, err)
	}
	if !errors.Is(err, ErrPoisoned) {
		err = fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
	db.marks.fail(err)
	return err
}

// appended makes v the newest version, and wakes those who have work with it.
func (db *DB) appended(v *logvfs.Version) {
	durable := db.o.NoSync
	db.marks.append(v, durable, durable && db.alone() || sabotage.EarlyPublish)
	db.noteChanged(int64(v.Dirty()) * PageSize)
	db.mem.crowded()
	if db.checkpointDue() {
		db.wantCheckpoint()
	}
}

// appendControl appends a control record in the turn.
func (db *DB) appendControl(kind uint16, payload []byte) (lsn.LSN, error) {
	if len(payload) > pagelog.MaxControl {
		return lsn.Zero, fmt.Errorf("payload is %d bytes, more than %d", len(payload), pagelog.MaxControl)
	}
	base := db.marks.appendedVersion()
	buf := pagelog.AppendControl(pagelog.Begin(nil), kind, payload)
	v := &logvfs.Version{Pages: base.Pages, Digest: base.Digest}
	if err := db.keepControl(Control{Kind: kind}, true); err != nil {
		return lsn.Zero, err
	}
	if err := db.appendRecords(buf, []int{len(buf)}, pagelog.KindControl, v); err != nil {
		return lsn.Zero, err
	}
	if err := db.keepControl(Control{LSN: v.LSN, Epoch: v.Epoch, Kind: kind, Payload: payload}, false); err != nil {
		return lsn.Zero, err
	}
	db.appended(v.WithPages(base))
	return v.LSN, nil
}
