package instance

import (
	"context"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// security implements exec.Security.
type security struct{ in *Instance }

// change is one statement about the principals of a database while it runs.
type principalChange struct {
	in *Instance
	c  exec.Caller
	// r are the caller's rights, nil for all.
	r *exec.Rights
	*catalog.Definer
}

// Define implements exec.Security.
func (s security) Define(_ context.Context, c exec.Caller, r *exec.Rights, d *catalog.Definer, st ast.Statement) error {
	p := &principalChange{in: s.in, c: c, r: r, Definer: d}
	switch st := st.(type) {
	case *ast.CreateUser:
		if st.Alter {
			return p.alterUser(st)
		}
		return p.createUser(st)
	case *ast.DropUser:
		return p.dropUser(st)
	case *ast.RoleStatement:
		return p.role(st)
	case *ast.Permission:
		return p.permission(st)
	case *ast.AlterAuthorization:
		return p.authorization(st)
	}
	return unsupported(statementName(st), "see docs/parity.md for what is served")
}

// may tells whether the caller has a permission on the database.
func (p *principalChange) may(permission string) bool {
	return p.r == nil || p.r.HasDatabase(permission)
}

// mayAll tells whether the caller has CONTROL of the database.
func (p *principalChange) mayAll() bool { return p.may("CONTROL") }

// createUser is CREATE USER. Errors: 15023 the name is taken, 15007 no such login, 15063 the login has a user.
func (p *principalChange) createUser(s *ast.CreateUser) error {
	if !p.may("ALTER ANY USER") {
		return sqlerr.New(15247)
	}
	if s.Source != "" && s.Source != "LOGIN" && s.Source != "WITHOUT LOGIN" {
		return unsupported("CREATE USER … FOR "+s.Source, "use FOR LOGIN")
	}
	if err := checkUserName(s.Name); err != nil {
		return err
	}
	u := catalog.Principal{Name: s.Name, Kind: sqlLogin, DefaultSchema: "dbo"}
	if s.Source == "WITHOUT LOGIN" {
		u.SID = p.ownSID(s.Name)
	} else if err := p.login(&u, s); err != nil {
		return err
	}
	for i := range s.Options {
		o := &s.Options[i]
		value, _ := text(o.Value)
		switch o.Name {
		case "DEFAULT_SCHEMA":
			u.DefaultSchema = value
		case "SID": // of a user of the database alone
			return unsupported("SID of a user", "create the login with that SID and the user FOR LOGIN")
		default:
			return unsupported(o.Name+" of a user", "leave it out; users of a database alone (WITH PASSWORD) are not served")
		}
	}
	_, err := p.CreatePrincipal(u)
	return err
}

// login makes the user one of the login that the statement names, or of the one with the user's name.
func (p *principalChange) login(u *catalog.Principal, s *ast.CreateUser) error {
	name := s.SourceName
	if name == "" {
		name = s.Name
	}
	if p.Snapshot().Principal(s.Name) != nil {
		return sqlerr.New(15023, s.Name)
	}
	l := p.in.loginByName(name)
	if l == nil {
		return sqlerr.New(15007, name)
	}
	u.Kind, u.SID = l.kind(), l.SID
	return p.free(l, 0)
}

// free gives 15063 when a login has a user other than id, or is dbo.
func (p *principalChange) free(l *loginDoc, id int32) error {
	if l.ID == administratorID {
		return sqlerr.New(15405, l.Name)
	}
	if o := p.Snapshot().PrincipalBySID(l.SID); o != nil && o.ID != id {
		return sqlerr.New(15063)
	}
	if d, err := p.in.Find(p.c.Database); err == nil && string(d.ownerSID()) == string(l.SID) {
		return sqlerr.New(15063)
	}
	return nil
}

// ownSID makes the SID of a user without login: that of a name in the database, which no login has.
func (p *principalChange) ownSID(name string) []byte {
	return catalog.SIDWithoutLogin([16]byte(windowsSID(p.c.Database + "\x00" + name)[12:]))
}

func checkUserName(name string) error {
	if n := len([]rune(name)); n == 0 || n > maxName || strings.ContainsRune(name, 0) {
		return sqlerr.New(15006, prefix(name, maxName))
	}
	return nil
}

// alterUser is ALTER USER … WITH NAME, DEFAULT_SCHEMA, LOGIN.
func (p *principalChange) alterUser(s *ast.CreateUser) error {
	u := p.Snapshot().Principal(s.Name)
	if u == nil || u.IsRole() || p.r != nil && !p.r.HasPrincipal("ALTER", u) && !p.ownSchema(u, s) {
		return sqlerr.New(15151, "alter", "user", s.Name)
	}
	if u.Built() {
		return sqlerr.New(15150, "alter", "user", u.Name)
	}
	changed := *u
	for i := range s.Options {
		o := &s.Options[i]
		value, _ := text(o.Value)
		switch o.Name {
		case "NAME":
			if err := checkUserName(value); err != nil {
				return err
			}
			if p.ownsCertificate(u) {
				return unsupported("a new name for the owner of a certificate", "drop the certificate first and import it again")
			}
			changed.Name = value
		case "DEFAULT_SCHEMA":
			changed.DefaultSchema = value
		case "LOGIN":
			l := p.in.loginByName(value)
			if l == nil {
				return sqlerr.New(15151, "find", "login", value)
			}
			if err := p.free(l, u.ID); err != nil {
				return err
			}
			changed.Kind, changed.SID = l.kind(), l.SID
		default:
			return unsupported(o.Name+" of a user", "leave it out")
		}
	}
	return p.AlterPrincipal(u.ID, changed)
}

// ownSchema tells whether a user changes nothing but its own default schema.
func (p *principalChange) ownSchema(u *catalog.Principal, s *ast.CreateUser) bool {
	return p.r.User != nil && p.r.User.ID == u.ID && len(s.Options) == 1 && s.Options[0].Name == "DEFAULT_SCHEMA"
}

// dropUser is DROP USER. Errors: 15151 there is none, 15138 it owns a schema, 15559 it owns a certificate.
func (p *principalChange) dropUser(s *ast.DropUser) error {
	u := p.Snapshot().Principal(s.Name)
	switch {
	case (u == nil || u.IsRole()) && s.IfExists:
		return nil
	case u == nil || u.IsRole() || p.r != nil && !p.r.HasPrincipal("ALTER", u):
		return sqlerr.New(15151, "drop", "user", s.Name)
	}
	if p.ownsCertificate(u) {
		return sqlerr.New(15559, "user", u.Name, "certificate")
	}
	return p.DropPrincipal(s.Name)
}

// ownsCertificate tells whether a user of master owns a certificate: that knows it by its name.
func (p *principalChange) ownsCertificate(u *catalog.Principal) bool {
	if !strings.EqualFold(p.c.Database, "master") {
		return false
	}
	for _, cert := range p.in.keeper.Certificates() {
		if cert.Owner != "" && p.in.fold(cert.Owner) == p.in.fold(u.Name) {
			return true
		}
	}
	return false
}

// role is CREATE, ALTER and DROP ROLE.
func (p *principalChange) role(s *ast.RoleStatement) error {
	if s.Verb == "CREATE" {
		return p.createRole(s)
	}
	r := p.Snapshot().Principal(s.Name)
	verb := "alter"
	if s.Verb == "DROP" {
		verb = "drop"
	}
	if r == nil || !r.IsRole() {
		if s.IfExists {
			return nil
		}
		return sqlerr.New(15151, verb, "role", s.Name)
	}
	if p.r != nil && (r.Fixed && !p.mayAll() || !p.r.HasPrincipal("ALTER", r)) {
		return sqlerr.New(15151, verb, "role", s.Name)
	}
	switch s.Verb {
	case "DROP":
		return p.DropPrincipal(s.Name)
	case "RENAME":
		if r.Fixed {
			return sqlerr.New(15150, "alter", "role", r.Name)
		}
		changed := *r
		if changed.Name = s.Member; checkUserName(changed.Name) != nil {
			return checkUserName(changed.Name)
		}
		return p.AlterPrincipal(r.ID, changed)
	}
	return p.SetMember(s.Name, s.Member, s.Verb == "ADD MEMBER")
}

func (p *principalChange) createRole(s *ast.RoleStatement) error {
	if !p.may("CREATE ROLE") {
		return sqlerr.New(15247)
	}
	if err := checkUserName(s.Name); err != nil {
		return err
	}
	owner := p.self()
	if s.Member != "" {
		o := p.Snapshot().Principal(s.Member)
		if o == nil || p.r != nil && !p.r.Is(o.ID) && !p.mayAll() {
			return sqlerr.New(15151, "find", "principal", s.Member)
		}
		owner = o.ID
	}
	id, err := p.CreatePrincipal(catalog.Principal{Name: s.Name, Kind: "R", SID: p.ownSID(s.Name)})
	if err != nil || owner == p.Snapshot().Dbo().ID {
		return err
	}
	return p.SetOwner(catalog.ClassPrincipal, id, owner)
}

// self is the number of the caller's user; dbo for who may do everything.
func (p *principalChange) self() int32 {
	if p.r == nil || p.r.User == nil {
		return p.Snapshot().Dbo().ID
	}
	return p.r.User.ID
}
