package systest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/internal/harness"
)

// The link survives what machines and networks do: kill -9 of the target while it is seeded and while it follows,
// kill -9 of the source, twenty cuts of the connection, all under load through TDS. Afterwards every acknowledged row is
// on both sides, and the digests are equal.
func TestKillsAndCuts(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	p.fill(40 << 20)
	writers := p.startWriters(4)

	link := p.startLink()
	p.waitState("RESTORING")
	p.restart(&p.targetProcess, "target.yaml")
	p.finishLink(link)
	p.waitState("ONLINE")

	p.settle(writers, 200)
	p.restart(&p.targetProcess, "target.yaml")
	p.settle(writers, 200)
	p.restart(&p.sourceProcess, "source.yaml")
	p.settle(writers, 200)
	cut := 0
	for range 20 {
		p.settle(writers, 25)
		cut += p.proxy.Cut()
	}
	if cut < 20 {
		t.Errorf("only %d connections were there to be cut in 20 cuts", cut)
	}
	acked := writers.stop()
	p.compare(acked)
}

// pair is a source and a managed instance as processes of their own, with a network between them that can be cut.
type pair struct {
	t                            *testing.T
	dir                          string
	sourceIP, targetIP, proxyIP  string
	armPort                      int
	sourceProcess, targetProcess *harness.Process
	proxy                        *harness.Proxy
	source, target               harness.Login
}

const pairDatabase = "busy"

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir(), sourceIP: loopback(t), targetIP: loopback(t), proxyIP: loopback(t)}
	p.armPort = freePort(t)
	p.write("source.yaml", fmt.Sprintf("name: sqlserver1\ndir: sqlserver1\nlisten: %s:1433\nca: ca\nhosts: {sqlmi1.linkspan.test: %s}\n", p.sourceIP, p.targetIP))
	p.write("target.yaml", fmt.Sprintf("name: sqlmi1\nkind: managed-instance\ndir: sqlmi1\nlisten: %s:1433\nca: ca\narm: {listen: \"localhost:%d\"}\n", p.targetIP, p.armPort))
	p.source = p.start(&p.sourceProcess, "source.yaml")
	p.target = p.start(&p.targetProcess, "target.yaml")
	t.Cleanup(func() { p.sourceProcess.Kill(); p.targetProcess.Kill() })
	proxy, err := harness.StartProxy(t.Context(), p.proxyIP+":5022", p.sourceIP+":5022")
	if err != nil {
		t.Fatal(err)
	}
	p.proxy = proxy
	t.Cleanup(func() { _ = proxy.Close() })
	return p
}

func (p *pair) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// start runs an instance and says where it answers.
func (p *pair) start(process **harness.Process, config string) harness.Login {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 60*time.Second)
	defer cancel()
	var ready struct {
		Address, User, Credentials, CA string
		Port                           int
	}
	started, err := harness.Start(ctx, &ready, program, "instance", "--json", "--verbose", "--config", filepath.Join(p.dir, config))
	if err != nil {
		p.t.Fatal(err)
	}
	*process = started
	var creds struct{ Password string }
	b, err := os.ReadFile(ready.Credentials)
	if err == nil {
		err = json.Unmarshal(b, &creds)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return harness.Login{Address: ready.Address, Port: ready.Port, User: ready.User, Password: creds.Password, CA: ready.CA}
}

// restart kills an instance as a crash would and starts it again.
func (p *pair) restart(process **harness.Process, config string) {
	p.t.Helper()
	(*process).Kill()
	p.start(process, config)
}

func (p *pair) open(l harness.Login, database string) *sql.DB {
	p.t.Helper()
	db, err := harness.OpenSQL(l, database)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = db.Close() })
	return db
}

// fill makes the database, with so many bytes in it that seeding takes a while.
func (p *pair) fill(size int) {
	p.t.Helper()
	master := p.open(p.source, "master")
	for _, s := range []string{"CREATE DATABASE " + pairDatabase, "BACKUP DATABASE " + pairDatabase + " TO DISK = 'NUL'"} {
		if _, err := master.ExecContext(p.t.Context(), s); err != nil {
			p.t.Fatal(err)
		}
	}
	db := p.open(p.source, pairDatabase)
	for _, s := range []string{"CREATE TABLE dbo.blobs (id int IDENTITY PRIMARY KEY, b varbinary(max))",
		"CREATE TABLE dbo.rows (id bigint PRIMARY KEY, writer int NOT NULL)"} {
		if _, err := db.ExecContext(p.t.Context(), s); err != nil {
			p.t.Fatal(err)
		}
	}
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

// load is the writers: each inserts rows of its own, and notes which were acknowledged.
type load struct {
	stopping atomic.Bool // ends the writers between two inserts, so that none is left in doubt
	wg       sync.WaitGroup

	mu    sync.Mutex // protects acked
	acked map[int64]bool
}

func (p *pair) startWriters(n int) *load {
	p.t.Helper()
	ctx := p.t.Context()
	l := &load{acked: map[int64]bool{}}
	db := p.open(p.source, pairDatabase)
	for w := range n {
		l.wg.Go(func() {
			for id := int64(w) << 40; !l.stopping.Load() && ctx.Err() == nil; id++ {
				// A row whose acknowledgement was lost may be there or not; the next one has another number.
				if _, err := db.ExecContext(ctx, "INSERT INTO dbo.rows (id, writer) VALUES (@p1, @p2)", id, w); err == nil {
					l.mu.Lock()
					l.acked[id] = true
					l.mu.Unlock()
				}
			}
		})
	}
	p.t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// stop ends the writers and gives the acknowledged rows.
func (l *load) stop() map[int64]bool {
	l.stopping.Store(true)
	l.wg.Wait()
	return l.acked
}

// settle waits for so many more acknowledged rows, and until the copy has rows as new as the wait's beginning.
func (p *pair) settle(l *load, rows int) {
	p.t.Helper()
	want := l.count() + rows
	for deadline := time.Now().Add(60 * time.Second); l.count() < want; waitTick(p.t) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%d rows acknowledged, want %d: the source does not take writes any more\n%s", l.count(), want, p.sourceProcess.Stderr())
		}
	}
	p.waitCopy(func(copyRows int) bool { return copyRows >= want-rows })
}

// waitCopy waits until the copy's count of rows satisfies ok.
func (p *pair) waitCopy(ok func(int) bool) {
	p.t.Helper()
	db := p.open(p.target, pairDatabase)
	var n int
	var err error
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
		if err = db.QueryRowContext(p.t.Context(), "SELECT COUNT(*) FROM dbo.rows").Scan(&n); err == nil && ok(n) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the copy stands at %d rows, %v\n%s\nsource: %s\ntarget: %s", n, err, p.states(), p.sourceProcess.Stderr(), p.targetProcess.Stderr())
		}
	}
}

// states is what both sides show of the link, for the message of a failure.
func (p *pair) states() string {
	var b strings.Builder
	for _, l := range []harness.Login{p.source, p.target} {
		for _, q := range []string{"SELECT * FROM sys.dm_hadr_database_replica_states", "SELECT * FROM sys.dm_hadr_availability_replica_states",
			"SELECT * FROM sys.dm_linkspan_databases WHERE database_name = '" + pairDatabase + "'",
			"SELECT CONVERT(varchar(30), lsn), digest FROM sys.dm_linkspan_database_digest WHERE database_name = '" + pairDatabase + "'",
			"USE " + pairDatabase + "\nGO\nSELECT COUNT(*) FROM dbo.rows\nSELECT COUNT(id), MIN(id), MAX(id) FROM dbo.rows\nSELECT writer, COUNT(*) FROM dbo.rows GROUP BY writer"} {
			results, messages, err := harness.GoClient{}.Run(p.t.Context(), l, q)
			fmt.Fprintln(&b, results, messages, err)
		}
	}
	return b.String()
}

// waitState waits for the copy's state on the target.
func (p *pair) waitState(want string) {
	p.t.Helper()
	db := p.open(p.target, "master")
	var state string
	for deadline := time.Now().Add(60 * time.Second); ; {
		err := db.QueryRowContext(p.t.Context(), "SELECT state_desc FROM sys.databases WHERE name = @p1", pairDatabase).Scan(&state)
		if err == nil && state == want {
			return
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			state = err.Error()
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the copy is %s, want %s\ntarget: %s", state, want, p.targetProcess.Stderr())
		}
	}
}

// linkRun is a running "linkspan link create".
type linkRun struct {
	cmd *exec.Cmd
	out strings.Builder
}

func (p *pair) command() *linkRun {
	p.write("link.yaml", fmt.Sprintf(`source: {address: %s, port: 1433, ca: ca/ca.pem, mirroringAddress: %s, user: sa, passwordFile: source.password}
target: {instance: /subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/linkspan/providers/Microsoft.Sql/managedInstances/sqlmi1,
  endpoint: "https://localhost:%d", ca: ca/ca.pem, tenant: 00000000-0000-4000-8000-000000000001, clientId: 00000000-0000-4000-8000-000000000003,
  clientSecretFile: arm.secret}
links: [{database: %s}]
`, p.sourceIP, p.proxyIP, p.armPort, pairDatabase))
	p.write("source.password", p.source.Password)
	var arm struct{ ClientSecret string }
	b, err := os.ReadFile(filepath.Join(p.dir, "sqlmi1", "arm.json"))
	if err == nil {
		err = json.Unmarshal(b, &arm)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("arm.secret", arm.ClientSecret)
	r := &linkRun{cmd: exec.CommandContext(p.t.Context(), program, "link", "create", "-f", "link.yaml")}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = p.dir, &r.out, &r.out
	return r
}

func (p *pair) startLink() *linkRun {
	p.t.Helper()
	r := p.command()
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// finishLink waits for the command; one that lost the target under it is run again, as a user would.
func (p *pair) finishLink(r *linkRun) {
	p.t.Helper()
	err := r.cmd.Wait()
	for range 3 {
		if err == nil {
			return
		}
		p.t.Logf("link create ended with %v; again", err)
		r = p.command()
		err = r.cmd.Run()
	}
	if err != nil {
		p.t.Fatalf("link create: %v\n%s", err, r.out.String())
	}
}

// compare checks both sides against the acknowledged rows and each other.
func (p *pair) compare(acked map[int64]bool) {
	p.t.Helper()
	if len(acked) < 1000 {
		p.t.Errorf("only %d rows were acknowledged in the whole test", len(acked))
	}
	source, target := p.open(p.source, pairDatabase), p.open(p.target, pairDatabase)
	want := p.ids(source)
	for id := range acked {
		if !want[id] {
			p.t.Errorf("row %d was acknowledged and is not on the source", id)
		}
	}
	p.t.Logf("%d rows on the source, %d of them acknowledged", len(want), len(acked))
	p.waitCopy(func(n int) bool { return n == len(want) })
	if got := p.ids(target); len(got) != len(want) {
		p.t.Errorf("%d rows on the copy, %d on the source", len(got), len(want))
	} else {
		for id := range want {
			if !got[id] {
				p.t.Errorf("row %d is not on the copy", id)
			}
		}
	}
	s, c := p.digest(source), p.digest(target)
	if s != c {
		p.t.Errorf("the source is at %s, the copy at %s", s, c)
	}
	p.t.Logf("%d rows acknowledged, %d on both sides, %s", len(acked), len(want), s)
}

func (p *pair) ids(db *sql.DB) map[int64]bool {
	p.t.Helper()
	rows, err := db.QueryContext(p.t.Context(), "SELECT id FROM dbo.rows")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	ids := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			p.t.Fatal(err)
		}
		ids[id] = true
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return ids
}

// digest is the LSN and the digest that a side computes of its own pages.
func (p *pair) digest(db *sql.DB) string {
	p.t.Helper()
	var lsn string
	var digest []byte
	err := db.QueryRowContext(p.t.Context(), "SELECT CONVERT(varchar(30), lsn), digest FROM sys.dm_linkspan_database_digest WHERE database_name = @p1", pairDatabase).Scan(&lsn, &digest)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("LSN %s digest %x", lsn, digest)
}
