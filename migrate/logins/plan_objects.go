package logins

import (
	"slices"
	"strings"
)

// rights are what a login's user may do in one database.
type rights struct {
	pair Pair
	// user is its name; "" when it has none there. connect is how CONNECT stands.
	user, connect string
	// all are its roles and permissions, one text each ("member of db_owner", "GRANT SELECT ON dbo.t").
	all []string
}

// most is how many differences a warning lists.
const most = 10

// planObjects looks whether what a database holds for a login came with it. Nothing is granted: permissions in a database
// travel in its backups. src holds what could be read on the source; a database that the cutover closed is not there.
func planObjects(s *sides, l *principal, src, dst []rights) plan {
	p := s.unready()
	for _, t := range dst {
		db := quote(t.pair.Target)
		o := find(src, func(r *rights) bool { return r.pair == t.pair })
		switch {
		case o == nil && t.user != "" && t.user != "dbo" && t.connect != "G" && t.connect != "W":
			p.warn("user %s may not connect to database %s", quote(t.user), db)
		case o == nil:
		case o.user != "" && t.user == "":
			p.warn("it is user %s of database %s on the source, and has no user there on the target", quote(o.user), db)
		default:
			if lost := without(o.all, t.all); len(lost) > 0 {
				p.warn("in database %s the target lacks: %s", db, listing(lost))
			}
		}
	}
	there := s.dst.bySID(l.sid)
	if want := s.target(l.database); l.database != "" && !s.dst.same(there.database, want) && s.dst.same(there.database, "master") && !s.dst.same(want, "master") {
		p.warn("its default database %s is not open on the target: it has master", quote(want))
	}
	return p
}

// without are those of a that are not in b.
func without(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

func listing(all []string) string {
	if len(all) > most {
		return strings.Join(all[:most], ", ") + ", …"
	}
	return strings.Join(all, ", ")
}
