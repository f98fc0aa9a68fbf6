package flow

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/armtypes"
)

// Limits of a planned failover.
const (
	// maxQueue is the log, in KB, that may be unsent and unapplied when it begins.
	maxQueue = 10 << 10
	// healthPatience is how long the copy is given to get there, digestPatience how long a common LSN is looked for,
	// turnPatience how long the roles may take to change once the statement has ended, followPatience how long the old
	// primary may take to follow.
	healthPatience = time.Minute
	digestPatience = 3 * time.Second
	turnPatience   = 45 * time.Second
	followPatience = time.Minute
	// steady is how many equal positions in a row prove that nobody writes, in a failover by hand.
	steady = 3
)

// Numbers of SQL errors of a failover.
const (
	errInProgress = 47513
	errNotPrimary = 47517
	errIsPrimary  = 41122
	errRoleIsSet  = 41965
)

// Failover lists the steps that change the roles without loss: by ALTER AVAILABILITY GROUP … FAILOVER where SQL Server is
// the primary, by the management API where the managed instance is.
func Failover() []Step {
	return []Step{plannedRoles(), healthy(), digests("before", "compare the digests of both sides"), turn(), follows(), digests("after", "compare the digests of both sides again")}
}

// ForcedFailover lists the steps that make one side the primary without asking the other.
func ForcedFailover() []Step { return []Step{forcedRoles(), force()} }

// FailoverByHand lists the steps for SQL Server before 2022: commit synchronously, wait until nobody writes and both sides
// are at one position, end the link. The managed instance is left with the database, writable; the link is gone.
func FailoverByHand() []Step {
	return []Step{handRoles(), synchronous(), equalPositions(), leave(), drop("distributed-group", "drop the distributed availability group", 1, func(s *State) string { return s.DAG })}
}

func plannedRoles() Step {
	return Step{
		ID: "roles", Title: "look at the roles of both sides", Precondition: "both sides answer, and one of them is the primary",
		Effect: "the primary is known", Probe: roleProbe,
		Decide: func(s *State, a []Answer) (Decision, error) {
			for _, x := range a[:2] {
				if x.Err != nil {
					return Decision{}, x.Err
				}
			}
			readRoles(s, a)
			s.Change.Pause = 0 // of an earlier failover
			return decideRoles(s)
		},
	}
}

func decideRoles(s *State) (Decision, error) {
	c := s.Change
	switch {
	case c.NoGroup || c.NoLink:
		return refuse("roles", "create it first", "there is no link %q on both sides (%s)", s.DAG, missing(c))
	case c.Source == rolePrimary && c.Target == rolePrimary:
		return refuse("roles", decidingCommand(s.DAG), "both sides are primary after a forced failover (split brain)")
	case c.Source == rolePrimary || c.Target == rolePrimary:
		return done("%s", c.stands())
	}
	return refuse("roles", "wait until they meet again; or "+openingCommand(s.DAG), "neither side is primary (%s): a failover broke off and the sides have not met since", c.stands())
}

func missing(c *Change) string {
	var out []string
	if c.NoGroup {
		out = append(out, "SQL Server shows no group")
	}
	if c.NoLink {
		out = append(out, "the managed instance shows no link")
	}
	return strings.Join(out, ", ")
}

func healthy() Step {
	return Step{
		ID: "healthy", Title: "see that the copy keeps up", Precondition: "the sides are connected, log flows, little of it is on its way",
		Effect: "a failover has to wait for little", Patience: healthPatience,
		Probe: func(s *State) []Call {
			return []Call{{SQL: DatabaseStates, Args: []any{s.DAG}}, {SQL: RemoteReplica, Args: []any{s.DAG, s.InstanceAG}}, {Op: GetLink, Instance: s.Instance, Name: s.DAG}}
		},
		Decide: decideHealthy,
		Late: func(_ *State, seen string) error {
			return &Refusal{Step: "healthy", Reason: seen, Fix: "let the copy catch up (linkspan link status), reduce the load, and run this again"}
		},
	}
}

func decideHealthy(s *State, a []Answer) (Decision, error) {
	if s.Change.role(s.Change.To) == rolePrimary {
		return done("the roles are as asked for")
	}
	if a[2].Link == nil {
		return refuse("healthy", "create it first", "the managed instance shows no link %q", s.DAG)
	}
	copyIsLocal := int64(0) // the row of the copy on SQL Server
	if s.Change.Source != rolePrimary {
		copyIsLocal = 1
	}
	for _, r := range a[1].Rows {
		if r.Text("connected_state_desc") != "CONNECTED" {
			return wait("the sides are not connected: %d %s", r.Int("last_connect_error_number"), r.Text("last_connect_error_description"))
		}
	}
	for _, d := range a[2].Link.DatabaseStates {
		if d.ConnectedState == "DISCONNECTED" {
			return wait("the managed instance is not connected to SQL Server")
		}
	}
	for _, r := range a[0].Rows {
		if r.Int("is_local") != copyIsLocal {
			continue
		}
		switch st := r.Text("synchronization_state_desc"); {
		case r.Int("is_suspended") != 0:
			return refuse("healthy", "see linkspan link status", "data movement is suspended (%s)", r.Text("suspend_reason_desc"))
		case st != "SYNCHRONIZING" && st != "SYNCHRONIZED":
			return wait("the copy is %s", st)
		case r.Int("log_send_queue_size")+r.Int("redo_queue_size") > maxQueue:
			return wait("%d KB of log have still to be sent and %d KB to be applied", r.Int("log_send_queue_size"), r.Int("redo_queue_size"))
		case time.Duration(r.Int("secondary_lag_seconds"))*time.Second > s.Change.MaxPause:
			return wait("the copy is %d s behind", r.Int("secondary_lag_seconds"))
		}
		return done("%s, %d KB to send, %d KB to apply", r.Text("synchronization_state_desc"), r.Int("log_send_queue_size"), r.Int("redo_queue_size"))
	}
	return wait("SQL Server does not show the copy")
}

// digests compares what embedded instances say of their pages. Under load there may be no moment at which both are at one
// LSN; and real servers have no such view.
func digests(when, title string) Step {
	return Step{
		ID: "digests-" + when, Title: title, Precondition: "both sides show a digest, at one LSN", Effect: "they are equal", Patience: digestPatience,
		Probe: func(s *State) []Call {
			return []Call{{SQL: Digest, Args: []any{s.Database}, Optional: true}, {SQL: Digest, Args: []any{s.Database}, OnTarget: true, Optional: true}}
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			for i, name := range []string{"SQL Server", "the managed instance"} {
				if a[i].Err != nil || len(a[i].Rows) != 1 {
					return done("not compared: %s does not show a digest", name)
				}
			}
			x, y := proofOf(a[0].Rows[0]), proofOf(a[1].Rows[0])
			switch {
			case x.LSN != y.LSN:
				return wait("SQL Server is at LSN %s, the managed instance at %s", x.LSN, y.LSN)
			case x.Digest != y.Digest:
				return refuse("digests-"+when, "do not fail over; linkspan link status names the page", "the sides differ at LSN %s: digests %s and %s", x.LSN, x.Digest, y.Digest)
			}
			if when == "before" {
				s.Change.Before = x
			} else {
				s.Change.After = x
			}
			return done("equal at LSN %s: %s", x.LSN, x.Digest)
		},
		Late: func(s *State, _ string) error {
			s.Change.Notes = append(s.Change.Notes, "the digests "+when+" the failover were not compared: under the load both sides were never seen at one LSN")
			return nil
		},
	}
}

func proofOf(r Row) Proof { return Proof{r.Text("lsn"), hex.EncodeToString(r.Bytes("digest"))} }

func turn() Step {
	return Step{
		ID: "failover", Title: "change the roles", Precondition: "the side asked for is not the primary yet",
		Effect: "it is the primary and takes writes, the other one is its copy", Tolerates: []int32{errInProgress, errNotPrimary, errRoleIsSet},
		Patience: turnPatience, Probe: roleProbe,
		Decide: func(s *State, a []Answer) (Decision, error) {
			for _, x := range a[:2] {
				if x.Err != nil {
					return Decision{}, x.Err
				}
			}
			readRoles(s, a)
			return decideTurn(s)
		},
		Do: func(s *State) []Call {
			if s.Change.To == TargetSide {
				return []Call{{SQL: "ALTER AVAILABILITY GROUP " + quoteName(s.DAG) + " FAILOVER", Timeout: s.Change.MaxPause}}
			}
			return []Call{{Op: FailoverLink, Instance: s.Instance, Name: s.DAG, Timeout: s.Change.MaxPause}}
		},
		Undo: func(s *State) []Call {
			if s.Change.To == TargetSide {
				return []Call{{Op: FailoverLink, Instance: s.Instance, Name: s.DAG}}
			}
			return []Call{{SQL: "ALTER AVAILABILITY GROUP " + quoteName(s.DAG) + " FAILOVER"}}
		},
		Late: func(s *State, seen string) error {
			return fmt.Errorf("the roles did not change in time: %s; when that does not end by itself, %s", seen, openingCommand(s.DAG))
		},
	}
}

func decideTurn(s *State) (Decision, error) {
	c := s.Change
	to, other := c.role(c.To), c.role(c.To.Other())
	switch {
	case to == rolePrimary && other == rolePrimary:
		return Decision{}, errors.New("both sides are primary: " + decidingCommand(s.DAG))
	case c.State == armtypes.LinkFailoverInProgress:
		return wait("a failover is in progress")
	case to == rolePrimary:
		return done("%s", c.stands())
	case other == rolePrimary:
		return act("%s", c.stands())
	}
	return wait("%s", c.stands())
}

func follows() Step {
	return Step{
		ID: "follows", Title: "see that the old primary follows the new one", Precondition: "the sides are connected in the new direction",
		Effect: "log flows the other way", Patience: followPatience,
		Probe: func(s *State) []Call {
			return append(roleProbe(s), Call{SQL: DatabaseStates, Args: []any{s.DAG}, Optional: true})
		},
		Decide: func(s *State, a []Answer) (Decision, error) {
			readRoles(s, a)
			copyIsLocal := int64(0)
			if s.Change.To == TargetSide {
				copyIsLocal = 1
			}
			for _, r := range a[4].Rows {
				if st := r.Text("synchronization_state_desc"); r.Int("is_local") == copyIsLocal && (st == "SYNCHRONIZING" || st == "SYNCHRONIZED") {
					return done("%s", st)
				}
			}
			return wait("the old primary does not follow yet")
		},
		Late: func(s *State, seen string) error {
			s.Change.Notes = append(s.Change.Notes, "the roles changed, but "+seen+": see linkspan link status")
			return nil
		},
	}
}

func forcedRoles() Step {
	return Step{
		ID: "roles", Title: "look at the roles as far as the sides answer", Precondition: "the side that is to be the primary answers",
		Effect: "it is known what a forced failover would leave out", Probe: roleProbe,
		Decide: func(s *State, a []Answer) (Decision, error) {
			c := s.Change
			mine := a[0]
			if c.To == TargetSide {
				mine = a[1]
			}
			if mine.Err != nil {
				return Decision{}, mine.Err
			}
			readRoles(s, a)
			switch {
			case c.To == SourceSide && c.NoGroup || c.To == TargetSide && c.NoLink:
				return refuse("roles", "check the names", "there is no link %q on that side", s.DAG)
			case c.role(c.To) == rolePrimary:
				return done("%s", c.stands())
			case c.role(c.To.Other()) == rolePrimary && linkWorks(a[1]):
				return refuse("roles", "run it with --planned; or stop the old primary first", "both sides answer and are connected: a planned failover loses nothing")
			}
			return done("%s", c.stands())
		},
	}
}

// linkWorks reports whether the managed instance sees a healthy link.
func linkWorks(a Answer) bool {
	if a.Err != nil || a.Link == nil || a.Link.State != armtypes.LinkSynchronizing {
		return false
	}
	for _, d := range a.Link.DatabaseStates {
		if d.ConnectedState != "CONNECTED" || d.SynchronizationHealth != "HEALTHY" {
			return false
		}
	}
	return len(a.Link.DatabaseStates) > 0
}

func force() Step {
	return Step{
		ID: "force", Title: "make that side the primary, whatever the other one has", Precondition: "it is not the primary yet",
		Effect: "it is the primary and takes writes; the other one is fenced when it returns", Tolerates: []int32{errIsPrimary, errRoleIsSet, errInProgress},
		Patience: turnPatience, Probe: roleProbe,
		Decide: func(s *State, a []Answer) (Decision, error) {
			readRoles(s, a)
			c := s.Change
			mine := a[0]
			if c.To == TargetSide {
				mine = a[1]
			}
			switch {
			case mine.Err != nil:
				return Decision{}, mine.Err
			case c.role(c.To) == rolePrimary:
				c.Notes = append(c.Notes, "when the other side returns and shows itself as primary too, bring it back as the copy: "+decidingCommand(s.DAG))
				return done("%s", c.stands())
			}
			return act("%s", c.stands())
		},
		Do: func(s *State) []Call {
			if s.Change.To == TargetSide {
				return []Call{{Op: ForceLink, Instance: s.Instance, Name: s.DAG}}
			}
			return []Call{{SQL: "ALTER AVAILABILITY GROUP " + quoteName(s.DAG) + " FORCE_FAILOVER_ALLOW_DATA_LOSS"}}
		},
	}
}
