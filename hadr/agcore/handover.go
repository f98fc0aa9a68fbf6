package agcore

import (
	"time"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
)

// planned: a planned failover is asked for, on the primary or, by its management, on the copy.
func (l *Link) planned(now time.Time, e Event) []Action {
	by := e.By
	if by.IsZero() {
		by = now.Add(l.opts.FailoverTimeout)
	}
	switch {
	case l.Copy() && (e.Kind == PeerAsks || !e.On):
		return refuse(e, 47517, l.opts.Name)
	case l.change.work != WorkNone, l.mine.Last.Kind == RoleFence && l.mine.Primary:
		return refuse(e, 47513, l.opts.Name)
	case l.Copy() && !l.connected:
		return refuse(e, 35250)
	case l.Copy():
		l.change = change{work: WorkAsking, due: by, asked: true}
		return []Action{{Kind: SendAsk, By: by}}
	case e.Fault.Number != 0:
		if e.Kind == PeerAsks {
			return []Action{{Kind: SendAnswer, Fault: e.Fault}}
		}
		return []Action{{Kind: FailoverFailed, Fault: e.Fault}}
	case !l.connected || !l.flowing || l.state.Suspended || l.state.Outdated > l.mine.Epoch:
		return refuse(e, 47514, l.opts.Name, NotFollowing)
	}
	l.change = change{work: WorkPreparing, epoch: NextEpoch(l.known(), l.opts.Side.Other()), due: by, asked: e.Kind == FailoverAsked, peer: e.Kind == PeerAsks}
	return []Action{{Kind: SendPrepare, Epoch: l.change.epoch}}
}

// handOver is the primary's part of a planned failover, from the copy's answer on.
func (l *Link) handOver(now time.Time, e Event) []Action {
	c := &l.change
	switch e.Kind {
	case PeerReady:
		if c.work != WorkPreparing || e.Epoch != c.epoch || !l.mine.Open() {
			return nil
		}
		c.work = WorkFencing
		return []Action{{Kind: Fence, Record: RoleRecord{Kind: RoleFence, Epoch: c.epoch, History: l.mine.History()}, By: c.due}}
	case PeerNotReady:
		if c.work != WorkPreparing || e.Epoch != c.epoch {
			return nil
		}
		return l.finish(e.Fault)
	case FenceDone, FenceFailed:
		return l.fenced(now, e)
	case PeerOpened:
		return l.resolve(now, e)
	case PeerRefused:
		if !l.mine.Fenced() || e.Epoch < l.mine.Last.Epoch || c.work.busy() {
			return nil
		}
		l.theirs.Refused = max(l.theirs.Refused, e.Epoch)
		return l.openAgain()
	case DemoteDone, DemoteFailed:
		return l.demoted(now, e)
	}
	return nil
}

// openAgain: the other side has promised not to open.
func (l *Link) openAgain() []Action {
	return l.open(RoleRecord{Epoch: NextEpoch(l.known(), l.opts.Side)})
}

// fenced: the FENCE is durable, or could not be written.
func (l *Link) fenced(now time.Time, e Event) []Action {
	c := &l.change
	if c.work != WorkFencing {
		return nil
	}
	if e.Kind == FenceFailed {
		return l.finish(e.Fault)
	}
	c.work = WorkFenced
	switch {
	case c.hold:
		return append([]Action{{Kind: RefuseWriters, Fault: l.held()}}, l.answer(Fault{})...)
	case !l.connected:
		c.due = time.Time{}
		return append([]Action{{Kind: RefuseWriters, Fault: l.undecided()}}, l.answer(l.undecided())...)
	case sabotage.NoFence:
		return append(l.openAgain(), l.answer(Fault{})...)
	case c.takeBack:
		return l.withdraw()
	case l.met && Resolve(l.Standing(), l.theirs) == StepDown:
		return l.resolve(now, e) // it saw the FENCE in the log, and opened, before we heard that the FENCE is durable
	default:
		return nil
	}
}

// await: the other side is to open, or to have the FENCE first.
func (l *Link) await(now time.Time) []Action {
	c := &l.change
	c.work, c.epoch, c.hold = WorkFenced, l.mine.Last.Epoch, l.mine.Last.Hold
	if c.hold {
		return []Action{{Kind: RefuseWriters, Fault: l.held()}}
	}
	if c.takeBack {
		return l.withdraw()
	}
	if c.due.IsZero() {
		c.due = now.Add(l.opts.FailoverTimeout)
	}
	return []Action{{Kind: RefuseWriters}} // they wait again
}

// withdraw asks the other side not to open.
func (l *Link) withdraw() []Action {
	c := &l.change
	c.work, c.takeBack = WorkWithdrawing, true
	if !c.force {
		c.due = time.Time{}
	}
	return []Action{{Kind: SendWithdraw, Epoch: l.mine.Last.Epoch}}
}

// overdue: the present step has taken too long.
func (l *Link) overdue(now time.Time) []Action {
	c := &l.change
	c.due = time.Time{}
	switch {
	case c.work == WorkPreparing, c.work == WorkAsking:
		return l.finish(faultOf(47514, l.opts.Name, l.peerName()+" did not answer in time"))
	case c.work == WorkFencing:
		c.takeBack = true
	case c.work == WorkFenced && l.connected:
		return l.withdraw()
	case c.work == WorkWithdrawing && c.force:
		return l.openForced(now)
	}
	return nil
}

// parted: the connection on which the two had met is gone.
func (l *Link) parted(now time.Time) []Action {
	l.met = false
	c := &l.change
	switch c.work {
	case WorkPreparing, WorkAsking:
		return l.finish(l.noPeer())
	case WorkFenced, WorkWithdrawing:
		c.work, c.due = WorkFenced, time.Time{}
		if c.force {
			return l.openForced(now)
		}
		if c.hold {
			return nil
		}
		return append([]Action{{Kind: RefuseWriters, Fault: l.undecided()}}, l.answer(l.undecided())...)
	}
	return nil
}

func (l *Link) noPeer() Fault {
	return faultOf(47514, l.opts.Name, "the connection to "+l.peerName()+" was lost")
}

// demoted: we are the copy now.
func (l *Link) demoted(now time.Time, e Event) []Action {
	if l.change.work != WorkDemoting {
		return nil
	}
	if e.Kind == DemoteFailed {
		return append(l.finish(e.Fault), l.startOver(now, e.Fault)...)
	}
	var f Fault
	if l.change.force {
		f = faultOf(41190, l.opts.Name, "ALTER AVAILABILITY GROUP", "FORCE_FAILOVER_ALLOW_DATA_LOSS")
		f.Text += " The other side had opened already, without loss, and is primary: " + l.peerName() + "."
	}
	l.state.Outdated, l.state.Forcing, l.state.HoldAfter = 0, 0, lsn.Zero
	out := []Action{{Kind: Persist}}
	if !l.state.Reseed { // else what waits for the copy is about to be replaced
		out = append(out, l.alone()...)
	}
	out = append(out, l.finish(f)...)
	if !l.connected {
		return out
	}
	return append(out, l.resolve(now, e)...)
}

// startOver drops the connection after a step that failed: at the next meeting it is decided anew.
func (l *Link) startOver(now time.Time, f Fault) []Action {
	if !l.connected {
		return []Action{{Kind: Log, Fault: f}}
	}
	return append([]Action{{Kind: Disconnect}}, l.lose(now, f)...)
}

// peerAnswers: what became of a failover that this side's management asked for.
func (l *Link) peerAnswers(e Event) []Action {
	if l.change.work != WorkAsking {
		return nil
	}
	return l.finish(e.Fault)
}
