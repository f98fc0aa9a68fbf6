package servers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"linkspan/sqlclient"
)

// Database is what a server says of one database.
type Database struct {
	Name string
	ID   int
	// System: master, tempdb, model, msdb. Distributor: replication's database. Published: replication reads from it.
	System, Distributor, Published bool
	// SnapshotOf is the id of the database it is a snapshot of, 0 when it is none.
	SnapshotOf int
	// State is sys.databases.state_desc, Access user_access_desc, Recovery recovery_model_desc.
	State, Access, Recovery string
	ReadOnly, Standby       bool
	Collation               string
	CompatibilityLevel      int
	// Chained: a full backup was taken since it has its recovery model, so that log backups can follow.
	Chained bool
	// SizeBytes is the size of its data files.
	SizeBytes           int64
	DataFiles, LogFiles int
	// FileStream: it has FILESTREAM or FileTable data. InMemory: it has a filegroup for memory-optimised data. BadFiles are its
	// files that are not online, with their state.
	FileStream, InMemory bool
	BadFiles             []string
	// Group is its availability group, "" when it is in none.
	Group    string
	Mirrored bool
	// Encrypted: TDE, under a key that is protected by what has Thumbprint (0x…); Encryptor is CERTIFICATE, ASYMMETRIC KEY or
	// "" where the version does not say.
	Encrypted             bool
	Thumbprint, Encryptor string
	// Full and Log are its last backups that are not COPY_ONLY, nil when msdb knows none.
	Full, Log *Backup

	mixed bool // it has files of FILESTREAM or of memory-optimised data, which was not asked yet
}

// Backup is the last backup of a kind, as msdb tells.
type Backup struct {
	// Age is how long ago it was finished, to the minute. Checksum: it was taken WITH CHECKSUM.
	Age      time.Duration
	Checksum bool
}

// facts are what one pass over a server found.
type facts struct {
	name, version, collation, login string
	major, engine                   int
	sysadmin, continuous            bool
	databases                       []*Database
	byID                            map[int]*Database
	byName                          map[string]*Database // as spelled, and in lower case with a zero behind
	certificates                    map[string]string    // thumbprint → name, in master
}

// managedInstance is SERVERPROPERTY('EngineEdition') of a managed instance.
const managedInstance = 8

func (f *facts) managed() bool { return f.engine == managedInstance }

// find finds a database by name: as it is spelled, or else without regard to case.
func (f *facts) find(name string) *Database {
	if d := f.byName[name]; d != nil {
		return d
	}
	return f.byName[strings.ToLower(name)+"\x00"]
}

// question is one statement of the pass, and what its rows mean.
type question struct {
	text string
	// needed: without its answer there is nothing to say. The others count as empty where the view is not there.
	needed bool
	take   func(f *facts, r row)
}

// pass is everything that is asked, in this order.
var pass = []question{
	{`SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(256)) AS name, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
	CAST(SERVERPROPERTY('EngineEdition') AS nvarchar(20)) AS engine,
	CAST(SERVERPROPERTY('Collation') AS nvarchar(128)) AS collation, CAST(SERVERPROPERTY('ProductUpdateType') AS nvarchar(128)) AS updates,
	SUSER_SNAME() AS login, IS_SRVROLEMEMBER('sysadmin') AS sysadmin`, true, takeServer},
	{`SELECT database_id, name, source_database_id, state_desc, user_access_desc, is_read_only, is_in_standby, recovery_model_desc, collation_name,
	compatibility_level, is_published FROM sys.databases ORDER BY database_id`, true, takeDatabase},
	{`SELECT database_id FROM sys.databases WHERE is_encrypted = 1`, false, each(func(d *Database, _ row) { d.Encrypted = true })},
	{`SELECT database_id FROM sys.databases WHERE is_distributor = 1`, false, each(func(d *Database, _ row) { d.Distributor = true })},
	{`SELECT database_id, type, name, state, state_desc, CAST(size AS bigint) AS size FROM sys.master_files`, false, each(takeFile)},
	{`SELECT database_id FROM sys.database_recovery_status WHERE last_log_backup_lsn IS NOT NULL`, false, each(func(d *Database, _ row) { d.Chained = true })},
	{`SELECT database_id FROM sys.database_mirroring WHERE mirroring_guid IS NOT NULL`, false, each(func(d *Database, _ row) { d.Mirrored = true })},
	{`SELECT d.database_id, g.name FROM sys.databases d JOIN sys.availability_replicas r ON r.replica_id = d.replica_id
	JOIN sys.availability_groups g ON g.group_id = r.group_id`, false, each(func(d *Database, r row) { d.Group = r.text("name") })},
	{`SELECT database_id, encryptor_thumbprint FROM sys.dm_database_encryption_keys WHERE encryption_state IN (2, 3, 4, 6)`, false,
		each(func(d *Database, r row) {
			d.Encrypted, d.Thumbprint = true, sqlclient.Binary(r.bytes("encryptor_thumbprint"))
		})},
	{`SELECT database_id, encryptor_type FROM sys.dm_database_encryption_keys`, false, each(func(d *Database, r row) { d.Encryptor = r.text("encryptor_type") })},
	{`SELECT name, thumbprint FROM master.sys.certificates`, false, func(f *facts, r row) {
		f.certificates[sqlclient.Binary(r.bytes("thumbprint"))] = r.text("name")
	}},
	{`SELECT b.database_name, b.type, b.has_backup_checksums, DATEDIFF(minute, b.backup_finish_date, GETDATE()) AS minutes
	FROM msdb.dbo.backupset b JOIN (SELECT database_name, type, MAX(backup_set_id) AS newest FROM msdb.dbo.backupset
		WHERE is_copy_only = 0 AND type IN ('D', 'L') AND server_name IN (@@SERVERNAME, CAST(SERVERPROPERTY('ServerName') AS nvarchar(256)))
		GROUP BY database_name, type) m ON m.newest = b.backup_set_id`, false, takeBackup},
}

// each finds the database that a row is about.
func each(take func(*Database, row)) func(*facts, row) {
	return func(f *facts, r row) {
		if d := f.byID[int(r.number("database_id"))]; d != nil {
			take(d, r)
		}
	}
}

func takeServer(f *facts, r row) {
	f.name, f.version, f.collation, f.login = r.text("name"), r.text("version"), r.text("collation"), r.text("login")
	first, _, _ := strings.Cut(f.version, ".")
	f.major, _ = strconv.Atoi(first) // a version of no known form is 0
	f.engine, f.sysadmin = int(r.number("engine")), r.yes("sysadmin")
	f.continuous = strings.EqualFold(r.text("updates"), "Continuous")
}

// lastSystemID is the highest id of master, tempdb, model and msdb.
const lastSystemID = 4

func takeDatabase(f *facts, r row) {
	d := &Database{ID: int(r.number("database_id")), Name: r.text("name"), SnapshotOf: int(r.number("source_database_id")), State: r.text("state_desc"),
		Access: r.text("user_access_desc"), ReadOnly: r.yes("is_read_only"), Standby: r.yes("is_in_standby"), Recovery: r.text("recovery_model_desc"),
		Collation: r.text("collation_name"), Published: r.yes("is_published"),
		CompatibilityLevel: int(r.number("compatibility_level"))}
	d.System = d.ID <= lastSystemID
	f.databases = append(f.databases, d)
	f.byID[d.ID], f.byName[d.Name], f.byName[strings.ToLower(d.Name)+"\x00"] = d, d, d
}

// The types of a file, and the states in which it is whole.
const (
	rowsFile, logFile, streamFile = 0, 1, 2
	fileOnline                    = 0
)

func takeFile(d *Database, r row) {
	switch r.number("type") {
	case rowsFile:
		d.DataFiles++
		d.SizeBytes += r.number("size") * 8192
	case logFile:
		d.LogFiles++
	case streamFile:
		d.mixed = true
	}
	if r.number("state") != fileOnline && d.State == stateOnline {
		d.BadFiles = append(d.BadFiles, r.text("name")+" is "+r.text("state_desc"))
	}
}

func takeBackup(f *facts, r row) {
	d := f.find(r.text("database_name"))
	if d == nil { // it is gone
		return
	}
	b := &Backup{Age: time.Duration(r.number("minutes")) * time.Minute, Checksum: r.yes("has_backup_checksums")}
	if r.text("type") == "D" {
		d.Full = b
	} else {
		d.Log = b
	}
}

// ask makes the pass. The number of statements does not depend on the number of databases, but for those that have
// FILESTREAM or In-Memory files.
func (s *Server) ask(ctx context.Context) (*facts, error) {
	f := &facts{byID: map[int]*Database{}, byName: map[string]*Database{}, certificates: map[string]string{}}
	for _, q := range pass {
		run := s.optional
		if q.needed {
			run = s.rows
		}
		found, err := run(ctx, q.text)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			q.take(f, r)
		}
	}
	return f, s.askStreams(ctx, f)
}

// streamsAtOnce bounds the databases that one statement looks into.
const streamsAtOnce = 50

// askStreams tells FILESTREAM from In-Memory containers, which only the catalog of each database knows. Where it cannot
// be read the files count as FILESTREAM.
func (s *Server) askStreams(ctx context.Context, f *facts) error {
	var selects []string
	flush := func() error {
		if len(selects) == 0 {
			return nil
		}
		found, err := s.optional(ctx, strings.Join(selects, "\nUNION ALL\n"))
		selects = nil
		for _, r := range found {
			d := f.byID[int(r.number("database_id"))]
			if d == nil {
				continue
			}
			d.mixed = false
			if r.text("type") == "FX" {
				d.InMemory = true
			} else {
				d.FileStream = true
			}
		}
		return err
	}
	for _, d := range f.databases {
		if !d.mixed || d.State != stateOnline {
			continue
		}
		selects = append(selects, fmt.Sprintf("SELECT %d AS database_id, type COLLATE Latin1_General_BIN AS type FROM %s.sys.filegroups WHERE type IN ('FD', 'FX')",
			d.ID, sqlclient.QuoteName(d.Name)))
		if len(selects) == streamsAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	err := flush()
	for _, d := range f.databases {
		d.FileStream = d.FileStream || d.mixed
	}
	return err
}

// Databases lists the databases of the server, in the order of their ids.
func (s *Server) Databases(ctx context.Context) ([]Database, error) {
	f, err := s.ask(ctx)
	if err != nil {
		return nil, s.trouble(ctx, "list the databases", err)
	}
	all := make([]Database, len(f.databases))
	for i, d := range f.databases {
		all[i] = *d
	}
	return all, nil
}
