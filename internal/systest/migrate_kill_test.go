package systest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linkspan/internal/harness"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// TestMigrationSurvivesKills has the service killed with SIGKILL in every state of the table, and once after each kind of
// effect was carried out and before that was noted: by the service itself, so that no state can be missed. It is started
// again each time, and ends Completed, Cancelled, or Failed and Completed after a retry, with no effect's result twice.
func TestMigrationSurvivesKills(t *testing.T) {
	t.Parallel()
	dying, err := harness.Build(t.Context(), t.TempDir(), "diehook")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"done", "given", "failed"}
	m := startMove(t, moveOptions{databases: names, program: dying})
	marks := filepath.Join(t.TempDir(), "marks")
	if err := os.Mkdir(marks, 0o700); err != nil {
		t.Fatal(err)
	}
	m.env = []string{"LINKSPAN_DIE_DIR=" + marks}
	for _, n := range names {
		m.database(n)
		m.full(n)
		m.source.exec(n, "INSERT INTO dbo.rows VALUES (1, 1)")
		m.log(n, 1)
	}
	m.serve()
	m.must("start", "--detach", m.spec)
	stop := m.keepServing()
	for _, n := range names {
		m.reach(n, "ready", func(d ledger.Database) bool {
			return d.CutoverReady && d.PendingChanges == 0 && d.Files[flow.FileRestored] == 2
		})
	}
	m.must("cancel", activity, "--yes", "--wait=false", "--database", "given")
	m.reached("given", flow.Cancelled)

	// Its database is dropped under it: it fails, and a retry restores it anew.
	m.target.exec("master", "DROP DATABASE failed")
	m.reached("failed", flow.Failed)
	m.must("retry", activity, "--database", "failed")
	m.reach("failed", "ready", func(d ledger.Database) bool {
		return d.CutoverReady && d.PendingChanges == 0 && d.Files[flow.FileRestored] == 2
	})

	for _, n := range []string{"done", "failed"} {
		m.source.exec(n, "INSERT INTO dbo.rows VALUES (2, 1)")
	}
	m.must("cutover", activity, "--yes", "--apply", "--wait=false", "--database", "done", "--database", "failed")
	for _, n := range []string{"done", "failed"} {
		d := m.reached(n, flow.Completed)
		m.wantReport(d)
		var rows, facts int
		if err := m.target.open(n).QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM dbo.rows), (SELECT COUNT(*) FROM dbo.facts)").Scan(&rows, &facts); err != nil || rows != 2 || facts != 2 {
			t.Errorf("%s has %d rows and %d facts on the target, %v", n, rows, facts, err)
		}
		if tails, _ := filepath.Glob(filepath.Join(m.share, n+"_tail_*")); len(tails) != 1 {
			t.Errorf("tail-log backups of %s: %v", n, tails)
		}
	}
	stop()
	m.wantMarks(marks)
}

// keepServing starts the service again whenever it was killed, until the function it gives is called.
func (m *move) keepServing() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-m.service.Done():
			case <-done:
				return
			}
			select {
			case <-done:
				return
			default:
				m.serve()
			}
		}
	}()
	return func() { close(done); <-ended }
}

// wantMarks wants a mark of each state and of each kind of effect: the process died in each.
func (m *move) wantMarks(dir string) {
	m.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		m.t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	for _, s := range flow.States {
		if !slices.ContainsFunc(have, func(n string) bool { return strings.HasPrefix(n, string(s.State)+"-") }) {
			m.t.Errorf("the service was not killed in %s", s.State)
		}
	}
	kinds := map[flow.EffectKind]bool{}
	for _, d := range flow.Duties() {
		for _, k := range d.Effects {
			kinds[k] = true
		}
	}
	for k := range kinds {
		if k != flow.ReopenSource && !slices.Contains(have, "did-"+string(k)) {
			m.t.Errorf("the service was not killed after %s", k)
		}
	}
	m.t.Logf("killed %d times", len(have))
}

// TestMigrationSurvivesKillsOfTheTarget kills the managed instance at many moments of the restore and of the cutover.
func TestMigrationSurvivesKillsOfTheTarget(t *testing.T) {
	t.Parallel()
	m := startMove(t, moveOptions{})
	m.fill(24 << 20)
	app := m.traffic(pairDatabase, 2)
	app.wait(50)
	m.full(pairDatabase)
	m.serve()
	m.must("start", "--detach", m.spec)
	for i := range 6 {
		app.wait(10)
		m.log(pairDatabase, i+1)
		select { // where the crash falls is chance
		case <-time.After(time.Duration(60*i) * time.Millisecond):
		case <-t.Context().Done():
		}
		m.target.restart()
	}
	m.reach(pairDatabase, "ready", func(d ledger.Database) bool {
		return d.CutoverReady && d.PendingChanges == 0 && d.Files[flow.FileRestored] == 7
	})
	m.must("cutover", activity, "--yes", "--apply", "--wait=false")
	for range 3 {
		select {
		case <-time.After(250 * time.Millisecond):
		case <-t.Context().Done():
		}
		m.target.restart()
	}
	d := m.reached(pairDatabase, flow.Completed)
	app.stop()
	app.check()
	m.wantReport(d)
}
