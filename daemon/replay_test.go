package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/daemon"
	"linkspan/media/mediatest"
	"linkspan/sqlclient"
)

// replayRig is a sandbox, its clients, and the place where backups are brought.
type replayRig struct {
	t       *testing.T
	dir     string
	sandbox *daemon.Sandbox
	source  *sqlclient.Client
	target  *sqlclient.Client
	arm     *armclient.Client
	id      armtypes.InstanceID
	// at is where the endpoint answers, with the key of its application and its authority.
	at     daemon.SandboxARM
	secret string
	ca     []byte
}

func newReplayRig(t *testing.T) *replayRig {
	t.Helper()
	r := &replayRig{t: t, dir: t.TempDir()}
	t.Cleanup(r.down)
	r.up()
	return r
}

func (r *replayRig) up() {
	r.t.Helper()
	var err error
	if r.sandbox, err = daemon.StartSandbox(context.Background(), sandbox(r.dir), nil); err != nil {
		r.t.Fatal(err)
	}
	ready := r.sandbox.Ready()
	var creds struct {
		Source, Target struct{ Password string }
		ARM            struct{ ClientSecret string }
	}
	b, err := os.ReadFile(ready.Credentials)
	if err == nil {
		err = json.Unmarshal(b, &creds)
	}
	ca, err2 := os.ReadFile(ready.ARM.CA)
	if err != nil || err2 != nil {
		r.t.Fatal(err, err2)
	}
	r.at, r.secret, r.ca = ready.ARM, creds.ARM.ClientSecret, ca
	open := func(s daemon.SandboxServer, password string) *sqlclient.Client {
		c, err := sqlclient.Open(context.Background(), sqlclient.Target{Address: s.Address, Port: s.Port, User: s.User, Password: password, CA: ca})
		if err != nil {
			r.t.Fatal(err)
		}
		return c
	}
	r.source, r.target = open(ready.Source, creds.Source.Password), open(ready.Target, creds.Target.Password)
	r.id = armtypes.InstanceID{Subscription: ready.ARM.Subscription, ResourceGroup: ready.ARM.ResourceGroup, Name: "sqlmi1"}
	if r.arm, err = armclient.New(armclient.Options{Endpoint: ready.ARM.URL, CA: ca, Tenant: ready.ARM.Tenant, ClientID: ready.ARM.ClientID, ClientSecret: creds.ARM.ClientSecret}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replayRig) down() {
	if r.sandbox == nil {
		return
	}
	r.arm.Close()
	for _, c := range []*sqlclient.Client{r.source, r.target} {
		if err := c.Close(); err != nil {
			r.t.Error(err)
		}
	}
	down(r.t, r.sandbox)
	r.sandbox = nil
}

func (r *replayRig) on(c *sqlclient.Client, text string) string {
	r.t.Helper()
	res, err := c.Query(r.t.Context(), text)
	if err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return fmt.Sprint(res.First().Rows)
}

// details polls until so.
func (r *replayRig) details(database string, so func(armtypes.RestoreProperties) bool) armtypes.RestoreProperties {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
		p, err := r.arm.ReplayDetails(r.t.Context(), r.id, database)
		if err != nil {
			r.t.Fatal(err)
		}
		if so(p) {
			return p
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("it does not come to be: %+v", p)
		}
	}
}

func restoredFiles(n int) func(armtypes.RestoreProperties) bool {
	return func(p armtypes.RestoreProperties) bool {
		return p.NumberOfFilesRestored == n && p.Status != armtypes.ReplayRestoring
	}
}

// backup is what the source took of a name.
func (r *replayRig) backup(name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "share", name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// take makes a database on the source with a striped full, logs and a differential.
func (r *replayRig) take() {
	r.t.Helper()
	r.on(r.source, "CREATE DATABASE db1")
	r.on(r.source, "USE db1; CREATE TABLE t (id int PRIMARY KEY, s nvarchar(20)); INSERT t VALUES (1, N'full')")
	r.on(r.source, "BACKUP DATABASE db1 TO DISK = 'f1.bak', DISK = 'f2.bak' WITH CHECKSUM")
	for i, take := range []string{"BACKUP LOG db1 TO DISK = 'l1.trn'", "BACKUP DATABASE db1 TO DISK = 'd.bak' WITH DIFFERENTIAL", "BACKUP LOG db1 TO DISK = 'l2.trn'",
		"BACKUP LOG db1 TO DISK = 'l3.trn'", "BACKUP LOG db1 TO DISK = 'l4.trn'"} {
		r.on(r.source, fmt.Sprintf("INSERT db1.dbo.t VALUES (%d, N'row'); %s", i+2, take))
	}
}

// put brings a file to the managed instance's folder, whole.
func (r *replayRig) put(folder, name string, content []byte) {
	r.t.Helper()
	dir := filepath.Join(r.dir, "sqlmi1", "backup", folder)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".partial"), content, 0o600)
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, name+".partial"), filepath.Join(dir, name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestLogReplayFromFolder restores as files arrive in any order, across a restart of the managed instance, and completes.
func TestLogReplayFromFolder(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t)
	r.take()
	r.put("db1", "zzz.dat", r.backup("f2.bak"))
	r.put("db1", "letter.bak", []byte("this is no backup"))
	spec := armtypes.ReplaySpec{Database: "db2", Container: "file://" + filepath.Join(r.dir, "sqlmi1", "backup", "db1")}
	if err := r.arm.StartReplay(t.Context(), r.id, "local", spec); err != nil {
		t.Fatal(err)
	}
	p := r.details("db2", func(p armtypes.RestoreProperties) bool {
		return p.NumberOfFilesBad == 1 && p.Status == armtypes.ReplayBlocked
	})
	if p.Type != "LRSRestore" || !strings.Contains(p.BlockReason, "full backup") || p.UnrestorableFiles[0].Name != "letter.bak" || p.UnrestorableFiles[0].Reason == "" {
		t.Errorf("with one stripe: %+v", p)
	}
	for from, to := range map[string]string{"f1.bak": "aaa.dat", "l1.trn": "l1.dat"} {
		r.put("db1", to, r.backup(from))
	}
	r.details("db2", restoredFiles(3))
	r.put("db1", "l3", r.backup("l3.trn"))
	p = r.details("db2", func(p armtypes.RestoreProperties) bool {
		return p.NumberOfFilesQueued == 1 && p.Status == armtypes.ReplayBlocked
	})
	if !strings.Contains(p.BlockReason, "is missing") || len(p.LogBackupSets) != 2 || p.LogBackupSets[1].Status != "Queued" || p.FullBackupSets[0].NumberOfStripes != 2 {
		t.Errorf("with a gap: %+v", p)
	}
	if err := r.arm.CompleteReplay(t.Context(), r.id, "db2", "l3"); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("completed over a gap: %v", err)
	}
	if err := r.arm.CompleteReplay(t.Context(), r.id, "db2", "nowhere.trn"); err == nil || !strings.Contains(err.Error(), "not in the folder") {
		t.Errorf("completed at a file that is not there: %v", err)
	}
	r.down()
	r.up()
	r.put("db1", "d", r.backup("d.bak"))
	r.details("db2", restoredFiles(4))
	r.put("db1", "l2", r.backup("l2.trn"))
	p = r.details("db2", restoredFiles(6))
	if p.LastRestoredFileName != "l3" || p.NumberOfFilesDetected != 7 || len(p.DifferentialBackupSets) != 1 {
		t.Errorf("after the restart: %+v", p)
	}
	r.put("db1", "l4", r.backup("l4.trn"))
	if err := r.arm.CompleteReplay(t.Context(), r.id, "db2", "l4"); err != nil {
		t.Fatal(err)
	}
	p = r.details("db2", restoredFiles(7))
	if want, rows := r.on(r.source, "SELECT id, s FROM db1.dbo.t ORDER BY id"), r.on(r.target, "SELECT id, s FROM db2.dbo.t ORDER BY id"); p.Status != armtypes.ReplayCompleted || p.PercentCompleted != 100 || rows != want {
		t.Errorf("completed: %s instead of %s, %+v", rows, want, p)
	}
	if err := r.arm.StopReplay(t.Context(), r.id, "db2"); err == nil || !strings.Contains(err.Error(), "DROP DATABASE") {
		t.Errorf("stopping what is complete: %v", err)
	}
	if err := r.arm.StartReplay(t.Context(), r.id, "local", armtypes.ReplaySpec{Database: "db2", Container: spec.Container + "/"}); err == nil || !strings.Contains(err.Error(), "DatabaseAlreadyExists") {
		t.Errorf("a name that is taken: %v", err)
	}
}

// TestLogReplayFromContainer restores from a container with autocomplete, refuses what the service refuses, and stops.
func TestLogReplayFromContainer(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	client, address, signature := a.Container(t, "migration", sas.ContainerPermissions{Read: true, List: true})
	r := newReplayRig(t)
	r.take()
	upload := func(c *container.Client, folder string, names ...string) {
		for _, n := range names {
			if _, err := c.NewBlockBlobClient(folder+"/"+n).UploadBuffer(t.Context(), r.backup(n), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	upload(client, "db1", "f1.bak", "f2.bak", "l1.trn", "l2.trn", "l3.trn", "l4.trn")
	spec := armtypes.ReplaySpec{Database: "auto", Container: address + "/db1", Signature: signature, AutoComplete: true, LastBackup: "l4.trn"}
	r.refuseReplays(a, client, spec)

	early := spec
	early.Database, early.LastBackup = "early", "l2.trn"
	if err := r.arm.StartReplay(t.Context(), r.id, "local", early); err == nil || !strings.Contains(err.Error(), "is newer than the last backup") {
		t.Errorf("autocomplete with later files: %v", err)
	}
	if err := r.arm.StartReplay(t.Context(), r.id, "local", spec); err != nil {
		t.Fatal(err)
	}
	want := r.on(r.source, "SELECT id, s FROM db1.dbo.t ORDER BY id")
	if got := r.on(r.target, "SELECT id, s FROM auto.dbo.t ORDER BY id"); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	stopped := armtypes.ReplaySpec{Database: "stopped", Container: spec.Container, Signature: signature}
	if err := r.arm.StartReplay(t.Context(), r.id, "local", stopped); err != nil {
		t.Fatal(err)
	}
	r.details("stopped", restoredFiles(6))
	if err := r.arm.StopReplay(t.Context(), r.id, "stopped"); err != nil {
		t.Fatal(err)
	}
	if got := r.on(r.target, "SELECT name FROM sys.databases WHERE database_id > 4"); got != "[[auto]]" {
		t.Errorf("databases after the stop: %s", got)
	}
	if _, err := r.arm.ReplayDetails(t.Context(), r.id, "stopped"); err == nil || !strings.Contains(err.Error(), "RestoreDetailsNotAvailableOrExpired") {
		t.Errorf("details after the stop: %v", err)
	}
}

// refuseReplays asks for what must be refused.
func (r *replayRig) refuseReplays(a *mediatest.Azurite, client *container.Client, spec armtypes.ReplaySpec) {
	r.t.Helper()
	_, backup, own := a.Container(r.t, "backup", sas.ContainerPermissions{Read: true, List: true})
	signed := func(p sas.ContainerPermissions, until time.Duration) string {
		u, err := client.GetSASURL(p, time.Now().Add(until), &container.GetSASURLOptions{StartTime: new(time.Now().Add(-2 * time.Hour))})
		if err != nil {
			r.t.Fatal(err)
		}
		_, s, _ := strings.Cut(u, "?")
		return s
	}
	read := sas.ContainerPermissions{Read: true, List: true}
	for want, change := range map[string]func(*armtypes.ReplaySpec){
		"refuses the names backup": func(s *armtypes.ReplaySpec) { s.Container, s.Signature = backup, own },
		"and no others": func(s *armtypes.ReplaySpec) {
			s.Signature = signed(sas.ContainerPermissions{Read: true, List: true, Write: true}, time.Hour)
		},
		"expired at":                        func(s *armtypes.ReplaySpec) { s.Signature = signed(read, -time.Hour) },
		"begins with a question mark":       func(s *armtypes.ReplaySpec) { s.Signature = "?" + s.Signature },
		"SasToken is missing":               func(s *armtypes.ReplaySpec) { s.Signature = "" },
		"not a shared access":               func(s *armtypes.ReplaySpec) { s.Signature = "x" },
		"holds a query":                     func(s *armtypes.ReplaySpec) { s.Container += "?" + s.Signature },
		"must begin with https":             func(s *armtypes.ReplaySpec) { s.Container = "http://storage.example.com/migration/db1" },
		"cannot be read":                    func(s *armtypes.ReplaySpec) { s.Container = strings.Replace(s.Container, "/db1", "/nowhere", 1) },
		"outside the backup folders":        func(s *armtypes.ReplaySpec) { s.Container, s.Signature = "file:///etc", "" },
		"asks for lastBackupName":           func(s *armtypes.ReplaySpec) { s.LastBackup = "" },
		"DatabaseAlreadyExists":             func(s *armtypes.ReplaySpec) { s.Database = "master" },
		"chain to l9.trn|not in the folder": func(s *armtypes.ReplaySpec) { s.LastBackup, s.Database = "l9.trn", "gone" },
	} {
		s := spec
		change(&s)
		err := r.arm.StartReplay(r.t.Context(), r.id, "local", s)
		if err == nil || !strings.Contains(err.Error(), want[strings.Index(want, "|")+1:]) {
			r.t.Errorf("%s: %v", want, err)
		}
		if err != nil && s.Signature != "" && len(s.Signature) > 20 && strings.Contains(err.Error(), s.Signature[len(s.Signature)-20:]) {
			r.t.Errorf("the message holds the signature: %v", err)
		}
	}
}

// TestLogReplayOfSQLServersBackups imports SQL Server's own full and differential backups.
func TestLogReplayOfSQLServersBackups(t *testing.T) {
	t.Parallel()
	from := filepath.Join("..", "..", "shared", "backups", "simplerecovery")
	if _, err := os.Stat(from); err != nil {
		t.Skip("no real backups at hand")
	}
	r := newReplayRig(t)
	spec := armtypes.ReplaySpec{Database: "old", Container: "file://" + filepath.Join(r.dir, "sqlmi1", "backup", "old")}
	for i, name := range []string{"SimpleBacktest.bak", "SimpleBackTest_1.bak"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		r.put("old", name, b)
		if i == 0 {
			if err := r.arm.StartReplay(t.Context(), r.id, "local", spec); err != nil {
				t.Fatal(err)
			}
		}
		r.details("old", restoredFiles(i+1))
	}
	if err := r.arm.CompleteReplay(t.Context(), r.id, "old", "SimpleBackTest_1.bak"); err != nil {
		t.Fatal(err)
	}
	if got := r.on(r.target, "SELECT COUNT(*) FROM old.dbo.steps"); got != "[[10]]" {
		t.Errorf("imported %s rows", got)
	}
}
