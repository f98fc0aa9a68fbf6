package link_test

import (
	"context"
	"strings"

	"linkspan/armtypes"
	"linkspan/link/flow"
)

// roles are how the sides of the world's link stand.
type roles struct {
	source, target string // PRIMARY, SECONDARY
	mode           string
	// behind is the send queue in KB, state the copy's; both shrink and heal with each look when heals is set.
	behind    int64
	state     string
	heals     bool
	suspended bool
	cut       bool // the sides do not reach each other
	// digest is the target's when it is not the source's.
	digest byte
	writes int64 // moves the source's position with each look
	lsn    int64
	turned int
	// undecided leaves both sides without the role at the first failover.
	undecided bool
}

// newRoles is a link that keeps up.
func newRoles() roles {
	return roles{source: "PRIMARY", target: "SECONDARY", mode: "ASYNCHRONOUS_COMMIT", state: "SYNCHRONIZING", lsn: 100}
}

// knows reports whether the query is one about roles, and the world has some.
func (r *roles) knows(text string) bool {
	if r.source == "" {
		return false
	}
	switch text {
	case flow.LocalRole, flow.LinkFacts, flow.DatabaseStates, flow.Digest, flow.Modes, flow.RemoteReplica:
		return true
	}
	return false
}

// show puts them into what the management API answers.
func (r *roles) show(l *armtypes.Link) {
	if r.source == "" {
		return
	}
	l.InstanceRole = map[string]string{"PRIMARY": armtypes.Primary, "SECONDARY": armtypes.Secondary}[r.target]
	d := &l.DatabaseStates[0]
	d.ConnectedState, d.SynchronizationHealth, d.SeedingProgress = "CONNECTED", "HEALTHY", ""
	if r.cut {
		d.ConnectedState, d.SynchronizationHealth = "DISCONNECTED", "NOT_HEALTHY"
	}
	d.LastHardenedLSN = digits(r.lsn)
}

func digits(n int64) string {
	const d = "0123456789"
	s := ""
	for ; n > 0; n /= 10 {
		s = string(d[n%10]) + s
	}
	return s
}

func (w *world) seeRoles(text string) []flow.Row {
	r := &w.failover
	_, there := w.groups["DAG_db1"]
	if !there {
		return nil
	}
	r.lsn += r.writes
	connected := "CONNECTED"
	if r.cut {
		connected = "DISCONNECTED"
	}
	switch text {
	case flow.LocalRole:
		return []flow.Row{{"role_desc": r.source}}
	case flow.LinkFacts:
		return []flow.Row{{"last_pause_us": int64(42_000 * r.turned)}}
	case flow.RemoteReplica:
		return []flow.Row{{"connected_state_desc": connected, "synchronization_health_desc": "HEALTHY"}}
	case flow.DatabaseStates:
		local, remote := flow.Row{"is_local": true, "synchronization_state_desc": "SYNCHRONIZED", "hardened": digits(r.lsn)}, flow.Row{"is_local": false}
		row := remote
		if r.source != "PRIMARY" {
			row = local
		}
		row["is_suspended"], row["suspend_reason_desc"], row["synchronization_state_desc"], row["log_send_queue_size"] = r.suspended, "SUSPEND_FROM_REDO", r.state, r.behind
		if r.heals {
			r.behind, r.state = 0, "SYNCHRONIZING"
		}
		return []flow.Row{local, remote}
	case flow.Digest:
		return []flow.Row{{"lsn": digits(r.lsn), "digest": []byte{1, 2, 3}}}
	}
	return []flow.Row{{"replica_server_name": "AG_db1", "availability_mode_desc": r.mode}, {"replica_server_name": "AG_db1_MI", "availability_mode_desc": r.mode}}
}

// alterGroup changes the distributed group.
func (w *world) alterGroup(text string) error {
	switch {
	case strings.HasSuffix(text, "[DAG_db1] FAILOVER"):
		if w.failover.source != "PRIMARY" {
			return raise(47517, "Run it on the primary.")
		}
		return w.turn(false)
	case strings.HasSuffix(text, "[DAG_db1] FORCE_FAILOVER_ALLOW_DATA_LOSS"):
		if w.failover.source == "PRIMARY" {
			return raise(41122, "It is the primary.")
		}
		w.failover.source = "PRIMARY"
	case strings.Contains(text, "MODIFY AVAILABILITY GROUP ON N'AG_db1' WITH (AVAILABILITY_MODE = SYNCHRONOUS_COMMIT), N'AG_db1_MI'"):
		w.failover.mode = "SYNCHRONOUS_COMMIT"
	default:
		w.t.Errorf("unknown statement: %s", text)
	}
	return nil
}

// turn swaps the roles; forced makes the managed instance the primary whatever the other side is.
func (w *world) turn(forced bool) error {
	r := &w.failover
	r.turned++
	switch {
	case forced:
		r.target = "PRIMARY"
	case r.undecided:
		r.source = "SECONDARY"
	default:
		r.source, r.target = r.target, r.source
	}
	return nil
}

// target is the managed instance's T-SQL.
type target struct{ w *world }

// Query implements link.Source.
func (t target) Query(ctx context.Context, text string, _ ...any) (rows []flow.Row, err error) {
	err = t.w.call(ctx, func() error {
		if rows = t.w.seeRoles(text); text == flow.Digest && t.w.failover.digest != 0 {
			rows[0]["digest"] = []byte{t.w.failover.digest}
		}
		return nil
	})
	return rows, err
}
