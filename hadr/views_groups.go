package hadr

import (
	"context"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqltype"
)

func (m *Manager) viewGroups() rel.View {
	type g = *agcore.Group
	resource := func(g *g) sqltype.Value {
		if (*g).Distributed {
			return null
		}
		return sqltype.NVarCharOf((*g).ID.String())
	}
	return view("availability_groups", func(context.Context) ([]g, error) { return m.groups(), nil }, join(
		one(guid("group_id", func(g *g) agcore.ID { return (*g).ID }),
			text("name", 128, func(g *g) string { return (*g).Name }),
			maybe("resource_id", sqltype.NVarChar, 40, resource),
			maybe("resource_group_id", sqltype.NVarChar, 40, resource),
			number("failure_condition_level", sqltype.Int, func(g *g) int64 { return int64((*g).Options.FailureLevel) }),
			number("health_check_timeout", sqltype.Int, func(g *g) int64 { return (*g).Options.HealthCheckTimeout })),
		code("automated_backup_preference", func(g *g) agcore.BackupPreference { return (*g).Options.BackupPreference }),
		one(number("version", sqltype.SmallInt, func(*g) int64 { return 0 }),
			bit("basic_features", func(g *g) bool { return (*g).Options.Basic }),
			bit("dtc_support", func(g *g) bool { return (*g).Options.DTCPerDB }),
			bit("db_failover", func(g *g) bool { return (*g).Options.DBFailover }),
			bit("is_distributed", func(g *g) bool { return (*g).Distributed })),
		coded("cluster_type", func(g *g) (int64, string, bool) {
			return int64((*g).Options.ClusterType), (*g).Options.ClusterType.String(), !(*g).Distributed
		}),
		one(number("required_synchronized_secondaries_to_commit", sqltype.Int, func(g *g) int64 { return int64((*g).Options.RequiredSync) }),
			number("sequence_number", sqltype.BigInt, func(g *g) int64 { return (*g).Sequence }),
			bit("is_contained", func(g *g) bool { return (*g).Options.Contained })),
	)...)
}

// replicaRow is a replica of a group, with what is known of its state.
type replicaRow struct {
	g *agcore.Group
	r *agcore.Replica
	// own is our role in the group.
	own agcore.Role
	// l is the link's state; nil for groups that are none.
	l *snapshot
}

func (m *Manager) replicaRows(context.Context) ([]replicaRow, error) {
	var out []replicaRow
	for _, g := range m.groups() {
		var s *snapshot
		if l := m.link(g.Name); l != nil && g.Distributed {
			s = l.snap.Load()
		}
		own := m.roleOf(g)
		for _, r := range g.Replicas {
			out = append(out, replicaRow{g, r, own, s})
		}
	}
	return out, nil
}

func (m *Manager) viewReplicas() rel.View {
	type r = replicaRow
	return view("availability_replicas", m.replicaRows, join(
		one(guid("replica_id", func(r *r) agcore.ID { return r.r.ID }),
			guid("group_id", func(r *r) agcore.ID { return r.g.ID }),
			maybe("replica_metadata_id", sqltype.Int, 0, func(r *r) sqltype.Value {
				if !r.r.Local {
					return null
				}
				return sqltype.IntOf(sqltype.Int, 65536)
			}),
			text("replica_server_name", 256, func(r *r) string { return r.r.Name }),
			maybe("owner_sid", sqltype.VarBinary, 85, func(*r) sqltype.Value { return sqltype.BytesOf(sqltype.VarBinary, []byte{1}) }),
			text("endpoint_url", 256, func(r *r) string { return r.r.URL })),
		code("availability_mode", func(r *r) agcore.AvailabilityMode { return r.r.Mode }),
		code("failover_mode", func(r *r) agcore.FailoverMode { return r.r.Failover }),
		one(number("session_timeout", sqltype.Int, func(r *r) int64 { return int64(r.r.SessionTimeout) })),
		code("primary_role_allow_connections", func(r *r) agcore.PrimaryAccess { return r.r.PrimaryAccess }),
		code("secondary_role_allow_connections", func(r *r) agcore.SecondaryAccess { return r.r.SecondaryAccess }),
		one(when("create_date", func(r *r) time.Time { return r.r.Created }),
			when("modify_date", func(r *r) time.Time { return r.r.Modified }),
			number("backup_priority", sqltype.Int, func(r *r) int64 { return int64(r.r.BackupPriority) }),
			textOr("read_only_routing_url", 256, func(r *r) string { return r.r.ReadOnlyRouting })),
		code("seeding_mode", func(r *r) agcore.SeedingMode { return r.r.Seeding }),
		one(textOr("read_write_routing_url", 256, func(r *r) string { return r.r.WriteRouting })),
	)...)
}

func (m *Manager) viewClusterDatabases() rel.View {
	type d struct {
		g *agcore.Group
		d agcore.Database
	}
	rows := func(context.Context) ([]d, error) {
		var out []d
		for _, g := range m.groups() {
			for _, db := range g.Databases {
				out = append(out, d{g, db})
			}
		}
		return out, nil
	}
	return view("availability_databases_cluster", rows,
		guid("group_id", func(d *d) agcore.ID { return d.g.ID }),
		guid("group_database_id", func(d *d) agcore.ID { return d.d.ID }),
		text("database_name", 128, func(d *d) string { return d.d.Name }),
		position("truncation_lsn", func(d *d) lsn.LSN {
			if at := m.Retain(d.d.Name); at != lsn.Max {
				return at
			}
			return lsn.Zero
		}))
}

// health is the judgement on one replica.
func (r *replicaRow) health() agcore.Health {
	switch {
	case r.g.Distributed && (!r.r.Local || r.own == agcore.Secondary):
		if r.l == nil {
			return agcore.NotHealthy
		}
		return agcore.HealthOf(r.l.sync, r.r.Mode)
	case r.r.Local && r.l != nil && r.l.state.Outdated != 0:
		return agcore.NotHealthy // another primary was opened beside this one
	case r.r.Local:
		return agcore.Healthy
	default:
		return agcore.NotHealthy
	}
}

func (r *replicaRow) connected() bool {
	if r.g.Distributed && (!r.r.Local || r.own == agcore.Secondary) {
		return r.l != nil && r.l.connected
	}
	return r.r.Local
}

func (r *replicaRow) role() agcore.Role {
	switch {
	case r.r.Local:
		return r.own
	case r.own == agcore.Primary:
		return agcore.Secondary
	default:
		return agcore.Primary
	}
}

// fault is the last failure to connect, shown where the peer is missed.
func (r *replicaRow) fault() (agcore.Fault, time.Time) {
	if r.l == nil || r.r.Local == (r.own == agcore.Primary) {
		return agcore.Fault{}, time.Time{}
	}
	if b := r.l.state.Broken; b != nil && r.l.fault.Number == 0 {
		return *b, r.l.faultAt
	}
	return r.l.fault, r.l.faultAt
}

// stateRows are those of the replica states: on a secondary only the local ones.
func (m *Manager) stateRows(ctx context.Context) ([]replicaRow, error) {
	all, err := m.replicaRows(ctx)
	var out []replicaRow
	for _, r := range all {
		if r.r.Local || r.own == agcore.Primary {
			out = append(out, r)
		}
	}
	return out, err
}

func (m *Manager) viewGroupStates() rel.View {
	type s struct {
		g       *agcore.Group
		own     agcore.Role
		primary string
		health  agcore.Health
	}
	rows := func(ctx context.Context) ([]s, error) {
		var out []s
		all, err := m.replicaRows(ctx)
		for _, r := range all {
			if n := len(out); n == 0 || out[n-1].g != r.g {
				out = append(out, s{g: r.g, own: r.own, health: agcore.Healthy})
			}
			last := &out[len(out)-1]
			if r.role() == agcore.Primary {
				last.primary = r.r.Name
			}
			if !r.g.Distributed || !r.r.Local || r.own == agcore.Secondary {
				last.health = min(last.health, r.health())
			}
		}
		return out, err
	}
	recovery := func(role agcore.Role) func(*s) (int64, string, bool) {
		return func(s *s) (int64, string, bool) { return 1, "ONLINE", s.own == role }
	}
	return view("dm_hadr_availability_group_states", rows, join(
		one(guid("group_id", func(s *s) agcore.ID { return s.g.ID }), textOr("primary_replica", 128, func(s *s) string { return s.primary })),
		coded("primary_recovery_health", recovery(agcore.Primary)),
		coded("secondary_recovery_health", recovery(agcore.Secondary)),
		code("synchronization_health", func(s *s) agcore.Health { return s.health }),
	)...)
}

func (m *Manager) viewReplicaStates() rel.View {
	type r = replicaRow
	return view("dm_hadr_availability_replica_states", m.stateRows, join(
		one(guid("replica_id", func(r *r) agcore.ID { return r.r.ID }),
			guid("group_id", func(r *r) agcore.ID { return r.g.ID }),
			bit("is_local", func(r *r) bool { return r.r.Local })),
		code("role", (*replicaRow).role),
		coded("operational_state", func(r *r) (int64, string, bool) { return 2, "ONLINE", r.r.Local }),
		coded("recovery_health", func(r *r) (int64, string, bool) { return 1, "ONLINE", r.r.Local }),
		code("synchronization_health", (*replicaRow).health),
		coded("connected_state", func(r *r) (int64, string, bool) {
			if r.connected() {
				return 1, "CONNECTED", true
			}
			return 0, "DISCONNECTED", true
		}),
		one(maybe("last_connect_error_number", sqltype.Int, 0, func(r *r) sqltype.Value {
			if f, _ := r.fault(); f.Number != 0 {
				return sqltype.IntOf(sqltype.Int, int64(f.Number))
			}
			return null
		}),
			textOr("last_connect_error_description", 1024, func(r *r) string { f, _ := r.fault(); return f.Text }),
			when("last_connect_error_timestamp", func(r *r) time.Time { _, at := r.fault(); return at })),
	)...)
}
