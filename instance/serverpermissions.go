package instance

import (
	"context"
	"slices"
	"strings"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// The classes of what belongs to the server (sys.server_permissions.class).
const (
	classServer    uint8 = 100
	classPrincipal uint8 = 101
	classEndpoint  uint8 = 105
	classGroup     uint8 = 108
)

// serverPermission is one row of sys.server_permissions, kept with its grantee.
type serverPermission struct {
	Class uint8 `json:"class"`
	// Major is the number of the login or role; On is the name of an availability group.
	Major int    `json:"major,omitempty"`
	On    string `json:"on,omitempty"`
	// Name is the permission in upper case, State G, W or D.
	Name    string `json:"name"`
	State   string `json:"state"`
	Grantor int    `json:"grantor,omitempty"`
}

// connectSQL is what every new login is granted.
var connectSQL = serverPermission{Class: classServer, Name: "CONNECT SQL", State: "G", Grantor: administratorID}

// same tells whether two are about one permission on one securable.
func (p serverPermission) same(o serverPermission) bool {
	return p.Class == o.Class && p.Major == o.Major && strings.EqualFold(p.On, o.On) && p.Name == o.Name
}

// serverPermissionCodes are the codes of sys.server_permissions.type.
var serverPermissionCodes = map[string]string{
	"ADMINISTER BULK OPERATIONS": "ADBO", "ALTER ANY AVAILABILITY GROUP": "ALAG", "ALTER ANY CONNECTION": "ALCO", "ALTER ANY CREDENTIAL": "ALCD",
	"ALTER ANY DATABASE": "ALDB", "ALTER ANY ENDPOINT": "ALHE", "ALTER ANY EVENT NOTIFICATION": "ALES", "ALTER ANY EVENT SESSION": "AAES",
	"ALTER ANY LINKED SERVER": "ALLS", "ALTER ANY LOGIN": "ALLG", "ALTER ANY SERVER AUDIT": "ALAA", "ALTER ANY SERVER ROLE": "ALSR",
	"ALTER RESOURCES": "ALRS", "ALTER SERVER STATE": "ALSS", "ALTER SETTINGS": "ALST", "ALTER TRACE": "ALTR", "AUTHENTICATE SERVER": "AUTH",
	"CONNECT ANY DATABASE": "CADB", "CONNECT SQL": "COSQ", "CONTROL SERVER": "CL", "CREATE ANY DATABASE": "CRDB", "CREATE AVAILABILITY GROUP": "CRAC",
	"CREATE DDL EVENT NOTIFICATION": "CRDE", "CREATE ENDPOINT": "CRHE", "CREATE SERVER ROLE": "CRSR", "CREATE LOGIN": "CRLG",
	"EXTERNAL ACCESS ASSEMBLY": "XA", "IMPERSONATE ANY LOGIN": "IAL", "SELECT ALL USER SECURABLES": "SUS", "SHUTDOWN": "SHDN", "UNSAFE ASSEMBLY": "XU",
	"VIEW ANY DATABASE": "VWDB", "VIEW ANY DEFINITION": "VWAD", "VIEW SERVER STATE": "VWSS", "VIEW SERVER PERFORMANCE STATE": "VSPS",
	"VIEW SERVER SECURITY STATE": "VSSS", "VIEW ANY ERROR LOG": "VAEL", "VIEW ANY SECURITY DEFINITION": "VWAS", "VIEW ANY PERFORMANCE DEFINITION": "VWAP",
	"CONNECT": "CO", "CONTROL": "CL", "ALTER": "AL", "VIEW DEFINITION": "VW", "IMPERSONATE": "IM", "TAKE OWNERSHIP": "TO",
}

var securablePermissions = map[uint8][]string{
	classPrincipal: {"CONTROL", "ALTER", "VIEW DEFINITION", "IMPERSONATE", "TAKE OWNERSHIP"},
	classGroup:     {"CONTROL", "ALTER", "VIEW DEFINITION", "TAKE OWNERSHIP"},
}

// serverPermission is GRANT, DENY and REVOKE of what belongs to the server. Errors: 4621 outside master, 15151 what or who
// does not exist, 4624 for the administrator, 4617 for fixed roles.
func (in *Instance) serverPermission(ctx context.Context, c exec.Caller, s *ast.Permission) error {
	switch {
	case !strings.EqualFold(c.Database, "master"):
		return sqlerr.New(4621)
	case s.Class == "ENDPOINT":
		return in.endpointPermission(ctx, s)
	case len(s.Columns) > 0:
		return sqlerr.New(102, "(")
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	base, err := in.serverSecurable(ctx, s)
	if err != nil {
		return err
	}
	base.Grantor = max(c.Principal, administratorID)
	if s.As != "" {
		as := in.principalByName(s.As)
		if as == nil || !in.tokenOf(c).everything() && !in.tokenOf(c).ids[as.ID] {
			return sqlerr.New(15151, "find", "principal", s.As)
		}
		base.Grantor = as.ID
	}
	for _, name := range s.Permissions {
		if err := checkServerPermission(base.Class, name); err != nil {
			return err
		}
	}
	for _, id := range s.Principals {
		if err := in.grantee(id.Name); err != nil {
			return err
		}
	}
	for _, id := range s.Principals {
		l := in.principalByName(id.Name)
		changed := *l
		changed.Permissions = slices.Clone(l.Permissions)
		for _, name := range s.Permissions {
			p := base
			p.Name, p.State = name, permissionState(s)
			changed.Permissions = slices.DeleteFunc(changed.Permissions, p.same)
			if p.State != "" {
				changed.Permissions = append(changed.Permissions, p)
			}
		}
		if err := in.putLogin(ctx, l, changed); err != nil {
			return err
		}
	}
	return nil
}

// permissionState is the state that a statement gives to a permission, "" when it takes it back.
func permissionState(s *ast.Permission) string {
	switch {
	case s.Verb == "DENY":
		return "D"
	case s.Verb == "GRANT" && s.GrantOption:
		return "W"
	case s.Verb == "GRANT", s.GrantOption: // REVOKE GRANT OPTION FOR leaves the grant
		return "G"
	}
	return ""
}

// grantee gives the error of who can be granted nothing.
func (in *Instance) grantee(name string) error {
	l := in.principalByName(name)
	switch {
	case l == nil:
		return sqlerr.New(15151, "find", "login", name)
	case l.ID == administratorID:
		return sqlerr.New(4624)
	case l.fixed() && l.ID != publicRoleID:
		return sqlerr.New(4617)
	}
	return nil
}

// serverSecurable finds what a statement is about.
func (in *Instance) serverSecurable(ctx context.Context, s *ast.Permission) (serverPermission, error) {
	switch s.Class {
	case "LOGIN", "SERVER ROLE":
		l := in.principalByName(s.On.Name)
		if l == nil || (l.kind() == roleKind) != (s.Class == "SERVER ROLE") {
			return serverPermission{}, sqlerr.New(15151, "find", strings.ToLower(s.Class), s.On.Name)
		}
		return serverPermission{Class: classPrincipal, Major: l.ID}, nil
	case "AVAILABILITY GROUP":
		if !in.hasGroup(ctx, s.On.Name) {
			return serverPermission{}, sqlerr.New(15151, "find", "availability group", s.On.Name)
		}
		return serverPermission{Class: classGroup, On: s.On.Name}, nil
	}
	return serverPermission{Class: classServer}, nil
}

func checkServerPermission(class uint8, name string) error {
	if class == classServer {
		if _, ok := serverPermissionCodes[name]; ok && ast.ServerPermission(name) {
			return nil
		}
		return unsupported("the permission "+name+" on the server", "see docs/parity.md for those that are known")
	}
	if slices.Contains(securablePermissions[class], name) {
		return nil
	}
	return sqlerr.New(4606, name)
}
