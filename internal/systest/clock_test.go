package systest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"linkspan/internal/harness"
)

const year = 365 * 24 * time.Hour

// hooked compiles the product with a clock that can be moved, once.
var hooked = sync.OnceValues(func() (string, error) {
	return harness.Build(context.Background(), filepath.Dir(program), "clockhook")
})

// movable starts a pair whose clocks can be moved; its server certificates are of an authority that is two years old.
func movable(t *testing.T, days int) *pair {
	t.Helper()
	bin, err := hooked()
	if err != nil {
		t.Fatal(err)
	}
	return startPair(t, pairOptions{program: bin, certificateDays: days, before: func(p *pair) {
		p.write("old.yaml", "name: old\ndir: old\nlisten: "+p.source.ip+":0\nca: ca\n")
		old := &side{p: p, name: "old", config: "old.yaml", program: bin}
		old.move(-2 * year)
		old.start()
		old.kill()
	}})
}

// move sets the clock of the side's next process.
func (s *side) move(by time.Duration) {
	s.env, s.login.Moved = []string{"LINKSPAN_CLOCK_OFFSET=" + by.String()}, by
}

// One side's clock runs a year ahead, and the endpoints' certificates are valid still: the link goes on, and lags and times
// are those of a link that is up to date.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	p := movable(t, 5*365)
	p.fill(4 << 20)
	writers := p.startLoad(2)
	p.createLink()
	for _, s := range []*side{p.target, p.source} {
		p.at(s, year, writers)
		p.settle(writers, 200)
		p.saneTimes(writers, s)
		p.at(s, 0, writers)
		p.settle(writers, 200)
		p.saneTimes(writers, nil)
	}
	writers.stop()
	p.compare(writers)
}

// One side's clock is a year wrong, and by it the other's certificate is not valid yet or not any more: the link says so in
// its views, and writers of the source are not concerned. With the clock right it goes on.
func TestClockAgainstCertificates(t *testing.T) {
	t.Parallel()
	p := movable(t, 300)
	p.fill(4 << 20)
	writers := p.startLoad(2)
	p.createLink()
	for _, c := range []struct {
		side   *side
		by     time.Duration
		number int
	}{
		{p.target, -year, 28022}, // its own, which is looked at first, is not yet valid
		{p.target, year, 28025},  // the source's has expired
		{p.source, -year, 28022}, // its own is not yet valid
		{p.source, year, 28023},  // its own has expired
	} {
		p.settle(writers, 100)
		p.at(c.side, c.by, writers)
		if c.side == p.target { // it dials, so it knows which link is concerned
			p.waitConnectError(c.side, c.number)
		}
		p.waitLog(c.side, fmt.Sprintf("number=%d", c.number))
		writers.progress(100)
		p.at(c.side, 0, writers)
		p.settle(writers, 200)
		p.saneTimes(writers, nil)
	}
	writers.stop()
	p.compare(writers)
}

// at restarts a side with its clock so far from the machine's.
func (p *pair) at(s *side, by time.Duration, writers *load) {
	p.t.Helper()
	s.move(by)
	s.restart()
	writers.connect()
}

// waitConnectError waits until a side shows the number as the reason why the link is not connected.
func (p *pair) waitConnectError(s *side, want int) {
	p.t.Helper()
	db := s.open("master")
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(30 * time.Second); ; waitTick(p.t) {
		var got int
		err := db.QueryRowContext(p.t.Context(), "SELECT MAX(COALESCE(last_connect_error_number, 0)) FROM sys.dm_hadr_availability_replica_states").Scan(&got)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s shows the error %d of the connection (%v), want %d\n%s", s.name, got, err, want, p.states())
		}
	}
}

// saneTimes looks at the times that both sides show, some times over: no lag of a link that is up to date is more than a
// minute, and the last commit was made lately by the clock of the source. moved is the side whose clock is a year ahead.
func (p *pair) saneTimes(writers *load, moved *side) {
	p.t.Helper()
	p.settle(writers, 20) // both sides show a commit that was made since the clock was set
	now := time.Now().UTC()
	if moved == p.source {
		now = now.Add(year)
	}
	for range 20 {
		for _, s := range []*side{p.source, p.target} {
			db := s.open("master")
			rows, err := db.QueryContext(p.t.Context(), `SELECT is_local, is_primary_replica, COALESCE(secondary_lag_seconds, 0), COALESCE(log_send_rate, 0),
				COALESCE(redo_rate, 0), last_commit_time FROM sys.dm_hadr_database_replica_states`)
			if err != nil {
				p.t.Fatal(err)
			}
			for rows.Next() {
				var local, primary bool
				var lag, sendRate, redoRate int64
				var committed *time.Time
				if err := rows.Scan(&local, &primary, &lag, &sendRate, &redoRate, &committed); err != nil {
					p.t.Fatal(err)
				}
				if lag < 0 || lag > 60 || sendRate < 0 || redoRate < 0 {
					p.t.Errorf("%s shows a lag of %d s, a send rate of %d and a redo rate of %d", s.name, lag, sendRate, redoRate)
				}
				if committed != nil && (committed.Before(now.Add(-2*time.Minute)) || committed.After(now.Add(2*time.Minute))) {
					p.t.Errorf("%s shows the last commit at %v (local %v, primary %v), by the source's clock it is %v", s.name, committed, local, primary, now)
				}
			}
			if err := rows.Err(); err != nil {
				p.t.Fatal(err)
			}
			_ = db.Close()
		}
		waitTick(p.t)
	}
}
