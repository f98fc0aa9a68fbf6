package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"linkspan/backup"
	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/storage"
	"linkspan/tsql/exec"
)

// databaseVersion is what backup headers call the database's internal version: that of SQL Server 2022.
const databaseVersion = 957

// takeBackup is BACKUP to files or blobs. Messages that say why come before 3013, as SQL Server sends them.
func (in *Instance) takeBackup(ctx context.Context, c exec.Caller, b *backupSpec, out sqlapi.ResultSink) error {
	err := in.runBackup(ctx, c, b, out)
	if err == nil || sqlerr.Number(err) == 911 {
		return err
	}
	if ctx.Err() != nil {
		return err
	}
	in.errorLog(sqlerr.New(3041, b.verb+" "+b.database).WithCause(err))
	if serr := out.Message(sqlerr.From(err)); serr != nil {
		return serr
	}
	return sqlerr.New(3013, b.verb)
}

// taking is one backup on its way.
type taking struct {
	in      *Instance
	b       *backupSpec
	d       *Database
	doc     databaseDoc
	db      *storage.DB
	caller  exec.Caller
	started time.Time
	header  bak.Header
	medium  *device.Medium
	result  *backup.Result
	size    int64
}

func (in *Instance) runBackup(ctx context.Context, c exec.Caller, b *backupSpec, out sqlapi.ResultSink) error {
	d, err := in.Find(b.database)
	if err != nil {
		return err
	}
	release, err := d.startJob(b.kind)
	if err != nil {
		return err
	}
	defer release()
	t := &taking{in: in, b: b, d: d, doc: d.snapshot(), caller: c, started: in.opts.Clock.Now()}
	if t.db, err = d.Storage(); err != nil {
		return err
	}
	if err := t.allowed(); err != nil {
		return err
	}
	if b.norecovery {
		return t.tail(ctx, out)
	}
	if err := t.write(ctx, out); err != nil {
		return err
	}
	if err := t.record(ctx, nil); err != nil {
		return err
	}
	if err := t.db.TrimLog(); err != nil { // what was backed up need not be kept
		return err
	}
	return t.report(out)
}

// allowed tells whether the database can be backed up in this way now. Errors: 3024, 3035, 3036, 3059, 3147, 4208, 4214.
func (t *taking) allowed() error {
	b, doc := t.b, &t.doc
	switch {
	case doc.ID == tempID:
		return sqlerr.New(3147)
	case doc.ID == masterID && b.kind != bak.Full:
		return sqlerr.New(3024)
	case doc.Standby:
		return sqlerr.New(3036, doc.Name)
	case t.in.opts.Kind == ManagedInstance && (b.kind != bak.Full || !b.copyOnly):
		return sqlerr.New(41904)
	case t.db.IsReplica() && b.kind != bak.Log && !b.copyOnly:
		return sqlerr.New(3059)
	case b.kind == bak.Log && doc.Recovery == recoverySimple:
		return sqlerr.New(4208, b.verb)
	case b.kind == bak.Log && doc.FullBackup.IsZero():
		return sqlerr.New(4214)
	case b.kind == bak.Differential && doc.Base == nil:
		return sqlerr.New(3035, doc.Name)
	}
	return nil
}

// write writes the backup set to its devices; after an error they are as before.
func (t *taking) write(ctx context.Context, out sqlapi.ResultSink) (err error) {
	t.medium, err = t.in.devices.Begin(ctx, t.b.devices, device.How{Format: t.b.format, Init: t.b.init, Compress: t.b.compress,
		Name: t.b.mediaName, New: t.in.newGUID, Now: t.started})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.medium.Abandon())
		}
	}()
	t.header = t.firstHeader()
	if err := t.medium.Begin(t.header, t.files(0)); err != nil {
		return err
	}
	p := newProgress(t.in, t.caller, t.b.verb, t.b.stats, out)
	defer p.end()
	if t.result, err = t.payload(ctx, p); err != nil {
		return err
	}
	t.finalHeader()
	if t.size, err = t.medium.End(t.header, t.files(int64(t.result.End.Pages))); err != nil {
		return err
	}
	t.header.Size = t.size
	if err := p.whole(); err != nil {
		return err
	}
	return t.medium.Finish()
}

func (t *taking) payload(ctx context.Context, p *progress) (*backup.Result, error) {
	to := backup.Target{Sink: t.medium, Stripes: len(t.b.devices), Set: t.header.SetGUID, Progress: p.report}
	switch t.b.kind {
	case bak.Differential:
		base, err := lsn.Parse(t.doc.Base.LSN)
		if err != nil {
			return nil, fmt.Errorf("read differential base: %w", err)
		}
		return backup.WriteDifferential(ctx, t.db, base, to)
	case bak.Log:
		after, err := lsn.Parse(t.doc.LastLogBackup)
		if err != nil {
			return nil, fmt.Errorf("read end of the last log backup: %w", err)
		}
		return backup.WriteLog(ctx, t.db, after, t.db.Hardened(), to)
	default:
		return backup.WriteFull(ctx, t.db, to)
	}
}

// firstHeader is what is known at the start.
func (t *taking) firstHeader() bak.Header {
	doc, in := &t.doc, t.in
	i := in.ServerInfo()
	h := bak.Header{SetGUID: in.newGUID(), Name: t.b.name, Description: t.b.description, User: in.opts.Administrator, Machine: in.opts.Name,
		TimeZone: 0, Flags: bak.FlagAlways, Major: i.Major, Minor: i.Minor, Build: uint16(i.Build), DatabaseCreated: doc.Created,
		Started: t.started, Finished: t.started, Type: t.b.kind, Compatibility: doc.Compat, DatabaseID: uint16(doc.ID), DatabaseVersion: databaseVersion,
		Database: doc.Name, Server: in.opts.serverName(), BindingID: bak.GUID(doc.GUID), RecoveryForkID: bak.GUID(doc.fork()),
		FirstForkID: bak.GUID(doc.fork()), FamilyGUID: bak.GUID(doc.Family), Locale: 1033, ComparisonStyle: 196609, SortOrder: 52,
		Collation: 0x34_00d0_0409}
	if t.caller.Login != nil {
		h.User = t.caller.Login.User
	}
	if t.b.checksum || t.medium.Compressed {
		h.Flags |= bak.FlagChecksums
	}
	if t.b.copyOnly {
		h.Flags |= bak.FlagCopyOnly
	}
	if t.b.norecovery {
		h.Flags |= bak.FlagTail | bak.FlagTailNoRecover // IsForceOffline: it left the database restoring
	}
	if t.b.kind == bak.Log {
		h.FirstForkID, h.ForkPoint = doc.firstFork()
	}
	switch doc.Recovery {
	case recoverySimple:
		h.Status = 8
	case recoveryBulk:
		h.Status = 4
	}
	if b := doc.Base; b != nil {
		h.DatabaseBackupLSN, _ = lsn.Parse(b.LSN)
		h.PreviousSet = bak.GUID(b.Set)
		if t.b.kind == bak.Differential {
			h.Flags |= bak.FlagDifferential
			h.DifferentialBase, h.DifferentialBaseGUID = h.DatabaseBackupLSN, bak.GUID(b.Set)
		}
	}
	return h
}

// finalHeader adds what is known at the end.
func (t *taking) finalHeader() {
	h, r := &t.header, t.result
	h.FirstLSN, h.LastLSN, h.CheckpointLSN = r.Start.Header.LogFrom, r.End.Last, r.Start.Header.LogFrom
	if t.b.kind == bak.Log {
		h.CheckpointLSN = h.DatabaseBackupLSN
	}
	h.Finished, h.Final = t.in.opts.Clock.Now(), true
}

// files are the two files that SQL Server's tools expect of a database.
func (t *taking) files(pages int64) []bak.File {
	s := t.db.Stats()
	name := t.doc.Name
	return []bak.File{
		{ID: 1, Logical: name, Physical: name + ".mdf", Kind: 'D', Filegroup: 1, FilegroupName: "PRIMARY", PageSize: storage.PageSize, SectorSize: 512,
			Size: int64(s.Pages) * storage.PageSize, MaxSize: -1, BackedUpPages: pages, UniqueID: bak.GUID(t.doc.GUID)},
		{ID: 2, Logical: prefix(name, maxName-4) + "_log", Physical: prefix(name, maxName-4) + "_log.ldf", Kind: 'L', PageSize: storage.PageSize, SectorSize: 512,
			Size: s.LogSize, MaxSize: -1},
	}
}

// newGUID makes a random id.
func (in *Instance) newGUID() bak.GUID {
	var g bak.GUID
	if _, err := io.ReadFull(in.opts.Rand, g[:]); err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails; tests' sources must not either
	}
	return g
}

// report sends the messages of a successful backup.
func (t *taking) report(out sqlapi.ResultSink) error {
	e := &t.result.End
	logPages := (int64(e.LogBytes) + storage.PageSize - 1) / storage.PageSize
	var all []*sqlerr.Error
	if t.b.kind != bak.Log {
		all = append(all, sqlerr.New(4035, int64(e.Pages), t.doc.Name, t.doc.Name, t.medium.Position))
	}
	all = append(all, sqlerr.New(4035, logPages, t.doc.Name, prefix(t.doc.Name, maxName-4)+"_log", t.medium.Position))
	verb := t.b.verb
	if t.b.kind == bak.Differential {
		verb += " WITH DIFFERENTIAL"
	}
	return send(out, append(all, t.in.processed(verb, int64(e.Pages)+logPages, t.started)))
}

// processed is 3014.
func (in *Instance) processed(verb string, pages int64, started time.Time) *sqlerr.Error {
	seconds := max(in.opts.Clock.Now().Sub(started).Seconds(), 0.001)
	rate := float64(pages) * storage.PageSize / (1 << 20) / seconds
	return sqlerr.New(3014, verb, pages, fmt.Sprintf("%.3f", seconds), fmt.Sprintf("%.3f", rate))
}
