package parse

import (
	"linkspan/tsql/ast"
)

// group reads CREATE AVAILABILITY GROUP and ALTER AVAILABILITY GROUP; the three words are read.
func (p *parser) group(at ast.Pos, alter bool) ast.Statement {
	if alter {
		return p.alterGroup(&ast.AlterGroup{Pos: at, Name: p.name()})
	}
	g := &ast.CreateGroup{Pos: at, Name: p.name()}
	if p.accept("WITH") {
		g.Options = p.groupOptions()
	}
	if p.acceptSeq("AVAILABILITY", "GROUP", "ON") {
		g.Members = p.members()
		return g
	}
	p.expect("FOR")
	if p.accept("DATABASE") {
		g.Databases = p.nameList()
	}
	p.expect("REPLICA", "ON")
	g.Replicas = p.replicas()
	if p.accept("LISTENER") {
		g.Listener = p.listener()
	}
	return g
}

// groupOptions reads (option, …).
func (p *parser) groupOptions() ast.GroupOptions {
	o := ast.GroupOptions{Pos: p.here()}
	p.expect("(")
	for p.err == nil {
		p.groupOption(&o)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return o
}

func (p *parser) groupOption(o *ast.GroupOptions) {
	switch {
	case p.accept("BASIC"):
		o.Basic = true
		return
	case p.accept("DISTRIBUTED"):
		o.Distributed = true
		return
	case p.accept("CONTAINED"):
		o.Contained = true
		o.ReuseSystemDBs = p.accept("REUSE_SYSTEM_DATABASES")
		return
	}
	name := p.oneOf("AUTOMATED_BACKUP_PREFERENCE", "FAILURE_CONDITION_LEVEL", "HEALTH_CHECK_TIMEOUT", "DB_FAILOVER", "DTC_SUPPORT",
		"REQUIRED_SYNCHRONIZED_SECONDARIES_TO_COMMIT", "CLUSTER_TYPE", "ROLE")
	p.expect("=")
	switch name {
	case "AUTOMATED_BACKUP_PREFERENCE":
		o.BackupPreference = p.oneOf("PRIMARY", "SECONDARY_ONLY", "SECONDARY", "NONE")
	case "FAILURE_CONDITION_LEVEL":
		o.FailureLevel = p.integerPtr()
	case "HEALTH_CHECK_TIMEOUT":
		o.HealthTimeout = p.integerPtr()
	case "DB_FAILOVER":
		o.DBFailover = p.oneOf("ON", "OFF")
	case "DTC_SUPPORT":
		o.DTCSupport = p.oneOf("PER_DB", "NONE")
	case "REQUIRED_SYNCHRONIZED_SECONDARIES_TO_COMMIT":
		o.RequiredSync = p.integerPtr()
	case "CLUSTER_TYPE":
		o.ClusterType = p.oneOf("WSFC", "EXTERNAL", "NONE")
	case "ROLE":
		o.Role = p.oneOf("SECONDARY")
	}
}

func (p *parser) replicas() []ast.Replica {
	var list []ast.Replica
	for {
		r := ast.Replica{Pos: p.here(), Server: p.str()}
		p.expect("WITH", "(")
		for p.err == nil {
			p.replicaOption(&r)
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
		list = append(list, r)
		if !p.accept(",") {
			return list
		}
	}
}

func (p *parser) replicaOption(r *ast.Replica) {
	name := p.oneOf("ENDPOINT_URL", "AVAILABILITY_MODE", "FAILOVER_MODE", "SEEDING_MODE", "BACKUP_PRIORITY", "SESSION_TIMEOUT",
		"SECONDARY_ROLE", "PRIMARY_ROLE")
	if name == "SECONDARY_ROLE" || name == "PRIMARY_ROLE" {
		p.roleOptions(r, name == "PRIMARY_ROLE")
		return
	}
	p.expect("=")
	switch name {
	case "ENDPOINT_URL":
		r.EndpointURL = p.strPtr()
	case "AVAILABILITY_MODE":
		r.AvailabilityMode = p.oneOf("SYNCHRONOUS_COMMIT", "ASYNCHRONOUS_COMMIT", "CONFIGURATION_ONLY")
	case "FAILOVER_MODE":
		r.FailoverMode = p.oneOf("AUTOMATIC", "MANUAL", "EXTERNAL")
	case "SEEDING_MODE":
		r.SeedingMode = p.oneOf("AUTOMATIC", "MANUAL")
	case "BACKUP_PRIORITY":
		r.BackupPriority = p.integerPtr()
	case "SESSION_TIMEOUT":
		r.SessionTimeout = p.integerPtr()
	}
}

// roleOptions reads PRIMARY_ROLE (…) and SECONDARY_ROLE (…).
func (p *parser) roleOptions(r *ast.Replica, primary bool) {
	p.expect("(")
	for p.err == nil {
		name := p.oneOf("ALLOW_CONNECTIONS", "READ_ONLY_ROUTING_URL", "READ_ONLY_ROUTING_LIST", "READ_WRITE_ROUTING_URL")
		p.expect("=")
		switch {
		case name == "ALLOW_CONNECTIONS" && primary:
			r.PrimaryConnections = p.oneOf("READ_WRITE", "ALL")
		case name == "ALLOW_CONNECTIONS":
			r.SecondaryConnections = p.oneOf("NO", "READ_ONLY", "ALL")
		case name == "READ_ONLY_ROUTING_URL" && !primary:
			r.SecondaryReadOnlyURL = p.strPtr()
		case name == "READ_WRITE_ROUTING_URL" && primary:
			r.PrimaryReadWriteURL = p.strPtr()
		case name == "READ_ONLY_ROUTING_LIST" && primary:
			if p.accept("NONE") {
				r.ReadOnlyRoutingNone = true
			} else {
				r.ReadOnlyRoutingList = p.routingList()
			}
		default:
			p.unexpected()
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
}

// routingList reads ('a', ('b', 'c')): each item is a set of equals.
func (p *parser) routingList() [][]string {
	var list [][]string
	p.expect("(")
	for p.err == nil {
		if p.accept("(") {
			var set []string
			for {
				set = append(set, p.str())
				if !p.accept(",") {
					break
				}
			}
			p.expect(")")
			list = append(list, set)
		} else {
			list = append(list, []string{p.str()})
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

// members reads 'group' WITH (…), … of a distributed group.
func (p *parser) members() []ast.GroupMember {
	var list []ast.GroupMember
	for {
		m := ast.GroupMember{Pos: p.here(), Name: p.str()}
		p.expect("WITH", "(")
		for p.err == nil {
			p.memberOption(&m)
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
		list = append(list, m)
		if !p.accept(",") {
			return list
		}
	}
}

func (p *parser) memberOption(m *ast.GroupMember) {
	name := p.oneOf("LISTENER_URL", "AVAILABILITY_MODE", "FAILOVER_MODE", "SEEDING_MODE", "SESSION_TIMEOUT")
	p.expect("=")
	switch name {
	case "LISTENER_URL":
		m.ListenerURL = p.strPtr()
	case "AVAILABILITY_MODE":
		m.AvailabilityMode = p.oneOf("SYNCHRONOUS_COMMIT", "ASYNCHRONOUS_COMMIT")
	case "FAILOVER_MODE":
		m.FailoverMode = p.oneOf("AUTOMATIC", "MANUAL")
	case "SEEDING_MODE":
		m.SeedingMode = p.oneOf("AUTOMATIC", "MANUAL")
	case "SESSION_TIMEOUT":
		m.SessionTimeout = p.integerPtr()
	}
}

// listener reads 'dns' (WITH DHCP … | WITH IP (…), PORT = n).
func (p *parser) listener() *ast.GroupListener {
	l := &ast.GroupListener{Pos: p.here(), Name: p.str()}
	if !p.accept("(") {
		return l
	}
	for p.err == nil {
		switch {
		case p.acceptSeq("WITH", "DHCP"):
			l.DHCP = true
			if p.accept("ON") {
				p.skipParens()
			}
		case p.acceptSeq("WITH", "IP"):
			l.IPs = p.routingList()
		case p.acceptSeq("ADD", "IP"):
			p.expect("(")
			pair := []string{p.str()}
			if p.accept(",") {
				pair = append(pair, p.str())
			}
			p.expect(")")
			l.IPs = append(l.IPs, pair)
		case p.acceptSeq("PORT", "="):
			l.Port = p.integerPtr()
		default:
			p.unexpected()
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return l
}

func (p *parser) alterGroup(g *ast.AlterGroup) ast.Statement {
	switch {
	case p.accept("SET"):
		g.Verb, g.Options = "SET", p.groupOptions()
	case p.is("ADD"), p.is("REMOVE"), p.is("MODIFY"), p.is("RESTART"):
		p.alterGroupPart(g)
	case p.acceptSeq("JOIN", "AVAILABILITY", "GROUP", "ON"):
		g.Verb, g.Members = "JOIN GROUP", p.members()
	case p.accept("JOIN"):
		g.Verb = "JOIN"
		if p.accept("WITH") {
			g.Options = p.groupOptions()
		}
	case p.is("GRANT"), p.is("DENY"):
		g.Verb = p.upper(p.tok())
		p.advance()
		p.expect("CREATE", "ANY", "DATABASE")
	default:
		g.Verb = p.oneOf("FAILOVER", "FORCE_FAILOVER_ALLOW_DATA_LOSS", "OFFLINE")
	}
	return g
}

// alterGroupPart reads ADD, REMOVE, MODIFY and RESTART of a group's parts.
func (p *parser) alterGroupPart(g *ast.AlterGroup) {
	verb := p.upper(p.tok())
	p.advance()
	switch {
	case verb != "MODIFY" && verb != "RESTART" && p.accept("DATABASE"):
		g.Verb, g.Databases = verb+" DATABASE", p.nameList()
	case verb == "REMOVE" && p.acceptSeq("REPLICA", "ON"):
		g.Verb = "REMOVE REPLICA"
		for {
			g.Servers = append(g.Servers, p.str())
			if !p.accept(",") {
				break
			}
		}
	case verb != "RESTART" && p.acceptSeq("REPLICA", "ON"):
		g.Verb, g.Replicas = verb+" REPLICA", p.replicas()
	case verb == "MODIFY" && p.acceptSeq("AVAILABILITY", "GROUP", "ON"):
		g.Verb, g.Members = "MODIFY GROUP", p.members()
	case p.accept("LISTENER"):
		g.Verb, g.Listener = verb+" LISTENER", p.listener()
	default:
		p.unexpected()
	}
}
