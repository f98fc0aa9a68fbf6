package flow

import (
	"fmt"
	"strings"
)

// linkGone reports whether the managed instance has left the link already: a run that was killed goes on behind that.
func linkGone(a Answer) bool { return a.Err == nil && a.Link == nil }

func handRoles() Step {
	return Step{
		ID: "roles", Title: "look at both sides", Precondition: "SQL Server is the primary, or the link is being ended",
		Effect: "it is known where the sequence goes on", Probe: roleProbe,
		Decide: func(s *State, a []Answer) (Decision, error) {
			for _, x := range a[:2] {
				if x.Err != nil {
					return Decision{}, x.Err
				}
			}
			readRoles(s, a)
			switch c := s.Change; {
			case c.To != TargetSide:
				return refuse("roles", "move the data back by backup", "without the link there is no way back from the managed instance")
			case c.NoLink && c.NoGroup:
				return done("the link is gone on both sides: the failover is done")
			case c.NoLink:
				return done("the managed instance has left the link already")
			case c.NoGroup:
				return refuse("roles", "check the names", "SQL Server shows no group %q", s.DAG)
			case c.Target == rolePrimary:
				return refuse("roles", "run it without --by-hand", "the managed instance is the primary")
			}
			return done("%s", s.Change.stands())
		},
	}
}

func synchronous() Step {
	return Step{
		ID: "synchronous", Title: "commit synchronously on both sides", Precondition: "sys.availability_replicas shows ASYNCHRONOUS_COMMIT",
		Effect: "it shows SYNCHRONOUS_COMMIT for both",
		Probe: func(s *State) []Call {
			return []Call{{SQL: Modes, Args: []any{s.DAG}}, {Op: GetLink, Instance: s.Instance, Name: s.DAG}}
		},
		Decide: func(_ *State, a []Answer) (Decision, error) {
			if linkGone(a[1]) {
				return done("the managed instance has left the link already")
			}
			for _, r := range a[0].Rows {
				if r.Text("availability_mode_desc") != "SYNCHRONOUS_COMMIT" {
					return act("%s commits with %s", r.Text("replica_server_name"), r.Text("availability_mode_desc"))
				}
			}
			return done("SYNCHRONOUS_COMMIT")
		},
		Do:   func(s *State) []Call { return []Call{{SQL: modify(s, "SYNCHRONOUS_COMMIT")}} },
		Undo: func(s *State) []Call { return []Call{{SQL: modify(s, "ASYNCHRONOUS_COMMIT")}} },
	}
}

func modify(s *State, mode string) string {
	return fmt.Sprintf("ALTER AVAILABILITY GROUP %s MODIFY AVAILABILITY GROUP ON %s WITH (AVAILABILITY_MODE = %s), %s WITH (AVAILABILITY_MODE = %s)",
		quoteName(s.DAG), quote(s.AG), mode, quote(s.InstanceAG), mode)
}

func equalPositions() Step {
	return Step{
		ID: "equal", Title: "see that nobody writes and both sides are at one position", Precondition: "the applications are stopped",
		Effect: fmt.Sprintf("last_hardened_lsn is the same on both sides, in %d samples", steady), Patience: healthPatience,
		Probe: func(s *State) []Call {
			return []Call{{SQL: DatabaseStates, Args: []any{s.DAG}}, {Op: GetLink, Instance: s.Instance, Name: s.DAG}}
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			if linkGone(a[1]) {
				return done("the managed instance has left the link already")
			}
			here, there := "", ""
			for _, r := range a[0].Rows {
				if r.Int("is_local") == 1 {
					here = r.Text("hardened")
				}
			}
			for _, d := range a[1].Link.DatabaseStates {
				there = strings.TrimLeft(d.LastHardenedLSN, "0")
			}
			c := s.Change
			switch {
			case here == "" || there == "" || here != there:
				c.samples, c.last = 0, ""
				return wait("SQL Server hardened %s, the managed instance %s", known(here), known(there))
			case here != c.last:
				c.samples, c.last = 1, here
			default:
				c.samples++
			}
			if c.samples < steady {
				return wait("both at %s, %d of %d samples", here, c.samples, steady)
			}
			c.Before = Proof{LSN: here}
			return done("both at LSN %s", here)
		},
		Late: func(_ *State, seen string) error {
			return &Refusal{Step: "equal", Reason: "the positions do not come to rest: " + seen, Fix: "stop the applications that write, and run this again"}
		},
	}
}

func known(s string) string {
	if s == "" {
		return "nothing that it shows"
	}
	return s
}
