package instance

import (
	"context"
	"slices"

	"linkspan/rel"
	"linkspan/sqltype"
)

var (
	tChar1 = sqltype.Type{Kind: sqltype.Char, Len: 1}
	tChar4 = sqltype.Type{Kind: sqltype.Char, Len: 4}
)

var serverKinds = map[string]string{sqlLogin: "SQL_LOGIN", windowsLogin: "WINDOWS_LOGIN", roleKind: "SERVER_ROLE"}

// loginViews are sys.sql_logins, sys.server_principals, sys.syslogins, sys.server_role_members and sys.server_permissions.
func (in *Instance) loginViews() []rel.View {
	return []rel.View{in.serverPrincipals(), in.sqlLogins(), in.serverRoleMembers(), in.serverPermissions()}
}

// principalColumns are what sys.server_principals and sys.sql_logins have in common.
func principalColumns() rel.View {
	v := rel.View{Schema: "sys"}
	v.Columns = append(v.Columns, key("name", tSysname), key("principal_id", tInt), col("sid", varbinary(85)), key("type", tChar1), col("type_desc", tDesc),
		col("is_disabled", tBit), key("create_date", tDateTime), key("modify_date", tDateTime), col("default_database_name", tSysname),
		col("default_language_name", tSysname), col("credential_id", tInt))
	return v
}

func (l *loginDoc) row() []sqltype.Value {
	database, language := vText(l.Database), vText("us_english")
	if l.Language != "" {
		language = vText(l.Language)
	}
	if l.kind() == roleKind {
		database, language = vNull(tSysname), vNull(tSysname)
	}
	return []sqltype.Value{vText(l.Name), vInt(l.ID), sqltype.BytesOf(sqltype.VarBinary, l.SID), sqltype.StringOf(sqltype.Char, l.kind()),
		vText(serverKinds[l.kind()]), vBit(l.Disabled), vTime(l.Created), vTime(l.Modified), database, language, vNull(tInt)}
}

// visible tells whether a session sees a principal: roles, the administrator and itself, and those with ALTER ANY LOGIN or
// VIEW ANY DEFINITION see all.
func (in *Instance) visible(s rel.Scope) func(*loginDoc) bool {
	t := in.sessionToken(s.SessionID)
	all := t.has("VIEW ANY DEFINITION") || t.has("ALTER ANY LOGIN")
	return func(l *loginDoc) bool { return all || l.fixed() || t.ids[l.ID] }
}

// sessionToken is the token of a session's login; the server's own for a session that is not known (yet).
func (in *Instance) sessionToken(id int) *token {
	if s := in.sessions.find(id); s != nil {
		return in.token(s.Principal())
	}
	return serverItself
}

func (in *Instance) serverPrincipals() rel.View {
	v := principalColumns()
	v.Name = "server_principals"
	v.Columns = append(v.Columns, col("owning_principal_id", tInt), key("is_fixed_role", tBit))
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		var out [][]sqltype.Value
		see := in.visible(s)
		for _, l := range in.allPrincipals() {
			if !see(l) {
				continue
			}
			owner := vNull(tInt)
			if l.kind() == roleKind {
				owner = vInt(max(l.Owner, administratorID))
			}
			out = append(out, append(l.row(), owner, vBit(l.kind() == roleKind && l.fixed() && l.ID != publicRoleID)))
		}
		return out, nil
	})
	return v
}

// sqlLogins is sys.sql_logins; password_hash is for those with CONTROL SERVER.
func (in *Instance) sqlLogins() rel.View {
	v := principalColumns()
	v.Name = "sql_logins"
	v.Columns = append(v.Columns, col("is_policy_checked", tBit), col("is_expiration_checked", tBit), col("password_hash", varbinary(256)))
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		var out [][]sqltype.Value
		see, secrets := in.visible(s), in.sessionToken(s.SessionID).everything()
		for _, l := range in.allPrincipals() {
			if l.kind() != sqlLogin || !see(l) {
				continue
			}
			hash := vNull(varbinary(256))
			if secrets {
				hash = sqltype.BytesOf(sqltype.VarBinary, l.Hash)
			}
			out = append(out, append(l.row(), vBit(l.Policy), vBit(l.Expiration), hash))
		}
		return out, nil
	})
	return v
}

func (in *Instance) serverRoleMembers() rel.View {
	v := rel.View{Schema: "sys", Name: "server_role_members"}
	v.Columns = append(v.Columns, key("role_principal_id", tInt), key("member_principal_id", tInt))
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		var out [][]sqltype.Value
		see := in.visible(s)
		for _, l := range in.allPrincipals() {
			if !see(l) {
				continue
			}
			for _, r := range l.Roles {
				out = append(out, []sqltype.Value{vInt(r), vInt(l.ID)})
			}
		}
		slices.SortStableFunc(out, func(a, b []sqltype.Value) int { return int(a[0].N - b[0].N) })
		return out, nil
	})
	return v
}

var serverClassNames = map[uint8]string{classServer: "SERVER", classPrincipal: "SERVER_PRINCIPAL", classEndpoint: "ENDPOINT", classGroup: "AVAILABILITY GROUP"}

var stateNamesOfPermissions = map[string]string{"G": "GRANT", "W": "GRANT_WITH_GRANT_OPTION", "D": "DENY"}

// firstUserEndpoint is endpoint_id of the mirroring endpoint.
const firstUserEndpoint = 65536

func (in *Instance) serverPermissions() rel.View {
	v := rel.View{Schema: "sys", Name: "server_permissions"}
	v.Columns = append(v.Columns, key("class", tTinyInt), col("class_desc", tDesc), key("major_id", tInt), key("minor_id", tInt), key("grantee_principal_id", tInt),
		key("grantor_principal_id", tInt), key("type", tChar4), col("permission_name", tSysname), key("state", tChar1), col("state_desc", tDesc))
	v.Rows = rows(func(_ context.Context, s rel.Scope) ([][]sqltype.Value, error) {
		var out [][]sqltype.Value
		see := in.visible(s)
		for _, l := range in.allPrincipals() {
			if !see(l) {
				continue
			}
			for _, p := range in.permissionsOf(l) {
				code := (serverPermissionCodes[p.Name] + "    ")[:4]
				out = append(out, []sqltype.Value{vTiny(p.Class), vText(serverClassNames[p.Class]), vInt(p.Major), vInt(0), vInt(l.ID), vInt(max(p.Grantor, administratorID)),
					sqltype.StringOf(sqltype.Char, code), vText(p.Name), sqltype.StringOf(sqltype.Char, p.State), vText(stateNamesOfPermissions[p.State])})
			}
		}
		return out, nil
	})
	return v
}

// permissionsOf lists what a principal was granted and denied, CONNECT on the endpoint among it.
func (in *Instance) permissionsOf(l *loginDoc) []serverPermission {
	list := slices.Clone(l.Permissions)
	if state := in.connectOf(l.Name); state != "" && l.kind() != roleKind {
		list = append(list, serverPermission{Class: classEndpoint, Major: firstUserEndpoint, Name: "CONNECT", State: state, Grantor: administratorID})
	}
	slices.SortStableFunc(list, func(a, b serverPermission) int { return int(a.Class) - int(b.Class) })
	return list
}
