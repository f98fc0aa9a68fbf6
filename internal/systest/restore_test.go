package systest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"linkspan/internal/harness"
)

// servers starts two SQL Servers that share a folder for backups.
func servers(t *testing.T, o pairOptions) *pair {
	t.Helper()
	o.before = func(p *pair) {
		p.write("source.yaml", fmt.Sprintf("name: sqlserver1\ndir: sqlserver1\nlisten: %s:1433\nca: ca\nbackups: [%s]\n", p.source.ip, p.backups(o)))
		p.write("target.yaml", fmt.Sprintf("name: sqlserver2\ndir: sqlserver2\nlisten: %s:1433\nca: ca\nbackups: [%s]\n", p.target.ip, p.backups(o)))
	}
	return startPair(t, o)
}

// backups is the folder for backups: on the source's disk, when that is a small one.
func (p *pair) backups(o pairOptions) string {
	if o.sourceDisk != 0 {
		return filepath.Join(p.dir, "sqlserver1", "backups")
	}
	return filepath.Join(p.dir, "backups")
}

// digest is a database's digest and the LSN it is of.
func (s *side) digest(database string) string {
	s.p.t.Helper()
	var at string
	var digest []byte
	err := s.open("master").QueryRowContext(s.p.t.Context(), "SELECT CONVERT(varchar(30), lsn), digest FROM sys.dm_linkspan_database_digest WHERE database_name = @p1", database).Scan(&at, &digest)
	if err != nil {
		s.p.t.Fatal(err)
	}
	return fmt.Sprintf("%x at %s", digest, at)
}

// A chain of full, differential, a log a second and the tail, taken under load, gives on another instance the same
// database with the last acknowledged row.
func TestBackupChainUnderLoad(t *testing.T) {
	t.Parallel()
	p := servers(t, pairOptions{})
	p.fill(8 << 20)
	writers := p.startLoad(2)
	writers.progress(50)
	p.source.exec("master", "BACKUP DATABASE busy TO DISK = 'full-1.bak', DISK = 'full-2.bak' WITH FORMAT, CHECKSUM")
	var logs []string
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for i := range 4 {
		<-every.C
		writers.progress(10) // so that every log has something in it
		logs = append(logs, fmt.Sprintf("log-%d.trn", i))
		p.source.exec("master", "BACKUP LOG busy TO DISK = '"+logs[i]+"' WITH CHECKSUM")
		if i == 1 {
			p.source.exec("master", "BACKUP DATABASE busy TO DISK = 'diff.bak' WITH DIFFERENTIAL, COMPRESSION")
		}
	}
	writers.progress(50)
	writers.stop()
	for i := range writers.dbs {
		_ = writers.dbs[i].Load().Close()
	}
	p.source.exec("master", "ALTER DATABASE busy SET SINGLE_USER WITH ROLLBACK IMMEDIATE", "BACKUP LOG busy TO DISK = 'tail.trn' WITH NORECOVERY, CHECKSUM")
	p.target.exec("master", "RESTORE VERIFYONLY FROM DISK = 'full-1.bak', DISK = 'full-2.bak'",
		"RESTORE DATABASE busy FROM DISK = 'full-1.bak', DISK = 'full-2.bak' WITH NORECOVERY",
		"RESTORE DATABASE busy FROM DISK = 'diff.bak' WITH NORECOVERY")
	for _, l := range append(logs[2:], "tail.trn") {
		p.target.exec("master", "RESTORE LOG busy FROM DISK = '"+l+"' WITH NORECOVERY")
	}
	p.target.exec("master", "RESTORE DATABASE busy WITH RECOVERY")
	p.source.exec("master", "RESTORE DATABASE busy WITH RECOVERY")
	if a, b := p.source.digest("busy"), p.target.digest("busy"); a != b {
		t.Errorf("the source is %s, what was restored %s", a, b)
	}
	p.target.holds(writers.acked)
}

// holds fails unless every row is there.
func (s *side) holds(rows map[int64]bool) {
	s.p.t.Helper()
	r, err := s.open(pairDatabase).QueryContext(s.p.t.Context(), "SELECT id FROM dbo.rows")
	if err != nil {
		s.p.t.Fatal(err)
	}
	defer r.Close()
	there := map[int64]bool{}
	for r.Next() {
		var id int64
		if err := r.Scan(&id); err != nil {
			s.p.t.Fatal(err)
		}
		there[id] = true
	}
	missing := 0
	for id := range rows {
		if !there[id] {
			missing++
		}
	}
	if err := r.Err(); err != nil || missing > 0 || len(rows) == 0 {
		s.p.t.Errorf("%d of %d acknowledged rows are missing, %v", missing, len(rows), err)
	}
}

// nightly is a backup script as DBAs have it: every user database, dynamic SQL, names with dates; CLIENT is who runs it.
const nightly = `
DECLARE @name sysname, @sql nvarchar(max), @stamp varchar(40), @kind char(1);
SET @stamp = 'CLIENT_' + CONVERT(varchar(8), GETDATE(), 112) + REPLACE(CONVERT(varchar(8), GETDATE(), 108), ':', '');
DECLARE dbs CURSOR LOCAL FAST_FORWARD FOR
	SELECT name FROM sys.databases WHERE database_id > 4 AND state_desc = 'ONLINE' AND source_database_id IS NULL ORDER BY name;
OPEN dbs;
FETCH NEXT FROM dbs INTO @name;
WHILE @@FETCH_STATUS = 0
BEGIN
	BEGIN TRY
		SET @sql = N'BACKUP DATABASE ' + QUOTENAME(@name) + N' TO DISK = N''' + @name + N'_' + @stamp + N'.bak'' WITH INIT, CHECKSUM, NAME = N''nightly ' + @name + N''', STATS = 50';
		EXEC sys.sp_executesql @sql;
		IF (SELECT recovery_model_desc FROM sys.databases WHERE name = @name) <> 'SIMPLE'
		BEGIN
			SET @sql = N'BACKUP LOG ' + QUOTENAME(@name) + N' TO DISK = N''' + @name + N'_' + @stamp + N'.trn'' WITH NOINIT, CHECKSUM';
			EXEC (@sql);
		END
	END TRY
	BEGIN CATCH
		PRINT 'failed: ' + ERROR_MESSAGE();
	END CATCH;
	FETCH NEXT FROM dbs INTO @name;
END
CLOSE dbs;
DEALLOCATE dbs;
GO
SELECT COUNT(*) AS sets FROM msdb.dbo.backupset s JOIN msdb.dbo.backupmediafamily f ON f.media_set_id = s.media_set_id
	WHERE s.has_backup_checksums = 1 AND s.type IN ('D', 'L') AND s.backup_finish_date >= s.backup_start_date AND f.physical_device_name LIKE '%[_][0-9]%';
GO
`

// A script that backs up every database by night runs from both clients, and what it wrote can be restored.
func TestNightlyBackups(t *testing.T) {
	t.Parallel()
	p := servers(t, pairOptions{})
	p.source.exec("master", "CREATE DATABASE [erp, \"north\"]", "CREATE DATABASE shop", "ALTER DATABASE shop SET RECOVERY SIMPLE", "CREATE TABLE shop.dbo.t(a int)", "INSERT shop.dbo.t VALUES (7)")
	for i, c := range []harness.Client{harness.GoClient{}, harness.TSQL{Dir: t.TempDir()}} {
		results, messages, err := c.Run(t.Context(), p.source.login, strings.ReplaceAll(nightly, "CLIENT", fmt.Sprint("client", i)))
		if err != nil || len(messages) > 0 || len(results) == 0 {
			t.Fatalf("%s: %v, messages %v", c.Name(), err, messages)
		}
		last := results[len(results)-1]
		if want := fmt.Sprint(3 * (i + 1)); len(last.Rows) != 1 || strings.TrimSpace(fmt.Sprint(last.Rows[0][0])) != want {
			t.Errorf("%s: the history shows %v backups, want %s; all results %v", c.Name(), last.Rows, want, results)
		}
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "backups", "shop_*.bak"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	p.target.exec("master", "RESTORE DATABASE shop FROM DISK = '"+filepath.Base(files[1])+"' WITH REPLACE")
	var a int
	if err := p.target.open("shop").QueryRowContext(t.Context(), "SELECT a FROM dbo.t").Scan(&a); err != nil || a != 7 {
		t.Errorf("restored row %d, %v", a, err)
	}
}

// SQL Server's own full and differential backup, restored through a client.
func TestRestoreOfSQLServersBackups(t *testing.T) {
	t.Parallel()
	from, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "backups", "simplerecovery"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(from); err != nil {
		t.Skip("no real backups beside the repository")
	}
	p := servers(t, pairOptions{})
	if err := os.CopyFS(filepath.Join(p.dir, "backups"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	p.source.exec("master", "RESTORE DATABASE steps FROM DISK = 'SimpleBacktest.bak' WITH NORECOVERY")
	p.source.restart()
	p.source.exec("master", "RESTORE DATABASE steps FROM DISK = 'SimpleBackTest_1.bak' WITH RECOVERY")
	var n int
	var first, last time.Time
	err = p.source.open("steps").QueryRowContext(t.Context(), "SELECT COUNT(*), MIN(dt), MAX(dt) FROM dbo.steps").Scan(&n, &first, &last)
	if err != nil || n != 10 || first.Format("15:04:05.000") != "10:30:32.707" || last.Format("15:04:05.000") != "10:35:02.730" {
		t.Errorf("%d rows from %v to %v, %v", n, first, last, err)
	}
}

// A server that is killed in the middle of a backup leaves no file that looks whole and keeps the old one; killed in the
// middle of a restore it leaves what was there, and the restore can be run again.
func TestKillsDuringBackupAndRestore(t *testing.T) {
	t.Parallel()
	p := servers(t, pairOptions{})
	p.fill(24 << 20)
	p.source.exec("master", "BACKUP DATABASE busy TO DISK = 'a.bak' WITH CHECKSUM", "CREATE DATABASE other", "CREATE TABLE other.dbo.t(a int)", "INSERT other.dbo.t VALUES (1)")
	file := filepath.Join(p.dir, "backups", "a.bak")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		p.killDuring(t, "BACKUP DATABASE busy TO DISK = 'a.bak' WITH FORMAT, CHECKSUM", time.Duration(rand.IntN(60))*time.Millisecond)
		now, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now, old) {
			p.source.exec("master", "RESTORE VERIFYONLY FROM DISK = 'a.bak'") // it was finished before the kill
			old = now
		}
		p.source.exec("master", fmt.Sprintf("BACKUP DATABASE busy TO DISK = 'again-%d.bak'", i))
	}
	for range 4 {
		p.killDuring(t, "RESTORE DATABASE other FROM DISK = 'a.bak' WITH REPLACE", time.Duration(rand.IntN(120))*time.Millisecond)
		var n int
		db := p.source.open("master")
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM other.sys.tables WHERE name IN ('t', 'blobs')").Scan(&n); err != nil || n != 1 {
			t.Errorf("after the kill the database has %d of the tables, %v: it is neither the old nor the new one", n, err)
		}
		_ = db.Close()
	}
	p.source.exec("master", "RESTORE DATABASE other FROM DISK = 'a.bak' WITH REPLACE", "DBCC CHECKDB(other)")
}

// killDuring runs a statement on the source and kills that after a while, then starts it again.
func (p *pair) killDuring(t *testing.T, statement string, after time.Duration) {
	t.Helper()
	db := p.source.open("master")
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = db.ExecContext(t.Context(), statement) // how it ends is the kill's
	}()
	select {
	case <-time.After(after):
	case <-done:
	}
	p.source.kill()
	<-done
	p.source.start()
}

// A backup to a full disk fails with 3202, keeps the old file and leaves no other.
func TestBackupToAFullDisk(t *testing.T) {
	t.Parallel()
	p := servers(t, pairOptions{sourceDisk: diskMiB})
	p.fill(16 << 20)
	p.source.exec("master", "BACKUP DATABASE busy TO DISK = 'a.bak'")
	if err := p.source.disk.Fill(); err != nil {
		t.Fatal(err)
	}
	db := p.source.open("master")
	_, err := db.ExecContext(t.Context(), "BACKUP DATABASE busy TO DISK = 'b.bak'")
	if err == nil || !strings.Contains(allMessages(err), "112(There is not enough space on the disk.)") {
		t.Errorf("a backup to a full disk ended with %v", err)
	}
	if err := p.source.disk.Empty(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(p.source.path(filepath.Join(p.dir, "sqlserver1", "backups")))
	if err != nil || len(left) != 1 || left[0].Name() != "a.bak" {
		t.Errorf("the folder holds %v, %v", left, err)
	}
	p.source.exec("master", "RESTORE VERIFYONLY FROM DISK = 'a.bak'", "BACKUP DATABASE busy TO DISK = 'b.bak'")
}

// allMessages are the texts of every error that a statement sent.
func allMessages(err error) string {
	var e mssql.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	var b strings.Builder
	for _, m := range e.All {
		fmt.Fprintf(&b, "%d: %s\n", m.Number, m.Message)
	}
	return b.String()
}
