package agcore

import (
	"time"

	"linkspan/lsn"
)

// forced is FORCE_FAILOVER_ALLOW_DATA_LOSS.
func (l *Link) forced(now time.Time, e Event) []Action {
	m, c := &l.mine, &l.change
	switch {
	case c.work.busy() || c.work == WorkPreparing || c.force || c.asked || c.peer:
		return refuse(e, 47513, l.opts.Name)
	case !m.Exists:
		return refuse(e, 41142, l.opts.Name)
	case m.Open() && l.state.Outdated <= m.Epoch:
		return refuse(e, 41122, l.opts.Name)
	}
	c.asked = true
	switch {
	case m.Fenced() && l.connected && !l.theirs.Primary:
		c.force, c.hold, c.due = true, false, now.Add(l.opts.SessionTimeout)
		return l.withdraw()
	case l.granted():
		return l.open(RoleRecord{Epoch: m.Last.Epoch}) // nothing is lost
	}
	l.theirs.End = lsn.Latest(l.theirs.End, e.LSN)
	return l.openForced(now)
}

// openForced opens this side without the other's consent, and writes down first what may be missing.
func (l *Link) openForced(now time.Time) []Action {
	l.change.force = true
	r := RoleRecord{Epoch: NextEpoch(l.known(), l.opts.Side), Forced: true}
	l.state.Forcing = r.Epoch
	l.state.Loss = &Loss{At: now, Epoch: r.Epoch, End: l.mine.End, Peer: l.theirs.End}
	return append([]Action{{Kind: Persist}}, l.open(r)...)
}

// outdated: another primary was opened beside this one.
func (l *Link) outdated() []Action {
	known := l.state.Outdated == l.theirs.Epoch
	l.state.Outdated = l.theirs.Epoch
	out := append([]Action{{Kind: StopFlow}}, l.apart()...)
	if !known {
		out = append(out, Action{Kind: Persist})
	}
	out = append(out, l.finish(l.outlived())...)
	return append(out, Action{Kind: RefuseWriters, Fault: l.outlived()}, Action{Kind: Log, Fault: l.outlived()})
}

// roleAsked is SET (ROLE = SECONDARY).
func (l *Link) roleAsked(now time.Time) []Action {
	m, c := &l.mine, &l.change
	e := Event{Kind: RoleAsked}
	switch {
	case c.work == WorkFenced && c.hold, l.Copy() && !c.work.busy():
		return []Action{{Kind: FailoverDone}}
	case c.work != WorkNone:
		return refuse(e, 47513, l.opts.Name)
	case l.state.Outdated > m.Epoch && !l.met:
		return refuse(e, 35250)
	case l.state.Outdated > m.Epoch:
		return l.rescue()
	case l.opts.Classic && m.Open():
		*c = change{work: WorkFencing, epoch: NextEpoch(l.known(), l.opts.Side.Other()), asked: true, hold: true}
		return []Action{{Kind: Fence, Record: RoleRecord{Kind: RoleFence, Epoch: c.epoch, Hold: true, History: m.History()}, By: now.Add(l.opts.FailoverTimeout)}}
	default:
		return refuse(e, 41190, l.opts.Name, "ALTER AVAILABILITY GROUP", "SET (ROLE = SECONDARY)")
	}
}

// rescue begins the way back of a primary that was outlived.
func (l *Link) rescue() []Action {
	l.change = change{work: WorkRescuing, asked: true}
	fork, _ := Fork(l.mine.History(), l.theirs.History(), l.mine.End, l.theirs.End)
	return []Action{{Kind: Rescue, LSN: fork}}
}

// goneBack is the rest of that way.
func (l *Link) goneBack(now time.Time, e Event) []Action {
	c := &l.change
	switch {
	case e.Kind == RescueDone && c.work == WorkRescuing:
		c.work = WorkRewinding
		fork, ok := Fork(l.mine.History(), l.theirs.History(), l.mine.End, l.theirs.End)
		if e.Loss != nil {
			l.state.Loss = e.Loss
		}
		l.state.Refused = max(l.state.Refused, l.mine.Known(), l.state.Outdated) // no epoch is ever opened twice
		if !ok || e.Final {
			return l.giveUpLog()
		}
		return []Action{{Kind: Persist}, {Kind: Rewind, LSN: fork}}
	case e.Kind == RescueFailed && c.work == WorkRescuing:
		return l.finish(e.Fault)
	case e.Kind == RewindFailed && c.work == WorkRewinding && e.Final:
		return l.giveUpLog()
	case e.Kind == RewindFailed && c.work == WorkRewinding:
		return l.finish(e.Fault)
	case e.Kind == RewindDone && c.work == WorkRewinding:
		l.state.Outdated, l.state.Forcing, l.state.HoldAfter = 0, 0, lsn.Zero
		out := append([]Action{{Kind: Persist}}, l.alone()...)
		out = append(out, l.finish(Fault{})...)
		if l.connected {
			out = append(out, l.resolve(now, e)...)
		}
		return out
	}
	return nil
}

// giveUpLog: the log does not reach back to the fork; the copy is made of the other side's pages.
func (l *Link) giveUpLog() []Action {
	l.state.Reseed = true
	l.change.work = WorkDemoting
	return []Action{{Kind: Persist}, {Kind: Demote}}
}
