package instance

import (
	"slices"

	"linkspan/tsql/exec"
)

// The numbers of the fixed server roles, as SQL Server has them.
const (
	publicRoleID    = 2
	sysadminID      = 3
	securityAdminID = 4
	serverAdminID   = 5
	setupAdminID    = 6
	processAdminID  = 7
	diskAdminID     = 8
	dbCreatorID     = 9
	bulkAdminID     = 10
)

// fixedRole is a server role that is there from the start, with the permissions that come with it.
type fixedRole struct {
	id          int
	name        string
	permissions []string
}

var fixedServerRoles = []fixedRole{
	{publicRoleID, "public", nil}, {sysadminID, "sysadmin", nil}, {securityAdminID, "securityadmin", []string{"ALTER ANY LOGIN"}},
	{serverAdminID, "serveradmin", []string{"ALTER ANY ENDPOINT", "ALTER RESOURCES", "ALTER SERVER STATE", "ALTER SETTINGS", "SHUTDOWN", "VIEW SERVER STATE"}},
	{setupAdminID, "setupadmin", []string{"ALTER ANY LINKED SERVER"}},
	{processAdminID, "processadmin", []string{"ALTER ANY CONNECTION", "ALTER SERVER STATE", "VIEW SERVER STATE"}},
	{diskAdminID, "diskadmin", []string{"ALTER RESOURCES"}}, {dbCreatorID, "dbcreator", []string{"CREATE ANY DATABASE", "ALTER ANY DATABASE"}},
	{bulkAdminID, "bulkadmin", []string{"ADMINISTER BULK OPERATIONS"}},
}

// fixedRoles are the fixed roles as documents; the one of public is stored once something is granted to it or taken away.
func (in *Instance) fixedRoles() []*loginDoc {
	var out []*loginDoc
	for _, r := range fixedServerRoles {
		d := &loginDoc{Format: loginFormat, Kind: roleKind, ID: r.id, Name: r.name, SID: []byte{byte(r.id)}, Created: installed, Modified: installed, Owner: administratorID}
		if r.id == publicRoleID {
			d.Permissions = []serverPermission{{Class: classServer, Name: "VIEW ANY DATABASE", State: "G", Grantor: administratorID}}
		}
		out = append(out, d)
	}
	return out
}

// token is what one login is and may do on the server. It is immutable, and made anew after every change of a login, a
// role or a permission.
type token struct {
	login *loginDoc // nil for the server itself and for a login that was dropped
	// all tells that nothing is denied: a member of sysadmin, or the server itself.
	all bool
	// ids are the login and its roles.
	ids map[int]bool
	// given and denied are the permissions on the server.
	given, denied map[string]bool
}

// serverImplied are the permissions that include another one, beside CONTROL SERVER.
var serverImplied = map[string][]string{
	"CREATE ANY DATABASE": {"ALTER ANY DATABASE"}, "VIEW ANY DATABASE": {"VIEW ANY DEFINITION", "CREATE ANY DATABASE", "ALTER ANY DATABASE"},
	"CREATE ENDPOINT": {"ALTER ANY ENDPOINT"}, "CREATE AVAILABILITY GROUP": {"ALTER ANY AVAILABILITY GROUP"},
	"CREATE SERVER ROLE": {"ALTER ANY SERVER ROLE"}, "CREATE LOGIN": {"ALTER ANY LOGIN"}, "VIEW SERVER STATE": {"ALTER SERVER STATE"},
	"VIEW SERVER PERFORMANCE STATE": {"VIEW SERVER STATE", "ALTER SERVER STATE"}, "VIEW SERVER SECURITY STATE": {"VIEW SERVER STATE", "ALTER SERVER STATE"},
}

// has tells whether the login has a permission on the server.
func (t *token) has(permission string) bool {
	if t.all {
		return true
	}
	if t.denied[permission] || t.denied["CONTROL SERVER"] && permission != "CONNECT SQL" {
		return false
	}
	if t.given[permission] || t.given["CONTROL SERVER"] {
		return true
	}
	return slices.ContainsFunc(serverImplied[permission], func(p string) bool { return t.given[p] && !t.denied[p] })
}

// everything tells that the login may do everything in every database.
func (t *token) everything() bool {
	return t.all || t.given["CONTROL SERVER"] && !t.denied["CONTROL SERVER"]
}

// serverItself is the token of what the server does by itself.
var serverItself = &token{all: true}

// token gives what a login is now; id 0 is the server itself.
func (in *Instance) token(id int) *token {
	if id == 0 {
		return serverItself
	}
	// The set is taken before the logins are looked at: what is worked out of old ones goes into a set that is given up.
	set := in.tokens.Load()
	if t, ok := set.Load(id); ok {
		return t.(*token) //nolint:forcetypeassert // nothing else is stored
	}
	in.mu.RLock()
	t := in.newTokenLocked(id)
	in.mu.RUnlock()
	set.Store(id, t)
	return t
}

// newTokenLocked works a token out; the caller holds mu.
func (in *Instance) newTokenLocked(id int) *token {
	byID := make(map[int]*loginDoc, len(in.logins))
	for _, l := range in.logins {
		byID[l.ID] = l
	}
	t := &token{login: byID[id], ids: map[int]bool{}, given: map[string]bool{}, denied: map[string]bool{}}
	if t.login == nil {
		return t
	}
	for todo := []int{id, publicRoleID}; len(todo) > 0; todo = todo[1:] {
		l := byID[todo[0]]
		if l == nil || t.ids[l.ID] {
			continue
		}
		t.ids[l.ID] = true
		todo = append(todo, l.Roles...)
		for _, p := range l.Permissions {
			if p.Class != classServer {
				continue
			}
			if p.State == "D" {
				t.denied[p.Name] = true
			} else {
				t.given[p.Name] = true
			}
		}
	}
	for _, r := range fixedServerRoles {
		if !t.ids[r.id] {
			continue
		}
		for _, p := range r.permissions {
			t.given[p] = true
		}
	}
	t.all = t.ids[sysadminID]
	return t
}

// tokenOf gives what a caller is now. Who became a user of a database with EXECUTE AS may do nothing on the server.
func (in *Instance) tokenOf(c exec.Caller) *token {
	t := in.token(c.Principal)
	if c.User == "" {
		return t
	}
	none := &token{login: t.login, ids: map[int]bool{publicRoleID: true}, given: map[string]bool{"VIEW ANY DATABASE": true}, denied: map[string]bool{}}
	if t.login != nil {
		none.ids[t.login.ID] = true
	}
	return none
}
