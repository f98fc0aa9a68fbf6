package agcore

import (
	"time"

	"linkspan/lsn"
)

// EventKind says what happened.
type EventKind uint8

// The events of meeting and of data movement. Side 2 makes the connections; which side holds the copy changes.
const (
	// Start: the process runs, or the link was just made. Mine tells how the database stands.
	Start EventKind = iota + 1
	// ConnectFailed, side 2: no connection came about, for Fault. Final: trying again cannot help until somebody acts.
	ConnectFailed
	// Connected, side 2: a connection stands; the peers have not spoken.
	Connected
	// Configured, side 2: the other side accepted the hello. Peer tells that data movement is suspended there. Mine and
	// Theirs tell how both stand.
	Configured
	// Refused: side 1 refused the hello (seen by side 2), or refused a peer that wanted this link (seen by side 1); for
	// Fault.
	Refused
	// CopyReady, side 2: the database is registered as restoring. CopyFailed: it could not be, for Fault.
	CopyReady
	CopyFailed
	// Hello, side 1: a peer was admitted. Peer tells that data movement is suspended there. Mine, Theirs as above.
	Hello
	// SeedStarted and SeedDone: the first page is on its way; the copy is whole. Mine, on the copy.
	SeedStarted
	SeedDone
	// LogStarted: the whole copy receives log. End, on the primary, is the end of its hardened log.
	LogStarted
	// FlowFailed: pages or log stopped moving although the connection stands, for Fault; it can be tried again.
	FlowFailed
	// Heard: anything came from the peer.
	Heard
	// Lost: the connection is gone, for Fault.
	Lost
	// Tick: the time of Deadline has come.
	Tick
	// Suspend and Resume: by statement, by a fault (Reason, Fault), or, with Peer, by the other side.
	Suspend
	Resume
	// Break: the copy cannot go on, for Fault, and nothing done here can change that.
	Break
	// Drop: the link is dropped on this side.
	Drop
)

// The events of failover. Those said by the peer begin with Peer.
const (
	// FailoverAsked: ALTER AVAILABILITY GROUP … FAILOVER, or the same asked on the copy by its management. By is the time
	// it must be done by; Fault, when its Number is not zero, says why it cannot be (send queue too large, two links).
	FailoverAsked EventKind = iota + 64
	// ForceAsked: … FORCE_FAILOVER_ALLOW_DATA_LOSS. Mine is read after the flow came to rest if it can be; LSN is the last
	// LSN known of the peer.
	ForceAsked
	// RoleAsked: … SET (ROLE = SECONDARY).
	RoleAsked
	// PeerPrepares: the primary asks whether we could open Epoch; Fault says why not (redo queue too large).
	PeerPrepares
	// PeerReady, PeerNotReady: the copy's answer; Fault says why not.
	PeerReady
	PeerNotReady
	// FenceDone, FenceFailed: the end of action Fence. FenceFailed: nothing durable was done, for Fault. Mine.
	FenceDone
	FenceFailed
	// FenceSeen, on the copy: the record is in its log, durable, its digest is equal and the primary has hardened it. Mine.
	FenceSeen
	// OpenDone, OpenFailed: the end of action Open. Mine.
	OpenDone
	OpenFailed
	// PeerOpened: the other side is open; Theirs.
	PeerOpened
	// PeerWithdraws: the primary takes back the FENCE of Epoch. PeerRefused: the copy will not open Epoch any more.
	PeerWithdraws
	PeerRefused
	// DemoteDone, DemoteFailed: the end of action Demote. Mine.
	DemoteDone
	DemoteFailed
	// RescueDone, RescueFailed: the end of action Rescue; Loss is what was measured. Final: the log does not give the fork
	// back, and the rows were found by comparing with the other side.
	RescueDone
	RescueFailed
	// RewindDone, RewindFailed: the end of action Rewind. Final: the log does not reach back. Mine.
	RewindDone
	RewindFailed
	// PeerAsks: the copy's management asks for a planned failover; By. PeerAnswers: what became of it, for Fault.
	PeerAsks
	PeerAnswers
	// LogGone, on the copy: the log that it needs is not held any more (1412), for Fault. Divergence: its pages or its log
	// are not the primary's, for Fault; Text names page and table.
	LogGone
	Divergence
	// ModeSet: commits wait for the copy from now on (On), or do not.
	ModeSet
	// Progressed, on the primary: the copy has hardened everything up to LSN; End is the end of our log.
	Progressed
	// PeerState, on the copy: the primary says whether commits wait for us (On) and whether we are synchronized (Final).
	PeerState
	// Explained, on a copy that diverged: Text says more of what differs; Fault.
	Explained
)

var eventNames = [...]string{"none", "start", "connect-failed", "connected", "configured", "refused", "copy-ready", "copy-failed", "hello",
	"seed-started", "seed-done", "log-started", "flow-failed", "heard", "lost", "tick", "suspend", "resume", "break", "drop"}

var failoverEventNames = [...]string{"failover-asked", "force-asked", "role-asked", "peer-prepares", "peer-ready", "peer-not-ready", "fence-done",
	"fence-failed", "fence-seen", "open-done", "open-failed", "peer-opened", "peer-withdraws", "peer-refused", "demote-done", "demote-failed",
	"rescue-done", "rescue-failed", "rewind-done", "rewind-failed", "peer-asks", "peer-answers", "log-gone", "divergence", "mode-set", "progressed",
	"peer-state", "explained"}

// String names the kind as scripts do.
func (k EventKind) String() string {
	if k >= FailoverAsked {
		return pick(int(k-FailoverAsked), failoverEventNames[:]...)
	}
	return pick(int(k), eventNames[:]...)
}

// Event is one thing that happened to a link.
type Event struct {
	Kind  EventKind
	Fault Fault
	// Reason and Text say why data movement is suspended; Fault is then the message for the error log.
	Reason SuspendReason
	Text   string
	Final  bool
	Peer   bool
	On     bool
	// Mine is how the database stands here, read when the event was made; nil leaves it as last told. Theirs is what the
	// peer said of itself.
	Mine, Theirs *Standing
	Epoch        uint32
	LSN, End     lsn.LSN
	By           time.Time
	Loss         *Loss
}
