package hadr

import (
	"context"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/seeding"
	"linkspan/rel"
	"linkspan/sqltype"
)

// seedRow is one link's last seeding since the process started.
type seedRow struct {
	seeding.Stats
	g      *agcore.Group
	d      agcore.Database
	remote *agcore.Replica
	peer   string
	id     int
	now    time.Time
}

// kept is how long the physical statistics of a seeding that is over are shown.
const kept = 10 * time.Minute

func (m *Manager) seedRows(context.Context) ([]seedRow, error) {
	var out []seedRow
	for _, g := range m.groups() {
		l := m.link(g.Name)
		if l == nil || len(g.Databases) == 0 {
			continue
		}
		if s, ok := l.seed.Stats(); ok {
			out = append(out, seedRow{s, g, g.Databases[0], g.Member(false), l.snap.Load().state.Peer, m.opts.Databases.ID(l.database), m.now()})
		}
	}
	return out, nil
}

func (m *Manager) viewAutomaticSeeding() rel.View {
	type r = seedRow
	failed := func(r *r) bool { return r.State == seeding.Failed }
	return view("dm_hadr_automatic_seeding", m.seedRows,
		when("start_time", func(r *r) time.Time { return r.Started }),
		when("completion_time", func(r *r) time.Time { return r.Ended }),
		guid("ag_id", func(r *r) agcore.ID { return r.g.ID }),
		guid("ag_db_id", func(r *r) agcore.ID { return r.d.ID }),
		guid("ag_remote_replica_id", func(r *r) agcore.ID { return r.remote.ID }),
		guid("operation_id", func(r *r) agcore.ID { return r.Operation }),
		bit("is_source", func(r *r) bool { return r.Source }),
		text("current_state", 32, func(r *r) string { return string(r.State) }),
		bit("performed_seeding", func(r *r) bool { return r.State == seeding.Completed }),
		maybe("failure_state", sqltype.Int, 0, func(r *r) sqltype.Value {
			if failed(r) {
				return sqltype.IntOf(sqltype.Int, 1)
			}
			return null
		}),
		textOr("failure_state_desc", 60, func(r *r) string {
			if failed(r) {
				return "Seeding interrupted; it will be continued"
			}
			return ""
		}),
		maybe("error_code", sqltype.Int, 0, func(r *r) sqltype.Value {
			if failed(r) {
				return sqltype.IntOf(sqltype.Int, int64(r.Failure.Number))
			}
			return null
		}),
		number("number_of_attempts", sqltype.Int, func(r *r) int64 { return int64(r.Attempts) }))
}

func (m *Manager) viewPhysicalSeeding() rel.View {
	type r = seedRow
	rows := func(ctx context.Context) ([]r, error) {
		all, err := m.seedRows(ctx)
		var out []r
		for _, s := range all {
			if s.Ended.IsZero() || s.now.Sub(s.Ended) < kept {
				out = append(out, s)
			}
		}
		return out, err
	}
	return view("dm_hadr_physical_seeding_stats", rows,
		guid("local_physical_seeding_id", func(r *r) agcore.ID { return r.Operation }),
		guid("remote_physical_seeding_id", func(r *r) agcore.ID { return r.Remote }),
		number("local_database_id", sqltype.Int, func(r *r) int64 { return int64(r.id) }),
		text("local_database_name", 128, func(r *r) string { return r.d.Name }),
		text("remote_machine_name", 256, func(r *r) string { return r.peer }),
		text("role_desc", 60, func(r *r) string {
			if r.Source {
				return "Source"
			}
			return "Destination"
		}),
		text("internal_state_desc", 60, func(r *r) string {
			switch {
			case r.State == seeding.Completed:
				return "Success"
			case r.State == seeding.Failed:
				return "Failed"
			case r.State != seeding.Seeding:
				return "NotStarted"
			case r.Source:
				return "ReadingAndSendingData"
			default:
				return "ReceivingAndWritingData"
			}
		}),
		number("transfer_rate_bytes_per_second", sqltype.BigInt, func(r *r) int64 { return r.Rate(r.now) }),
		number("transferred_size_bytes", sqltype.BigInt, func(r *r) int64 { return r.Bytes - r.Skipped }),
		number("database_size_bytes", sqltype.BigInt, func(r *r) int64 { return r.Total }),
		when("start_time_utc", func(r *r) time.Time { return r.Started }),
		when("end_time_utc", func(r *r) time.Time { return r.Ended }),
		when("estimate_time_complete_utc", (*seedRow).estimate),
		number("total_disk_io_wait_time_ms", sqltype.BigInt, func(r *r) int64 { return r.DiskWait.Milliseconds() }),
		number("total_network_wait_time_ms", sqltype.BigInt, func(r *r) int64 { return r.NetworkWait.Milliseconds() }),
		maybe("failure_code", sqltype.Int, 0, func(r *r) sqltype.Value {
			if r.Failure.Number != 0 {
				return sqltype.IntOf(sqltype.Int, int64(r.Failure.Number))
			}
			return null
		}),
		textOr("failure_message", 1024, func(r *r) string { return r.Failure.Text }),
		when("failure_time_utc", func(r *r) time.Time { return r.FailureAt }),
		bit("is_compression_enabled", func(*r) bool { return false }))
}

// estimate is when the seeding will be over at its present rate.
func (r *seedRow) estimate() time.Time {
	if !r.Ended.IsZero() {
		return r.Ended
	}
	rate := r.Rate(r.now)
	if rate == 0 || r.State != seeding.Seeding {
		return time.Time{}
	}
	return r.now.Add(time.Duration(float64(max(0, r.Total-r.Bytes)) / float64(rate) * float64(time.Second)))
}
