package hadr

import (
	"context"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
	"linkspan/sqlerr"
)

// turn carries out the actions of failover and of synchronous commit; in the loop.
func (l *link) turn(a agcore.Action) {
	switch a.Kind {
	case agcore.StartReseed:
		l.startFlow(l.receiveSeed)
	case agcore.Fence:
		l.fenceDB(a)
	case agcore.Open:
		l.openDB(a.Record)
	case agcore.Demote:
		l.demoteDB()
	case agcore.RefuseWriters:
		l.refuseWriters(a.Fault)
	case agcore.Rescue:
		l.rescueDB(a.LSN)
	case agcore.Rewind:
		l.rewindDB(a.LSN)
	case agcore.CommitTogether:
		l.gate.close()
		l.progress() // what is hardened already may be all there is
	case agcore.CommitAlone:
		l.gate.open()
	case agcore.FailoverDone:
		l.answered(nil)
	case agcore.FailoverFailed:
		l.answered(errorOf(a.Fault))
	case agcore.SendState:
		l.send(&hadrwire.State{Synchronous: a.On, Synchronized: a.Final})
	default:
		l.sendTurn(a)
	}
}

// turns are the messages of the actions that only send one.
var turns = map[agcore.ActionKind]hadrwire.Turn{
	agcore.SendPrepare: hadrwire.TurnPrepare, agcore.SendReady: hadrwire.TurnReady, agcore.SendNotReady: hadrwire.TurnNotReady,
	agcore.SendWithdraw: hadrwire.TurnWithdraw, agcore.SendRefused: hadrwire.TurnRefused, agcore.SendOpened: hadrwire.TurnOpened,
	agcore.SendAsk: hadrwire.TurnWanted, agcore.SendAnswer: hadrwire.TurnDone,
}

func (l *link) sendTurn(a agcore.Action) {
	m := &hadrwire.TurnOver{Turn: turns[a.Kind], Epoch: a.Epoch, Number: a.Fault.Number, Text: a.Fault.Text}
	switch a.Kind {
	case agcore.SendAsk:
		m.Left = a.By.Sub(l.m.now())
	case agcore.SendOpened:
		m.Standing = l.standing(l.group.Context()).Encode()
	}
	if m.Turn != 0 {
		l.send(m)
	}
}

// turnEvents are the events of the messages.
var turnEvents = map[hadrwire.Turn]agcore.EventKind{
	hadrwire.TurnPrepare: agcore.PeerPrepares, hadrwire.TurnReady: agcore.PeerReady, hadrwire.TurnNotReady: agcore.PeerNotReady,
	hadrwire.TurnWithdraw: agcore.PeerWithdraws, hadrwire.TurnRefused: agcore.PeerRefused, hadrwire.TurnOpened: agcore.PeerOpened,
	hadrwire.TurnWanted: agcore.PeerAsks, hadrwire.TurnDone: agcore.PeerAnswers,
}

// turned takes a message of a failover; in the loop.
func (l *link) turned(m *hadrwire.TurnOver) {
	e := agcore.Event{Kind: turnEvents[m.Turn], Epoch: m.Epoch, Fault: agcore.Fault{Number: m.Number, Text: m.Text}}
	if m.Epoch > agcore.MaxEpoch {
		l.m.opts.Log.Error("the peer names an epoch that cannot be", "link", l.name, "epoch", m.Epoch)
		l.disconnect(agcore.ErrRecord)
		l.step(agcore.Event{Kind: agcore.Lost, Fault: faultOf(sqlerr.New(41986))})
		return
	}
	switch m.Turn {
	case hadrwire.TurnWanted:
		e.By = l.m.now().Add(min(m.Left, 10*FailoverTimeout))
		if f := l.hindrance(); f != nil {
			e.Fault = faultOf(f)
		}
	case hadrwire.TurnPrepare:
		if pending := l.move.get().pending; pending > maxTurnQueue {
			e.Fault = faultOf(sqlerr.New(47516, l.name, pending>>20))
		}
	case hadrwire.TurnOpened:
		theirs, err := agcore.DecodeStanding(m.Standing)
		if err != nil {
			l.m.opts.Log.Error("the peer's standing cannot be read", "link", l.name, "error", err)
			l.disconnect(err)
			l.step(agcore.Event{Kind: agcore.Lost, Fault: faultOf(sqlerr.New(41986))})
			return
		}
		e.Theirs = &theirs
	}
	l.step(e)
}

// progress tells the machine how far the copy is; in the loop.
func (l *link) progress() {
	db, release, err := l.open(l.group.Context())
	if err != nil {
		return
	}
	end := db.Appended() // no commit that was let through a moment ago is after this
	release()
	l.step(agcore.Event{Kind: agcore.Progressed, LSN: l.move.acknowledged(), End: end})
}

// fenceSeen tells the machine of a FENCE that has become durable here.
func (f *follower) fenceSeen(ctx context.Context, durable lsn.LSN) {
	last, at := lastRole(f.db.Controls(), f.link)
	if last.Kind != agcore.RoleFence || durable.Less(at.LSN) || f.fence == at.LSN || last.Epoch != agcore.NextEpoch(last.Epoch-1, f.l.side()) {
		return // or it is our own, and the other side's OPEN is still to come
	}
	f.fence = at.LSN
	f.l.fencedAt.Store(f.l.m.now().UnixNano())
	mine := f.l.standingOf(ctx, f.db)
	f.l.news(ctx, f.gen, func() { f.l.step(agcore.Event{Kind: agcore.FenceSeen, Mine: mine}) })
}

// paused notes how long no writer was let in; from is when the FENCE was written or seen.
func (l *link) paused() {
	if from := l.fencedAt.Swap(0); from != 0 {
		l.pause.Store(int64(l.m.now().Sub(time.Unix(0, from))))
		l.failovers.Add(1)
	}
}
