package systest_test

import (
	"strings"
	"testing"
	"time"
)

// A log backup a second while the copy is seeded: on SQL Server that takes the log away which the copy needs, and the link
// fails with 1408 or 1412. Here it comes up.
func TestLogBackupsDuringSeeding(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	p.fill(24 << 20)
	writers := p.startLoad(2)
	p.proxy.SetRate(6 << 20) // so that seeding takes some seconds
	link := p.startLink()
	stop, done := make(chan struct{}), make(chan int)
	go func() { done <- backUpLog(p, stop) }()
	p.finishLink(link)
	p.waitState("ONLINE")
	close(stop)
	if n := <-done; n < 3 {
		t.Errorf("only %d log backups were made while the copy was seeded", n)
	}
	p.proxy.SetRate(0)
	p.settle(writers, 100)
	writers.stop()
	p.compare(writers)
	for _, s := range []*side{p.source, p.target} {
		var state string
		var attempts int
		err := s.open("master").QueryRowContext(t.Context(), "SELECT current_state, number_of_attempts FROM sys.dm_hadr_automatic_seeding").Scan(&state, &attempts)
		if err != nil || state != "COMPLETED" || attempts != 1 {
			t.Errorf("%s shows the seeding as %s after %d attempts, want COMPLETED after 1 (%v)", s.name, state, attempts, err)
		}
		for _, bad := range []string{"number=1408", "number=1412", "seeding interrupted"} {
			if strings.Contains(s.log(), bad) {
				t.Errorf("%s reports %q", s.name, bad)
			}
		}
	}
}

// backUpLog makes a log backup a second until stop is closed, and returns how many.
func backUpLog(p *pair, stop <-chan struct{}) (n int) {
	db := p.source.open(pairDatabase)
	for every := time.NewTicker(time.Second); ; n++ {
		if _, err := db.ExecContext(p.t.Context(), "BACKUP LOG "+pairDatabase+" TO DISK = 'NUL'"); err != nil {
			p.t.Errorf("log backup %d: %v", n, err)
		}
		select {
		case <-every.C:
		case <-stop:
			every.Stop()
			return n + 1
		}
	}
}
