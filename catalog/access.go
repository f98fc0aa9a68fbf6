package catalog

import (
	"slices"
	"sync"

	"linkspan/rel"
	"linkspan/sqlerr"
)

// The principals that every database has, by number.
const (
	publicID        int32 = 0
	dboID           int32 = 1
	guestID         int32 = 2
	ownerRole       int32 = 16384
	accessRole      int32 = 16385
	securityRole    int32 = 16386
	ddlRole         int32 = 16387
	backupRole      int32 = 16389
	readerRole      int32 = 16390
	writerRole      int32 = 16391
	denyReaderRole  int32 = 16392
	denyWriterRole  int32 = 16393
	firstFixedRole  int32 = 16384
	firstUserNumber int32 = 5
)

// Need is a permission that a statement needs on an object of the database it runs in.
type Need struct {
	// Permission is SELECT, INSERT, UPDATE, DELETE, EXECUTE, REFERENCES or ALTER.
	Permission string
	// Object is what it is needed on, Owner the principal that owns that: within a module of the same owner nothing is
	// asked.
	Object *Object
	Owner  int32
	// Columns are the numbers of the columns that the statement names; nil when columns mean nothing.
	Columns []int32
	// View is set instead of Object for a view of the server ("dm_exec_requests").
	View string
	// Database is where View is asked when that is not the database the statement runs in.
	Database string
}

// Access is what one user may do in a database: its own permissions and those of its roles. It is immutable, and belongs
// to one Snapshot.
type Access struct {
	// User is who the permissions are of.
	User *Principal

	snap *Snapshot
	// ids are the user and its roles; public is among them.
	ids map[int32]bool
	// given and denied hold what the ids were granted and denied.
	given, denied map[grantKey]bool
	// columns are the objects of which single columns were granted or denied.
	columns map[int32]bool
	// decided keeps what check found out about whole objects, by decision.
	decided sync.Map
}

// decision is a permission on an object of which no columns were granted or denied by themselves.
type decision struct {
	permission string
	object     int32
}

type grantKey struct {
	class        uint8
	major, minor int32
	name         string
}

// Access gives what the user with a number may do. It is worked out once for each snapshot.
func (s *Snapshot) Access(user int32) *Access {
	if a, ok := s.accesses.Load(user); ok {
		return a.(*Access) //nolint:forcetypeassert // nothing else is stored
	}
	a := &Access{User: s.PrincipalByID(user), snap: s, ids: map[int32]bool{publicID: true, user: true},
		given: map[grantKey]bool{}, denied: map[grantKey]bool{}, columns: map[int32]bool{}}
	for grown := true; grown; {
		grown = false
		for _, m := range s.members {
			if a.ids[m.Member] && !a.ids[m.Role] {
				a.ids[m.Role], grown = true, true
			}
		}
	}
	for _, p := range s.permissions {
		if !a.ids[p.Grantee] {
			continue
		}
		k := grantKey{p.Class, p.Major, p.Minor, p.Name}
		if p.State == Deny {
			a.denied[k] = true
		} else {
			a.given[k] = true
		}
		if p.Class == ClassObject && p.Minor != 0 {
			a.columns[p.Major] = true
		}
	}
	got, _ := s.accesses.LoadOrStore(user, a)
	return got.(*Access) //nolint:forcetypeassert // nothing else is stored
}

// Full tells that nothing is denied: the user is dbo.
func (a *Access) Full() bool { return a.ids[dboID] }

// Is tells whether the user is the principal with a number or a member of it.
func (a *Access) Is(id int32) bool { return a.ids[id] }

// MemberOf tells whether the user is a member of a role, directly or through others; dbo is one of db_owner.
func (a *Access) MemberOf(role *Principal) bool {
	return a.ids[role.ID] || role.ID == ownerRole && a.Full()
}

// roleGrants are what the fixed roles may do in the whole database, beside db_owner, which may do everything.
var roleGrants = map[int32][]string{
	accessRole:   {"ALTER ANY USER", "CREATE SCHEMA", "CONNECT"},
	securityRole: {"ALTER ANY ROLE", "CREATE ROLE", "CREATE SCHEMA", "VIEW DEFINITION"},
	ddlRole: {"ALTER ANY SCHEMA", "CREATE SCHEMA", "CREATE TABLE", "CREATE VIEW", "CREATE PROCEDURE", "CREATE FUNCTION", "CREATE SYNONYM", "CREATE TYPE",
		"REFERENCES", "CHECKPOINT", "VIEW DEFINITION"},
	backupRole: {"BACKUP DATABASE", "BACKUP LOG", "CHECKPOINT"},
	readerRole: {"SELECT"},
	writerRole: {"INSERT", "UPDATE", "DELETE"},
}

// roleDenies are what the fixed roles take away.
var roleDenies = map[int32][]string{denyReaderRole: {"SELECT"}, denyWriterRole: {"INSERT", "UPDATE", "DELETE"}}

// implied are the permissions on the whole database that include another one, beside CONTROL.
var implied = map[string][]string{
	"ALTER": {"ALTER ANY SCHEMA"}, "CREATE SCHEMA": {"ALTER ANY SCHEMA", "ALTER"}, "CREATE ROLE": {"ALTER ANY ROLE", "ALTER"}, "ALTER ANY ROLE": {"ALTER"},
	"ALTER ANY USER": {"ALTER"}, "ALTER ANY SCHEMA": {"ALTER"}, "CREATE TABLE": {"ALTER"}, "CREATE VIEW": {"ALTER"}, "CREATE PROCEDURE": {"ALTER"},
	"CREATE FUNCTION": {"ALTER"}, "CREATE TYPE": {"ALTER"}, "CREATE SYNONYM": {"ALTER"}, "REFERENCES": {"CONTROL"},
}

// inDatabase tells whether a permission on the whole database is given, and whether it is denied.
func (a *Access) inDatabase(name string) (given, denied bool) {
	key := func(n string) grantKey { return grantKey{class: ClassDatabase, name: n} }
	denied = a.denied[key(name)] || a.denied[key("CONTROL")]
	for role, names := range roleDenies {
		denied = denied || a.ids[role] && slices.Contains(names, name)
	}
	given = a.ids[ownerRole] || a.given[key(name)] || a.given[key("CONTROL")]
	for _, n := range implied[name] {
		given = given || a.given[key(n)]
	}
	for role, names := range roleGrants {
		if given {
			break
		}
		given = a.ids[role] && (slices.Contains(names, name) || slices.ContainsFunc(implied[name], func(n string) bool { return slices.Contains(names, n) }))
	}
	return given, denied
}

// HasDatabase tells whether the user has a permission on the database as a whole ("CREATE TABLE", "CONNECT").
func (a *Access) HasDatabase(name string) bool {
	if a.Full() {
		return true
	}
	given, denied := a.inDatabase(name)
	return given && !denied
}

// HasSchema tells whether the user has a permission on a schema.
func (a *Access) HasSchema(name string, s *Schema) bool {
	if a.Full() || a.ids[s.Owner] {
		return true
	}
	given, denied := a.inSchema(name, s.ID)
	return given && !denied
}

func (a *Access) inSchema(name string, id int32) (given, denied bool) {
	key := func(n string) grantKey { return grantKey{class: ClassSchema, major: id, name: n} }
	given, denied = a.inDatabase(name)
	if name == "ALTER" { // ALTER on the database includes schemas and objects
		more, no := a.inDatabase("ALTER ANY SCHEMA")
		given, denied = given || more, denied || no
	}
	given = given || a.given[key(name)] || a.given[key("CONTROL")] || a.ids[a.snap.schemaOwner(id)]
	return given, denied || a.denied[key(name)] || a.denied[key("CONTROL")]
}

// HasObject tells whether the user has a permission on an object.
func (a *Access) HasObject(name string, o *Object) bool {
	return a.check(Need{Permission: name, Object: o}) == nil
}

// HasPrincipal tells whether the user has a permission on a user or role: IMPERSONATE, ALTER or CONTROL.
func (a *Access) HasPrincipal(name string, p *Principal) bool {
	if a.Full() || a.ids[ownerRole] {
		return true
	}
	if p.Kind == "R" && p.ID != publicID && a.ids[a.snap.RoleOwner(p.ID)] {
		return true
	}
	key := func(n string) grantKey { return grantKey{class: ClassPrincipal, major: p.ID, name: n} }
	if a.denied[key(name)] || a.denied[key("CONTROL")] {
		return false
	}
	any := "ALTER ANY USER"
	if p.Kind == "R" {
		any = "ALTER ANY ROLE"
	}
	return a.given[key(name)] || a.given[key("CONTROL")] || name == "ALTER" && a.HasDatabase(any)
}

// Check gives the error of a need that is not met, nil when it is: 229, or 230 for a column. database is the name that
// messages spell.
func (a *Access) Check(n Need, database string) error {
	denied := a.check(n)
	if denied == nil {
		return nil
	}
	if denied.Name != "" {
		return sqlerr.New(230, n.Permission, denied.Name, n.Object.Name, database, n.Object.Schema)
	}
	return sqlerr.New(229, n.Permission, n.Object.Name, database, n.Object.Schema)
}

// noColumn tells that a permission fails on an object as a whole.
var noColumn = &rel.Column{}

// check gives nil when a need is met, else the column it fails on or noColumn.
func (a *Access) check(n Need) *rel.Column {
	if a.columns[n.Object.ID] {
		return a.find(n)
	}
	key := decision{n.Permission, n.Object.ID}
	if c, ok := a.decided.Load(key); ok {
		return c.(*rel.Column) //nolint:forcetypeassert // nothing else is stored
	}
	c := a.find(n)
	a.decided.Store(key, c)
	return c
}

// find is check without what is known already.
func (a *Access) find(n Need) *rel.Column {
	o := n.Object
	if p := a.snap.objects[o.Parent]; p != nil {
		o = p
	}
	if a.Full() || a.ids[a.snap.OwnerOf(o)] {
		return nil
	}
	given, denied := a.inSchema(n.Permission, o.SchemaID)
	key := func(minor int32, name string) grantKey { return grantKey{ClassObject, o.ID, minor, name} }
	given = given || a.given[key(0, n.Permission)] || a.given[key(0, "CONTROL")]
	denied = denied || a.denied[key(0, n.Permission)] || a.denied[key(0, "CONTROL")]
	if !a.columns[o.ID] || o.Table == nil {
		if given && !denied {
			return nil
		}
		return noColumn
	}
	return a.checkColumns(n, o, given && !denied, func(c *rel.Column) (given, denied bool) {
		k := key(c.ID, n.Permission)
		return a.given[k], a.denied[k]
	})
}

// checkColumns is check for an object with permissions on single columns. A grant on a column outdoes a denial on its
// table, as on SQL Server.
func (a *Access) checkColumns(n Need, o *Object, whole bool, of func(*rel.Column) (given, denied bool)) *rel.Column {
	if n.Columns == nil { // any column will do
		for _, c := range o.Table.Columns {
			if given, denied := of(c); (whole || given) && !denied {
				return nil
			}
		}
		return noColumn
	}
	some := whole
	var failed *rel.Column
	for _, c := range o.Table.Columns {
		given, denied := of(c)
		some = some || given
		if failed == nil && slices.Contains(n.Columns, c.ID) && (denied || !whole && !given) {
			failed = c
		}
	}
	if failed != nil && !some {
		return noColumn
	}
	return failed
}

// PrincipalByID returns the user or role with a number, or nil.
func (s *Snapshot) PrincipalByID(id int32) *Principal {
	for _, p := range s.principals {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// PrincipalBySID returns the user that stands for the login with a SID, or nil.
func (s *Snapshot) PrincipalBySID(sid []byte) *Principal {
	return s.bySID[string(sid)]
}

// Guest is the user of those who have none.
func (s *Snapshot) Guest() *Principal { return s.PrincipalByID(guestID) }

// Dbo is the user of the database's owner and of the server's administrators.
func (s *Snapshot) Dbo() *Principal { return s.PrincipalByID(dboID) }

// SchemaByID returns the schema with a number, or nil.
func (s *Snapshot) SchemaByID(id int32) *Schema {
	for _, x := range s.schemas {
		if x.ID == id {
			return x
		}
	}
	return nil
}
