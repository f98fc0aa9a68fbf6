package instance

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"

	"linkspan/hadr"
	"linkspan/hadr/agcore"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/storage"
)

// openReplicas opens the replica manager and collects the views.
func (in *Instance) openReplicas(ctx context.Context) error {
	o := in.opts
	var addresses []netip.Addr
	for _, a := range o.Addresses {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			return fmt.Errorf("listener address %q: %w", a, err)
		}
		addresses = append(addresses, ip)
	}
	m, err := hadr.Open(ctx, hadr.Options{
		ServerName: o.serverName(), ShortName: o.Name, Managed: o.Kind == ManagedInstance, Collation: o.Collation,
		CollationTable: sqltype.CollationTableVersion, Addresses: addresses, Resolve: in.resolve, Store: in.docs, Keeper: in.keeper,
		Databases: registry{in}, ErrorLog: in.errorLog, Rescue: in.rescue,
		Seedings: o.Storage.Seedings, SeedingBytes: o.Storage.SeedingBytes, Clock: o.Clock, Rand: o.Rand, Log: o.Log.With("component", "hadr"),
	})
	if err != nil {
		return fmt.Errorf("open replica manager: %w", err)
	}
	in.hadr = m
	in.views = viewSet{}
	in.views.add(m.Views()...)
	in.views.add(in.databaseViews()...)
	in.views.add(in.loginViews()...)
	in.views.add(in.sessionViews()...)
	in.views.add(in.serverViews()...)
	in.msdb = viewSet{}
	in.msdb.add(in.backupSet(), in.backupMediaFamily(), in.restoreHistoryView())
	return nil
}

// replicated adds what the replica manager has to say about a user database: who must have hardened a commit, and whether
// writers are let in.
func (d *Database) replicated(name string, o storage.Options) storage.Options {
	m := d.in.hadr
	if m == nil || systemNames[name] {
		return o
	}
	o.Harden = func(ctx context.Context, at lsn.LSN) error { return m.Harden(ctx, d.Name(), at) }
	o.Waits = func() bool { return m.Waits(d.Name()) }
	o.Fenced = func(controls []storage.Control) bool { return m.Fenced(d.Name(), controls) }
	return o
}

// systemNames are the databases that are in no group.
var systemNames = map[string]bool{"master": true, "tempdb": true, "model": true, "msdb": true}

// resolve finds the addresses of a host.
func (in *Instance) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	texts, err := in.opts.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, t := range texts {
		if ip, err := netip.ParseAddr(t); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out, nil
}

// errorLog writes a message to the error log, as SQL Server's ERRORLOG shows it.
func (in *Instance) errorLog(e *sqlerr.Error) {
	level := slog.LevelInfo
	if e.IsError() {
		level = slog.LevelError
	}
	in.opts.Log.Log(context.Background(), level, e.Message, "number", e.Number, "severity", e.Severity, "state", e.State)
	in.errors.add(in.opts.Clock.Now(), e)
}

// registry is the instance's databases as the replica manager sees them (hadr.Databases).
type registry struct{ in *Instance }

// Facts implements hadr.Databases.
func (r registry) Facts(name string) (agcore.Facts, bool) {
	d, err := r.in.Find(name)
	if err != nil {
		return agcore.Facts{}, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return agcore.Facts{
		Name: d.doc.Name, System: d.doc.ID < firstID, ReadOnly: d.doc.ReadOnly || d.replicaLocked(),
		Online: d.stateLocked() == Online, FullRecovery: d.doc.Recovery == recoveryFull, HasFullBackup: !d.doc.FullBackup.IsZero(),
	}, true
}

// Open implements hadr.Databases. The storage of a database is closed only after the manager, and by DROP DATABASE and
// SET OFFLINE, which a database in a group refuses; so there is nothing to count.
func (r registry) Open(_ context.Context, name string) (*storage.DB, func(), error) {
	d, err := r.in.Find(name)
	if err != nil {
		return nil, nil, err
	}
	db, err := d.Storage()
	return db, func() {}, err
}

// CreateRestoring implements hadr.Databases.
func (r registry) CreateRestoring(ctx context.Context, name string) (storage.Options, error) {
	r.in.ddl.Lock()
	defer r.in.ddl.Unlock()
	doc, err := r.in.newDatabaseLocked(name, r.in.opts.Collation)
	if err != nil {
		return storage.Options{}, err
	}
	doc.Restoring, doc.Replica = true, true
	d, err := r.in.registerLocked(ctx, doc)
	if err != nil {
		return storage.Options{}, err
	}
	return d.storageOptions(doc.Name, doc.Folder), nil
}

// RestoringOptions implements hadr.Databases.
func (r registry) RestoringOptions(_ context.Context, name string) (storage.Options, error) {
	d, err := r.in.Find(name)
	if err != nil {
		return storage.Options{}, err
	}
	doc := d.snapshot()
	if !doc.Restoring {
		return storage.Options{}, sqlerr.New(911, name).WithCause(fmt.Errorf("database %q is %s, not RESTORING", name, d.State()))
	}
	return d.storageOptions(doc.Name, doc.Folder), nil
}

// Online implements hadr.Databases.
func (r registry) Online(ctx context.Context, name string, db *storage.DB) error {
	d, err := r.in.Find(name)
	if err != nil {
		return err
	}
	if err := d.update(ctx, func(doc *databaseDoc) { doc.Restoring, doc.Replica = false, true }); err != nil {
		return err
	}
	d.adopt(db)
	return nil
}

// Release implements hadr.Databases.
func (r registry) Release(ctx context.Context, name string) error {
	d, err := r.in.Find(name)
	if err != nil {
		return err
	}
	return d.update(ctx, func(doc *databaseDoc) { doc.Restoring, doc.Replica = false, false })
}

// Reseed implements hadr.Databases. Those who read the copy hear that it is restored.
func (r registry) Reseed(ctx context.Context, name string) (storage.Options, error) {
	d, err := r.in.Find(name)
	if err != nil {
		return storage.Options{}, err
	}
	if err := d.update(ctx, func(doc *databaseDoc) { doc.Restoring, doc.Replica = true, true }); err != nil {
		return storage.Options{}, err
	}
	if err := d.close(); err != nil {
		r.in.opts.Log.Warn("a copy that is made anew did not close well", "database", name, "error", err)
	}
	doc := d.snapshot()
	return d.storageOptions(doc.Name, doc.Folder), nil
}

// Inspect implements hadr.Databases.
func (r registry) Inspect(name string) (*storage.DB, func(), error) {
	d, err := r.in.Find(name)
	if err != nil {
		return nil, nil, err
	}
	db := d.opened()
	if db == nil {
		return nil, nil, fmt.Errorf("database %q is %s", name, d.State())
	}
	return db, func() {}, nil
}

// Opening implements hadr.Databases.
func (r registry) Opening(name string) {
	if d, err := r.in.Find(name); err == nil {
		if i := d.Identities(); i != nil {
			i.Reset()
		}
	}
}

// EndWriters implements hadr.Databases: as KILL does, and the session's client hears the reason at its next request.
func (r registry) EndWriters(name string) {
	d, err := r.in.Find(name)
	if err != nil {
		return
	}
	for _, x := range r.in.sessions.all() {
		if x.Writing() == d.ID() {
			x.Kill(sqlerr.New(596))
		}
	}
}

// Discard implements hadr.Databases.
func (r registry) Discard(ctx context.Context, name string) error {
	r.in.ddl.Lock()
	defer r.in.ddl.Unlock()
	d, err := r.in.Find(name)
	if err != nil {
		return err
	}
	if !d.snapshot().Restoring {
		return fmt.Errorf("discard database %q: it is %s, not RESTORING", name, d.State())
	}
	return r.in.removeLocked(ctx, d)
}

// ID implements hadr.Databases.
func (r registry) ID(name string) int {
	if d, err := r.in.Find(name); err == nil {
		return d.ID()
	}
	return 0
}

// List implements hadr.Databases.
func (r registry) List() []string {
	var names []string
	for _, d := range r.in.list() {
		if !d.isSystem() {
			names = append(names, d.Name())
		}
	}
	return names
}

// removeFolder deletes a database's files. What cannot be deleted is named, and harms nothing: folders are never reused.
func (in *Instance) removeFolder(folder string) error {
	return removeTree(in.opts.FS, filepath.Join(in.opts.Dir, folder))
}

// removeTree deletes a folder with what is in it.
func removeTree(fsys fsx.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = removeTree(fsys, name)
		} else {
			err = fsys.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return fsys.Remove(dir)
}
