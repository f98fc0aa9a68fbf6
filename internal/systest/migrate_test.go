package systest_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/internal/harness"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// traffic is what applications write into a database of the source, each acknowledged row noted.
type traffic struct {
	m        *move
	database string
	stopping atomic.Bool
	wg       sync.WaitGroup
	mu       sync.Mutex
	acked    map[int64]bool
}

// apply starts n writers; they go on until stop, whatever the source answers.
func (m *move) traffic(database string, n int) *traffic {
	m.t.Helper()
	x := &traffic{m: m, database: database, acked: map[int64]bool{}}
	db := m.source.open(database)
	ctx := m.t.Context()
	for w := range n {
		x.wg.Go(func() {
			for id := int64(w) << 40; !x.stopping.Load() && ctx.Err() == nil; id++ {
				if _, err := db.ExecContext(ctx, "INSERT INTO dbo.rows (id, writer) VALUES (@p1, @p2)", id, w); err == nil {
					x.mu.Lock()
					x.acked[id] = true
					x.mu.Unlock()
					continue
				}
				select {
				case <-time.After(10 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	m.t.Cleanup(x.stop)
	return x
}

func (x *traffic) stop() {
	x.stopping.Store(true)
	x.wg.Wait()
}

func (x *traffic) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.acked)
}

// wait waits for so many more acknowledged rows.
func (x *traffic) wait(rows int) {
	x.m.t.Helper()
	want := x.count() + rows
	for deadline := time.Now().Add(60 * time.Second); x.count() < want; waitTick(x.m.t) {
		if time.Now().After(deadline) {
			x.m.t.Fatalf("%d rows acknowledged, want %d", x.count(), want)
		}
	}
}

// check compares what is on the target with what was acknowledged. The writers have been stopped.
func (x *traffic) check() {
	x.m.t.Helper()
	have := x.m.ids(x.m.target.open(x.database))
	missing := 0
	for id := range x.acked {
		if !have[id] {
			missing++
		}
	}
	if missing > 0 || len(x.acked) < 50 {
		x.m.t.Errorf("%d of %d acknowledged rows of %s are not on the target", missing, len(x.acked), x.database)
	}
}

// database makes a small database with a table for traffic and a login that uses it.
func (m *move) database(name string) {
	m.t.Helper()
	m.source.exec("master", "CREATE DATABASE ["+name+"]")
	m.source.exec(name, "CREATE TABLE dbo.rows (id bigint PRIMARY KEY, writer int NOT NULL)",
		"CREATE TABLE dbo.facts (id int IDENTITY PRIMARY KEY, name nvarchar(40) NOT NULL, paid money, at datetime2)",
		"INSERT INTO dbo.facts (name, paid, at) VALUES (N'één', 1.5, '2026-01-02'), (N'двa', NULL, NULL)")
}

// appLogin makes a login on the source with rights in a database.
func (m *move) appLogin(name, password string, databases ...string) {
	m.t.Helper()
	m.source.exec("master", fmt.Sprintf("CREATE LOGIN [%s] WITH PASSWORD = '%s', CHECK_POLICY = OFF", name, password))
	for _, d := range databases {
		m.source.exec(d, fmt.Sprintf("CREATE USER [%s] FOR LOGIN [%s]", name, name), fmt.Sprintf("ALTER ROLE db_datareader ADD MEMBER [%s]", name),
			fmt.Sprintf("GRANT INSERT ON dbo.facts TO [%s]", name))
	}
}

// canUse logs in on the target as an application does, and wants its rights there: to read, to insert into one table, and no more.
func (m *move) canUse(name, password, database string) {
	m.t.Helper()
	l := m.target.login
	l.User, l.Password = name, password
	db, err := harness.OpenSQL(l, database)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var n int
	if err := db.QueryRowContext(m.t.Context(), "SELECT COUNT(*) FROM dbo.facts").Scan(&n); err != nil || n == 0 {
		m.t.Errorf("%s reads %s on the target: %d rows, %v", name, database, n, err)
	}
	if _, err := db.ExecContext(m.t.Context(), "INSERT INTO dbo.facts (name) VALUES ('by the application')"); err != nil {
		m.t.Errorf("%s may not insert on the target: %v", name, err)
	}
	if _, err := db.ExecContext(m.t.Context(), "DELETE FROM dbo.facts"); err == nil {
		m.t.Errorf("%s may delete on the target", name)
	}
}

// TestMigration walks the whole document: plan, start, full and log backups on the share, statuses and pending changes as it
// describes them, logins, and the cutover under load. Share and storage are a server's and an emulator's.
func TestMigration(t *testing.T) {
	t.Parallel()
	m := startMove(t, moveOptions{remote: true})
	m.database(pairDatabase)
	m.appLogin("shop", "0ld-Passw0rd", pairDatabase)
	app := m.traffic(pairDatabase, 3)
	app.wait(50)
	m.full(pairDatabase)

	if out := m.must("plan", m.spec); !strings.Contains(out, pairDatabase) || !strings.Contains(out, "busy_full.bak") || !strings.Contains(out, "shop") {
		t.Errorf("the plan:\n%s", out)
	}
	m.serve()
	m.must("start", "--detach", m.spec)
	d := m.reached(pairDatabase, flow.LogsUploading)
	if d.LastRestored != "busy_full.bak" || d.Files[flow.FileRestored] != 1 {
		t.Errorf("after the full backup: %+v", d)
	}
	logs := 0
	for range 3 {
		app.wait(20)
		logs++
		m.log(pairDatabase, logs)
	}
	m.reach(pairDatabase, "at the third log", func(d ledger.Database) bool { return d.Files[flow.FileRestored] == 4 && d.PendingChanges == 0 })

	// While the target stands still, what comes is pending.
	m.target.process.Pause()
	logs++
	m.log(pairDatabase, logs)
	m.reach(pairDatabase, "behind by one", func(d ledger.Database) bool { return d.PendingChanges == 1 })
	m.target.process.Resume()
	m.reach(pairDatabase, "caught up", func(d ledger.Database) bool { return d.PendingChanges == 0 })

	if out := m.must("cutover", activity, "--yes", "--apply"); !strings.Contains(out, "pause") {
		t.Errorf("the cutover said:\n%s", out)
	}
	d = m.reached(pairDatabase, flow.Completed)
	app.stop()
	if d.Cutover == nil || d.Cutover.PauseSeconds <= 0 || d.Cutover.PauseSeconds > 60 {
		t.Errorf("the pause: %+v", d.Cutover)
	}
	t.Logf("%d rows acknowledged, pause %.2f s", app.count(), d.Cutover.PauseSeconds)
	app.check()
	m.wantClosed(pairDatabase)
	m.wantReport(d)
	m.canUse("shop", "0ld-Passw0rd", pairDatabase)
	m.loginReached("shop", flow.LoginCompleted)
}

// loginReached waits for a login's state.
func (m *move) loginReached(name string, want flow.LoginState) {
	m.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(m.t) {
		s := m.status()
		if slices.ContainsFunc(s.Logins, func(l ledger.Login) bool { return l.Name == name && l.State == want }) {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("login %s is not %s: %+v", name, want, s.Logins)
		}
	}
}

// wantClosed wants the source's database closed for writers.
func (m *move) wantClosed(database string) {
	m.t.Helper()
	db := m.source.open("master")
	if _, err := db.ExecContext(m.t.Context(), "INSERT INTO "+database+".dbo.rows VALUES (-1, -1)"); err == nil {
		m.t.Error("the source takes writers after the cutover")
	}
}

// wantReport wants a report with equal digests of every table.
func (m *move) wantReport(d ledger.Database) {
	m.t.Helper()
	text, err := os.ReadFile(d.Report)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, want := range []string{"dbo.rows", "pause", "final LSN", "the same on both sides"} {
		if !strings.Contains(string(text), want) {
			m.t.Errorf("no %q in the report:\n%s", want, text)
		}
	}
}

// TestMigrationWithTheUsersTail is the same with local folders, and with the document's own cutover: it is started, the user
// stops the traffic, takes the tail-log backup, waits until nothing is pending, confirms.
func TestMigrationWithTheUsersTail(t *testing.T) {
	t.Parallel()
	m := startMove(t, moveOptions{})
	m.database(pairDatabase)
	app := m.traffic(pairDatabase, 2)
	app.wait(50)
	m.full(pairDatabase)
	m.serve()
	m.must("start", "--detach", m.spec)
	m.reached(pairDatabase, flow.LogsUploading)
	app.wait(20)
	m.log(pairDatabase, 1)
	m.reach(pairDatabase, "ready", func(d ledger.Database) bool { return d.CutoverReady })
	m.must("cutover", activity, "--yes", "--user-tail", "--wait=false")
	m.reached(pairDatabase, flow.CutoverInProgress)
	if out, err := m.migrate("cutover", activity, "--confirm", "--yes"); exitStatus(err) != 3 {
		t.Errorf("confirmed before the tail was there: %v\n%s", err, out)
	}
	app.stop()
	m.source.exec("master", "ALTER DATABASE busy SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
		fmt.Sprintf("BACKUP LOG busy TO DISK = '%s/the last one' WITH CHECKSUM, NORECOVERY", m.share))
	m.reach(pairDatabase, "ready to be confirmed", func(d ledger.Database) bool { return d.CanConfirm && d.PendingChanges == 0 })
	m.must("cutover", activity, "--confirm", "--yes")
	d := m.reached(pairDatabase, flow.Completed)
	app.check()
	m.wantReport(d)
}

// exitStatus is the exit code of a command.
func exitStatus(err error) int {
	var x *exec.ExitError
	if errors.As(err, &x) {
		return x.ExitCode()
	}
	return 0
}

// TestMigrationOfMany moves twenty databases of which two are broken, each in its own way: the others arrive, and each of the
// two says what it lacks.
func TestMigrationOfMany(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("db%02d", i))
	}
	m := startMove(t, moveOptions{databases: names})
	for _, n := range names {
		m.database(n)
		m.full(n)
		m.source.exec(n, "INSERT INTO dbo.rows VALUES (1, 1)")
		m.log(n, 1)
		m.source.exec(n, "INSERT INTO dbo.rows VALUES (2, 1)")
		m.log(n, 2)
	}
	// One lacks a log in the middle, one's full backup is cut short.
	lost := filepath.Join(m.share, "db03_001.trn")
	if err := os.Rename(lost, filepath.Join(m.dir, "db03_001.trn")); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(m.share, "db07_full.bak")
	info, err := os.Stat(short)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(short, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	m.serve()
	m.must("start", "--detach", m.spec)
	var sound []string
	for _, n := range names {
		if n != "db03" && n != "db07" {
			m.reach(n, "ready", func(d ledger.Database) bool {
				return d.CutoverReady && d.PendingChanges == 0 && d.Files[flow.FileRestored] == 3
			})
			sound = append(sound, "--database", n)
		}
	}
	m.reach("db03", "waiting for the missing log", func(d ledger.Database) bool { return waits(d, "gap") })
	m.reach("db07", "waiting for a full backup", func(d ledger.Database) bool { return d.State == flow.Initial && waits(d, "no-full") })
	m.must(append([]string{"cutover", activity, "--yes", "--apply"}, sound...)...)
	for _, n := range names {
		if n == "db03" || n == "db07" {
			continue
		}
		m.reached(n, flow.Completed)
		var rows int
		if err := m.target.open(n).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dbo.rows").Scan(&rows); err != nil || rows != 2 {
			t.Errorf("%s has %d rows on the target, %v", n, rows, err)
		}
	}
	// The missing log is found again: that one goes on by itself. The other is given up, and leaves nothing on the target.
	if err := os.Rename(filepath.Join(m.dir, "db03_001.trn"), lost); err != nil {
		t.Fatal(err)
	}
	m.reach("db03", "ready", func(d ledger.Database) bool {
		return d.CutoverReady && d.PendingChanges == 0 && d.Files[flow.FileRestored] == 3
	})
	m.must("cutover", activity, "--yes", "--apply", "--database", "db03")
	m.reached("db03", flow.Completed)
	m.must("cancel", activity, "--yes", "--database", "db07")
	m.reached("db07", flow.Cancelled)
	var left sql.NullInt64
	if err := m.target.open("master").QueryRowContext(t.Context(), "SELECT DB_ID('db07')").Scan(&left); err != nil || left.Valid {
		t.Errorf("db07 is on the target: %v, %v", left, err)
	}
}

func waits(d ledger.Database, id string) bool {
	for _, w := range d.Waits {
		if w.ID == id {
			return true
		}
	}
	return false
}
