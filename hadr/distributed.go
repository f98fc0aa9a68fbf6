package hadr

import (
	"context"

	"linkspan/hadr/agcore"
	"linkspan/hadr/endpoint"
	"linkspan/hadr/hadrwire"
	"linkspan/sqlerr"
)

// JoinDistributed is ALTER AVAILABILITY GROUP … JOIN AVAILABILITY GROUP ON, on the primary of the second group of a
// distributed group of two SQL Servers: this side dials, learns the database, and its copy is seeded. It returns at once;
// what keeps the connection from coming about shows in the views. The message 19506 is for the user: without GRANT CREATE
// ANY DATABASE nothing is seeded. Errors: those of agcore's JoinDistributed.
func (m *Manager) JoinDistributed(ctx context.Context, s agcore.DistributedSpec) ([]*sqlerr.Error, error) {
	m.write.Lock()
	defer m.write.Unlock()
	g, err := m.create(ctx, func(c *agcore.Config) (*agcore.Group, error) { return c.JoinDistributed(s, m.now(), m.env()) })
	if err != nil {
		return nil, err
	}
	m.opts.Log.Info("distributed availability group joined", "group", g.Name)
	m.startLink(g)
	if err := m.mayCreate(g.Member(true).Name); err != nil {
		return []*sqlerr.Error{err}, nil
	}
	return nil, nil
}

// mayCreate is 19506 for a local group that was not granted to make databases.
func (m *Manager) mayCreate(group string) *sqlerr.Error {
	if own := m.group(group); own != nil && !own.CreateAnyDatabase {
		return sqlerr.New(19506, own.Name)
	}
	return nil
}

// learn takes the name of the database from the first configuration, on a second group that came without one, and has the
// link begin anew with it; in the loop.
func (l *link) learn(c *hadrwire.Config) {
	err := l.m.edit(l.group.Context(), l.name, func(g *agcore.Group) {
		g.Databases = []agcore.Database{{ID: c.DatabaseID, Name: c.Database}}
	})
	if err != nil {
		l.step(agcore.Event{Kind: agcore.Refused, Fault: faultOf(sqlerr.From(err))})
		return
	}
	l.disconnect(nil)
	l.m.watching.Go(func(context.Context) { l.m.restart(l) })
}

// restart replaces a link by one made of what is stored.
func (m *Manager) restart(l *link) {
	l.stop()
	m.mu.Lock()
	if m.links[fold(l.name)] != l {
		m.mu.Unlock()
		return // dropped meanwhile
	}
	delete(m.links, fold(l.name))
	m.mu.Unlock()
	m.write.Lock()
	defer m.write.Unlock()
	if g := m.group(l.name); g != nil {
		m.startLink(g)
	}
}

// CheckPartners looks at the live connections again: what a partner was permitted has changed.
func (m *Manager) CheckPartners() { m.ep.Recheck() }

// classic reports whether the link is a distributed group of two SQL Servers.
func (l *link) classic() bool {
	g := l.m.group(l.name)
	return g != nil && !g.IsLink()
}

// entitled reports whether a peer may have a distributed group of two SQL Servers: its certificate belongs to a user whose
// login may connect, and it is the one that the group is bound to, if any is. The first that connects is bound.
func (m *Manager) entitled(g *agcore.Group, p endpoint.Peer) bool {
	c := m.opts.Keeper.ByDER(p.Certificate.Raw)
	if g.IsLink() || c == nil || c.Owner == "" {
		return false
	}
	return g.Link == nil || len(g.Link.Bound) == 0
}

// connects holds an imported certificate to CONNECT on the endpoint: 28034.
func (m *Manager) connects(owner string) error {
	if login, ok := m.opts.Keeper.MayConnect(owner); !ok {
		return sqlerr.New(28034, login, 84)
	}
	return nil
}
