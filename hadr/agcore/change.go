package agcore

import (
	"fmt"
	"time"

	"linkspan/sqlerr"
)

// Work is what a change of roles is doing.
type Work uint8

// The works.
const (
	WorkNone        Work = iota
	WorkAsking           // the copy has asked the primary to fail over
	WorkPreparing        // the primary has asked the copy
	WorkFencing          // the FENCE is being written
	WorkFenced           // it is durable; the other side is to open
	WorkWithdrawing      // it is being taken back
	WorkOpening
	WorkDemoting
	WorkRescuing
	WorkRewinding
)

// String names the work as the status shows it; "" for none.
func (w Work) String() string {
	return pick(int(w), "", "ASKING", "PREPARING", "FENCING", "FENCED", "WITHDRAWING", "OPENING", "DEMOTING", "RESCUING", "REWINDING")
}

// busy reports whether the database itself is being changed: everything waits for the end of that.
func (w Work) busy() bool {
	return w == WorkFencing || w == WorkOpening || w == WorkDemoting || w == WorkRescuing || w == WorkRewinding
}

// change is a change of roles under way.
type change struct {
	work  Work
	epoch uint32
	due   time.Time // when to give the present step up; zero: never
	asked bool      // a statement waits for the answer
	peer  bool      // the peer's management waits for the answer
	// takeBack: the FENCE is to be withdrawn as soon as it is durable. force: when it cannot be, this side opens by force.
	takeBack, force bool
	hold            bool // the FENCE is that of SET (ROLE = SECONDARY)
}

// Work tells what change of roles is under way.
func (l *Link) Work() Work { return l.change.work }

// Split is what to say where both sides are primary, as far as they told each other on this connection, and this one
// outlived the other; the zero Fault otherwise.
func (l *Link) Split() Fault {
	if l.connected && l.met && Resolve(l.mine, l.theirs) == Ahead {
		return l.split()
	}
	return Fault{}
}

// failover takes the events of a change of roles.
func (l *Link) failover(now time.Time, e Event) []Action {
	switch e.Kind {
	case FailoverAsked, PeerAsks:
		return l.planned(now, e)
	case ForceAsked:
		return l.forced(now, e)
	case RoleAsked:
		return l.roleAsked(now)
	case PeerPrepares, FenceSeen, PeerWithdraws:
		return l.takeover(now, e)
	case PeerAnswers:
		return l.peerAnswers(e)
	case OpenDone, OpenFailed:
		return l.opened(now, e)
	case RescueDone, RescueFailed, RewindDone, RewindFailed:
		return l.goneBack(now, e)
	default:
		return l.handOver(now, e)
	}
}

// answer tells whoever waits what became of it; a zero fault is success.
func (l *Link) answer(f Fault) []Action {
	var out []Action
	if l.change.asked {
		a := Action{Kind: FailoverDone}
		if f.Number != 0 {
			a = Action{Kind: FailoverFailed, Fault: f}
		}
		out = append(out, a)
	}
	if l.change.peer && l.connected {
		out = append(out, Action{Kind: SendAnswer, Fault: f})
	}
	l.change.asked, l.change.peer = false, false
	return out
}

// finish ends the change with the answer.
func (l *Link) finish(f Fault) []Action {
	out := l.answer(f)
	l.change = change{}
	return out
}

// refuse answers a request that changes nothing of what is under way.
func refuse(e Event, n int32, args ...any) []Action {
	f := faultOf(n, args...)
	if e.Kind == PeerAsks {
		return []Action{{Kind: SendAnswer, Fault: f}}
	}
	return []Action{{Kind: FailoverFailed, Fault: f}}
}

func faultOf(n int32, args ...any) Fault { return Fault{n, sqlerr.New(n, args...).Message} }

// known is the greatest epoch that either side has seen, as far as this one knows.
func (l *Link) known() uint32 {
	s := l.Standing()
	return max(s.Known(), l.theirs.Known(), l.state.Forcing)
}

// undecided is what writers are told on a fenced primary that cannot ask the other side.
func (l *Link) undecided() Fault {
	return faultOf(58011, l.opts.Database, l.opts.Name, l.mine.Last.Epoch)
}

// held is what writers are told on a primary that SET (ROLE = SECONDARY) has closed.
func (l *Link) held() Fault { return faultOf(58013, l.opts.Database, l.opts.Name) }

// outlived is what writers are told on a primary that another one was opened beside.
func (l *Link) outlived() Fault {
	return faultOf(58012, l.opts.Database, l.opts.Name, l.state.Outdated)
}

func (l *Link) peerName() string {
	if l.state.Peer == "" {
		return "the other side"
	}
	return "'" + l.state.Peer + "'"
}

// recall takes up at a start what was left half done.
func (l *Link) recall() []Action {
	m, s := &l.mine, &l.state
	if !m.Exists {
		return nil
	}
	opened := m.Last.opened()
	out := l.forget(opened)
	switch {
	case !m.Primary:
		return out
	case s.Forcing > opened:
		return append(out, l.open(RoleRecord{Epoch: m.Epoch, Forced: true})...)
	case s.Outdated > opened:
		return append(out, Action{Kind: RefuseWriters, Fault: l.outlived()})
	case m.HalfOpen():
		return append(out, l.open(RoleRecord{Epoch: m.Epoch})...)
	case m.Fenced():
		l.change = change{work: WorkFenced, epoch: m.Last.Epoch, hold: m.Last.Hold}
		return append(out, Action{Kind: RefuseWriters, Fault: l.closed()})
	default:
		return append(out, l.hold()...)
	}
}

// forget takes out of the state what is over. A forced failover that had not made this side primary is not begun again: it
// may have been decided otherwise since.
func (l *Link) forget(opened uint32) []Action {
	m, s := &l.mine, &l.state
	before := *s
	if !m.Primary || s.Forcing <= opened || m.Epoch < s.Forcing {
		s.Forcing = 0
	}
	if !m.Primary || s.Outdated <= opened {
		s.Outdated = 0
	}
	if h := m.History(); m.Open() && s.Seeded && s.HoldAfter.IsZero() && len(h) > 1 {
		s.HoldAfter = h[len(h)-1].After
	}
	if s.Forcing == before.Forcing && s.Outdated == before.Outdated && s.HoldAfter == before.HoldAfter {
		return nil
	}
	return []Action{{Kind: Persist}}
}

// closed is what writers of a fenced primary are told.
func (l *Link) closed() Fault {
	if l.mine.Last.Hold {
		return l.held()
	}
	return l.undecided()
}

// resolve acts on how both sides stand, when they meet and when that has changed.
func (l *Link) resolve(now time.Time, e Event) []Action {
	if e.Theirs == nil && !l.met {
		return l.begin()
	}
	if l.change.work.busy() {
		return nil // the end of that asks again
	}
	switch v := Resolve(l.Standing(), l.theirs); v {
	case Follow:
		return l.begin()
	case Lead:
		return l.lead()
	case Diverged:
		if l.state.Reseed { // known: it is to be brought in line by difference
			return l.begin()
		}
		return l.diverge(Event{Kind: Divergence, Fault: l.ahead(), Text: l.ahead().Text})
	case Await:
		return l.await(now)
	case OpenNow:
		return l.open(RoleRecord{Epoch: l.mine.Last.Epoch})
	case OpenAgain:
		return l.open(RoleRecord{Epoch: NextEpoch(l.known(), l.opts.Side)})
	case StepDown:
		l.change.work, l.change.due = WorkDemoting, time.Time{}
		return append(append([]Action{{Kind: StopFlow}}, l.apart()...), Action{Kind: Demote})
	case Outlived:
		return l.outdated()
	case Ahead:
		return []Action{{Kind: SendOpened}, {Kind: Log, Fault: l.split()}}
	default:
		return l.stuck()
	}
}

// lead: we are primary and the other side is our copy.
func (l *Link) lead() []Action {
	var out []Action
	if l.state.Outdated != 0 {
		l.state.Outdated = 0
		out = append(append(out, Action{Kind: Persist}), l.goAlone()...)
	}
	if l.theirs.Primary && l.connected {
		out = append(out, Action{Kind: SendOpened}) // it may have been told how we stood before we opened
	}
	return append(out, l.tellState()...)
}

// ahead is the fault of a copy with log that its primary does not have.
func (l *Link) ahead() Fault {
	f := faultOf(1408, l.opts.Database)
	f.Text += fmt.Sprintf(" The copy's log ends at %s and is not part of the log of %s.", l.mine.End, l.peerName())
	return f
}

// split says that both sides were primary.
func (l *Link) split() Fault {
	return faultOf(58016, l.opts.Name, l.mine.Epoch, l.peerName(), l.theirs.Epoch)
}

func (l *Link) stuck() []Action {
	return []Action{{Kind: Log, Fault: faultOf(58017, l.opts.Name)}}
}
