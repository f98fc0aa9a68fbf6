package agcore

import (
	"fmt"
	"time"

	"linkspan/lsn"
)

// ActionKind says what is to be done.
type ActionKind uint8

// The actions, which the caller performs in order.
const (
	// Dial: connect to side 1's endpoint; answer with Connected or ConnectFailed.
	Dial ActionKind = iota + 1
	// SendHello, SendConfig, SendHeartbeat, SendSuspend, SendResume: on the control stream of the present connection. A
	// send that fails is reported as Lost. Hello and Config carry our Standing.
	SendHello
	SendConfig
	SendHeartbeat
	SendSuspend
	SendResume
	// Disconnect: close the present connection; Lost is not reported for it any more.
	Disconnect
	// Persist: store the LinkState BEFORE anything that follows. When it cannot be stored, the actions that follow MUST NOT
	// be performed and the link must start anew. CopyFailed and Drop undo it: End removes what is stored.
	Persist
	// CreateCopy: register the database as restoring; answer with CopyReady or CopyFailed.
	CreateCopy
	// StartSeed, StartLog: ask the primary for pages and log, or for log. StartReseed: for the pages that differ; the
	// database that is there is replaced by the result.
	StartSeed
	StartLog
	// StopFlow: end the movement of pages and log, and wait for its end. News of a flow that was stopped do not count.
	StopFlow
	// JoinDone, JoinFailed: answer to whoever asked to join.
	JoinDone
	JoinFailed
	// Log: write message Fault to the error log.
	Log
	// End: nothing follows any more.
	End
)

// The actions of failover. Those that end with an event of their own take time and run beside the loop.
const (
	// StartReseed: see StartSeed.
	StartReseed ActionKind = iota + 64
	// SendPrepare, SendReady, SendNotReady (Fault), SendWithdraw, SendRefused, SendAnswer (Fault, zero when it is done):
	// with Epoch. SendOpened: with our Standing as it is now. SendAsk: with the time left. SendState: with the mode (On)
	// and whether the copy is synchronized (Final).
	SendPrepare
	SendReady
	SendNotReady
	SendWithdraw
	SendRefused
	SendOpened
	SendAsk
	SendAnswer
	SendState
	// Fence: append Record (add Link and Time) by storage.Fence, and keep the turn; give up at By. FenceDone, FenceFailed.
	Fence
	// Open: make the database primary of Record.Epoch (Promote, or nothing when it is primary already), append Record (add
	// Link, Time and, by History.Add, the epoch after the log's end), wait until it is hardened, and only then let writers
	// in. Done before, it is done again. OpenDone, OpenFailed.
	Open
	// Demote: make the database a copy; writers that wait get the read-only error. DemoteDone, DemoteFailed.
	Demote
	// RefuseWriters: ask storage.CheckFence, and tell writers Fault at once; with a zero Fault they wait again.
	RefuseWriters
	// Rescue: write the difference between LSN and the log's end to a file, durably. RescueDone, RescueFailed.
	Rescue
	// Rewind: take the log back to LSN; the database is a copy afterwards. RewindDone, RewindFailed.
	Rewind
	// CommitTogether: commits wait from now on until the copy has hardened them. CommitAlone: they do not, also those that
	// wait now.
	CommitTogether
	CommitAlone
	// FailoverDone, FailoverFailed (Fault): answer to whoever asked for FAILOVER, FORCE… or SET ROLE.
	FailoverDone
	FailoverFailed
)

var actionNames = [...]string{"none", "dial", "send-hello", "send-config", "send-heartbeat", "send-suspend", "send-resume", "disconnect", "persist",
	"create-copy", "start-seed", "start-log", "stop-flow", "join-done", "join-failed", "log", "end"}

var failoverActionNames = [...]string{"start-reseed", "send-prepare", "send-ready", "send-not-ready", "send-withdraw", "send-refused", "send-opened",
	"send-ask", "send-answer", "send-state", "fence", "open", "demote", "refuse-writers", "rescue", "rewind", "commit-together", "commit-alone",
	"failover-done", "failover-failed"}

// String names the kind as scripts do.
func (k ActionKind) String() string {
	if k >= StartReseed {
		return pick(int(k-StartReseed), failoverActionNames[:]...)
	}
	return pick(int(k), actionNames[:]...)
}

// Action is one effect of a step.
type Action struct {
	Kind  ActionKind
	Fault Fault
	Epoch uint32
	// Record is what Fence and Open append.
	Record RoleRecord
	LSN    lsn.LSN
	// On and Final are the parts of SendState.
	On, Final bool
	// By is the time that Fence gives up at, or that a SendAsk asks for; zero: none.
	By time.Time
}

// String spells the action for scripts.
func (a Action) String() string {
	s := a.Kind.String()
	if a.Fault != (Fault{}) {
		s += fmt.Sprintf(" %d", a.Fault.Number)
	}
	if a.Epoch != 0 {
		s += fmt.Sprintf(" epoch %d", a.Epoch)
	}
	if r := a.Record; r.Kind != 0 {
		s += fmt.Sprintf(" %s %d", r.Kind, r.Epoch)
		if r.Hold {
			s += " hold"
		}
		if r.Forced {
			s += " forced"
		}
	}
	if !a.LSN.IsZero() {
		s += " " + a.LSN.String()
	}
	if a.Kind == SendState {
		s += fmt.Sprintf(" synchronous=%t synchronized=%t", a.On, a.Final)
	}
	return s
}
