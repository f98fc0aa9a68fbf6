package flow

import (
	"fmt"
	"strings"
)

func group() Step {
	return Step{
		ID: "group", Title: "have an availability group with the database", Precondition: "sys.availability_groups shows no group of the name, and the database is in no other",
		Effect:    "sys.availability_groups shows the group, the database is SYNCHRONIZED in it",
		Tolerates: []int32{errGroupExists, errNameExists},
		Probe: func(s *State) []Call {
			return []Call{
				{SQL: "SELECT name, is_distributed FROM sys.availability_groups WHERE name = @p1", Args: []any{s.AG}},
				{SQL: "SELECT g.name AS ag, d.name AS db FROM sys.dm_hadr_database_replica_states s JOIN sys.availability_groups g ON g.group_id = s.group_id " +
					"JOIN sys.databases d ON d.database_id = s.database_id WHERE s.is_local = 1 AND g.is_distributed = 0 AND (g.name = @p1 OR d.name = @p2)", Args: []any{s.AG, s.Database}},
			}
		},
		Decide: decideGroup,
		Do: func(s *State) []Call {
			with := " WITH (CLUSTER_TYPE = NONE)"
			if s.Version == 13 {
				with = "" // 2016 knows no cluster types
			}
			return []Call{{SQL: "CREATE AVAILABILITY GROUP " + quoteName(s.AG) + with + " FOR DATABASE " + quoteName(s.Database) + " REPLICA ON " + quote(s.ServerName) +
				" WITH (ENDPOINT_URL = " + quote(endpointURL("TCP", s.SourceHost, s.port())) +
				", AVAILABILITY_MODE = SYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)"}}
		},
		Undo: func(s *State) []Call { return []Call{{SQL: dropGroup(s.AG)}} },
	}
}

func decideGroup(s *State, a []Answer) (Decision, error) {
	exists := len(a[0].Rows) > 0
	if exists && a[0].Rows[0].Int("is_distributed") != 0 {
		return refuse("group", "choose another name", "%q is a distributed availability group", s.AG)
	}
	mine := false
	for _, r := range a[1].Rows {
		inGroup, ours := strings.EqualFold(r.Text("ag"), s.AG), strings.EqualFold(r.Text("db"), s.Database)
		switch {
		case inGroup && ours:
			mine = true
		case inGroup:
			return refuse("group", "choose another name: a link carries one database", "the availability group %q holds database %q", s.AG, r.Text("db"))
		case ours:
			return refuse("group", "name that group if it is meant, or take the database out of it", "database %q is in the availability group %q", s.Database, r.Text("ag"))
		}
	}
	switch {
	case mine:
		return done("the group %q holds %q", s.AG, s.Database)
	case exists:
		return refuse("group", "drop it or choose another name", "the availability group %q does not hold database %q", s.AG, s.Database)
	}
	return act("no group %q", s.AG)
}

func dropGroup(name string) string { return "DROP AVAILABILITY GROUP " + quoteName(name) }

func distributedGroup() Step {
	return Step{
		ID: "distributed-group", Title: "have a distributed availability group over that group and the instance's", Precondition: "sys.availability_groups shows no group of the name",
		Effect:    "sys.availability_groups shows it with is_distributed = 1; its remote replica is DISCONNECTED until the instance joins",
		Tolerates: []int32{errGroupExists, errNameExists},
		Probe: func(s *State) []Call {
			return []Call{{SQL: "SELECT g.name, g.is_distributed, r.replica_server_name, r.endpoint_url FROM sys.availability_groups g " +
				"LEFT JOIN sys.availability_replicas r ON r.group_id = g.group_id WHERE g.name = @p1", Args: []any{s.DAG}}}
		},
		Decide: decideDistributed,
		Do:     func(s *State) []Call { return []Call{{SQL: createDistributed(s)}} },
		Undo:   func(s *State) []Call { return []Call{{SQL: dropGroup(s.DAG)}} },
	}
}

func decideDistributed(s *State, a []Answer) (Decision, error) {
	if len(a[0].Rows) == 0 {
		return act("no group %q", s.DAG)
	}
	var members []string
	for _, r := range a[0].Rows {
		if r.Int("is_distributed") == 0 {
			return refuse("distributed-group", "choose another name", "%q is an availability group that is not distributed", s.DAG)
		}
		members = append(members, r.Text("replica_server_name"))
	}
	has := func(n string) bool {
		for _, m := range members {
			if strings.EqualFold(m, n) {
				return true
			}
		}
		return false
	}
	if len(members) != 2 || !has(s.AG) || !has(s.InstanceAG) {
		return refuse("distributed-group", "choose another name, or name its groups", "the distributed availability group %q is over %s, not %s and %s", s.DAG, strings.Join(members, " and "), s.AG, s.InstanceAG)
	}
	return done("the group %q is over %s", s.DAG, strings.Join(members, " and "))
}

func createDistributed(s *State) string {
	return fmt.Sprintf("CREATE AVAILABILITY GROUP %s WITH (DISTRIBUTED) AVAILABILITY GROUP ON "+
		"%s WITH (LISTENER_URL = %s, AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC, SESSION_TIMEOUT = 20), "+
		"%s WITH (LISTENER_URL = %s, AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)",
		quoteName(s.DAG), quote(s.AG), quote(endpointURL("TCP", s.SourceHost, s.port())),
		quote(s.InstanceAG), quote(endpointURL("tcp", s.FQDN, s.InstancePort)+";Server=["+s.Instance.Name+"]"))
}
