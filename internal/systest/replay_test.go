package systest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linkspan/armtypes"
)

// replayed tells how the log replay of a database stands; nothing while the endpoint does not answer.
func (p *pair) replayed(database string) (armtypes.RestoreProperties, error) {
	c, id := p.arm()
	return c.ReplayDetails(p.t.Context(), id, database)
}

// TestLogReplaySurvivesKills kills the managed instance, as a crash would, at many moments of a log replay: it goes on at the
// last set that was restored, restores none twice, and the copy has every row in the end.
func TestLogReplaySurvivesKills(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{before: func(p *pair) {
		shared := filepath.Join(p.dir, "share")
		p.write("source.yaml", fmt.Sprintf("name: sqlserver1\ndir: sqlserver1\nlisten: %s:1433\nca: ca\nbackups: [%s]\n", p.source.ip, shared))
		p.write("target.yaml", fmt.Sprintf("name: sqlmi1\nkind: managed-instance\ndir: sqlmi1\nlisten: %s:1433\nca: ca\nbackups: [%s]\narm: {listen: \"localhost:%d\"}\n", p.target.ip, shared, p.armPort))
	}})
	p.writeSpec()
	if err := os.MkdirAll(filepath.Join(p.dir, "share"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.fill(24 << 20)
	p.source.exec("master", "BACKUP DATABASE busy TO DISK = 'full.bak'")
	c, id := p.arm()
	spec := armtypes.ReplaySpec{Database: "copy", Container: "file://" + filepath.Join(p.dir, "share")}
	if err := c.StartReplay(t.Context(), id, "local", spec); err != nil {
		t.Fatal(err)
	}
	c.Close()
	const logs = 8
	for i := range logs {
		p.source.exec("busy", fmt.Sprintf("INSERT INTO dbo.rows VALUES (%d, 1)", i), fmt.Sprintf("BACKUP LOG busy TO DISK = 'l%d.trn'", i))
		select { // where the crash falls is chance
		case <-time.After(time.Duration(40*i) * time.Millisecond):
		case <-p.target.process.Done():
			t.Fatal("the managed instance ended by itself")
		}
		p.target.restart()
	}
	files := logs + 1
	var d armtypes.RestoreProperties
	for deadline := time.Now().Add(60 * time.Second); d.NumberOfFilesRestored != files; waitTick(t) {
		var err error
		if d, err = p.replayed("copy"); err != nil || time.Now().After(deadline) {
			t.Fatalf("%v: %+v", err, d)
		}
	}
	if len(d.FullBackupSets) != 1 || len(d.LogBackupSets) != logs || d.NumberOfFilesDetected != files {
		t.Errorf("restored: %+v", d)
	}
	c, id = p.arm()
	if err := c.CompleteReplay(t.Context(), id, "copy", fmt.Sprintf("l%d.trn", logs-1)); err != nil {
		t.Fatal(err)
	}
	p.target.restart()
	if d, err := p.replayed("copy"); err != nil || d.Status != armtypes.ReplayCompleted {
		t.Errorf("after it was completed: %v, %+v", err, d)
	}
	var rows, blobs int
	if err := p.target.open("copy").QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM dbo.rows), (SELECT COUNT(*) FROM dbo.blobs)").Scan(&rows, &blobs); err != nil || rows != logs || blobs != 24 {
		t.Errorf("the copy has %d rows and %d blobs, %v", rows, blobs, err)
	}
}
