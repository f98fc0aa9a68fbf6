package instance

import (
	"context"

	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// evict ends the other sessions in a database before ALTER DATABASE … SET … WITH ROLLBACK. ROLLBACK AFTER does not wait:
// what the seconds are for, that work ends by itself, a caller gets by waiting first.
func (in *Instance) evict(d *Database, s *ast.AlterDatabase, c exec.Caller) error {
	if s.Termination == "" || s.Termination == "NO_WAIT" {
		return nil
	}
	if d.isSystem() {
		return sqlerr.New(5058, s.Termination, d.Name())
	}
	for _, x := range in.sessions.all() {
		if x.ID() == c.Session || in.fold(x.Database()) != in.fold(d.Name()) {
			continue
		}
		x.Kill(sqlerr.New(596)) // its client hears the reason at its next request
		if err := x.Close(); err != nil {
			return err
		}
	}
	return nil
}

// setAccess is SET SINGLE_USER and SET MULTI_USER. The one user is the caller when it is in the database, otherwise who
// enters first.
func (in *Instance) setAccess(ctx context.Context, d *Database, single bool, c exec.Caller) error {
	if !d.snapshot().Standby { // who may read between two restores can be chosen, as on SQL Server
		if err := in.checkFree(d, map[bool]string{true: "SINGLE_USER", false: "MULTI_USER"}[single]); err != nil {
			return err
		}
	}
	inside := in.fold(c.Database) == in.fold(d.Name())
	d.mu.Lock()
	others := d.users
	if inside {
		others--
	}
	switch {
	case single && others > 0:
		d.mu.Unlock()
		return sqlerr.New(5070)
	case single && inside:
		d.owner = c.Session
	}
	d.mu.Unlock()
	return d.update(ctx, func(doc *databaseDoc) { doc.SingleUser = single })
}

// admitLocked tells whether a session may enter; the caller holds d.mu. Error 924.
func (d *Database) admitLocked(c exec.Caller) error {
	if !d.doc.SingleUser {
		return nil
	}
	if d.users == 0 {
		d.owner = c.Session
	}
	if d.owner != c.Session {
		return sqlerr.New(924, d.doc.Name)
	}
	return nil
}

// userAccess is sys.databases.user_access and its description.
func (doc databaseDoc) userAccess() (code uint8, desc string) {
	if doc.SingleUser {
		return 1, "SINGLE_USER"
	}
	return 0, "MULTI_USER"
}
