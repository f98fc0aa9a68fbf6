package agcore

import "time"

// takeover is the copy's part of a planned failover.
func (l *Link) takeover(now time.Time, e Event) []Action {
	switch e.Kind {
	case PeerPrepares:
		if f := l.unready(e); f.Number != 0 {
			return []Action{{Kind: SendNotReady, Epoch: e.Epoch, Fault: f}}
		}
		return []Action{{Kind: SendReady, Epoch: e.Epoch}}
	case FenceSeen:
		last := &l.mine.Last
		if !l.granted() || last.Hold || l.change.work.busy() {
			return nil
		}
		return l.open(RoleRecord{Epoch: last.Epoch})
	default:
		return l.withdrawn(e)
	}
}

// granted reports whether this copy has the other side's FENCE and has not refused its epoch.
func (l *Link) granted() bool {
	last := &l.mine.Last
	return l.Copy() && last.Kind == RoleFence && l.opts.Side.Opens(last.Epoch) && l.state.Refused < last.Epoch
}

// NotFollowing is the reason in a 47514 that refuses a planned failover before anything was done: log does not flow to the
// copy, or the copy has not noticed yet that it does.
const NotFollowing = "the copy does not follow"

// unready says why this copy cannot take over now.
func (l *Link) unready(e Event) Fault {
	switch {
	case e.Fault.Number != 0:
		return e.Fault
	case !l.Copy() || !l.mine.Exists || !l.flowing || l.state.Suspended || l.state.Reseed || l.change.work.busy():
		return faultOf(47514, l.opts.Name, NotFollowing)
	default:
		return Fault{}
	}
}

// withdrawn: the primary takes the FENCE back. Either we have opened, or we promise that we never will.
func (l *Link) withdrawn(e Event) []Action {
	switch {
	case l.change.work == WorkOpening:
		return nil // it is told when that is done
	case !l.Copy():
		return []Action{{Kind: SendOpened}}
	case l.state.Refused < e.Epoch:
		l.state.Refused = e.Epoch
		return []Action{{Kind: Persist}, {Kind: SendRefused, Epoch: e.Epoch}}
	default:
		return []Action{{Kind: SendRefused, Epoch: e.Epoch}}
	}
}

// open makes this side the primary of the record's epoch.
func (l *Link) open(r RoleRecord) []Action {
	r.Kind, r.History = RoleOpen, l.mine.History()
	l.change.work, l.change.epoch, l.change.due = WorkOpening, r.Epoch, time.Time{}
	var out []Action
	if l.Copy() { // a primary goes on sending: what it writes now is what the copy waits for
		out = append([]Action{{Kind: StopFlow}}, l.apart()...)
	}
	return append(out, Action{Kind: Open, Record: r})
}

// opened: this side takes writers, or could not be opened.
func (l *Link) opened(now time.Time, e Event) []Action {
	c := &l.change
	if c.work != WorkOpening {
		return nil
	}
	if e.Kind == OpenFailed {
		return append(l.finish(e.Fault), l.startOver(now, e.Fault)...)
	}
	var out []Action
	if l.connected {
		out = append(out, Action{Kind: SendOpened})
	}
	again := c.takeBack && !c.force // taken back, as nobody asked: the other side could not
	resumed := l.state.Suspended
	l.state.Suspended, l.state.Reason, l.state.Text = false, 0, ""
	l.state.Outdated, l.state.Forcing, l.state.Reseed = 0, 0, false
	if h := l.mine.History(); l.state.HoldAfter.IsZero() && len(h) > 1 {
		l.state.HoldAfter = h[len(h)-1].After
	}
	out = append(out, Action{Kind: Persist})
	if resumed && l.connected {
		out = append(out, Action{Kind: SendResume})
	}
	var f Fault
	if again {
		f = faultOf(47514, l.opts.Name, l.peerName()+" had not opened in time, and has promised not to")
	}
	out = append(out, l.finish(f)...)
	if !l.flowing { // it may have been outlived until now
		out = append(out, l.goAlone()...)
	}
	out = append(out, l.hold()...)
	return append(out, l.tellState()...)
}
