package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"

	"github.com/ncruces/go-sqlite3"
	// The one driver of database/sql that is used for the ledger.
	_ "github.com/ncruces/go-sqlite3/driver"
	"github.com/riverqueue/river"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
)

// Name is the database's file in the ledger's folder.
const Name = "ledger.db"

// Options are what a Ledger may be given. The zero value is ready.
type Options struct {
	// FS makes the folder and locks in it; nil is the machine's. The database itself is on the machine's disk always.
	FS fsx.FS
	// Clock dates what happens; nil is the system's.
	Clock clock.Clock
	// Log is told what goes wrong in the background; nil discards.
	Log *slog.Logger
}

// Ledger is an open ledger. Its methods may be called by several goroutines at once, and several processes may have the
// same folder open.
type Ledger struct {
	dir    string
	fs     fsx.FS
	clock  clock.Clock
	log    *slog.Logger
	db     *sql.DB
	peek   *sql.Stmt              // the version of a migration
	client *river.Client[*sql.Tx] // inserts only

	mu      sync.Mutex
	records map[int64]*record // as they were read or written last; told from newer ones by their version
	watch   func(*Snapshot)
}

// Unknown is the error for an activity or a database that the ledger does not have.
type Unknown struct {
	// Activity and Database are the names that were asked for; Database is "" when the activity is unknown.
	Activity, Database string
}

func (u *Unknown) Error() string {
	if u.Database == "" {
		return fmt.Sprintf("there is no migration activity %q: list shows those that there are", u.Activity)
	}
	return fmt.Sprintf("activity %q has no database %q: status shows those that it has", u.Activity, u.Database)
}

// Exists is the error for an activity that is there already. Names are compared without case.
type Exists struct{ Activity string }

func (e *Exists) Error() string {
	return fmt.Sprintf("there is a migration activity %q already: go on with it, or choose another name", e.Activity)
}

// Open opens the ledger of a folder, and makes both when they are not there (modes 0700 and 0600). A file that is no ledger,
// is damaged, or was written by a newer version is refused and left as it is. The caller MUST Close it.
func Open(ctx context.Context, dir string, o Options) (*Ledger, error) {
	l := &Ledger{dir: dir, fs: o.FS, clock: o.Clock, log: o.Log, records: map[int64]*record{}}
	if l.fs == nil {
		l.fs = fsx.OS{}
	}
	if l.clock == nil {
		l.clock = clock.System
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if err := l.fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("make the ledger's folder: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(dir, Name))
	if err != nil {
		return nil, err
	}
	if err := l.touch(path); err != nil {
		return nil, err
	}
	if l.db, err = sql.Open("sqlite3", address(path)); err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	l.db.SetMaxOpenConns(1)
	if err := l.upgrade(ctx); err != nil {
		return nil, errors.Join(l.explain(err), l.db.Close())
	}
	if l.peek, err = l.db.PrepareContext(ctx, "SELECT version FROM migrations WHERE id = ?"); err != nil {
		return nil, errors.Join(l.explain(err), l.db.Close())
	}
	if l.client, err = l.Client(&river.Config{}); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	return l, nil
}

// touch makes the file with mode 0600 before SQLite would with another. Somebody else who does so at once is no harm.
func (l *Ledger) touch(path string) error {
	if _, err := l.fs.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, err := l.fs.Lock(path) // makes the file and empties none
	if errors.Is(err, fsx.ErrLocked) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the ledger: %w", err)
	}
	return c.Close()
}

// address is the file with the settings of its connection: every commit is on disk before it is believed, and the log has
// the file's mode.
func address(path string) string {
	q := url.Values{"_txlock": {"immediate"}, "modeof": {path}, "_pragma": {
		"busy_timeout(60000)", "synchronous(FULL)", "foreign_keys(ON)", "trusted_schema(OFF)", "cell_size_check(ON)",
	}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}

// Dir is the ledger's folder.
func (l *Ledger) Dir() string { return l.dir }

// Close closes the database. An engine on it MUST have been stopped before. Idempotent.
func (l *Ledger) Close() error { return errors.Join(l.peek.Close(), l.db.Close()) }

// Observe has f called, without a lock held, after each change of a migration that this Ledger made. f MUST return at once;
// nil ends it.
func (l *Ledger) Observe(f func(*Snapshot)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = f
}

func (l *Ledger) changed(s *Snapshot) {
	l.mu.Lock()
	f := l.watch
	l.mu.Unlock()
	if f != nil {
		f(s)
	}
}

// explain makes an error of the database one that says what to do.
func (l *Ledger) explain(err error) error {
	if errors.As(err, new(*explained)) {
		return err
	}
	path := filepath.Join(l.dir, Name)
	for _, x := range []struct {
		code sqlite3.ErrorCode
		text string
	}{
		{sqlite3.FULL, "the disk of the ledger %s is full: nothing was changed; make room, it goes on by itself"},
		{sqlite3.READONLY, "the ledger %s cannot be written: give this user the right to write the folder and its files"},
		{sqlite3.CANTOPEN, "the ledger %s cannot be opened: give this user the right to read and write the folder and its files"},
		{sqlite3.NOTADB, "%s is no ledger or is damaged: put a copy of it back, or take another folder"},
		{sqlite3.CORRUPT, "the ledger %s is damaged: put a copy of it back, or take another folder"},
		{sqlite3.IOERR, "the disk of the ledger %s fails: look at the system's log; nothing was changed"},
		{sqlite3.BUSY, "the ledger %s is held by another process for longer than a minute: find the one that hangs"},
	} {
		if errors.Is(err, x.code) {
			return &explained{fmt.Sprintf(x.text, path), err}
		}
	}
	return err
}

// explained is an error of the database with what to do.
type explained struct {
	text string
	err  error
}

func (x *explained) Error() string { return x.text + ": " + x.err.Error() }

// Unwrap gives the cause.
func (x *explained) Unwrap() error { return x.err }

// begin runs f in one transaction, which takes the right to write first.
func (l *Ledger) begin(ctx context.Context, f func(tx *sql.Tx) error) error {
	return l.transact(ctx, nil, f)
}

// read runs f in one transaction that sees one state and holds up no writer.
func (l *Ledger) read(ctx context.Context, f func(tx *sql.Tx) error) error {
	return l.transact(ctx, &sql.TxOptions{ReadOnly: true}, f)
}

func (l *Ledger) transact(ctx context.Context, o *sql.TxOptions, f func(tx *sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, o)
	if err != nil {
		return l.explain(err)
	}
	if err := f(tx); err != nil {
		tx.Rollback() //nolint:errcheck // the cause counts
		return l.explain(err)
	}
	if err := tx.Commit(); err != nil {
		tx.Rollback() //nolint:errcheck // a commit that failed may have left it open
		return l.explain(err)
	}
	return nil
}
