package instance

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"linkspan/catalog"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// maxName is the length of a sysname, in characters.
const maxName = 128

// createDatabase is CREATE DATABASE. The files are made first and the database is registered last: a crash between
// leaves a folder that nothing names.
func (in *Instance) createDatabase(ctx context.Context, c exec.Caller, s *ast.CreateDatabase) error {
	switch {
	case s.SnapshotOf != "":
		return unsupported("CREATE DATABASE … AS SNAPSHOT OF", "a link's copy is readable")
	case ast.FindOption(s.Options, "FOR ATTACH") != nil:
		return unsupported("CREATE DATABASE … FOR ATTACH", "read the files with \"linkspan backup tables\"")
	}
	collation := in.opts.Collation
	if s.Collation != "" {
		c, ok := sqltype.LookupCollation(s.Collation)
		if !ok {
			return sqlerr.New(448, s.Collation)
		}
		collation = c.Name
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	doc, err := in.newDatabaseLocked(s.Name, collation)
	if err != nil {
		return err
	}
	doc.OwnerSID = in.ownerFor(c)
	d := &Database{in: in, doc: doc}
	db, err := storage.Create(ctx, d.storageOptions(doc.Name, doc.Folder))
	if err != nil {
		return sqlerr.New(1802).WithCause(err)
	}
	d.adopt(db)
	if err = d.initCatalog(ctx); err == nil && doc.OwnerSID != nil {
		err = d.change(ctx, func(def *catalog.Definer) error { return setDbo(def, doc.OwnerSID) })
	}
	if err == nil {
		err = in.putDatabase(ctx, doc)
	}
	if err != nil {
		if cerr := d.close(); cerr == nil {
			_ = in.removeFolder(doc.Folder) // what stays is never named
		}
		return sqlerr.New(1802).WithCause(err)
	}
	in.mu.Lock()
	in.databases[in.fold(doc.Name)] = d
	in.mu.Unlock()
	return nil
}

// newDatabaseLocked makes the description of a new database; the caller holds ddl.
func (in *Instance) newDatabaseLocked(name, collation string) (databaseDoc, error) {
	if n := len([]rune(name)); n == 0 || n > maxName || strings.ContainsRune(name, 0) {
		return databaseDoc{}, sqlerr.New(103, "identifier", prefix(name, maxName), maxName)
	}
	id := firstID
	for _, d := range in.list() {
		if in.fold(d.Name()) == in.fold(name) {
			return databaseDoc{}, sqlerr.New(1801, name)
		}
		id = max(id, d.ID()+1)
	}
	for taken := range in.promised {
		id = max(id, taken+1)
	}
	doc := databaseDoc{ID: id, Name: name, Created: in.opts.Clock.Now().UTC(), Collation: collation, Recovery: recoveryFull, Compat: compatibility}
	if _, err := io.ReadFull(in.opts.Rand, doc.GUID[:]); err != nil {
		return doc, fmt.Errorf("make database id: %w", err)
	}
	doc.Family = doc.GUID
	doc.Folder = folderOf(id, doc.GUID)
	return doc, nil
}

// folderOf names a folder that nothing else has.
func folderOf(id int, guid [16]byte) string {
	return filepath.Join("databases", fmt.Sprintf("%d-%s", id, hex.EncodeToString(guid[:6])))
}

// registerLocked makes a database known, durably; the caller holds ddl.
func (in *Instance) registerLocked(ctx context.Context, doc databaseDoc) (*Database, error) {
	if err := in.putDatabase(ctx, doc); err != nil {
		return nil, err
	}
	d := &Database{in: in, doc: doc}
	in.mu.Lock()
	in.databases[in.fold(doc.Name)] = d
	in.mu.Unlock()
	return d, nil
}

// initCatalog makes the system tables of a database that has none, as after a crash in the middle of its creation.
func (d *Database) initCatalog(ctx context.Context) error {
	w, err := d.db.Writer(ctx)
	if err != nil {
		return err
	}
	defer w.Rollback()
	if _, err := catalog.Version(w, ""); err == nil {
		return nil
	}
	if err := catalog.Init(w, catalog.InitOptions{Collation: d.snapshot().Collation, Now: d.in.opts.Clock.Now()}); err != nil {
		return err
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return err
	}
	return d.db.WaitHardened(ctx, at)
}

// dropDatabase is DROP DATABASE of one name.
func (in *Instance) dropDatabase(ctx context.Context, name string, ifExists bool) error {
	in.ddl.Lock()
	defer in.ddl.Unlock()
	d, err := in.Find(name)
	switch {
	case err != nil && ifExists:
		return nil
	case err != nil:
		return sqlerr.New(3701, "drop", "database", name)
	case d.isSystem():
		return sqlerr.New(3708, "drop", "database", d.Name(), "database")
	}
	if _, _, _, joined := in.hadr.Member(d.Name()); joined {
		return sqlerr.New(3752, d.Name())
	}
	d.mu.Lock()
	if d.users > 0 {
		e := sqlerr.New(3702, d.doc.Name)
		d.mu.Unlock()
		return e
	}
	d.dropped = true // nobody enters any more
	d.mu.Unlock()
	if err := in.removeLocked(ctx, d); err != nil {
		d.mu.Lock()
		d.dropped = false // it is still remembered, so it is still there
		d.mu.Unlock()
		return err
	}
	return nil
}

// removeLocked forgets a database, durably, and then deletes its files; the caller holds ddl.
func (in *Instance) removeLocked(ctx context.Context, d *Database) error {
	doc := d.snapshot()
	if err := in.docs.Delete(ctx, kindDatabase, fmt.Sprint(doc.ID)); err != nil {
		return err
	}
	in.mu.Lock()
	delete(in.databases, in.fold(doc.Name))
	in.mu.Unlock()
	if err := d.close(); err != nil {
		in.opts.Log.Warn("dropped database did not close cleanly", "database", doc.Name, "reason", err)
	}
	if err := in.removeFolder(doc.Folder); err != nil {
		in.opts.Log.Warn("files of a dropped database remain", "database", doc.Name, "folder", doc.Folder, "reason", err)
	}
	return nil
}

func prefix(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
