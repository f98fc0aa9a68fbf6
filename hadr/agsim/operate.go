package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// answered counts what became of a statement.
func (n *node) answered(a agcore.Action) {
	w := n.w
	if a.Kind == agcore.FailoverDone {
		w.did["statements_done"]++
	} else {
		w.did["statements_refused"]++
	}
}

// operate is what administrators and their scripts do at random.
func (w *world) operate() {
	if w.chance(0.1) {
		w.fault("orchestrator_death") // what it would have done now it does not; what it began goes on
		return
	}
	n := w.any()
	if !n.up {
		return
	}
	switch x := w.rnd.Float64(); {
	case x < 0.55 && w.classic:
		w.classicStep()
	case x < 0.55:
		w.failover(n)
	case x < 0.65 && w.force:
		w.force1(n)
	case x < 0.75:
		if n.link.Phase() == agcore.PhaseSuspended {
			n.step(agcore.Event{Kind: agcore.Resume, Fault: agcore.Fault{Number: 35265}})
		} else {
			w.did["suspended"]++
			n.step(agcore.Event{Kind: agcore.Suspend, Reason: agcore.SuspendUser, Fault: agcore.Fault{Number: 35264}})
		}
	case x < 0.85:
		w.setMode(w.chance(0.5), w.chance(0.3))
	}
}

// failover asks for a planned failover on the primary, or on the copy by its management.
func (w *world) failover(n *node) {
	w.did["planned_asked"]++
	by := n.now().Add(w.between(500*time.Millisecond, 20*time.Second))
	n.step(agcore.Event{Kind: agcore.FailoverAsked, By: by, On: n.link.Copy()})
}

func (w *world) force1(n *node) {
	w.did["force_asked"]++
	n.step(agcore.Event{Kind: agcore.ForceAsked, Mine: n.db.standing(), LSN: at(n.limit)})
}

func (w *world) setMode(on, required bool) {
	for _, n := range w.nodes {
		n.options.Synchronous, n.options.Required = on, required
		if n.up {
			n.link.SetRequired(required)
			n.step(agcore.Event{Kind: agcore.ModeSet, On: on})
		}
	}
}

// classicStep is the sequence of two SQL Servers, one step at a time: close the primary, compare, open the other side.
func (w *world) classicStep() {
	for _, n := range w.nodes {
		if !n.up || !n.db.exists || !n.db.primary {
			continue
		}
		if !n.fenced {
			w.did["role_asked"]++
			n.step(agcore.Event{Kind: agcore.RoleAsked})
			return
		}
		w.openOther(n)
		return
	}
}

// openOther opens the forwarder of a closed primary when its log is as long.
func (w *world) openOther(n *node) {
	o := w.nodes[1-n.i]
	last, _ := n.db.last()
	if last.Kind != agcore.RoleFence || !last.Hold || !o.up || !o.db.exists {
		return
	}
	if theirs, _ := o.db.last(); theirs.Kind == agcore.RoleFence && theirs.Epoch == last.Epoch && o.db.hard == n.db.hard {
		w.did["classic_opened"]++
		o.step(agcore.Event{Kind: agcore.ForceAsked, Mine: o.db.standing()})
	}
}

// tend is what administrators do when they see trouble: they resume, bring an old primary back, and decide where nobody
// writes.
func (w *world) tend() {
	for _, n := range w.nodes {
		if !n.up {
			continue
		}
		s := n.link.State()
		switch {
		case s.Outdated > n.db.epoch && n.db.primary:
			n.step(agcore.Event{Kind: agcore.RoleAsked})
		case s.Suspended && s.Reason != agcore.SuspendPartner:
			n.step(agcore.Event{Kind: agcore.Resume, Fault: agcore.Fault{Number: 35265}})
		case w.classic && n.db.primary && n.fenced:
			w.openOther(n)
		}
	}
	a, b := w.nodes[0], w.nodes[1]
	if a.up && b.up && (a.writable() && b.link.Phase() == agcore.PhaseSynchronizing && !b.db.primary || b.writable() && a.link.Phase() == agcore.PhaseSynchronizing && !a.db.primary) {
		if w.forced && a.link.Connected() && b.link.Connected() {
			w.did["repaired"]++
		}
		w.forced = w.forced && !(a.link.Connected() && b.link.Connected())
	}
}

// mend ends the faults and lets the administrators set things right.
func (w *world) mend() {
	w.blocked = [2]time.Duration{}
	for _, n := range w.nodes {
		n.full, n.slow = false, false
		if !n.up {
			n.start()
		}
	}
	w.after(w.between(0, healTime/2), func() { w.setMode(w.chance(0.7), w.chance(0.3)) })
	var again func()
	again = func() {
		w.tend()
		if w.now < faultTime+healTime-5*time.Second {
			w.after(3*time.Second, again)
		}
	}
	w.after(time.Second, again)
}
