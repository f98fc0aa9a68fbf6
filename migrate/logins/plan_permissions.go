package logins

import (
	"fmt"
	"slices"
	"strings"
)

// The classes of server permissions.
const (
	classServer    = 100
	classPrincipal = 101
	classEndpoint  = 105
)

const connectSQL = "CONNECT SQL"

const publicRole = "public"

// state is how a permission on the server itself stands for a principal: "D", "W", "G", or "" for not at all.
func (s *server) state(grantee int, name string) string {
	return s.holds(permission{class: classServer, grantee: grantee, name: name})
}

// holds is state for any securable. One permission may be there several times, by several grantors: what denies wins.
func (s *server) holds(want permission) string {
	best := ""
	for _, g := range s.permissions {
		if g.class == want.class && g.grantee == want.grantee && g.name == want.name && (g.class == classServer || g.major == want.major) && rank(g.state) > rank(best) {
			best = g.state
		}
	}
	return best
}

// rank orders states by what wins; 0 for none.
func rank(state string) int {
	if len(state) != 1 {
		return 0
	}
	return 1 + strings.Index("GWD", state)
}

// permissionsOf are a principal's permissions, one each, in the order of class and name.
func (s *server) permissionsOf(id int) []permission {
	var out []permission
	for _, g := range s.permissions {
		if g.grantee != id || rank(g.state) <= 0 {
			continue
		}
		g.state = s.holds(g)
		if g.class == classServer {
			g.major = 0
		}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b permission) int {
		if c := a.class - b.class; c != 0 {
			return c
		}
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return a.major - b.major
	})
	return out
}

// on is a permission's securable as T-SQL names it on the target, with its id there. lacks says why it cannot be named;
// later, that it is a login that is yet to come.
func (s *sides) on(g permission) (text string, id int, lacks string, later bool) {
	switch g.class {
	case classServer:
		return "", 0, "", false
	case classPrincipal:
		p := s.src.byID(g.major)
		if p == nil {
			return "", 0, "a principal that is gone", false
		}
		class := "LOGIN"
		if p.kind == kindRole {
			class = "SERVER ROLE"
		}
		text = " ON " + class + "::" + quote(p.name)
		if t := s.dst.twin(p); t != nil {
			return " ON " + class + "::" + quote(t.name), t.id, "", false
		}
		return text, 0, "it is not on the target", left(p) == ""
	case classEndpoint:
		e := find(s.src.endpoints, func(e *endpoint) bool { return e.id == g.major })
		if e == nil {
			return "", 0, "an endpoint that is gone", false
		}
		text = " ON ENDPOINT::" + quote(e.name)
		t := find(s.dst.endpoints, func(t *endpoint) bool { return s.dst.same(t.name, e.name) })
		if t == nil {
			return text, 0, "the endpoint is not on the target", false
		}
		return text, t.id, "", false
	}
	return fmt.Sprintf(" on an object of class %d", g.class), 0, "such objects are not moved", false
}

// grant is the statement that gives a principal of the target a permission as it is on the source.
func grant(g permission, on, to string) step {
	verb, option := "GRANT", ""
	switch g.state {
	case "D":
		verb = "DENY"
	case "W":
		option = " WITH GRANT OPTION"
	}
	text := verb + " " + g.name + on + " TO " + quote(to) + option
	return step{text: text + ";", what: text, lenient: true}
}

// denials are the DENYs of a login on the server itself. They come with the login, before roles and grants, so that it has
// at no time more than on the source. there is nil for a login that is not made yet.
func (s *sides) denials(l, there *principal) []step {
	var out []step
	for _, g := range s.src.permissionsOf(l.id) {
		switch {
		case g.state != "D" || g.class != classServer, there == nil && g.name == connectSQL:
		case there != nil && s.dst.state(there.id, g.name) == "D":
		default:
			out = append(out, grant(g, "", l.name))
		}
	}
	return out
}

// planPermissions gives a login, and the server roles that it is in, what they hold on the source. last: the logins have
// all had their turn; what still lacks is a warning.
func planPermissions(s *sides, l *principal, last bool) plan {
	var p plan
	there := s.dst.bySID(l.sid)
	s.permissions(&p, l, there, last)
	for _, r := range append(s.rolesAbove(l), s.src.ownedRoles(l.id)...) {
		if t := s.dst.role(r.name); t != nil && !r.fixed {
			s.permissions(&p, r, t, last)
		}
	}
	s.public(&p)
	return p
}

func (s *sides) permissions(p *plan, l, there *principal, last bool) {
	blocked := l.kind == kindRole && s.strangers(l, there) != ""
	for _, g := range s.src.permissionsOf(l.id) {
		on, id, lacks, later := s.on(g)
		who := ""
		if l.kind == kindRole {
			who = "server role " + quote(l.name) + ": "
		}
		now := s.dst.holds(permission{class: g.class, major: id, grantee: there.id, name: g.name})
		switch st := grant(g, on, there.name); {
		case lacks != "" && later && !last:
		case lacks != "":
			p.warn("%s%s was left out: %s", who, st.what, lacks)
		case now == g.state, g.state == "G" && now == "W":
		case g.name == connectSQL && g.state == "D" && now != "": // as with a login that was disabled later
			p.warn("%s on the source was not done on the target after the login was moved", st.what)
		case now == "D":
			p.warn("%s%s was left out: it is denied on the target", who, st.what)
		case blocked:
			p.warn("%s%s was left out: %s would get it too", who, st.what, s.strangers(l, there))
		default:
			p.add(st)
		}
	}
	s.deniedMore(p, l, there)
}

// deniedMore tells what the target denies and the source does not.
func (s *sides) deniedMore(p *plan, l, there *principal) {
	for _, g := range s.dst.permissionsOf(there.id) {
		if g.state == "D" && g.class == classServer && s.src.state(l.id, g.name) != "D" && s.src.state(l.id, g.name) == "" {
			p.warn("%s is denied to %s on the target and not on the source", g.name, quote(there.name))
		}
	}
}

// public tells what everybody may do on the source and nobody may on the target: logins lose it, and giving it would be
// to everybody there.
func (s *sides) public(p *plan) {
	from, to := s.src.role(publicRole), s.dst.role(publicRole)
	if from == nil || to == nil {
		return
	}
	for _, g := range s.src.permissionsOf(from.id) {
		if g.class == classServer && s.dst.state(to.id, g.name) != g.state && s.dst.state(to.id, g.name) != "W" {
			p.warn("%s, as on the source, was left out: everybody on the target would be meant", grant(g, "", publicRole).what)
		}
	}
}
