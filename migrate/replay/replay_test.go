package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/daemon"
	"linkspan/media/azblob"
	"linkspan/media/mediatest"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
	"linkspan/migrate/replay"
	"linkspan/sqlclient"
)

// rig is a source, a managed instance and storage.
type rig struct {
	t              *testing.T
	sandbox        *daemon.Sandbox
	ready          daemon.SandboxReady
	source, target *sqlclient.Client
	arm            *armclient.Client
	id             armtypes.InstanceID
	depot          *depot.Depot
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := daemon.StartSandbox(context.Background(), daemon.SandboxOptions{Dir: t.TempDir(), SourceAddress: "127.0.0.1", TargetAddress: "127.0.0.1", NoSync: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, sandbox: s, ready: s.Ready()}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	var creds struct {
		Source, Target struct{ Password string }
		ARM            struct{ ClientSecret string }
	}
	b, err := os.ReadFile(r.ready.Credentials)
	if err == nil {
		err = json.Unmarshal(b, &creds)
	}
	ca, err2 := os.ReadFile(r.ready.ARM.CA)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	open := func(s daemon.SandboxServer, password string) *sqlclient.Client {
		c, err := sqlclient.Open(context.Background(), sqlclient.Target{Address: s.Address, Port: s.Port, User: s.User, Password: password, CA: ca})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		return c
	}
	r.source, r.target = open(r.ready.Source, creds.Source.Password), open(r.ready.Target, creds.Target.Password)
	r.id = armtypes.InstanceID{Subscription: r.ready.ARM.Subscription, ResourceGroup: r.ready.ARM.ResourceGroup, Name: "sqlmi1"}
	if r.arm, err = armclient.New(armclient.Options{Endpoint: r.ready.ARM.URL, CA: ca, Tenant: r.ready.ARM.Tenant, ClientID: r.ready.ARM.ClientID, ClientSecret: creds.ARM.ClientSecret}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.arm.Close)
	if r.depot, err = depot.New(depot.Options{Folder: r.ready.Storage, Prefix: "move"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) on(c *sqlclient.Client, text string) string {
	r.t.Helper()
	res, err := c.Query(r.t.Context(), text)
	if err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return fmt.Sprint(res.First().Rows)
}

// backup takes a backup on the source, brings it to storage and returns its set and its name there.
func (r *rig) backup(kind flow.Kind, name string) (set, stored string) {
	r.t.Helper()
	verb := "DATABASE"
	if kind == flow.Log {
		verb = "LOG"
		r.on(r.source, "INSERT shop.dbo.t SELECT MAX(id) + 1 FROM shop.dbo.t") // an empty log is skipped
	}
	r.on(r.source, fmt.Sprintf("BACKUP %s shop TO DISK = '%s' WITH CHECKSUM", verb, name))
	p, err := os.ReadFile(filepath.Join(r.ready.Share, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.bring(kind, name, p)
}

// bring brings bytes to storage under the name of the set in them.
func (r *rig) bring(kind flow.Kind, version string, p []byte) (set, stored string) {
	r.t.Helper()
	c, err := bak.OpenContent(bytes.NewReader(p), int64(len(p)), bak.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := bak.ReadMedia(c, bak.Options{})
	if m == nil {
		r.t.Fatal(err)
	}
	set = chain.Items("f", m, err)[0].Header.SetGUID.String()
	stored = depot.Name(flow.Set{ID: set, Kind: kind}, flow.File{Name: "f", Version: version, Size: int64(len(p))})
	if err := r.depot.Put(r.t.Context(), "shop", stored, 0, p); err != nil {
		r.t.Fatal(err)
	}
	if err := r.depot.Seal(r.t.Context(), "shop", stored, int64(len(p))); err != nil {
		r.t.Fatal(err)
	}
	return set, stored
}

func (r *rig) open(database string) *replay.Target {
	return replay.New(replay.Options{Client: r.arm, Instance: r.id, Container: r.depot.Location("shop"), Database: database})
}

// follow asks until so.
func (r *rig) follow(x *replay.Target, so func(flow.Restore, bool) bool) flow.Restore {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
		f, gone, err := x.Follow(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if so(f, gone) {
			return f
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("it does not come to be: %+v, gone %v", f, gone)
		}
	}
}

func restored(n int) func(flow.Restore, bool) bool {
	return func(f flow.Restore, _ bool) bool { return len(f.Restored) == n }
}

func (r *rig) shop() {
	r.t.Helper()
	r.on(r.source, "CREATE DATABASE shop")
	r.on(r.source, "USE shop; CREATE TABLE t (id int PRIMARY KEY); INSERT t VALUES (1)")
}

// is checks the kind of an error and its words.
func is[T error](tb testing.TB, err error, says string) {
	tb.Helper()
	var want T
	if !errors.As(err, &want) || !strings.Contains(err.Error(), says) {
		tb.Errorf("%v, want a %T that says %q", err, want, says)
	}
}

// A restore from start to the open database, every call made twice, by targets that know nothing of each other, as after
// restarts.
func TestRestore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.shop()
	full, _ := r.backup(flow.Full, "full.bak")
	log1, _ := r.backup(flow.Log, "l1.trn")
	if taken, text, err := r.open("moved").Check(t.Context()); taken || err != nil {
		t.Fatalf("a free name: %v %q, %v", taken, text, err)
	}
	if _, gone, err := r.open("moved").Follow(t.Context()); !gone || err != nil {
		t.Errorf("before the start: gone %v, %v", gone, err)
	}
	for range 2 {
		if err := r.open("moved").Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f := r.follow(r.open("moved"), restored(2))
	if f.Restored[0] != full || f.Restored[1] != log1 || f.Opened || f.Unusable != "" {
		t.Errorf("restored %+v, want %s and %s", f, full, log1)
	}
	if taken, text, err := r.open("moved").Check(t.Context()); taken || err != nil {
		t.Errorf("our own restore is taken: %q, %v", text, err)
	}
	is[*flow.Hindrance](t, r.open("moved").Complete(t.Context(), "nowhere.trn"), "does not have every file")
	_, last := r.backup(flow.Log, "l2.trn")
	for range 2 {
		if err := r.open("moved").Complete(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	f = r.follow(r.open("moved"), func(f flow.Restore, _ bool) bool { return f.Opened })
	if rows := r.on(r.target, "SELECT COUNT(*) FROM moved.dbo.t"); rows != "[[3]]" || len(f.Restored) != 3 {
		t.Errorf("rows %s, %+v", rows, f)
	}
	is[*flow.Halt](t, r.open("moved").Drop(t.Context()), "is open")
	is[*flow.Halt](t, r.open("moved").Start(t.Context()), "is open")
	if taken, text, err := r.open("moved").Check(t.Context()); !taken || !strings.Contains(text, "by this migration before") || err != nil {
		t.Errorf("what we opened: %v %q, %v", taken, text, err)
	}
}

// A file that is damaged is told with the target's words; a good version of it, brought later, is restored.
func TestUnusable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.shop()
	r.backup(flow.Full, "full.bak")
	r.on(r.source, "INSERT shop.dbo.t VALUES (2)")
	r.on(r.source, "BACKUP LOG shop TO DISK = 'l1.trn' WITH CHECKSUM")
	good, err := os.ReadFile(filepath.Join(r.ready.Share, "l1.trn"))
	if err != nil {
		t.Fatal(err)
	}
	set, _ := r.bring(flow.Log, "cut short", good[:len(good)*3/4])
	x := r.open("moved")
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := r.follow(x, func(f flow.Restore, _ bool) bool { return f.Unusable != "" })
	if f.Unusable != set || f.Why == "" || len(f.Restored) != 1 {
		t.Errorf("a log that is cut short: %+v", f)
	}
	r.bring(flow.Log, "good", good)
	if f := r.follow(x, restored(2)); f.Restored[1] != set || f.Unusable != "" {
		t.Errorf("after the good version: %+v", f)
	}
}

// A database that is dropped on the target is gone; the restore is begun anew from what is in storage, and its counts are of
// the new attempt.
func TestDropAndStartAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.shop()
	r.backup(flow.Full, "full.bak")
	r.backup(flow.Log, "l1.trn")
	for attempt := range 3 {
		x := r.open("moved")
		if err := x.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.follow(x, restored(2))
		d, err := r.arm.ReplayDetails(t.Context(), r.id, "moved")
		if err != nil || d.NumberOfFilesRestored != 2 || d.NumberOfFilesDetected != 2 || d.NumberOfFilesSkipped+d.NumberOfFilesBad+d.NumberOfFilesQueued != 0 ||
			len(d.FullBackupSets) != 1 || len(d.LogBackupSets) != 1 {
			t.Errorf("attempt %d: %+v, %v", attempt, d, err)
		}
		if attempt == 0 { // somebody drops it behind our back
			r.on(r.target, "DROP DATABASE moved")
			r.follow(x, func(_ flow.Restore, gone bool) bool { return gone })
			continue
		}
		for range 2 {
			if err := x.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, gone, err := x.Follow(t.Context()); !gone || err != nil {
			t.Errorf("after Drop: gone %v, %v", gone, err)
		}
	}
}

// A name that another database has is taken, whatever that is, and it stays as it is.
func TestTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.shop()
	r.backup(flow.Full, "full.bak")
	r.on(r.target, "CREATE DATABASE theirs")
	other, err := depot.New(depot.Options{Folder: r.ready.Storage, Prefix: "another"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(strings.TrimPrefix(other.Location("shop"), "file://"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replay.New(replay.Options{Client: r.arm, Instance: r.id, Container: other.Location("shop"), Database: "restoring"}).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.arm.StartReplay(t.Context(), r.id, "local", armtypes.ReplaySpec{Database: "byhand", Container: other.Location("shop")}); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{"theirs": "exists already (Online)", "restoring": "by another log replay", "byhand": "by another log replay"} {
		x := r.open(name)
		if taken, text, err := x.Check(t.Context()); !taken || !strings.Contains(text, says) || err != nil {
			t.Errorf("%s: %v %q, %v", name, taken, text, err)
		}
		is[*flow.Halt](t, x.Start(t.Context()), "is on sqlmi1")
		if err := x.Drop(t.Context()); name != "byhand" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.on(r.target, "SELECT name FROM sys.databases WHERE name = 'theirs'"); got != "[[theirs]]" {
		t.Errorf("theirs is %s", got)
	}
	for _, name := range []string{"restoring", "byhand"} {
		if _, err := r.arm.ReplayDetails(t.Context(), r.id, name); err != nil {
			t.Errorf("%s was stopped: %v", name, err)
		}
	}
}

// A signature that expires in the middle is told, and a new one has the restore go on where it was.
func TestSignatureRenewed(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	c, address, fresh := a.Container(t, "migration", sas.ContainerPermissions{Read: true, List: true})
	r := newRig(t)
	var err error
	if r.depot, err = depot.New(depot.Options{Blob: azblob.Options{Container: address, Account: a.Account, Key: a.Key}, Prefix: "move"}); err != nil {
		t.Fatal(err)
	}
	r.shop()
	r.backup(flow.Full, "full.bak")
	u, err := c.GetSASURL(sas.ContainerPermissions{Read: true, List: true}, time.Now().Add(20*time.Second), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, short, _ := strings.Cut(u, "?")
	o := replay.Options{Client: r.arm, Instance: r.id, Container: r.depot.Location("shop"), SAS: short, Database: "moved"}
	if err := replay.New(o).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.follow(replay.New(o), restored(1))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); ; <-tick.C {
		_, _, err := replay.New(o).Follow(t.Context())
		if err != nil {
			is[*flow.Hindrance](t, err, "expired at")
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("that the signature expired is not told")
		}
	}
	r.backup(flow.Log, "l1.trn")
	o.SAS = fresh
	for deadline := time.Now().Add(60 * time.Second); ; <-tick.C {
		f, gone, err := replay.New(o).Follow(t.Context())
		if err == nil && len(f.Restored) == 2 {
			break
		}
		if gone || time.Now().After(deadline) {
			t.Fatalf("with a new signature: %+v, gone %v, %v", f, gone, err)
		}
	}
}

// From a container, and what the service refuses of it is told before it is asked.
func TestContainer(t *testing.T) {
	t.Parallel()
	a := mediatest.StartAzurite(t)
	_, address, sign := a.Container(t, "migration", sas.ContainerPermissions{Read: true, List: true})
	r := newRig(t)
	var err error
	if r.depot, err = depot.New(depot.Options{Blob: azblob.Options{Container: address, Account: a.Account, Key: a.Key}, Prefix: "move"}); err != nil {
		t.Fatal(err)
	}
	r.shop()
	r.backup(flow.Full, "full.bak")
	o := replay.Options{Client: r.arm, Instance: r.id, Container: r.depot.Location("shop"), SAS: sign, Database: "moved"}
	if err := replay.New(o).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, last := r.backup(flow.Log, "l1.trn")
	r.follow(replay.New(o), restored(2))
	if err := replay.New(o).Complete(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	r.follow(replay.New(o), func(f flow.Restore, _ bool) bool { return f.Opened })
	if rows := r.on(r.target, "SELECT COUNT(*) FROM moved.dbo.t"); rows != "[[2]]" {
		t.Errorf("rows %s", rows)
	}
	for says, change := range map[string]func(*replay.Options){
		"is missing":              func(o *replay.Options) { o.SAS = "" },
		"takes only one with":     func(o *replay.Options) { o.SAS = strings.Replace(o.SAS, "sp=rl", "sp=rwl", 1) },
		"not for a container":     func(o *replay.Options) { o.SAS = strings.Replace(o.SAS, "sr=c", "sr=b", 1) },
		"leave that out":          func(o *replay.Options) { o.SAS = "?" + o.SAS },
		"cannot read the storage": func(o *replay.Options) { o.SAS = strings.Replace(o.SAS, "sig=", "sig=AAAA", 1) },
	} {
		o := o
		o.Database = "refused"
		change(&o)
		is[*flow.Hindrance](t, replay.New(o).Start(t.Context()), says)
	}
	o.Container = a.Address + "/Backups"
	_, _, err = replay.New(o).Check(t.Context())
	is[*flow.Halt](t, err, `refuses "Backups"`)
}
