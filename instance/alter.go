package instance

import (
	"context"
	"strconv"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// alterDatabase is ALTER DATABASE. current is the session's database, for ALTER DATABASE CURRENT.
func (in *Instance) alterDatabase(ctx context.Context, s *ast.AlterDatabase, current string, out sqlapi.ResultSink) error {
	name := s.Name
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
	case s.NewName != "":
		return in.renameDatabase(ctx, d, s.NewName)
	case s.Collation != "":
		return unsupported("ALTER DATABASE … COLLATE", "create the database with the collation")
	case s.Other != "":
		return unsupported("ALTER DATABASE … "+s.Other, "files are managed by the server")
	}
	for i := range s.Set {
		if err := in.setOption(ctx, d, &s.Set[i]); err != nil {
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
func (in *Instance) setOption(ctx context.Context, d *Database, o *ast.Option) error {
	switch o.Name {
	case "RECOVERY":
		return in.setRecovery(ctx, d, word(o.Value))
	case "READ_ONLY", "READ_WRITE":
		return in.changeFree(ctx, d, func(doc *databaseDoc) { doc.ReadOnly = o.Name == "READ_ONLY" })
	case "OFFLINE", "ONLINE":
		return in.setOffline(ctx, d, o.Name == "OFFLINE")
	case "COMPATIBILITY_LEVEL":
		return in.setCompatibility(ctx, d, o)
	case "MULTI_USER":
		return nil // it is never anything else
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
		return in.changeFree(ctx, d, func(doc *databaseDoc) {
			if code != doc.Recovery && (code == recoverySimple || doc.Recovery == recoverySimple) {
				// Out of SIMPLE the chain starts at the next full backup; until then the database is "pseudo-simple".
				doc.FullBackup, doc.LastLogBackup = time.Time{}, ""
			}
			doc.Recovery = code
		})
	}
	return sqlerr.New(102, model)
}

// changeFree changes a user database that is in no group.
func (in *Instance) changeFree(ctx context.Context, d *Database, change func(*databaseDoc)) error {
	if d.isSystem() {
		return sqlerr.New(3708, "database", d.Name(), "database")
	}
	if _, _, _, joined := in.hadr.Member(d.Name()); joined || d.snapshot().Replica {
		return sqlerr.New(1468, d.Name())
	}
	return d.update(ctx, change)
}

func (in *Instance) setOffline(ctx context.Context, d *Database, offline bool) error {
	if d.snapshot().Offline == offline {
		return nil
	}
	d.mu.Lock()
	busy := offline && d.users > 0
	d.mu.Unlock()
	if busy {
		return sqlerr.New(5070)
	}
	if err := in.changeFree(ctx, d, func(doc *databaseDoc) { doc.Offline = offline }); err != nil {
		return err
	}
	if offline {
		return d.close()
	}
	d.open(ctx)
	_, err := d.Storage()
	return err
}

func (in *Instance) setCompatibility(ctx context.Context, d *Database, o *ast.Option) error {
	l, ok := o.Value.(*ast.Literal)
	if !ok {
		return sqlerr.New(102, "COMPATIBILITY_LEVEL")
	}
	n, err := strconv.Atoi(l.Text)
	if err != nil || n < 100 || n > compatibility || n%10 != 0 {
		return sqlerr.New(15048)
	}
	return d.update(ctx, func(doc *databaseDoc) { doc.Compat = uint8(n) })
}

// renameDatabase is ALTER DATABASE … MODIFY NAME.
func (in *Instance) renameDatabase(ctx context.Context, d *Database, name string) error {
	if _, _, _, joined := in.hadr.Member(d.Name()); joined || d.isSystem() || d.snapshot().Replica {
		return sqlerr.New(1468, d.Name())
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	if other, err := in.Find(name); err == nil && other != d {
		return sqlerr.New(1801, name)
	}
	if n := len([]rune(name)); n > maxName {
		return sqlerr.New(103, "identifier", prefix(name, maxName), maxName)
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
