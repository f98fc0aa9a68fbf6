package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/armtypes"
)

// connectPatience is how long the two sides may take to find each other; the service itself gives up after 5 minutes
// (41962).
const connectPatience = 6 * time.Minute

func join() Step {
	return Step{
		ID: "join", Title: "have the managed instance join", Precondition: "the instance shows no link of the name",
		Effect: "distributedAvailabilityGroups shows the link",
		Probe:  func(s *State) []Call { return []Call{{Op: GetLink, Instance: s.Instance, Name: s.DAG}} },
		Decide: decideJoin,
		Do: func(s *State) []Call {
			var calls []Call
			if s.dropLink {
				calls = append(calls, Call{Op: DeleteLink, Instance: s.Instance, Name: s.DAG})
			}
			return append(calls, Call{Op: PutLink, Instance: s.Instance, Name: s.DAG, Link: s.Link()})
		},
		Undo: func(s *State) []Call { return []Call{{Op: DeleteLink, Instance: s.Instance, Name: s.DAG}} },
	}
}

func decideJoin(s *State, a []Answer) (Decision, error) {
	l := a[0].Link
	s.dropLink = false
	switch {
	case l == nil:
		return act("no link %q", s.DAG)
	case !l.Same(s.Link()):
		return refuse("join", "delete that link or choose another name", "the instance has a link %q for database %s from %s (groups %s and %s)",
			l.Name, strings.Join(l.Databases, ", "), l.PartnerEndpoint, l.PartnerAG, l.InstanceAG)
	case failed(l.State):
		s.dropLink = true
		return act("the link's creation failed before: %s%s", l.State, lastError(l.DatabaseStates[0:min(1, len(l.DatabaseStates))]))
	}
	return done("the link is %s", l.State)
}

// failed reports whether a link's state says that its creation failed. One whose roles need a decision was made long ago.
func failed(state string) bool {
	return strings.HasSuffix(state, "Error") && state != armtypes.LinkFailoverError
}

// The queries by which SQL Server is asked about a link that exists.
const (
	// RemoteReplica asks for the connection to the managed instance: @p1 is the link, @p2 the instance's group.
	RemoteReplica = "SELECT rs.connected_state_desc, rs.synchronization_health_desc, rs.last_connect_error_number, rs.last_connect_error_description " +
		"FROM sys.dm_hadr_availability_replica_states rs JOIN sys.availability_replicas r ON r.replica_id = rs.replica_id JOIN sys.availability_groups g ON g.group_id = r.group_id " +
		"WHERE g.name = @p1 AND r.replica_server_name = @p2"
	// Seeding asks for the last automatic seeding: @p1 and @p2 are the group and the link.
	Seeding = "SELECT TOP (1) s.current_state, s.failure_state_desc FROM sys.dm_hadr_automatic_seeding s JOIN sys.availability_groups g ON g.group_id = s.ag_id " +
		"WHERE g.name IN (@p1, @p2) ORDER BY s.start_time DESC"
)

func connected() Step {
	return Step{
		ID: "connected", Title: "wait until the two sides are connected", Precondition: "the remote replica is not CONNECTED yet",
		Effect: "sys.dm_hadr_availability_replica_states shows CONNECTED for the instance", Patience: connectPatience,
		Probe: func(s *State) []Call {
			return []Call{{SQL: RemoteReplica, Args: []any{s.DAG, s.InstanceAG}}}
		},
		Decide: func(_ *State, a []Answer) (Decision, error) {
			if len(a[0].Rows) == 0 {
				return wait("the remote replica is not shown yet")
			}
			r := a[0].Rows[0]
			if r.Text("connected_state_desc") == "CONNECTED" {
				return done("CONNECTED")
			}
			if d := r.Text("last_connect_error_description"); d != "" {
				return wait("%s: error %d, %s", r.Text("connected_state_desc"), r.Int("last_connect_error_number"), d)
			}
			return wait("%s", r.Text("connected_state_desc"))
		},
	}
}

func seeded() Step {
	return Step{
		ID: "seeded", Title: "wait until the copy is seeded", Precondition: "the instance does not show the database Online yet (Restoring while it is seeded)",
		Effect: "the instance shows the database Online",
		Probe: func(s *State) []Call {
			return []Call{
				{Op: ListDatabases, Instance: s.Instance},
				{Op: GetLink, Instance: s.Instance, Name: s.DAG},
				{SQL: Seeding, Args: []any{s.AG, s.DAG}},
			}
		},
		Decide: decideSeeded,
	}
}

func decideSeeded(s *State, a []Answer) (Decision, error) {
	if a[1].Link == nil {
		return Decision{}, fmt.Errorf("the link %q is gone while its copy is seeded", s.DAG)
	}
	l := a[1].Link
	if failed(l.State) {
		return Decision{}, errors.New("the link is " + l.State + lastError(l.DatabaseStates))
	}
	seen := "no database yet"
	for _, d := range a[0].Databases {
		if strings.EqualFold(d.Name, s.Database) {
			if seen = d.Properties.Status; seen == "Online" {
				return done("Online")
			}
		}
	}
	for _, d := range l.DatabaseStates {
		if d.SeedingProgress != "" {
			seen += ", " + strings.TrimSuffix(d.SeedingProgress, "%") + " %"
		}
	}
	for _, r := range a[2].Rows {
		seen += ", seeding " + r.Text("current_state")
		if f := r.Text("failure_state_desc"); f != "" {
			seen += " (" + f + ")"
		}
	}
	return wait("%s", seen)
}

func lastError(states []linkDatabase) string {
	for _, d := range states {
		if d.MostRecentError != "" {
			return ", error " + d.MostRecentError
		}
	}
	return ""
}

func online() Step {
	return Step{
		ID: "online", Title: "wait until the copy keeps up", Precondition: "the remote replica is not HEALTHY yet",
		Effect: "the copy is online and read-only, the link synchronizing and HEALTHY",
		Probe: func(s *State) []Call {
			return []Call{{SQL: RemoteReplica, Args: []any{s.DAG, s.InstanceAG}}}
		},
		Decide: func(_ *State, a []Answer) (Decision, error) {
			if len(a[0].Rows) == 0 {
				return wait("the remote replica is not shown")
			}
			if r := a[0].Rows[0]; r.Text("connected_state_desc") != "CONNECTED" || r.Text("synchronization_health_desc") != "HEALTHY" {
				return wait("%s, %s", r.Text("connected_state_desc"), r.Text("synchronization_health_desc"))
			}
			return done("HEALTHY")
		},
	}
}
