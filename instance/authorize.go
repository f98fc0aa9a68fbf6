package instance

import (
	"context"
	"slices"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// authorize gives the error of a statement about the server that the caller must not run, with SQL Server's number for it.
func (in *Instance) authorize(ctx context.Context, c exec.Caller, s ast.Statement) error {
	t := in.tokenOf(c)
	if t.everything() {
		return nil
	}
	a := authority{in, ctx, c, t}
	switch s := s.(type) {
	case *ast.CreateDatabase, *ast.AlterDatabase, *ast.DropDatabase, *ast.Backup, *ast.Restore, *ast.Checkpoint, *ast.DBCC:
		return a.database(s)
	case *ast.CreateLogin, *ast.DropLogin, *ast.RoleStatement, *ast.Permission:
		return a.logins(s)
	case *ast.CreateEndpoint, *ast.DropEndpoint, *ast.CreateGroup, *ast.AlterGroup, *ast.DropGroup:
		return a.partners(s)
	case *ast.Kill:
		if !t.has("ALTER ANY CONNECTION") {
			return sqlerr.New(6102)
		}
	case *ast.CreateCredential, *ast.DropCredential:
		if !t.has("ALTER ANY CREDENTIAL") {
			return sqlerr.New(15247)
		}
	case *ast.Reconfigure:
		if !t.has("ALTER SETTINGS") {
			return sqlerr.New(5812)
		}
	case *ast.CreateMasterKey, *ast.AlterMasterKey, *ast.OpenMasterKey, *ast.DropMasterKey, *ast.BackupMasterKey, *ast.RestoreMasterKey,
		*ast.CreateCertificate, *ast.AlterCertificate, *ast.DropCertificate, *ast.BackupCertificate:
		return sqlerr.New(15247)
	}
	return nil
}

// authority is a caller who is no administrator.
type authority struct {
	in  *Instance
	ctx context.Context
	c   exec.Caller
	t   *token
}

// in gives what the caller may do in a database; an error when there is no such database or no way into it.
func (a authority) access(name string) (*catalog.Access, *Database, error) {
	d, err := a.in.Find(name)
	if err != nil {
		return nil, nil, err
	}
	snap, err := d.schema(a.ctx)
	if err != nil {
		return nil, d, err
	}
	r, err := security{a.in}.Rights(a.c, d, snap)
	if err != nil {
		return nil, d, err
	}
	return r.Access, d, nil
}

// has tells whether the caller has a permission in a database.
func (a authority) has(database, permission string) bool {
	if database == "" {
		database = a.c.Database
	}
	access, _, err := a.access(database)
	return err == nil && access.HasDatabase(permission)
}

// owns tells whether the caller is the owner of a database, which may not be open.
func (a authority) owns(name string) bool {
	d, err := a.in.Find(name)
	return err == nil && a.c.User == "" && a.t.login != nil && string(d.ownerSID()) == string(a.t.login.SID)
}

func (a authority) database(s ast.Statement) error {
	switch s := s.(type) {
	case *ast.CreateDatabase:
		return a.create()
	case *ast.AlterDatabase:
		if !a.t.has("ALTER ANY DATABASE") && !a.owns(s.Name) && !a.has(s.Name, "ALTER") {
			return sqlerr.New(5011, s.Name)
		}
	case *ast.DropDatabase:
		for _, n := range s.Names {
			if !a.t.has("ALTER ANY DATABASE") && !a.owns(n.Name) && !a.has(n.Name, "CONTROL") {
				return sqlerr.New(3701, "drop", "database", n.Name)
			}
		}
	case *ast.Backup:
		return a.backup(s)
	case *ast.Restore:
		return a.restore(s)
	case *ast.Checkpoint:
		if !a.has("", "CHECKPOINT") {
			return sqlerr.New(262, "CHECKPOINT", a.c.Database)
		}
	case *ast.DBCC:
		return a.dbcc(s)
	}
	return nil
}

func (a authority) create() error {
	if !a.t.has("CREATE ANY DATABASE") {
		return sqlerr.New(262, "CREATE DATABASE", "master")
	}
	return nil
}

func (a authority) backup(s *ast.Backup) error {
	permission, name := "BACKUP DATABASE", s.Database.Name
	if s.Log {
		permission = "BACKUP LOG"
	}
	access, d, err := a.access(name)
	switch {
	case err != nil && d == nil:
		return nil // the statement says that there is no such database
	case err != nil:
		return err
	case !access.HasDatabase(permission):
		return sqlerr.New(262, permission, d.Name())
	}
	return nil
}

// restore asks for CREATE ANY DATABASE, or that the caller owns the database that is restored over.
func (a authority) restore(s *ast.Restore) error {
	name := s.Database.Name
	if a.t.has("CREATE ANY DATABASE") || name != "" && a.owns(name) {
		return nil
	}
	if _, err := a.in.Find(name); name != "" && err == nil {
		return sqlerr.New(3110, name)
	}
	return a.create()
}

// dbcc asks for db_owner in the database that is named, or for VIEW SERVER STATE.
func (a authority) dbcc(s *ast.DBCC) error {
	switch s.Command {
	case "CHECKDB", "CHECKALLOC", "CHECKTABLE", "CHECKCATALOG":
		name := a.c.Database
		if len(s.Args) > 0 {
			if n, ok := text(s.Args[0]); ok && n != "" && s.Command != "CHECKTABLE" {
				name = n
			} else if w := word(s.Args[0]); w != "" && s.Command != "CHECKTABLE" {
				name = w
			}
		}
		if !a.has(name, "CONTROL") {
			return sqlerr.New(7983, a.t.name(), strings.ToLower(s.Command), name)
		}
	default:
		if !a.t.has("VIEW SERVER STATE") && !a.has("", "CONTROL") {
			return sqlerr.New(2571, a.t.name(), s.Command)
		}
	}
	return nil
}

func (a authority) logins(s ast.Statement) error {
	switch s := s.(type) {
	case *ast.CreateLogin:
		switch {
		case !s.Alter && !a.t.has("ALTER ANY LOGIN"):
			return sqlerr.New(15247)
		case s.Alter && !a.mayAlter(s):
			return sqlerr.New(15151, "alter", "login", s.Name)
		}
	case *ast.DropLogin:
		if l := a.in.loginByName(s.Name); l != nil && !a.over(l) {
			return sqlerr.New(15151, "drop", "login", s.Name)
		}
	case *ast.RoleStatement:
		return a.role(s)
	case *ast.Permission:
		return a.permission(s)
	}
	return nil
}

// over tells whether the caller may alter a login: with ALTER ANY LOGIN all but administrators.
func (a authority) over(l *loginDoc) bool {
	if a.in.token(l.ID).everything() {
		return false
	}
	return a.t.has("ALTER ANY LOGIN") || a.given(classPrincipal, l.ID, "ALTER") || a.given(classPrincipal, l.ID, "CONTROL")
}

// mayAlter lets everybody change their own password, who knows the old one.
func (a authority) mayAlter(s *ast.CreateLogin) bool {
	l := a.in.loginByName(s.Name)
	if l == nil || a.over(l) {
		return true // that there is none is the statement's to say
	}
	return a.t.login != nil && l.ID == a.t.login.ID && s.OldPassword != nil && s.Password != nil && len(s.Options) == 0 && s.Enable == nil
}

// given tells whether the caller was granted a permission on something that belongs to the server.
func (a authority) given(class uint8, major int, name string) bool {
	for _, l := range a.in.allPrincipals() {
		if !a.t.ids[l.ID] {
			continue
		}
		for _, p := range l.Permissions {
			if p.Class == class && p.Major == major && p.Name == name && p.State != "D" {
				return true
			}
		}
	}
	return false
}

// role lets owners change their roles, and the members of a fixed one add others to it.
func (a authority) role(s *ast.RoleStatement) error {
	if s.Verb == "CREATE" {
		if !a.t.has("CREATE SERVER ROLE") {
			return sqlerr.New(15247)
		}
		return nil
	}
	r := a.in.principalByName(s.Name)
	if r == nil || r.kind() != roleKind {
		return nil
	}
	switch {
	case r.fixed() && a.t.ids[r.ID] && r.ID != publicRoleID, !r.fixed() && (a.t.has("ALTER ANY SERVER ROLE") || a.t.ids[r.Owner]),
		a.given(classPrincipal, r.ID, "ALTER"), a.given(classPrincipal, r.ID, "CONTROL"):
		return nil
	}
	verb := "alter"
	if s.Verb == "DROP" {
		verb = "drop"
	}
	return sqlerr.New(15151, verb, "server role", s.Name)
}

// permission lets securityadmin give permissions on the server that it does not exceed, and those who were granted one
// WITH GRANT OPTION pass it on.
func (a authority) permission(s *ast.Permission) error {
	if s.Class != "" && s.Class != "SERVER" {
		if s.Class == "LOGIN" || s.Class == "SERVER ROLE" {
			if l := a.in.principalByName(s.On.Name); l != nil && a.given(classPrincipal, l.ID, "CONTROL") {
				return nil
			}
		}
		return sqlerr.New(15151, "find", strings.ToLower(s.Class), s.On.Name)
	}
	for _, name := range s.Permissions {
		if a.t.ids[securityAdminID] && name != "CONTROL SERVER" && a.t.has("ALTER ANY LOGIN") {
			continue
		}
		passed := slices.ContainsFunc(a.in.allPrincipals(), func(l *loginDoc) bool {
			return a.t.ids[l.ID] && slices.ContainsFunc(l.Permissions, func(p serverPermission) bool {
				return p.Class == classServer && p.Name == name && p.State == "W"
			})
		})
		if !passed {
			return sqlerr.New(4613)
		}
	}
	return nil
}

// partners are the statements about endpoints and availability groups.
func (a authority) partners(s ast.Statement) error {
	group := func(verb, name string) error {
		if a.t.has("ALTER ANY AVAILABILITY GROUP") || a.onGroup(name) {
			return nil
		}
		return sqlerr.New(15151, verb, "availability group", name)
	}
	switch s := s.(type) {
	case *ast.CreateEndpoint:
		if !s.Alter && !a.t.has("CREATE ENDPOINT") {
			return sqlerr.New(15247)
		}
		if s.Alter && !a.t.has("ALTER ANY ENDPOINT") {
			return sqlerr.New(15151, "alter", "endpoint", s.Name)
		}
	case *ast.DropEndpoint:
		if !a.t.has("ALTER ANY ENDPOINT") {
			return sqlerr.New(15151, "drop", "endpoint", s.Name)
		}
	case *ast.CreateGroup:
		if !a.t.has("CREATE AVAILABILITY GROUP") {
			return sqlerr.New(15247)
		}
	case *ast.AlterGroup:
		return group("alter", s.Name)
	case *ast.DropGroup:
		return group("drop", s.Name)
	}
	return nil
}

func (a authority) onGroup(name string) bool {
	return slices.ContainsFunc(a.in.allPrincipals(), func(l *loginDoc) bool {
		return a.t.ids[l.ID] && slices.ContainsFunc(l.Permissions, func(p serverPermission) bool {
			return p.Class == classGroup && strings.EqualFold(p.On, name) && p.State != "D" && (p.Name == "ALTER" || p.Name == "CONTROL")
		})
	})
}

// name is the login's name for messages.
func (t *token) name() string {
	if t.login == nil {
		return ""
	}
	return t.login.Name
}
