package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// perform carries out one action; false: those that follow it must not be.
func (n *node) perform(a agcore.Action) bool {
	switch a.Kind {
	case agcore.Persist:
		return n.persist()
	case agcore.Dial:
		n.dial()
	case agcore.Disconnect:
		n.disconnect()
	case agcore.CreateCopy:
		n.queue = append(n.queue, agcore.Event{Kind: agcore.CopyReady})
	case agcore.StartSeed, agcore.StartReseed:
		n.askSeed(a.Kind == agcore.StartReseed)
	case agcore.StartLog:
		n.askLog()
	case agcore.StopFlow:
		n.endFlows()
	case agcore.JoinFailed:
		n.w.violated("side %d gave up to join", n.side)
	case agcore.FailoverDone, agcore.FailoverFailed:
		n.answered(a)
	default:
		if !n.say(a) {
			n.change(a)
		}
	}
	return true
}

// say sends what an action says; false: it is none that does.
func (n *node) say(a agcore.Action) bool {
	m := &message{fault: a.Fault, epoch: a.Epoch, on: a.On, final: a.Final}
	switch a.Kind {
	case agcore.SendHello, agcore.SendConfig:
		m.kind = hello
		if a.Kind == agcore.SendConfig {
			m.kind = config
		}
		m.standing = n.standing()
		s := n.link.State()
		m.suspended = s.Suspended && s.Reason != agcore.SuspendPartner
	case agcore.SendHeartbeat:
		m.kind = heartbeat
	case agcore.SendSuspend:
		m.kind = suspend
	case agcore.SendResume:
		m.kind = resume
	case agcore.SendPrepare:
		m.kind = prepare
	case agcore.SendReady:
		m.kind = ready
	case agcore.SendNotReady:
		m.kind = notReady
	case agcore.SendWithdraw:
		m.kind = withdraw
	case agcore.SendRefused:
		m.kind = refused
	case agcore.SendOpened:
		m.kind, m.standing = opened, n.standing()
	case agcore.SendAsk:
		m.kind, m.left = ask, a.By.Sub(n.now())
	case agcore.SendAnswer:
		m.kind = answer
	case agcore.SendState:
		m.kind = state
	default:
		return false
	}
	n.send(m)
	return true
}

// standing is how the database stands now, as the peer is told.
func (n *node) standing() *agcore.Standing {
	s := n.db.standing()
	state := n.link.State()
	s.Refused, s.Outdated = state.Refused, state.Outdated
	// It goes over the wire in its encoding.
	d, err := agcore.DecodeStanding(s.Encode())
	if err != nil {
		n.w.violated("side %d: its standing cannot be read: %v", n.side, err)
	}
	return &d
}

// heard takes a message of the present connection.
func (n *node) heard(m *message) {
	n.step(agcore.Event{Kind: agcore.Heard})
	if !n.up {
		return
	}
	e := agcore.Event{Fault: m.fault, Epoch: m.epoch, Text: m.text, On: m.on, Final: m.final, Theirs: m.standing}
	switch m.kind {
	case hello:
		e.Kind, e.Peer, e.Mine = agcore.Hello, m.suspended, n.db.standing()
	case config:
		if n.link.Connected() {
			return
		}
		e.Kind, e.Peer, e.Mine = agcore.Configured, m.suspended, n.db.standing()
	case suspend:
		e.Kind, e.Peer, e.Reason = agcore.Suspend, true, agcore.SuspendPartner
	case resume:
		e.Kind, e.Peer = agcore.Resume, true
	case prepare:
		e.Kind = agcore.PeerPrepares
	case ready:
		e.Kind = agcore.PeerReady
	case notReady:
		e.Kind = agcore.PeerNotReady
	case withdraw:
		e.Kind = agcore.PeerWithdraws
	case refused:
		e.Kind = agcore.PeerRefused
	case opened:
		e.Kind, e.Mine = agcore.PeerOpened, n.db.standing()
	case ask:
		e.Kind, e.By = agcore.PeerAsks, n.now().Add(m.left)
	case answer:
		e.Kind = agcore.PeerAnswers
	case state:
		e.Kind = agcore.PeerState
	case progress:
		n.progressed(m.to)
		return
	case heartbeat:
		return
	default:
		n.flowed(m)
		return
	}
	n.step(e)
}

// change begins a change of role.
func (n *node) change(a agcore.Action) {
	switch a.Kind {
	case agcore.RefuseWriters:
		n.refence()
	case agcore.CommitTogether:
		n.gate = true
		n.later(time.Millisecond, func() { n.progressed(n.acked) })
	case agcore.CommitAlone:
		n.gate = false
		n.publish()
	case agcore.Fence:
		n.fence(a)
	case agcore.Open:
		n.open(a)
	case agcore.Demote:
		n.demote()
	case agcore.Rescue:
		n.rescue(a)
	case agcore.Rewind:
		n.rewind(a)
	}
}
