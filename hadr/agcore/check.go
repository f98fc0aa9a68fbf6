package agcore

import (
	"slices"
	"time"

	"linkspan/sqlerr"
)

// Create carries out CREATE AVAILABILITY GROUP … REPLICA ON: it checks in the order SQL Server does, and returns the new
// group, which becomes primary at once. Nothing is changed when it errs.

func (c *Config) Create(s GroupSpec, now time.Time, e Env) (*Group, error) {
	if err := c.checkNew(s.Name, e, 41106); err != nil {
		return nil, err
	}
	replicas, err := checkReplicas(s, now, e)
	if err != nil {
		return nil, err
	}
	o := GroupOptions{BackupPreference: BackupSecondary, FailureLevel: defaultFailureLevel, HealthCheckTimeout: defaultHealthTimeout}
	if err := o.apply(s.Name, s.OptionSpec, len(replicas)); err != nil {
		return nil, err
	}
	if err := checkCluster(s, o.ClusterType); err != nil {
		return nil, err
	}
	g := &Group{ID: e.NewID(), Name: s.Name, Role: Primary, Options: o, Replicas: replicas, Sequence: 1, Created: now}
	if err := c.addDatabases(g, s.Databases, e); err != nil {
		return nil, err
	}
	c.Groups = append(c.Groups, g)
	return g, nil
}

// checkNew checks whether a group of that name may be made here.
func (c *Config) checkNew(name string, e Env, exists int32) error {
	switch {
	case e.Managed:
		return sqlerr.New(41906, "CREATE AVAILABILITY GROUP")
	case e.Disabled:
		return sqlerr.New(35221)
	case name == "" || len([]rune(name)) > maxName:
		return sqlerr.New(19523, name)
	case c.Group(name) != nil:
		return sqlerr.New(exists, name)
	}
	return nil
}

func checkReplicas(s GroupSpec, now time.Time, e Env) ([]*Replica, error) {
	local := slices.IndexFunc(s.Replicas, func(r ReplicaSpec) bool { return sameName(r.Name, e.ServerName) })
	if local < 0 {
		return nil, sqlerr.New(35237, s.Name)
	}
	for i, r := range s.Replicas {
		if slices.ContainsFunc(s.Replicas[:i], func(o ReplicaSpec) bool { return sameName(o.Name, r.Name) }) {
			return nil, sqlerr.New(35235, r.Name)
		}
	}
	if n := len(s.Replicas); n > maxReplicas {
		return nil, sqlerr.New(35233, n, "", maxReplicas)
	}
	var out []*Replica
	for i, r := range s.Replicas {
		n := &Replica{ID: e.NewID(), Name: r.Name, Seeding: SeedingManual, SessionTimeout: defaultSessionTimeout,
			BackupPriority: defaultBackupPriority, PrimaryAccess: PrimaryAll, Local: i == local, Created: now, Modified: now}
		if r.EndpointURL == nil {
			return nil, sqlerr.New(35236, r.Name)
		}
		if err := n.apply("CREATE AVAILABILITY GROUP", r); err != nil {
			return nil, err
		}
		if r.Mode == nil {
			return nil, sqlerr.New(41198, r.Name)
		}
		if r.Failover == nil {
			return nil, sqlerr.New(41197, r.Name)
		}
		out = append(out, n)
	}
	return out, nil
}

// apply takes over what was given of a replica.
func (r *Replica) apply(verb string, s ReplicaSpec) error {
	if s.EndpointURL != nil {
		if u, ok := ParseURL(*s.EndpointURL); !ok || u.Server != "" || u.Database != "" {
			return sqlerr.New(35232, *s.EndpointURL)
		}
		r.URL = *s.EndpointURL
	}
	if s.SessionTimeout != nil && *s.SessionTimeout < minSessionTimeout {
		return sqlerr.New(35214, verb, r.Name, minSessionTimeout)
	}
	if s.BackupPriority != nil && (*s.BackupPriority < 0 || *s.BackupPriority > 100) {
		return sqlerr.New(35209, verb, r.Name, 0, 100)
	}
	set(&r.Mode, s.Mode)
	set(&r.Failover, s.Failover)
	set(&r.Seeding, s.Seeding)
	set(&r.SessionTimeout, s.SessionTimeout)
	set(&r.BackupPriority, s.BackupPriority)
	set(&r.SecondaryAccess, s.SecondaryAccess)
	set(&r.PrimaryAccess, s.PrimaryAccess)
	set(&r.ReadOnlyRouting, s.ReadOnlyRouting)
	set(&r.WriteRouting, s.WriteRouting)
	if r.Mode == Asynchronous && r.Failover == FailoverAutomatic && s.Failover != nil {
		return sqlerr.New(35211, verb, r.Name)
	}
	return nil
}

func set[T any](field *T, given *T) {
	if given != nil {
		*field = *given
	}
}

// apply takes over the options given for a group of that many replicas.
func (o *GroupOptions) apply(name string, s OptionSpec, replicas int) error {
	switch {
	case s.FailureLevel != nil && (*s.FailureLevel < 1 || *s.FailureLevel > 5):
		return sqlerr.New(35228, name, 1, 5)
	case s.HealthCheckTimeout != nil && (*s.HealthCheckTimeout < minHealthTimeout || *s.HealthCheckTimeout > 1<<32-1):
		return sqlerr.New(35229, name, minHealthTimeout)
	case s.RequiredSync != nil && (*s.RequiredSync < 0 || *s.RequiredSync > replicas-1):
		return sqlerr.New(35248, *s.RequiredSync, name, replicas-1)
	case s.Basic != nil && *s.Basic:
		return sqlerr.New(41199, "basic availability group")
	case s.Contained != nil && *s.Contained:
		return sqlerr.New(41199, "contained availability group")
	}
	set(&o.BackupPreference, s.BackupPreference)
	set(&o.FailureLevel, s.FailureLevel)
	set(&o.HealthCheckTimeout, s.HealthCheckTimeout)
	set(&o.DBFailover, s.DBFailover)
	set(&o.DTCPerDB, s.DTCPerDB)
	set(&o.RequiredSync, s.RequiredSync)
	set(&o.ClusterType, s.ClusterType)
	return nil
}

// checkCluster holds failover modes to the cluster type. There is no cluster manager here, so that of the types only NONE
// can be started.
func checkCluster(s GroupSpec, t ClusterType) error {
	for _, r := range s.Replicas {
		switch {
		case t == ClusterNone && *r.Failover != FailoverManual:
			return sqlerr.New(47101, s.Name)
		case t == ClusterExternal && *r.Failover != FailoverExternal:
			return sqlerr.New(47102, s.Name)
		}
	}
	switch t {
	case ClusterWSFC:
		return sqlerr.New(35220)
	case ClusterExternal:
		return sqlerr.New(47104, s.Name)
	default:
		return nil
	}
}

// addDatabases checks databases and puts them into the group; on an error the group is as before.
func (c *Config) addDatabases(g *Group, names []string, e Env) error {
	added := slices.Clone(g.Databases)
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(o string) bool { return sameName(o, name) }) {
			return sqlerr.New(35234, name)
		}
		f, err := c.checkDatabase(g, name, e)
		if err != nil {
			return err
		}
		added = append(added, Database{ID: e.NewID(), Name: f.Name})
	}
	for _, dag := range c.Links(g.Name) {
		if dag.IsLink() && len(added) > 1 && len(names) > 0 {
			return sqlerr.New(47503, added[len(added)-1].Name, g.Name, dag.Name)
		}
	}
	g.Databases = added
	return nil
}

func (c *Config) checkDatabase(g *Group, name string, e Env) (Facts, error) {
	f, ok := e.Database(name)
	if !ok {
		return f, sqlerr.New(35238, name, g.Name)
	}
	other := c.GroupOf(name)
	switch {
	case f.System:
		return f, sqlerr.New(35249, f.Name)
	case g.Database(name) != nil:
		return f, sqlerr.New(35280, f.Name, g.Name)
	case other != nil:
		return f, sqlerr.New(35244, f.Name, g.Name)
	case !f.Online:
		return f, sqlerr.New(1467, f.Name)
	case !f.FullRecovery:
		return f, sqlerr.New(1465, f.Name)
	case f.ReadOnly:
		return f, sqlerr.New(1466, f.Name)
	case f.AutoClose:
		return f, sqlerr.New(1469, f.Name)
	case !f.HasFullBackup:
		return f, sqlerr.New(1475, f.Name)
	}
	return f, nil
}

// CreateDistributed carries out CREATE AVAILABILITY GROUP … WITH (DISTRIBUTED).
func (c *Config) CreateDistributed(s DistributedSpec, now time.Time, e Env) (*Group, error) {
	if !s.Distributed {
		return nil, sqlerr.New(19498)
	}
	if s.OtherOptions {
		return nil, sqlerr.New(19497)
	}
	if err := c.checkNew(s.Name, e, 19509); err != nil {
		return nil, err
	}
	g := &Group{ID: e.NewID(), Name: s.Name, Distributed: true, Role: Primary, Sequence: 1, Created: now, Link: &LinkState{}}
	if err := c.addMembers(g, s, now, e); err != nil {
		return nil, err
	}
	local := c.Group(g.Member(true).Name)
	if err := c.checkStanding(g, local); err != nil {
		return nil, err
	}
	g.Databases = slices.Clone(local.Databases)
	c.Groups = append(c.Groups, g)
	return g, nil
}

func (c *Config) addMembers(g *Group, s DistributedSpec, now time.Time, e Env) error {
	for i, m := range s.Members {
		if slices.ContainsFunc(s.Members[:i], func(o MemberSpec) bool { return sameName(o.Name, m.Name) }) {
			return sqlerr.New(19502, m.Name)
		}
		if m.Mode == nil {
			return sqlerr.New(41198, m.Name)
		}
		if m.Failover == nil {
			return sqlerr.New(41197, m.Name)
		}
		r := &Replica{ID: e.NewID(), Name: m.Name, Seeding: SeedingManual, SessionTimeout: defaultSessionTimeout, BackupPriority: defaultBackupPriority,
			PrimaryAccess: PrimaryAll, SecondaryAccess: SecondaryAll, Created: now, Modified: now}
		if m.ListenerURL == nil {
			return sqlerr.New(19499, "")
		}
		if err := r.applyMember("CREATE AVAILABILITY GROUP", m); err != nil {
			return err
		}
		if l := c.Group(m.Name); l != nil && !l.Distributed && g.Member(true) == nil {
			r.Local = true
		}
		g.Replicas = append(g.Replicas, r)
	}
	if g.Member(true) == nil {
		return sqlerr.New(19501)
	}
	if len(g.Replicas) != 2 {
		return sqlerr.New(35233, len(g.Replicas), s.Name, 2)
	}
	return nil
}

// applyMember takes over what was given of a member.
func (r *Replica) applyMember(verb string, m MemberSpec) error {
	if m.Failover != nil && *m.Failover != FailoverManual {
		return sqlerr.New(35277, verb, r.Name)
	}
	if m.ListenerURL != nil {
		if _, ok := ParseURL(*m.ListenerURL); !ok {
			return sqlerr.New(19499, *m.ListenerURL)
		}
		r.URL = *m.ListenerURL
	}
	if m.SessionTimeout != nil && *m.SessionTimeout < minSessionTimeout {
		return sqlerr.New(35214, verb, r.Name, minSessionTimeout)
	}
	set(&r.Mode, m.Mode)
	set(&r.Failover, m.Failover)
	set(&r.Seeding, m.Seeding)
	set(&r.SessionTimeout, m.SessionTimeout)
	return nil
}

// checkStanding checks whether a distributed group may stand on the local group.
func (c *Config) checkStanding(g, local *Group) error {
	remote := g.Member(false)
	for _, dag := range c.Links(local.Name) {
		if sameName(dag.Member(false).Name, remote.Name) {
			return sqlerr.New(19507, local.Name)
		}
	}
	if !g.IsLink() {
		return nil
	}
	for _, r := range g.Replicas {
		switch {
		case r.Seeding == SeedingManual:
			return sqlerr.New(47500, g.Name)
		case r.Mode == Synchronous:
			return sqlerr.New(47501, g.Name)
		}
	}
	switch n := len(local.Databases); {
	case n > 1:
		return sqlerr.New(47502, g.Name, local.Name, n)
	case n == 0:
		return sqlerr.New(47519, g.Name, local.Name)
	}
	return nil
}
