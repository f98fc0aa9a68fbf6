package seeding_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/hadr/seeding"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peers are a source and a target that talk over pipes.
type peers struct {
	t        *testing.T
	db       *storage.DB
	disk     *fsx.Mem
	sent     seeding.Progress
	received seeding.Progress
	held     lsn.LSN
	slots    *seeding.Slots

	mu    sync.Mutex
	conns []net.Conn
	// budget is the bytes that may pass before the wires are cut; negative: no limit.
	budget int
	wg     sync.WaitGroup
}

func newPeers(t *testing.T, rows int) *peers {
	p := &peers{t: t, disk: fsx.NewMem(), budget: -1}
	var err error
	p.db, err = storage.Create(t.Context(), storage.Options{FS: fsx.NewMem(), Dir: "/s", Name: "s", SegmentBytes: 256 << 10, Retain: func() lsn.LSN {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held.IsZero() {
			return lsn.Max
		}
		return p.held
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cut(); p.wg.Wait(); p.db.Close() })
	p.exec("CREATE TABLE t_1(id INTEGER PRIMARY KEY, v TEXT)")
	p.exec(fmt.Sprintf("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < %d) INSERT INTO t_1(v) SELECT hex(randomblob(500)) FROM s", rows))
	return p
}

func (p *peers) exec(sql string) {
	p.t.Helper()
	w, err := p.db.Writer(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer w.Rollback()
	if err := w.Exec(sql); err != nil {
		p.t.Fatal(err)
	}
	at, err := w.Commit(p.t.Context())
	if err == nil {
		err = p.db.WaitHardened(p.t.Context(), at)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *peers) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// metered counts what passes and cuts every wire when the budget is spent.
type metered struct {
	net.Conn
	p *peers
}

func (m metered) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.p.mu.Lock()
	spent := m.p.budget >= 0 && m.p.budget < n
	if m.p.budget >= 0 {
		m.p.budget = max(0, m.p.budget-n)
	}
	m.p.mu.Unlock()
	if spent {
		m.p.cut()
	}
	return n, err
}

// open gives the target a stream that the source serves.
func (p *peers) open() (net.Conn, error) {
	a, b := net.Pipe()
	p.mu.Lock()
	p.conns = append(p.conns, a, b)
	p.mu.Unlock()
	p.wg.Go(func() {
		defer b.Close()
		p.serve(metered{b, p})
	})
	return a, nil
}

func (p *peers) serve(c net.Conn) {
	ctx := context.Background()
	m, err := hadrwire.NewReader(c).Next()
	if err != nil {
		return
	}
	switch m := m.(type) {
	case *hadrwire.SeedRequest:
		s := seeding.Source{DB: p.db, Progress: &p.sent, Clock: clock.System, Operation: agcore.ID{1}, Slots: p.slots, Hold: func(_ context.Context, at lsn.LSN) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.held = at
			return nil
		}}
		s.Serve(ctx, c, m)
	case *hadrwire.LogRequest:
		r, err := p.db.LogReader(m.After)
		if err != nil {
			hadrwire.Write(c, &hadrwire.Refuse{Number: 1412, Text: err.Error()})
			return
		}
		defer r.Close()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		p.wg.Go(func() { hadrwire.NewReader(c).Next(); cancel() })
		for err = hadrwire.Write(c, &hadrwire.LogStart{}); err == nil; {
			var b storage.Batch
			if b, err = r.Next(ctx, 1<<20); err == nil {
				err = hadrwire.Write(c, &hadrwire.LogBatch{First: b.First, Last: b.Last, Digest: b.Digest, Records: b.Records})
			}
		}
		c.Close()
	}
}

func (p *peers) target() *seeding.Target {
	return &seeding.Target{Options: storage.Options{FS: p.disk, Dir: "/r", Name: "r"}, Progress: &p.received, Clock: clock.System,
		Operation: agcore.ID{2}, Origin: p.db.ID(), Open: p.open, Started: func() {}}
}

func (p *peers) equal(db *storage.DB) {
	p.t.Helper()
	at, want := p.db.Digest()
	got, digest := db.Digest()
	if at != got || want != digest {
		p.t.Errorf("the source is at %v with %x, the copy at %v with %x", at, want, got, digest)
	}
}

// Cut off twenty times, with writes and checkpoints in between, a seeding sends at most a chunk twice for each cut.
func TestResume(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 20_000) // some 23 MiB, eleven chunks
	const cuts = 20
	for i := range cuts {
		p.mu.Lock()
		p.budget = 1 << 10 << (i % 3) // a chunk, or two log batches, or some of both
		p.mu.Unlock()
		db, err := p.target().Receive(t.Context())
		if err == nil {
			t.Logf("whole after %d cuts", i)
			p.equal(db)
			db.Close()
			break
		}
		p.wg.Wait()
		p.exec("UPDATE t_1 SET v = v || 'x' WHERE id % 1000 = 1")
		if err := p.db.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	p.budget = -1
	p.mu.Unlock()
	if s, _ := p.received.Stats(); s.State != seeding.Completed {
		db, err := p.target().Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		p.equal(db)
	}
	s, _ := p.received.Stats()
	if s.State != seeding.Completed || s.Attempts < 8 || s.Bytes < 10<<20 {
		t.Errorf("the target's statistics are %+v", s)
	}
	if out, _ := p.sent.Stats(); out.Resent > int64(out.Attempts)*seeding.ChunkPages*storage.PageSize {
		t.Errorf("%d bytes were sent again in %d attempts", out.Resent, out.Attempts)
	}
}

// What an earlier attempt for another database left is thrown away; a copy that is whole already is taken as it is.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	p, other := newPeers(t, 100), newPeers(t, 100)
	other.disk = p.disk
	db, err := other.target().Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if db, err = p.target().Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.equal(db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		p.wg.Wait()
		if s, _ := p.sent.Stats(); s.Attempts != 1 {
			t.Errorf("round %d: the source has sent %d times", i, s.Attempts)
		}
	}
}

// A copy that somebody has open is left alone.
func TestLocked(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 100)
	db, err := p.target().Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := p.target().Receive(t.Context()); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("error is %v", err)
	}
	p.equal(db)
}
