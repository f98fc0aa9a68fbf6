package instance

import (
	"context"
	"strconv"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// alterDatabase is ALTER DATABASE. current is the session's database, for ALTER DATABASE CURRENT.
func (in *Instance) alterDatabase(ctx context.Context, s *ast.AlterDatabase, c exec.Caller, out sqlapi.ResultSink) error {
	name, current := s.Name, c.Database
	if name == "" {
		name = current
	}
	d, err := in.Find(name)
	if err != nil {
		return sqlerr.New(5011, name)
	}
	switch {
	case s.Hadr != nil:
		return in.alterHadr(ctx, d, s.Hadr)
	case s.ModifyFile != nil:
		return in.modifyFile(ctx, d, s.ModifyFile)
	case s.NewName != "":
		return in.renameDatabase(ctx, d, s.NewName, current)
	case s.Collation != "":
		return unsupported("ALTER DATABASE … COLLATE", "create the database with the collation")
	case s.Other != "":
		return unsupported("ALTER DATABASE … "+s.Other, "files are managed by the server")
	}
	if err := in.evict(d, s, c); err != nil {
		return err
	}
	for i := range s.Set {
		if err := in.setOption(ctx, d, &s.Set[i], c); err != nil {
			if serr := out.Message(sqlerr.From(err)); serr != nil {
				return serr
			}
			return sqlerr.New(5069)
		}
	}
	return nil
}

func (in *Instance) alterHadr(ctx context.Context, d *Database, a *ast.HadrAction) error {
	switch a.Verb {
	case "SUSPEND":
		return in.hadr.Suspend(ctx, d.Name())
	case "RESUME":
		return in.hadr.Resume(ctx, d.Name())
	default:
		return unsupported("SET HADR "+a.Verb, "join a link through the managed instance's ARM endpoint")
	}
}

// setOption is one option of ALTER DATABASE … SET.
func (in *Instance) setOption(ctx context.Context, d *Database, o *ast.Option, c exec.Caller) error {
	switch o.Name {
	case "RECOVERY":
		return in.setRecovery(ctx, d, word(o.Value))
	case "READ_ONLY", "READ_WRITE":
		return in.changeFree(ctx, d, o.Name, func(doc *databaseDoc) { doc.ReadOnly = o.Name == "READ_ONLY" })
	case "OFFLINE", "ONLINE":
		return in.setOffline(ctx, d, o.Name)
	case "EMERGENCY":
		return unsupported("ALTER DATABASE SET EMERGENCY", "SET ONLINE reads a suspect database's files and log anew; where they are damaged, "+
			"fail over to the other copy, restore a backup, or copy the folder and run \"linkspan log verify\" on it")
	case "TARGET_RECOVERY_TIME":
		return in.setRecoveryTime(ctx, d, o)
	case "COMPATIBILITY_LEVEL":
		return in.setCompatibility(ctx, d, o)
	case "SINGLE_USER", "MULTI_USER":
		return in.setAccess(ctx, d, o.Name == "SINGLE_USER", c)
	}
	if alwaysOn[o.Name] == word(o.Value) && alwaysOn[o.Name] != "" {
		return nil
	}
	return unsupported("ALTER DATABASE SET "+o.Name, "leave it out; docs/parity.md lists the options")
}

// alwaysOn are options whose only served value is what the database does anyway.
var alwaysOn = map[string]string{
	"READ_COMMITTED_SNAPSHOT": "ON", "ALLOW_SNAPSHOT_ISOLATION": "ON", "PAGE_VERIFY": "CHECKSUM", "AUTO_CLOSE": "OFF",
	"AUTO_SHRINK": "OFF", "AUTO_CREATE_STATISTICS": "ON", "AUTO_UPDATE_STATISTICS": "ON", "ACCELERATED_DATABASE_RECOVERY": "ON",
	"TRUSTWORTHY": "OFF", "DB_CHAINING": "OFF", "ENCRYPTION": "OFF",
}

// word is an option's keyword in upper case, or "".
func word(e ast.Expr) string {
	if k, ok := e.(*ast.Keyword); ok {
		return k.Word
	}
	return ""
}

func (in *Instance) setRecovery(ctx context.Context, d *Database, model string) error {
	for code, name := range recoveryNames {
		if name != model {
			continue
		}
		return in.changeFree(ctx, d, "RECOVERY", func(doc *databaseDoc) {
			if code != doc.Recovery && (code == recoverySimple || doc.Recovery == recoverySimple) {
				// Out of SIMPLE the chain starts at the next full backup; until then the database is "pseudo-simple".
				doc.FullBackup, doc.LastLogBackup = time.Time{}, ""
			}
			doc.Recovery = code
		})
	}
	return sqlerr.New(102, model)
}

// changeFree changes a user database that is in no group, for an option.
func (in *Instance) changeFree(ctx context.Context, d *Database, option string, change func(*databaseDoc)) error {
	if err := in.checkFree(d, option); err != nil {
		return err
	}
	return d.update(ctx, change)
}

func (in *Instance) checkFree(d *Database, option string) error {
	if d.isSystem() {
		return sqlerr.New(5058, option, d.Name())
	}
	if _, _, _, joined := in.hadr.Member(d.Name()); joined || d.isReplica() {
		return sqlerr.New(1468, d.Name())
	}
	return nil
}

// setOffline closes a database or opens it again. One that somebody is in is not closed.
func (in *Instance) setOffline(ctx context.Context, d *Database, option string) error {
	offline := option == "OFFLINE"
	if offline || d.State() != Suspect || d.isSystem() { // a suspect one that is in a group can be brought back
		if err := in.checkFree(d, option); err != nil {
			return err
		}
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	doc := d.snapshot()
	if doc.Offline == offline {
		if !offline && d.State() == Suspect {
			return d.reopen(ctx)
		}
		return nil
	}
	if !offline {
		if err := d.updateLocked(ctx, func(doc *databaseDoc) { doc.Offline = false }); err != nil {
			return err
		}
		d.open(ctx)
		_, err := d.Storage()
		return err
	}
	d.mu.Lock()
	if d.users > 0 {
		d.mu.Unlock()
		return sqlerr.New(5070)
	}
	d.doc.Offline = true // nobody enters from here on
	d.mu.Unlock()
	if err := d.updateLocked(ctx, func(*databaseDoc) {}); err != nil {
		d.mu.Lock()
		d.doc.Offline = false
		d.mu.Unlock()
		return err
	}
	return d.close()
}

func (in *Instance) setCompatibility(ctx context.Context, d *Database, o *ast.Option) error {
	l, ok := o.Value.(*ast.Literal)
	if !ok {
		return sqlerr.New(102, "COMPATIBILITY_LEVEL")
	}
	if d.isSystem() {
		return sqlerr.New(5058, o.Name, d.Name())
	}
	n, err := strconv.Atoi(l.Text)
	if err != nil || n < 100 || n > compatibility || n%10 != 0 {
		return sqlerr.New(15048)
	}
	return d.update(ctx, func(doc *databaseDoc) { doc.Compat = uint8(n) })
}

// renameDatabase is ALTER DATABASE … MODIFY NAME. Nobody but the caller may be in the database; current is where the
// caller is.
func (in *Instance) renameDatabase(ctx context.Context, d *Database, name, current string) error {
	if d.isSystem() {
		return sqlerr.New(3708, "alter", "database", d.Name(), "database")
	}
	if _, _, _, joined := in.hadr.Member(d.Name()); joined || d.isReplica() {
		return sqlerr.New(1468, d.Name())
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	if err := in.checkNewName(d, name, current); err != nil {
		return err
	}
	old := d.Name()
	if err := d.updateLocked(ctx, func(doc *databaseDoc) { doc.Name = name }); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.databases, in.fold(old))
	in.databases[in.fold(name)] = d
	return nil
}

func (in *Instance) checkNewName(d *Database, name, current string) error {
	if other, err := in.Find(name); err == nil && other != d {
		return sqlerr.New(1801, name)
	}
	if n := len([]rune(name)); n > maxName {
		return sqlerr.New(103, "identifier", prefix(name, maxName), maxName)
	}
	own := 0
	if in.fold(current) == in.fold(d.Name()) {
		own = 1
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.users > own {
		return sqlerr.New(5030)
	}
	return nil
}
