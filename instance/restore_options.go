package instance

import (
	"strconv"
	"strings"
	"time"

	"linkspan/backup/device"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/tsql/ast"
)

// restoreDoc is how far a database in state RESTORING (or in standby) has come.
type restoreDoc struct {
	// LastLSN is where the database ends (decimal), Base the full backup it began with, Fork the recovery fork it is on.
	LastLSN string   `json:"lastLSN"`
	Base    [16]byte `json:"base,omitzero"`
	BaseLSN string   `json:"baseLSN,omitempty"`
	Fork    [16]byte `json:"fork"`
	// Foreign is what is kept of SQL Server's own backups; nil when ours are restored.
	Foreign *foreignDoc `json:"foreign,omitempty"`
}

// restoreSpec is RESTORE with its options read.
type restoreSpec struct {
	kind     string // of ast.Restore
	verb     string
	database string
	devices  []device.Name
	position int

	norecovery, replace, checksum bool
	standby                       string
	moves                         map[string]string // folded logical name → path
	// stopAt is a time, stopLSN a record: that of STOPATMARK 'lsn:…', or with before the one not to be taken any more.
	stopAt     time.Time
	stopLSN    lsn.LSN
	stopBefore bool
	stats      int
}

// ignoredRestoreOptions are accepted and change nothing here.
var ignoredRestoreOptions = map[string]bool{
	"RECOVERY": true, "RESTRICTED_USER": true, "NO_CHECKSUM": true, "STOP_ON_ERROR": true, "BUFFERCOUNT": true, "MAXTRANSFERSIZE": true,
	"BLOCKSIZE": true, "REWIND": true, "NOREWIND": true, "UNLOAD": true, "NOUNLOAD": true, "KEEP_REPLICATION": true, "KEEP_CDC": true,
	"ENABLE_BROKER": true, "NEW_BROKER": true, "ERROR_BROKER_CONVERSATIONS": true, "RESTART": true, "LOADHISTORY": true, "MEDIANAME": true,
}

// readRestore reads the options of RESTORE. Errors: 3031, 3032, 3217, 241.
func readRestore(s *ast.Restore) (*restoreSpec, error) {
	r := &restoreSpec{kind: s.Kind, verb: "RESTORE " + s.Kind, database: s.Database.Name, position: 1, stats: 10, moves: map[string]string{}}
	switch {
	case len(s.Files) > 0:
		return nil, unsupported("RESTORE of files, filegroups and pages", "restore the whole database")
	case s.Snapshot != nil:
		return nil, unsupported("RESTORE … FROM DATABASE_SNAPSHOT", "restore from a backup")
	case s.Kind == "REWINDONLY":
		return nil, sqlerr.New(3216)
	}
	var err error
	if r.devices, err = deviceNames(s.From); err != nil {
		return nil, err
	}
	recovery := false
	for _, o := range s.Options {
		recovery = recovery || o.Name == "RECOVERY"
		if err := r.option(o); err != nil {
			return nil, err
		}
	}
	switch {
	case recovery && r.norecovery:
		return nil, sqlerr.New(3031, "RECOVERY", "NORECOVERY")
	case r.standby != "" && (recovery || r.norecovery):
		return nil, sqlerr.New(3031, "STANDBY", "RECOVERY, NORECOVERY")
	}
	return r, nil
}

func (r *restoreSpec) option(o ast.Option) (err error) {
	switch o.Name {
	case "NORECOVERY":
		r.norecovery = true
	case "STANDBY":
		r.standby, _ = text(o.Value)
	case "REPLACE":
		r.replace = true
	case "CHECKSUM":
		r.checksum = true
	case "FILE":
		t, _ := text(o.Value)
		if r.position, err = strconv.Atoi(t); err != nil || r.position < 1 {
			return sqlerr.New(3217, "FILE")
		}
	case "MOVE":
		from, ok1 := text(o.Value)
		to, ok2 := text(o.To)
		if !ok1 || !ok2 {
			return sqlerr.New(3217, "MOVE")
		}
		r.moves[strings.ToLower(from)] = to
	case "STATS":
		return readStats(o, &r.stats)
	case "STOPAT":
		t, _ := text(o.Value)
		r.stopAt, err = parseDate(t)
		return err
	case "STOPATMARK", "STOPBEFOREMARK":
		return r.mark(o)
	case "PARTIAL":
		return unsupported("RESTORE … WITH PARTIAL", "restore the whole database")
	case "CONTINUE_AFTER_ERROR":
		return unsupported("RESTORE … WITH CONTINUE_AFTER_ERROR", "read the tables of a damaged backup with \"linkspan backup export\"")
	default:
		if !ignoredRestoreOptions[o.Name] {
			return sqlerr.New(3032, strings.ToLower(o.Name))
		}
	}
	return nil
}

// mark reads 'lsn:…' in decimal or hexadecimal; names of marked transactions are not kept here: 4334.
func (r *restoreSpec) mark(o ast.Option) error {
	t, _ := text(o.Value)
	spelled, ok := strings.CutPrefix(strings.ToLower(t), "lsn:")
	if !ok {
		return sqlerr.New(4334)
	}
	at, err := lsn.Parse(strings.TrimPrefix(spelled, "0x"))
	if err != nil {
		return sqlerr.New(4334).WithCause(err)
	}
	r.stopLSN, r.stopBefore = at, o.Name == "STOPBEFOREMARK"
	return nil
}

// stops reports whether the restore is to stop somewhere.
func (r *restoreSpec) stops() bool { return !r.stopAt.IsZero() || !r.stopLSN.IsZero() }
