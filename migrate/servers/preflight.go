package servers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Role is what a server is in a migration.
type Role uint8

// The roles.
const (
	Source Role = iota
	Destination
)

// Finding is something that stands in the way, or should be known.
type Finding struct {
	// ID names the kind, Database the database ("" for the server). Text is cause and evidence, Fix the next step.
	ID, Database, Text, Fix string
	// Blocks: it has to be mended before the migration begins. The others are warnings.
	Blocks bool
}

// Pair is a database and its name on the destination.
type Pair struct{ Source, Target string }

// Preflight looks for what stands in the way on one server, in one pass for all databases: on the source named as there,
// on the destination by the names they will have. A server that cannot be logged in to is a finding.
func (s *Server) Preflight(ctx context.Context, databases []string, role Role) ([]Finding, error) {
	pairs := make([]Pair, len(databases))
	for i, n := range databases {
		pairs[i] = Pair{n, n}
	}
	if role == Destination {
		return Check(ctx, nil, s, pairs)
	}
	return Check(ctx, s, nil, pairs)
}

// Check is Preflight of both servers together with what only both can tell: versions, collations, certificates of
// encrypted databases. Either may be nil. Findings are sorted: those of the servers first, then in the order of pairs.
func Check(ctx context.Context, src, dst *Server, pairs []Pair) ([]Finding, error) {
	var c check
	var asking sync.WaitGroup
	sides := []*side{{server: src}, {server: dst}}
	for _, x := range sides {
		if x.server != nil {
			asking.Go(func() { x.ask(ctx) })
		}
	}
	asking.Wait()
	for _, x := range sides {
		if x.err != nil {
			return nil, x.err
		}
		c.found = append(c.found, x.found...)
	}
	c.src, c.dst = sides[0].facts, sides[1].facts
	c.servers()
	for _, p := range pairs {
		c.pair(p)
	}
	return c.found, nil
}

// side is one server while it is asked.
type side struct {
	server *Server
	facts  *facts
	found  []Finding
	err    error
}

func (x *side) ask(ctx context.Context) {
	s := x.server
	if t := s.o.Target; t.TrustServerCertificate {
		x.found = append(x.found, Finding{ID: "trust-server-certificate", Text: s.Name() + " is connected to without checking its certificate: " + trusting,
			Fix: "do not rely on it in production, or on servers that are connected to the internet: install a trusted certificate, or name its authority"})
	}
	f, err := s.ask(ctx)
	if err != nil {
		if found, ok := s.connectFinding(err); ok && ctx.Err() == nil {
			x.found = append(x.found, found)
			return
		}
		x.err = s.trouble(ctx, "look at the server", err)
		return
	}
	if !f.sysadmin {
		x.found = append(x.found, Finding{ID: "not-sysadmin", Blocks: true, Text: fmt.Sprintf("the login %s is not a member of the server role sysadmin on %s", f.login, s.Name()),
			Fix: "ALTER SERVER ROLE sysadmin ADD MEMBER …, or use another login"})
	}
	x.facts = f
}

// check collects findings. src or dst is nil when that server was not asked, or did not answer.
type check struct {
	src, dst *facts
	found    []Finding
}

func (c *check) add(id, database, fix string, blocks bool, format string, args ...any) {
	c.found = append(c.found, Finding{ID: id, Database: database, Text: fmt.Sprintf(format, args...), Fix: fix, Blocks: blocks})
}

// Versions, as the first number of ProductVersion: the oldest whose backups a managed instance takes, and 2022's.
const (
	oldest      = 10
	version2022 = 16
)

// servers compares the two servers.
func (c *check) servers() {
	if s := c.src; s != nil {
		switch {
		case s.managed():
			c.add("source-is-managed", "", "name a SQL Server as the source", true, "%s is a managed instance: it takes its own backups, which cannot be had", s.name)
		case s.major < oldest:
			c.add("version-too-old", "", "upgrade it to SQL Server 2008 or later, or move by way of such a server", true,
				"%s is version %s; backups of SQL Server 2008 (10.0) and later can be restored", s.name, s.version)
		}
	}
	if c.src == nil || c.dst == nil {
		return
	}
	s, d := c.src, c.dst
	switch {
	case !d.managed() && s.major > d.major:
		c.add("version-too-new", "", "upgrade the target, or take a newer one", true, "the source %s has version %s, the target %s version %s: a backup is not restored on an older version (3169)",
			s.name, s.version, d.name, d.version)
	case d.managed() && s.major > version2022 && !d.continuous:
		c.add("version-too-new", "", "change the instance's update policy to SQL Server 2025 or always up to date", false,
			"the source %s has version %s: a managed instance with the update policy SQL Server 2022 does not restore its backups", s.name, s.version)
	}
	if !strings.EqualFold(s.collation, d.collation) {
		c.add("collation-differs", "", "expect differences in temporary tables and in names of logins; a managed instance gets its collation when it is created", false,
			"the source's collation is %s, the target's %s", s.collation, d.collation)
	}
}

// pair looks at one database.
func (c *check) pair(p Pair) {
	if c.dst != nil {
		if d := c.dst.find(p.Target); d != nil {
			c.add("name-taken", p.Source, "choose another name for it (targetName), or drop that one", true, "%s is there on the target %s already (%s)", d.Name, c.dst.name, d.State)
		}
	}
	if c.src == nil {
		return
	}
	d := c.src.find(p.Source)
	if d == nil {
		c.add("database-missing", p.Source, "correct the name: "+c.src.near(p.Source), true, "%s is not on the source %s", p.Source, c.src.name)
		return
	}
	for _, r := range rules {
		if !r.when(c, d) {
			continue
		}
		c.add(r.id, p.Source, r.fix, r.blocks, "%s %s", p.Source, r.text(c, d))
		if r.last {
			return
		}
	}
}

// near lists what there is, for a name that was misspelt.
func (f *facts) near(name string) string {
	var names []string
	for _, d := range f.databases {
		if !d.System {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return "there are no user databases"
	}
	const most = 10
	score := func(n string) int {
		n, name := strings.ToLower(n), strings.ToLower(name)
		same := 0
		for same < min(len(n), len(name)) && n[same] == name[same] {
			same++
		}
		return -same
	}
	slices.SortStableFunc(names, func(a, b string) int { return score(a) - score(b) })
	if len(names) > most {
		return "there are " + strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return "there are " + strings.Join(names, ", ")
}
