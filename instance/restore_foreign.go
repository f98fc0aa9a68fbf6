package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"linkspan/backup/foreign"
	"linkspan/bak"
	"linkspan/bak/mdf"
	"linkspan/internal/fsx"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/storage"
)

// foreignDoc is a restore of SQL Server's own backups that waits for more: copies of the files, in the order in which
// their pages are laid over each other.
type foreignDoc struct {
	Files []foreignFile `json:"files"`
	// CodePage and Collation are of the database as its header has them.
	Locale uint32 `json:"locale"`
}

// foreignFile is one stripe in the database's folder, and the set's place in it.
type foreignFile struct {
	Name     string `json:"name"`
	Position int    `json:"position"`
}

// copyChunk is the most that is copied at once.
const copyChunk = 4 << 20

// applyForeign restores a backup that SQL Server wrote: by reading its pages and making the database anew.
func (t *restoring) applyForeign(ctx context.Context) error {
	h := t.header
	switch {
	case h.Type == bak.Log:
		return unsupported("RESTORE LOG of a backup that SQL Server took", "restore its full and differential backups: the log of SQL Server is not replayed here")
	case h.Type != bak.Full && h.Type != bak.Differential:
		return sqlerr.New(3135, t.r.devices[0].Text, h.Type)
	case t.r.stops():
		return unsupported("STOPAT with a backup that SQL Server took", "leave it out: the pages are as of the backup")
	case t.r.standby != "":
		return unsupported("STANDBY with a backup that SQL Server took", "use NORECOVERY, or RECOVERY")
	}
	if err := t.moves(); err != nil {
		return err
	}
	if h.Type == bak.Differential {
		return t.foreignDifferential(ctx)
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
	fresh := &Database{in: t.in, doc: doc}
	fresh.doc.Restore = &restoreDoc{LastLSN: h.LastLSN.Decimal(), Base: h.SetGUID, BaseLSN: h.CheckpointLSN.Decimal(), Fork: h.RecoveryForkID,
		Foreign: &foreignDoc{Locale: uint32(h.Collation)}}
	if t.r.norecovery {
		return t.keepForeign(ctx, old, fresh)
	}
	pages := mdf.NewPages()
	if err := t.lay(pages); err != nil {
		return err
	}
	return t.importInto(ctx, old, fresh, pages)
}

// lay adds the pages of the backup set that is being restored.
func (t *restoring) lay(pages *mdf.Pages) error {
	for i, s := range t.media.Stripes {
		if err := pages.AddBackup(s.Content, t.sets[i]); err != nil {
			return t.damaged(err)
		}
	}
	return nil
}

// foreignDifferential restores a differential over a full that waits.
func (t *restoring) foreignDifferential(ctx context.Context) error {
	d, at, open, err := t.waiting()
	if err != nil {
		return err
	}
	defer open()
	if at.Foreign == nil || bak.GUID(at.Base) != t.header.DifferentialBaseGUID {
		return sqlerr.New(3136).WithCause(fmt.Errorf("the differential builds on backup set %s, the database began with %s", t.header.DifferentialBaseGUID, bak.GUID(at.Base)))
	}
	if t.r.norecovery {
		return t.addForeign(ctx, d)
	}
	pages, closeAll, err := t.in.kept(d.snapshot())
	if err != nil {
		return err
	}
	defer closeAll()
	if err := t.lay(pages); err != nil {
		return err
	}
	return t.importOver(ctx, d, pages)
}

// importOver imports into a new folder and puts it in the place of the database that waits.
func (t *restoring) importOver(ctx context.Context, d *Database, pages *mdf.Pages) error {
	doc, err := t.newDoc(d)
	if err != nil {
		return err
	}
	was := d.snapshot()
	r := *was.Restore
	doc.Restore, doc.Family, doc.Compat, doc.Recovery = &r, was.Family, was.Compat, was.Recovery
	return t.importInto(ctx, d, &Database{in: t.in, doc: doc}, pages)
}

// finishForeign is RESTORE DATABASE … WITH RECOVERY of what waits.
func (t *restoring) finishForeign(ctx context.Context, d *Database) error {
	pages, closeAll, err := t.in.kept(d.snapshot())
	if err != nil {
		return err
	}
	defer closeAll()
	return t.importOver(ctx, d, pages)
}

// importInto makes the database of the pages, under a name that nobody has, and puts it in its place at the end.
func (t *restoring) importInto(ctx context.Context, old, fresh *Database, pages *mdf.Pages) error {
	src, err := mdf.Open(pages, mdf.Options{CodePage: mdf.CodePageOf(fresh.doc.Restore.Foreign.Locale)})
	if err != nil {
		return t.damaged(err)
	}
	db, err := storage.Create(ctx, fresh.storageOptions(fresh.doc.Name, fresh.doc.Folder))
	if err != nil {
		t.in.discardFolder(fresh.doc.Folder)
		return sqlerr.New(3119).WithCause(err)
	}
	fresh.adopt(db)
	report, err := t.fill(ctx, fresh, src)
	if err == nil {
		fresh.doc.recovered(t.in.newGUID(), t.started)
		fresh.doc.Base, fresh.doc.LastLogBackup = nil, "" // its own chain begins with its first full backup
		fresh.doc.FullBackup = fresh.doc.FullBackup.UTC()
		err = t.swap(ctx, old, fresh)
	}
	if err != nil {
		err = errors.Join(err, fresh.close())
		t.in.discardFolder(fresh.doc.Folder)
		return err
	}
	return t.tellImport(ctx, report)
}

// fill imports into the new database.
func (t *restoring) fill(ctx context.Context, fresh *Database, src *mdf.Database) (*foreign.Report, error) {
	if err := fresh.initCatalog(ctx); err != nil {
		return nil, err
	}
	hidden, leave, err := t.in.hide(fresh)
	if err != nil {
		return nil, err
	}
	defer leave()
	run, end, err := t.in.internalSession(ctx, hidden)
	if err != nil {
		return nil, err
	}
	p := newProgress(t.in, t.caller, t.r.verb, t.r.stats, t.out)
	defer p.end()
	im := &foreign.Importer{Source: src, DB: fresh.db, Run: run, Progress: p.report}
	report, err := im.Import(ctx)
	if err = errors.Join(err, end()); err != nil {
		return nil, err
	}
	fresh.identities.Reset()
	return report, p.whole()
}

// hide makes a database known under a name that no statement can spell, until leave is called.
func (in *Instance) hide(d *Database) (name string, leave func(), err error) {
	name = "\x02import of " + d.doc.Folder
	in.mu.Lock()
	defer in.mu.Unlock()
	in.databases[name] = d
	return name, func() {
		in.mu.Lock()
		delete(in.databases, name)
		in.mu.Unlock()
	}, nil
}

// tellImport sends what was imported and what was not, and writes the history.
func (t *restoring) tellImport(ctx context.Context, r *foreign.Report) error {
	all := []*sqlerr.Error{information(r.Summary())}
	for i, m := range r.Missing() {
		if i == 20 {
			all = append(all, information(fmt.Sprintf("… and %d more.", len(r.Missing())-i)))
			break
		}
		all = append(all, information(fmt.Sprintf("Not imported: %s %s: %s", m.Kind, m.Name, m.Reason)))
	}
	if err := send(t.out, all); err != nil {
		return err
	}
	if t.header == nil {
		return t.out.Message(t.in.processed(t.r.verb, 0, t.started))
	}
	for _, f := range t.sets[0].Files {
		t.pages += f.BackedUpPages
	}
	return t.done(ctx)
}

// information is a message without a number of its own, as PRINT sends them.
func information(text string) *sqlerr.Error {
	return &sqlerr.Error{Severity: 0, State: 1, Message: prefix(text, 2000)}
}

// internalSession opens a session of the instance's own in a database. end MUST be called.
func (in *Instance) internalSession(ctx context.Context, database string) (run func(context.Context, string) error, end func() error, err error) {
	id, err := in.sessions.reserve(in.opts.MaxSessions + 1)
	if err != nil {
		return nil, nil, err
	}
	s, err := in.engine.Open(ctx, sessionOptions(in, id, database))
	if err != nil {
		in.sessions.remove(id)
		return nil, nil, err
	}
	run = func(ctx context.Context, batch string) error {
		out := &firstError{}
		return errors.Join(s.Batch(ctx, batch, out), out.err)
	}
	return run, s.Close, nil
}

// firstError is a sink that keeps the first error and nothing else.
type firstError struct{ err error }

func (f *firstError) Columns([]sqlapi.Column) error  { return nil }
func (f *firstError) Row([]sqltype.Value) error      { return nil }
func (f *firstError) Done(sqlapi.Done) error         { return nil }
func (f *firstError) Env(sqlapi.EnvChange) error     { return nil }
func (f *firstError) ReturnStatus(int32) error       { return nil }
func (f *firstError) ReturnValue(sqlapi.Param) error { return nil }
func (f *firstError) Message(e *sqlerr.Error) error {
	if f.err == nil && e.IsError() {
		f.err = e
	}
	return nil
}

// keepForeign copies the files into the new database's folder and leaves it RESTORING.
func (t *restoring) keepForeign(ctx context.Context, old, fresh *Database) error {
	if err := t.copyStripes(ctx, fresh); err != nil {
		t.in.discardFolder(fresh.doc.Folder)
		return err
	}
	fresh.doc.Restoring = true
	if err := t.swap(ctx, old, fresh); err != nil {
		t.in.discardFolder(fresh.doc.Folder)
		return err
	}
	return t.done(ctx)
}

// addForeign adds the files of a differential to a database that waits.
func (t *restoring) addForeign(ctx context.Context, d *Database) error {
	step := &Database{in: t.in, doc: d.snapshot()}
	r := *step.doc.Restore
	f := *r.Foreign
	f.Files = append([]foreignFile(nil), f.Files...)
	r.Foreign, r.LastLSN = &f, t.header.LastLSN.Decimal()
	step.doc.Restore = &r
	if err := t.copyStripes(ctx, step); err != nil {
		return err
	}
	if err := d.update(context.WithoutCancel(ctx), func(doc *databaseDoc) { *doc = step.doc }); err != nil {
		return err
	}
	return t.done(ctx)
}

// copyStripes copies every stripe, durably, and notes them in the database's description.
func (t *restoring) copyStripes(ctx context.Context, d *Database) error {
	dir := filepath.Join(t.in.opts.Dir, d.doc.Folder)
	if err := t.in.opts.FS.MkdirAll(dir); err != nil {
		return err
	}
	kept := d.doc.Restore.Foreign
	for i, s := range t.media.Stripes {
		name := fmt.Sprintf("%s-%d.bak", t.header.SetGUID, i+1)
		if err := copyFile(ctx, t.in.opts.FS, filepath.Join(dir, name), s.Bytes(), s.Size()); err != nil {
			return fmt.Errorf("keep %s for the rest of the restore: %w", s.Name.Text, err)
		}
		kept.Files = append(kept.Files, foreignFile{Name: name, Position: t.r.position})
	}
	return t.in.opts.FS.SyncDir(dir)
}

// copyFile writes size bytes of r to a new file.
func copyFile(ctx context.Context, disk fsx.FS, name string, r io.ReaderAt, size int64) error {
	f, err := disk.Create(name)
	if err != nil {
		return err
	}
	buf := make([]byte, min(copyChunk, size))
	for at := int64(0); at < size && err == nil; {
		n := int(min(int64(len(buf)), size-at))
		if n, err = r.ReadAt(buf[:n], at); n > 0 {
			_, err = f.WriteAt(buf[:n], at)
		}
		at += int64(n)
		err = errors.Join(err, ctx.Err())
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// kept lays the pages of the files that were kept over each other.
func (in *Instance) kept(doc databaseDoc) (*mdf.Pages, func(), error) {
	pages := mdf.NewPages()
	var files []fsx.File
	closeAll := func() {
		for _, f := range files {
			_ = f.Close() // opened for reading
		}
	}
	for _, k := range doc.Restore.Foreign.Files {
		f, err := in.opts.FS.Open(filepath.Join(in.opts.Dir, doc.Folder, k.Name))
		if err == nil {
			files = append(files, f)
			err = addKept(pages, f, k.Position)
		}
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("read what was kept of the backup: %w", err)
		}
	}
	return pages, closeAll, nil
}

func addKept(pages *mdf.Pages, f fsx.File, position int) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	c, err := bak.OpenContent(f, size, bak.Options{})
	if err != nil {
		return err
	}
	m, err := bak.ReadMedia(c, bak.Options{})
	if m == nil || position > len(m.Sets) {
		return errors.Join(err, errors.New("the backup set is not there any more"))
	}
	return pages.AddBackup(c, m.Sets[position-1])
}
