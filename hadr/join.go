package hadr

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
	"linkspan/sqlerr"
)

// JoinLink makes this managed instance join a link, and returns when the source has accepted it and the database is
// registered as restoring; the seeding goes on in the background. Refused, nothing is left behind. Joining a link that is
// there already with the same parts does nothing. Errors: 1801 database name taken, 41106 a group of that name, 19499 bad
// URL, 41973, 41974, 41976, 41977, 41986, 35203.
func (m *Manager) JoinLink(ctx context.Context, s LinkSpec) error {
	l, err := m.beginJoin(s)
	if err != nil || l == nil {
		return err
	}
	select {
	case err := <-l.joined:
		if err != nil {
			l.stop()
		}
		return err
	case <-ctx.Done():
	}
	// Nobody waits any more; a join that has not come about is taken back.
	select {
	case err := <-l.joined:
		if err != nil {
			l.stop()
		}
		return err
	default:
		if !l.snap.Load().state.Joined {
			l.drop()
			m.forget(l)
			return fmt.Errorf("join link %q: %w", s.Name, context.Cause(ctx))
		}
		return nil
	}
}

// beginJoin checks what can be checked here and starts the link; nil when it is there already.
func (m *Manager) beginJoin(s LinkSpec) (*link, error) {
	switch u, ok := agcore.ParseURL(s.SourceEndpoint); {
	case !m.opts.Managed:
		return nil, sqlerr.New(41190, s.Name, "JOIN", "on a SQL Server: a link is joined by the managed instance")
	case !ok || u.Server != "" || u.Database != "":
		return nil, sqlerr.New(19499, s.SourceEndpoint)
	case s.Name == "" || s.Database == "" || s.PartnerGroup == "" || s.OwnGroup == "":
		return nil, sqlerr.New(41976, s.PartnerGroup, s.SourceEndpoint)
	}
	_, taken := m.opts.Databases.Facts(s.Database)
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.links[fold(s.Name)]; l != nil {
		if l.dials && sameLink(l.spec, s) {
			return nil, nil
		}
		return nil, sqlerr.New(41106, s.Name)
	}
	if g := m.config.Group(s.Name); g != nil {
		return nil, sqlerr.New(41106, s.Name)
	}
	if g := m.config.Group(s.OwnGroup); g != nil && g.Distributed || fold(s.OwnGroup) == fold(s.Name) {
		return nil, sqlerr.New(41106, s.OwnGroup)
	}
	if taken {
		return nil, sqlerr.New(1801, s.Database)
	}
	for _, l := range m.links {
		if fold(l.database) == fold(s.Database) {
			return nil, sqlerr.New(1801, s.Database)
		}
	}
	if !m.started || m.closed {
		return nil, errors.New("the replica manager does not run")
	}
	l := m.newLink(s.Name, s.Database, true, agcore.LinkState{})
	l.spec = s
	m.links[fold(s.Name)] = l
	l.run()
	return l, nil
}

func sameLink(a, b LinkSpec) bool {
	return fold(a.Database) == fold(b.Database) && fold(a.SourceEndpoint) == fold(b.SourceEndpoint) && fold(a.PartnerGroup) == fold(b.PartnerGroup) && fold(a.OwnGroup) == fold(b.OwnGroup)
}

// install takes the source's configuration over into ours: the link and, as its local member, our group. The machine
// stores its own state right after.
func (m *Manager) install(l *link, c *hadrwire.Config) error {
	m.write.Lock()
	defer m.write.Unlock()
	ctx, now := context.Background(), m.now()
	state := l.core.State()
	db := agcore.Database{ID: c.DatabaseID, Name: l.database}
	own := m.group(l.spec.OwnGroup)
	if own == nil {
		own = &agcore.Group{ID: m.newID(), Name: l.spec.OwnGroup, Role: agcore.Primary, CreateAnyDatabase: true, Created: now,
			Options: agcore.GroupOptions{BackupPreference: agcore.BackupSecondary, FailureLevel: 3, HealthCheckTimeout: 30_000, ClusterType: agcore.ClusterNone},
			Replicas: []*agcore.Replica{{ID: m.newID(), Name: m.opts.ServerName, URL: c.Target.URL, Mode: agcore.Synchronous, Failover: agcore.FailoverManual,
				SessionTimeout: 10, BackupPriority: 50, PrimaryAccess: agcore.PrimaryAll, SecondaryAccess: agcore.SecondaryAll, Local: true, Created: now, Modified: now}}}
	} else {
		own = own.Clone()
	}
	own.Sequence++
	own.Databases = append(slices.DeleteFunc(own.Databases, func(d agcore.Database) bool { return fold(d.Name) == fold(db.Name) }), db)
	g := m.group(l.name)
	if g == nil {
		g = &agcore.Group{Name: l.name, Distributed: true, Role: agcore.Secondary, Created: now}
	} else {
		g = g.Clone()
	}
	g.ID, g.Databases, g.Sequence = c.LinkID, []agcore.Database{db}, g.Sequence+1
	g.Replicas = []*agcore.Replica{member(&c.Source, false), member(&c.Target, true)}
	for _, r := range g.Replicas {
		r.Created, r.Modified = g.Created, now
	}
	g.Link = &state
	for _, g := range []*agcore.Group{own, g} {
		if err := m.store(ctx, g); err != nil {
			return err
		}
		m.mu.Lock()
		m.config.Put(g)
		m.mu.Unlock()
	}
	l.core.SetSessionTimeout(g.SessionTimeout())
	return nil
}

func member(w *hadrwire.Member, local bool) *agcore.Replica {
	return &agcore.Replica{ID: w.ID, Name: w.Name, URL: w.URL, Mode: agcore.AvailabilityMode(w.Mode), Failover: agcore.FailoverManual,
		Seeding: agcore.SeedingMode(w.Seeding), SessionTimeout: int(w.SessionTimeout), BackupPriority: 50, PrimaryAccess: agcore.PrimaryAll,
		SecondaryAccess: agcore.SecondaryAll, Local: local}
}

// forget removes what a link left in the configuration; not its copy.
func (m *Manager) forget(l *link) {
	m.mu.Lock()
	if m.links[fold(l.name)] == l {
		delete(m.links, fold(l.name))
	}
	m.mu.Unlock()
	m.write.Lock()
	defer m.write.Unlock()
	if g := m.group(l.name); g != nil && g.Distributed && sideOf(g) == agcore.Side2 {
		if err := m.forgetGroups(context.Background(), g); err != nil {
			m.opts.Log.Error("a link that is gone cannot be forgotten", "link", l.name, "error", err)
		}
	}
}

// forgetGroups removes a link's groups. On side 1 the local group stays, which the link was put on; on side 2 it came with
// the link, and stays while other links use it. The caller holds write.
func (m *Manager) forgetGroups(ctx context.Context, g *agcore.Group) error {
	if own := m.group(g.Member(true).Name); own != nil && m.opts.Managed && sideOf(g) == agcore.Side2 {
		own = own.Clone()
		own.Databases = slices.DeleteFunc(own.Databases, func(d agcore.Database) bool { return g.Database(d.Name) != nil })
		if len(own.Databases) == 0 {
			if err := m.remove(ctx, own); err != nil {
				return err
			}
		} else {
			if err := m.store(ctx, own); err != nil {
				return err
			}
			m.mu.Lock()
			m.config.Put(own)
			m.mu.Unlock()
		}
	}
	m.hold(g, lsn.Max)
	return m.remove(ctx, g)
}

// DropLink ends a link on this side. A whole copy becomes an ordinary database, ONLINE and read-write; one that is still
// being seeded is discarded; a primary stays one, and writers that waited for the link are let in. Error: 15151.
func (m *Manager) DropLink(ctx context.Context, name string) error {
	g := m.group(name)
	l := m.link(name)
	if l != nil && l.dials && g == nil { // not joined yet
		l.drop()
		m.forget(l)
		return nil
	}
	if g == nil || !g.Distributed {
		return sqlerr.New(15151, "drop", "availability group", name)
	}
	if err := m.edit(ctx, g.Name, func(g *agcore.Group) {
		if g.Link == nil {
			g.Link = new(agcore.LinkState)
		}
		g.Link.Dropping = true
	}); err != nil {
		return err
	}
	if l != nil {
		l.drop()
	}
	m.write.Lock()
	defer m.write.Unlock()
	if g = m.group(name); g == nil {
		return nil // somebody else dropped it meanwhile
	}
	return m.finishDrop(ctx, g)
}

// finishDrop makes the database independent, or discards a copy that is not whole, and forgets the link; it may be done
// again after a crash at any point. The caller holds write, and the link does not run.
func (m *Manager) finishDrop(ctx context.Context, g *agcore.Group) error {
	for _, d := range g.Databases {
		if err := m.liberate(ctx, g.Name, d.Name); err != nil {
			return fmt.Errorf("make database %q independent: %w", d.Name, err)
		}
	}
	return m.forgetGroups(ctx, g)
}

func (m *Manager) liberate(ctx context.Context, link, database string) error {
	dbs := m.opts.Databases
	if _, there := dbs.Facts(database); !there {
		return nil
	}
	if _, err := dbs.RestoringOptions(ctx, database); err == nil {
		return dbs.Discard(ctx, database)
	}
	db, release, err := dbs.Open(ctx, database)
	if err != nil && !m.opts.Managed {
		m.opts.Log.Warn("a database that cannot be opened leaves its link", "database", database, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if release != nil {
		defer release()
	}
	if db.IsReplica() {
		dbs.Opening(database)
		if err := db.Promote(ctx, db.Epoch()+1); err != nil {
			return fmt.Errorf("promote: %w", err)
		}
	}
	if db.IsFenced() { // else a transaction may be open, and would be waited for
		m.errorLog(sqlerr.New(58019, database, link))
		if err := db.CheckFence(ctx); err != nil {
			return err
		}
	}
	return dbs.Release(ctx, database)
}
