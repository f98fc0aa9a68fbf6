package hadr

import (
	"cmp"
	"context"
	"slices"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
)

// Links lists the links by name, on either side.
func (m *Manager) Links() []LinkStatus {
	m.mu.RLock()
	var links []*link
	for _, l := range m.links {
		links = append(links, l)
	}
	m.mu.RUnlock()
	slices.SortFunc(links, func(a, b *link) int { return cmp.Compare(fold(a.name), fold(b.name)) })
	out := make([]LinkStatus, 0, len(links))
	for _, l := range links {
		out = append(out, l.status())
	}
	return out
}

// Link describes one link; false when there is none of that name.
func (m *Manager) Link(name string) (LinkStatus, bool) {
	l := m.link(name)
	if l == nil {
		return LinkStatus{}, false
	}
	return l.status(), true
}

// LossMessage tells what the last forced failover left out, 58014, or what of it was taken back and kept, 58015 or 58018; nil when
// there was none.
func (s *LinkStatus) LossMessage() *sqlerr.Error {
	switch x := s.Loss; {
	case x == nil:
		return nil
	case x.Measured:
		file := x.File
		if file == "" {
			file = "no file"
		}
		if !x.Beside.IsZero() {
			return sqlerr.New(58018, s.Spec.Database, s.Spec.Name, x.Fork, x.Tail, x.Beside, x.Rows, x.Tables, file)
		}
		return sqlerr.New(58015, s.Spec.Database, s.Spec.Name, x.Fork, x.Tail, x.Rows, x.Tables, file)
	default:
		return sqlerr.New(58014, s.Spec.Name, s.Spec.Database, x.Epoch, x.End, x.Peer)
	}
}

func (l *link) status() LinkStatus {
	s := l.snap.Load()
	st := LinkStatus{Spec: l.spec, Phase: s.phase, Role: s.role, Connected: s.connected, Sync: s.sync, LastError: s.fault, LastErrorAt: s.faultAt,
		Standing: s.standing, FailoverPhase: s.work.String(), Split: s.split, Pause: time.Duration(l.pause.Load()), Loss: s.state.Loss,
		Failovers: l.failovers.Load(), Digests: l.digests.Load()}
	if st.Role == agcore.Resolving { // there is no database yet
		st.Role = map[bool]agcore.Role{false: agcore.Primary, true: agcore.Secondary}[l.dials]
	}
	if s.state.Suspended && s.state.Reseed {
		st.Divergence = s.state.Text
	}
	if s.state.Suspended {
		st.Reason = s.state.Reason.String()
		if s.state.Text != "" {
			st.Reason += ": " + s.state.Text
		}
	}
	if b := s.state.Broken; b != nil {
		st.LastError, st.Reason = *b, b.Text
	}
	if g := l.m.group(l.name); g != nil {
		st.LinkID, st.Created = g.ID, g.Created
		source, target := g.Member(!l.dials), g.Member(l.dials)
		st.SourceReplicaID, st.TargetReplicaID, st.Mode = source.ID, target.ID, target.Mode
	}
	st.Health = agcore.HealthOf(st.Sync, st.Mode)
	if seed, ok := l.seed.Stats(); ok {
		st.SeededBytes, st.SeedBytes = seed.Bytes, seed.Total
	}
	if db, release, err := l.open(context.Background()); err == nil {
		st.Hardened, st.Published = db.Hardened(), db.Published()
		release()
	}
	return st
}
