package instance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/instance"
)

// withFolder are options whose backups go to a folder of the test.
func withFolder(t testing.TB) (instance.Options, string) {
	o := options()
	folder := filepath.Join(t.TempDir(), "backup")
	o.BackupFolders = []string{folder}
	return o, folder
}

func TestChainRestoredOnAnotherInstance(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	a := logIn(t, open(t, o))
	o2, _ := withFolder(t)
	o2.Name, o2.BackupFolders = "sqlserver2", []string{folder}
	b := logIn(t, open(t, o2))
	must(t, a, "CREATE DATABASE db1")
	must(t, a, "USE db1; CREATE TABLE t(a int IDENTITY PRIMARY KEY, b nvarchar(50) DEFAULT 'x'); INSERT INTO t(b) VALUES ('full')")
	must(t, a, "BACKUP DATABASE db1 TO DISK = 'f1.bak', DISK = 'f2.bak' WITH FORMAT, CHECKSUM, NAME = 'nightly', STATS = 25")
	must(t, a, "INSERT INTO t(b) VALUES ('log 1')")
	must(t, a, "BACKUP LOG db1 TO DISK = 'l.trn'")
	must(t, a, "INSERT INTO t(b) VALUES ('diff')")
	must(t, a, "BACKUP DATABASE db1 TO DISK = 'd.bak' WITH DIFFERENTIAL")
	must(t, a, "INSERT INTO t(b) VALUES ('log 2')")
	must(t, a, "BACKUP LOG db1 TO DISK = 'l.trn'")
	must(t, a, "INSERT INTO t(b) VALUES ('tail')")
	if got := query(t, a, "BACKUP LOG db1 TO DISK = 'tail.trn' WITH NORECOVERY"); !strings.Contains(got, "Msg 3102") {
		t.Errorf("the tail of a database in use gave %s", got)
	}
	must(t, a, "USE master; BACKUP LOG db1 TO DISK = 'tail.trn' WITH NORECOVERY")
	if got := must(t, a, "SELECT state_desc FROM sys.databases WHERE name = 'db1'"); !strings.Contains(got, "RESTORING") {
		t.Errorf("after its tail-log backup the database is %s", got)
	}
	refused(t, b, 3132, "RESTORE DATABASE db1 FROM DISK = 'f1.bak'")
	must(t, b, "RESTORE DATABASE db1 FROM DISK = 'f2.bak', DISK = 'f1.bak' WITH NORECOVERY, MOVE 'db1' TO 'x.mdf'")
	refused(t, b, 927, "USE db1")
	refused(t, b, 4305, "RESTORE LOG db1 FROM DISK = 'tail.trn' WITH NORECOVERY")
	must(t, b, "RESTORE LOG db1 FROM DISK = 'l.trn' WITH FILE = 1, STANDBY = 'undo'")
	if got := must(t, b, "SELECT b FROM db1.dbo.t"); got != "b\n  full\n  log 1\n" {
		t.Errorf("in standby: %s", got)
	}
	refused(t, b, 3906, "INSERT INTO db1.dbo.t(b) VALUES ('no')")
	if got := must(t, b, "ALTER DATABASE db1 SET SINGLE_USER; SELECT is_in_standby, user_access_desc FROM sys.databases WHERE name = 'db1'; ALTER DATABASE db1 SET MULTI_USER"); !strings.Contains(got, "1 | SINGLE_USER") {
		t.Errorf("in standby the database is shown as %s", got)
	}
	must(t, b, "RESTORE DATABASE db1 FROM DISK = 'd.bak' WITH NORECOVERY")
	must(t, b, "RESTORE LOG db1 FROM DISK = 'l.trn' WITH FILE = 2, NORECOVERY")
	must(t, b, "RESTORE LOG db1 FROM DISK = 'tail.trn' WITH RECOVERY")
	if got := must(t, b, "SELECT b FROM db1.dbo.t ORDER BY a"); got != "b\n  full\n  log 1\n  diff\n  log 2\n  tail\n" {
		t.Errorf("restored: %s", got)
	}
	must(t, b, "INSERT INTO db1.dbo.t DEFAULT VALUES")
	if got := must(t, b, "SELECT MAX(a) FROM db1.dbo.t"); !strings.Contains(got, "6") {
		t.Errorf("the next identity: %s", got)
	}
	refused(t, b, 3117, "RESTORE LOG db1 FROM DISK = 'tail.trn'")
	must(t, a, "RESTORE DATABASE db1 WITH RECOVERY")
	if got := must(t, a, "SELECT COUNT(*) FROM db1.dbo.t"); !strings.Contains(got, "5") {
		t.Errorf("the source recovered: %s", got)
	}
}

func TestRestoreOverItself(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE db1")
	must(t, s, "CREATE DATABASE other")
	must(t, s, "CREATE TABLE db1.dbo.t(a int); INSERT INTO db1.dbo.t VALUES (1)")
	must(t, s, "BACKUP DATABASE db1 TO DISK = 'a.bak'")
	must(t, s, "BACKUP LOG db1 TO DISK = 'log.trn'")
	must(t, s, "INSERT INTO db1.dbo.t VALUES (2)")
	refused(t, s, 3159, "RESTORE DATABASE db1 FROM DISK = 'a.bak'")
	refused(t, s, 3154, "RESTORE DATABASE other FROM DISK = 'a.bak'")
	refused(t, s, 3234, "RESTORE DATABASE new FROM DISK = 'a.bak' WITH MOVE 'nope' TO 'x'")
	refused(t, s, 3118, "RESTORE LOG nowhere FROM DISK = 'log.trn'")
	if got := must(t, s, "SELECT COUNT(*) FROM db1.dbo.t"); !strings.Contains(got, "2") {
		t.Errorf("refused restores changed the database: %s", got)
	}
	must(t, s, "RESTORE DATABASE db1 FROM DISK = 'a.bak' WITH REPLACE")
	if got := must(t, s, "SELECT COUNT(*) FROM db1.dbo.t"); !strings.Contains(got, "1") {
		t.Errorf("replaced: %s", got)
	}
	must(t, s, "RESTORE DATABASE copy FROM DISK = 'a.bak'")
	must(t, s, "INSERT INTO copy.dbo.t VALUES (7); INSERT INTO db1.dbo.t VALUES (8)")
	must(t, s, "RESTORE DATABASE other FROM DISK = 'a.bak' WITH REPLACE, NORECOVERY")
	if err := os.WriteFile(filepath.Join(folder, "not.bak"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s, 3242, "BACKUP DATABASE db1 TO DISK = 'not.bak' WITH FORMAT")
	if b, err := os.ReadFile(filepath.Join(folder, "not.bak")); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	refused(t, s, 3241, "RESTORE HEADERONLY FROM DISK = 'not.bak'")
	_ = s.Close()
	shut(t, in)
	s = logIn(t, open(t, o))
	must(t, s, "RESTORE DATABASE other WITH RECOVERY")
	if got := must(t, s, "SELECT a FROM other.dbo.t; SELECT a FROM copy.dbo.t"); got != "a\n  1\na\n  1\n  7\n" {
		t.Errorf("after a restart: %s", got)
	}
}
