package instance

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"linkspan/bak"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// admin runs the statements about the instance (exec.Admin).
type admin struct{ in *Instance }

// Run implements exec.Admin.
func (a admin) Run(ctx context.Context, c exec.Caller, s ast.Statement, out sqlapi.ResultSink) error {
	if err := a.in.authorize(ctx, c, s); err != nil {
		return err
	}
	switch s := s.(type) {
	case *ast.CreateMasterKey, *ast.AlterMasterKey, *ast.OpenMasterKey, *ast.CloseMasterKey, *ast.DropMasterKey,
		*ast.CreateCertificate, *ast.DropCertificate:
		return a.trust(ctx, s, out)
	case *ast.CreateEndpoint:
		return a.in.createEndpoint(ctx, s, out)
	case *ast.DropEndpoint:
		if s.IfExists && !a.in.hasEndpoint(s.Name) {
			return nil
		}
		return a.in.hadr.DropEndpoint(ctx, s.Name)
	case *ast.AlterGroup:
		if changesRoles(s) {
			return a.in.changeRoles(ctx, s, out)
		}
		return a.member(ctx, c, s, out)
	case *ast.CreateGroup, *ast.AlterDatabase, *ast.DropDatabase:
		return a.member(ctx, c, s, out)
	case *ast.DropGroup:
		return a.in.hadr.DropGroup(ctx, s.Name)
	case *ast.CreateDatabase:
		return a.in.createDatabase(ctx, c, s)
	case *ast.Backup:
		return a.backup(ctx, c, s, out)
	case *ast.DBCC:
		return a.dbcc(ctx, c, s, out)
	case *ast.Checkpoint:
		return a.checkpoint(ctx, c)
	case *ast.Kill:
		return a.kill(c, s)
	case *ast.CreateLogin:
		return a.in.createLogin(ctx, s)
	case *ast.Restore:
		return a.restore(ctx, c, s, out)
	case *ast.CreateCredential:
		return a.in.createCredential(ctx, s)
	case *ast.DropCredential:
		return a.in.dropCredential(ctx, s.Name)
	case *ast.DropLogin:
		return a.in.dropLogin(ctx, s)
	case *ast.RoleStatement:
		return a.in.serverRole(ctx, s, c.Principal)
	case *ast.Permission:
		return a.in.serverPermission(ctx, c, s)
	case *ast.AlterAuthorization:
		return a.in.serverAuthorization(ctx, c, s)
	default:
		return unsupported(statementName(s), "see docs/parity.md for what is served")
	}
}

// member runs the statements that put databases into groups, or that groups forbid.
func (a admin) member(ctx context.Context, c exec.Caller, s ast.Statement, out sqlapi.ResultSink) error {
	leave, err := a.in.membership.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	switch s := s.(type) {
	case *ast.CreateGroup:
		return a.in.createGroup(ctx, s, out)
	case *ast.AlterGroup:
		if s.Verb == "JOIN GROUP" {
			return a.in.joinGroup(ctx, s, out)
		}
		return a.in.alterGroup(ctx, s)
	case *ast.AlterDatabase:
		return a.in.alterDatabase(ctx, s, c, out)
	case *ast.DropDatabase:
		return a.dropDatabases(ctx, s)
	}
	return nil
}

func (a admin) trust(ctx context.Context, s ast.Statement, out sqlapi.ResultSink) error {
	k := a.in.keeper
	switch s := s.(type) {
	case *ast.CreateMasterKey:
		return a.in.createMasterKey(ctx, s)
	case *ast.AlterMasterKey:
		return a.in.alterMasterKey(ctx, s)
	case *ast.OpenMasterKey:
		return k.OpenMasterKey(s.Password)
	case *ast.CloseMasterKey:
		return nil // the service master key keeps it open
	case *ast.DropMasterKey:
		return k.DropMasterKey(ctx)
	case *ast.CreateCertificate:
		return a.in.createCertificate(ctx, s, out)
	case *ast.DropCertificate:
		if s.IfExists && k.ByName(s.Name) == nil {
			return nil
		}
		return k.DropCertificate(ctx, s.Name)
	}
	return nil
}

func (in *Instance) hasEndpoint(name string) bool {
	e, ok := in.hadr.Endpoint()
	return ok && strings.EqualFold(e.Name, name)
}

func (a admin) dropDatabases(ctx context.Context, s *ast.DropDatabase) error {
	for _, n := range s.Names {
		if err := a.in.dropDatabase(ctx, n.Name, s.IfExists); err != nil {
			return err
		}
	}
	return nil
}

// backup translates BACKUP. To NUL alone nothing is read: what such a backup is for is the chain.
func (a admin) backup(ctx context.Context, c exec.Caller, s *ast.Backup, out sqlapi.ResultSink) error {
	b, err := readBackup(s)
	if err != nil {
		return err
	}
	if !allNull(b.devices) || b.kind == bak.Differential || b.norecovery {
		return a.in.takeBackup(ctx, c, b, out)
	}
	r := BackupRequest{Database: b.database, Log: s.Log, CopyOnly: b.copyOnly, Name: b.name}
	for _, d := range b.devices {
		r.Devices = append(r.Devices, d.Text)
	}
	return a.in.backup(ctx, r, out)
}

// text is the value of a string literal.
func text(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.Literal)
	if !ok {
		return "", false
	}
	return l.Text, true
}

func (a admin) checkpoint(ctx context.Context, c exec.Caller) error {
	d, err := a.in.Find(c.Database)
	if err != nil {
		return err
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	return db.Checkpoint(ctx)
}

func (a admin) kill(c exec.Caller, s *ast.Kill) error {
	t, _ := text(s.Session)
	for _, x := range a.in.sessions.all() {
		if fmt.Sprint(x.ID()) != t {
			continue
		}
		switch {
		case s.StatusOnly: // a rollback is over before anybody could ask
			return sqlerr.New(6120, x.ID())
		case x.ID() == c.Session:
			return sqlerr.New(6104)
		}
		x.Kill(sqlerr.New(596))
		return nil
	}
	return sqlerr.New(6106, t)
}

// statementName spells a statement's kind for a refusal: BACKUP MASTER KEY for *ast.BackupMasterKey.
func statementName(s ast.Statement) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(fmt.Sprintf("%T", s), "*ast.") {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
