package agcore

import (
	"time"

	"linkspan/sqlerr"
)

// Step takes an event and returns what is to be done, in order. The slice belongs to the caller.
func (l *Link) Step(now time.Time, e Event) []Action {
	if l.ended {
		return nil
	}
	l.rebase(now)
	if e.Mine != nil {
		l.mine = *e.Mine
	}
	if e.Theirs != nil {
		l.theirs, l.met = *e.Theirs, true
	}
	switch e.Kind {
	case Start:
		return l.start(now)
	case Tick:
		return l.tick(now)
	case Heard:
		l.heard = now
		if l.flowing && now.Sub(l.since) >= lastRetry {
			l.failures = 0
		}
		return nil
	case Drop:
		return l.drop()
	case Suspend, Resume, Break, LogGone, Divergence, Explained:
		return l.halt(e)
	case SeedStarted, SeedDone, LogStarted, FlowFailed:
		return l.flow(now, e)
	case Lost:
		return l.lose(now, e.Fault)
	case ModeSet, Progressed, PeerState:
		return l.sync(e)
	default:
		if e.Kind >= FailoverAsked {
			return l.failover(now, e)
		}
		return l.meet(now, e)
	}
}

// rebase moves every deadline along when the clock was set back.
func (l *Link) rebase(now time.Time) {
	if d := now.Sub(l.clock); d < 0 && !l.clock.IsZero() {
		for _, t := range [...]*time.Time{&l.nextDial, &l.giveUp, &l.heard, &l.nextBeat, &l.since, &l.change.due} {
			if !t.IsZero() {
				*t = t.Add(d)
			}
		}
	}
	l.clock = now
}

// start begins: side 2 dials, unless the copy is broken.
func (l *Link) start(now time.Time) []Action {
	var out []Action
	if l.change.work == WorkNone { // else the peers met before the start, and it is being done
		out = l.recall()
	}
	if !l.opts.Dials || l.state.Broken != nil {
		return out
	}
	if l.onTrial() {
		l.giveUp = now.Add(l.opts.JoinTimeout)
	}
	return append(out, l.dial(now)...)
}

// onTrial reports whether the link ends when its first connection does not come about: it is being joined, and somebody
// waits for the answer. A second group of a distributed one is configured on both sides, and goes on trying.
func (l *Link) onTrial() bool { return l.opts.Dials && !l.state.Joined && !l.opts.Classic }

func (l *Link) dial(now time.Time) []Action {
	l.waiting, l.nextDial, l.heard = true, time.Time{}, now
	return []Action{{Kind: Dial}}
}

// meet is how peers find each other.
func (l *Link) meet(now time.Time, e Event) []Action {
	switch e.Kind {
	case ConnectFailed:
		return l.failed(now, e)
	case Refused:
		if !l.opts.Dials {
			l.fault, l.faultAt = e.Fault, now
			return []Action{{Kind: Log, Fault: e.Fault}}
		}
		return append([]Action{{Kind: Disconnect}}, l.failed(now, e)...)
	case Connected:
		l.heard, l.said = now, l.halted()
		return []Action{{Kind: SendHello}}
	case Configured:
		return l.configured(now, e)
	case CopyReady:
		return []Action{{Kind: JoinDone}, {Kind: StartSeed}}
	case CopyFailed:
		if l.opts.Classic {
			return append([]Action{{Kind: Disconnect}}, l.failed(now, e)...)
		}
		return []Action{{Kind: Disconnect}, l.end(), {Kind: JoinFailed, Fault: e.Fault}}
	case Hello:
		return l.hello(now, e)
	}
	return nil
}

// failed notes a failure to connect and plans the next attempt, or gives up a first join.
func (l *Link) failed(now time.Time, e Event) []Action {
	l.waiting, l.connected = false, false
	first := e.Fault.Number != l.fault.Number
	l.fault, l.faultAt = e.Fault, now
	if l.onTrial() && (e.Final || !now.Before(l.giveUp)) {
		return []Action{l.end(), {Kind: JoinFailed, Fault: e.Fault}}
	}
	l.nextDial = now.Add(l.retry())
	l.attempt++
	if !first {
		return nil // the error log has it already
	}
	return []Action{{Kind: Log, Fault: e.Fault}}
}

func (l *Link) shaken(now time.Time) {
	l.connected, l.waiting, l.attempt = true, false, 0
	l.fault, l.faultAt = Fault{}, time.Time{}
	l.heard, l.nextBeat = now, now.Add(l.beat())
}

// configured: the source has accepted us.
func (l *Link) configured(now time.Time, e Event) []Action {
	l.shaken(now)
	out := l.partner(e.Peer)
	switch halted := l.halted(); { // it may have changed since the hello
	case halted && !l.said:
		out = append(out, Action{Kind: SendSuspend})
	case !halted && l.said:
		out = append(out, Action{Kind: SendResume})
	}
	if !l.state.Joined {
		l.state.Joined = true
		return append(out, Action{Kind: Persist}, Action{Kind: CreateCopy})
	}
	return append(out, l.resolve(now, e)...)
}

// begin starts what the copy needs next.
func (l *Link) begin() []Action {
	switch {
	case !l.Copy() || !l.connected || l.state.Suspended || l.state.Broken != nil || l.change.work.busy():
		return nil
	case l.met && !l.theirs.Primary:
		return nil // nobody there to be copied
	case l.state.Reseed:
		return []Action{{Kind: StartReseed}}
	case l.state.Seeded:
		return []Action{{Kind: StartLog}}
	default:
		return []Action{{Kind: StartSeed}}
	}
}

// hello: a peer was admitted; it takes the place of one that we have not missed yet.
func (l *Link) hello(now time.Time, e Event) []Action {
	var out []Action
	if l.seeding || l.flowing {
		out = append(append(out, Action{Kind: StopFlow}), l.apart()...)
	}
	if l.connected {
		out = append(out, l.parted(now)...)
	}
	l.shaken(now)
	if !l.state.Joined {
		l.state.Joined = true
		out = append(out, Action{Kind: Persist})
	}
	out = append(out, l.partner(e.Peer)...)
	out = append(out, Action{Kind: SendConfig})
	return append(out, l.resolve(now, e)...)
}

// halted reports whether data movement is stopped on this side, by this side.
func (l *Link) halted() bool { return l.state.Suspended && l.state.Reason != SuspendPartner }

// partner brings our state in line with what the peer says of its own when the peers meet.
func (l *Link) partner(suspended bool) []Action {
	switch mine := l.state.Suspended && l.state.Reason == SuspendPartner; {
	case suspended && !l.state.Suspended:
		l.state.Suspended, l.state.Reason, l.state.Text = true, SuspendPartner, ""
	case !suspended && mine:
		l.state.Suspended, l.state.Reason, l.state.Text = false, 0, ""
	default:
		return nil
	}
	return []Action{{Kind: Persist}}
}

// flow is the movement of pages and log.
func (l *Link) flow(now time.Time, e Event) []Action {
	if !l.connected && !l.waiting { // streams may be ahead of the handshake
		return nil
	}
	l.heard = now
	switch e.Kind {
	case SeedStarted:
		l.seeding, l.flowing = true, false
		if l.Copy() && (l.opts.Dials || l.state.Reseed) {
			l.mine = Standing{} // it is replaced where it lies
		}
		if l.state.Seeded {
			l.state.Seeded = false
			return []Action{{Kind: Persist}}
		}
	case SeedDone:
		l.seeding = false
		l.failures = 0
		if l.state.Seeded && !l.state.Reseed {
			return nil
		}
		l.state.Seeded, l.state.Reseed = true, false
		return append([]Action{{Kind: Persist}}, l.begin()...)
	case LogStarted:
		l.seeding, l.flowing, l.since = false, true, now
		l.commit.from(e.End)
	case FlowFailed:
		l.failures++
		return append([]Action{{Kind: Disconnect}}, l.lose(now, e.Fault)...)
	}
	return nil
}

// lose: the connection is gone.
func (l *Link) lose(now time.Time, f Fault) []Action {
	if !l.connected && !l.waiting {
		return nil
	}
	out := append([]Action{{Kind: StopFlow}}, l.apart()...)
	shook := l.connected
	if l.opts.Dials {
		out = append(out, l.failed(now, Event{Fault: f})...)
	} else {
		l.connected = false
		l.fault, l.faultAt = f, now
		out = append(out, Action{Kind: Log, Fault: f})
	}
	if shook {
		out = append(out, l.parted(now)...)
	}
	return out
}

// apart notes that nothing flows.
func (l *Link) apart() []Action {
	l.seeding, l.flowing = false, false
	return l.alone()
}

// tick acts on the passing of time.
func (l *Link) tick(now time.Time) []Action {
	switch {
	case (l.connected || l.waiting) && !now.Before(l.heard.Add(l.opts.SessionTimeout)):
		return append([]Action{{Kind: Disconnect}}, l.lose(now, l.silence())...)
	case l.connected && !now.Before(l.nextBeat):
		l.nextBeat = now.Add(l.beat())
		return []Action{{Kind: SendHeartbeat}}
	case !l.change.due.IsZero() && !now.Before(l.change.due):
		return l.overdue(now)
	case l.onTrial() && !l.waiting && !now.Before(l.giveUp):
		return []Action{l.end(), {Kind: JoinFailed, Fault: l.fault}}
	case !l.connected && !l.waiting && !l.nextDial.IsZero() && !now.Before(l.nextDial):
		return l.dial(now)
	}
	return nil
}

// silence is the fault of a peer that was not heard of in time.
func (l *Link) silence() Fault {
	n := int32(35201)
	if l.connected {
		n = 35206
	}
	return Fault{n, sqlerr.New(n, l.state.Peer, "").Message}
}

// halt stops data movement or lets it go on.
func (l *Link) halt(e Event) []Action {
	switch {
	case e.Kind == Break:
		f := e.Fault
		l.state.Broken = &f
		return append([]Action{{Kind: Persist}, {Kind: StopFlow}, {Kind: Log, Fault: f}}, l.apart()...)
	case e.Kind == LogGone && l.Copy():
		l.state.Reseed = true
		out := append([]Action{{Kind: Persist}, {Kind: StopFlow}, {Kind: Log, Fault: e.Fault}}, l.apart()...)
		return append(out, l.begin()...)
	case e.Kind == Divergence && l.Copy():
		return l.diverge(e)
	case e.Kind == Explained, e.Kind == Suspend && e.Peer && l.state.Suspended && l.state.Reason == SuspendPartner:
		return l.explain(e)
	case e.Kind == Suspend && !l.state.Suspended:
		l.state.Suspended, l.state.Reason, l.state.Text = true, e.Reason, e.Text
		out := append([]Action{{Kind: Persist}}, l.apart()...)
		if l.connected && !e.Peer {
			out = append(out, Action{Kind: SendSuspend}) // first, so that the peer knows why the flow ends
		}
		return append(out, Action{Kind: StopFlow}, Action{Kind: Log, Fault: e.Fault})
	case e.Kind == Resume && l.state.Suspended && e.Peer == (l.state.Reason == SuspendPartner):
		l.state.Suspended, l.state.Reason, l.state.Text = false, 0, ""
		out := []Action{{Kind: Persist}, {Kind: Log, Fault: e.Fault}}
		if l.connected && !e.Peer {
			out = append(out, Action{Kind: SendResume})
		}
		return append(out, l.begin()...)
	}
	return nil
}

// diverge suspends a copy that is not its primary's any more; RESUME brings it in line by difference.
func (l *Link) diverge(e Event) []Action {
	l.state.Reseed = true
	e.Kind, e.Reason = Suspend, SuspendRedo
	if l.state.Suspended {
		return []Action{{Kind: Persist}, {Kind: StopFlow}, {Kind: Log, Fault: e.Fault}}
	}
	return l.halt(e)
}

// explain notes why data movement is stopped, where more is known of that than at first.
func (l *Link) explain(e Event) []Action {
	diverged := l.state.Suspended && l.state.Reason == SuspendRedo && l.state.Reseed
	if e.Text == l.state.Text || e.Text == "" || !e.Peer && !diverged {
		return nil
	}
	l.state.Text = e.Text
	out := []Action{{Kind: Persist}}
	if l.connected && !e.Peer {
		out = append(out, Action{Kind: SendSuspend})
	}
	return append(out, Action{Kind: Log, Fault: e.Fault})
}

func (l *Link) drop() []Action {
	out := append([]Action{{Kind: StopFlow}}, l.apart()...)
	out = append(out, l.release()...) // also those that are to wait for a copy: there is none any more
	if l.change.asked {
		out = append(out, l.answer(Fault{35250, sqlerr.New(35250).Message})...)
	}
	return append(out, Action{Kind: Disconnect}, l.end())
}

func (l *Link) end() Action {
	l.ended, l.connected, l.waiting, l.seeding, l.flowing = true, false, false, false, false
	return Action{Kind: End}
}
