package hadr_test

import (
	"testing"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
	"linkspan/rel"
	"linkspan/sqltype"
)

// rows reads a view and checks that every row fits its columns.
func rows(t *testing.T, n *node, name string) []map[string]sqltype.Value {
	t.Helper()
	for _, v := range n.Views() {
		if v.Name != name {
			continue
		}
		var out []map[string]sqltype.Value
		for row, err := range v.Rows(t.Context(), rel.Scope{}) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(row) != len(v.Columns) {
				t.Fatalf("%s: %d values for %d columns", name, len(row), len(v.Columns))
			}
			m := map[string]sqltype.Value{}
			for i, c := range v.Columns {
				if row[i].K != c.Type.Kind {
					t.Errorf("%s.%s is %v, its column %v", name, c.Name, row[i].K, c.Type)
				}
				if _, twice := m[c.Name]; twice {
					t.Errorf("%s has two columns %s", name, c.Name)
				}
				m[c.Name] = row[i]
			}
			out = append(out, m)
		}
		return out
	}
	t.Fatalf("there is no view %s", name)
	return nil
}

// find returns the row in which the columns have the texts or numbers given.
func find(t *testing.T, all []map[string]sqltype.Value, want map[string]any) map[string]sqltype.Value {
	t.Helper()
	for _, r := range all {
		if matches(r, want) {
			return r
		}
	}
	t.Errorf("no row with %v in %v", want, all)
	return nil
}

func matches(r map[string]sqltype.Value, want map[string]any) bool {
	for c, w := range want {
		switch w := w.(type) {
		case string:
			if r[c].S != w || !r[c].Valid {
				return false
			}
		case int:
			if r[c].N != int64(w) || !r[c].Valid {
				return false
			}
		case nil:
			if r[c].Valid {
				return false
			}
		}
	}
	return true
}

func TestViewsTellTheGuidesStory(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	find(t, rows(t, s, "certificates"), map[string]any{"name": "Cert_sqlserver1_endpoint", "pvt_key_encryption_type": "MK", "pvt_key_encryption_type_desc": "ENCRYPTED_BY_MASTER_KEY", "certificate_id": 256, "key_length": 2048})
	find(t, rows(t, s, "certificates"), map[string]any{"name": targetFQDN, "pvt_key_encryption_type": "NA"})
	find(t, rows(t, s, "symmetric_keys"), map[string]any{"name": "##MS_DatabaseMasterKey##", "symmetric_key_id": 101, "algorithm_desc": "AES_256"})
	find(t, rows(t, s, "database_mirroring_endpoints"), map[string]any{"name": "database_mirroring_endpoint", "type_desc": "DATABASE_MIRRORING", "state_desc": "STARTED",
		"role_desc": "ALL", "connection_auth_desc": "CERTIFICATE", "is_encryption_enabled": 1, "encryption_algorithm_desc": "AES", "endpoint_id": 65536, "certificate_id": 256})
	e, _ := s.Endpoint()
	find(t, rows(t, s, "tcp_endpoints"), map[string]any{"type": 4, "port": e.Port, "ip_address": nil})
	find(t, rows(t, s, "endpoints"), map[string]any{"name": "TSQL Default TCP", "type_desc": "TSQL"})

	s.create("sales", 100)
	group(t, s, "sales")
	find(t, rows(t, s, "availability_groups"), map[string]any{"name": "AG_sales", "is_distributed": 0, "cluster_type_desc": "NONE", "automated_backup_preference_desc": "SECONDARY"})
	find(t, rows(t, s, "availability_groups"), map[string]any{"name": "DAG_sales", "is_distributed": 1, "resource_id": nil})
	remote := find(t, rows(t, s, "availability_replicas"), map[string]any{"replica_server_name": "sqlmi1", "endpoint_url": "tcp://" + targetFQDN + ":5022;Server=[sqlmi1]",
		"availability_mode_desc": "ASYNCHRONOUS_COMMIT", "failover_mode_desc": "MANUAL", "seeding_mode_desc": "AUTOMATIC", "replica_metadata_id": nil})
	local := find(t, rows(t, s, "availability_replicas"), map[string]any{"replica_server_name": "SQLSERVER1", "availability_mode_desc": "SYNCHRONOUS_COMMIT"})
	state := func(replica map[string]sqltype.Value) map[string]any {
		return map[string]any{"replica_id": replica["replica_id"].S}
	}
	// Before the link: the group connected, the distributed one disconnected.
	states := rows(t, s, "dm_hadr_availability_replica_states")
	if r := find(t, states, state(local)); r["connected_state_desc"].S != "CONNECTED" || r["role_desc"].S != "PRIMARY" || r["synchronization_health_desc"].S != "HEALTHY" {
		t.Errorf("the local replica is %v", r)
	}
	if r := find(t, states, state(remote)); r["connected_state_desc"].S != "DISCONNECTED" || r["is_local"].N != 0 || r["role_desc"].S != "SECONDARY" {
		t.Errorf("before the join the remote replica is %v", r)
	}
	find(t, rows(t, s, "dm_hadr_database_replica_states"), map[string]any{"is_local": 1, "is_primary_replica": 1, "synchronization_state_desc": "SYNCHRONIZED"})

	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{s, m} {
		eventually(t, "streaming", inPhase(n, "DAG_sales", agcore.PhaseSynchronizing))
	}
	at := s.exec("sales", "INSERT INTO t_1(v) VALUES('x')")
	caughtUp(t, s, m, "sales")
	eventually(t, "the source knows", func() bool { return s.Links()[0].Phase == agcore.PhaseSynchronizing && sourceKnows(t, s, at) })
	r := find(t, rows(t, s, "dm_hadr_availability_replica_states"), state(remote))
	if r["connected_state_desc"].S != "CONNECTED" || r["synchronization_health_desc"].S != "HEALTHY" || r["last_connect_error_number"].Valid {
		t.Errorf("after the join the remote replica is %v", r)
	}
	for _, r := range rows(t, m, "dm_hadr_database_replica_states") {
		if r["last_hardened_lsn"].N < decimalOf(at) {
			t.Errorf("the copy has hardened %v, and its last_hardened_lsn is %v", at, r["last_hardened_lsn"])
		}
	}
	db := find(t, rows(t, s, "dm_hadr_database_replica_states"), map[string]any{"is_local": 0, "is_primary_replica": 0, "synchronization_state_desc": "SYNCHRONIZING", "is_suspended": 0})
	if db["redo_queue_size"].N != 0 || db["log_send_queue_size"].N != 0 {
		t.Errorf("everything is there, and the queues hold %d and %d KB", db["log_send_queue_size"].N, db["redo_queue_size"].N)
	}
	if db["secondary_lag_seconds"].N != 0 || !db["last_redone_lsn"].Valid || !db["last_sent_time"].Valid {
		t.Errorf("the copy's row on the source is %v", db)
	}
	for _, n := range []*node{s, m} {
		find(t, rows(t, n, "dm_hadr_automatic_seeding"), map[string]any{"current_state": "COMPLETED", "performed_seeding": 1, "number_of_attempts": 1})
	}
	find(t, rows(t, s, "dm_hadr_physical_seeding_stats"), map[string]any{"role_desc": "Source", "internal_state_desc": "Success", "local_database_name": "sales"})
	if got := len(rows(t, m, "dm_hadr_availability_replica_states")); got != 2 {
		t.Errorf("the managed instance shows %d replica states, not its own two", got)
	}
	find(t, rows(t, m, "dm_hadr_availability_replica_states"), map[string]any{"role_desc": "SECONDARY", "is_local": 1, "connected_state_desc": "CONNECTED"})
	find(t, rows(t, s, "dm_hadr_availability_group_states"), map[string]any{"primary_replica": "AG_sales", "synchronization_health_desc": "HEALTHY"})
	find(t, rows(t, s, "availability_databases_cluster"), map[string]any{"database_name": "sales"})
}

func sourceKnows(t *testing.T, s *node, at lsn.LSN) bool {
	for _, r := range rows(t, s, "dm_hadr_database_replica_states") {
		if r["is_local"].N == 0 && r["last_redone_lsn"].Valid {
			return r["last_redone_lsn"].N == decimalOf(at)
		}
	}
	return false
}

func decimalOf(l lsn.LSN) int64 {
	return int64(uint64(l.VLF)*1_000_000_000_000_000 + uint64(l.Block)*100_000 + uint64(l.Slot))
}

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	s, m := source(t, nil), target(t)
	introduce(t, s, m, targetFQDN)
	s.create("sales", 10)
	group(t, s, "sales")
	wantNumber(t, "not in a group", s.Suspend(t.Context(), "hr"), 35242)
	if err := m.JoinLink(t.Context(), spec("sales", s.url())); err != nil {
		t.Fatal(err)
	}
	for _, side := range []*node{s, m} {
		eventually(t, "streaming", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
		if err := side.Suspend(t.Context(), "sales"); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*node{s, m} {
			eventually(t, "suspended on "+n.name, inPhase(n, "DAG_sales", agcore.PhaseSuspended))
		}
		before := m.count("sales")
		s.exec("sales", "INSERT INTO t_1(v) VALUES('kept back')")
		m.restart()
		s.restart()
		eventually(t, "connected again, suspended still", func() bool {
			st, _ := m.Link("DAG_sales")
			return st.Connected && st.Phase == agcore.PhaseSuspended
		})
		find(t, rows(t, m, "dm_hadr_database_replica_states"), map[string]any{"is_suspended": 1, "synchronization_state_desc": "NOT SYNCHRONIZING"})
		if m.count("sales") != before {
			t.Error("a suspended copy moved")
		}
		if err := side.Resume(t.Context(), "sales"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "streaming again", inPhase(m, "DAG_sales", agcore.PhaseSynchronizing))
		caughtUp(t, s, m, "sales")
	}
}
