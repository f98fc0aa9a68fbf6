package hadr_test

import (
	"testing"

	"linkspan/hadr/agcore"
)

// After a failover the views show the roles and positions as they are now, on both sides.
func TestViewsAfterAFailover(t *testing.T) {
	t.Parallel()
	s, m := linkedPair(t, 50)
	setMode(t, s, agcore.Synchronous)
	eventually(t, "synchronized", inSync(m, agcore.Synchronized))
	if err := s.Failover(t.Context(), "DAG_sales"); err != nil {
		t.Fatal(err)
	}
	flows(t, s, m)
	at := m.exec("sales", "INSERT INTO t_1(v) VALUES('x')")
	caughtUp(t, m, s, "sales")
	dag, _ := m.Link("DAG_sales")
	id := string(dag.LinkID[:])
	eventually(t, "the new primary knows", func() bool {
		for _, r := range rows(t, m, "dm_hadr_database_replica_states") {
			if r["is_local"].N == 0 && r["last_redone_lsn"].Valid {
				return r["last_redone_lsn"].N == decimalOf(at)
			}
		}
		return false
	})
	find(t, rows(t, m, "dm_hadr_availability_replica_states"), map[string]any{"group_id": id, "is_local": 1, "role_desc": "PRIMARY", "connected_state_desc": "CONNECTED"})
	find(t, rows(t, m, "dm_hadr_availability_replica_states"), map[string]any{"group_id": id, "is_local": 0, "role_desc": "SECONDARY", "connected_state_desc": "CONNECTED", "synchronization_health_desc": "HEALTHY"})
	find(t, rows(t, s, "dm_hadr_availability_replica_states"), map[string]any{"group_id": id, "is_local": 1, "role_desc": "SECONDARY", "connected_state_desc": "CONNECTED"})
	find(t, rows(t, s, "dm_hadr_availability_group_states"), map[string]any{"group_id": id, "primary_replica": "sqlmi1"})

	own := find(t, rows(t, m, "dm_hadr_database_replica_states"), map[string]any{"group_id": id, "is_local": 1, "is_primary_replica": 1, "synchronization_state_desc": "SYNCHRONIZED"})
	if !own["recovery_lsn"].Valid || own["last_commit_lsn"].N != decimalOf(at) || !own["last_commit_time"].Valid || own["last_sent_lsn"].Valid {
		t.Errorf("the new primary's own row is %v", own)
	}
	copied := find(t, rows(t, m, "dm_hadr_database_replica_states"), map[string]any{"group_id": id, "is_local": 0, "is_primary_replica": 0, "is_suspended": 0})
	for _, c := range []string{"last_sent_lsn", "last_sent_time", "last_received_lsn", "last_received_time", "last_hardened_lsn", "last_hardened_time",
		"last_redone_lsn", "last_redone_time", "log_send_queue_size", "redo_queue_size", "end_of_log_lsn", "last_commit_lsn", "last_commit_time", "secondary_lag_seconds"} {
		if !copied[c].Valid {
			t.Errorf("the copy's row on the new primary has no %s", c)
		}
	}
	if copied["log_send_queue_size"].N != 0 || copied["redo_queue_size"].N != 0 || copied["secondary_lag_seconds"].N != 0 {
		t.Errorf("everything is there, and the copy's row is %v", copied)
	}
	find(t, rows(t, s, "dm_hadr_database_replica_states"), map[string]any{"group_id": id, "is_local": 1, "is_primary_replica": 0, "last_sent_lsn": nil})
	// A failover of a link ends in asynchronous commit, whatever it was before.
	for _, n := range []*node{s, m} {
		eventually(t, "asynchronous on "+n.name, func() bool { st, _ := n.Link("DAG_sales"); return st.Mode == agcore.Asynchronous })
	}
	for _, n := range []*node{s, m} {
		if !n.logs("is changing roles from") {
			t.Errorf("the error log of %s does not tell the change of roles", n.name)
		}
	}
}
