package instance

import (
	"context"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// principalProcedures are the old procedures that stand for statements about logins, users and roles.
func (in *Instance) principalProcedures() []*exec.Procedure {
	member := func(name string, server bool, verb, first, second string) *exec.Procedure {
		return &exec.Procedure{Name: name, Params: []exec.Param{{Name: first, Type: tSysname}, {Name: second, Type: tSysname}},
			Statements: func(_ context.Context, _ exec.Caller, a []sqltype.Value) ([]ast.Statement, error) {
				s := &ast.RoleStatement{Server: server, Verb: verb, Name: a[0].S, Member: a[1].S}
				if server { // @loginame comes first
					s.Name, s.Member = a[1].S, a[0].S
				}
				return []ast.Statement{s}, nil
			}}
	}
	return []*exec.Procedure{
		member("sp_addrolemember", false, "ADD MEMBER", "@rolename", "@membername"),
		member("sp_droprolemember", false, "DROP MEMBER", "@rolename", "@membername"),
		member("sp_addsrvrolemember", true, "ADD MEMBER", "@loginame", "@rolename"),
		member("sp_dropsrvrolemember", true, "DROP MEMBER", "@loginame", "@rolename"),
		in.changeUsersLogin(), in.changeDBOwner(),
	}
}

// changeDBOwner is sp_changedbowner.
func (in *Instance) changeDBOwner() *exec.Procedure {
	return &exec.Procedure{Name: "sp_changedbowner", Params: []exec.Param{{Name: "@loginame", Type: tSysname}, {Name: "@map", Type: nvarchar(5), Optional: true}},
		Statements: func(_ context.Context, c exec.Caller, a []sqltype.Value) ([]ast.Statement, error) {
			return []ast.Statement{&ast.AlterAuthorization{Class: "DATABASE", On: ast.ObjectName{Name: c.Database}, To: a[0].S}}, nil
		}}
}

// changeUsersLogin is sp_change_users_login: the users without a login, and their repair.
func (in *Instance) changeUsersLogin() *exec.Procedure {
	return &exec.Procedure{
		Name: "sp_change_users_login",
		Params: []exec.Param{{Name: "@Action", Type: nvarchar(10)}, {Name: "@UserNamePattern", Type: tSysname, Optional: true},
			{Name: "@LoginName", Type: tSysname, Optional: true}, {Name: "@Password", Type: tSysname, Optional: true}},
		Run: func(ctx context.Context, c exec.Caller, a []sqltype.Value, out sqlapi.ResultSink) (int32, error) {
			if c.InTransaction {
				return 1, sqlerr.New(15289)
			}
			orphans, err := in.orphans(ctx, c.DatabaseID)
			if err != nil {
				return 1, err
			}
			switch strings.ToUpper(a[0].S) {
			case "REPORT":
				return 0, reportOrphans(out, orphans)
			case "AUTO_FIX":
				return 0, in.autoFix(ctx, c, a, orphans, out)
			case "UPDATE_ONE":
				return 0, in.updateOne(ctx, c, a)
			}
			return 1, sqlerr.New(15286, a[0].S)
		},
		Statements: func(_ context.Context, _ exec.Caller, a []sqltype.Value) ([]ast.Statement, error) {
			login := a[2].S
			switch strings.ToUpper(a[0].S) {
			case "REPORT":
				return nil, nil
			case "AUTO_FIX":
				login = a[1].S
			}
			name := &ast.Literal{Kind: ast.LitNString, Text: login}
			return []ast.Statement{&ast.CreateUser{Alter: true, Name: a[1].S, Options: []ast.Option{{Name: "LOGIN", Value: name}}}}, nil
		},
	}
}

// orphans are the users of a database whose SID no login has, by number.
func (in *Instance) orphans(ctx context.Context, database int) ([]*catalog.Principal, error) {
	d := in.byID(database)
	if d == nil {
		return nil, nil
	}
	snap, err := d.schema(ctx)
	if err != nil {
		return nil, err
	}
	var out []*catalog.Principal
	for _, p := range snap.Principals() {
		if p.Kind == sqlLogin && !p.Built() && len(p.SID) == sidSize && in.loginBySID(p.SID) == nil {
			out = append(out, p)
		}
	}
	return out, nil
}

func reportOrphans(out sqlapi.ResultSink, orphans []*catalog.Principal) error {
	err := out.Columns([]sqlapi.Column{key("UserName", tSysname), col("UserSID", varbinary(85))})
	for _, p := range orphans {
		if err == nil {
			err = out.Row([]sqltype.Value{vText(p.Name), sqltype.BytesOf(sqltype.VarBinary, p.SID)})
		}
	}
	return endRows(out, err, int64(len(orphans)))
}

// autoFix finds the login of a user's name, or makes it with the password given.
func (in *Instance) autoFix(ctx context.Context, c exec.Caller, a []sqltype.Value, orphans []*catalog.Principal, out sqlapi.ResultSink) error {
	if !a[1].Valid || a[2].Valid {
		return sqlerr.New(15290, a[0].S, a[1].S, a[2].S)
	}
	if err := in.hasUser(ctx, c, a[1].S); err != nil {
		return err
	}
	fixed, added := 0, 0
	switch {
	case in.loginByName(a[1].S) != nil:
		for _, p := range orphans {
			if in.fold(p.Name) == in.fold(a[1].S) {
				fixed = 1
			}
		}
		if err := out.Message(sqlerr.New(15292, a[1].S)); err != nil {
			return err
		}
	case !a[3].Valid:
		return sqlerr.New(15600, "sys.sp_change_users_login")
	default:
		if !in.token(c.Principal).has("ALTER ANY LOGIN") {
			return sqlerr.New(15247)
		}
		if err := in.createLogin(ctx, &ast.CreateLogin{Name: a[1].S, Password: &a[3].S}); err != nil {
			return err
		}
		added = 1
		if err := out.Message(sqlerr.New(15293, a[1].S)); err != nil {
			return err
		}
	}
	return send(out, []*sqlerr.Error{sqlerr.New(15295, fixed), sqlerr.New(15294, added)})
}

// updateOne checks the user and the login that the statement after it joins.
func (in *Instance) updateOne(ctx context.Context, c exec.Caller, a []sqltype.Value) error {
	if !a[1].Valid || !a[2].Valid {
		return sqlerr.New(15290, a[0].S, a[1].S, a[2].S)
	}
	if err := in.hasUser(ctx, c, a[1].S); err != nil {
		return err
	}
	l := in.loginByName(a[2].S)
	switch {
	case l == nil:
		return sqlerr.New(15291, "Login", a[2].S)
	case l.ID == administratorID:
		return sqlerr.New(15287, a[2].S)
	}
	return nil
}

// hasUser gives 15291 when the current database has no such user.
func (in *Instance) hasUser(ctx context.Context, c exec.Caller, name string) error {
	d := in.byID(c.DatabaseID)
	if d == nil {
		return sqlerr.New(15291, "User", name)
	}
	snap, err := d.schema(ctx)
	if err != nil {
		return err
	}
	if u := snap.Principal(name); u == nil || u.IsRole() || u.Built() {
		return sqlerr.New(15291, "User", name)
	}
	return nil
}
