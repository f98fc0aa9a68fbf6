package instance

import (
	"slices"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// permission is GRANT, DENY and REVOKE in a database. Errors: 15151 what or who does not exist or may not be given by the
// caller, 4606 a permission that the securable does not have, 4617 and 4624 who can be given nothing.
func (p *principalChange) permission(s *ast.Permission) error {
	at, err := p.securable(s)
	if err != nil {
		return err
	}
	names, err := at.names(s)
	if err != nil {
		return err
	}
	var grantees []*catalog.Principal
	for _, id := range s.Principals {
		g, err := p.grantee(id.Name, at)
		if err != nil {
			return err
		}
		grantees = append(grantees, g)
	}
	for _, name := range names {
		if !p.mayGive(at, name) {
			return at.missing
		}
	}
	grantor, err := p.grantor(s)
	if err != nil {
		return err
	}
	for _, g := range grantees {
		for _, name := range names {
			if err := p.give(s, at, name, g, grantor); err != nil {
				return err
			}
		}
	}
	return nil
}

// grantor is who gives: the caller's user, or that of AS.
func (p *principalChange) grantor(s *ast.Permission) (int32, error) {
	if s.As == "" {
		return p.self(), nil
	}
	o := p.Snapshot().Principal(s.As)
	if o == nil || p.r != nil && !p.r.Is(o.ID) && !p.mayAll() {
		return 0, sqlerr.New(15151, "find", "principal", s.As)
	}
	return o.ID, nil
}

// cascade takes from those to whom a grantee passed a permission on, and does with them as with the grantee.
func (p *principalChange) cascade(perm catalog.Permission) error {
	for _, had := range p.Snapshot().Permissions() {
		if had.Class != perm.Class || had.Major != perm.Major || had.Name != perm.Name || had.Grantor != perm.Grantee || had.Grantee == perm.Grantee || had.State == catalog.Deny {
			continue
		}
		had.State = perm.State
		if err := p.SetPermission(had); err != nil {
			return err
		}
		if err := p.cascade(had); err != nil {
			return err
		}
	}
	return nil
}

// give writes one permission, on each column that the statement names.
func (p *principalChange) give(s *ast.Permission, at *securable, name string, g *catalog.Principal, grantor int32) error {
	perm := catalog.Permission{Class: at.class, Major: at.major, Grantee: g.ID, Grantor: grantor, Name: name, State: permissionState(s)}
	columns := at.columns
	if len(columns) == 0 || !slices.Contains(columnPermissions, name) {
		columns = []int32{0}
	}
	for _, had := range p.Snapshot().Permissions() {
		if had.Class == at.class && had.Major == at.major && had.Grantee == g.ID && had.Name == name && had.State == catalog.GrantWithGrant && s.Verb != "GRANT" && !s.Cascade {
			return sqlerr.New(4611)
		}
	}
	if len(columns) == 1 && columns[0] == 0 && perm.State != catalog.Deny { // what is said of the whole replaces what was said of columns
		for _, had := range p.Snapshot().Permissions() {
			if had.Class == at.class && had.Major == at.major && had.Minor != 0 && had.Grantee == g.ID && had.Name == name {
				had.State = ""
				if err := p.SetPermission(had); err != nil {
					return err
				}
			}
		}
	}
	for _, c := range columns {
		perm.Minor = c
		if err := p.SetPermission(perm); err != nil {
			return err
		}
	}
	if s.Cascade && perm.State != catalog.Grant && perm.State != catalog.GrantWithGrant {
		return p.cascade(perm)
	}
	return nil
}

// securable is what a permission is about.
type securable struct {
	class   uint8
	major   int32
	columns []int32
	// owner is the principal that owns it.
	owner  int32
	object *catalog.Object
	schema *catalog.Schema
	who    *catalog.Principal
	// known are the permissions that it has, all what ALL stands for.
	known, all []string
	// missing is the error of who may not give permissions on it.
	missing error
}

var (
	tablePermissions     = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES"}
	columnPermissions    = []string{"SELECT", "UPDATE", "REFERENCES"}
	objectPermissions    = []string{"ALTER", "CONTROL", "TAKE OWNERSHIP", "VIEW DEFINITION", "VIEW CHANGE TRACKING"}
	schemaPermissions    = append([]string{"EXECUTE"}, append(tablePermissions, objectPermissions...)...)
	principalPermissions = []string{"ALTER", "CONTROL", "IMPERSONATE", "VIEW DEFINITION", "TAKE OWNERSHIP"}
	databaseAll          = []string{"BACKUP DATABASE", "BACKUP LOG", "CREATE FUNCTION", "CREATE PROCEDURE", "CREATE TABLE", "CREATE VIEW"}
)

// securable finds what a statement is about.
func (p *principalChange) securable(s *ast.Permission) (*securable, error) {
	snap := p.Snapshot()
	missing := func(kind, name string) error { return sqlerr.New(15151, "find", kind, name) }
	switch s.Class {
	case "", "OBJECT":
		if s.On.Name != "" {
			return p.objectSecurable(s)
		}
	case "DATABASE":
		if !strings.EqualFold(s.On.Name, p.c.Database) {
			return nil, missing("database", s.On.Name)
		}
	case "SCHEMA":
		x := snap.Schema(s.On.Name)
		if x == nil {
			return nil, missing("schema", s.On.Name)
		}
		return &securable{class: catalog.ClassSchema, major: x.ID, owner: x.Owner, schema: x, known: schemaPermissions, missing: missing("schema", s.On.Name)}, nil
	case "USER", "ROLE":
		who := snap.Principal(s.On.Name)
		if who == nil || who.IsRole() != (s.Class == "ROLE") {
			return nil, missing(strings.ToLower(s.Class), s.On.Name)
		}
		return &securable{class: catalog.ClassPrincipal, major: who.ID, who: who, known: principalPermissions, missing: missing(strings.ToLower(s.Class), s.On.Name)}, nil
	default:
		return nil, unsupported("permissions ON "+s.Class, "see docs/parity.md for the securables that are known")
	}
	return &securable{class: catalog.ClassDatabase, known: catalog.PermissionNames(), all: databaseAll, owner: snap.Dbo().ID, missing: sqlerr.New(4613)}, nil
}

func (p *principalChange) objectSecurable(s *ast.Permission) (*securable, error) {
	snap := p.Snapshot()
	missing := sqlerr.New(15151, "find", "object", s.On.Name)
	if s.On.Database != "" && !strings.EqualFold(s.On.Database, p.c.Database) {
		return nil, missing
	}
	var o *catalog.Object
	for _, schema := range []string{s.On.Schema, p.defaultSchema(), "dbo"} {
		if o == nil && schema != "" && (s.On.Schema == "" || schema == s.On.Schema) {
			o = snap.Object(schema, s.On.Name)
		}
	}
	if o == nil {
		return nil, missing
	}
	at := &securable{class: catalog.ClassObject, major: o.ID, owner: snap.OwnerOf(o), object: o, missing: missing}
	switch o.Kind {
	case catalog.Table, catalog.View, catalog.InlineTable, "TF":
		at.all = tablePermissions
	case catalog.Procedure:
		at.all = []string{"EXECUTE"}
	case catalog.Scalar:
		at.all = []string{"EXECUTE", "REFERENCES"}
	default:
		return nil, missing
	}
	at.known = append(slices.Clone(at.all), objectPermissions...)
	if len(s.Columns) == 0 {
		return at, nil
	}
	if o.Table == nil {
		return nil, unsupported("permissions on the columns of "+o.Name+", which is no table", "grant them on the whole")
	}
	for _, id := range s.Columns {
		n := len(at.columns)
		for _, c := range o.Table.Columns {
			if snap.Fold(c.Name) == snap.Fold(id.Name) {
				at.columns = append(at.columns, c.ID)
			}
		}
		if len(at.columns) == n {
			return nil, sqlerr.New(1911, id.Name)
		}
	}
	return at, nil
}

func (p *principalChange) defaultSchema() string {
	if p.r == nil || p.r.User == nil {
		return "dbo"
	}
	return p.r.User.DefaultSchema
}

// names are the permissions that a statement names, with ALL spelled out.
func (at *securable) names(s *ast.Permission) ([]string, error) {
	var out []string
	for _, name := range s.Permissions {
		switch {
		case name == "ALL" && len(at.all) > 0:
			out = append(out, at.all...)
			continue
		case name == "EXEC":
			name = "EXECUTE"
		case name == "CREATE PROC":
			name = "CREATE PROCEDURE"
		}
		if name == "CREATE DATABASE" && at.class == catalog.ClassDatabase {
			return nil, sqlerr.New(4619)
		}
		if !slices.Contains(at.known, name) {
			if _, ok := catalog.PermissionCode(name); !ok {
				return nil, unsupported("the permission "+name, "see docs/parity.md for those that are known")
			}
			return nil, sqlerr.New(4606, name)
		}
		if len(at.columns) > 0 && !slices.Contains(columnPermissions, name) {
			return nil, sqlerr.New(1020, name)
		}
		out = append(out, name)
	}
	return out, nil
}

// grantee finds who is given a permission.
func (p *principalChange) grantee(name string, at *securable) (*catalog.Principal, error) {
	g := p.Snapshot().Principal(name)
	switch {
	case g == nil:
		return nil, sqlerr.New(15151, "find", "user", name)
	case g.IsRole() && g.Fixed && !strings.EqualFold(g.Name, "public"):
		return nil, sqlerr.New(4617)
	case g.ID == p.Snapshot().Dbo().ID, g.Fixed && !g.IsRole() && g.ID != p.Snapshot().Guest().ID, g.ID == at.owner && at.class != catalog.ClassPrincipal, p.r != nil && g.ID == p.self():
		return nil, sqlerr.New(4624)
	}
	return g, nil
}

// mayGive tells whether the caller may give a permission: as owner, with CONTROL, as db_securityadmin, or because it was
// granted WITH GRANT OPTION.
func (p *principalChange) mayGive(at *securable, name string) bool {
	if p.r == nil || p.mayAll() || at.owner != 0 && p.r.Is(at.owner) {
		return true
	}
	if r := p.Snapshot().Principal("db_securityadmin"); r != nil && p.r.MemberOf(r) {
		return true
	}
	switch {
	case at.object != nil && p.r.HasObject("CONTROL", at.object), at.schema != nil && p.r.HasSchema("CONTROL", at.schema),
		at.who != nil && p.r.HasPrincipal("CONTROL", at.who):
		return true
	}
	for _, had := range p.Snapshot().Permissions() {
		if had.Class == at.class && had.Major == at.major && had.Name == name && had.State == catalog.GrantWithGrant && p.r.Is(had.Grantee) {
			return true
		}
	}
	return false
}

// authorization is ALTER AUTHORIZATION ON an object, a schema or a role.
func (p *principalChange) authorization(s *ast.AlterAuthorization) error {
	snap := p.Snapshot()
	q := &ast.Permission{Class: s.Class, On: s.On}
	at, err := p.securable(q)
	if err != nil {
		return err
	}
	if at.who != nil {
		at.owner = snap.RoleOwner(at.who.ID)
		if at.who.Fixed {
			return sqlerr.New(15150, "alter", "role", at.who.Name)
		}
	}
	if at.schema != nil && at.schema.ID <= 4 {
		return sqlerr.New(15150, "alter", "schema", at.schema.Name)
	}
	if !p.mayGive(at, "TAKE OWNERSHIP") {
		return at.missing
	}
	owner := int32(0)
	if s.To != "" {
		o := snap.Principal(s.To)
		if o == nil || p.r != nil && !p.mayAll() && !p.r.Is(o.ID) && !p.r.HasPrincipal("IMPERSONATE", o) {
			return sqlerr.New(15151, "find", "principal", s.To)
		}
		owner = o.ID
	} else if at.object == nil {
		return sqlerr.New(102, "SCHEMA")
	}
	return p.SetOwner(at.class, at.major, owner)
}
