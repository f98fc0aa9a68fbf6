package logins

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// The choices of Options.Scope.
const (
	// ScopeNeeded: those that users of the databases map to, that own the databases, and that these need in turn.
	ScopeNeeded = "needed"
	ScopeAll    = "all"
	ScopeNone   = "none"
)

var administratorSID = []byte{1}

// left says why a login of the source is not moved; "" when it is.
func left(p *principal) string {
	upper := strings.ToUpper(p.name)
	switch {
	case bytes.Equal(p.sid, administratorSID):
		return "the built-in administrator: every server has its own, with its own password"
	case strings.HasPrefix(p.name, "##") && strings.HasSuffix(p.name, "##"):
		return "SQL Server's own login: every server makes it itself"
	case p.kind == kindCertificate:
		return "mapped to a certificate: nobody logs in with it; move the certificate, then make it with CREATE LOGIN … FROM CERTIFICATE"
	case p.kind == kindKey:
		return "mapped to an asymmetric key: nobody logs in with it; move the key, then make it with CREATE LOGIN … FROM ASYMMETRIC KEY"
	case strings.HasPrefix(upper, `NT AUTHORITY\`), strings.HasPrefix(upper, `NT SERVICE\`), strings.HasPrefix(upper, `BUILTIN\`):
		return "an account of the source's Windows, which a managed instance does not have: it needs nothing"
	case p.kind == kindWindows, p.kind == kindGroup:
		return advice(p)
	case p.kind == kindExternal, p.kind == kindExternalGrp:
		return "a Microsoft Entra login: make it on the target with CREATE LOGIN " + quote(p.name) + " FROM EXTERNAL PROVIDER"
	}
	return ""
}

func windows(p *principal) bool { return p.kind == kindWindows || p.kind == kindGroup }

// advice is what to do about a Windows login or group.
func advice(p *principal) string {
	domain, account, _ := strings.Cut(p.name, `\`)
	what, entra := "Windows login", account+"@"+domain
	if p.kind == kindGroup {
		what, entra = "Windows group", account
	}
	text := fmt.Sprintf("a %s is not copied: with the domain synchronised to Microsoft Entra, make it on the target with CREATE LOGIN %s FROM EXTERNAL PROVIDER "+
		"(the name as Entra has it), then in each database ALTER USER … WITH LOGIN", what, quote(entra))
	if p.disabled {
		text += "; it is disabled on the source"
	}
	return text
}

// user is what a database of the source says about one of its users: the SID is all that binds it to a login.
type user struct {
	name string
	sid  []byte
}

// entry is a login of a list; skip says why it is not moved.
type entry struct {
	*principal
	skip string
}

// listed are the logins of the source that come into question, in the order of their ids: dependencies tend to be older.
// With ScopeNeeded those are told, too, that have no user in the databases and get into them all the same. guests are
// databases that anybody may enter.
func listed(src *server, scope string, pairs []Pair, users []user, guests []string) []entry {
	if scope == ScopeNone {
		return nil
	}
	var out []entry
	need := needed(src, pairs, users)
	for i := range src.principals {
		p := &src.principals[i]
		skip := left(p)
		switch {
		case p.kind == kindRole:
		case scope == ScopeAll, slices.Contains(need, p):
			out = append(out, entry{p, skip})
		case skip != "" && !advised(p):
		default:
			if how := src.bypass(p, guests); how != "" && skip == "" {
				out = append(out, entry{p, "no user of the databases is its own, but it gets into them by " + how + ": settings.logins: all moves it"})
			} else if how != "" || p.kind == kindCertificate || p.kind == kindKey {
				out = append(out, entry{p, skip})
			}
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return a.id - b.id })
	return out
}

// advised reports logins that are not moved and that somebody may have to make by hand.
func advised(p *principal) bool {
	return strings.HasPrefix(left(p), "a Windows") || !strings.HasPrefix(p.name, "##") && (p.kind == kindCertificate || p.kind == kindKey)
}

// opening are the permissions on the server that let into every database.
var opening = []string{"CONTROL SERVER", "CONNECT ANY DATABASE"}

// bypass says how a login gets into databases in which it has no user; "" when it does not.
func (s *server) bypass(p *principal, guests []string) string {
	all := append((&sides{src: s}).rolesAbove(p), p)
	for _, r := range all {
		if r.kind == kindRole && r.fixed && r.name == "sysadmin" {
			return "server role sysadmin"
		}
	}
	for _, r := range all {
		for _, name := range opening {
			if state := s.state(r.id, name); rank(state) > 0 && state != "D" && s.state(p.id, name) != "D" {
				return name
			}
		}
	}
	if len(guests) > 0 {
		return "user guest of " + strings.Join(guests, ", ")
	}
	return ""
}

// needed are the logins behind users and owners of the databases, the owners of server roles that they are in, and the
// logins that they hold permissions on (IMPERSONATE above all).
func needed(src *server, pairs []Pair, users []user) []*principal {
	var out []*principal
	var add func(*principal)
	seen := map[int]bool{}
	add = func(p *principal) {
		if p == nil || seen[p.id] {
			return
		}
		seen[p.id] = true
		if p.kind != kindRole {
			out = append(out, p)
		} else if !p.fixed {
			add(src.byID(p.owner))
		}
		for _, r := range src.rolesOf(p.id) {
			if r.name != publicRole {
				add(r)
			}
		}
		for _, g := range src.permissions {
			if g.grantee == p.id && g.class == classPrincipal {
				add(src.byID(g.major))
			}
		}
	}
	for _, u := range users {
		add(src.bySID(u.sid))
	}
	for _, pair := range pairs {
		if d := src.database(pair.Source); d != nil {
			add(src.bySID(d.owner))
		}
	}
	return out
}
