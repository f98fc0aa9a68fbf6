package hadr

import (
	"context"
	"slices"

	"linkspan/hadr/agcore"
	"linkspan/sqlerr"
)

// CreateGroup is CREATE AVAILABILITY GROUP … REPLICA ON. The messages are for the user, whether it fails or not.
func (m *Manager) CreateGroup(ctx context.Context, s agcore.GroupSpec) ([]*sqlerr.Error, error) {
	m.write.Lock()
	defer m.write.Unlock()
	g, err := m.create(ctx, func(c *agcore.Config) (*agcore.Group, error) { return c.Create(s, m.now(), m.env()) })
	if err != nil {
		// An error about a database is followed by the one about the group.
		if n := sqlerr.Number(err); slices.Contains([]int32{1465, 1466, 1467, 1469, 1475, 35238, 35244, 35249}, n) {
			return []*sqlerr.Error{sqlerr.New(41152, s.Name, n)}, err
		}
		return nil, err
	}
	m.opts.Log.Info("availability group created", "group", g.Name)
	return nil, nil
}

// CreateDistributed is CREATE AVAILABILITY GROUP … WITH (DISTRIBUTED).
func (m *Manager) CreateDistributed(ctx context.Context, s agcore.DistributedSpec) ([]*sqlerr.Error, error) {
	m.write.Lock()
	defer m.write.Unlock()
	g, err := m.create(ctx, func(c *agcore.Config) (*agcore.Group, error) { return c.CreateDistributed(s, m.now(), m.env()) })
	if err != nil {
		return nil, err
	}
	m.opts.Log.Info("distributed availability group created", "group", g.Name)
	m.startLink(g)
	return nil, nil
}

// create changes a copy of the configuration, stores the new group, and takes the copy over; the caller holds write.
func (m *Manager) create(ctx context.Context, f func(*agcore.Config) (*agcore.Group, error)) (*agcore.Group, error) {
	next := agcore.Config{Groups: m.groups()}
	g, err := f(&next)
	if err != nil {
		return nil, err
	}
	if err := m.store(ctx, g); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.config.Put(g)
	m.mu.Unlock()
	return g, nil
}

// AlterGroup is ALTER AVAILABILITY GROUP.
func (m *Manager) AlterGroup(ctx context.Context, c agcore.Change) error {
	changed, err := m.alter(ctx, c)
	for _, g := range changed {
		if l := m.link(g.Name); l != nil {
			l.call(func() { l.useModes(true) })
		}
	}
	return err
}

// alter changes and stores the groups that it returns.
func (m *Manager) alter(ctx context.Context, c agcore.Change) ([]*agcore.Group, error) {
	m.write.Lock()
	defer m.write.Unlock()
	next := agcore.Config{Groups: m.groups()}
	changed, err := next.Alter(c, m.now(), m.env())
	if err != nil {
		return nil, err
	}
	for _, g := range changed {
		if err := m.store(ctx, g); err != nil {
			return nil, err
		}
		m.mu.Lock()
		m.config.Put(g)
		m.mu.Unlock()
	}
	return changed, nil
}

// DropGroup is DROP AVAILABILITY GROUP, of either kind. A link is dropped on each side by itself: a whole copy becomes an
// ordinary database, online and read-write, and a primary that took no writers for the link's sake takes them again. Error:
// 15151.
func (m *Manager) DropGroup(ctx context.Context, name string) error {
	if g := m.group(name); g != nil && g.Distributed {
		return m.DropLink(ctx, name)
	}
	m.write.Lock()
	defer m.write.Unlock()
	next := agcore.Config{Groups: m.groups()}
	g, err := next.Drop(name)
	if err == nil {
		err = m.remove(ctx, g)
	}
	if err == nil {
		m.opts.Log.Info("availability group dropped", "group", g.Name)
	}
	return err
}

// Member tells whether a database is in a group, and its ids for sys.databases (replica_id, group_database_id).
func (m *Manager) Member(database string) (group string, replica, groupDatabase agcore.ID, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	g := m.config.GroupOf(database)
	if g == nil {
		return "", agcore.ID{}, agcore.ID{}, false
	}
	if r := g.Member(true); r != nil {
		replica = r.ID
	}
	return g.Name, replica, g.Database(database).ID, true
}

// Suspend is ALTER DATABASE … SET HADR SUSPEND, Resume … RESUME. Error: 35242 the database is in no group.
func (m *Manager) Suspend(ctx context.Context, database string) error {
	return m.halt(database, func(l *link) agcore.Event {
		return agcore.Event{Kind: agcore.Suspend, Reason: agcore.SuspendUser, Fault: suspendFault(database, agcore.SuspendUser, "")}
	})
}

// Resume reverses Suspend, and lets a copy that was suspended by a fault try again.
func (m *Manager) Resume(ctx context.Context, database string) error {
	return m.halt(database, func(l *link) agcore.Event {
		return agcore.Event{Kind: agcore.Resume, Fault: faultOf(sqlerr.New(35265, database))}
	})
}

func (m *Manager) halt(database string, event func(*link) agcore.Event) error {
	m.mu.RLock()
	in := m.config.GroupOf(database) != nil
	var links []*link
	for _, l := range m.links {
		if fold(l.database) == fold(database) {
			links = append(links, l)
		}
	}
	m.mu.RUnlock()
	if !in {
		return sqlerr.New(35242, database)
	}
	for _, l := range links {
		l.call(func() { l.step(event(l)) })
	}
	return nil
}

// suspendFault is message 35264 with the reason in words.
func suspendFault(database string, reason agcore.SuspendReason, text string) agcore.Fault {
	why := map[agcore.SuspendReason]string{agcore.SuspendUser: "user", agcore.SuspendPartner: "system"}[reason]
	if why == "" {
		why = "system"
	}
	if text != "" {
		why += ": " + text
	}
	return agcore.Fault{Number: 35264, Text: sqlerr.New(35264, database, why, int(reason), reason.String()).Message}
}

func faultOf(e *sqlerr.Error) agcore.Fault { return agcore.Fault{Number: e.Number, Text: e.Message} }

// errorOf is the error of a fault, with the catalogue's severity.
func errorOf(f agcore.Fault) *sqlerr.Error {
	e := sqlerr.New(f.Number)
	return sqlerr.Raise(f.Number, e.Severity, e.State, f.Text)
}
