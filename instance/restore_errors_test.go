package instance_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Every refusal of BACKUP and RESTORE has its number, and leaves the databases as they were.
func TestRefusalsOfBackupAndRestore(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	s := logIn(t, open(t, o))
	must(t, s, "CREATE DATABASE d; CREATE DATABASE simple; CREATE DATABASE fresh")
	must(t, s, "ALTER DATABASE simple SET RECOVERY SIMPLE")
	must(t, s, "CREATE TABLE d.dbo.t(a int); INSERT d.dbo.t VALUES (1)")
	must(t, s, "BACKUP DATABASE d TO DISK = 'one.bak' WITH NO_CHECKSUM; BACKUP DATABASE d TO DISK = 's1.bak', DISK = 's2.bak'; BACKUP DATABASE d TO DISK = 'z.bak' WITH COMPRESSION")
	must(t, s, "BACKUP LOG d TO DISK = 'l1.trn'; INSERT d.dbo.t VALUES (2)")
	must(t, s, "BACKUP LOG d TO DISK = 'l2.trn'; INSERT d.dbo.t VALUES (3)")
	must(t, s, "BACKUP LOG d TO DISK = 'l3.trn'; BACKUP DATABASE d TO DISK = 'diff.bak' WITH DIFFERENTIAL")
	must(t, s, "RESTORE DATABASE r FROM DISK = 'one.bak' WITH NORECOVERY; RESTORE LOG r FROM DISK = 'l1.trn' WITH NORECOVERY; RESTORE LOG r FROM DISK = 'l2.trn' WITH NORECOVERY")
	must(t, s, "RESTORE DATABASE fork FROM DISK = 's1.bak', DISK = 's2.bak'; INSERT fork.dbo.t VALUES (9); INSERT d.dbo.t VALUES (4)")
	must(t, s, "BACKUP LOG fork TO DISK = 'fork.trn'; BACKUP LOG d TO DISK = 'l4.trn'")
	must(t, s, "RESTORE DATABASE other FROM DISK = 's1.bak', DISK = 's2.bak' WITH NORECOVERY; RESTORE LOG other FROM DISK = 'fork.trn' WITH NORECOVERY")
	whole, err := os.ReadFile(filepath.Join(folder, "one.bak"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	damaged[len(damaged)/2] ^= 1
	for name, b := range map[string][]byte{"cut.bak": whole[:len(whole)/2], "damaged.bak": damaged, "empty.bak": {}, "text.bak": []byte("hello, this is not a backup")} {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		number int
		text   string
	}{
		{4208, "BACKUP LOG simple TO DISK = 'x.trn'"},
		{4214, "BACKUP LOG fresh TO DISK = 'x.trn'"},
		{3035, "BACKUP DATABASE fresh TO DISK = 'x.bak' WITH DIFFERENTIAL"},
		{3013, "BACKUP DATABASE fresh TO DISK = 'x.bak' WITH DIFFERENTIAL"},
		{3024, "BACKUP DATABASE master TO DISK = 'x.bak' WITH DIFFERENTIAL"},
		{3147, "BACKUP DATABASE tempdb TO DISK = 'x.bak'"},
		{3201, "BACKUP DATABASE d TO DISK = '/etc/x.bak'"},
		{3031, "BACKUP DATABASE d TO DISK = 'x.bak' WITH DIFFERENTIAL, COPY_ONLY"},
		{3032, "BACKUP DATABASE d TO DISK = 'x.bak' WITH NORECOVERY"},
		{3218, "BACKUP DATABASE d TO DISK = 'x.bak' MIRROR TO DISK = 'y.bak'"},
		{3231, "BACKUP DATABASE d TO DISK = 's1.bak'"},
		{3242, "BACKUP DATABASE d TO DISK = 'text.bak' WITH INIT"},
		{3242, "BACKUP DATABASE d TO DISK = 'text.bak' WITH FORMAT"},
		{3266, "BACKUP DATABASE d TO DISK = 'cut.bak'"},
		{3098, "BACKUP DATABASE d TO DISK = 'z.bak'"},
		{3258, "BACKUP DATABASE d TO DISK = 's1.bak', DISK = 'one.bak' WITH INIT"},
		{3201, "RESTORE DATABASE x FROM DISK = 'nowhere.bak'"},
		{3241, "RESTORE DATABASE x FROM DISK = 'text.bak'"},
		{3241, "RESTORE DATABASE x FROM DISK = 'one.bak' WITH FILE = 2"},
		{3254, "RESTORE HEADERONLY FROM DISK = 'empty.bak'"},
		{3256, "RESTORE DATABASE x FROM DISK = 'cut.bak'"},
		{3189, "RESTORE VERIFYONLY FROM DISK = 'damaged.bak'"},
		{3189, "RESTORE DATABASE x FROM DISK = 'damaged.bak'"},
		{3132, "RESTORE DATABASE x FROM DISK = 's2.bak'"},
		{3258, "RESTORE DATABASE x FROM DISK = 's1.bak', DISK = 'one.bak'"},
		{3187, "RESTORE DATABASE x FROM DISK = 'one.bak' WITH CHECKSUM"},
		{3234, "RESTORE DATABASE x FROM DISK = 'one.bak' WITH MOVE 'nope' TO 'x'"},
		{3108, "RESTORE DATABASE master FROM DISK = 'one.bak' WITH REPLACE"},
		{3147, "RESTORE DATABASE tempdb FROM DISK = 'one.bak' WITH REPLACE"},
		{3154, "RESTORE DATABASE fresh FROM DISK = 'one.bak'"},
		{3159, "INSERT d.dbo.t VALUES (5); RESTORE DATABASE d FROM DISK = 'one.bak'"},
		{3102, "USE d; RESTORE DATABASE d FROM DISK = 'one.bak' WITH REPLACE"},
		{3118, "USE master; RESTORE LOG nowhere FROM DISK = 'l1.trn'"},
		{3117, "RESTORE LOG d FROM DISK = 'l1.trn'"},
		{3117, "RESTORE DATABASE d FROM DISK = 'diff.bak'"},
		{3135, "RESTORE LOG r FROM DISK = 'one.bak'"},
		{3136, "RESTORE DATABASE r FROM DISK = 'diff.bak'"}, // it builds on a later full
		{4326, "RESTORE LOG r FROM DISK = 'l1.trn' WITH NORECOVERY"},
		{4305, "RESTORE LOG r FROM DISK = 'l4.trn' WITH NORECOVERY"},
		{4330, "RESTORE LOG other FROM DISK = 'l4.trn' WITH NORECOVERY"},
		{4334, "RESTORE LOG r FROM DISK = 'l3.trn' WITH STOPATMARK = 'payday'"},
		{4335, "RESTORE LOG r FROM DISK = 'l3.trn' WITH STOPAT = '2001-01-01'"},
		{3153, "RESTORE DATABASE d WITH RECOVERY"},
		{3031, "RESTORE DATABASE x FROM DISK = 'one.bak' WITH RECOVERY, NORECOVERY"},
		{3217, "RESTORE DATABASE x FROM DISK = 'one.bak' WITH STATS = 0"},
		{40510, "RESTORE DATABASE x FROM DISK = 'one.bak' WITH PARTIAL"},
		{3021, "BEGIN TRANSACTION; RESTORE DATABASE x FROM DISK = 'one.bak'"},
	} {
		refused(t, s, c.number, c.text)
	}
	must(t, s, "IF @@TRANCOUNT > 0 ROLLBACK; IF DB_ID('x') IS NOT NULL RAISERROR('a refused restore made a database', 16, 1)")
	must(t, s, "RESTORE LOG r FROM DISK = 'l3.trn'")
	if got := must(t, s, "SELECT MAX(a) AS a FROM r.dbo.t; SELECT MAX(a) AS a FROM d.dbo.t"); got != "a\n  3\na\n  5\n" {
		t.Errorf("after all refusals: %s", got)
	}
}

// What a managed instance does not do is refused by its numbers.
func TestManagedInstanceBackups(t *testing.T) {
	t.Parallel()
	o := managed()
	o.BackupFolders = []string{t.TempDir()}
	s := logIn(t, open(t, o))
	must(t, s, "CREATE DATABASE d")
	refused(t, s, 41904, "BACKUP DATABASE d TO DISK = 'x.bak'")
	refused(t, s, 41904, "BACKUP LOG d TO DISK = 'x.trn'")
	refused(t, s, 41901, "RESTORE DATABASE x FROM DISK = 'x.bak'")
	refused(t, s, 41901, "RESTORE LOG x FROM URL = 'https://a.blob.core.windows.net/c/x.trn'")
	must(t, s, "BACKUP DATABASE d TO DISK = 'x.bak' WITH COPY_ONLY")
}

// A credential's secret is in no view and no message, and is not lost with a restart.
func TestCredentials(t *testing.T) {
	t.Parallel()
	o, _ := withFolder(t)
	in := open(t, o)
	s := logIn(t, in)
	const name = "[https://account.blob.core.windows.net/backups]"
	must(t, s, "CREATE CREDENTIAL "+name+" WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = 'sv=1&sig=hidden'")
	refused(t, s, 15530, "CREATE CREDENTIAL "+name+" WITH IDENTITY = 'SHARED ACCESS SIGNATURE'")
	_ = s.Close()
	shut(t, in)
	s = logIn(t, open(t, o))
	if got := must(t, s, "SELECT name, credential_identity FROM sys.credentials"); got != "name | credential_identity\n  https://account.blob.core.windows.net/backups | SHARED ACCESS SIGNATURE\n" {
		t.Errorf("sys.credentials: %s", got)
	}
	must(t, s, "ALTER CREDENTIAL "+name+" WITH IDENTITY = 'SHARED ACCESS SIGNATURE', SECRET = '?sv=2'")
	must(t, s, "DROP CREDENTIAL "+name)
	refused(t, s, 15151, "DROP CREDENTIAL "+name)
	refused(t, s, 3201, "USE master; BACKUP DATABASE master TO URL = 'https://account.blob.core.windows.net/backups/x.bak'")
}
