package agcore

import "fmt"

// EventKind says what happened.
type EventKind uint8

// The events. "Target" is the managed instance, which makes the connections; "source" the primary.
const (
	// Start: the process runs, or the link was just made.
	Start EventKind = iota + 1
	// ConnectFailed, target: no connection came about, for Fault. Final: trying again cannot help until somebody acts.
	ConnectFailed
	// Connected, target: a connection stands; the peers have not spoken.
	Connected
	// Configured, target: the source accepted the hello. Peer tells that data movement is suspended there.
	Configured
	// Refused: the source refused the hello (seen by the target), or refused a peer that wanted this link (seen by the
	// source); for Fault.
	Refused
	// CopyReady, target: the database is registered as restoring. CopyFailed: it could not be, for Fault.
	CopyReady
	CopyFailed
	// Hello, source: a peer was admitted. Peer tells that data movement is suspended there.
	Hello
	// SeedStarted and SeedDone: the first page is on its way; the copy is whole.
	SeedStarted
	SeedDone
	// LogStarted: the whole copy receives log.
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
	// Break: the copy cannot go on, for Fault.
	Break
	// Drop: the link is dropped on this side.
	Drop
)

var eventNames = [...]string{"none", "start", "connect-failed", "connected", "configured", "refused", "copy-ready", "copy-failed", "hello",
	"seed-started", "seed-done", "log-started", "flow-failed", "heard", "lost", "tick", "suspend", "resume", "break", "drop"}

// String names the kind as scripts do.
func (k EventKind) String() string { return pick(int(k), eventNames[:]...) }

// Event is one thing that happened to a link.
type Event struct {
	Kind  EventKind
	Fault Fault
	// Reason and Text say why data movement is suspended; Fault is then the message for the error log.
	Reason SuspendReason
	Text   string
	Final  bool
	Peer   bool
}

// ActionKind says what is to be done.
type ActionKind uint8

// The actions, which the caller performs in order.
const (
	// Dial: connect to the source's endpoint; answer with Connected or ConnectFailed.
	Dial ActionKind = iota + 1
	// SendHello, SendConfig, SendHeartbeat, SendSuspend, SendResume: on the control stream of the present connection. A
	// send that fails is reported as Lost.
	SendHello
	SendConfig
	SendHeartbeat
	SendSuspend
	SendResume
	// Disconnect: close the present connection; Lost is not reported for it any more.
	Disconnect
	// Persist: store the LinkState BEFORE anything that follows. CopyFailed and Drop undo it: End removes what is stored.
	Persist
	// CreateCopy: register the database as restoring; answer with CopyReady or CopyFailed.
	CreateCopy
	// StartSeed, StartLog: ask the source for pages and log, or for log.
	StartSeed
	StartLog
	// StopFlow: end the movement of pages and log, and wait for its end.
	StopFlow
	// JoinDone, JoinFailed: answer to whoever asked to join.
	JoinDone
	JoinFailed
	// Log: write message Fault to the error log.
	Log
	// End: nothing follows any more.
	End
)

var actionNames = [...]string{"none", "dial", "send-hello", "send-config", "send-heartbeat", "send-suspend", "send-resume", "disconnect", "persist",
	"create-copy", "start-seed", "start-log", "stop-flow", "join-done", "join-failed", "log", "end"}

// String names the kind as scripts do.
func (k ActionKind) String() string { return pick(int(k), actionNames[:]...) }

// Action is one effect of a step.
type Action struct {
	Kind  ActionKind
	Fault Fault
}

// String spells the action for scripts.
func (a Action) String() string {
	if a.Fault == (Fault{}) {
		return a.Kind.String()
	}
	return fmt.Sprintf("%s %d", a.Kind, a.Fault.Number)
}
