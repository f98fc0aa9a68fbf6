package instance

import (
	"context"
	"slices"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// serverRole is CREATE, ALTER and DROP SERVER ROLE. by is who runs it.
func (in *Instance) serverRole(ctx context.Context, s *ast.RoleStatement, by int) error {
	in.ddl.Lock()
	defer in.ddl.Unlock()
	if s.Verb == "CREATE" {
		return in.createServerRole(ctx, s, by)
	}
	r := in.principalByName(s.Name)
	if r == nil || r.kind() != roleKind {
		if s.IfExists {
			return nil
		}
		verb := "alter"
		if s.Verb == "DROP" {
			verb = "drop"
		}
		return sqlerr.New(15151, verb, "server role", s.Name)
	}
	switch s.Verb {
	case "ADD MEMBER", "DROP MEMBER":
		return in.serverMember(ctx, r, s.Member, s.Verb == "ADD MEMBER")
	case "RENAME":
		return in.renameServerRole(ctx, r, s.Member)
	}
	if r.fixed() {
		return sqlerr.New(15150, "drop", "server role", r.Name)
	}
	for _, m := range in.allPrincipals() {
		if slices.Contains(m.Roles, r.ID) {
			return sqlerr.New(15144)
		}
	}
	return in.forgetPrincipal(ctx, r)
}

func (in *Instance) createServerRole(ctx context.Context, s *ast.RoleStatement, by int) error {
	if in.principalByName(s.Name) != nil {
		return sqlerr.New(15025, s.Name)
	}
	r := in.newPrincipalLocked(s.Name)
	if err := checkLoginName(r); err != nil {
		return err
	}
	r.Kind, r.Owner = roleKind, max(by, administratorID)
	if s.Member != "" {
		owner := in.principalByName(s.Member)
		if owner == nil {
			return sqlerr.New(15151, "find", "principal", s.Member)
		}
		r.Owner = owner.ID
	}
	if err := in.loginSID(r, nil); err != nil {
		return err
	}
	return in.putLogin(ctx, r, *r)
}

func (in *Instance) renameServerRole(ctx context.Context, r *loginDoc, name string) error {
	switch other := in.principalByName(name); {
	case r.fixed():
		return sqlerr.New(15150, "alter", "server role", r.Name)
	case other != nil && other.ID != r.ID:
		return sqlerr.New(15025, name)
	}
	changed := *r
	changed.Name = name
	if err := checkLoginName(&changed); err != nil {
		return err
	}
	return in.putLogin(ctx, r, changed)
}

// serverMember puts a principal into a role or takes it out. The administrator stays in sysadmin.
func (in *Instance) serverMember(ctx context.Context, r *loginDoc, member string, add bool) error {
	m := in.principalByName(member)
	verb := map[bool]string{true: "add", false: "drop"}[add]
	switch {
	case r.ID == publicRoleID:
		return sqlerr.New(15081)
	case m == nil:
		return sqlerr.New(15151, verb, "principal", member)
	case m.fixed():
		return sqlerr.New(15405, m.Name)
	case add && (m.ID == r.ID || in.token(r.ID).ids[m.ID]):
		return sqlerr.New(15413)
	}
	changed := *m
	changed.Roles = slices.DeleteFunc(slices.Clone(m.Roles), func(id int) bool { return id == r.ID })
	if add {
		changed.Roles = append(changed.Roles, r.ID)
		slices.Sort(changed.Roles)
	}
	return in.putLogin(ctx, m, changed)
}
