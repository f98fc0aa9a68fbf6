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
	"sync/atomic"
	"time"

	"linkspan/backup/device"
	"linkspan/hadr"
	"linkspan/internal/fsx"
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
	views, msdb viewSet
	sessions    sessionList
	errors      recentErrors
	// devices are where backups go to and come from; jobs the long statements that run.
	devices *device.Devices
	jobs    jobs
	// memory is shared by all databases; events takes what they tell.
	memory *storage.Memory
	events *storageEvents

	// membership is held by the statements that put databases into groups and by those that groups forbid, so that
	// neither happens behind the other's check. Lock order: membership, the replica manager's, ddl, mu.
	membership turnstile
	// ddl is held while the set of databases or what master remembers of one changes.
	ddl sync.Mutex
	// promised are the numbers of databases that are being restored under new names; protected by ddl.
	promised map[int]bool
	mu       sync.RWMutex // protects what follows
	// databases are by folded name.
	databases map[string]*Database
	// logins are the logins and server roles, by folded name.
	logins map[string]*loginDoc

	// tokens are what each login may do, by number; every change of a login begins an empty set, under mu.
	tokens atomic.Pointer[sync.Map]

	principals principals

	// lock keeps other instances out of the folder.
	lock io.Closer

	closeOnce sync.Once
	closeErr  error
}

const (
	// serviceKeyFile holds the service master key, under which the database master key opens by itself.
	serviceKeyFile = "service.key"
	// lockFile is locked while an instance runs on the folder.
	lockFile = "instance.lock"
	// unfinished ends the name of the mark beside a system database's folder while that is made for the first time.
	unfinished = ".new"
)

// Open starts an instance, making it at its first start. Databases that cannot be opened are SUSPECT, with the reason
// in the error log and in sys.dm_linkspan_databases; only trouble with master fails the start.
func Open(ctx context.Context, o Options) (*Instance, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	in := &Instance{opts: o, started: o.Clock.Now(), databases: map[string]*Database{}, logins: map[string]*loginDoc{}, membership: newTurnstile(),
		caseSensitive: strings.Contains(strings.ToUpper(o.Collation), "_CS_") || strings.Contains(strings.ToUpper(o.Collation), "_BIN")}
	in.tokens.Store(new(sync.Map))
	in.memory = storage.NewMemory(storage.SplitMemory(o.Storage.MemoryBytes))
	in.events = newStorageEvents(in)
	if err := in.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start instance %s: %w", o.Name, err), in.Close())
	}
	return in, nil
}

func (in *Instance) start(ctx context.Context) error {
	if err := in.opts.FS.MkdirAll(in.opts.Dir); err != nil {
		return err
	}
	lock, err := in.opts.FS.Lock(filepath.Join(in.opts.Dir, lockFile))
	if err != nil {
		return fmt.Errorf("folder %s: another instance runs on it: %w", in.opts.Dir, err)
	}
	in.lock = lock
	if in.devices, err = device.New(device.Options{Folders: in.opts.BackupFolders, Credential: in.signature}); err != nil {
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
	if err := in.openPrincipals(ctx); err != nil {
		return err
	}
	if err := in.openReplicas(ctx); err != nil {
		return err
	}
	in.msdb.add(in.suspectPages())
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
	db, err := in.openOrCreate(ctx, master.storageOptions("master", "master"))
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

// openOrCreate opens a system database, or makes it at the first start. A mark beside its folder tells that making it
// was not finished: then nothing was stored in it yet, and it is made anew.
func (in *Instance) openOrCreate(ctx context.Context, o storage.Options) (*storage.DB, error) {
	mark := o.Dir + unfinished
	_, err := o.FS.Stat(mark)
	switch {
	case err == nil:
		if err := removeTree(o.FS, o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove what an interrupted start left: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		if _, err := o.FS.Stat(o.Dir); !errors.Is(err, fs.ErrNotExist) {
			return storage.Open(ctx, o)
		}
		if err := o.FS.MkdirAll(filepath.Dir(o.Dir)); err != nil {
			return nil, err
		}
		if err := writeFile(o.FS, mark, nil); err != nil {
			return nil, err
		}
	}
	db, err := storage.Create(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(o.FS.Remove(mark), o.FS.SyncDir(filepath.Dir(mark))); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
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
		if doc.ID >= firstID {
			in.databases[in.fold(doc.Name)] = &Database{in: in, doc: doc}
		}
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
		mem := fsx.NewMem()
		mem.SetLimit(d.in.opts.Storage.MemoryBytes / 4)
		o.FS, o.NoSync, o.ScrubBytes, o.ReserveBytes = mem, true, 0, 0
	}
	db, err := d.in.openOrCreate(ctx, o)
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
	errs := []error{in.sessions.close()}
	if in.hadr != nil {
		errs = append(errs, in.hadr.Close())
	}
	all := in.list()
	slices.Reverse(all) // master last: the others may still want to tell it something
	for _, d := range all {
		if d.ID() == masterID {
			in.events.group.Stop()
		}
		if err := d.close(); err != nil {
			errs = append(errs, fmt.Errorf("close database %s: %w", d.Name(), err))
		}
	}
	in.events.group.Stop()
	if in.lock != nil {
		errs = append(errs, in.lock.Close())
	}
	return errors.Join(errs...)
}
