package agcore

import (
	"slices"
	"time"

	"linkspan/sqlerr"
)

// Alter carries out ALTER AVAILABILITY GROUP and returns the groups to store, the altered one first.
func (c *Config) Alter(ch Change, now time.Time, e Env) ([]*Group, error) {
	g := c.Group(ch.Name)
	if g == nil {
		return nil, sqlerr.New(15151, "alter", "availability group", ch.Name)
	}
	if ch.Unsupported != "" {
		return nil, unsupported(g, ch.Unsupported)
	}
	if g.Role != Primary && ch.CreateAnyDatabase == nil && ch.ModifyMembers == nil { // members are modified on both sides
		return nil, sqlerr.New(41140, g.Name)
	}
	if (ch.ModifyMembers != nil || ch.Set.onlyRequired() && g.Distributed) != g.Distributed && ch.CreateAnyDatabase == nil {
		return nil, wrongKind(g)
	}
	changed := g.Clone()
	if err := c.change(changed, ch, now, e); err != nil {
		return nil, err
	}
	changed.Sequence++
	c.replace(changed)
	store := []*Group{changed}
	if ch.AddDatabases != nil || ch.RemoveDatabases != nil {
		for _, dag := range c.Links(g.Name) {
			d := dag.Clone()
			d.Databases = slices.Clone(changed.Databases)
			c.replace(d)
			store = append(store, d)
		}
	}
	return store, nil
}

// onlyRequired reports whether s is the one option that a distributed group has.
func (s *OptionSpec) onlyRequired() bool {
	if s == nil || s.RequiredSync == nil {
		return false
	}
	o := *s
	o.RequiredSync = nil
	return o == OptionSpec{}
}

func (c *Config) change(g *Group, ch Change, now time.Time, e Env) error {
	const verb = "ALTER AVAILABILITY GROUP"
	switch {
	case ch.CreateAnyDatabase != nil:
		g.CreateAnyDatabase = *ch.CreateAnyDatabase
	case ch.Set != nil:
		if ch.Set.ClusterType != nil && *ch.Set.ClusterType != g.Options.ClusterType {
			return sqlerr.New(47115, g.Name)
		}
		return g.Options.apply(g.Name, *ch.Set, len(g.Replicas))
	case ch.AddDatabases != nil:
		return c.addDatabases(g, ch.AddDatabases, e)
	case ch.RemoveDatabases != nil:
		return c.removeDatabases(g, ch.RemoveDatabases)
	case ch.ModifyReplicas != nil:
		for _, s := range ch.ModifyReplicas {
			r := g.Replica(s.Name)
			if r == nil {
				return sqlerr.New(35210, s.Name, g.Name)
			}
			if err := r.apply(verb, s); err != nil {
				return err
			}
			r.Modified = now
		}
	case ch.ModifyMembers != nil:
		for _, s := range ch.ModifyMembers {
			r := g.Replica(s.Name)
			if r == nil {
				return sqlerr.New(19508, s.Name, g.Name)
			}
			if s.Mode != nil && *s.Mode == Asynchronous && g.Options.RequiredSync > 0 {
				return sqlerr.New(19530, g.Name)
			}
			if err := r.applyMember(verb, s); err != nil {
				return err
			}
			r.Modified = now
		}
	}
	return nil
}

func (c *Config) removeDatabases(g *Group, names []string) error {
	for _, name := range names {
		if g.Database(name) == nil {
			return sqlerr.New(35281, name, g.Name)
		}
		for _, dag := range c.Links(g.Name) {
			if dag.IsLink() {
				return sqlerr.New(47520, name, g.Name, dag.Name)
			}
		}
		g.Databases = slices.DeleteFunc(g.Databases, func(d Database) bool { return sameName(d.Name, name) })
	}
	return nil
}

// unsupported is the answer to a form that is understood and not served, as the kind of group calls for.
func unsupported(g *Group, form string) error {
	switch {
	case form == "FAILOVER" && g.Distributed && !g.IsLink():
		return sqlerr.New(19504, g.Name)
	case form == "FAILOVER" && !g.Distributed && g.Options.ClusterType == ClusterNone:
		return sqlerr.New(47122, g.Name)
	case form == "ROLE" && !g.Distributed:
		return sqlerr.New(19512, g.Name)
	default:
		return sqlerr.New(41190, g.Name, "ALTER AVAILABILITY GROUP", form)
	}
}

func wrongKind(g *Group) error {
	if g.Distributed {
		return sqlerr.New(41190, g.Name, "ALTER AVAILABILITY GROUP", "MODIFY of a distributed availability group")
	}
	return sqlerr.New(19512, g.Name)
}

// Drop carries out DROP AVAILABILITY GROUP and returns the group that is gone. A group that carries a link is kept:
// drop the link first.
func (c *Config) Drop(name string) (*Group, error) {
	g := c.Group(name)
	if g == nil {
		return nil, sqlerr.New(15151, "drop", "availability group", name)
	}
	if links := c.Links(g.Name); !g.Distributed && len(links) > 0 {
		return nil, sqlerr.New(41190, g.Name, "DROP AVAILABILITY GROUP", "while the distributed availability group '"+links[0].Name+"' stands on it")
	}
	c.Groups = slices.DeleteFunc(slices.Clone(c.Groups), func(o *Group) bool { return o == g })
	return g, nil
}

// Put takes over a group as given, in place of one of the same name: what was loaded, or what a link brought.
func (c *Config) Put(g *Group) { c.replace(g) }

func (c *Config) replace(g *Group) {
	groups := slices.Clone(c.Groups)
	if i := slices.IndexFunc(groups, func(o *Group) bool { return sameName(o.Name, g.Name) }); i >= 0 {
		groups[i] = g
	} else {
		groups = append(groups, g)
	}
	c.Groups = groups
}

// Clone copies a group so that the old one stays as it was for those who read it.
func (g *Group) Clone() *Group {
	n := *g
	n.Databases = slices.Clone(g.Databases)
	n.Replicas = make([]*Replica, len(g.Replicas))
	for i, r := range g.Replicas {
		c := *r
		n.Replicas[i] = &c
	}
	if g.Link != nil {
		l := *g.Link
		l.Bound = slices.Clone(g.Link.Bound)
		n.Link = &l
	}
	return &n
}
