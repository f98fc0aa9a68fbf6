package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/media"
	"linkspan/sqlerr"
	"linkspan/tsql/exec"
)

// SetOrder asks for one backup set to be restored, without a statement.
type SetOrder struct {
	Database string
	// Stripes are the files that hold the set, open. RestoreSet closes them, whatever happens.
	Stripes []device.Opened
	// Position is the set's place on its medium, from 1.
	Position int
	// Recover ends the restore with this set; otherwise the database stays RESTORING.
	Recover bool
}

// RestoreSet restores one backup set as RESTORE … WITH NORECOVERY or RECOVERY does, from files that need not lie on a
// device that statements may name. A full backup makes the database, which MUST NOT exist (1801); a differential or a log
// continues one that waits. When it fails, or ctx ends, the database is as before. It may run for several databases at once.
// Errors are RESTORE's.
func (in *Instance) RestoreSet(ctx context.Context, o SetOrder) error {
	r := &restoreSpec{kind: "DATABASE", verb: "RESTORE DATABASE", database: o.Database, position: o.Position, norecovery: !o.Recover, stats: 100}
	for _, f := range o.Stripes {
		r.devices = append(r.devices, device.Name{Kind: device.Disk, Text: f.Name})
	}
	t := &restoring{in: in, r: r, caller: exec.Caller{}, out: &firstError{}, started: in.opts.Clock.Now()}
	var err error
	if t.media, err = device.ReadSet(o.Stripes); err != nil {
		return err
	}
	defer t.media.Close() //nolint:errcheck // opened for reading
	if err := t.media.Complete(); err != nil {
		return err
	}
	if t.sets, err = t.media.Set(o.Position); err != nil {
		return err
	}
	t.header = &t.sets[0].Header
	if t.header.Type == bak.Log {
		r.kind, r.verb = "LOG", "RESTORE LOG"
	}
	if _, err := in.Find(o.Database); t.header.Type == bak.Full && err == nil {
		return sqlerr.New(1801, o.Database)
	}
	return t.apply(ctx)
}

// RecoverRestored is RESTORE DATABASE … WITH RECOVERY: it opens a database that waits for more backups.
func (in *Instance) RecoverRestored(ctx context.Context, database string) error {
	r := &restoreSpec{kind: "DATABASE", verb: "RESTORE DATABASE", database: database, stats: 100}
	t := &restoring{in: in, r: r, out: &firstError{}, started: in.opts.Clock.Now()}
	return t.finish(ctx)
}

// Restored tells how far a database has been restored.
type Restored struct {
	// Exists is false when there is no database of the name; Waiting tells that it waits for more backups.
	Exists, Waiting bool
	// End is where what was restored ends; Base is the id of the full backup it began with, Fork the recovery fork it is on.
	// They mean something while Waiting.
	End        lsn.LSN
	Base, Fork bak.GUID
}

// Restored tells how far a database has been restored.
func (in *Instance) Restored(database string) (Restored, error) {
	d, err := in.Find(database)
	if err != nil {
		return Restored{}, nil
	}
	doc := d.snapshot()
	r := Restored{Exists: true, Waiting: doc.Restore != nil && doc.Restoring}
	if !r.Waiting {
		return r, nil
	}
	r.Base, r.Fork = doc.Restore.Base, doc.Restore.Fork
	r.End, err = lsnOf(doc.Restore.LastLSN)
	return r, err
}

// DropRestoring drops a database that waits for more backups; any other is left alone (3101 when it is in use, 3117 when it
// does not wait). Dropping what is not there is success.
func (in *Instance) DropRestoring(ctx context.Context, database string) error {
	d, err := in.Find(database)
	if err != nil {
		return nil
	}
	open, err := d.seize(exec.Caller{}, "DROP DATABASE")
	if err != nil {
		return err
	}
	if doc := d.snapshot(); doc.Restore == nil || !doc.Restoring {
		open()
		return sqlerr.New(3117)
	}
	in.ddl.Lock()
	defer in.ddl.Unlock()
	if err := in.removeLocked(ctx, d); err != nil {
		open()
		return err
	}
	return nil
}

// BackupFolder is a folder of backup files below one of Options.BackupFolders. Error 3201.
func (in *Instance) BackupFolder(path string) (media.Source, error) { return in.devices.Folder(path) }

// kindReplay is the kind of the documents of log replays.
const kindReplay = "logreplay"

// KeepReplay keeps what is known of the log replay of a database, whole under the service master key: it may hold secrets.
// It is durable on return.
func (in *Instance) KeepReplay(ctx context.Context, database string, doc []byte) error {
	sealed, err := in.keeper.Seal(doc)
	if err != nil {
		return fmt.Errorf("keep the log replay of %q: %w", database, err)
	}
	b, err := json.Marshal(sealed)
	if err != nil {
		return err
	}
	return in.docs.Put(ctx, kindReplay, in.fold(database), b)
}

// ForgetReplay forgets what KeepReplay kept.
func (in *Instance) ForgetReplay(ctx context.Context, database string) error {
	return in.docs.Delete(ctx, kindReplay, in.fold(database))
}

// Replays gives everything that KeepReplay kept.
func (in *Instance) Replays(ctx context.Context) ([][]byte, error) {
	docs, err := in.docs.Load(ctx, kindReplay)
	if err != nil {
		return nil, fmt.Errorf("load log replays: %w", err)
	}
	var all [][]byte
	var errs []error
	for name, b := range docs {
		var sealed []byte
		err := json.Unmarshal(b, &sealed)
		var doc []byte
		if err == nil {
			doc, err = in.keeper.Unseal(sealed)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read the log replay of %q: %w", name, err))
			continue
		}
		all = append(all, doc)
	}
	return all, errors.Join(errs...)
}
