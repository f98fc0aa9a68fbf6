package hadr

import (
	"context"

	"linkspan/hadr/agcore"
	"linkspan/storage"
)

// Fenced is the storage option of the same name for a database: whether it takes no writers, because its last role record
// gives the role to the other side of its link, or because it was outlived. It asks nobody but what is in memory.
func (m *Manager) Fenced(database string, controls []storage.Control) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, g := range m.config.Groups {
		if !g.Distributed || g.Link == nil || g.Link.Dropping || g.Database(database) == nil {
			continue
		}
		last, _ := lastRole(controls, g.ID)
		if agcore.Closed(last, g.Link) {
			return true
		}
	}
	return false
}

// lastRole is the last role record of a link among a database's control records; its Kind is zero when there is none.
func lastRole(controls []storage.Control, link agcore.ID) (agcore.RoleRecord, storage.Control) {
	for _, c := range controls {
		if c.Kind != agcore.ControlRole {
			continue
		}
		if r, err := agcore.DecodeRole(c.Payload); err == nil && r.Link == link {
			return r, c
		}
	}
	return agcore.RoleRecord{}, storage.Control{}
}

// standing is how the database stands now. The log of a copy, and a role record, that are not durable yet are waited for,
// so that what is said stays true after a crash.
func (l *link) standing(ctx context.Context) *agcore.Standing {
	db, release, err := l.open(ctx)
	if err != nil {
		return &agcore.Standing{}
	}
	defer release()
	return l.standingOf(ctx, db)
}

func (l *link) standingOf(ctx context.Context, db *storage.DB) *agcore.Standing {
	state := l.snap.Load().state // the loop's own may be changing
	g := l.m.group(l.name)
	s := &agcore.Standing{Exists: true}
	var last agcore.RoleRecord
	var at storage.Control
	if g != nil {
		last, at = lastRole(db.Controls(), g.ID)
	}
	if l.dials && !state.Seeded && !db.IsReplica() && last.Kind == 0 {
		return &agcore.Standing{} // a database that merely has the name: it did not come over this link
	}
	wait := at.LSN
	if db.IsReplica() {
		wait = db.Appended()
	}
	if err := db.WaitDurable(ctx, wait); err != nil {
		l.m.opts.Log.Warn("the log of a database does not become durable", "link", l.name, "error", err)
	}
	s.Primary, s.Epoch, s.End = !db.IsReplica(), db.Epoch(), db.Hardened()
	if !s.End.Less(at.LSN) {
		s.Last, s.LastAt = last, at.LSN
	}
	s.Refused, s.Outdated, s.Suspended = state.Refused, state.Outdated, state.Suspended && state.Reason != agcore.SuspendPartner
	if g != nil {
		s.Synchronous, _ = modesOf(g)
	}
	return s
}

// side is the end of the link that this instance is.
func (l *link) side() agcore.Side {
	if l.dials {
		return agcore.Side2
	}
	return agcore.Side1
}

// sideOf is the end of the link that a group's instance is: side 2 knows where side 1 listens.
func sideOf(g *agcore.Group) agcore.Side {
	if g.Link != nil && g.Link.Endpoint != "" {
		return agcore.Side2
	}
	return agcore.Side1
}

// roleOf is our role in a distributed group as the database has it; what is stored follows it.
func (m *Manager) roleOf(g *agcore.Group) agcore.Role {
	if g.Distributed {
		if l := m.link(g.Name); l != nil {
			if r := l.snap.Load().role; r != agcore.Resolving {
				return r
			}
		}
	}
	return g.Role
}
