package hadr

import (
	"context"

	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
)

// noteRole writes changes of our role, and what a forced failover left out, to the error log; in the loop, after a step.
func (l *link) noteRole() {
	s := l.snap.Load()
	if before := l.lastRole; s.role != agcore.Resolving && s.standing.Exists && s.role != before {
		if l.lastRole = s.role; before != agcore.Resolving {
			l.m.errorLog(sqlerr.New(1480, l.database, before, s.role, "role synchronization"))
			l.calm(s)
		}
	}
	if s.state.Loss != nil && (l.lastLoss == nil || *s.state.Loss != *l.lastLoss) {
		told := l.lastLoss != nil || l.lossKnown
		l.lastLoss = s.state.Loss
		if told {
			st := LinkStatus{Spec: LinkSpec{Name: l.name, Database: l.database}, Loss: s.state.Loss}
			l.m.errorLog(st.LossMessage())
		}
	}
	l.lossKnown = true
}

// calm puts a link back to asynchronous commit after a failover, as SQL Server does, on its new primary; a copy that is
// required keeps it synchronous.
func (l *link) calm(s *snapshot) {
	g := l.m.group(l.name)
	if s.role != agcore.Primary || g == nil || !g.IsLink() || g.Options.RequiredSync > 0 {
		return
	}
	if synchronous, _ := modesOf(g); !synchronous {
		return
	}
	err := l.m.edit(context.WithoutCancel(l.group.Context()), l.name, func(g *agcore.Group) {
		for _, r := range g.Replicas {
			r.Mode, r.Modified = agcore.Asynchronous, l.m.now()
		}
		g.Sequence++
	})
	if err != nil {
		l.m.opts.Log.Error("the mode of a link cannot be stored", "link", l.name, "error", err)
		return
	}
	l.useModes(true)
}
