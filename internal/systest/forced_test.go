package systest_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The source is cut off, goes on taking rows and dies; the copy is made primary by force. When the source comes back it
// takes no writers once the sides have met, the rows that only it had go to a rescue file, and it follows.
func TestForcedFailover(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	p.fill(1 << 20)
	writers := p.startLoad(2)
	p.createLink()
	p.settle(writers, 300)
	writers.stop()
	p.compare(writers)

	p.proxy.SetDown(true)
	lost := p.source.insert(900_000, 60)
	p.source.restart()
	lost = append(lost, p.source.insert(910_000, 5)...) // it does not know of anything yet
	p.target.exec("master", "ALTER AVAILABILITY GROUP ["+pairGroup+"] FORCE_FAILOVER_ALLOW_DATA_LOSS")
	gained := p.target.insert(800_000, 40)
	p.proxy.SetDown(false)
	p.waitRefused(p.source, 58012)
	p.source.restart()
	p.waitRefused(p.source, 58012)
	gained = append(gained, p.target.insert(810_000, 5)...)

	p.setRoleSecondary()
	p.waitHealthy()
	p.waitSameDigest()
	p.compare(writers) // what both had is on both
	for _, s := range []*side{p.source, p.target} {
		have := p.ids(s.open(pairDatabase))
		for _, id := range gained {
			if !have[id] {
				t.Errorf("row %d of the new primary is not on %s", id, s.name)
			}
		}
		for _, id := range lost {
			if have[id] {
				t.Errorf("row %d, which only the old primary had, is on %s", id, s.name)
			}
		}
	}
	text := p.rescued()
	for _, id := range lost {
		if !strings.Contains(text, fmt.Sprint(id)) {
			t.Errorf("row %d is not in the rescue file", id)
		}
	}
	p.mustFailover()
	p.source.insert(920_000, 1)
	p.waitSameDigest()
}

// insert adds rows on the side, numbered from first on, and returns their numbers.
func (s *side) insert(first int64, n int) (ids []int64) {
	s.p.t.Helper()
	db := s.open(pairDatabase)
	defer func() { _ = db.Close() }()
	for id := first; id < first+int64(n); id++ {
		if _, err := db.ExecContext(s.p.t.Context(), "INSERT INTO dbo.rows (id, writer) VALUES (@p1, -1)", id); err != nil {
			s.p.t.Fatalf("%s: insert %d: %v", s.name, id, err)
		}
		ids = append(ids, id)
	}
	return ids
}

// waitRefused waits until a write on the side is refused with the number, and sees that it stays so.
func (p *pair) waitRefused(s *side, number int) {
	p.t.Helper()
	db := s.open(pairDatabase)
	defer func() { _ = db.Close() }()
	refused := 0
	for deadline := time.Now().Add(30 * time.Second); refused < 20; waitTick(p.t) {
		_, err := db.ExecContext(p.t.Context(), "UPDATE dbo.rows SET writer = writer WHERE id = 900000")
		switch {
		case errorNumber(err) == number:
			refused++
		case refused > 0:
			p.t.Fatalf("%s refused writers with %d and then said %v", s.name, number, err)
		case time.Now().After(deadline):
			p.t.Fatalf("%s says %v, want %d\n%s", s.name, err, number, p.states())
		}
	}
}

// setRoleSecondary makes the old primary follow, as soon as the sides are connected.
func (p *pair) setRoleSecondary() {
	p.t.Helper()
	db := p.source.open("master")
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(30 * time.Second); ; waitTick(p.t) {
		_, err := db.ExecContext(p.t.Context(), "ALTER AVAILABILITY GROUP ["+pairGroup+"] SET (ROLE = SECONDARY)")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("SET (ROLE = SECONDARY): %v\n%s", err, p.states())
		}
	}
}

// rescued is what "linkspan log rescue" shows of the source's only rescue file.
func (p *pair) rescued() string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "sqlserver1", "rescue", "*"))
	if err != nil || len(files) != 1 {
		p.t.Fatalf("rescue files %q, %v; want one", files, err)
	}
	cmd := exec.CommandContext(p.t.Context(), program, "log", "rescue", files[0], "--sql")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("log rescue: %v: %s", err, errs.String())
	}
	return out.String()
}
