package agcore

import (
	"slices"
	"strings"
	"time"
)

// Config is every availability group an instance knows, local and distributed. It is changed by its methods only, one at
// a time, and each says which groups to store. It is not safe for concurrent use.
type Config struct {
	Groups []*Group
}

// Group is one availability group, as stored.
type Group struct {
	ID   ID
	Name string
	// Distributed tells a group of groups from a group of databases.
	Distributed bool
	// Role is ours: for a distributed group that of our member in it.
	Role    Role
	Options GroupOptions
	// Replicas are the servers of a group, or the two groups of a distributed one.
	Replicas []*Replica
	// Databases belong to the group; those of a distributed group are its local member's.
	Databases []Database
	// CreateAnyDatabase is granted to a group that may make databases by automatic seeding.
	CreateAnyDatabase bool
	// Sequence counts the changes.
	Sequence int64
	Created  time.Time
	// Link is the life of a distributed group; nil for others.
	Link *LinkState `json:",omitempty"`
}

// GroupOptions are the options after WITH.
type GroupOptions struct {
	BackupPreference   BackupPreference
	FailureLevel       int
	HealthCheckTimeout int64 // milliseconds
	DBFailover         bool
	DTCPerDB           bool
	Basic              bool
	Contained          bool
	RequiredSync       int
	ClusterType        ClusterType
}

// Replica is one replica of a group, or one member of a distributed group.
type Replica struct {
	ID ID
	// Name is the server's name, or the member group's.
	Name string
	// URL is ENDPOINT_URL or LISTENER_URL as written.
	URL      string
	Mode     AvailabilityMode
	Failover FailoverMode
	Seeding  SeedingMode
	// SessionTimeout is in seconds.
	SessionTimeout                int
	BackupPriority                int
	SecondaryAccess               SecondaryAccess
	PrimaryAccess                 PrimaryAccess
	ReadOnlyRouting, WriteRouting string
	Local                         bool
	Created, Modified             time.Time
}

// Database is a database in a group.
type Database struct {
	ID   ID // group_database_id, the same on both sides of a link
	Name string
}

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// Group returns the group of that name, or nil. Names compare without case.
func (c *Config) Group(name string) *Group {
	if i := slices.IndexFunc(c.Groups, func(g *Group) bool { return sameName(g.Name, name) }); i >= 0 {
		return c.Groups[i]
	}
	return nil
}

// GroupOf returns the local group that holds the database, or nil.
func (c *Config) GroupOf(database string) *Group {
	for _, g := range c.Groups {
		if !g.Distributed && g.Database(database) != nil {
			return g
		}
	}
	return nil
}

// Links returns the distributed groups that stand on the local group.
func (c *Config) Links(group string) []*Group {
	var out []*Group
	for _, g := range c.Groups {
		if m := g.Member(true); g.Distributed && m != nil && sameName(m.Name, group) {
			out = append(out, g)
		}
	}
	return out
}

// Database returns the group's database of that name, or nil.
func (g *Group) Database(name string) *Database {
	if i := slices.IndexFunc(g.Databases, func(d Database) bool { return sameName(d.Name, name) }); i >= 0 {
		return &g.Databases[i]
	}
	return nil
}

// Replica returns the replica of that name, or nil.
func (g *Group) Replica(name string) *Replica {
	if i := slices.IndexFunc(g.Replicas, func(r *Replica) bool { return sameName(r.Name, name) }); i >= 0 {
		return g.Replicas[i]
	}
	return nil
}

// Member returns the local or the remote replica (of a distributed group: member), or nil.
func (g *Group) Member(local bool) *Replica {
	if i := slices.IndexFunc(g.Replicas, func(r *Replica) bool { return r.Local == local }); i >= 0 {
		return g.Replicas[i]
	}
	return nil
}

// RemoteURL is the parsed LISTENER_URL of a distributed group's remote member.
func (g *Group) RemoteURL() URL {
	if m := g.Member(false); m != nil {
		u, _ := ParseURL(m.URL)
		return u
	}
	return URL{}
}

// IsLink reports whether g is a link to or from a managed instance: a distributed group one of whose URLs names a
// server.
func (g *Group) IsLink() bool {
	return g.Distributed && slices.ContainsFunc(g.Replicas, func(r *Replica) bool {
		u, _ := ParseURL(r.URL)
		return u.Server != ""
	})
}

// SessionTimeout is the link's: its local member's, as the side that listens configured it.
func (g *Group) SessionTimeout() time.Duration {
	if m := g.Member(true); m != nil && m.SessionTimeout > 0 {
		return time.Duration(m.SessionTimeout) * time.Second
	}
	return defaultSessionTimeout * time.Second
}
