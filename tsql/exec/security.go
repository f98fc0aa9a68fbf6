package exec

import (
	"context"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tsql/ast"
)

// Security knows the logins: what their sessions may do in a database, and the changes of its users, roles and
// permissions.
type Security interface {
	// Rights gives what the caller may do in d, whose schema is snap; nil means everything. It is asked at every statement.
	// 916 tells that the caller has no user there.
	Rights(c Caller, d Database, snap *catalog.Snapshot) (*Rights, error)
	// Enter gives the error that the caller gets who enters or reads d: 916.
	Enter(ctx context.Context, c Caller, d Database) error
	// Define runs a statement about users, roles and permissions of a database (see [definesPrincipals]) inside the
	// transaction of d. r are the caller's rights there.
	Define(ctx context.Context, c Caller, r *Rights, d *catalog.Definer, s ast.Statement) error
	// Impersonate checks EXECUTE AS, and gives the caller that the session is from then on. Kind is LOGIN or USER.
	Impersonate(c Caller, r *Rights, snap *catalog.Snapshot, kind, name string) (Caller, error)
}

// Rights are what a caller may do in one database.
type Rights struct {
	*catalog.Access
	// Server tells whether the caller has a permission on the server ("VIEW SERVER STATE").
	Server func(permission string) bool
	// View gives the error of a view of the server that the caller must not read (300, 262), named without its schema.
	View func(name string) error
}

// definesPrincipals reports the statements that Security.Define takes: those about principals and permissions of a
// database. Those of the server are Admin's.
func definesPrincipals(st ast.Statement) bool {
	switch st := st.(type) {
	case *ast.CreateUser, *ast.DropUser:
		return true
	case *ast.RoleStatement:
		return !st.Server
	case *ast.Permission:
		return !st.OnServer()
	case *ast.AlterAuthorization:
		switch st.Class {
		case "", "OBJECT", "SCHEMA", "ROLE":
			return true
		}
	}
	return false
}

// principals runs a statement that Security.Define takes, in the current database.
func (f *frame) principals(st ast.Statement) (flow, error) {
	if f.s.set.fmtOnly {
		return next, nil
	}
	if f.s.e.o.Security == nil {
		return f.raise(sqlerr.New(40510, statementName(st)), abortStatement)
	}
	if f.s.set.implicit && f.s.tx == nil {
		if err := f.r.begin(""); err != nil {
			return f.fail(err)
		}
	}
	err := f.changing(func(k *conn, d *catalog.Definer) error {
		r, err := f.rights(k.db, d.Snapshot())
		if err != nil {
			return err
		}
		return f.s.e.o.Security.Define(f.r.ctx, f.s.caller(), r, d, st)
	})
	if err != nil {
		return f.fail(err)
	}
	f.ok()
	return next, wrapEnd(f.done(sqlapi.CmdNone, -1))
}

// rights are what the session may do in a database now; nil means everything.
func (f *frame) rights(d Database, snap *catalog.Snapshot) (*Rights, error) {
	if f.s.e.o.Security == nil {
		return nil, nil
	}
	return f.s.e.o.Security.Rights(f.s.caller(), d, snap)
}

// defaultSchema is the schema that names without one are looked for in first; "" is dbo.
func (r *Rights) defaultSchema() string {
	if r == nil || r.User == nil || strings.EqualFold(r.User.DefaultSchema, "dbo") {
		return ""
	}
	return r.User.DefaultSchema
}

// procedureStatements runs a procedure of the server that stands for statements.
func (f *frame) procedureStatements(p *Procedure, vals []sqltype.Value, out *countingSink) (int32, flow, error) {
	if p.Run != nil {
		if status, err := p.Run(f.r.ctx, f.s.caller(), vals, out); err != nil {
			fl, err := f.fail(out.unwrap(err))
			return max(status, 1), fl, err
		}
		if err := out.close(); err != nil {
			return 1, next, err
		}
	}
	list, err := p.Statements(f.r.ctx, f.s.caller(), vals)
	if err != nil {
		fl, err := f.fail(err)
		return 1, fl, err
	}
	for _, st := range list {
		line := f.line
		fl, err := f.statement(st)
		f.line = line
		if err != nil || fl.kind != flowNext || f.s.lastError != 0 {
			return 1, fl, err
		}
	}
	return 0, next, nil
}
