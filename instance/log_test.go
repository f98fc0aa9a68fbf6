package instance_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/sqlapi"
)

// fill writes about so many MB of log into db1.dbo.t, row by row, and ends at the first error.
func fill(t *testing.T, s sqlapi.Session, mb int) string {
	t.Helper()
	return query(t, s, fmt.Sprintf(`SET NOCOUNT ON; DECLARE @i int = 0; WHILE @i < %d BEGIN INSERT db1.dbo.t(b) VALUES(REPLICATE(CAST(NEWID() AS char(36)), 200)); SET @i += 1 END`, mb*130))
}

func wait(t *testing.T, s sqlapi.Session) string {
	t.Helper()
	got := must(t, s, "SELECT log_reuse_wait_desc FROM sys.databases WHERE name = 'db1'")
	return strings.TrimSpace(strings.TrimPrefix(got, "log_reuse_wait_desc\n"))
}

// TestFailedSyncIsSuspect fails one sync of a database's log: what was acknowledged stays, the database is SUSPECT with
// the reason, nothing is tried again by itself, and SET ONLINE reads the files anew.
func TestFailedSyncIsSuspect(t *testing.T) {
	t.Parallel()
	o := options()
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE good; CREATE DATABASE db1; CREATE TABLE db1.dbo.t(a int); INSERT db1.dbo.t VALUES(1)")
	dir := folderOf(t, o.FS, 6)
	var failing atomic.Bool
	failing.Store(true)
	o.FS.(*fsx.Mem).SetHook(func(op fsx.Op) error {
		if failing.Load() && op.Kind == fsx.OpSync && strings.HasPrefix(op.Name, dir+"/vlf-") {
			return syscall.EIO
		}
		return nil
	})
	refused(t, s, 9001, "INSERT db1.dbo.t VALUES(2)")
	failing.Store(false)
	s = logIn(t, in) // severity 21 ended the session
	for range 2 {    // the disk works again, and nothing is tried as if nothing had happened
		refused(t, s, 926, "INSERT db1.dbo.t VALUES(3)")
	}
	got := must(t, s, "SELECT state_desc FROM sys.databases WHERE name = 'db1'; SELECT reason FROM sys.dm_linkspan_databases WHERE database_name = 'db1'")
	if !strings.Contains(got, "SUSPECT") || !strings.Contains(got, "input/output error") || !strings.Contains(got, dir+"/vlf-") {
		t.Errorf("the views do not name it:\n%s", got)
	}
	eventually(t, "the error log names it", func() bool {
		got = must(t, s, "SELECT number, text FROM sys.dm_linkspan_errorlog")
		return strings.Contains(got, "  17053 | LogWriter: Operating system error input/output error") && strings.Contains(got, "  9001 | The log for database 'db1'") &&
			strings.Contains(got, "SET ONLINE")
	})
	must(t, s, "CREATE TABLE good.dbo.t(a int); INSERT good.dbo.t VALUES(1)")
	if got := refused(t, s, 40510, "ALTER DATABASE db1 SET EMERGENCY"); !strings.Contains(got, "SET ONLINE") {
		t.Errorf("EMERGENCY does not say what to do: %s", got)
	}
	must(t, s, "ALTER DATABASE db1 SET ONLINE")
	if got := must(t, s, "SELECT MIN(a) FROM db1.dbo.t; INSERT db1.dbo.t VALUES(4)"); !strings.Contains(got, "  1\n") {
		t.Errorf("after SET ONLINE: %s", got)
	}
}

// TestLogIsKeptUntilBackedUp follows log_reuse_wait_desc: before the first full backup, checkpoints cut the log; after it,
// log is kept until it is backed up; in SIMPLE checkpoints cut it again.
func TestLogIsKeptUntilBackedUp(t *testing.T) {
	t.Parallel()
	in := open(t, options())
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE db1; CREATE TABLE db1.dbo.t(a int IDENTITY PRIMARY KEY, b varchar(8000))")
	segments := func() string {
		return must(t, s, "USE db1; CHECKPOINT; SELECT COUNT(*) FROM sys.dm_db_log_info(DB_ID()); USE master")
	}
	fill(t, s, 12)
	if got := segments(); wait(t, s) != "NOTHING" || !strings.Contains(got, "  1\n") {
		t.Errorf("before the first full backup: %s, %s", wait(t, s), got)
	}
	must(t, s, "BACKUP DATABASE db1 TO DISK = 'NUL'")
	fill(t, s, 12)
	if got := segments(); wait(t, s) != "LOG_BACKUP" || strings.Contains(got, "  1\n") {
		t.Errorf("after the full backup: %s, %s", wait(t, s), got)
	}
	if got := must(t, s, "SELECT log_truncation_holdup_reason, recovery_model FROM sys.dm_db_log_stats(DB_ID('db1'))"); !strings.Contains(got, "  LOG_BACKUP | FULL\n") {
		t.Errorf("dm_db_log_stats: %s", got)
	}
	must(t, s, "BACKUP LOG db1 TO DISK = 'NUL'")
	if got := segments(); wait(t, s) != "NOTHING" || !strings.Contains(got, "  1\n") {
		t.Errorf("after the log backup: %s, %s", wait(t, s), got)
	}
	fill(t, s, 12)
	must(t, s, "ALTER DATABASE db1 SET RECOVERY SIMPLE")
	if got := segments(); wait(t, s) != "NOTHING" || !strings.Contains(got, "  1\n") {
		t.Errorf("in SIMPLE: %s, %s", wait(t, s), got)
	}
}

// TestLogIsFull bounds the log: 9002 names what keeps it, and commits go on when that is done.
func TestLogIsFull(t *testing.T) {
	t.Parallel()
	in := open(t, options())
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE db1; CREATE TABLE db1.dbo.t(a int IDENTITY PRIMARY KEY, b varchar(8000))")
	refused(t, s, 5041, "ALTER DATABASE db1 MODIFY FILE (NAME = nothing, MAXSIZE = 8 MB)")
	refused(t, s, 40510, "ALTER DATABASE db1 MODIFY FILE (NAME = db1_log, SIZE = 8 MB)")
	refused(t, s, 5040, "ALTER DATABASE db1 MODIFY FILE (NAME = db1_log, MAXSIZE = 64 KB)")
	must(t, s, "ALTER DATABASE db1 MODIFY FILE (NAME = db1_log, MAXSIZE = 8MB)")
	if got := must(t, s, "SELECT type_desc, max_size FROM db1.sys.database_files"); !strings.Contains(got, "  LOG | 1024\n") {
		t.Errorf("max_size: %s", got)
	}
	if got := fill(t, s, 24); strings.Contains(got, "Msg ") {
		t.Errorf("checkpoints cut the log: %s", got)
	}
	must(t, s, "BACKUP DATABASE db1 TO DISK = 'NUL'")
	full := fill(t, s, 24)
	if !strings.Contains(full, "Msg 9002, Level 17") || !strings.Contains(full, "'db1' is full due to 'LOG_BACKUP'") {
		t.Fatalf("a log that is kept for a backup: %s", full)
	}
	rows := must(t, s, "SELECT COUNT(*) FROM db1.dbo.t")
	if got := must(t, s, "DBCC SQLPERF(LOGSPACE)"); !strings.Contains(got, "  db1 | ") || !strings.Contains(got, "message 2528") {
		t.Errorf("DBCC SQLPERF: %s", got)
	}
	if got := must(t, s, "USE db1; SELECT CASE WHEN used_log_space_in_percent > 70 THEN 'full' END FROM sys.dm_db_log_space_usage; USE master"); !strings.Contains(got, "  full\n") {
		t.Errorf("dm_db_log_space_usage: %s", got)
	}
	if got := must(t, s, "SELECT COUNT(*) FROM sys.dm_linkspan_errorlog WHERE number = 9002"); !strings.Contains(got, "  1\n") {
		t.Errorf("9002 in the error log: %s", got)
	}
	must(t, s, "BACKUP LOG db1 TO DISK = 'NUL'")
	must(t, s, "INSERT db1.dbo.t(b) VALUES('again')")
	if got := must(t, s, "SELECT COUNT(*) - 1 FROM db1.dbo.t"); !strings.HasSuffix(rows, strings.TrimPrefix(got, "\n")) {
		t.Errorf("%s rows, then %s", rows, got)
	}
	must(t, s, "ALTER DATABASE db1 SET RECOVERY SIMPLE")
	got := query(t, s, "DELETE db1.dbo.t; INSERT db1.dbo.t(b) SELECT REPLICATE(CAST(NEWID() AS char(36)), 200) FROM GENERATE_SERIES(1, 2000)")
	if !strings.Contains(got, "'db1' is full due to 'ACTIVE_TRANSACTION'") {
		t.Errorf("a transaction larger than the log: %s", got)
	}
	must(t, s, "ALTER DATABASE db1 MODIFY FILE (NAME = db1_log, MAXSIZE = UNLIMITED); INSERT db1.dbo.t(b) SELECT REPLICATE(CAST(NEWID() AS char(36)), 200) FROM GENERATE_SERIES(1, 2000)")
	if got := must(t, s, "DBCC LOGINFO(db1)"); !strings.Contains(got, "RecoveryUnitId | FileId | FileSize") {
		t.Errorf("DBCC LOGINFO: %s", got)
	}
}

// TestReadError fails the reading of a page: 823, or 824 for a wrong checksum, with the database's number.
func TestReadError(t *testing.T) {
	t.Parallel()
	o := options()
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE db1; CREATE TABLE db1.dbo.t(a int, b char(2000)); INSERT db1.dbo.t VALUES(1, REPLICATE('x', 2000)); USE db1; CHECKPOINT")
	shut(t, in)
	dir := folderOf(t, o.FS, 5)
	flip(t, o.FS, dir+"/pages.data", "xxxxxxxxxxxxxxxx")
	in = open(t, o)
	s = logIn(t, in)
	if got := refused(t, s, 824, "SELECT * FROM db1.dbo.t"); !strings.Contains(got, "database ID 5 at offset") || !strings.Contains(got, dir+"/pages.data") {
		t.Errorf("824: %s", got)
	}
	s = logIn(t, in)
	eventually(t, "msdb.dbo.suspect_pages names the page", func() bool {
		return strings.Contains(must(t, s, "SELECT database_id, file_id, event_type, error_count FROM msdb.dbo.suspect_pages"), "  5 | 1 | 2 | 1\n")
	})
	eventually(t, "the error log says that it could not be repaired", func() bool {
		return strings.Contains(query(t, s, "SELECT text FROM sys.dm_linkspan_errorlog WHERE number = 58024"), "of database 'db1' could not be repaired")
	})
	broken := errors.New("the platter is scratched")
	o.FS.(*fsx.Mem).SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpRead && op.Name == dir+"/pages.data" {
			return broken
		}
		return nil
	})
	if got := refused(t, s, 823, "SELECT * FROM db1.dbo.t"); !strings.Contains(got, broken.Error()) || !strings.Contains(got, dir+"/pages.data") {
		t.Errorf("823: %s", got)
	}
	o.FS.(*fsx.Mem).SetHook(nil)
}
