package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"linkspan/lsn"
	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// kindBackupSet is the kind of backupDoc documents: the history that msdb.dbo.backupset shows.
const kindBackupSet = "backupset"

// keptBackupSets is how many rows of history are kept; the oldest go first.
const keptBackupSets = 1000

// backupDoc is one row of the backup history.
type backupDoc struct {
	ID       int       `json:"id"`
	Database string    `json:"database"`
	Type     string    `json:"type"` // D full, L log
	CopyOnly bool      `json:"copyOnly,omitempty"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	First    string    `json:"firstLSN"`
	Last     string    `json:"lastLSN"`
	Pages    int64     `json:"pages"`
	Device   string    `json:"device"`
	Name     string    `json:"name,omitempty"`
	Model    string    `json:"recoveryModel"`
	// Set is what else there is to know of a set that was written; nil for one to NUL.
	Set *setDoc `json:"set,omitempty"`
}

// BackupRequest is BACKUP DATABASE or BACKUP LOG, with its expressions evaluated.
type BackupRequest struct {
	Database string
	Log      bool
	CopyOnly bool
	// Name is WITH NAME, for the history.
	Name string
	// Devices are the paths of TO DISK.
	Devices []string
}

// backup is BACKUP to the null device: it reads nothing and writes nothing, but starts and continues the backup chain
// as a real one, which is what a link asks for (1475).
func (in *Instance) backup(ctx context.Context, r BackupRequest, out sqlapi.ResultSink) error {
	verb := "BACKUP DATABASE"
	if r.Log {
		verb = "BACKUP LOG"
	}
	err := in.backupNull(ctx, verb, r, out)
	if err == nil || sqlerr.Number(err) == 911 {
		return err
	}
	if serr := out.Message(sqlerr.From(err)); serr != nil {
		return serr
	}
	return sqlerr.New(3013, verb)
}

func (in *Instance) backupNull(ctx context.Context, verb string, r BackupRequest, out sqlapi.ResultSink) error {
	d, err := in.Find(r.Database)
	if err != nil {
		return err
	}
	for _, dev := range r.Devices {
		if !strings.EqualFold(dev, "NUL") && dev != "/dev/null" {
			return unsupported(verb+" to a file or URL", "back up TO DISK = 'NUL', which starts the chain that a link needs")
		}
	}
	db, err := d.Storage()
	if err != nil {
		return err
	}
	doc := d.snapshot()
	switch {
	case doc.ID == tempID:
		return sqlerr.New(3147)
	case r.Log && doc.Recovery == recoverySimple:
		return sqlerr.New(4208, verb)
	case r.Log && doc.FullBackup.IsZero():
		return sqlerr.New(4214)
	}
	started := in.opts.Clock.Now()
	at := db.Hardened()
	pages := int64(db.Stats().Pages)
	if r.Log {
		pages = db.Stats().LogBytes / storage.PageSize
	}
	if err := in.recordBackup(ctx, d, r, started, at, pages); err != nil {
		return err
	}
	if err := db.TrimLog(); err != nil {
		return err
	}
	return reportBackup(out, verb, doc.Name, r.Log, pages, in.opts.Clock.Now().Sub(started))
}

// recordBackup makes the chain and the history durable.
func (in *Instance) recordBackup(ctx context.Context, d *Database, r BackupRequest, started time.Time, at lsn.LSN, pages int64) error {
	in.ddl.Lock()
	defer in.ddl.Unlock()
	doc := d.snapshot()
	b := backupDoc{Database: doc.Name, Type: "D", CopyOnly: r.CopyOnly, Started: started.UTC(), Finished: in.opts.Clock.Now().UTC(),
		First: doc.LastLogBackup, Last: at.Decimal(), Pages: pages, Device: "NUL", Name: r.Name, Model: recoveryNames[doc.Recovery]}
	if r.Log {
		b.Type = "L"
	}
	if b.First == "" || !r.Log {
		b.First = at.Decimal()
	}
	if err := in.addBackupLocked(ctx, b); err != nil {
		return err
	}
	if r.CopyOnly {
		return nil
	}
	return d.updateLocked(ctx, func(doc *databaseDoc) {
		if !r.Log {
			doc.FullBackup = started.UTC()
		}
		if r.Log || doc.LastLogBackup == "" && doc.Recovery != recoverySimple {
			doc.LastLogBackup = at.Decimal()
		}
	})
}

// addBackupLocked adds a row to the history; the caller holds ddl.
func (in *Instance) addBackupLocked(ctx context.Context, b backupDoc) error {
	old, err := in.docs.Load(ctx, kindBackupSet)
	if err != nil {
		return fmt.Errorf("load backup history: %w", err)
	}
	oldest := 0
	for name := range old {
		var id int
		if _, err := fmt.Sscan(name, &id); err != nil {
			continue
		}
		b.ID = max(b.ID, id)
		if oldest == 0 || id < oldest {
			oldest = id
		}
	}
	b.ID++
	if len(old) >= keptBackupSets {
		if err := in.docs.Delete(ctx, kindBackupSet, fmt.Sprint(oldest)); err != nil {
			return err
		}
	}
	row, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return in.docs.Put(ctx, kindBackupSet, fmt.Sprint(b.ID), row)
}

// reportBackup sends the messages of a successful backup.
func reportBackup(out sqlapi.ResultSink, verb, database string, log bool, pages int64, took time.Duration) error {
	file := database
	if log {
		file += "_log"
	}
	seconds := max(took.Seconds(), 0.001)
	rate := float64(pages) * storage.PageSize / (1 << 20) / seconds
	return send(out, []*sqlerr.Error{
		sqlerr.New(4035, pages, database, file, 1),
		sqlerr.New(3014, verb, pages, fmt.Sprintf("%.3f", seconds), fmt.Sprintf("%.3f", rate)),
	})
}
