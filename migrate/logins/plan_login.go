package logins

import (
	"fmt"
	"strings"

	"linkspan/login"
	"linkspan/sqlclient"
)

const sidSize = 16

// hashForm names the servers that make a hash of its form; "" for none that is known.
func hashForm(s secret) string {
	h := s.bytes()
	const derived = 2 + 4 + 64
	switch {
	case len(h) == derived && h[0] == 3 && h[1] == 0:
		return "0x0300, which SQL Server 2025 makes"
	case login.Check(h) != nil:
		return ""
	case h[0] == 1:
		return "0x0100, which SQL Server made until 2008 R2"
	}
	return "0x0200, which SQL Server makes since 2012"
}

// subject finds the login that a stage is about, or the reason why the stage cannot be.
func (s *sides) subject(name string) (*principal, plan) {
	l := find(s.src.principals, func(p *principal) bool { return p.kind != kindRole && p.name == name })
	if l == nil {
		l = find(s.src.principals, func(p *principal) bool { return p.kind != kindRole && s.src.same(p.name, name) })
	}
	switch {
	case l == nil:
		return nil, halted("login "+quote(name)+" is not on the source "+s.src.name, "nothing is left to be moved: stop this login, or make it again on the source and retry")
	case left(l) != "":
		return nil, halted("login "+quote(name)+" is not one that is moved: "+left(l), "stop this login")
	case !l.hash.known():
		return nil, halted("the password hash of login "+quote(name)+" cannot be read on the source", "connect to "+s.src.name+" as a member of sysadmin, then retry")
	case hashForm(l.hash) == "":
		return nil, halted("the password hash of login "+quote(name)+" is of no known form", "set its password anew on the source, then retry")
	case len(l.sid) != sidSize:
		return nil, halted(fmt.Sprintf("the SID of login %s has %d bytes, and CREATE LOGIN takes %d (15419)", quote(name), len(l.sid), sidSize),
			"make the login anew on the source, give its users to it (ALTER USER … WITH LOGIN), then retry")
	}
	return l, plan{}
}

// planInitialize looks whether a login can be moved; nothing is changed.
func planInitialize(s *sides, name string) plan {
	l, p := s.subject(name)
	if p.halt != nil {
		return p
	}
	if p := s.clash(l, true); p.halt != nil {
		return p
	}
	if s.src.folds && !s.dst.folds {
		p.warn("the target tells capitals from small letters in names: it has to be spelled %s when logging in there", quote(l.name))
	}
	if l.credential != "" {
		p.warn("it is mapped to credential %s, which is not moved: ALTER LOGIN %s ADD CREDENTIAL … on the target", quote(l.credential), quote(l.name))
	}
	if l.mustChange {
		p.warn("its password is to be changed at the next login, which CREATE LOGIN … HASHED cannot say: it goes on without")
	}
	for _, e := range s.src.endpoints {
		if e.owner == l.id {
			p.warn("it owns endpoint %s, which is not moved", quote(e.name))
		}
	}
	return p
}

// clash says what on the target stands in a login's way. The same SID is the same login: it came here before, by us or
// by hand. first: it has not been moved yet; afterwards a password may be set on the target.
func (s *sides) clash(l *principal, first bool) plan {
	there, dst := s.dst.bySID(l.sid), s.dst.name
	if there != nil && !s.dst.same(there.name, l.name) {
		return halted(fmt.Sprintf("the SID of login %s belongs to login %s on the target (15433): users of the databases would be that one's", quote(l.name), quote(there.name)),
			fmt.Sprintf("on %s, ALTER LOGIN %s WITH NAME = %s if they are the same, DROP LOGIN %s if it is of no use; then retry", dst, quote(there.name), quote(l.name), quote(there.name)))
	}
	if there == nil {
		there = s.dst.byName(l.name)
		switch {
		case there == nil:
			return plan{}
		case there.kind == kindRole:
			return halted(fmt.Sprintf("a server role is called %s on the target (15025)", quote(there.name)), fmt.Sprintf("rename the role or the login, then retry: ALTER SERVER ROLE %s WITH NAME = …", quote(there.name)))
		}
		return halted(fmt.Sprintf("another login is called %s on the target (15025): its SID is %s, on the source it is %s", quote(there.name), sqlclient.Binary(there.sid), sqlclient.Binary(l.sid)),
			fmt.Sprintf("if nobody needs it, DROP LOGIN %s on %s and retry; else rename one of the two", quote(there.name), dst))
	}
	if first && !there.hash.equal(l.hash) && !newer(l, there) {
		when := ""
		if !l.set.IsZero() && !there.set.IsZero() {
			when = ", set there later than on the source"
		}
		return halted(fmt.Sprintf("login %s is on the target with the same SID and another password%s", quote(l.name), when),
			fmt.Sprintf("set the password on the source as it is to be, or DROP LOGIN %s on %s to have it made with the source's; then retry", quote(there.name), dst))
	}
	return plan{}
}

// newer reports whether the source's password was set after the target's. A login that was made HASHED has its password
// since then.
func newer(src, dst *principal) bool {
	return !src.set.IsZero() && !dst.set.IsZero() && src.set.After(dst.set)
}

// planLogin makes the login, or brings one that is there up to the source. first is as clash has it.
func planLogin(s *sides, name string, first bool) plan {
	l, p := s.subject(name)
	if p.halt != nil {
		return p
	}
	if p := s.clash(l, first); p.halt != nil {
		return p
	}
	there := s.dst.bySID(l.sid)
	if there == nil {
		p.add(s.create(l))
		p.add(s.denials(l, nil)...)
		return p
	}
	s.bringUp(&p, l, there, first)
	if first {
		p.add(s.denials(l, there)...)
	}
	return p
}

// create makes the login in one transaction with what bars it from logging in: a disabled login must not be open for a
// moment, nor for ever when we are killed. And when CREATE LOGIN fails, what follows must not fall on somebody else's.
func (s *sides) create(l *principal) step {
	transaction, language := true, l.language != ""
	return step{text: s.creation(l, transaction, language), what: "CREATE LOGIN " + quote(l.name), instead: func(number int32) string {
		switch {
		case number == 574 && transaction: // a server that makes logins outside transactions alone
			transaction = false
		case (number == 15033 || number == 40510) && language: // a language that is not there
			language = false
		default:
			return ""
		}
		return s.creation(l, transaction, language)
	}}
}

func (s *sides) creation(l *principal, transaction, language bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE LOGIN %s WITH PASSWORD = %s HASHED, SID = %s, DEFAULT_DATABASE = %s", quote(l.name), sqlclient.Binary(l.hash.bytes()), sqlclient.Binary(l.sid), quote(s.defaultDatabase(l)))
	if language {
		b.WriteString(", DEFAULT_LANGUAGE = " + quote(l.language))
	}
	fmt.Fprintf(&b, ", CHECK_POLICY = %s, CHECK_EXPIRATION = %s;", onOff(l.policy), onOff(l.expiration))
	if l.disabled {
		fmt.Fprintf(&b, " ALTER LOGIN %s DISABLE;", quote(l.name))
	}
	switch s.src.state(l.id, connectSQL) {
	case "D":
		fmt.Fprintf(&b, " DENY CONNECT SQL TO %s;", quote(l.name))
	case "":
		fmt.Fprintf(&b, " REVOKE CONNECT SQL FROM %s;", quote(l.name))
	}
	if !transaction {
		return "BEGIN TRY " + b.String() + " END TRY BEGIN CATCH THROW; END CATCH;"
	}
	return "SET XACT_ABORT ON; BEGIN TRY BEGIN TRANSACTION; " + b.String() + " COMMIT TRANSACTION; END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; THROW; END CATCH;"
}

// defaultDatabase is the one that a login can have on the target now. It is master as long as its own is not open there:
// a login whose default database is being restored cannot log in.
func (s *sides) defaultDatabase(l *principal) string {
	if d := s.dst.database(s.target(l.database)); d != nil && d.open && l.database != "" {
		return d.name
	}
	return "master"
}

// bringUp takes over what changed on the source since the login was made. That it was disabled there is taken over only
// while it is being moved for the first time: later, this is how somebody stops the traffic for a cutover.
func (s *sides) bringUp(p *plan, l, there *principal, first bool) {
	if !there.hash.equal(l.hash) && newer(l, there) {
		p.add(step{text: fmt.Sprintf("ALTER LOGIN %s WITH PASSWORD = %s HASHED;", quote(there.name), sqlclient.Binary(l.hash.bytes())), what: "ALTER LOGIN " + quote(there.name) + " WITH PASSWORD"})
	}
	switch {
	case l.disabled && !there.disabled && !first:
		p.warn("it was disabled on the source after it was moved: ALTER LOGIN %s DISABLE if it is not to work on the target either", quote(there.name))
	case l.disabled && !there.disabled:
		p.add(step{text: fmt.Sprintf("ALTER LOGIN %s DISABLE;", quote(there.name)), what: "ALTER LOGIN " + quote(there.name) + " DISABLE"})
	case !l.disabled && there.disabled:
		p.warn("it is disabled on the target and not on the source: ALTER LOGIN %s ENABLE if it is to work", quote(there.name))
	}
	if l.policy != there.policy || l.expiration != there.expiration {
		p.warn("CHECK_POLICY and CHECK_EXPIRATION are %s and %s on the source, %s and %s on the target", onOff(l.policy), onOff(l.expiration), onOff(there.policy), onOff(there.expiration))
	}
	if !strings.EqualFold(l.language, there.language) {
		p.warn("its default language is %s on the source, %s on the target", quote(l.language), quote(there.language))
	}
	if want := s.defaultDatabase(l); s.dst.same(there.database, "master") && !s.dst.same(want, "master") {
		p.add(step{text: fmt.Sprintf("ALTER LOGIN %s WITH DEFAULT_DATABASE = %s;", quote(there.name), quote(want)), what: "ALTER LOGIN " + quote(there.name) + " WITH DEFAULT_DATABASE"})
	}
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}
