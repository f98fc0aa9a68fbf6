package systest_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// diskMiB is the size of a small disk: room for the instance's own databases and the linked one.
const diskMiB = 192

// The source's disk fills up under load: writers are refused with 9002, readers go on; when there is room again, so do the
// writers and the link, and nothing acknowledged is missing.
func TestSourceDiskFull(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{sourceDisk: diskMiB})
	p.fill(4 << 20)
	writers := p.startLoad(2)
	p.createLink()
	p.settle(writers, 100)
	if err := p.source.disk.Fill(); err != nil {
		t.Fatal(err)
	}
	db := p.source.open(pairDatabase)
	blob := noise()
	for deadline := time.Now().Add(60 * time.Second); ; {
		_, err := db.ExecContext(t.Context(), "INSERT INTO dbo.blobs (b) VALUES (@p1)", blob)
		if errorNumber(err) == 9002 {
			break
		}
		if err != nil {
			t.Fatalf("with the disk full an insert ends with %v, want 9002", err)
		}
		if time.Now().After(deadline) {
			t.Fatal("inserts are taken for a minute on a full disk")
		}
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dbo.rows").Scan(&n); err != nil {
		t.Errorf("readers on the full disk: %v", err)
	}
	if err := p.source.disk.Empty(); err != nil {
		t.Fatal(err)
	}
	p.settle(writers, 200)
	writers.stop()
	p.compare(writers)
	p.restartBoth()
	p.compare(writers)
}

// The copy's disk fills up under load: the source goes on, the link says what is wrong, and goes on when there is room.
func TestCopyDiskFull(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{targetDisk: diskMiB})
	p.fill(4 << 20)
	writers := p.startLoad(2)
	p.createLink()
	p.settle(writers, 100)
	if err := p.target.disk.Fill(); err != nil {
		t.Fatal(err)
	}
	db := p.source.open(pairDatabase)
	blob := noise()
	for i := range 24 { // more than the log has in reserve
		if _, err := db.ExecContext(t.Context(), "INSERT INTO dbo.blobs (b) VALUES (@p1)", blob); err != nil {
			t.Fatalf("insert %d on the source while the copy's disk is full: %v", i, err)
		}
	}
	p.waitLog(p.target, "9002", "no space left")
	writers.progress(100)
	if err := p.target.disk.Empty(); err != nil {
		t.Fatal(err)
	}
	p.settle(writers, 200)
	writers.stop()
	p.compare(writers)
	p.restartBoth()
	p.compare(writers)
}

// noise is a MiB that takes a MiB in the log, too.
func noise() []byte {
	b := make([]byte, 1<<20)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(b) // it never errs
	return b
}

func (p *pair) restartBoth() {
	p.t.Helper()
	p.source.restart()
	p.target.restart()
}

// waitLog waits until a side's log says one of the texts, in any case.
func (p *pair) waitLog(s *side, texts ...string) {
	p.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; waitTick(p.t) {
		log := strings.ToLower(s.log())
		for _, text := range texts {
			if strings.Contains(log, strings.ToLower(text)) {
				return
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not say %q\n%s", s.name, texts, p.states())
		}
	}
}

// errorNumber is the number of a server's error, or 0.
func errorNumber(err error) int {
	var e mssql.Error
	if errors.As(err, &e) {
		return int(e.Number)
	}
	return 0
}
