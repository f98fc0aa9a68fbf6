package flow

import (
	"fmt"
	"strings"
	"time"

	"linkspan/armtypes"
)

// Side is one of the two servers of a link. A side keeps its name whatever its role is.
type Side string

// The sides.
const (
	SourceSide Side = "source" // SQL Server
	TargetSide Side = "target" // the managed instance
)

// Other is the other side.
func (s Side) Other() Side {
	if s == SourceSide {
		return TargetSide
	}
	return SourceSide
}

// The roles, as sys.dm_hadr_availability_replica_states spells them.
const (
	rolePrimary   = "PRIMARY"
	roleSecondary = "SECONDARY"
)

// The queries about a link's roles. @p1 is the link.
const (
	// LocalRole asks SQL Server for its role, and, as a copy, for its connection to the primary.
	LocalRole = "SELECT rs.role_desc, rs.connected_state_desc, rs.synchronization_health_desc, rs.last_connect_error_number, rs.last_connect_error_description FROM sys.dm_hadr_availability_replica_states rs JOIN sys.availability_groups g ON g.group_id = rs.group_id " +
		"WHERE g.name = @p1 AND g.is_distributed = 1 AND rs.is_local = 1"
	// LinkFacts asks an embedded instance what standard views do not have; other servers have no such view.
	LinkFacts = "SELECT role_desc, epoch, phase_desc, failover_phase, is_fenced, outdated_by_epoch, is_connected, reason, divergence, last_error_number, last_error, last_pause_us, " +
		"CONVERT(varchar(30), loss_fork_lsn) AS loss_fork, CONVERT(varchar(30), loss_tail_lsn) AS loss_tail, CONVERT(varchar(30), loss_end_lsn) AS loss_end, loss_time, loss_is_partial, loss_rows, loss_tables, loss_file " +
		"FROM sys.dm_linkspan_links WHERE link_name = @p1"
	// DatabaseStates asks SQL Server for both rows of the database.
	DatabaseStates = "SELECT s.is_local, s.is_suspended, s.suspend_reason_desc, s.synchronization_state_desc, s.synchronization_health_desc, s.log_send_queue_size, s.redo_queue_size, " +
		"s.secondary_lag_seconds, CONVERT(varchar(30), s.last_hardened_lsn) AS hardened FROM sys.dm_hadr_database_replica_states s JOIN sys.availability_groups g ON g.group_id = s.group_id WHERE g.name = @p1"
	// Digest asks an embedded instance for the digest of a database: @p1 is its name.
	Digest = "SELECT CONVERT(varchar(30), lsn) AS lsn, digest FROM sys.dm_linkspan_database_digest WHERE database_name = @p1"
	// LogReuse asks what the log of a database waits for: @p1 is its name.
	LogReuse = "SELECT log_reuse_wait_desc FROM sys.databases WHERE name = @p1"
	// Modes asks SQL Server for the availability modes of the link's members.
	Modes = "SELECT r.replica_server_name, r.availability_mode_desc FROM sys.availability_replicas r JOIN sys.availability_groups g ON g.group_id = r.group_id WHERE g.name = @p1"
)

// Change is a failover: what was asked for, and what its steps found out.
type Change struct {
	// To is the side that shall be the primary.
	To Side
	// MaxPause is how long the statement that changes the roles may take.
	MaxPause time.Duration
	// Source and Target are the roles as last seen: PRIMARY, SECONDARY, or "" when not known.
	Source, Target string
	// State is the link's by the management API, Trouble its last error.
	State, Trouble string
	// NoGroup and NoLink tell that SQL Server shows no such group, and the managed instance no such link.
	NoGroup, NoLink bool
	// Pause is how long no writer was let in, as the servers measured it; 0 when they do not say.
	Pause time.Duration
	// Before and After are the digests compared, "" where they were not.
	Before, After Proof
	// Notes are for the user.
	Notes []string

	// samples counts equal positions in a row, at the position last.
	samples int
	last    string
}

// Proof is what both sides said of their pages at one LSN.
type Proof struct {
	LSN    string `json:"lsn,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// role is a side's role as last seen.
func (c *Change) role(s Side) string {
	if s == SourceSide {
		return c.Source
	}
	return c.Target
}

// stands says in words how the sides stand.
func (c *Change) stands() string {
	name := func(role string) string {
		if role == "" {
			return "not known"
		}
		return role
	}
	return fmt.Sprintf("SQL Server %s, managed instance %s", name(c.Source), name(c.Target))
}

// Stands says in words how the sides stand, as far as they were seen.
func (c *Change) Stands() string { return c.stands() }

// roleProbe looks at the roles on both sides; what a side does not answer is in the answer's Err.
func roleProbe(s *State) []Call {
	return []Call{
		{SQL: LocalRole, Args: []any{s.DAG}, Optional: true},
		{Op: GetLink, Instance: s.Instance, Name: s.DAG, Optional: true},
		{SQL: LinkFacts, Args: []any{s.DAG}, Optional: true},
		{SQL: LinkFacts, Args: []any{s.DAG}, OnTarget: true, Optional: true},
	}
}

// readRoles keeps what roleProbe found.
func readRoles(s *State, a []Answer) {
	c := s.Change
	c.Source, c.Target, c.State, c.Trouble, c.NoGroup, c.NoLink = "", "", "", "", false, false
	if a[0].Err == nil {
		if c.NoGroup = len(a[0].Rows) == 0; !c.NoGroup {
			c.Source = a[0].Rows[0].Text("role_desc")
		}
	}
	if a[1].Err == nil {
		if c.NoLink = a[1].Link == nil; !c.NoLink {
			c.Target, c.State = strings.ToUpper(a[1].Link.InstanceRole), a[1].Link.State
			c.Trouble = strings.TrimPrefix(lastError(a[1].Link.DatabaseStates), ", error ")
		}
	}
	for _, x := range a[2:] {
		for _, r := range x.Rows {
			if us := r.Int("last_pause_us"); us > 0 {
				c.Pause = max(c.Pause, time.Duration(us)*time.Microsecond)
			}
		}
	}
}

// decidingCommand is what ends a state in which both sides are primary.
func decidingCommand(dag string) string {
	return "on the one whose changes since the forced failover you give up, run ALTER AVAILABILITY GROUP " + quoteName(dag) +
		" SET (ROLE = SECONDARY) (on a managed instance: POST setRole {instanceRole: Secondary, roleChangeType: Forced}); what only it has is written to a file first"
}

// openingCommand is what ends a state in which neither side is.
func openingCommand(dag string) string {
	return "on the one side that shall take writes, run ALTER AVAILABILITY GROUP " + quoteName(dag) + " FORCE_FAILOVER_ALLOW_DATA_LOSS (on a managed instance: POST failover {failoverType: " +
		armtypes.ForcedAllowDataLoss + "})"
}
