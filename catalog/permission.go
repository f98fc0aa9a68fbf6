package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
)

// The classes of securables (sys.database_permissions.class) that are known here.
const (
	ClassDatabase  uint8 = 0
	ClassObject    uint8 = 1
	ClassSchema    uint8 = 3
	ClassPrincipal uint8 = 4
)

// The states of a permission (sys.database_permissions.state).
const (
	Grant          = "G"
	GrantWithGrant = "W"
	Deny           = "D"
)

// Permission is one row of sys.database_permissions.
type Permission struct {
	Class uint8
	// Major is the object's, schema's or principal's number, Minor a column's or 0.
	Major, Minor     int32
	Grantee, Grantor int32
	// Name is the permission in upper case: "SELECT".
	Name string
	// State is one of the constants above.
	State string
}

// permissionTables are made when they are first needed: databases of older builds have none.
const permissionTables = `
CREATE TABLE IF NOT EXISTS @sys_permission(class INTEGER, major INTEGER, minor INTEGER, grantee INTEGER, name TEXT,
	grantor INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY(class, major, minor, grantee, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS @sys_owner(class INTEGER, major INTEGER, owner INTEGER NOT NULL, PRIMARY KEY(class, major)) WITHOUT ROWID;
`

// ensurePermissions makes the tables of permissions and owners in a database that has none.
func (d *Definer) ensurePermissions() error {
	for _, text := range strings.Split(strings.TrimSpace(permissionTables), ";\n") {
		if text = strings.TrimSuffix(text, ";"); text == "" {
			continue
		}
		if err := d.conn.Exec(d.text(text)); err != nil {
			return err
		}
	}
	return nil
}

// hasPermissions tells whether the tables of permissions and owners were made.
func (s store) hasPermissions() (bool, error) {
	n, err := s.number("SELECT count(*) FROM @sqlite_master WHERE type = 'table' AND name = 'sys_permission'")
	return n > 0, err
}

// loadPermissions reads what was granted and denied, and the owners that differ from those of the schemas.
func (l *loader) loadPermissions() error {
	l.owners, l.bySID = map[ownedKey]int32{}, map[string]*Principal{}
	for _, p := range l.principals {
		if len(p.SID) > 0 && !p.IsRole() && l.bySID[string(p.SID)] == nil {
			l.bySID[string(p.SID)] = p
		}
	}
	if has, err := l.hasPermissions(); err != nil || !has {
		return err
	}
	err := l.query(func(st *sqlite3.Stmt) error {
		l.permissions = append(l.permissions, Permission{Class: uint8(st.ColumnInt64(0)), Major: int32(st.ColumnInt64(1)), Minor: int32(st.ColumnInt64(2)),
			Grantee: int32(st.ColumnInt64(3)), Name: st.ColumnText(4), Grantor: int32(st.ColumnInt64(5)), State: st.ColumnText(6)})
		return nil
	}, "SELECT class, major, minor, grantee, name, grantor, state FROM @sys_permission ORDER BY class, major, minor, grantee, name")
	if err != nil {
		return err
	}
	return l.query(func(st *sqlite3.Stmt) error {
		l.owners[ownedKey{uint8(st.ColumnInt64(0)), int32(st.ColumnInt64(1))}] = int32(st.ColumnInt64(2))
		return nil
	}, "SELECT class, major, owner FROM @sys_owner")
}

type ownedKey struct {
	class uint8
	major int32
}

// Permissions lists what was granted and denied, by securable.
func (s *Snapshot) Permissions() []Permission { return s.permissions }

// OwnerOf gives the principal that owns an object: its own, or that of its schema.
func (s *Snapshot) OwnerOf(o *Object) int32 {
	if o.Parent != 0 {
		if p := s.objects[o.Parent]; p != nil {
			o = p
		}
	}
	if id, ok := s.owners[ownedKey{ClassObject, o.ID}]; ok {
		return id
	}
	return s.schemaOwner(o.SchemaID)
}

func (s *Snapshot) schemaOwner(id int32) int32 {
	for _, x := range s.schemas {
		if x.ID == id {
			return x.Owner
		}
	}
	return dboID
}

// RoleOwner gives the principal that owns a role.
func (s *Snapshot) RoleOwner(id int32) int32 {
	if owner, ok := s.owners[ownedKey{ClassPrincipal, id}]; ok {
		return owner
	}
	return dboID
}

// SetPermission grants or denies p, or takes back what was granted and denied when p.State is "". It takes the place of
// what the grantee had of that permission on that securable.
func (d *Definer) SetPermission(p Permission) error {
	if p.State == "" {
		if has, err := d.hasPermissions(); err != nil || !has {
			return err
		}
		err := d.exec("DELETE FROM @sys_permission WHERE class = ?1 AND major = ?2 AND minor = ?3 AND grantee = ?4 AND name = ?5",
			p.Class, p.Major, p.Minor, p.Grantee, p.Name)
		if err != nil {
			return err
		}
		return d.done()
	}
	if err := d.ensurePermissions(); err != nil {
		return err
	}
	err := d.exec("INSERT OR REPLACE INTO @sys_permission(class, major, minor, grantee, name, grantor, state) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		p.Class, p.Major, p.Minor, p.Grantee, p.Name, p.Grantor, p.State)
	if err != nil {
		return err
	}
	return d.done()
}

// SetOwner makes a principal the owner of an object, a schema or a role. owner 0 gives an object back to its schema's.
// What was granted on an object or schema is gone afterwards, as on SQL Server.
func (d *Definer) SetOwner(class uint8, major, owner int32) error {
	if class == ClassSchema {
		if err := d.exec("UPDATE @sys_schema SET owner = ?2 WHERE id = ?1", major, owner); err != nil {
			return err
		}
	} else {
		if err := d.ensurePermissions(); err != nil {
			return err
		}
		text := "INSERT OR REPLACE INTO @sys_owner(class, major, owner) VALUES(?1, ?2, ?3)"
		args := []any{class, major, owner}
		if owner == 0 {
			text, args = "DELETE FROM @sys_owner WHERE class = ?1 AND major = ?2", args[:2]
		}
		if err := d.exec(text, args...); err != nil {
			return err
		}
	}
	if class != ClassPrincipal {
		if err := d.revokeAll(class, major); err != nil {
			return err
		}
	}
	return d.done()
}

// revokeAll forgets what was granted on a securable, and who owned it when it is an object that goes.
func (d *Definer) revokeAll(class uint8, major int32) error {
	has, err := d.hasPermissions()
	if err != nil || !has {
		return err
	}
	return d.exec("DELETE FROM @sys_permission WHERE class = ?1 AND major = ?2", class, major)
}

// disown forgets the permissions on a securable that is dropped, and its owner.
func (d *Definer) disown(class uint8, major int32) error {
	has, err := d.hasPermissions()
	if err != nil || !has {
		return err
	}
	if err := d.exec("DELETE FROM @sys_permission WHERE class = ?1 AND major = ?2", class, major); err != nil {
		return err
	}
	return d.exec("DELETE FROM @sys_owner WHERE class = ?1 AND major = ?2", class, major)
}

// forgetPrincipal removes what a principal that is dropped was given.
func (d *Definer) forgetPrincipal(id int32) error {
	if err := d.disown(ClassPrincipal, id); err != nil {
		return err
	}
	has, err := d.hasPermissions()
	if err != nil || !has {
		return err
	}
	return d.exec("DELETE FROM @sys_permission WHERE grantee = ?1", id)
}

// owns gives the error of a principal that cannot be dropped for what it owns: 15138.
func (s *Snapshot) owns(id int32) error {
	for _, x := range s.schemas {
		if x.Owner == id {
			return sqlerr.New(15138, "schema")
		}
	}
	for k, owner := range s.owners {
		if owner != id {
			continue
		}
		if k.class == ClassPrincipal {
			return sqlerr.New(15138, "database role")
		}
		return sqlerr.New(15183, "objects")
	}
	return nil
}

// permissionCodes are the four-letter codes of sys.database_permissions.type.
var permissionCodes = map[string]string{
	"ALTER": "AL", "ALTER ANY ROLE": "ALRL", "ALTER ANY SCHEMA": "ALSM", "ALTER ANY USER": "ALUS", "BACKUP DATABASE": "BADB", "BACKUP LOG": "BALO",
	"CHECKPOINT": "CP", "CONNECT": "CO", "CONTROL": "CL", "CREATE FUNCTION": "CRFN", "CREATE PROCEDURE": "CRPR", "CREATE ROLE": "CRRL",
	"CREATE SCHEMA": "CRSM", "CREATE TABLE": "CRTB", "CREATE VIEW": "CRVW", "DELETE": "DL", "EXECUTE": "EX", "IMPERSONATE": "IM", "INSERT": "IN",
	"REFERENCES": "RF", "SELECT": "SL", "TAKE OWNERSHIP": "TO", "UPDATE": "UP", "VIEW DATABASE STATE": "VWDS", "VIEW DEFINITION": "VW",
	"SHOWPLAN": "SPLN", "UNMASK": "UMSK", "VIEW CHANGE TRACKING": "VWCT", "CREATE SYNONYM": "CRSN", "CREATE TYPE": "CRTY",
	"CREATE DATABASE": "CRDB", "AUTHENTICATE": "AUTH", "ALTER ANY CERTIFICATE": "ALCF", "CREATE CERTIFICATE": "CRCF",
	"SUBSCRIBE QUERY NOTIFICATIONS": "SUQN", "KILL DATABASE CONNECTION": "KIDC",
}

// PermissionCode is sys.database_permissions.type of a permission, and whether a database knows it.
func PermissionCode(name string) (string, bool) {
	c, ok := permissionCodes[name]
	return c, ok
}

// PermissionNames lists the permissions that a database knows, in order.
func PermissionNames() []string {
	names := make([]string, 0, len(permissionCodes))
	for n := range permissionCodes {
		names = append(names, n)
	}
	slices.SortFunc(names, cmp.Compare)
	return names
}

var stateDescriptions = map[string]string{Grant: "GRANT", GrantWithGrant: "GRANT_WITH_GRANT_OPTION", Deny: "DENY"}

var classDescriptions = map[uint8]string{ClassDatabase: "DATABASE", ClassObject: "OBJECT_OR_COLUMN", ClassSchema: "SCHEMA", ClassPrincipal: "DATABASE_PRINCIPAL"}

func permissionRows(v *views, add row) error {
	for _, p := range v.permissions {
		err := add(p.Class, classDescriptions[p.Class], p.Major, p.Minor, p.Grantee, p.Grantor, permissionCodes[p.Name], p.Name, p.State, stateDescriptions[p.State])
		if err != nil {
			return err
		}
	}
	return nil
}
