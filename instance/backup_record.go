package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linkspan/backup"
	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/exec"
)

// baseDoc is the full backup that differentials build on.
type baseDoc struct {
	// Set is the backup set's id, LSN where the pages it may lack begin to change (decimal).
	Set      [16]byte  `json:"set"`
	LSN      string    `json:"lsn"`
	Finished time.Time `json:"finished"`
}

// setDoc is what the history keeps of a backup set besides backupDoc's own fields.
type setDoc struct {
	ID          [16]byte `json:"id"`
	MediaSet    [16]byte `json:"mediaSet"`
	MediaName   string   `json:"mediaName,omitempty"`
	Position    int      `json:"position"`
	Devices     []string `json:"devices"`
	Size        int64    `json:"size"`
	User        string   `json:"user,omitempty"`
	Description string   `json:"description,omitempty"`
	Checkpoint  string   `json:"checkpointLSN"`
	Backup      string   `json:"databaseBackupLSN,omitempty"`
	Base        string   `json:"differentialBaseLSN,omitempty"`
	BaseSet     [16]byte `json:"differentialBaseSet,omitzero"`
	Fork        [16]byte `json:"recoveryFork"`
	Family      [16]byte `json:"family"`
	Checksums   bool     `json:"checksums,omitempty"`
	Compressed  bool     `json:"compressed,omitempty"`
	Tail        bool     `json:"tail,omitempty"`
}

// fork is the recovery fork: the database's own id until it was recovered from backups.
func (doc *databaseDoc) fork() [16]byte {
	if doc.Fork == [16]byte{} {
		return doc.GUID
	}
	return doc.Fork
}

// firstFork is the fork on which the next log backup begins, and where it leaves that one for fork; zero when it does not.
// Without it nobody could tell that the log of a database that was recovered continues the log before.
func (doc *databaseDoc) firstFork() ([16]byte, lsn.LSN) {
	if doc.ForkPoint == "" || doc.LeftFork == [16]byte{} || doc.LastLogBackup != doc.ForkPoint {
		return doc.fork(), lsn.LSN{}
	}
	at, _ := lsn.Parse(doc.ForkPoint) // what recovered wrote
	return doc.LeftFork, at
}

// startJob keeps a second backup, or a restore, off the database: 3023. Log backups run beside the others.
func (d *Database) startJob(kind bak.Type) (func(), error) {
	lock := &d.backingUp
	if kind == bak.Log {
		lock = &d.backingLog
	}
	if !lock.CompareAndSwap(false, true) {
		return nil, sqlerr.New(3023)
	}
	return func() { lock.Store(false) }, nil
}

// record makes the chain and the history durable. more changes what master remembers in the same step.
func (t *taking) record(ctx context.Context, more func(*databaseDoc)) error {
	ctx = context.WithoutCancel(ctx)
	h, r := &t.header, t.result
	in := t.in
	in.ddl.Lock()
	defer in.ddl.Unlock()
	row := backupDoc{Database: t.doc.Name, Type: string(rune(h.Type)), CopyOnly: t.b.copyOnly, Started: t.started.UTC(), Finished: h.Finished.UTC(),
		First: h.FirstLSN.Decimal(), Last: h.LastLSN.Decimal(), Pages: int64(r.End.Pages), Device: t.b.devices[0].Text, Name: t.b.name,
		Model: recoveryNames[t.doc.Recovery], Set: t.set()}
	if err := in.addBackupLocked(ctx, row); err != nil {
		return err
	}
	return t.d.updateLocked(ctx, func(doc *databaseDoc) {
		t.chain(doc, r)
		if more != nil {
			more(doc)
		}
	})
}

// chain is what the backup does to the database's backup chain.
func (t *taking) chain(doc *databaseDoc, r *backup.Result) {
	switch {
	case t.b.copyOnly || t.b.kind == bak.Differential:
	case t.b.kind == bak.Log:
		doc.LastLogBackup = r.End.Last.Decimal()
	default:
		from := r.Start.Header.LogFrom.Decimal()
		doc.FullBackup = t.started.UTC()
		doc.Base = &baseDoc{Set: t.header.SetGUID, LSN: from, Finished: t.header.Finished.UTC()}
		if doc.LastLogBackup == "" && doc.Recovery != recoverySimple {
			doc.LastLogBackup = from
		}
	}
}

func (t *taking) set() *setDoc {
	h := &t.header
	s := &setDoc{ID: h.SetGUID, MediaSet: t.medium.MediaSet, MediaName: t.b.mediaName, Position: t.medium.Position, Size: t.size, User: h.User,
		Description: h.Description, Checkpoint: h.CheckpointLSN.Decimal(), Fork: h.RecoveryForkID, Family: h.FamilyGUID, Checksums: h.HasChecksums(),
		Compressed: t.medium.Compressed, Tail: t.b.norecovery}
	if !h.DatabaseBackupLSN.IsZero() {
		s.Backup = h.DatabaseBackupLSN.Decimal()
	}
	if h.Type == bak.Differential {
		s.Base, s.BaseSet = h.DifferentialBase.Decimal(), h.DifferentialBaseGUID
	}
	for _, d := range t.b.devices {
		s.Devices = append(s.Devices, d.Text)
	}
	return s
}

// tail is BACKUP LOG … WITH NORECOVERY: nobody writes any more, the rest of the log is backed up, and the database is
// left RESTORING. After an error before that is recorded it is as before.
func (t *taking) tail(ctx context.Context, out sqlapi.ResultSink) error {
	if _, _, _, joined := t.in.hadr.Member(t.doc.Name); joined {
		return sqlerr.New(3104, t.doc.Name)
	}
	open, err := t.d.seizeBut(t.caller, t.b.verb, bak.Log)
	if err != nil {
		return err
	}
	defer open()
	hold, err := t.quiesce(ctx)
	if err != nil {
		return err
	}
	defer hold.Release()
	if err := t.write(ctx, out); err != nil {
		return err
	}
	err = t.record(ctx, func(doc *databaseDoc) {
		doc.Restore = &restoreDoc{LastLSN: t.result.End.Last.Decimal(), Fork: doc.fork()}
		doc.Restoring = true
		if t.b.standby != "" {
			doc.Restoring, doc.Standby = false, true
		}
	})
	if err != nil {
		return err
	}
	if err := t.demote(hold); err != nil {
		return err
	}
	return t.report(out)
}

// quiesce holds the database as it is, and waits until everything that was appended is durable. Nobody is in the database,
// but the commit of a session that was ended may still be on its way to the disk, and sessions write from other databases:
// what they commit behind the tail's end would be on the source alone.
func (t *taking) quiesce(ctx context.Context) (*storage.Hold, error) {
	hold, err := t.db.Hold(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.db.WaitDurable(ctx, t.db.Appended()); err != nil {
		hold.Release()
		return nil, err
	}
	return hold, nil
}

// demote makes the storage take log instead of writers; a database in standby stays readable. Whatever fails, one that
// was recorded as RESTORING is closed: what is written to it would be in no backup.
func (t *taking) demote(hold *storage.Hold) error {
	trimmed := t.db.TrimLog()
	err := hold.Demote()
	hold.Release()
	if err != nil {
		err = fmt.Errorf("leave database %q restoring: %w", t.doc.Name, err)
	}
	if t.b.standby == "" {
		err = errors.Join(err, t.d.close())
	}
	return errors.Join(err, trimmed)
}

// seize takes a database for one statement alone: nobody is in it or backs it up, and nobody enters until the function
// returned is called. Errors: 3101, 3102.
func (d *Database) seize(c exec.Caller, verb string) (func(), error) { return d.seizeBut(c, verb, 0) }

// seizeBut is seize for a backup of a kind, whose own job is the only one there may be.
func (d *Database) seizeBut(c exec.Caller, verb string, own bak.Type) (func(), error) {
	let, ok := d.keepBackups(own)
	if !ok {
		return nil, sqlerr.New(3101)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.in.fold(c.Database) == d.in.fold(d.doc.Name) && d.users > 0:
		let()
		return nil, sqlerr.New(3102, verb, d.doc.Name)
	case d.users > 0 || d.dropped:
		let()
		return nil, sqlerr.New(3101)
	}
	d.dropped = true
	return func() {
		d.mu.Lock()
		d.dropped = false
		d.mu.Unlock()
		let()
	}, nil
}

// keepBackups keeps every backup off the database but one of the kind own, which runs already. A backup that ended after
// the database was replaced would write its description over that of the new one.
func (d *Database) keepBackups(own bak.Type) (let func(), ok bool) {
	var held []func()
	let = func() {
		for _, f := range held {
			f()
		}
	}
	for _, kind := range []bak.Type{bak.Full, bak.Log} {
		if kind == own {
			continue
		}
		release, err := d.startJob(kind)
		if err != nil {
			let()
			return nil, false
		}
		held = append(held, release)
	}
	return let, true
}

// lsnOf reads an LSN that we wrote; "" is zero.
func lsnOf(text string) (lsn.LSN, error) {
	if text == "" {
		return lsn.Zero, nil
	}
	at, err := lsn.Parse(text)
	if err != nil {
		return lsn.Zero, errors.Join(fmt.Errorf("stored LSN %q", text), err)
	}
	return at, nil
}
