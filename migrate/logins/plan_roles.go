package logins

import (
	"slices"
	"strings"
)

// rolesAbove are all server roles that a principal is in, directly or by another role, public left out.
func (s *sides) rolesAbove(l *principal) []*principal {
	var out []*principal
	var climb func(id int)
	climb = func(id int) {
		for _, r := range s.src.rolesOf(id) {
			if r.name != publicRole && !slices.Contains(out, r) {
				out = append(out, r)
				climb(r.id)
			}
		}
	}
	climb(l.id)
	return out
}

// ownedRoles are the server roles that users made and that belong to a principal.
func (s *server) ownedRoles(owner int) []*principal {
	var out []*principal
	for i := range s.principals {
		if r := &s.principals[i]; r.kind == kindRole && !r.fixed && r.owner == owner {
			out = append(out, r)
		}
	}
	return out
}

// strangers are the members of a role on the target that are no members of it on the source: what the role is given, they
// would have too. "" when there are none.
func (s *sides) strangers(r, there *principal) string {
	var out []string
	for _, m := range s.dst.membersOf(there.id) {
		if p := s.src.twin(m); p == nil || !s.src.isMember(r.id, p.id) {
			out = append(out, quote(m.name))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// planMembership puts a login into the server roles that it is in on the source. Those that users made are made too, with
// the roles that they are in.
func planMembership(s *sides, l *principal) plan {
	var p plan
	s.join(&p, l, s.dst.bySID(l.sid).name, nil)
	return p
}

func (s *sides) join(p *plan, l *principal, name string, path []int) {
	for _, r := range s.src.rolesOf(l.id) {
		if r.name == publicRole || slices.Contains(path, r.id) {
			continue
		}
		t, made := s.ensure(p, r)
		if t == nil && !made {
			continue
		}
		role := r.name
		if t != nil {
			role = t.name
		}
		add := step{text: "ALTER SERVER ROLE " + quote(role) + " ADD MEMBER " + quote(name) + ";", what: "membership in server role " + quote(role), lenient: true}
		me, wider := s.dst.twin(l), s.wider(r, t)
		switch {
		case t != nil && me != nil && s.dst.isMember(t.id, me.id), slices.ContainsFunc(p.steps, func(o step) bool { return o.text == add.text }):
		case l.kind == kindRole && me != nil && s.strangers(l, me) != "":
			p.warn("server role %s is not made a member of %s: %s would be too", quote(name), quote(role), s.strangers(l, me))
		case wider != "":
			p.warn("%s was left out: on the target the role also has %s", add.what, wider)
		default:
			p.add(add)
		}
		if !r.fixed {
			s.join(p, r, role, append(path, r.id))
		}
	}
}

// ensure finds a server role on the target, or has it made; neither when it cannot be, which is a warning.
func (s *sides) ensure(p *plan, r *principal) (there *principal, made bool) {
	if t := s.dst.role(r.name); t != nil {
		return t, false
	}
	switch other := s.dst.byName(r.name); {
	case r.fixed:
		p.warn("server role %s is not on the target: what it allowed is lost", quote(r.name))
		return nil, false
	case other != nil:
		p.warn("server role %s is not made: a login has its name on the target", quote(r.name))
		return nil, false
	}
	create := step{text: "CREATE SERVER ROLE " + quote(r.name) + ";", what: "CREATE SERVER ROLE " + quote(r.name), lenient: true}
	if !slices.ContainsFunc(p.steps, func(o step) bool { return o.text == create.text }) {
		p.add(create)
	}
	return nil, true
}

// wider is what a role that users made has on the target beyond the source: it is another role then, and who joins it would
// have more than before. "" when it is none.
func (s *sides) wider(r, there *principal) string {
	if there == nil || r.fixed {
		return ""
	}
	var out []string
	for _, g := range s.dst.permissionsOf(there.id) {
		if g.class == classServer && g.state != "D" && s.src.state(r.id, g.name) == "" {
			out = append(out, g.name)
		}
	}
	for _, above := range s.dst.rolesOf(there.id) {
		if o := s.src.twin(above); above.name != publicRole && (o == nil || !s.src.isMember(o.id, r.id)) {
			out = append(out, "server role "+quote(above.name))
		}
	}
	return strings.Join(out, ", ")
}

// planOwnership gives a login the server roles that it owns on the source.
func planOwnership(s *sides, l *principal) plan {
	var p plan
	there := s.dst.bySID(l.sid)
	for _, r := range s.src.ownedRoles(l.id) {
		t, made := s.ensure(&p, r)
		if t == nil && !made {
			continue
		}
		name := r.name
		if t != nil {
			name = t.name
		}
		own := step{text: "ALTER AUTHORIZATION ON SERVER ROLE::" + quote(name) + " TO " + quote(there.name) + ";", what: "ownership of server role " + quote(name), lenient: true}
		switch {
		case t != nil && t.owner == there.id:
		case t != nil && s.strangers(r, t) != "":
			p.warn("server role %s stays with its owner on the target: others are members of it there (%s)", quote(name), s.strangers(r, t))
		default:
			p.add(own)
		}
		s.join(&p, r, name, []int{r.id})
	}
	return p
}
