package instance

import (
	"context"

	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/tsql/exec"
)

// ownerSID is the SID of the database's owner.
func (d *Database) ownerSID() []byte {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.doc.OwnerSID) == 0 {
		return adminSID
	}
	return d.doc.OwnerSID
}

// Rights implements exec.Security.
func (s security) Rights(c exec.Caller, x exec.Database, snap *catalog.Snapshot) (*exec.Rights, error) {
	t := s.in.tokenOf(c)
	if t.everything() {
		return nil, nil //nolint:nilnil // no rights mean no bounds
	}
	d, ok := x.(*Database)
	if !ok {
		return nil, nil //nolint:nilnil // a session's temporary tables are its own
	}
	u := s.in.userOf(c, t, d, snap)
	if u == nil {
		return nil, sqlerr.New(916, s.in.shownCaller(c, t), d.Name())
	}
	a := snap.Access(u.ID)
	return &exec.Rights{Access: a, Server: t.has, View: func(name string) error { return mayRead(t, a, d, name) }}, nil
}

// Enter implements exec.Security.
func (s security) Enter(ctx context.Context, c exec.Caller, x exec.Database) error {
	if d, ok := x.(*Database); ok {
		return s.in.mayEnter(ctx, c, d)
	}
	return nil
}

// ownViews are the views of the server's state that show everybody their own rows.
var ownViews = map[string]bool{"dm_exec_sessions": true, "dm_exec_requests": true}

// mayRead gives the error of a view of the server: those of its state need VIEW SERVER STATE (300), those of a database's
// VIEW DATABASE STATE (262). The views of catalogs are for everybody.
func mayRead(t *token, a *catalog.Access, d *Database, name string) error {
	name = strings.ToLower(name)
	switch {
	case !strings.HasPrefix(name, "dm_"), ownViews[name], t.has("VIEW SERVER STATE"):
		return nil
	case strings.HasPrefix(name, "dm_db_"):
		if a.HasDatabase("VIEW DATABASE STATE") {
			return nil
		}
		return sqlerr.New(262, "VIEW DATABASE STATE", d.Name())
	}
	return sqlerr.New(300, "VIEW SERVER STATE", "server", "master")
}

// shownCaller is the name that messages give a caller.
func (in *Instance) shownCaller(c exec.Caller, t *token) string {
	if c.User != "" || t.login == nil {
		return c.Login.User
	}
	return t.login.Name
}

// userOf is the user that a caller is in a database, or nil: dbo for its owner, the user with the login's SID, or guest
// where that may connect.
func (in *Instance) userOf(c exec.Caller, t *token, d *Database, snap *catalog.Snapshot) *catalog.Principal {
	if c.User != "" { // EXECUTE AS USER stays within its database
		if c.UserDatabase == d.ID() {
			return snap.Principal(c.User)
		}
		return guestOf(d, snap)
	}
	if t.login == nil {
		return nil
	}
	if string(t.login.SID) == string(d.ownerSID()) {
		return snap.Dbo()
	}
	if u := snap.PrincipalBySID(t.login.SID); u != nil {
		if snap.Access(u.ID).HasDatabase("CONNECT") {
			return u
		}
		return nil
	}
	if t.has("CONNECT ANY DATABASE") {
		return snap.Guest()
	}
	return guestOf(d, snap)
}

// guestOf is guest in the databases where everybody is let in: master, tempdb and msdb, and those where guest was granted
// CONNECT.
func guestOf(d *Database, snap *catalog.Snapshot) *catalog.Principal {
	g := snap.Guest()
	switch d.ID() {
	case masterID, tempID, msdbID:
		return g
	}
	if g != nil && snap.Access(g.ID).HasDatabase("CONNECT") {
		return g
	}
	return nil
}

// Impersonate implements exec.Security.
func (s security) Impersonate(c exec.Caller, r *exec.Rights, snap *catalog.Snapshot, kind, name string) (exec.Caller, error) {
	if kind == "LOGIN" {
		l := s.in.loginByName(name)
		if l == nil || !s.in.mayImpersonate(c, l) {
			return c, sqlerr.New(15406, name)
		}
		c.Principal, c.User, c.UserDatabase = l.ID, "", 0
		return c, nil
	}
	u := snap.Principal(name)
	if u == nil || u.IsRole() || r != nil && !r.Is(u.ID) && !r.HasPrincipal("IMPERSONATE", u) {
		return c, sqlerr.New(15517, name)
	}
	c.User, c.UserDatabase, c.Principal = u.Name, c.DatabaseID, noLogin
	sid := u.SID
	if d := s.in.byID(c.DatabaseID); u.ID == snap.Dbo().ID && d != nil {
		sid = d.ownerSID()
	}
	if l := s.in.loginBySID(sid); l != nil {
		c.Principal = l.ID
	}
	return c, nil
}

// noLogin is the number of no login: that of a user without one.
const noLogin = -1

// mayImpersonate tells whether a caller may become a login.
func (in *Instance) mayImpersonate(c exec.Caller, l *loginDoc) bool {
	t := in.tokenOf(c)
	if t.has("IMPERSONATE ANY LOGIN") || t.login != nil && t.login.ID == l.ID {
		return true
	}
	for id := range t.ids {
		p := in.principalByID(id)
		if p == nil {
			continue
		}
		for _, x := range p.Permissions {
			if x.Class == classPrincipal && x.Major == l.ID && x.State != "D" && (x.Name == "IMPERSONATE" || x.Name == "CONTROL") {
				return true
			}
		}
	}
	return false
}

// mayEnter gives the error that a caller gets who enters a database: 916, or that of a database which is not there to be
// entered.
func (in *Instance) mayEnter(ctx context.Context, c exec.Caller, d *Database) error {
	if _, err := d.Storage(); err != nil {
		return err
	}
	if in.tokenOf(c).everything() {
		return nil
	}
	snap, err := d.schema(ctx)
	if err != nil {
		return err
	}
	_, err = security{in}.Rights(c, d, snap)
	return err
}
