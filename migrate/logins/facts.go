package logins

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// The kinds of server principals, as sys.server_principals.type has them.
const (
	kindSQL         = "S"
	kindWindows     = "U"
	kindGroup       = "G"
	kindRole        = "R"
	kindCertificate = "C"
	kindKey         = "K"
	kindExternal    = "E"
	kindExternalGrp = "X"
)

// server is what one side says about itself.
type server struct {
	// name is its address, for messages.
	name string
	// folds: its collation ignores case.
	folds       bool
	principals  []principal
	members     []member
	permissions []permission
	endpoints   []endpoint
	databases   []database
}

// principal is a login or a server role.
type principal struct {
	id         int
	name       string
	sid        []byte
	kind       string
	disabled   bool
	database   string // the default one
	language   string
	credential string // the name of the one it is mapped to
	// Of SQL logins. hash is nil when it may not be seen. set is when the password was set, by our clock; zero when that is unknown.
	policy, expiration, mustChange bool
	hash                           secret
	set                            time.Time
	// Of roles.
	owner int
	fixed bool
}

// member is one row of sys.server_role_members.
type member struct{ role, id int }

// permission is one row of sys.server_permissions.
type permission struct {
	class, major, grantee int
	name                  string
	// state is D, G or W (granted with the option to grant).
	state string
}

// endpoint is one of sys.endpoints.
type endpoint struct {
	id    int
	name  string
	owner int
}

// database is one of sys.databases.
type database struct {
	name  string
	owner []byte
	// open: it can be read, if only as a standby. state is the word for it.
	open  bool
	state string
	// shy: one session alone may be in it (single user), or it is a standby, whose next restore wants nobody in it. We keep
	// out: a cutover may be going on.
	shy bool
}

// same tells whether two names are one on this server. It is near enough: the server itself has the last word.
func (s *server) same(a, b string) bool {
	a, b = strings.TrimRight(a, " "), strings.TrimRight(b, " ")
	return a == b || s.folds && strings.EqualFold(a, b)
}

// byName finds a principal: the exact spelling first.
func (s *server) byName(name string) *principal {
	for i := range s.principals {
		if s.principals[i].name == name {
			return &s.principals[i]
		}
	}
	return find(s.principals, func(p *principal) bool { return s.same(p.name, name) })
}

func (s *server) bySID(sid []byte) *principal {
	if len(sid) == 0 {
		return nil
	}
	return find(s.principals, func(p *principal) bool { return p.kind != kindRole && bytes.Equal(p.sid, sid) })
}

func (s *server) byID(id int) *principal {
	return find(s.principals, func(p *principal) bool { return p.id == id })
}

// role finds a server role by its name.
func (s *server) role(name string) *principal {
	return find(s.principals, func(p *principal) bool { return p.kind == kindRole && s.same(p.name, name) })
}

func (s *server) database(name string) *database {
	return find(s.databases, func(d *database) bool { return s.same(d.name, name) })
}

// rolesOf are the roles that a principal is a direct member of, in the order of their names. public, which everybody is
// in, is none of them.
func (s *server) rolesOf(id int) []*principal {
	var out []*principal
	for _, m := range s.members {
		if r := s.byID(m.role); m.id == id && r != nil {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *principal) int { return strings.Compare(a.name, b.name) })
	return out
}

// membersOf are the direct members of a role.
func (s *server) membersOf(role int) []*principal {
	var out []*principal
	for _, m := range s.members {
		if p := s.byID(m.id); m.role == role && p != nil {
			out = append(out, p)
		}
	}
	return out
}

func (s *server) isMember(role, id int) bool { return slices.Contains(s.members, member{role, id}) }

// twin is the same principal on another server: a login of that SID, a role of that name.
func (s *server) twin(p *principal) *principal {
	if p.kind == kindRole {
		return s.role(p.name)
	}
	return s.bySID(p.sid)
}

func find[T any](all []T, ok func(*T) bool) *T {
	for i := range all {
		if ok(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

// sides are both servers and what is moved between them.
type sides struct {
	src, dst *server
	pairs    []Pair
}

// target is the name that a database of the source has on the target.
func (s *sides) target(database string) string {
	for _, p := range s.pairs {
		if s.src.same(p.Source, database) {
			return p.Target
		}
	}
	return database
}
