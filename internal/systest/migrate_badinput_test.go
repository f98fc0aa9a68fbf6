package systest_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// waitsWith reports whether a database waits for what the id names, in words that have all of these: cause and fix.
func waitsWith(id string, words ...string) func(ledger.Database) bool {
	return func(d ledger.Database) bool {
		for _, w := range d.Waits {
			text := w.Text + " → " + w.Fix
			if w.ID == id && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) }) {
				return true
			}
		}
		return false
	}
}

// following reports whether so many files are restored, and nothing is waited for but the next log.
func following(files int) func(ledger.Database) bool {
	return func(d ledger.Database) bool {
		return d.State == flow.LogsUploading && d.Files[flow.FileRestored] == files && len(d.Waits) == 0 && d.CutoverReady
	}
}

// refused plans a spec in which texts were replaced, and starts it: both end with 3, or with 2 where the spec itself is
// wrong, and say these words.
func (m *move) refused(mistake string, replace []string, words ...string) {
	m.t.Helper()
	m.refusedWith(3, mistake, replace, words...)
}

func (m *move) refusedWith(code int, mistake string, replace []string, words ...string) {
	m.t.Helper()
	text, err := os.ReadFile(m.spec)
	if err != nil {
		m.t.Fatal(err)
	}
	changed := strings.NewReplacer(replace...).Replace(string(text))
	if changed == string(text) && len(replace) > 0 {
		m.t.Fatalf("%s: the spec has none of %q:\n%s", mistake, replace, text)
	}
	m.write("wrong.yaml", strings.Replace(changed, "name: "+activity+"\n", "name: wrong\n", 1))
	for _, command := range [][]string{{"plan"}, {"start", "--detach"}} {
		out, err := m.migrate(append(command, filepath.Join(m.dir, "wrong.yaml"))...)
		said := strings.Join(strings.Fields(fmt.Sprintf("%s %v", out, err)), " ")
		if exitStatus(err) != code {
			m.t.Errorf("%s: %s ended with %d:\n%s", mistake, command[0], exitStatus(err), said)
		}
		for _, w := range words {
			if !strings.Contains(said, w) {
				m.t.Errorf("%s: %s says nothing of %q:\n%s", mistake, command[0], w, said)
			}
		}
	}
}

// back moves a file of the share away, and gives what puts it back.
func (m *move) away(name string) (back func()) {
	m.t.Helper()
	here, there := filepath.Join(m.share, name), filepath.Join(m.dir, name)
	m.rename(here, there)
	return func() { m.t.Helper(); m.rename(there, here) }
}

func (m *move) rename(from, to string) {
	m.t.Helper()
	if err := os.Rename(from, to); err != nil {
		m.t.Fatal(err)
	}
}

// noise puts so many MiB that cannot be compressed into a database.
func (m *move) noise(database string, mib int) {
	m.t.Helper()
	db := m.source.open(database)
	if _, err := db.ExecContext(m.t.Context(), "IF OBJECT_ID('dbo.noise') IS NULL CREATE TABLE dbo.noise (id int IDENTITY PRIMARY KEY, b varbinary(max))"); err != nil {
		m.t.Fatal(err)
	}
	for range mib {
		b := make([]byte, 1<<20)
		_, _ = rand.Read(b)
		if _, err := db.ExecContext(m.t.Context(), "INSERT INTO dbo.noise (b) VALUES (@p1)", b); err != nil {
			m.t.Fatal(err)
		}
	}
}

// TestMigrationOfWrongBackups makes the mistakes with backups that the document warns of, each with a database: it waits and
// says for what, and goes on by itself once that is put right.
func TestMigrationOfWrongBackups(t *testing.T) {
	t.Parallel()
	m := startMove(t, moveOptions{databases: []string{"plain", "several", "early", "forked"}})
	m.source.exec("master", "CREATE LOGIN low WITH PASSWORD = 'L0w-enough', CHECK_POLICY = OFF")
	m.write("low.password", "L0w-enough")
	for _, n := range []string{"plain", "several", "early", "forked"} {
		m.database(n)
	}
	m.refused("a login that is not sysadmin", []string{"user: sa, passwordFile: source.password", "user: low, passwordFile: low.password"},
		"low is not a member of the server role sysadmin", "ALTER SERVER ROLE sysadmin ADD MEMBER")
	m.refused("a wrong password", []string{"passwordFile: source.password", "passwordFile: low.password"}, "sa", "password")
	m.target.exec("master", "CREATE DATABASE early")
	m.refused("a name that is taken", nil, "early", "already", "targetName")
	m.target.exec("master", "DROP DATABASE early")

	m.source.exec("master", fmt.Sprintf("BACKUP DATABASE [plain] TO DISK = '%s/plain_full.bak'", m.share))
	m.full("several")
	m.full("several")
	m.full("early")
	m.source.exec("early", "INSERT INTO dbo.rows VALUES (1, 1)")
	m.source.exec("master", fmt.Sprintf("BACKUP DATABASE [early] TO DISK = '%s/early_diff.bak' WITH DIFFERENTIAL, CHECKSUM", m.share))
	back := m.away("early_full.bak")
	m.full("forked")
	m.source.exec("forked", "INSERT INTO dbo.rows VALUES (1, 1)")
	m.log("forked", 1)

	m.serve()
	m.must("start", "--detach", m.spec)
	m.reach("plain", "waiting to be accepted", waitsWith("checksum", "plain_full.bak was made without CHECKSUM", "accept"))
	m.must("accept-no-checksum", activity, "--database", "plain")
	m.reach("plain", "going on", following(1))

	m.reach("several", "waiting for another file", waitsWith("file", "several_full.bak is ignored: it holds 2 backup sets", "each backup to a file of its own"))
	m.source.exec("master", fmt.Sprintf("BACKUP DATABASE [several] TO DISK = '%s/several_alone.bak' WITH CHECKSUM", m.share))
	m.reach("several", "going on", func(d ledger.Database) bool { return d.CutoverReady && d.LastRestored == "several_alone.bak" })

	m.reach("early", "waiting for the full backup", waitsWith("no-base", "early_diff.bak is a differential backup", "put that full backup there"))
	back()
	m.reach("early", "going on", following(2))

	m.reach("forked", "following", following(2))
	m.source.exec("master", fmt.Sprintf("RESTORE DATABASE forked FROM DISK = '%s/forked_full.bak' WITH REPLACE", m.share))
	for i := range 20 {
		m.source.exec("forked", fmt.Sprintf("INSERT INTO dbo.rows VALUES (%d, 2)", i+10))
	}
	m.log("forked", 2)
	m.reach("forked", "telling of the fork", waitsWith("fork", "the source was restored after the full backup: forked_002.trn", "migrate from a full backup taken after that"))
	if out, err := m.migrate("cutover", activity, "--yes", "--apply", "--database", "forked"); exitStatus(err) != 3 {
		t.Errorf("a cutover without the fork's rows: %v\n%s", err, out)
	}
	m.must("cancel", activity, "--yes", "--database", "forked")
	m.reached("forked", flow.Cancelled)

	m.must("cutover", activity, "--yes", "--apply", "--database", "plain", "--database", "several", "--database", "early")
	for _, n := range []string{"plain", "several", "early"} {
		m.wantReport(m.reached(n, flow.Completed))
	}
}

// TestMigrationOfFilesThatChange has files cut short, replaced and deleted while they are copied: nothing of them is
// restored, it is said, and the right file is taken when it comes.
func TestMigrationOfFilesThatChange(t *testing.T) {
	t.Parallel()
	names := []string{"short", "swapped", "gone"}
	m := startMove(t, moveOptions{databases: names, settings: ", bandwidthMiB: 4, blockMiB: 1"})
	for _, n := range names {
		m.database(n)
		m.noise(n, 12)
		m.full(n)
	}
	whole := filepath.Join(m.dir, "whole.bak")
	b, err := os.ReadFile(filepath.Join(m.share, "short_full.bak"))
	if err == nil {
		err = os.WriteFile(whole, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.source.exec("swapped", "INSERT INTO dbo.rows VALUES (1, 1)")
	m.source.exec("master", fmt.Sprintf("BACKUP DATABASE [swapped] TO DISK = '%s/swapped_later.bak' WITH CHECKSUM", m.share))
	later := filepath.Join(m.dir, "swapped_later.bak")
	m.rename(filepath.Join(m.share, "swapped_later.bak"), later)

	m.serve()
	m.must("start", "--detach", m.spec)
	var back func()
	m.whileCopied(map[string]func(){
		"short": func() {
			if err := os.Truncate(filepath.Join(m.share, "short_full.bak"), 3<<20); err != nil {
				t.Fatal(err)
			}
		},
		"swapped": func() { m.rename(later, filepath.Join(m.share, "swapped_full.bak")) },
		"gone":    func() { back = m.away("gone_full.bak") },
	})

	m.reach("short", "telling of the cut file", func(d ledger.Database) bool {
		return d.State == flow.Initial && waits(d, "no-full") && hasFile(d, "short_full.bak", "replaced by another file of this name before it was copied whole")
	})
	m.reach("gone", "telling of the deleted file", func(d ledger.Database) bool {
		return d.State == flow.Initial && waitsWith("deleted", "gone_full.bak: it was deleted from the source before it was copied whole", "put it back")(d)
	})
	m.rename(whole, filepath.Join(m.share, "short_full.bak"))
	back()
	for _, n := range names {
		m.reach(n, "going on", func(d ledger.Database) bool { return d.State == flow.LogsUploading && d.Files[flow.FileRestored] == 1 })
	}
	d := m.of("swapped")
	if !hasFile(d, "swapped_full.bak", "replaced by another file of this name") {
		t.Errorf("nothing is said of the file that was replaced: %+v", d.FileList)
	}
	m.must("cutover", activity, "--yes", "--apply")
	for _, n := range names {
		m.wantReport(m.reached(n, flow.Completed))
	}
	var rows int
	if err := m.target.open("swapped").QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dbo.rows").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows of the later backup, %v", rows, err)
	}
}

// whileCopied does to each database's file what is meant for it while it is copied: a part is in storage, and not all.
func (m *move) whileCopied(harm map[string]func()) {
	m.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); len(harm) > 0; waitTick(m.t) {
		for _, d := range m.status().Databases {
			do, todo := harm[d.Name]
			switch {
			case !todo:
			case d.State != flow.Initial && d.State != flow.FullUploading || time.Now().After(deadline):
				m.t.Fatalf("%s was not met while it was copied: %+v", d.Name, d)
			case d.CopiedBytes > 0:
				do()
				delete(harm, d.Name)
			}
		}
	}
}

// hasFile reports whether a file was given up or ignored for a reason.
func hasFile(d ledger.Database, name, reason string) bool {
	return slices.ContainsFunc(d.FileList, func(f ledger.File) bool { return f.Name == name && strings.Contains(f.Reason, reason) })
}

// TestMigrationOfWrongPlaces has a share and a storage that cannot be used, each in its way: the plan names cause and fix,
// and a share that is away while the migration runs is waited for.
func TestMigrationOfWrongPlaces(t *testing.T) {
	t.Parallel()
	m := startMove(t, moveOptions{remote: true})
	m.database(pairDatabase)
	m.full(pairDatabase)
	m.write("wrong.password", "n0t-this-one")
	m.refused("a wrong password of the share", []string{filepath.Join(filepath.Dir(m.share), "share.password"), "wrong.password"}, "wrong password (1326)", "check name and password")
	m.refused("a share that is not there", []string{m.samba.Address + "/backups", m.samba.Address + "/nothing"}, "nothing", "67")
	m.refused("a server whose port is closed", []string{m.samba.Address, fmt.Sprintf("127.0.0.1:%d", freePort(t))}, "53", "firewall")
	m.refusedWith(2, "a container called backup", []string{m.azurite.Address + "/move", m.azurite.Address + "/backup"}, "refused by the log replay service", "choose another name")

	m.write("expired.sas", m.sas(t, sas.ContainerPermissions{Read: true, Write: true, Create: true, List: true}, -time.Hour))
	m.refused("a signature that expired", []string{filepath.Join(filepath.Dir(m.share), "ours.sas"), "expired.sas"}, "expired at", "sp=rcwl")
	m.write("poor.sas", m.sas(t, sas.ContainerPermissions{Read: true, List: true}, time.Hour))
	m.refused("a signature with too few rights", []string{filepath.Join(filepath.Dir(m.share), "ours.sas"), "poor.sas"}, "lacks Create or Write", "sp=rcwl")
	m.write("rich.sas", m.sas(t, sas.ContainerPermissions{Read: true, List: true, Delete: true}, time.Hour))
	m.refused("a target's signature with too many rights", []string{filepath.Join(filepath.Dir(m.share), "theirs.sas"), "rich.sas"}, "Read and List and no others", "sp=rl")

	m.serve()
	m.must("start", "--detach", m.spec)
	m.reach(pairDatabase, "following", following(1))
	m.samba.Kill()
	m.reach(pairDatabase, "telling of the share", waitsWith("trouble", "share: ", "53"))
	m.samba.Start(t)
	m.source.exec(pairDatabase, "INSERT INTO dbo.rows VALUES (1, 1)")
	m.log(pairDatabase, 1)
	m.reach(pairDatabase, "going on", following(2))
}

// sas is a signature for the container of the migration, with or without time left.
func (m *move) sas(t *testing.T, p sas.ContainerPermissions, left time.Duration) string {
	t.Helper()
	cred, err := blob.NewSharedKeyCredential(m.azurite.Account, m.azurite.Key)
	if err != nil {
		t.Fatal(err)
	}
	q, err := sas.BlobSignatureValues{Protocol: sas.ProtocolHTTPSandHTTP, StartTime: time.Now().Add(-2 * time.Hour), ExpiryTime: time.Now().Add(left), Permissions: p.String(), ContainerName: "move"}.SignWithSharedKey(cred)
	if err != nil {
		t.Fatal(err)
	}
	return q.Encode()
}

// TestMigrationToFullDisks has the disk of storage and target full, before a file is copied and before it is restored: it
// says whose disk that is, and goes on by itself when there is room.
func TestMigrationToFullDisks(t *testing.T) {
	t.Parallel()
	m := startMove(t, moveOptions{storageDisk: 160})
	m.database(pairDatabase)
	m.full(pairDatabase)
	m.serve()
	m.must("start", "--detach", m.spec)
	m.reach(pairDatabase, "following", following(1))
	fill := func(f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	fill(m.disk.Fill)
	m.noise(pairDatabase, 2)
	m.log(pairDatabase, 1)
	m.reach(pairDatabase, "telling of the full storage", waitsWith("trouble", "storage: ", "is full", "make room there"))
	fill(m.disk.Empty)
	m.reach(pairDatabase, "going on", following(2))

	m.target.process.Pause()
	m.noise(pairDatabase, 2)
	m.log(pairDatabase, 2)
	m.reach(pairDatabase, "in storage", func(d ledger.Database) bool { return d.Files[flow.FileUploaded] == 1 })
	fill(m.disk.Fill)
	m.target.process.Resume()
	m.reach(pairDatabase, "telling of the target's full disk", waitsWith("trouble", "target: ", "full"))
	fill(m.disk.Empty)
	m.reach(pairDatabase, "going on", following(3))
	m.must("cutover", activity, "--yes", "--apply")
	m.wantReport(m.reached(pairDatabase, flow.Completed))
}

// TestMigrationGivenBack has the target down in the middle of cutovers: one that takes too long, one that is given up and one
// that is cancelled give the source back, open and whole; the first two are cut over later.
func TestMigrationGivenBack(t *testing.T) {
	t.Parallel()
	names := []string{"late", "given", "cancelled"}
	m := startMove(t, moveOptions{databases: names})
	for _, n := range names {
		m.database(n)
		m.full(n)
	}
	m.serve()
	m.must("start", "--detach", m.spec)
	for _, n := range names {
		m.reach(n, "following", following(1))
		m.source.exec(n, "INSERT INTO dbo.rows VALUES (0, 1)") // for the tail
	}
	m.target.process.Pause()
	m.must("cutover", activity, "--yes", "--apply", "--wait=false", "--max-pause", "2s", "--database", "late")
	m.must("cutover", activity, "--yes", "--wait=false", "--database", "given", "--database", "cancelled")
	for _, n := range names[1:] {
		m.reach(n, "closed", func(d ledger.Database) bool { return d.State == flow.CutoverInProgress && d.PendingChanges == 1 })
		m.wantClosed(n)
	}
	m.must("cutover", activity, "--yes", "--give-up", "--wait=false", "--database", "given")
	m.must("cancel", activity, "--yes", "--wait=false", "--database", "cancelled")
	m.reached("late", flow.LogsUploading)
	m.reached("given", flow.LogsUploading)
	for _, n := range names {
		m.opens(n)
	}
	m.target.process.Resume()
	m.reached("cancelled", flow.Cancelled)
	for _, n := range names[:2] {
		m.reach(n, "ready", func(d ledger.Database) bool { return d.CutoverReady && d.PendingChanges == 0 })
	}
	m.must("cutover", activity, "--yes", "--apply", "--database", "late", "--database", "given")
	for _, n := range names[:2] {
		m.wantReport(m.reached(n, flow.Completed))
		var rows int
		if err := m.target.open(n).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dbo.rows").Scan(&rows); err != nil || rows != 2 {
			t.Errorf("%s has %d rows on the target, %v", n, rows, err)
		}
	}
}

// opens waits until the source's database takes a row again.
func (m *move) opens(database string) {
	m.t.Helper()
	db := m.source.open("master")
	for deadline := time.Now().Add(20 * time.Second); ; waitTick(m.t) {
		_, err := db.ExecContext(m.t.Context(), "INSERT INTO "+database+".dbo.rows VALUES (1, 1)")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s is not open again on the source: %v\n%s", database, err, m.must("timeline", activity))
		}
	}
}
