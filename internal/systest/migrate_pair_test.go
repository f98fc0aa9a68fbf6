package systest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/internal/harness"
	"linkspan/media/mediatest"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// move is a migration by backups from a pair's source to its managed instance, run by a service of its own.
type move struct {
	*pair
	// share is the folder that the source's backups go to, as this machine has it; storage is one, or "" with a container.
	share, storage string
	spec           string
	state          string
	// program runs the service; env is set for it.
	program string
	env     []string
	service *harness.Process
	// disk, when set, is where storage and service are. samba and azurite are there when share and storage are remote.
	disk    *harness.Disk
	samba   *mediatest.Samba
	azurite *mediatest.Azurite
}

// moveOptions say what is not as usual.
type moveOptions struct {
	// remote: the share is behind Samba, and the storage is Azurite; otherwise both are folders.
	remote bool
	// databases are those that are moved; default the pair's.
	databases []string
	// settings are lines of the spec's settings.
	settings string
	program  string
	// storageDisk puts storage, target and service on a disk of so many MiB.
	storageDisk int
}

const activity = "move"

// startMove starts the two instances, share and storage; the service is not started yet.
func startMove(t *testing.T, o moveOptions) *move {
	t.Helper()
	m := &move{share: filepath.Join(t.TempDir(), "share"), state: filepath.Join(t.TempDir(), "state"), program: program}
	if o.program != "" {
		m.program = o.program
	}
	if err := os.Mkdir(m.share, 0o700); err != nil {
		t.Fatal(err)
	}
	shareSpec, storageSpec, targetFolders := m.places(t, o)
	m.pair = startPair(t, pairOptions{targetDisk: o.storageDisk, before: func(p *pair) {
		if m.disk = p.target.disk; m.disk != nil {
			m.storage = filepath.Join(p.dir, "sqlmi1", "storage")
			if err := os.Mkdir(m.disk.Path(m.storage), 0o700); err != nil {
				t.Fatal(err)
			}
			storageSpec, targetFolders = "{folder: "+m.storage+"}", "backups: ["+m.storage+"]\n"
		}
		p.write("source.yaml", fmt.Sprintf("name: sqlserver1\ndir: sqlserver1\nlisten: %s:1433\nca: ca\nbackups: [%s]\n", p.source.ip, m.share))
		p.write("target.yaml", fmt.Sprintf("name: sqlmi1\nkind: managed-instance\ndir: sqlmi1\nlisten: %s:1433\nca: ca\n%sarm: {listen: \"localhost:%d\"}\n", p.target.ip, targetFolders, p.armPort))
	}})
	m.writeSpec() // the secrets
	m.write("target.password", m.target.login.Password)
	if len(o.databases) == 0 {
		o.databases = []string{pairDatabase}
	}
	m.write("move.yaml", fmt.Sprintf(`name: %s
source: {server: %s, port: 1433, ca: ca/ca.pem, user: sa, passwordFile: source.password}
share: %s
storage: %s
target:
  instance: /subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/linkspan/providers/Microsoft.Sql/managedInstances/sqlmi1
  endpoint: "https://localhost:%d"
  ca: ca/ca.pem
  tenant: 00000000-0000-4000-8000-000000000001
  clientId: 00000000-0000-4000-8000-000000000003
  clientSecretFile: arm.secret
  sql: {server: %s, port: 1433, ca: ca/ca.pem, user: sa, passwordFile: target.password}
databases: [%s]
settings: {scanEvery: 500ms%s}
`, activity, m.source.ip, shareSpec, storageSpec, m.armPort, m.target.ip, named(o.databases), o.settings))
	m.spec = filepath.Join(m.dir, "move.yaml")
	m.write("serve.yaml", fmt.Sprintf("listen: 127.0.0.1:0\nstate: %s\n", m.state))
	return m
}

func named(databases []string) string {
	var out []string
	for _, d := range databases {
		out = append(out, "{name: "+d+"}")
	}
	return strings.Join(out, ", ")
}

// places makes share and storage, and gives their lines of the spec and of the target's configuration.
func (m *move) places(t *testing.T, o moveOptions) (share, storage, target string) {
	t.Helper()
	if !o.remote {
		m.storage = filepath.Join(t.TempDir(), "storage")
		if err := os.Mkdir(m.storage, 0o700); err != nil {
			t.Fatal(err)
		}
		return "{path: " + m.share + "}", "{folder: " + m.storage + "}", "backups: [" + m.storage + "]\n"
	}
	s := mediatest.StartSamba(t, mediatest.SambaOptions{Folder: m.share})
	m.samba = s
	write := func(name, text string) string {
		file := filepath.Join(filepath.Dir(m.share), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	a := mediatest.StartAzurite(t)
	m.azurite = a
	client, address, ours := a.Container(t, "move", sas.ContainerPermissions{Read: true, Write: true, Create: true, List: true})
	theirs, err := client.GetSASURL(sas.ContainerPermissions{Read: true, List: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(theirs)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{path: 'smb://%s/%s', sourcePath: %s, user: %s, passwordFile: %s}", s.Address, s.Share, m.share, s.User, write("share.password", s.Password)),
		fmt.Sprintf("{container: '%s', sasFile: %s, targetSasFile: %s}", address, write("ours.sas", ours), write("theirs.sas", u.RawQuery)), ""
}

// serve starts the service.
func (m *move) serve() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 60*time.Second)
	defer cancel()
	args := []string{"serve", "--json", "--config", filepath.Join(m.dir, "serve.yaml")}
	cmd := exec.Command(m.program, args...)
	if m.disk != nil {
		cmd = m.disk.Command(m.program, args...)
	}
	cmd.Env = append(os.Environ(), m.env...)
	var ready struct{ Address string }
	p, err := harness.StartCommand(ctx, &ready, cmd)
	if err != nil {
		m.t.Fatal(err)
	}
	m.service = p
	m.t.Cleanup(p.Kill)
}

// migrate runs "linkspan migrate" and gives what it printed.
func (m *move) migrate(args ...string) (string, error) {
	m.t.Helper()
	args = append(append([]string{"migrate"}, args...), "--state", m.state)
	cmd := exec.CommandContext(m.t.Context(), program, args...)
	if m.disk != nil {
		cmd = m.disk.Command(program, args...)
	}
	cmd.Dir = m.dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return string(out), err
}

// must runs it and wants it to succeed.
func (m *move) must(args ...string) string {
	m.t.Helper()
	out, err := m.migrate(args...)
	if err != nil {
		m.t.Fatalf("migrate %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// status is what "linkspan migrate status" shows.
func (m *move) status() ledger.Status {
	m.t.Helper()
	var s ledger.Status
	out, err := m.migrate("status", activity, "--files", "--json") // an exit code of its own when something has failed
	if json.Unmarshal([]byte(out), &s) != nil {
		m.t.Fatalf("status is no JSON: %v\n%s", err, out)
	}
	return s
}

// of is one database's.
func (m *move) of(database string) ledger.Database {
	m.t.Helper()
	s := m.status()
	for _, d := range s.Databases {
		if d.Name == database {
			return d
		}
	}
	m.t.Fatalf("no %s in %+v", database, s)
	return ledger.Database{}
}

// reach waits until a database's migration is as wanted.
func (m *move) reach(database, what string, ok func(ledger.Database) bool) ledger.Database {
	m.t.Helper()
	var was flow.State
	for deadline := time.Now().Add(120 * time.Second); ; waitTick(m.t) {
		d := m.of(database)
		if ok(d) {
			return d
		}
		if time.Now().After(deadline) || d.State == flow.Failed && was != flow.Failed && was != "" {
			m.t.Fatalf("%s is not %s: %+v\n%s", database, what, d, m.must("timeline", activity))
		}
		was = d.State
	}
}

// reached waits for a state.
func (m *move) reached(database string, want flow.State) ledger.Database {
	m.t.Helper()
	return m.reach(database, string(want), func(d ledger.Database) bool { return d.State == want })
}

// full and log take backups on the share by the source's own statements.
func (m *move) full(database string) {
	m.t.Helper()
	m.source.exec("master", fmt.Sprintf("BACKUP DATABASE [%s] TO DISK = '%s/%s_full.bak' WITH CHECKSUM", database, m.share, database))
}

func (m *move) log(database string, n int) {
	m.t.Helper()
	m.source.exec("master", fmt.Sprintf("BACKUP LOG [%s] TO DISK = '%s/%s_%03d.trn' WITH CHECKSUM", database, m.share, database, n))
}
