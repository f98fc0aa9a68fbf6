package instance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"linkspan/backup"
	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/ast"
	"linkspan/tsql/exec"
)

// restore is RESTORE in all its forms. Messages that say why come before 3013, as SQL Server sends them.
func (a admin) restore(ctx context.Context, c exec.Caller, s *ast.Restore, out sqlapi.ResultSink) error {
	r, err := readRestore(s)
	if err != nil {
		return err
	}
	t := &restoring{in: a.in, r: r, caller: c, out: out, started: a.in.opts.Clock.Now()}
	err = t.run(ctx)
	t.redeem()
	if err == nil || ctx.Err() != nil || sqlerr.Number(err) == 40510 {
		return err
	}
	if serr := out.Message(sqlerr.From(err)); serr != nil {
		return serr
	}
	return sqlerr.New(3013, r.verb)
}

// restoring is one RESTORE on its way.
type restoring struct {
	in      *Instance
	r       *restoreSpec
	caller  exec.Caller
	out     sqlapi.ResultSink
	started time.Time

	media  *device.MediaSet
	sets   []*bak.Set // the backup set, in every stripe
	header *bak.Header
	// pages and log count what was applied, in pages.
	pages, log int64
	// promised is the number of the database that is made; 0: it has that of the one it replaces.
	promised int
}

// promise keeps a new database's number for it while it is being filled; the caller holds ddl.
func (t *restoring) promise(id int) {
	if t.in.promised == nil {
		t.in.promised = map[int]bool{}
	}
	t.in.promised[id], t.promised = true, id
}

// redeem gives the number free: the database has it now, or never came to be.
func (t *restoring) redeem() {
	t.in.ddl.Lock()
	defer t.in.ddl.Unlock()
	delete(t.in.promised, t.promised)
}

func (t *restoring) run(ctx context.Context) error {
	if err := t.servedHere(); err != nil {
		return err
	}
	if len(t.r.devices) == 0 {
		return t.finish(ctx)
	}
	var err error
	if t.media, err = t.in.devices.OpenSet(ctx, t.r.devices); err != nil {
		return err
	}
	defer t.media.Close() //nolint:errcheck // opened for reading
	switch t.r.kind {
	case "HEADERONLY":
		return t.showHeaders()
	case "LABELONLY":
		return t.showLabel()
	case "FILELISTONLY":
		return t.showFiles()
	}
	if err := t.media.Complete(); err != nil {
		return err
	}
	if t.sets, err = t.media.Set(t.r.position); err != nil {
		return err
	}
	t.header = &t.sets[0].Header
	if t.r.checksum && !t.header.HasChecksums() {
		return sqlerr.New(3187)
	}
	if t.r.kind == "VERIFYONLY" {
		return t.verify(ctx)
	}
	return t.apply(ctx)
}

// servedHere refuses what a managed instance does not restore. Error 41901.
func (t *restoring) servedHere() error {
	if t.in.opts.Kind != ManagedInstance || t.r.kind != "DATABASE" && t.r.kind != "LOG" {
		return nil
	}
	option := ""
	switch {
	case t.r.kind == "LOG":
		option = "log"
	case t.r.norecovery || len(t.r.devices) == 0:
		option = "norecovery"
	case t.r.standby != "":
		option = "standby"
	case t.r.stops():
		option = "stopat"
	case t.r.devices[0].Kind != device.URL:
		option = "disk"
	default:
		return nil
	}
	return sqlerr.New(41901, option)
}

// apply restores the backup set into the database.
func (t *restoring) apply(ctx context.Context) error {
	if t.media.Family().Software != bak.SoftwareLinkspan {
		return t.applyForeign(ctx)
	}
	switch t.header.Type {
	case bak.Full:
		if t.r.kind == "LOG" {
			return sqlerr.New(3135, t.r.devices[0].Text, "BACKUP DATABASE")
		}
		return t.applyFull(ctx)
	case bak.Differential:
		return t.applyDifferential(ctx)
	case bak.Log:
		return t.applyLog(ctx)
	default:
		return sqlerr.New(3135, t.r.devices[0].Text, t.header.Type)
	}
}

// payload opens the payload of the backup set.
func (t *restoring) payload() (*backup.Reader, error) {
	var stripes []backup.Stripe
	for i, s := range t.media.Stripes {
		stripes = append(stripes, backup.Stripe{Data: s.Content.Payload(t.sets[i], false), Log: s.Content.Payload(t.sets[i], true)})
	}
	r, err := backup.NewReader(stripes, t.header.SetGUID, t.header.Type)
	if err != nil {
		return nil, t.damaged(err)
	}
	return r, nil
}

// damaged gives an error met while reading the backup its number: 3203 for a file that cannot be read or ends early,
// 3189 for bytes that are not what was written.
func (t *restoring) damaged(err error) error {
	var e *sqlerr.Error
	switch {
	case err == nil, errors.As(err, &e):
		return err
	case errors.Is(err, backup.ErrFormat), errors.Is(err, storage.ErrDigest):
		return sqlerr.New(3189).WithCause(err)
	case bak.AsFault(err) != nil:
		return sqlerr.New(3203, t.r.devices[0].Text, "23(Data error (cyclic redundancy check).)").WithCause(err)
	default:
		return err
	}
}

// applyFull makes the database anew, beside what has its name now, and puts it in its place at the end.
func (t *restoring) applyFull(ctx context.Context) error {
	if err := t.moves(); err != nil {
		return err
	}
	old, open, err := t.replaceable()
	if err != nil {
		return err
	}
	defer open()
	doc, err := t.newDoc(old)
	if err != nil {
		return err
	}
	payload, err := t.payload()
	if err != nil {
		return err
	}
	p := newProgress(t.in, t.caller, t.r.verb, t.r.stats, t.out)
	defer p.end()
	fresh := &Database{in: t.in, doc: doc}
	db, got, err := backup.RestoreFull(ctx, fresh.storageOptions(doc.Name, doc.Folder), payload, p.report)
	if err != nil {
		t.in.discardFolder(doc.Folder)
		return t.damaged(err)
	}
	t.pages, t.log = got.Pages, inPages(got.LogBytes)
	fresh.doc.Restore = &restoreDoc{LastLSN: got.At.Decimal(), Base: t.header.SetGUID, BaseLSN: payload.Start().Header.LogFrom.Decimal(), Fork: t.header.RecoveryForkID}
	if err = t.settle(ctx, fresh, db); err == nil {
		err = t.swap(ctx, old, fresh)
	}
	if err != nil {
		err = errors.Join(err, fresh.close()) // before its files go: closing writes
		t.in.discardFolder(doc.Folder)
		return err
	}
	if err := p.whole(); err != nil {
		return err
	}
	return t.done(ctx)
}

// moves checks that MOVE names files of the backup; where to they go means nothing here. Error 3234.
func (t *restoring) moves() error {
	for logical := range t.r.moves {
		known := false
		for _, f := range t.sets[0].Files {
			known = known || strings.EqualFold(f.Logical, logical)
		}
		if !known {
			return sqlerr.New(3234, logical, t.header.Database)
		}
	}
	return nil
}

// replaceable finds the database of the name and tells whether it may be replaced; nil when there is none. The function
// lets sessions in again. Errors: 3101, 3102, 3104, 3108, 3147, 3154, 3159.
func (t *restoring) replaceable() (*Database, func(), error) {
	d, err := t.in.Find(t.r.database)
	if err != nil {
		return nil, func() {}, nil
	}
	doc := d.snapshot()
	switch _, _, _, joined := t.in.hadr.Member(doc.Name); {
	case doc.ID == masterID:
		return nil, nil, sqlerr.New(3108)
	case doc.ID == tempID:
		return nil, nil, sqlerr.New(3147)
	case d.isSystem():
		return nil, nil, unsupported("RESTORE of "+doc.Name, "restore user databases")
	case joined:
		return nil, nil, sqlerr.New(3104, doc.Name)
	case t.r.replace:
	case bak.GUID(doc.Family) != t.header.FamilyGUID:
		return nil, nil, sqlerr.New(3154, doc.Name)
	case d.hasTail() && !t.r.stops():
		return nil, nil, sqlerr.New(3159, doc.Name)
	}
	open, err := d.seize(t.caller, t.r.verb)
	if err == nil && !t.r.replace && !t.r.stops() && d.hasTail() { // somebody committed before the door was shut
		open()
		return nil, nil, sqlerr.New(3159, d.Name())
	}
	return d, open, err
}

// hasTail reports whether the database has committed work that no log backup holds; what is on its way to the disk counts.
func (d *Database) hasTail() bool {
	doc := d.snapshot()
	if doc.Restoring || doc.Standby || doc.Recovery == recoverySimple || doc.FullBackup.IsZero() {
		return false
	}
	db, err := d.Storage()
	if err != nil {
		return false
	}
	at, err := lsnOf(doc.LastLogBackup)
	return err != nil || at != db.Appended()
}

// newDoc describes the database as it will be: under the number of the one it replaces, in a folder of its own. Without
// a header (recovery alone) the caller fills in the rest.
func (t *restoring) newDoc(old *Database) (databaseDoc, error) {
	t.in.ddl.Lock()
	defer t.in.ddl.Unlock()
	var doc databaseDoc
	if old != nil {
		was := old.snapshot()
		doc = databaseDoc{ID: was.ID, Name: was.Name, Created: was.Created, Collation: was.Collation, OwnerSID: was.OwnerSID}
		doc.GUID = t.in.newGUID()
		doc.Folder = folderOf(doc.ID, doc.GUID)
	} else {
		var err error
		if doc, err = t.in.newDatabaseLocked(t.r.database, t.in.opts.Collation); err != nil {
			return doc, err
		}
		doc.OwnerSID = t.in.ownerFor(t.caller)
		t.promise(doc.ID)
	}
	if t.header == nil {
		return doc, nil
	}
	doc.Family, doc.Compat, doc.Recovery = [16]byte(t.header.FamilyGUID), t.header.Compatibility, recoveryFull
	switch t.header.RecoveryModel() {
	case bak.ModelSimple:
		doc.Recovery = recoverySimple
	case bak.ModelBulkLogged:
		doc.Recovery = recoveryBulk
	}
	return doc, nil
}

// settle leaves the storage as the statement asks: restoring (closed), in standby (readable) or recovered.
func (t *restoring) settle(ctx context.Context, d *Database, db *storage.DB) error {
	switch {
	case t.r.norecovery:
		d.doc.Restoring = true
		return db.Close()
	case t.r.standby != "":
		d.doc.Standby = true
		d.adopt(db)
		return nil
	default:
		d.adopt(db)
		return t.recoverInto(ctx, d, db)
	}
}

// recoverInto makes the restored storage a database that is written to, on a recovery fork of its own.
func (t *restoring) recoverInto(ctx context.Context, d *Database, db *storage.DB) error {
	if db.IsReplica() {
		if err := db.Promote(ctx, db.Epoch()+1); err != nil {
			return sqlerr.New(3167, d.doc.Name).WithCause(err)
		}
	}
	c, err := d.catalogCollation(ctx, db)
	if err != nil {
		return sqlerr.New(3167, d.doc.Name).WithCause(err)
	}
	d.doc.recovered(t.in.newGUID(), t.started)
	d.doc.Collation = c
	return nil
}

// recovered is what recovery makes of the description: the backup chain goes on from where the restore ended.
func (doc *databaseDoc) recovered(fork bak.GUID, now time.Time) {
	r := doc.Restore
	was := doc.fork()
	doc.Restoring, doc.Standby, doc.Restore, doc.Fork = false, false, nil, fork
	if r == nil {
		return
	}
	doc.FullBackup = now.UTC()
	if was != r.Fork || doc.ForkPoint != r.LastLSN { // a fork on which nothing was written is in no log backup: it is passed over
		doc.LeftFork, doc.ForkPoint = r.Fork, r.LastLSN
	}
	if doc.Recovery != recoverySimple {
		doc.LastLogBackup = r.LastLSN
	}
	if r.Base != [16]byte{} {
		doc.Base = &baseDoc{Set: r.Base, LSN: r.BaseLSN, Finished: now.UTC()}
	}
}

// swap puts the new database in the place of the old one, durably, and then deletes the old one's files.
func (t *restoring) swap(ctx context.Context, old, fresh *Database) error {
	in := t.in
	ctx = context.WithoutCancel(ctx)
	in.ddl.Lock()
	defer in.ddl.Unlock()
	if old == nil {
		if _, err := in.Find(fresh.doc.Name); err == nil {
			return sqlerr.New(1801, fresh.doc.Name)
		}
	}
	if err := in.putDatabase(ctx, fresh.doc); err != nil {
		return err
	}
	in.mu.Lock()
	in.databases[in.fold(fresh.doc.Name)] = fresh
	in.mu.Unlock()
	if old == nil {
		return nil
	}
	if err := old.close(); err != nil {
		in.opts.Log.Warn("replaced database did not close cleanly", "database", fresh.doc.Name, "reason", err)
	}
	in.discardFolder(old.snapshot().Folder)
	return nil
}

// discardFolder removes files that nothing names any more; what stays does no harm.
func (in *Instance) discardFolder(folder string) {
	if err := in.removeFolder(folder); err != nil {
		in.opts.Log.Warn("files of a database that is gone remain", "folder", folder, "reason", err)
	}
}

// done writes the history and reports.
func (t *restoring) done(ctx context.Context) error {
	if err := t.in.recordRestore(ctx, t); err != nil {
		return err
	}
	name := t.r.database
	var all []*sqlerr.Error
	if t.header.Type != bak.Log {
		all = append(all, sqlerr.New(4035, t.pages, name, t.header.Database, t.r.position))
	}
	all = append(all, sqlerr.New(4035, t.log, name, prefix(t.header.Database, maxName-4)+"_log", t.r.position))
	return send(t.out, append(all, t.in.processed(t.r.verb, t.pages+t.log, t.started)))
}

func inPages(bytes int64) int64 { return (bytes + storage.PageSize - 1) / storage.PageSize }

// catalogCollation reads the collation that the database was made with.
func (d *Database) catalogCollation(ctx context.Context, db *storage.DB) (string, error) {
	c, err := db.Reader(ctx)
	if err != nil {
		return "", err
	}
	defer c.Release()
	s, err := d.Catalog().Get(c)
	if err != nil {
		return "", fmt.Errorf("read catalog: %w", err)
	}
	return s.Collation, nil
}
