package ast

// CreateLogin is CREATE LOGIN or ALTER LOGIN.
type CreateLogin struct {
	Pos
	Alter bool
	Name  string
	// Source is "WINDOWS", "CERTIFICATE", "ASYMMETRIC KEY" or "EXTERNAL PROVIDER" of FROM, "" for a SQL login;
	// SourceName is the certificate's or key's name.
	Source, SourceName string
	// Password is the text of PASSWORD = '…'; PasswordHash the bytes of PASSWORD = 0x… (HASHED). OldPassword is that of
	// ALTER LOGIN. Nil when absent.
	Password, OldPassword *string
	PasswordHash          []byte
	MustChange, Unlock    bool
	// SID is 0x…, nil when absent.
	SID []byte
	// Enable is set by ALTER LOGIN … ENABLE or DISABLE.
	Enable *bool
	// Options are the others: DEFAULT_DATABASE, DEFAULT_LANGUAGE, CHECK_POLICY, CHECK_EXPIRATION, CREDENTIAL, NAME. Their
	// values are *Keyword with the word in upper case for ON and OFF, *Literal strings with the name otherwise.
	Options []Option
}

// DropLogin is DROP LOGIN.
type DropLogin struct {
	Pos
	Name     string
	IfExists bool
}

// CreateUser is CREATE USER or ALTER USER.
type CreateUser struct {
	Pos
	Alter bool
	Name  string
	// Source is "LOGIN", "CERTIFICATE", "ASYMMETRIC KEY", "WITHOUT LOGIN", "EXTERNAL PROVIDER" or "" (the login of the
	// same name); SourceName is the login's or certificate's name.
	Source, SourceName string
	Options            []Option // DEFAULT_SCHEMA, LOGIN, NAME
}

// DropUser is DROP USER.
type DropUser struct {
	Pos
	Name     string
	IfExists bool
}

// RoleStatement is CREATE ROLE, DROP ROLE, ALTER [SERVER] ROLE.
type RoleStatement struct {
	Pos
	Server bool
	// Verb is "CREATE", "DROP", "ADD MEMBER", "DROP MEMBER" or "RENAME".
	Verb     string
	Name     string
	Member   string // the member, the owner of CREATE, or the new name
	IfExists bool
}

// Permission is GRANT, DENY or REVOKE.
type Permission struct {
	Pos
	Verb string // "GRANT", "DENY", "REVOKE"
	// Permissions are in upper case, such as "CREATE ANY DATABASE"; "ALL" stands for ALL [PRIVILEGES].
	Permissions []string
	Columns     []Ident
	// Class is that of ON class::name in upper case ("ENDPOINT", "AVAILABILITY GROUP"), "" or "OBJECT" for an object.
	Class string
	// On is the securable; its Name is "" for a permission on the server or database itself.
	On         ObjectName
	Principals []Ident
	// GrantOption is WITH GRANT OPTION or GRANT OPTION FOR, Cascade is CASCADE.
	GrantOption, Cascade bool
	As                   string
}

// AlterAuthorization is ALTER AUTHORIZATION ON class::name TO principal.
type AlterAuthorization struct {
	Pos
	Class string
	On    ObjectName
	To    string
}

func (*CreateLogin) statement()        {}
func (*DropLogin) statement()          {}
func (*CreateUser) statement()         {}
func (*DropUser) statement()           {}
func (*RoleStatement) statement()      {}
func (*Permission) statement()         {}
func (*AlterAuthorization) statement() {}

// serverClasses are the classes of securables that belong to the server.
var serverClasses = map[string]bool{"SERVER": true, "LOGIN": true, "SERVER ROLE": true, "ENDPOINT": true, "AVAILABILITY GROUP": true}

// serverPermissions are the permissions on the server that are given without ON.
var serverPermissions = map[string]bool{
	"ADMINISTER BULK OPERATIONS": true, "ALTER RESOURCES": true, "ALTER SERVER STATE": true, "ALTER SETTINGS": true, "ALTER TRACE": true,
	"AUTHENTICATE SERVER": true, "CONNECT ANY DATABASE": true, "CONNECT SQL": true, "CONTROL SERVER": true, "CREATE ANY DATABASE": true,
	"CREATE AVAILABILITY GROUP": true, "CREATE DDL EVENT NOTIFICATION": true, "CREATE ENDPOINT": true, "CREATE SERVER ROLE": true,
	"EXTERNAL ACCESS ASSEMBLY": true, "IMPERSONATE ANY LOGIN": true, "SELECT ALL USER SECURABLES": true, "SHUTDOWN": true, "UNSAFE ASSEMBLY": true,
	"VIEW ANY DATABASE": true, "VIEW ANY DEFINITION": true, "VIEW SERVER STATE": true, "VIEW SERVER PERFORMANCE STATE": true,
	"VIEW SERVER SECURITY STATE": true, "VIEW ANY ERROR LOG": true, "VIEW ANY SECURITY DEFINITION": true, "VIEW ANY PERFORMANCE DEFINITION": true,
	"ALTER ANY AVAILABILITY GROUP": true, "ALTER ANY CONNECTION": true, "ALTER ANY CREDENTIAL": true, "ALTER ANY DATABASE": true,
	"ALTER ANY ENDPOINT": true, "ALTER ANY EVENT NOTIFICATION": true, "ALTER ANY EVENT SESSION": true, "ALTER ANY LINKED SERVER": true,
	"ALTER ANY LOGIN": true, "ALTER ANY SERVER AUDIT": true, "ALTER ANY SERVER ROLE": true, "CREATE LOGIN": true,
}

// ServerPermission tells whether a permission, named in upper case, is one on the server.
func ServerPermission(name string) bool { return serverPermissions[name] }

// OnServer tells whether the statement is about permissions on the server or something that belongs to it, and not to a
// database.
func (p *Permission) OnServer() bool {
	if p.On.Name != "" || p.Class != "" {
		return serverClasses[p.Class]
	}
	for _, name := range p.Permissions {
		if serverPermissions[name] {
			return true
		}
	}
	return false
}
