package hadr

import (
	"context"
	"strings"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
)

// Harden is the storage option of the same name for a database: it returns when every synchronous copy that is waited for
// has hardened the LSN. A copy that is lost, or whose session times out, stops being waited for, unless its group's
// REQUIRED_SYNCHRONIZED_SECONDARIES_TO_COMMIT says otherwise; then commits wait until it is back or the option is changed.
func (m *Manager) Harden(ctx context.Context, database string, at lsn.LSN) error {
	for _, l := range m.runningOf(database) {
		if err := l.gate.pass(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// Waits reports whether commits of the database wait for a copy now; where they do not, Harden returns at once.
func (m *Manager) Waits(database string) bool {
	for _, l := range m.runningOf(database) {
		if l.gate.isClosed() {
			return true
		}
	}
	return false
}

// linksOf are the running links of a database.
func (m *Manager) runningOf(database string) []*link {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []*link
	for _, l := range m.links {
		if strings.EqualFold(l.database, database) {
			out = append(out, l)
		}
	}
	return out
}

// modesOf is how the group wants commits to wait for the other side.
func modesOf(g *agcore.Group) (synchronous, required bool) {
	if m := g.Member(false); m != nil {
		synchronous = m.Mode == agcore.Synchronous
	}
	return synchronous, synchronous && g.Options.RequiredSync > 0
}

// wantsSync reports whether commits are to wait for the other side.
func (l *link) wantsSync() bool {
	if g := l.m.group(l.name); g != nil {
		on, _ := modesOf(g)
		return on
	}
	return false
}

// useModes has commits wait for the copy as the group says now, and tells the other side, which may be primary one day; in
// the loop.
func (l *link) useModes(tell bool) {
	g := l.m.group(l.name)
	if g == nil || g.Member(true) == nil || g.Member(false) == nil {
		return
	}
	if tell {
		source, target := g.Member(!l.dials), g.Member(l.dials)
		l.send(&hadrwire.Modes{Source: wireMember(source), Target: wireMember(target), Required: uint8(g.Options.RequiredSync)})
	}
	synchronous, required := modesOf(g)
	l.core.SetSessionTimeout(g.SessionTimeout())
	l.core.SetRequired(required)
	l.step(agcore.Event{Kind: agcore.ModeSet, On: synchronous})
	if !l.core.Copy() {
		l.progress() // where nothing is committed no other word comes
	}
}

// takeModes takes over how the other side has configured the members; in the loop.
func (l *link) takeModes(m *hadrwire.Modes) {
	err := l.m.edit(context.WithoutCancel(l.group.Context()), l.name, func(g *agcore.Group) {
		for local, w := range map[bool]*hadrwire.Member{!l.dials: &m.Source, l.dials: &m.Target} {
			if r := g.Member(local); r != nil && r.ID == agcore.ID(w.ID) {
				r.Mode, r.Seeding, r.SessionTimeout, r.Modified = agcore.AvailabilityMode(w.Mode), agcore.SeedingMode(w.Seeding), int(w.SessionTimeout), l.m.now()
			}
		}
		g.Options.RequiredSync = int(m.Required)
		g.Sequence++
	})
	if err != nil {
		l.m.opts.Log.Error("the other side's configuration cannot be stored", "link", l.name, "error", err)
		return
	}
	l.useModes(false)
}
