package storage

import (
	"context"
	"fmt"

	"linkspan/lsn"
	"linkspan/pagelog"
	"linkspan/storage/logvfs"
)

// replicaState is what a replica has appended and not published.
type replicaState struct {
	// pending are the versions at the ends of batches, by growing LSN.
	pending []*logvfs.Version
	// open applies a commit whose last record has not come yet; nil between commits.
	open *applier
}

// run is a part of a batch that lies in one segment.
type run struct {
	vlf   uint32
	bytes []byte
	last  lsn.LSN
}

// AppendLog appends a batch's records to a replica's log and applies them, invisibly; they are hardened soon after
// (WaitDurable). It returns the last LSN appended. Records the replica already has are skipped. ErrGap: they do not
// continue its log; nothing is changed. ErrDigest: the result differs from what the records say; nothing of the batch is
// kept, and the replica takes no more log until it is opened again.
func (db *DB) AppendLog(ctx context.Context, records []byte) (lsn.LSN, error) {
	if !db.replica.Load() {
		return lsn.Zero, db.wrap("append log to", ErrNotReplica)
	}
	if err := db.throttle(ctx); err != nil {
		return lsn.Zero, db.wrap("append log to", err)
	}
	if err := db.takeTurn(ctx); err != nil {
		return lsn.Zero, db.wrap("append log to", err)
	}
	defer db.giveTurn()
	if !db.replica.Load() {
		return lsn.Zero, db.wrap("append log to", ErrNotReplica)
	}
	if err := db.appendLog(records); err != nil {
		return db.wal.prev, db.wrap("append log to", err)
	}
	return db.wal.prev, nil
}

func (db *DB) appendLog(records []byte) error {
	plan, err := planRuns(db.wal, records, db.Epoch())
	if err != nil || len(plan.runs) == 0 {
		return err
	}
	if err := db.reserveFor(plan); err != nil {
		return err
	}
	db.replicaMu.Lock()
	a := db.rep.open
	db.replicaMu.Unlock()
	resumed := a != nil
	if !resumed {
		a = newApplier(db.base, db.marks.appendedVersion(), lsn.Zero)
	}
	v, controls, err := plan.apply(a)
	if err != nil {
		db.marks.fail(err)
		return err
	}
	if wrote, err := plan.write(db.wal); err != nil {
		if wrote || a.open || resumed { // what is in the log and what was applied are not the same any more
			err = fmt.Errorf("%w: %w", ErrPoisoned, err)
		}
		return db.logFailed(err)
	}
	for _, c := range controls {
		if err := db.keepControl(c, false); err != nil {
			return db.logFailed(err) // it is in the log, and was not taken over
		}
	}
	if len(controls) > 0 {
		db.askFence()
	}
	db.records.Add(int64(plan.count))
	db.replicaMu.Lock()
	db.rep.open = nil
	if a.open {
		db.rep.open = a
	}
	if v != nil {
		db.rep.pending = append(db.rep.pending, v)
	}
	db.replicaMu.Unlock()
	if v != nil {
		db.commits.Add(1)
		full := db.vers.superseded(nil, a.replaced, v.LSN)
		a.replaced = nil
		db.appended(v)
		if full {
			db.mem.relieve()
		}
	}
	return nil
}

// runPlan is a batch, checked to continue a log, and cut where the segment changes.
type runPlan struct {
	runs []run
	// end is where the last commit ends in the log.
	end   logvfs.Position
	count int
}

// planRuns checks every record's checksum and place. Records that the log has already are left out.
func planRuns(l *logFile, records []byte, epoch uint32) (*runPlan, error) {
	p := &runPlan{}
	prev, at := l.prev, logvfs.Position{VLF: l.vlf, Offset: l.off}
	start := 0 // of the present run in records
	for i := 0; i < len(records); {
		h, _, err := pagelog.Parse(records[i:])
		if err != nil {
			return nil, fmt.Errorf("%w: record after %s: %w", ErrGap, prev, err)
		}
		n := int(h.Length)
		if !prev.Less(h.LSN) && len(p.runs) == 0 {
			i += n
			continue
		}
		if h.LSN.VLF > at.VLF {
			at = logvfs.Position{VLF: h.LSN.VLF, Offset: pagelog.SegmentHeaderSize}
		}
		if want := pagelog.Next(prev, at.VLF, at.Offset); h.Prev != prev || h.LSN != want {
			return nil, fmt.Errorf("%w: record %s after %s is offered, %s after %s is next", ErrGap, h.LSN, h.Prev, want, prev)
		}
		if h.Epoch < epoch {
			return nil, fmt.Errorf("%w: record %s is of epoch %d, the log is of epoch %d already", ErrGap, h.LSN, h.Epoch, epoch)
		}
		if k := len(p.runs); k == 0 || p.runs[k-1].vlf != at.VLF {
			p.runs = append(p.runs, run{vlf: at.VLF})
			start = i
		}
		i += n
		at.Offset += int64(n)
		r := &p.runs[len(p.runs)-1]
		r.bytes, r.last = records[start:i], h.LSN
		prev, epoch = h.LSN, h.Epoch
		p.count++
		if !h.More() {
			p.end = at
		}
	}
	return p, nil
}

// apply applies the plan's records and returns the version after them, or nil while a commit is open.
func (p *runPlan) apply(a *applier) (*logvfs.Version, []Control, error) {
	var controls []Control
	for _, r := range p.runs {
		for b := r.bytes; len(b) > 0; {
			h, body, err := pagelog.Parse(b)
			if err != nil {
				return nil, nil, err // it was parsed before
			}
			b = b[h.Length:]
			if err := a.record(&h, body); err != nil {
				return nil, nil, err
			}
			if h.Kind == pagelog.KindControl {
				kind, payload, err := pagelog.ParseControl(body)
				if err != nil {
					return nil, nil, err
				}
				controls = append(controls, Control{LSN: h.LSN, Epoch: h.Epoch, Kind: kind, Payload: payload})
			}
		}
	}
	if a.open {
		return nil, controls, nil
	}
	v, err := a.version(p.end)
	return v, controls, err
}

// write appends the plan's records to the log, and reports whether it wrote some before an error.
func (p *runPlan) write(l *logFile) (wrote bool, err error) {
	for i, r := range p.runs {
		if r.vlf != l.vlf {
			err = l.next(r.vlf, pagelog.SegmentHeaderSize, int64(len(r.bytes)))
		} else {
			err = l.extend(int64(len(r.bytes)))
		}
		if err == nil {
			_, err = l.write(r.bytes, r.last)
		}
		if err != nil {
			return i > 0, err
		}
	}
	return len(p.runs) > 0, nil
}

// Publish shows new readers the version at upTo, the Last of a batch that was appended. ErrDigest, naming both, when
// this copy's digest at upTo is not the expected one; the version is not shown then, and the replica takes no more log.
// A zero digest is not compared. Between the ends of batches it shows the last end before upTo.
func (db *DB) Publish(upTo lsn.LSN, expected Digest) error {
	if !db.replica.Load() {
		return db.wrap("publish in", ErrNotReplica)
	}
	generation := db.marks.generation()
	db.replicaMu.Lock()
	n := 0
	for n < len(db.rep.pending) && !upTo.Less(db.rep.pending[n].LSN) {
		n++
	}
	v := db.marks.publishedVersion()
	if n > 0 {
		v = db.rep.pending[n-1]
		db.rep.pending = append([]*logvfs.Version(nil), db.rep.pending[n:]...)
	}
	db.replicaMu.Unlock()
	if v.LSN == upTo && !expected.IsZero() && v.Digest != expected {
		err := &DigestError{LSN: upTo, Expected: expected.String(), Actual: v.Digest.String()}
		db.marks.fail(err)
		return db.wrap("publish in", err)
	}
	db.marks.publish(v, generation)
	return nil
}
