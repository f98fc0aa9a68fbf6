package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// State is a database's state; the values are those of sys.databases.state.
type State uint8

// The states used.
const (
	Online          State = 0
	Restoring       State = 1
	Recovering      State = 2
	RecoveryPending State = 3
	Suspect         State = 4
	Offline         State = 6
)

var stateNames = map[State]string{Online: "ONLINE", Restoring: "RESTORING", Recovering: "RECOVERING",
	RecoveryPending: "RECOVERY_PENDING", Suspect: "SUSPECT", Offline: "OFFLINE"}

// String spells the state as sys.databases.state_desc does.
func (s State) String() string { return stateNames[s] }

// Recovery models, as sys.databases.recovery_model numbers them.
const (
	recoveryFull   = 1
	recoveryBulk   = 2
	recoverySimple = 3
)

var recoveryNames = map[uint8]string{recoveryFull: "FULL", recoveryBulk: "BULK_LOGGED", recoverySimple: "SIMPLE"}

// The system databases' numbers.
const (
	masterID = 1
	tempID   = 2
	modelID  = 3
	msdbID   = 4
	firstID  = 5
)

// kindDatabase is the kind of databaseDoc documents.
const kindDatabase = "database"

// databaseDoc is what master remembers of a database. Fields are only added; absent ones have their zero meaning.
type databaseDoc struct {
	ID        int       `json:"id"`
	Name      string    `json:"name"`
	Folder    string    `json:"folder"` // below the instance's folder
	Created   time.Time `json:"created"`
	Collation string    `json:"collation"`
	Recovery  uint8     `json:"recovery"`
	Compat    uint8     `json:"compatibilityLevel"`
	Offline   bool      `json:"offline,omitempty"`
	ReadOnly  bool      `json:"readOnly,omitempty"`
	// SingleUser is SET SINGLE_USER.
	SingleUser bool `json:"singleUser,omitempty"`
	// Restoring is true while the database is seeded or waits for more.
	Restoring bool `json:"restoring,omitempty"`
	// Replica is true while a link feeds it.
	Replica bool `json:"replica,omitempty"`
	// FullBackup is the time of the last full backup that began or renewed the chain (not COPY_ONLY) under the present
	// recovery model; zero when there is none.
	FullBackup time.Time `json:"fullBackup,omitzero"`
	// Base is the full backup that differentials build on; nil when there is none.
	Base *baseDoc `json:"base,omitempty"`
	// Restore is how far RESTORE has come, while Restoring or Standby; nil for a copy that a link makes. Standby is true
	// while the database can be read between two restores.
	Restore *restoreDoc `json:"restore,omitempty"`
	Standby bool        `json:"standby,omitempty"`
	// Fork is the recovery fork since the database was last recovered from backups; zero before, see fork.
	Fork [16]byte `json:"fork,omitzero"`
	// LeftFork is the recovery fork that it was on before that, and ForkPoint the LSN (decimal) at which it left it.
	LeftFork  [16]byte `json:"leftFork,omitzero"`
	ForkPoint string   `json:"forkPoint,omitempty"`
	// LastLogBackup is the LSN up to which the log was backed up.
	LastLogBackup string `json:"lastLogBackup,omitempty"`
	// OwnerSID is the SID of the login that owns it; nil means the administrator's.
	OwnerSID []byte `json:"ownerSid,omitempty"`
	// MaxLog bounds the log's files in bytes (MODIFY FILE … MAXSIZE); 0 means the instance's default.
	MaxLog int64 `json:"maxLog,omitempty"`
	// RecoverySeconds is SET TARGET_RECOVERY_TIME, 0 the instance's default.
	RecoverySeconds int `json:"targetRecoverySeconds,omitempty"`
	// GUID and Family are database_guid and family_guid; Family stays the same over copies.
	GUID   [16]byte `json:"guid"`
	Family [16]byte `json:"family"`
}

// Database is one database of the instance. Safe for concurrent use.
type Database struct {
	in *Instance

	mu         sync.RWMutex // protects what follows
	doc        databaseDoc
	db         *storage.DB // nil while it cannot be opened
	suspect    error       // why it is SUSPECT or RECOVERY_PENDING; nil otherwise
	cache      *catalog.Cache
	identities *catalog.Identities
	users      int  // sessions that are in it
	owner      int  // the one session that may be in it under SINGLE_USER
	dropped    bool // nobody enters any more

	// backingUp and backingLog keep a second backup off.
	backingUp, backingLog atomic.Bool
}

// ID is database_id.
func (d *Database) ID() int { d.mu.RLock(); defer d.mu.RUnlock(); return d.doc.ID }

// Name is the database's name.
func (d *Database) Name() string { d.mu.RLock(); defer d.mu.RUnlock(); return d.doc.Name }

// snapshot copies what master remembers.
func (d *Database) snapshot() databaseDoc { d.mu.RLock(); defer d.mu.RUnlock(); return d.doc }

// State is the database's state.
func (d *Database) State() State {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.stateLocked()
}

func (d *Database) stateLocked() State {
	switch {
	case d.doc.Offline:
		return Offline
	case d.doc.Restoring:
		return Restoring
	case d.suspect != nil, d.db != nil && d.db.Err() != nil:
		return Suspect
	case d.db == nil:
		return RecoveryPending
	default:
		return Online
	}
}

// isSystem tells master, tempdb, model and msdb from user databases.
func (d *Database) isSystem() bool { return d.ID() < firstID }

// opened gives the storage if it is open, whatever state the database is in; nil otherwise.
func (d *Database) opened() *storage.DB {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.db
}

// Storage gives the open storage, or the error that a client gets who uses the database now.
func (d *Database) Storage() (*storage.DB, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.storageLocked()
}

func (d *Database) storageLocked() (*storage.DB, error) {
	switch d.stateLocked() {
	case Online:
		return d.db, nil
	case Restoring:
		return nil, sqlerr.New(927, d.doc.Name)
	case Offline:
		return nil, sqlerr.New(942, d.doc.Name)
	case Suspect:
		e := sqlerr.New(926, d.doc.Name)
		if d.suspect != nil {
			return nil, e.WithCause(d.suspect)
		}
		return nil, e.WithCause(d.db.Err())
	default:
		return nil, sqlerr.New(922, d.doc.Name)
	}
}

// readOnly tells whether the database takes no writes: set so, or a replica.
func (d *Database) readOnly() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.doc.ReadOnly || d.replicaLocked()
}

// replicaLocked tells whether a link feeds the database. The storage knows; what master remembers may be older, for roles
// change without it.
func (d *Database) replicaLocked() bool {
	if d.db != nil {
		return d.db.IsReplica()
	}
	return d.doc.Replica
}

// isReplica is replicaLocked for a caller without the lock.
func (d *Database) isReplica() bool { d.mu.RLock(); defer d.mu.RUnlock(); return d.replicaLocked() }

// storageOptions are those every database is opened with.
func (d *Database) storageOptions(name, folder string) storage.Options {
	o, doc := d.in.opts, d.snapshot()
	return d.replicated(name, storage.Options{
		FS: o.FS, Dir: filepath.Join(o.Dir, folder), Name: name, ID: doc.ID, Clock: o.Clock, Log: o.Log.With("database", name),
		NoSync: o.NoSync, Memory: d.in.memory, TransactionBytes: o.Storage.TransactionBytes, TempBytes: o.Storage.TempBytes,
		RecoveryTarget: d.in.recoveryTarget(doc), MaxLogBytes: d.in.maxLog(doc), RetainBytes: o.Storage.LinkLogBytes,
		ReserveBytes: o.Storage.ReserveBytes, ScrubBytes: o.Storage.ScrubBytes, ScrubInterval: o.Storage.ScrubInterval,
		Retain: func() lsn.LSN { return d.in.retain(d) }, LogBackup: d.logBackup, FetchPage: d.fetchPage,
		Prepare: func(c *sqlite3.Conn) error { return d.in.prepare(c) }, Event: func(e storage.Event) { d.in.events.add(d, e) },
	})
}

// maxLog is what a database's log may take, in bytes.
func (in *Instance) maxLog(doc databaseDoc) int64 {
	if doc.MaxLog > 0 {
		return doc.MaxLog
	}
	return in.opts.Storage.MaxLogBytes
}

func (in *Instance) recoveryTarget(doc databaseDoc) time.Duration {
	if doc.RecoverySeconds > 0 {
		return time.Duration(doc.RecoverySeconds) * time.Second
	}
	return in.opts.Storage.RecoveryTarget
}

// logBackup is the LSN up to which the log was backed up, where log is kept until it is: on the primary, after the full
// backup that begins the chain. Before it, and in SIMPLE, checkpoints cut the log, as on SQL Server. Azure backs up the
// databases of a managed instance by itself.
func (d *Database) logBackup() lsn.LSN {
	if d.in.opts.Kind == ManagedInstance {
		return lsn.Max
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.doc.Recovery == recoverySimple || d.doc.FullBackup.IsZero() || d.db != nil && d.db.IsReplica() {
		return lsn.Max
	}
	if at, err := lsn.Parse(d.doc.LastLogBackup); err == nil && !at.IsZero() {
		return at
	}
	return lsn.Max
}

// lastLogBackup is the LSN up to which the log was backed up, or zero.
func (d *Database) lastLogBackup() lsn.LSN {
	at, _ := lsn.Parse(d.snapshot().LastLogBackup) // "" is zero: no chain
	return at
}

// adopt makes an opened storage the database's own.
func (d *Database) adopt(db *storage.DB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db, d.suspect = db, nil
	d.cache, d.identities = new(catalog.Cache), catalog.NewIdentities()
}

// open opens the storage of a database that should be open; one that cannot be is SUSPECT and the reason is logged.
func (d *Database) open(ctx context.Context) {
	doc := d.snapshot()
	if doc.Offline || doc.Restoring {
		return
	}
	db, err := storage.Open(ctx, d.storageOptions(doc.Name, doc.Folder))
	if err != nil {
		d.fail(err)
		return
	}
	d.adopt(db)
}

// fail marks the database SUSPECT, and says in the error log why and what to do next.
func (d *Database) fail(err error) {
	d.mu.Lock()
	d.suspect = err
	name, id := d.doc.Name, d.doc.ID
	d.mu.Unlock()
	d.in.opts.Log.Error("database is suspect", "database", name, "reason", err)
	if e := cause(err, name); e != nil {
		d.in.errorLog(e)
	}
	d.in.errorLog(sqlerr.New(3414, name, id, 0).WithCause(err))
}

// cause gives the message about a disk or a file that is behind an error: 823 and 824 as they are, 9004 for a damaged
// log, with the file, the place and the LSN.
func cause(err error, name string) *sqlerr.Error {
	switch n := sqlerr.Number(err); {
	case n == 823, n == 824:
		return sqlerr.From(err)
	case errors.Is(err, storage.ErrDamaged), errors.Is(err, storage.ErrDigest):
		e := sqlerr.New(9004, name)
		e.Message += " (" + err.Error() + ")"
		return e
	}
	return nil
}

// reopen closes a database that stopped and opens it again: what its files hold then is what it has.
func (d *Database) reopen(ctx context.Context) error {
	if err := d.close(); err != nil {
		d.in.opts.Log.Info("suspect database was closed", "database", d.Name(), "error", err)
	}
	d.mu.Lock()
	d.suspect = nil
	d.mu.Unlock()
	d.open(ctx)
	_, err := d.Storage()
	return err
}

// close closes the storage; what is remembered stays.
func (d *Database) close() error {
	d.mu.Lock()
	db := d.db
	d.db = nil
	d.mu.Unlock()
	if db == nil {
		return nil
	}
	return db.Close()
}

// update changes what master remembers: durable when it returns nil, unchanged otherwise.
func (d *Database) update(ctx context.Context, change func(*databaseDoc)) error {
	d.in.ddl.Lock()
	defer d.in.ddl.Unlock()
	return d.updateLocked(ctx, change)
}

// updateLocked is update for a caller that holds Instance.ddl.
func (d *Database) updateLocked(ctx context.Context, change func(*databaseDoc)) error {
	doc := d.snapshot()
	change(&doc)
	if doc.ID >= firstID { // what a system database is does not change
		if err := d.in.putDatabase(ctx, doc); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.doc = doc
	d.mu.Unlock()
	return nil
}

// retain is the LSN after which somebody still wants the database's log.
func (in *Instance) retain(d *Database) lsn.LSN {
	if in.hadr == nil { // while the instance starts
		return lsn.Zero
	}
	return in.hadr.Retain(d.Name())
}

func (in *Instance) putDatabase(ctx context.Context, doc databaseDoc) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode database %q: %w", doc.Name, err)
	}
	return in.docs.Put(ctx, kindDatabase, fmt.Sprint(doc.ID), b)
}

// fold is the form under which the server compares names of databases and logins: trailing blanks do not count.
func (in *Instance) fold(name string) string {
	name = strings.TrimRight(name, " ")
	if in.caseSensitive {
		return name
	}
	return strings.ToLower(name)
}
