package instance

import (
	"context"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// serverAuthorization is ALTER AUTHORIZATION ON what belongs to the server: a database, a server role, an endpoint or a
// group. The last two belong to the administrator and stay there.
func (in *Instance) serverAuthorization(ctx context.Context, c exec.Caller, s *ast.AlterAuthorization) error {
	to := in.principalByName(s.To)
	if to == nil {
		return sqlerr.New(15151, "find", "principal", s.To)
	}
	switch s.Class {
	case "DATABASE":
		return in.changeOwner(ctx, c, s.On.Name, to)
	case "SERVER ROLE":
		in.ddl.Lock()
		defer in.ddl.Unlock()
		r := in.principalByName(s.On.Name)
		if r == nil || r.kind() != roleKind {
			return sqlerr.New(15151, "find", "server role", s.On.Name)
		}
		if r.fixed() {
			return sqlerr.New(15150, "alter", "server role", r.Name)
		}
		changed := *r
		changed.Owner = to.ID
		return in.putLogin(ctx, r, changed)
	case "ENDPOINT", "AVAILABILITY GROUP":
		if to.ID == administratorID {
			return nil // it belongs to the administrator already
		}
	}
	return unsupported("ALTER AUTHORIZATION ON "+s.Class, "what belongs to the server is the administrator's")
}

// changeOwner is ALTER AUTHORIZATION ON DATABASE. The owner's SID is kept in master and, as dbo's, in the database itself.
// Errors: 15110 the login has a user there.
func (in *Instance) changeOwner(ctx context.Context, c exec.Caller, name string, to *loginDoc) error {
	d, err := in.Find(name)
	if err != nil {
		return sqlerr.New(15151, "find", "database", name)
	}
	t := in.token(c.Principal)
	if !t.everything() && (t.login == nil || t.login.ID != to.ID || !t.has("ALTER ANY DATABASE") && string(d.ownerSID()) != string(t.login.SID)) {
		return sqlerr.New(15151, "find", "database", name)
	}
	if d.isSystem() {
		return sqlerr.New(15150, "alter", "database", d.Name())
	}
	if to.kind() == roleKind {
		return sqlerr.New(15151, "find", "principal", to.Name)
	}
	if d.readOnly() {
		return sqlerr.New(3906, d.Name())
	}
	if err := d.change(ctx, func(def *catalog.Definer) error { return setDbo(def, to.SID) }); err != nil {
		return err
	}
	return d.update(ctx, func(doc *databaseDoc) { doc.OwnerSID = to.SID })
}

// setDbo gives dbo the SID of a login.
func setDbo(def *catalog.Definer, sid []byte) error {
	snap := def.Snapshot()
	if snap.PrincipalBySID(sid) != nil && !strings.EqualFold(snap.PrincipalBySID(sid).Name, "dbo") {
		return sqlerr.New(15110)
	}
	p := *snap.Dbo()
	p.SID = sid
	return def.AlterPrincipal(p.ID, p)
}

// ownerFor is the SID of the owner of a database that a caller makes; nil for the administrator and the server itself.
func (in *Instance) ownerFor(c exec.Caller) []byte {
	if l := in.token(c.Principal).login; l != nil && l.ID != administratorID {
		return l.SID
	}
	return nil
}
