package systest_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// littleMemory gives the source the least memory there is, and lets log go that only the link wants beyond a MiB.
func littleMemory(p *pair) {
	p.t.Helper()
	p.append("source.yaml", "memory: {budgetMB: 64}\nlog: {linkLogRetentionMB: 1}\n")
}

// outlive cuts the sides apart, opens the copy by force and has the old primary write on: rows, and so much beside them
// that its changed pages do not fit into memory. It returns the rows that only the old and only the new primary has.
func (p *pair) outlive(whileApart func()) (lost, gained []int64) {
	p.t.Helper()
	p.proxy.SetDown(true)
	lost = p.source.insert(900_000, 40)
	p.target.exec("master", "ALTER AVAILABILITY GROUP ["+pairGroup+"] FORCE_FAILOVER_ALLOW_DATA_LOSS")
	gained = p.target.insert(800_000, 40)
	for i := range 6 { // one transaction has less room
		p.source.exec(pairDatabase, fmt.Sprintf("UPDATE dbo.blobs SET b = CAST(REPLICATE(CAST('x' AS varchar(max)), 1000000) AS varbinary(max)) WHERE id %% 6 = %d", i))
	}
	whileApart()
	lost = append(lost, p.source.insert(910_000, 20)...)
	p.proxy.SetDown(false)
	p.waitRefused(p.source, 58012)
	return lost, append(gained, p.target.insert(810_000, 5)...)
}

// truncate lets the source's log go, up to where the sides are apart and beyond.
func (p *pair) truncate() {
	p.t.Helper()
	const dropped = "SELECT CAST(COUNT(*) AS varchar(10)) FROM sys.dm_linkspan_errorlog WHERE number = 58022"
	blob := bytes.Repeat([]byte("linkspan"), 128<<10)
	db := p.source.open(pairDatabase)
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(90 * time.Second); p.source.ask(dropped) == "0"; {
		for range 8 {
			if _, err := db.ExecContext(p.t.Context(), "INSERT INTO dbo.blobs (b) VALUES (@p1)", blob); err != nil {
				p.t.Fatal(err)
			}
		}
		p.source.exec(pairDatabase, "CHECKPOINT", "BACKUP LOG "+pairDatabase+" TO DISK = 'NUL'")
		if time.Now().After(deadline) {
			p.t.Fatalf("the log is kept\n%s", p.states())
		}
	}
	for range 2 { // what the first one could not remove yet
		p.source.exec(pairDatabase, "CHECKPOINT", "BACKUP LOG "+pairDatabase+" TO DISK = 'NUL'")
	}
}

// isBack sees that the old primary follows with the new one's rows, and that what it alone had is in rescue files.
func (p *pair) isBack(lost, gained []int64) (files string) {
	p.t.Helper()
	p.waitHealthy()
	p.waitSameDigest()
	for _, s := range []*side{p.source, p.target} {
		have := p.ids(s.open(pairDatabase))
		for _, id := range gained {
			if !have[id] {
				p.t.Errorf("row %d of the new primary is not on %s", id, s.name)
			}
		}
		for _, id := range lost {
			if have[id] {
				p.t.Errorf("row %d, which only the old primary had, is on %s", id, s.name)
			}
		}
	}
	list, err := filepath.Glob(filepath.Join(p.dir, "sqlserver1", "rescue", "*.rescue"))
	if err != nil || len(list) == 0 {
		p.t.Fatalf("rescue files %q, %v", list, err)
	}
	for _, args := range [][]string{{"--table", "dbo.rows"}, {"--table", "dbo.rows", "--sql"}} {
		text := p.run(append([]string{"log", "rescue", list[len(list)-1]}, args...)...)
		for _, id := range lost {
			if !strings.Contains(text, strconv.FormatInt(id, 10)) {
				p.t.Errorf("row %d is not in the rescue file (%v)", id, args)
			}
		}
		files += text
	}
	return files
}

// run is what a command of the product prints.
func (p *pair) run(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, &out, &errs
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("%v: %v: %s", args, err, errs.String())
	}
	return out.String()
}

// An old primary whose tail is larger than its memory for changed pages comes back by its log all the same.
func TestForcedFailoverLongTail(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{before: func(p *pair) { p.append("source.yaml", "memory: {budgetMB: 64}\n") }})
	p.fill(24 << 20)
	p.createLink()
	p.waitHealthy()
	lost, gained := p.outlive(func() {})
	p.setRoleSecondary()
	if text := p.isBack(lost, gained); strings.Contains(text, "partial") {
		t.Errorf("the log was there, and the rescue file is partial:\n%.500s", text)
	}
	if got := p.source.ask("SELECT CAST(COUNT(*) AS varchar(10)) FROM sys.dm_linkspan_errorlog WHERE number = 58015"); got == "0" {
		t.Error("the error log does not have the measured loss")
	}
	p.mustFailover()
	p.source.insert(920_000, 1)
	p.waitSameDigest()
}

// An old primary whose log no longer reaches back to the fork is killed again and again on its way back. It takes no writers,
// and follows in the end; its rows, compared with the new primary's, are in a file before its pages are replaced.
func TestForcedFailoverWithoutLog(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{before: littleMemory})
	p.fill(12 << 20)
	p.createLink()
	p.waitHealthy()
	lost, gained := p.outlive(p.truncate)
	for delay := 10 * time.Millisecond; delay < 2*time.Second && !p.killOnTheWayBack(delay); delay = delay * 7 / 4 {
		p.waitConnected(true)
	}
	for delay := 50 * time.Millisecond; delay < 500*time.Millisecond; delay *= 3 { // while the pages come, or later
		<-time.After(delay)
		p.source.restart()
	}
	p.setRoleSecondary()
	text := p.isBack(lost, gained)
	for _, want := range []string{"partial: ", "compared with: the new primary as it was at LSN", "Choose statements, do not run it whole"} {
		if !strings.Contains(text, want) {
			t.Errorf("the rescue file does not say %q:\n%.800s", want, text)
		}
	}
	if got := p.source.ask("SELECT CONCAT(loss_tables, ' ', loss_file) FROM sys.dm_linkspan_links WHERE loss_is_partial = 1 AND loss_rows >= 60"); !strings.HasPrefix(got, "2 ") {
		t.Errorf("the view has %q", got)
	}
	if status := p.run("link", "status", "-f", "link.yaml"); !strings.Contains(status, "its log did not reach back") {
		t.Errorf("link status does not tell the loss:\n%s", status)
	}
	p.mustFailover()
	p.source.insert(920_000, 1)
	p.waitSameDigest()
}

// killOnTheWayBack asks the old primary to follow, and kills it after a while, or when it has answered. It takes no rows
// afterwards. follows tells that it is a copy already.
func (p *pair) killOnTheWayBack(after time.Duration) (follows bool) {
	p.t.Helper()
	db := p.source.open("master")
	asked := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(p.t.Context(), "ALTER AVAILABILITY GROUP ["+pairGroup+"] SET (ROLE = SECONDARY)")
		asked <- err
	}()
	select {
	case <-time.After(after):
	case err := <-asked:
		p.t.Logf("answered within %v: %v", after, err)
		follows = err == nil
		asked <- err
	}
	p.source.kill()
	<-asked
	_ = db.Close()
	p.source.start()
	rows := p.source.open(pairDatabase)
	defer func() { _ = rows.Close() }()
	if _, err := rows.ExecContext(p.t.Context(), "INSERT INTO dbo.rows (id, writer) VALUES (1, -2)"); err == nil {
		p.t.Fatal("the old primary takes rows after it was killed on its way back")
	}
	// The answer may have been lost on the way: a copy shows its own side alone.
	return follows || p.source.ask("SELECT CAST(COUNT(*) AS varchar(10)) FROM sys.dm_hadr_availability_replica_states s JOIN sys.availability_groups g ON g.group_id = s.group_id "+
		"WHERE g.name = N'"+pairGroup+"' AND s.is_local = 0") == "0"
}
