package instance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/instance"
	"linkspan/internal/fsx"
	"linkspan/sqlapi"
)

// TestRestartRemembersEverything stops a server that has one of everything and starts it again.
func TestRestartRemembersEverything(t *testing.T) {
	t.Parallel()
	o := options()
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, `CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Secret-enough-1';
		CREATE CERTIFICATE c WITH SUBJECT = 'c', EXPIRY_DATE = '2030-01-01';
		CREATE ENDPOINT e STATE = STARTED AS TCP (LISTENER_PORT = 0) FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = CERTIFICATE c);
		CREATE DATABASE db1; CREATE DATABASE db2; ALTER DATABASE db2 SET RECOVERY SIMPLE;
		CREATE TABLE db1.dbo.t(id int IDENTITY PRIMARY KEY, a nvarchar(20)); INSERT db1.dbo.t(a) VALUES(N'ä'), (N'b');
		BACKUP DATABASE db1 TO DISK = 'NUL'; BACKUP LOG db1 TO DISK = 'NUL';
		CREATE AVAILABILITY GROUP AG1 WITH (CLUSTER_TYPE = NONE) FOR DATABASE db1 REPLICA ON N'sqlserver1' WITH
			(ENDPOINT_URL = 'TCP://127.0.0.1:5022', AVAILABILITY_MODE = SYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL)`)
	show := `SELECT name, database_id, create_date, recovery_model_desc, collation_name, group_database_id FROM sys.databases WHERE database_id > 4 ORDER BY name;
		SELECT * FROM sys.certificates; SELECT * FROM sys.symmetric_keys; SELECT * FROM sys.sql_logins;
		SELECT * FROM sys.database_mirroring_endpoints; SELECT port, ip_address FROM sys.tcp_endpoints WHERE name = 'e';
		SELECT * FROM sys.availability_groups; SELECT * FROM sys.availability_replicas;
		SELECT * FROM sys.database_recovery_status WHERE database_id > 4; SELECT * FROM msdb.dbo.backupset;
		SELECT database_name, lsn, digest FROM sys.dm_linkspan_database_digest WHERE database_id > 4;
		SELECT CERTENCODED(CERT_ID('c')); SELECT * FROM db1.dbo.t`
	before := must(t, s, show)
	shut(t, in)
	s = logIn(t, open(t, o))
	if after := must(t, s, show); after != before {
		t.Errorf("before the restart:\n%s\nafter it:\n%s", before, after)
	}
	must(t, s, "INSERT db1.dbo.t(a) VALUES(N'c')")
	if got := must(t, s, "SELECT MAX(id) FROM db1.dbo.t"); !strings.Contains(got, "3") {
		t.Errorf("identity after a restart: %s", got)
	}
}

// TestCrashKeepsWhatWasSaid cuts the power after statements that were acknowledged.
func TestCrashKeepsWhatWasSaid(t *testing.T) {
	t.Parallel()
	o := options()
	disk := o.FS.(*fsx.Mem)
	s := logIn(t, open(t, o))
	for i := range 3 {
		must(t, s, fmt.Sprintf("CREATE DATABASE db%d; CREATE TABLE db%d.dbo.t(a int); INSERT db%d.dbo.t VALUES(%d); BACKUP DATABASE db%d TO DISK = 'NUL'", i, i, i, i, i))
		must(t, s, "CREATE DATABASE gone; DROP DATABASE gone")
		after := o
		after.FS, after.Rand = disk.CrashClone(uint64(i), 0.5), new(counted)
		again := open(t, after)
		s2 := logIn(t, again)
		for j := range i + 1 {
			if got := must(t, s2, fmt.Sprintf("SELECT a FROM db%d.dbo.t; SELECT type FROM msdb.dbo.backupset WHERE database_name = 'db%d'", j, j)); got != fmt.Sprintf("a\n  %d\ntype\n  D\n", j) {
				t.Errorf("after crash %d: %s", i, got)
			}
		}
		refused(t, s2, 911, "USE gone")
		must(t, s2, "CREATE DATABASE gone; DROP DATABASE gone")
		shut(t, again)
	}
}

// TestCrashOfFirstStart cuts the power again and again during a first start, each time a little later; the start that is
// let through makes a whole server.
func TestCrashOfFirstStart(t *testing.T) {
	t.Parallel()
	o := options()
	for round := range 16 {
		disk, left := o.FS.(*fsx.Mem), 1+round*9
		disk.SetHook(func(op fsx.Op) error {
			if op.Kind == fsx.OpRead {
				return nil
			}
			if left--; left < 0 {
				return errCut
			}
			return nil
		})
		in, err := instance.Open(context.Background(), o)
		if err == nil {
			_ = in.Close() // its disk may be cut now
		} else if !errors.Is(err, errCut) {
			t.Fatalf("start %d after interrupted ones: %v", round, err)
		}
		next := disk.CrashClone(uint64(round), 0.5)
		o.FS = next
	}
	got := must(t, logIn(t, open(t, o)), "SELECT name, state_desc FROM sys.databases ORDER BY database_id")
	if want := "name | state_desc\n  master | ONLINE\n  tempdb | ONLINE\n  model | ONLINE\n  msdb | ONLINE\n"; got != want {
		t.Errorf("after interrupted starts: %s", got)
	}
}

var errCut = errors.New("the power was cut")

// TestDamagedDatabaseIsSuspect flips bytes in a closed database's files: that database is SUSPECT and says why, the
// others work, and it can be dropped.
func TestDamagedDatabaseIsSuspect(t *testing.T) {
	t.Parallel()
	o := options()
	log := new(lockedBuffer)
	o.Log = log.logger()
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE good; CREATE DATABASE bad; CREATE TABLE good.dbo.t(a int); INSERT good.dbo.t VALUES(1)")
	shut(t, in)
	overwrite(t, o.FS, folderOf(t, o.FS, 6), 0, 1<<20)
	in = open(t, o)
	s = logIn(t, in)
	got := must(t, s, "SELECT name, state_desc FROM sys.databases WHERE database_id > 4 ORDER BY name; SELECT database_name, reason FROM sys.dm_linkspan_databases WHERE reason IS NOT NULL")
	if !strings.Contains(got, "  bad | SUSPECT\n  good | ONLINE\n") || !strings.Contains(got, "  bad | ") || !strings.Contains(got, "/srv/databases/6-") {
		t.Errorf("state of a damaged database:\n%s", got)
	}
	if !strings.Contains(log.String(), "database is suspect") {
		t.Errorf("the error log does not tell of it:\n%s", log)
	}
	must(t, s, "SELECT a FROM good.dbo.t; INSERT good.dbo.t VALUES(2)")
	for _, text := range []string{"USE bad", "SELECT * FROM bad.dbo.t", "BACKUP DATABASE bad TO DISK = 'NUL'", "DBCC CHECKDB(bad)", "CREATE TABLE bad.dbo.t(a int)"} {
		refused(t, s, 926, text)
	}
	must(t, s, "DROP DATABASE bad; CREATE DATABASE bad; CREATE TABLE bad.dbo.t(a int); SELECT * FROM bad.dbo.t")
	if _, err := o.FS.ReadDir("/srv/databases"); err != nil {
		t.Error(err)
	}
}

// TestCheckDBFindsFlippedByte flips one byte of a page on the disk of an open database.
func TestCheckDBFindsFlippedByte(t *testing.T) {
	t.Parallel()
	o := options()
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE DATABASE db1; CREATE TABLE db1.dbo.t(a int, b char(2000)); INSERT db1.dbo.t VALUES(1, REPLICATE('x', 2000)); USE db1; CHECKPOINT")
	if got := must(t, s, "DBCC CHECKDB('db1')"); !strings.Contains(got, "0 consistency errors in database 'db1'") {
		t.Errorf("a whole database: %s", got)
	}
	dir := folderOf(t, o.FS, 5)
	entries, err := o.FS.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		flip(t, o.FS, filepath.Join(dir, e.Name()), "xxxxxxxxxxxxxxxx")
	}
	got := refused(t, s, 8928, "DBCC CHECKDB WITH NO_INFOMSGS")
	if !strings.Contains(got, "Msg 8939, ") || !strings.Contains(got, dir) || !strings.Contains(got, "CHECKDB found 0 allocation errors and 1 consistency errors in database 'db1'") {
		t.Errorf("a flipped byte: %s", got)
	}
	if got := must(t, s, "SELECT bad_pages FROM sys.dm_linkspan_databases WHERE database_name = 'db1'"); !strings.Contains(got, "  1\n") {
		t.Errorf("the view after DBCC CHECKDB: %s", got)
	}
}

// folderOf is the folder of the database with the number.
func folderOf(t *testing.T, disk fsx.FS, id int) string {
	t.Helper()
	entries, err := disk.ReadDir("/srv/databases")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fmt.Sprintf("%d-", id)) {
			return filepath.Join("/srv/databases", e.Name())
		}
	}
	t.Fatalf("no folder of database %d", id)
	return ""
}

// overwrite puts noise over part of every file in a folder.
func overwrite(t *testing.T, disk fsx.FS, dir string, from, to int64) {
	t.Helper()
	entries, err := disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			overwrite(t, disk, filepath.Join(dir, e.Name()), from, to)
			continue
		}
		f, err := disk.OpenRW(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, max(0, min(size, to)-from))
		_, _ = new(counted).Read(noise)
		if _, err := f.WriteAt(noise, from); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes one byte of the last place where a file holds the text.
func flip(t *testing.T, disk fsx.FS, name, text string) {
	t.Helper()
	f, err := disk.OpenRW(name)
	if err != nil {
		return // a folder or the lock
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if i := bytes.LastIndex(b, []byte(text)); i >= 0 {
		if _, err := f.WriteAt([]byte{'y'}, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoInstancesOneFolder starts a second server on the folder of a running one.
func TestTwoInstancesOneFolder(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]instance.Options{"memory": options(), "disk": onDisk(t)} {
		t.Run(name, func(t *testing.T) {
			in := open(t, o)
			_, err := instance.Open(context.Background(), o)
			if err == nil {
				t.Fatal("the second instance started")
			}
			if text := err.Error(); !strings.Contains(text, o.Dir+": another instance") || !strings.Contains(text, "sqlserver1") {
				t.Errorf("the refusal does not name the folder: %v", err)
			}
			must(t, logIn(t, in), "CREATE DATABASE db1")
			shut(t, in)
			must(t, logIn(t, open(t, o)), "USE db1")
		})
	}
}

func onDisk(t *testing.T) instance.Options {
	o := options()
	o.FS, o.Dir = nil, t.TempDir()
	return o
}

// TestPortInUse binds the endpoint's port first.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	o := options()
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Secret-enough-1'; CREATE CERTIFICATE c WITH SUBJECT = 'c', EXPIRY_DATE = '2030-01-01'")
	create := fmt.Sprintf("CREATE ENDPOINT e STATE = STARTED AS TCP (LISTENER_PORT = %d) FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = CERTIFICATE c)", port)
	if got := refused(t, s, 9692, create); !strings.Contains(got, fmt.Sprint("port ", port)) {
		t.Errorf("the refusal does not name the port: %s", got)
	}
	if got := must(t, s, "SELECT COUNT(*) FROM sys.database_mirroring_endpoints"); !strings.Contains(got, "  0\n") {
		t.Errorf("an endpoint was made: %s", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, s, create)
	// A port that is taken while the server is down is told of in the error log, and is no reason not to start.
	shut(t, in)
	if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err != nil {
		t.Fatalf("the port went to somebody else: %v", err)
	}
	s = logIn(t, open(t, o))
	if got := must(t, s, "SELECT number, text FROM sys.dm_linkspan_errorlog WHERE severity > 10"); !strings.Contains(got, fmt.Sprint("port ", port)) {
		t.Errorf("the error log does not name the port: %s", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, s, "ALTER ENDPOINT e STATE = STOPPED; ALTER ENDPOINT e STATE = STARTED")
}

// TestLoginRefusals compares what a stranger is told: the same for every cause.
func TestLoginRefusals(t *testing.T) {
	t.Parallel()
	in := open(t, options())
	say := func(l sqlapi.Login) string {
		_, err := in.Login(context.Background(), l, new(answer))
		if err == nil {
			t.Fatalf("%+v was let in", l)
		}
		return strings.ReplaceAll(err.Error(), l.User, "X")
	}
	want := say(sqlapi.Login{User: "sa", Password: "wrong"})
	for _, l := range []sqlapi.Login{{User: "nobody", Password: password}, {User: "sa"}, {User: "sa", Password: password + " "}, {User: "x';--", Password: "y"},
		{User: "sa", Password: strings.ToUpper(password)}, {User: "sa", Password: "wrong", Database: "nowhere"}, {User: strings.Repeat("u", 200)}} {
		if len(l.User) > 128 {
			_, err := in.Login(context.Background(), l, new(answer))
			if err == nil || len(err.Error()) > 200 {
				t.Errorf("a long name: %v", err)
			}
			continue
		}
		if got := say(l); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	shut(t, in)
	if _, err := in.Login(context.Background(), sqlapi.Login{User: "sa", Password: password}, new(answer)); err == nil {
		t.Error("a closed instance opened a session")
	}
}

// TestChangedPassword renews the administrator's password by starting with another one.
func TestChangedPassword(t *testing.T) {
	t.Parallel()
	o := options()
	shut(t, open(t, o))
	o.Password = "Another-one-2"
	in := open(t, o)
	if _, err := in.Login(context.Background(), sqlapi.Login{User: "sa", Password: password}, new(answer)); err == nil {
		t.Error("the old password still works")
	}
	s, err := in.Login(context.Background(), sqlapi.Login{User: "sa", Password: "Another-one-2"}, new(answer))
	if err != nil {
		t.Fatal(err)
	}
	must(t, s, "SELECT 1")
	_ = s.Close()
	shut(t, in)
	o.Password = ""
	shut(t, open(t, o))
	o = options()
	o.Password = ""
	if _, err := instance.Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), "no password") {
		t.Errorf("a first start without a password: %v", err)
	}
}

// TestOptions names every problem of options at once.
func TestOptions(t *testing.T) {
	t.Parallel()
	o := instance.Options{Kind: 9, Collation: "Nowhere_CI_AS"}
	err := o.Validate()
	for _, want := range []string{"Name", "Dir", "Kind", "Nowhere_CI_AS"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	o = managed()
	o.FQDN = ""
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "FQDN") {
		t.Errorf("%v does not name the FQDN", err)
	}
	o = options()
	o.Addresses = []string{"localhost"}
	if _, err := instance.Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), `"localhost"`) {
		t.Errorf("an address that is none: %v", err)
	}
}
