package logins

import (
	"bytes"
	"fmt"
	"slices"

	"linkspan/sqlclient"
)

// The kinds of database principals that logins stand behind are the letters of their logins; authentication_type tells
// those apart that need none.
const (
	authNone     = 0 // WITHOUT LOGIN, or mapped to a certificate
	authDatabase = 2 // contained: it has a password of its own
	authUnknown  = -1
)

const dboID = 1

// account is a user in a database.
type account struct {
	id   int
	name string
	kind string // S, U, G, E, X
	sid  []byte
	auth int
	// connect is how CONNECT stands for it: D, G, W or "".
	connect string
}

// accounts are the users of one open database of the target.
type accounts struct {
	pair  Pair
	owner []byte // as sys.databases has it
	users []account
}

// bound reports whether a login should stand behind the user.
func (u *account) bound() bool {
	switch {
	case u.kind != kindSQL && u.kind != kindWindows && u.kind != kindGroup, u.auth == authNone, u.auth == authDatabase, len(u.sid) == 0:
		return false
	case u.kind == kindSQL && len(u.sid) > sidSize: // what WITHOUT LOGIN and contained databases make
		return false
	}
	return u.id == dboID || u.id > systemUsers
}

// systemUsers is the highest id of the users that every database has: dbo, guest, INFORMATION_SCHEMA, sys.
const systemUsers = 4

// mapping is what becomes of one user: a statement, or the reason why no login stands behind it; neither when all is well.
type mapping struct {
	user   *account
	login  string // the login that gets it
	step   step
	reason string
}

// mappings looks at every user of a database.
func (s *sides) mappings(a *accounts) []mapping {
	var out []mapping
	for i := range a.users {
		u := &a.users[i]
		if !u.bound() {
			continue
		}
		m := s.mapping(a, u)
		if m.user = u; m.reason != "" || m.step.text != "" {
			out = append(out, m)
		}
	}
	return out
}

func (s *sides) mapping(a *accounts, u *account) mapping {
	was, has := s.src.bySID(u.sid), s.dst.bySID(u.sid)
	switch {
	case has != nil && was != nil && !s.dst.same(has.name, was.name) && !bytes.Equal(u.sid, administratorSID):
		return mapping{reason: fmt.Sprintf("login %s of the target has the SID that %s has on the source, and so its rights here", quote(has.name), quote(was.name))}
	case has != nil && u.id == dboID:
		return s.ownership(a, has)
	case has != nil:
		return mapping{}
	case u.id == dboID:
		return mapping{reason: s.orphaned(u, was) + fmt.Sprintf("; ALTER AUTHORIZATION ON DATABASE::%s TO … gives it an owner", quote(a.pair.Target))}
	case was != nil && (windows(was) || !s.src.same(was.name, u.name)), u.kind != kindSQL:
		return mapping{reason: s.orphaned(u, was)}
	}
	l := find(s.dst.principals, func(p *principal) bool { return p.kind == kindSQL && s.dst.same(p.name, u.name) })
	switch {
	case l == nil:
		return mapping{reason: s.orphaned(u, was)}
	case left(l) != "":
		return mapping{reason: fmt.Sprintf("no login has its SID, and login %s of the target is not for users of databases", quote(l.name))}
	}
	if other := find(a.users, func(o *account) bool { return bytes.Equal(o.sid, l.sid) }); other != nil {
		return mapping{reason: fmt.Sprintf("no login has its SID, and login %s of the target is user %s here already (15063)", quote(l.name), quote(other.name))}
	}
	text := "ALTER USER " + quote(u.name) + " WITH LOGIN = " + quote(l.name)
	// A USE that fails does not end a batch, and a user of that name may be in the database that the session is in.
	return mapping{login: l.name, step: step{text: "USE " + quote(a.pair.Target) + "; IF DB_NAME() = " + sqlclient.QuoteString(a.pair.Target) + " " + text + ";", what: text + " in database " + quote(a.pair.Target), lenient: true}}
}

// orphaned says why no login stands behind a user.
func (s *sides) orphaned(u *account, was *principal) string {
	switch {
	case was == nil && u.kind == kindSQL:
		return "no login had its SID on the source either, and none on the target has its name"
	case was == nil:
		return "a Windows user without a login of its own: it came in through a group of Windows, which a managed instance knows only from Microsoft Entra"
	case left(was) != "":
		return "its login " + quote(was.name) + " was left on the source: " + left(was)
	}
	return "its login " + quote(was.name) + " is not on the target"
}

// ownership gives a database the owner that it says it has. A restore makes whoever restores it the owner, and leaves dbo
// to the old one. When somebody has since given it an owner, both agree.
func (s *sides) ownership(a *accounts, owner *principal) mapping {
	if bytes.Equal(a.owner, owner.sid) {
		return mapping{}
	}
	text := "ALTER AUTHORIZATION ON DATABASE::" + quote(a.pair.Target) + " TO " + quote(owner.name)
	return mapping{login: owner.name, step: step{text: text + ";", what: text, lenient: true}}
}

// planMapping gives a login the users that are its own, in every database that is open.
func planMapping(s *sides, l *principal, open []accounts) plan {
	p := s.unready()
	there := s.dst.bySID(l.sid)
	for i := range open {
		for _, m := range s.mappings(&open[i]) {
			switch {
			case m.step.text != "" && s.dst.same(m.login, there.name):
				p.add(m.step)
			case m.reason != "" && bytes.Equal(m.user.sid, l.sid):
				p.warn("user %s in database %s: %s", quote(m.user.name), quote(open[i].pair.Target), m.reason)
			}
		}
	}
	return p
}

// unready says which databases are not open on the target. That one is still being restored is no reason to wait: it may
// have failed, and when it opens its users are looked at anyway (MapUsers).
func (s *sides) unready() plan {
	var p plan
	for _, pair := range s.pairs {
		switch d := s.dst.database(pair.Target); {
		case d == nil:
			p.warn("database %s is not on the target: users in it were not looked at", quote(pair.Target))
		case !d.open:
			p.warn("database %s is %s on the target: users in it were not looked at", quote(pair.Target), d.state)
		}
	}
	return p
}

// latest brings the logins behind users of databases up to the source; none of it is worth failing for. Logins that are not
// on the target are left so: somebody may have stopped them.
func (s *sides) latest(open []accounts) []step {
	var users []user
	var pairs []Pair
	for _, a := range open {
		pairs = append(pairs, a.pair)
		for _, u := range a.users {
			users = append(users, user{u.name, u.sid})
		}
	}
	var out []step
	for _, l := range needed(s.src, pairs, users) {
		if there := s.dst.bySID(l.sid); left(l) != "" || there == nil || !s.dst.same(there.name, l.name) {
			continue
		}
		for _, st := range append(planLogin(s, l.name, false).steps, onServer(s, l)...) {
			st.lenient = true
			out = append(out, st)
		}
	}
	return out
}

// orphans are the users of a database behind which no login stands, in words, by name. refused holds why the target did
// not take a statement.
func orphans(all []mapping, refused map[string]string) []string {
	var out []string
	for _, m := range all {
		switch why := refused[m.step.text]; {
		case m.reason != "":
			out = append(out, quote(m.user.name)+": "+m.reason)
		case why != "":
			out = append(out, quote(m.user.name)+": "+m.step.what+" was refused: "+why)
		}
	}
	slices.Sort(out)
	return out
}
