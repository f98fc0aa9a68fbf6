package systest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linkspan/internal/harness"
)

// pair is a source and a managed instance as processes of their own, with a network between them that can be cut.
type pair struct {
	t              *testing.T
	dir            string
	proxyIP        string
	armPort        int
	spec           string // more of link.yaml
	source, target *side
	proxy          *harness.Proxy
	// asked counts the statements that asked a side for a planned failover.
	asked int
}

// side is one instance of a pair.
type side struct {
	p            *pair
	name, config string
	ip           string
	// program and env are what runs; disk, when set, is where.
	program string
	env     []string
	disk    *harness.Disk
	process *harness.Process
	// login is as the running process says it.
	login harness.Login
	// said is what earlier processes wrote to their logs.
	said []string
}

// pairOptions say what is not as usual.
type pairOptions struct {
	// sourceDisk and targetDisk give a side a disk of so many MiB.
	sourceDisk, targetDisk int
	// certificateDays is how long the source's endpoint certificate is valid, by default as the commands have it.
	certificateDays int
	// program is the binary, by default the product as it is built.
	program string
	// before is called before the instances are started.
	before func(p *pair)
}

const (
	pairDatabase = "busy"
	pairGroup    = "DAG_busy"
)

func startPair(t *testing.T, o pairOptions) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir(), proxyIP: loopback(t), armPort: freePort(t)}
	p.source = &side{p: p, name: "sqlserver1", config: "source.yaml", ip: loopback(t), program: program}
	p.target = &side{p: p, name: "sqlmi1", config: "target.yaml", ip: loopback(t), program: program}
	hosts := fmt.Sprintf("hosts: {sqlmi1.linkspan.test: %s}\n", p.target.ip)
	p.write("source.yaml", fmt.Sprintf("name: sqlserver1\ndir: sqlserver1\nlisten: %s:1433\nca: ca\n%s", p.source.ip, hosts))
	p.write("target.yaml", fmt.Sprintf("name: sqlmi1\nkind: managed-instance\ndir: sqlmi1\nlisten: %s:1433\nca: ca\narm: {listen: \"localhost:%d\"}\n", p.target.ip, p.armPort))
	p.source.disk, p.target.disk = p.smallDisk("sqlserver1", o.sourceDisk), p.smallDisk("sqlmi1", o.targetDisk)
	if o.program != "" {
		p.source.program, p.target.program = o.program, o.program
	}
	t.Cleanup(p.end)
	if o.certificateDays != 0 {
		p.spec = fmt.Sprintf("certificateDays: %d\n", o.certificateDays)
	}
	if o.before != nil {
		o.before(p)
	}
	p.source.start()
	p.target.start()
	proxy, err := harness.StartProxy(t.Context(), p.proxyIP+":5022", p.source.ip+":5022")
	if err != nil {
		t.Fatal(err)
	}
	p.proxy = proxy
	t.Cleanup(func() { _ = proxy.Close() })
	return p
}

// end kills what runs, and tells what it said when the test has failed.
func (p *pair) end() {
	for _, s := range []*side{p.source, p.target} {
		s.kill()
		if p.t.Failed() {
			p.t.Logf("%s said:\n%s", s.name, lastLines(strings.Join(s.said, "--- killed\n"), 200))
		}
	}
}

// lastLines is the end of a log without what is for developers.
func lastLines(log string, n int) string {
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(l string) bool { return strings.Contains(l, "level=DEBUG") })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// smallDisk makes a disk for an instance's folder; none for a size of 0.
func (p *pair) smallDisk(folder string, mib int) *harness.Disk {
	p.t.Helper()
	if mib == 0 {
		return nil
	}
	dir := filepath.Join(p.dir, folder)
	if err := os.Mkdir(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	d, err := harness.StartDisk(context.WithoutCancel(p.t.Context()), dir, mib)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			p.t.Errorf("end the disk of %s: %v", folder, err)
		}
	})
	return d
}

func (p *pair) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// append adds to a file that write wrote.
func (p *pair) append(name, text string) {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name, string(b)+text)
}

// start runs the instance and notes where it answers.
func (s *side) start() {
	s.p.t.Helper()
	if err := s.tryStart(); err != nil {
		s.p.t.Fatal(err)
	}
}

func (s *side) tryStart() error {
	ctx, cancel := context.WithTimeout(s.p.t.Context(), 60*time.Second)
	defer cancel()
	args := []string{"instance", "--json", "--verbose", "--config", filepath.Join(s.p.dir, s.config)}
	cmd := exec.Command(s.program, args...)
	if s.disk != nil {
		cmd = s.disk.Command(s.program, args...)
	}
	cmd.Env = append(os.Environ(), s.env...)
	var ready struct {
		Address, User, Credentials, CA string
		Port                           int
	}
	process, err := harness.StartCommand(ctx, &ready, cmd)
	if err != nil {
		return err
	}
	s.process = process
	var creds struct{ Password string }
	b, err := os.ReadFile(s.path(ready.Credentials))
	if err == nil {
		err = json.Unmarshal(b, &creds)
	}
	s.login = harness.Login{Address: ready.Address, Port: ready.Port, User: ready.User, Password: creds.Password, CA: ready.CA, Moved: s.login.Moved}
	return err
}

// path is where this process sees a path of the instance.
func (s *side) path(name string) string {
	if s.disk != nil {
		return s.disk.Path(name)
	}
	return name
}

// kill ends the instance as a crash would. Idempotent.
func (s *side) kill() {
	if s.process == nil {
		return
	}
	s.process.Kill()
	s.said = append(s.said, s.process.Stderr())
	s.process = nil
}

// restart kills the instance as a crash would and starts it again.
func (s *side) restart() {
	s.p.t.Helper()
	s.kill()
	s.start()
}

// log is what the running instance has written to its log.
func (s *side) log() string { return s.process.Stderr() }

// open gives a pool of connections to the side, which outlives restarts.
func (s *side) open(database string) *sql.DB {
	s.p.t.Helper()
	db, err := harness.OpenSQL(s.login, database)
	if err != nil {
		s.p.t.Fatal(err)
	}
	s.p.t.Cleanup(func() { _ = db.Close() })
	return db
}

// exec runs statements on the side, one after the other.
func (s *side) exec(database string, statements ...string) {
	s.p.t.Helper()
	db := s.open(database)
	defer func() { _ = db.Close() }()
	for _, sql := range statements {
		if _, err := db.ExecContext(s.p.t.Context(), sql); err != nil {
			s.p.t.Fatalf("%s: %s: %v", s.name, sql, err)
		}
	}
}

// fill makes the database, with so many bytes in it that seeding takes a while.
func (p *pair) fill(size int) {
	p.t.Helper()
	p.source.exec("master", "CREATE DATABASE "+pairDatabase, "BACKUP DATABASE "+pairDatabase+" TO DISK = 'NUL'")
	p.source.exec(pairDatabase, "CREATE TABLE dbo.blobs (id int IDENTITY PRIMARY KEY, b varbinary(max))",
		"CREATE TABLE dbo.rows (id bigint PRIMARY KEY, writer int NOT NULL)")
	db := p.source.open(pairDatabase)
	blob := make([]byte, 1<<20)
	for n := 0; n < size; n += len(blob) {
		for i := range blob {
			blob[i] = byte(n>>16 ^ i*7)
		}
		if _, err := db.ExecContext(p.t.Context(), "INSERT INTO dbo.blobs (b) VALUES (@p1)", blob); err != nil {
			p.t.Fatal(err)
		}
	}
}

// linkRun is a running "linkspan link create".
type linkRun struct {
	cmd *exec.Cmd
	out strings.Builder
}

// writeSpec writes link.yaml and the secrets it names.
func (p *pair) writeSpec() {
	p.t.Helper()
	p.write("link.yaml", fmt.Sprintf(`source: {address: %s, port: 1433, ca: ca/ca.pem, mirroringAddress: %s, user: sa, passwordFile: source.password}
target: {instance: /subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/linkspan/providers/Microsoft.Sql/managedInstances/sqlmi1,
  endpoint: "https://localhost:%d", ca: ca/ca.pem, tenant: 00000000-0000-4000-8000-000000000001, clientId: 00000000-0000-4000-8000-000000000003,
  clientSecretFile: arm.secret}
links: [{database: %s}]
%s`, p.source.ip, p.proxyIP, p.armPort, pairDatabase, p.spec))
	p.write("source.password", p.source.login.Password)
	var arm struct{ ClientSecret string }
	b, err := os.ReadFile(p.target.path(filepath.Join(p.dir, "sqlmi1", "arm.json")))
	if err == nil {
		err = json.Unmarshal(b, &arm)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("arm.secret", arm.ClientSecret)
}

// link runs "linkspan link" with the arguments in the pair's folder.
func (p *pair) link(args ...string) *linkRun {
	p.t.Helper()
	p.writeSpec()
	r := &linkRun{cmd: exec.CommandContext(p.t.Context(), program, append([]string{"link"}, args...)...)}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = p.dir, &r.out, &r.out
	return r
}

func (p *pair) startLink() *linkRun {
	p.t.Helper()
	r := p.link("create", "-f", "link.yaml")
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// finishLink waits for the command; one that lost an instance under it is run again, as a user would.
func (p *pair) finishLink(r *linkRun) {
	p.t.Helper()
	err := r.cmd.Wait()
	for range 20 {
		if err == nil {
			return
		}
		p.t.Logf("link create ended with %v; again", err)
		r = p.link("create", "-f", "link.yaml")
		err = r.cmd.Run()
	}
	if err != nil {
		p.t.Fatalf("link create: %v\n%s", err, r.out.String())
	}
}

// createLink makes the link with nothing in its way.
func (p *pair) createLink() {
	p.t.Helper()
	p.finishLink(p.startLink())
}
