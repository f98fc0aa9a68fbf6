package instance

import (
	"context"
	"strings"
	"time"

	"linkspan/catalog"
	"linkspan/login"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
	"linkspan/tsql/parse"
)

// who is a caller of a function, with what it is on the server and in the current database.
type whoAsks struct {
	ctx context.Context
	in  *Instance
	c   exec.Caller
	t   *token
}

// securityFunction is a function about logins, users, roles and permissions.
type securityFunction func(w whoAsks, a []sqltype.Value) sqltype.Value

// securityTable are these functions by name.
var securityTable = map[string]securityFunction{
	"SUSER_SNAME": loginName, "SUSER_NAME": loginName, "SYSTEM_USER": loginName,
	"ORIGINAL_LOGIN": func(w whoAsks, _ []sqltype.Value) sqltype.Value { return vText(w.c.Login.User) },
	"SUSER_ID":       loginID, "SUSER_SID": loginSID, "LOGINPROPERTY": loginProperty,
	"USER_NAME": userName, "CURRENT_USER": userName, "SESSION_USER": userName, "USER": userName,
	"USER_ID": userID, "DATABASE_PRINCIPAL_ID": userID,
	"IS_SRVROLEMEMBER": isServerRoleMember, "IS_MEMBER": isRoleMember, "IS_ROLEMEMBER": isRoleMember,
	"HAS_DBACCESS": hasAccess, "HAS_PERMS_BY_NAME": hasPermission,
	"PWDCOMPARE": func(_ whoAsks, a []sqltype.Value) sqltype.Value {
		if !a[0].Valid || !a[1].Valid {
			return null
		}
		return vFlag(login.Verify([]byte(a[1].S), a[0].S))
	},
}

func vFlag(b bool) sqltype.Value {
	if b {
		return vInt(1)
	}
	return vInt(0)
}

// loginName is the caller's login, or the login of a SID or number.
func loginName(w whoAsks, a []sqltype.Value) sqltype.Value {
	if len(a) == 0 {
		if w.t.login == nil {
			return vText(w.c.Login.User)
		}
		return vText(w.t.login.Name)
	}
	var l *loginDoc
	switch {
	case !a[0].Valid:
	case a[0].K.IsBinary():
		l = w.in.loginBySID([]byte(a[0].S))
	default:
		l = w.in.principalByID(int(a[0].N))
	}
	if l == nil {
		return null
	}
	return vText(l.Name)
}

func loginID(w whoAsks, a []sqltype.Value) sqltype.Value {
	if l := w.named(a); l != nil {
		return vInt(l.ID)
	}
	return null
}

func loginSID(w whoAsks, a []sqltype.Value) sqltype.Value {
	if l := w.named(a); l != nil {
		return sqltype.BytesOf(sqltype.VarBinary, l.SID)
	}
	return null
}

// named is the login or server role that the first argument names, or the caller's login.
func (w whoAsks) named(a []sqltype.Value) *loginDoc {
	switch {
	case len(a) > 0 && !a[0].Valid:
		return nil
	case len(a) > 0:
		return w.in.principalByName(a[0].S)
	case w.t.login != nil:
		return w.t.login
	}
	return w.in.principalByName(w.c.Login.User)
}

// loginProperty is LOGINPROPERTY. There is no lock-out and no password history.
func loginProperty(w whoAsks, a []sqltype.Value) sqltype.Value {
	l := w.in.loginByName(a[0].S)
	if l == nil || !a[0].Valid || l.kind() != sqlLogin {
		return null
	}
	switch strings.ToLower(a[1].S) {
	case "passwordhash":
		if !w.t.everything() {
			return null
		}
		return asText(sqltype.BytesOf(sqltype.VarBinary, l.Hash))
	case "passwordhashalgorithm":
		if len(l.Hash) > 0 && l.Hash[0] == 1 {
			return vText("1")
		}
		return vText("2")
	case "passwordlastsettime":
		set := l.PasswordSet
		if set.IsZero() {
			set = l.Created
		}
		return vText(set.Format(time.DateTime + ".000"))
	case "defaultdatabase":
		return vText(l.Database)
	case "defaultlanguage":
		if l.Language == "" {
			return vText("us_english")
		}
		return vText(l.Language)
	case "islocked", "isexpired", "ismustchange", "badpasswordcount", "historylength":
		return vText("0")
	case "badpasswordtime", "lockouttime":
		return vText("1900-01-01 00:00:00")
	}
	return null
}

// schema is the schema of the current database.
func (w whoAsks) schema() (*Database, *catalog.Snapshot) {
	d := w.in.byID(w.c.DatabaseID)
	if d == nil {
		return nil, nil
	}
	if w.c.Snapshot != nil {
		return d, w.c.Snapshot
	}
	snap, err := d.schema(w.ctx)
	if err != nil {
		return d, nil
	}
	return d, snap
}

// user is the caller's user in the current database; nil when there is none.
func (w whoAsks) user() (*catalog.Principal, *catalog.Snapshot) {
	d, snap := w.schema()
	if snap == nil {
		return nil, nil
	}
	if w.t.everything() {
		return snap.Dbo(), snap
	}
	return w.in.userOf(w.c, w.t, d, snap), snap
}

func userName(w whoAsks, a []sqltype.Value) sqltype.Value {
	u, snap := w.user()
	if len(a) > 0 && snap != nil {
		if u = nil; a[0].Valid {
			u = snap.PrincipalByID(int32(a[0].N))
		}
	}
	if u == nil {
		return null
	}
	return vText(u.Name)
}

func userID(w whoAsks, a []sqltype.Value) sqltype.Value {
	u, snap := w.user()
	if len(a) > 0 && snap != nil {
		if u = nil; a[0].Valid {
			u = snap.Principal(a[0].S)
		}
	}
	if u == nil {
		return null
	}
	return vInt(int(u.ID))
}

// isServerRoleMember is IS_SRVROLEMEMBER: NULL for a role or login that does not exist.
func isServerRoleMember(w whoAsks, a []sqltype.Value) sqltype.Value {
	r, t := w.in.principalByName(a[0].S), w.t
	if r == nil || r.kind() != roleKind || !a[0].Valid {
		return null
	}
	if len(a) > 1 {
		l := w.in.principalByName(a[1].S)
		if l == nil || !a[1].Valid {
			return null
		}
		t = w.in.token(l.ID)
	}
	return vFlag(t.ids[r.ID] || t == serverItself)
}

// isRoleMember is IS_MEMBER and IS_ROLEMEMBER.
func isRoleMember(w whoAsks, a []sqltype.Value) sqltype.Value {
	u, snap := w.user()
	if snap == nil || !a[0].Valid {
		return null
	}
	r := snap.Principal(a[0].S)
	if len(a) > 1 {
		if u = nil; a[1].Valid {
			u = snap.Principal(a[1].S)
		}
	}
	if u == nil || r == nil || !r.IsRole() {
		return null
	}
	return vFlag(snap.Access(u.ID).MemberOf(r))
}

// hasAccess is HAS_DBACCESS: NULL for a database that does not exist.
func hasAccess(w whoAsks, a []sqltype.Value) sqltype.Value {
	d, err := w.in.Find(a[0].S)
	if err != nil || !a[0].Valid {
		return null
	}
	return vFlag(w.in.mayEnter(w.ctx, w.c, d) == nil)
}

// hasPermission is HAS_PERMS_BY_NAME for the server, a database, a schema, an object, a login and a user: NULL for what
// does not exist or is not known.
func hasPermission(w whoAsks, a []sqltype.Value) sqltype.Value {
	class, permission := strings.ToUpper(a[1].S), strings.ToUpper(a[2].S)
	if permission == "" || !a[2].Valid {
		return null
	}
	if !a[0].Valid && (!a[1].Valid || class == "SERVER") {
		if permission == "ANY" {
			return vInt(1)
		}
		if _, ok := serverPermissionCodes[permission]; !ok {
			return null
		}
		return vFlag(w.t.has(permission))
	}
	d, snap := w.schema()
	if class == "DATABASE" && a[0].Valid {
		found, err := w.in.Find(unquoted(a[0].S))
		if err != nil {
			return null
		}
		if found != d {
			if d = found; w.in.mayEnter(w.ctx, w.c, d) != nil {
				return vInt(0)
			}
			if snap, err = d.schema(w.ctx); err != nil {
				return null
			}
		}
	}
	if snap == nil {
		return null
	}
	r, err := security{w.in}.Rights(w.c, d, snap)
	if err != nil {
		return vInt(0)
	}
	return hasInDatabase(r, snap, class, a[0].S, permission)
}

// unquoted is a name without its brackets.
func unquoted(name string) string {
	if n, err := parse.Name(name); err == nil {
		return n.Name
	}
	return name
}

func hasInDatabase(r *exec.Rights, snap *catalog.Snapshot, class, name, permission string) sqltype.Value {
	n, err := parse.Name(name)
	if err != nil {
		n = ast.ObjectName{Name: name}
	}
	switch class {
	case "DATABASE":
		if _, ok := catalog.PermissionCode(permission); !ok && permission != "ANY" {
			return null
		}
		return vFlag(r == nil || permission == "ANY" || r.HasDatabase(permission))
	case "SCHEMA":
		x := snap.Schema(n.Name)
		if x == nil {
			return null
		}
		return vFlag(r == nil || r.HasSchema(permission, x))
	case "OBJECT":
		schema := n.Schema
		if schema == "" {
			schema = "dbo"
		}
		o := snap.Object(schema, n.Name)
		if o == nil {
			return null
		}
		return vFlag(r == nil || r.HasObject(permission, o))
	case "USER", "ROLE":
		p := snap.Principal(n.Name)
		if p == nil {
			return null
		}
		return vFlag(r == nil || r.HasPrincipal(permission, p))
	}
	return null
}
