package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"linkspan/hadr"
	"linkspan/internal/fsx"
	"linkspan/rel"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/trust"
	"linkspan/tsql/exec"
)

// Instance is an open server. Safe for concurrent use.
type Instance struct {
	opts          Options
	caseSensitive bool
	started       time.Time

	docs   *documents
	keeper *trust.Keeper
	hadr   *hadr.Manager
	engine *exec.Engine
	// views are those of every database, msdb those of msdb alone.
	views, msdb  viewSet
	catalogViews rel.Views
	sessions     sessionList
	errors       recentErrors

	// ddl is held while the set of databases or what master remembers of one changes. Lock order: ddl before mu.
	ddl sync.Mutex
	mu  sync.RWMutex // protects what follows
	// databases are by folded name.
	databases map[string]*Database
	logins    map[string]*loginDoc
	closed    bool

	closeOnce sync.Once
	closeErr  error
}

// serviceKeyFile holds the service master key, under which the database master key opens by itself.
const serviceKeyFile = "service.key"

// Open starts an instance, making it at its first start. Databases that cannot be opened are SUSPECT, with the reason
// in the error log and in sys.dm_linkspan_databases; only trouble with master fails the start.
func Open(ctx context.Context, o Options) (*Instance, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Instance{opts: o, started: o.Clock.Now(), databases: map[string]*Database{}, logins: map[string]*loginDoc{},
		caseSensitive: strings.Contains(strings.ToUpper(o.Collation), "_CS_") || strings.Contains(strings.ToUpper(o.Collation), "_BIN")}
	if err := in.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start instance %s: %w", o.Name, err), in.Close())
	}
	return in, nil
}

func (in *Instance) start(ctx context.Context) error {
	if err := in.opts.FS.MkdirAll(in.opts.Dir); err != nil {
		return err
	}
	if err := in.openMaster(ctx); err != nil {
		return err
	}
	if err := in.openTrust(ctx); err != nil {
		return err
	}
	if err := in.openLogins(ctx); err != nil {
		return err
	}
	if err := in.openReplicas(ctx); err != nil {
		return err
	}
	if err := in.openEngine(); err != nil {
		return err
	}
	if err := in.openDatabases(ctx); err != nil {
		return err
	}
	if err := in.hadr.Start(ctx); err != nil {
		return err
	}
	if in.opts.Kind == ManagedInstance {
		return in.hadr.EnsureManaged(ctx, in.opts.MirroringPort)
	}
	return nil
}

func (in *Instance) openMaster(ctx context.Context) error {
	master := in.systemDatabase(masterID, "master")
	o := master.storageOptions("master", "master")
	db, err := openOrCreate(ctx, o)
	if err != nil {
		return fmt.Errorf("open master: %w", err)
	}
	master.adopt(db)
	in.databases[in.fold("master")] = master
	if err := master.initCatalog(ctx); err != nil {
		return fmt.Errorf("open master: %w", err)
	}
	in.docs, err = newDocuments(ctx, db)
	return err
}

// systemDatabase describes one of the databases that every instance has.
func (in *Instance) systemDatabase(id int, name string) *Database {
	return &Database{in: in, doc: databaseDoc{ID: id, Name: name, Folder: name, Created: in.started, Collation: in.opts.Collation,
		Recovery: recoverySimple, Compat: compatibility}}
}

// openOrCreate opens a database, or makes it where nothing is yet.
func openOrCreate(ctx context.Context, o storage.Options) (*storage.DB, error) {
	entries, err := o.FS.ReadDir(o.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) == 0 {
		return storage.Create(ctx, o)
	}
	return storage.Open(ctx, o)
}

func (in *Instance) openTrust(ctx context.Context) error {
	key, err := in.serviceKey()
	if err != nil {
		return err
	}
	in.keeper, err = trust.OpenKeeper(ctx, trust.Options{Store: in.docs, Service: key, Rand: in.opts.Rand,
		Now: func() time.Time { return in.opts.Clock.Now() }})
	return err
}

// serviceKey reads the service master key, or makes it.
func (in *Instance) serviceKey() (trust.ServiceKey, error) {
	var key trust.ServiceKey
	name := filepath.Join(in.opts.Dir, serviceKeyFile)
	b, err := readFile(in.opts.FS, name, len(key))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := io.ReadFull(in.opts.Rand, key[:]); err != nil {
			return key, fmt.Errorf("make service master key: %w", err)
		}
		return key, writeFile(in.opts.FS, name, key[:])
	case err != nil:
		return key, fmt.Errorf("read service master key: %w", err)
	case len(b) != len(key):
		return key, fmt.Errorf("the service master key %s has %d bytes instead of %d: restore the file; without it certificates cannot be used", name, len(b), len(key))
	}
	copy(key[:], b)
	return key, nil
}

// readFile reads a file of at most max+1 bytes.
func readFile(fsys fsx.FS, name string, max int) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	b := make([]byte, max+1)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], errors.Join(err, f.Close())
}

// writeFile writes a whole file so that a crash leaves the old one or the new one.
func writeFile(fsys fsx.FS, name string, content []byte) error {
	tmp := name + ".new"
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// openDatabases opens what master remembers, and the system databases, all at once.
func (in *Instance) openDatabases(ctx context.Context) error {
	docs, err := in.docs.Load(ctx, kindDatabase)
	if err != nil {
		return fmt.Errorf("load databases: %w", err)
	}
	for name, b := range docs {
		var doc databaseDoc
		if err := json.Unmarshal(b, &doc); err != nil {
			return fmt.Errorf("read stored database %s: %w", name, err)
		}
		in.databases[in.fold(doc.Name)] = &Database{in: in, doc: doc}
	}
	for id, name := range map[int]string{tempID: "tempdb", modelID: "model", msdbID: "msdb"} {
		in.databases[in.fold(name)] = in.systemDatabase(id, name)
	}
	var wg sync.WaitGroup
	for _, d := range in.list() {
		switch d.ID() {
		case masterID:
		case tempID, modelID, msdbID:
			wg.Go(func() { d.openSystem(ctx) })
		default:
			wg.Go(func() { d.open(ctx) })
		}
	}
	wg.Wait()
	return nil
}

// openSystem opens tempdb, model or msdb; tempdb lives in memory and is new at each start.
func (d *Database) openSystem(ctx context.Context) {
	o := d.storageOptions(d.Name(), d.snapshot().Folder)
	if d.ID() == tempID {
		o.FS, o.NoSync = fsx.NewMem(), true
	}
	db, err := openOrCreate(ctx, o)
	if err != nil {
		d.fail(err)
		return
	}
	d.adopt(db)
	if err := d.initCatalog(ctx); err != nil {
		d.fail(err)
	}
}

// list gives the databases by number.
func (in *Instance) list() []*Database {
	in.mu.RLock()
	defer in.mu.RUnlock()
	all := make([]*Database, 0, len(in.databases))
	for _, d := range in.databases {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *Database) int { return a.ID() - b.ID() })
	return all
}

// Find returns the database of a name, or error 911.
func (in *Instance) Find(name string) (*Database, error) {
	in.mu.RLock()
	defer in.mu.RUnlock()
	if d := in.databases[in.fold(name)]; d != nil {
		return d, nil
	}
	return nil, sqlerr.New(911, name)
}

// byID returns the database with a number, or nil.
func (in *Instance) byID(id int) *Database {
	for _, d := range in.list() {
		if d.ID() == id {
			return d
		}
	}
	return nil
}

// Name is the server's short name.
func (in *Instance) Name() string { return in.opts.Name }

// FQDN is a managed instance's full name.
func (in *Instance) FQDN() string { return in.opts.FQDN }

// Collation is the server's collation.
func (in *Instance) Collation() string { return in.opts.Collation }

// Close ends the sessions, the links and the databases, in this order, and waits. Idempotent.
func (in *Instance) Close() error {
	in.closeOnce.Do(func() { in.closeErr = in.close() })
	return in.closeErr
}

func (in *Instance) close() error {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	errs := []error{in.sessions.close()}
	if in.hadr != nil {
		errs = append(errs, in.hadr.Close())
	}
	all := in.list()
	slices.Reverse(all) // master last: the others may still want to tell it something
	for _, d := range all {
		if err := d.close(); err != nil {
			errs = append(errs, fmt.Errorf("close database %s: %w", d.Name(), err))
		}
	}
	return errors.Join(errs...)
}
