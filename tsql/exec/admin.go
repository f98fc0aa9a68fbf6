package exec

import (
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// admin runs a statement about the instance.
func (f *frame) admin(st ast.Statement) (flow, error) {
	if e := f.refuse(st); e != nil {
		return f.raise(e, abortStatement)
	}
	if f.s.set.fmtOnly {
		return next, nil
	}
	if e := f.inTransaction(st); e != nil && f.s.tx != nil {
		return f.raise(e, abortStatement)
	}
	if d, ok := st.(*ast.DBCC); ok && d.Command == "CHECKIDENT" {
		return f.checkIdentity(d)
	}
	resolved, err := f.resolve(st)
	if err != nil {
		return f.evalFailed(err)
	}
	f.r.release()
	out := &countingSink{ResultSink: f.r.out, f: f}
	if err := f.s.e.o.Admin.Run(f.r.ctx, f.s.caller(), resolved, out); err != nil {
		return f.fail(out.unwrap(err))
	}
	if err := out.close(); err != nil {
		return next, err
	}
	f.ok()
	return next, wrapEnd(f.done(sqlapi.CmdNone, -1))
}

// refuse names what is not served.
func (f *frame) refuse(st ast.Statement) *sqlerr.Error {
	switch st := st.(type) {
	case *ast.Refused:
		return sqlerr.New(40510, st.What)
	case *ast.InsertBulk:
		return sqlerr.New(40510, "INSERT BULK")
	case *ast.Shutdown:
		return sqlerr.New(40510, "SHUTDOWN")
	}
	return nil
}

// inTransaction gives the error of a statement that does not run inside a user transaction, nil for one that does.
func (f *frame) inTransaction(st ast.Statement) *sqlerr.Error {
	switch st := st.(type) {
	case *ast.CreateDatabase:
		return sqlerr.New(226, "CREATE DATABASE")
	case *ast.AlterDatabase:
		return sqlerr.New(226, "ALTER DATABASE")
	case *ast.DropDatabase:
		return sqlerr.New(226, "DROP DATABASE")
	case *ast.Backup, *ast.Restore:
		return sqlerr.New(3021)
	case *ast.Reconfigure:
		return sqlerr.New(574, "CONFIG")
	case *ast.Checkpoint, *ast.Kill, *ast.DBCC, *ast.ExecuteAs:
		return nil
	case *ast.CreateEndpoint:
		return sqlerr.New(574, verbOf(st.Alter)+" ENDPOINT")
	}
	return sqlerr.New(574, statementName(st))
}

func verbOf(alter bool) string {
	if alter {
		return "ALTER"
	}
	return "CREATE"
}

// statementName spells an instance's statement as messages do.
func statementName(st ast.Statement) string {
	switch st := st.(type) {
	case *ast.CreateMasterKey:
		return "CREATE MASTER KEY"
	case *ast.AlterMasterKey:
		return "ALTER MASTER KEY"
	case *ast.OpenMasterKey:
		return "OPEN MASTER KEY"
	case *ast.CloseMasterKey:
		return "CLOSE MASTER KEY"
	case *ast.DropMasterKey:
		return "DROP MASTER KEY"
	case *ast.BackupMasterKey:
		return "BACKUP MASTER KEY"
	case *ast.RestoreMasterKey:
		return "RESTORE MASTER KEY"
	case *ast.CreateCertificate:
		return "CREATE CERTIFICATE"
	case *ast.AlterCertificate:
		return "ALTER CERTIFICATE"
	case *ast.DropCertificate:
		return "DROP CERTIFICATE"
	case *ast.BackupCertificate:
		return "BACKUP CERTIFICATE"
	case *ast.DropEndpoint:
		return "DROP ENDPOINT"
	case *ast.CreateGroup:
		return "CREATE AVAILABILITY GROUP"
	case *ast.AlterGroup:
		return "ALTER AVAILABILITY GROUP"
	case *ast.DropGroup:
		return "DROP AVAILABILITY GROUP"
	case *ast.CreateLogin:
		return verbOf(st.Alter) + " LOGIN"
	case *ast.DropLogin:
		return "DROP LOGIN"
	case *ast.CreateCredential:
		return verbOf(st.Alter) + " CREDENTIAL"
	case *ast.DropCredential:
		return "DROP CREDENTIAL"
	case *ast.CreateUser:
		return verbOf(st.Alter) + " USER"
	case *ast.DropUser:
		return "DROP USER"
	case *ast.RoleStatement:
		return st.Verb + " ROLE"
	case *ast.Permission:
		return st.Verb
	case *ast.AlterAuthorization:
		return "ALTER AUTHORIZATION"
	}
	return "This"
}

// resolve replaces the variables in a statement by their values, in a copy.
func (f *frame) resolve(st ast.Statement) (ast.Statement, error) {
	var err error
	switch st := st.(type) {
	case *ast.Backup:
		c := *st
		c.Database = f.named(st.Database)
		if c.To, err = f.devices(st.To); err != nil {
			return nil, err
		}
		c.Options, err = f.options(st.Options)
		return &c, err
	case *ast.Restore:
		c := *st
		c.Database = f.named(st.Database)
		if c.From, err = f.devices(st.From); err != nil {
			return nil, err
		}
		c.Options, err = f.options(st.Options)
		return &c, err
	case *ast.DBCC:
		c := *st
		c.Args = make([]ast.Expr, len(st.Args))
		for i, a := range st.Args {
			if c.Args[i], err = f.constant(a); err != nil {
				return nil, err
			}
		}
		return &c, nil
	}
	return st, nil
}

func (f *frame) named(n ast.NameOrVariable) ast.NameOrVariable {
	if n.Variable != "" {
		if v := f.variable(n.Variable); v != nil {
			n.Name, n.Variable = v.value.S, ""
		}
	}
	return n
}

func (f *frame) devices(list []ast.Device) ([]ast.Device, error) {
	out := append([]ast.Device(nil), list...)
	for i := range out {
		var err error
		if out[i].Value, err = f.constant(out[i].Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *frame) options(list []ast.Option) ([]ast.Option, error) {
	out := append([]ast.Option(nil), list...)
	for i := range out {
		for _, e := range []*ast.Expr{&out[i].Value, &out[i].To} {
			if *e == nil {
				continue
			}
			var err error
			if *e, err = f.constant(*e); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// constant gives a literal for a variable, and anything else as it is.
func (f *frame) constant(e ast.Expr) (ast.Expr, error) {
	v, ok := e.(*ast.Variable)
	if !ok {
		return e, nil
	}
	t, val, err := f.typed(v)
	if err != nil {
		return nil, err
	}
	if !val.Valid {
		return &ast.Literal{Pos: v.Pos, Kind: ast.LitNull}, nil
	}
	kind := ast.LitNString
	if t.Kind.IsInteger() {
		kind = ast.LitInteger
	}
	text, err := assign(val, t, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen})
	if err != nil {
		return nil, err
	}
	return &ast.Literal{Pos: v.Pos, Kind: kind, Text: text.S}, nil
}
