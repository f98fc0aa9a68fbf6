package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// magic tells a ledger from other databases of SQLite: "LSLG".
const magic = 0x4c534c47

// versions are the steps of the schema: the first makes it, each next one changes what the one before left. A step that was
// released MUST NOT be changed. testdata holds a ledger of each version but the last.
var versions = []string{
	`CREATE TABLE activities (id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, spec BLOB NOT NULL, base TEXT NOT NULL,
		created INTEGER NOT NULL, source TEXT NOT NULL, share TEXT NOT NULL, storage TEXT NOT NULL, target TEXT NOT NULL) STRICT;
	CREATE TABLE migrations (id INTEGER PRIMARY KEY, activity INTEGER NOT NULL REFERENCES activities, name TEXT NOT NULL, folded TEXT NOT NULL,
		target TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, value TEXT NOT NULL, report TEXT NOT NULL DEFAULT '',
		UNIQUE (activity, folded)) STRICT;
	CREATE TABLE files (migration INTEGER NOT NULL REFERENCES migrations, seq INTEGER NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
		size INTEGER NOT NULL, set_id TEXT NOT NULL, stripe INTEGER NOT NULL, state TEXT NOT NULL, done INTEGER NOT NULL, reason TEXT NOT NULL,
		bad INTEGER NOT NULL, PRIMARY KEY (migration, seq)) STRICT, WITHOUT ROWID;
	CREATE TABLE sets (migration INTEGER NOT NULL REFERENCES migrations, seq INTEGER NOT NULL, value TEXT NOT NULL,
		PRIMARY KEY (migration, seq)) STRICT, WITHOUT ROWID;
	CREATE TABLE chain (migration INTEGER NOT NULL REFERENCES migrations, pos INTEGER NOT NULL, set_id TEXT NOT NULL,
		PRIMARY KEY (migration, pos)) STRICT, WITHOUT ROWID;
	CREATE TABLE logins (activity INTEGER NOT NULL REFERENCES activities, seq INTEGER NOT NULL, name TEXT NOT NULL, windows INTEGER NOT NULL,
		state TEXT NOT NULL, stage TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (activity, seq), UNIQUE (activity, name)) STRICT, WITHOUT ROWID;
	CREATE TABLE steps (migration INTEGER NOT NULL REFERENCES migrations, key TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
		generation INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (migration, key)) STRICT, WITHOUT ROWID;
	CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, activity INTEGER NOT NULL REFERENCES activities,
		migration INTEGER NOT NULL, login TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, who TEXT NOT NULL) STRICT;
	CREATE INDEX events_of ON events (activity, number);
	CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, activity TEXT NOT NULL,
		database TEXT NOT NULL, what TEXT NOT NULL, outcome TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
	CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is not changed'); END;
	CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is not deleted'); END;
	CREATE TABLE engine (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
	INSERT INTO engine VALUES (1, 0, 0);`,
	// When a file came, was stored and was restored: how long a pause will be. What stands in a login's way now, and its
	// warnings, a line each.
	`ALTER TABLE files ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE files ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE files ADD COLUMN restored INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE logins ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
	ALTER TABLE logins ADD COLUMN warnings TEXT NOT NULL DEFAULT '';`,
}

// upgrade brings the file to the version of this program, in one transaction: another process sees the old or the new.
// Jobs have a schema of their own, which follows ours: a new one needs a step here, which may be empty.
func (l *Ledger) upgrade(ctx context.Context) error {
	var version int
	look := func(tx *sql.Tx) (err error) { version, err = l.version(ctx, tx); return err }
	if err := l.read(ctx, look); err != nil {
		return err
	}
	if _, err := l.db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil || version == len(versions) {
		return err // not before it is known to be a ledger: what is none is left as it is
	}
	return l.begin(ctx, func(tx *sql.Tx) error {
		if err := look(tx); err != nil || version == len(versions) {
			return err
		}
		for _, step := range versions[version:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("bring the ledger to version %d: %w", version+1, err)
			}
			version++
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", version, magic)); err != nil {
			return err
		}
		jobs, err := rivermigrate.New(driver(l.db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		//lint:ignore SA1019 our schema and River's come together or not at all; what cannot be batched is PostgreSQL's
		_, err = jobs.MigrateTx(ctx, tx, rivermigrate.DirectionUp, nil)
		return err
	})
}

// version is that of the file; 0 for an empty one.
func (l *Ledger) version(ctx context.Context, tx *sql.Tx) (int, error) {
	var version, app, tables int
	for pragma, to := range map[string]*int{"PRAGMA user_version": &version, "PRAGMA application_id": &app, "SELECT count(*) FROM sqlite_schema": &tables} {
		if err := tx.QueryRowContext(ctx, pragma).Scan(to); err != nil {
			return 0, err
		}
	}
	switch {
	case app != magic && (app != 0 || version != 0 || tables != 0):
		return 0, fmt.Errorf("%s in %s is another program's database: take another folder", Name, l.dir)
	case version < 0 || version > len(versions):
		return 0, fmt.Errorf("the ledger in %s has version %d, this program knows %d: use the newer program", l.dir, version, len(versions))
	}
	return version, nil
}

// Driver is the kind of database that the jobs are kept in; this and driver are the one place that says so.
type Driver = *riversqlite.Driver

func driver(db *sql.DB) Driver { return riversqlite.New(db) }

// Client is a client of the ledger's jobs: one that only inserts when the configuration has no queues.
func (l *Ledger) Client(c *river.Config) (*river.Client[*sql.Tx], error) {
	if c.Logger == nil {
		c.Logger = l.log
	}
	return river.NewClient(driver(l.db), c)
}
