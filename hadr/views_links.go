package hadr

import (
	"context"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqltype"
)

// viewLinks is sys.dm_linkspan_links: how each link's database stands on this side, and what a failover left.
func (m *Manager) viewLinks() rel.View {
	type s = LinkStatus
	rows := func(context.Context) ([]s, error) { return m.Links(), nil }
	return view("dm_linkspan_links", rows, append(linkFields(), lossFields()...)...)
}

func linkFields() []field[LinkStatus] {
	type s = LinkStatus
	return join(
		one(text("link_name", 128, func(s *s) string { return s.Spec.Name }),
			text("database_name", 128, func(s *s) string { return s.Spec.Database }),
			text("role_desc", 60, func(s *s) string { return s.Role.String() }),
			number("epoch", sqltype.BigInt, func(s *s) int64 { return int64(s.Standing.Epoch) }),
			text("phase_desc", 60, func(s *s) string { return s.Phase.String() }),
			// The step of the change of roles under way.
			textOr("failover_phase", 60, func(s *s) string { return s.FailoverPhase }),
			// A primary that has given its role away and does not know yet whether the other side took it.
			bit("is_fenced", func(s *s) bool { return s.Standing.Fenced() }),
			// A primary that another one outlived: the epoch of that.
			maybe("outdated_by_epoch", sqltype.BigInt, 0, func(s *s) sqltype.Value {
				if s.Standing.Outdated == 0 || s.Role != agcore.Primary {
					return null
				}
				return sqltype.IntOf(sqltype.BigInt, int64(s.Standing.Outdated))
			}),
			bit("is_connected", func(s *s) bool { return s.Connected }),
			textOr("reason", 4000, func(s *s) string { return s.Reason }),
			textOr("divergence", 4000, func(s *s) string { return s.Divergence }),
			number("last_error_number", sqltype.Int, func(s *s) int64 { return int64(s.LastError.Number) }),
			textOr("last_error", 4000, func(s *s) string { return s.LastError.Text }),
			number("failovers", sqltype.BigInt, func(s *s) int64 { return s.Failovers }),
			number("digests_compared", sqltype.BigInt, func(s *s) int64 { return s.Digests }),
			// How long no writer was let in at the last failover, as this side saw it; NULL without one since the start.
			maybe("last_pause_us", sqltype.BigInt, 0, func(s *s) sqltype.Value {
				if s.Pause <= 0 {
					return null
				}
				return sqltype.IntOf(sqltype.BigInt, s.Pause.Microseconds())
			})))
}

// lossFields are what the last forced failover left out.
func lossFields() []field[LinkStatus] {
	type s = LinkStatus
	measured := func(s *s) bool { return s.Loss != nil && s.Loss.Measured }
	at := func(f func(*agcore.Loss) lsn.LSN) func(*s) lsn.LSN {
		return func(s *s) (l lsn.LSN) {
			if s.Loss != nil {
				l = f(s.Loss)
			}
			return l
		}
	}
	count := func(name string, f func(*agcore.Loss) int64) field[s] {
		return maybe(name, sqltype.BigInt, 0, func(s *s) sqltype.Value {
			if !measured(s) {
				return null
			}
			return sqltype.IntOf(sqltype.BigInt, f(s.Loss))
		})
	}
	return one(
		maybe("loss_time", sqltype.DateTime, 0, func(s *s) sqltype.Value {
			if s.Loss == nil {
				return null
			}
			return when("", func(l *agcore.Loss) time.Time { return l.At }).value(s.Loss)
		}),
		position("loss_end_lsn", at(func(l *agcore.Loss) lsn.LSN { return l.End })),
		position("loss_peer_lsn", at(func(l *agcore.Loss) lsn.LSN { return l.Peer })),
		position("loss_fork_lsn", at(func(l *agcore.Loss) lsn.LSN { return l.Fork })),
		position("loss_tail_lsn", at(func(l *agcore.Loss) lsn.LSN { return l.Tail })),
		// The rows were compared with the new primary's at that position, because the log did not reach back to the fork.
		position("loss_compared_lsn", at(func(l *agcore.Loss) lsn.LSN { return l.Beside })),
		maybe("loss_is_partial", sqltype.Bit, 0, func(s *s) sqltype.Value {
			if !measured(s) {
				return null
			}
			return sqltype.BitOf(s.Loss.Partial)
		}),
		count("loss_rows", func(l *agcore.Loss) int64 { return l.Rows }),
		count("loss_tables", func(l *agcore.Loss) int64 { return int64(l.Tables) }),
		textOr("loss_file", 4000, func(s *s) string {
			if !measured(s) {
				return ""
			}
			return s.Loss.File
		}))
}
