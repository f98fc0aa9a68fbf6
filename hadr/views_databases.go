package hadr

import (
	"context"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/storage"
)

// databaseRow is one copy of a database as one side sees it.
type databaseRow struct {
	replicaRow
	d     agcore.Database
	id    int
	sync  agcore.SyncState
	state int64 // as sys.databases.state
	// moved are the positions; own tells that they are this instance's and not what the peer has told.
	moved
	own            bool
	end, committed lsn.LSN
	truncation     lsn.LSN
	recovery       lsn.LSN
	sendQueue      int64 // bytes; negative: does not apply
	lag            int64 // seconds; negative: does not apply
}

// primary reports whether the row is that of the primary copy.
func (r *databaseRow) primary() bool { return r.role() == agcore.Primary }

func (m *Manager) databaseRows(ctx context.Context) ([]databaseRow, error) {
	replicas, err := m.stateRows(ctx)
	if err != nil {
		return nil, err
	}
	var out []databaseRow
	for _, r := range replicas {
		for _, d := range r.g.Databases {
			row := databaseRow{replicaRow: r, d: d, id: m.opts.Databases.ID(d.Name), sendQueue: -1, lag: -1}
			m.fillDatabase(ctx, &row)
			out = append(out, row)
		}
	}
	return out, nil
}

// fillDatabase finds the row's positions.
func (m *Manager) fillDatabase(ctx context.Context, r *databaseRow) {
	l := m.link(r.g.Name)
	if !r.g.Distributed { // the local group follows the link, if there is one
		for _, dag := range m.groups() {
			if o := m.link(dag.Name); o != nil && dag.Distributed && dag.Database(r.d.Name) != nil {
				l = o
			}
		}
	}
	db, release, err := m.opts.Databases.Open(ctx, r.d.Name)
	if err != nil {
		r.state = 1 // RESTORING
		r.sync = agcore.NotSynchronizing
		if l != nil {
			r.sync = l.snap.Load().sync
		}
		return
	}
	if release != nil {
		defer release()
	}
	copyHere := l != nil && db.IsReplica()
	if l != nil {
		r.moved = l.move.get()
	}
	if at := m.Retain(r.d.Name); at != lsn.Max {
		r.truncation = at
	}
	switch {
	case r.r.Local && copyHere:
		r.own, r.sync = true, l.snap.Load().sync
		r.hardenedLSN, r.redoneLSN = db.Hardened(), db.Published()
		r.receivedLSN = lsn.Latest(r.receivedLSN, r.hardenedLSN)
		r.end, r.committed, r.sentLSN, r.sentAt = db.Appended(), db.Published(), lsn.Zero, time.Time{}
		r.commitTime = db.Stats().CommitTime
		r.lag = r.moved.lag(m.now())
		if !r.g.Distributed && r.sync == agcore.Synchronizing {
			r.sync = agcore.Synchronized // our own group has this one copy
		}
	case r.r.Local:
		r.fillPrimary(l, db)
	case l != nil:
		r.sync = l.snap.Load().sync
		r.end, r.committed = r.receivedLSN, r.redoneLSN
		st := db.Stats()
		average := st.LogSize / int64(max(1, st.Segments))
		r.sendQueue = bytesBetween(r.hardenedLSN, db.Hardened(), average)
		r.lag = lagOf(r.commitTime, r.redoneLSN.Less(db.Published()), m.now())
	}
}

// fillPrimary is the row of this instance's own primary copy.
func (r *databaseRow) fillPrimary(l *link, db *storage.DB) {
	r.own, r.sync, r.moved = true, agcore.Synchronized, moved{}
	r.end, r.committed, r.commitTime = db.Appended(), db.Published(), db.Stats().CommitTime
	if r.r.Mode == agcore.Synchronous {
		r.hardenedLSN = db.Hardened()
	}
	if l == nil {
		return
	}
	s := l.snap.Load()
	if h := s.standing.History(); s.standing.Open() && len(h) > 1 {
		r.recovery = h[len(h)-1].After
	}
	if s.state.Outdated != 0 {
		r.sync = agcore.NotSynchronizing // another primary was opened beside this one
	}
}

// lagOf is how long ago the last commit that the copy shows was made, when the copy is behind.
func lagOf(committed time.Time, behind bool, now time.Time) int64 {
	if !behind || committed.IsZero() {
		return 0
	}
	return max(0, int64(now.Sub(committed).Seconds()))
}

// bytesBetween is the log from a to b: exact within a segment, and by the segments' average size across.
func bytesBetween(a, b lsn.LSN, average int64) int64 {
	if !a.Less(b) {
		return 0
	}
	return max(0, int64(b.VLF-a.VLF)*average+(int64(b.Block)-int64(a.Block))*lsn.BlockSize)
}

func kilobytes(n int64) sqltype.Value {
	if n < 0 {
		return null
	}
	return sqltype.IntOf(sqltype.BigInt, (n+1023)/1024)
}

func (m *Manager) viewDatabaseStates() rel.View {
	return view("dm_hadr_database_replica_states", m.databaseRows, join(m.databaseIdentity(), m.databasePositions())...)
}

func (m *Manager) databaseIdentity() []field[databaseRow] {
	type r = databaseRow
	return join(
		one(number("database_id", sqltype.Int, func(r *r) int64 { return int64(r.id) }),
			guid("group_id", func(r *r) agcore.ID { return r.g.ID }),
			guid("replica_id", func(r *r) agcore.ID { return r.r.ID }),
			guid("group_database_id", func(r *r) agcore.ID { return r.d.ID }),
			bit("is_local", func(r *r) bool { return r.r.Local }),
			bit("is_primary_replica", (*databaseRow).primary)),
		code("synchronization_state", func(r *r) agcore.SyncState { return r.sync }),
		one(bit("is_commit_participant", func(r *r) bool { return r.primary() || r.r.Mode == agcore.Synchronous && r.sync == agcore.Synchronized })),
		code("synchronization_health", func(r *r) agcore.Health { return agcore.HealthOf(r.sync, r.r.Mode) }),
		coded("database_state", func(r *r) (int64, string, bool) {
			if r.state == 1 {
				return 1, "RESTORING", r.r.Local
			}
			return 0, "ONLINE", r.r.Local
		}),
		one(bit("is_suspended", (*databaseRow).suspended)),
		coded("suspend_reason", func(r *r) (int64, string, bool) {
			if !r.suspended() {
				return 0, "", false
			}
			return int64(r.l.state.Reason), r.l.state.Reason.String(), true
		}))
}

// suspended shows where data movement was stopped: on the copy's row, and on the primary's when it was stopped there.
func (r *databaseRow) suspended() bool {
	return r.l != nil && r.l.state.Suspended && (!r.primary() || r.l.state.Reason == agcore.SuspendUser)
}

func (m *Manager) databasePositions() []field[databaseRow] {
	type r = databaseRow
	rateOf := func(name string, f func(*r) *rate) field[r] {
		return maybe(name, sqltype.BigInt, 0, func(r *r) sqltype.Value {
			if r.primary() {
				return null
			}
			return kilobytes(f(r).read(m.now()))
		})
	}
	return one(
		position("recovery_lsn", func(r *r) lsn.LSN { return r.recovery }),
		position("truncation_lsn", func(r *r) lsn.LSN { return r.truncation }),
		position("last_sent_lsn", func(r *r) lsn.LSN { return r.sentLSN }),
		when("last_sent_time", func(r *r) time.Time { return r.sentAt }),
		position("last_received_lsn", func(r *r) lsn.LSN { return r.receivedLSN }),
		when("last_received_time", func(r *r) time.Time { return r.receivedAt }),
		position("last_hardened_lsn", func(r *r) lsn.LSN { return r.hardenedLSN }),
		when("last_hardened_time", func(r *r) time.Time { return r.hardenedAt }),
		position("last_redone_lsn", func(r *r) lsn.LSN { return r.redoneLSN }),
		when("last_redone_time", func(r *r) time.Time { return r.redoneAt }),
		maybe("log_send_queue_size", sqltype.BigInt, 0, func(r *r) sqltype.Value { return kilobytes(r.sendQueue) }),
		rateOf("log_send_rate", func(r *r) *rate { return &r.sendRate }),
		maybe("redo_queue_size", sqltype.BigInt, 0, func(r *r) sqltype.Value {
			if r.primary() {
				return null
			}
			return kilobytes(r.pending)
		}),
		rateOf("redo_rate", func(r *r) *rate { return &r.redoRate }),
		absent[r]("filestream_send_rate", sqltype.BigInt, 0),
		position("end_of_log_lsn", func(r *r) lsn.LSN { return r.end }),
		position("last_commit_lsn", func(r *r) lsn.LSN { return r.committed }),
		when("last_commit_time", func(r *r) time.Time { return r.commitTime }),
		absent[r]("low_water_mark_for_ghosts", sqltype.BigInt, 0),
		maybe("secondary_lag_seconds", sqltype.BigInt, 0, func(r *r) sqltype.Value {
			if r.primary() || r.lag < 0 {
				return null
			}
			return sqltype.IntOf(sqltype.BigInt, r.lag)
		}),
		position("quorum_commit_lsn", func(*r) lsn.LSN { return lsn.Zero }),
		absent[r]("quorum_commit_time", sqltype.DateTime, 0),
	)
}
