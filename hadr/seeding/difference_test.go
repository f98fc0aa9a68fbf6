package seeding_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"linkspan/hadr/seeding"
	"linkspan/internal/clock"
	"linkspan/storage"
)

// diverge makes a copy, and has both sides write what the other has not.
func diverge(t *testing.T, p *peers) {
	t.Helper()
	db, err := p.target().Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.wg.Wait()
	if err := db.Promote(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	own := &peers{t: t, db: db}
	own.exec("UPDATE t_1 SET v = v || 'the copy''s' WHERE id % 1000 = 7")
	own.exec("CREATE TABLE t_2(id INTEGER PRIMARY KEY, v TEXT)")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p.exec("UPDATE t_1 SET v = v || 'the source''s' WHERE id % 1000 = 9")
}

// A copy that went another way is seeded again with the pages that differ.
func TestDifferenceSendsWhatDiffers(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 20_000)
	diverge(t, p)
	again := p.target()
	again.Again = true
	db, err := again.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p.equal(db)
	if !db.IsReplica() {
		t.Error("the copy is still a primary")
	}
	for name, progress := range map[string]*seeding.Progress{"sent": &p.sent, "received": &p.received} {
		s, _ := progress.Stats()
		if sent := s.Bytes - s.Skipped; !s.Difference || s.Bytes != s.Total || s.Bytes < 19<<20 || sent > 3<<20 || sent == 0 {
			t.Errorf("%s: %d of %d bytes, %d of them skipped; by difference %v", name, s.Bytes, s.Total, s.Skipped, s.Difference)
		}
	}
}

// Cut off again and again, with work on the source, a seeding by difference goes on as one where it was.
func TestDifferenceResumes(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 20_000)
	diverge(t, p)
	var db *storage.DB
	for i := 0; db == nil; i++ {
		if p.mu.Lock(); i < 20 {
			p.budget = 20<<10 + i*7919%50_000
		} else {
			p.budget = -1
		}
		p.mu.Unlock()
		again := p.target()
		again.Again = true
		var err error
		if db, err = again.Receive(t.Context()); err == nil {
			break
		}
		p.wg.Wait()
		p.exec("UPDATE t_1 SET v = v || 'x' WHERE id % 5000 = 1")
		if err := p.db.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	defer db.Close()
	p.equal(db)
	s, _ := p.sent.Stats()
	if s.Attempts < 8 || !s.Difference || s.Resent > int64(s.Attempts)*seeding.ChunkPages*storage.PageSize {
		t.Errorf("the source's statistics are %+v", s)
	}
}

// An interrupted seeding whose log is gone begins anew, but the pages it had are not sent again.
func TestLostLogKeepsThePages(t *testing.T) {
	t.Parallel()
	p := newPeers(t, 20_000)
	p.mu.Lock()
	p.budget = 8 << 20
	p.mu.Unlock()
	if _, err := p.target().Receive(t.Context()); err == nil {
		t.Fatal("the wire was not cut")
	}
	p.wg.Wait()
	p.mu.Lock()
	p.budget, p.held = -1, p.db.Hardened() // nobody wants the log any more
	p.mu.Unlock()
	for range 3 {
		p.exec("UPDATE t_1 SET v = v || 'x' WHERE id % 100 = 1")
		p.mu.Lock()
		p.held = p.db.Hardened()
		p.mu.Unlock()
		if err := p.db.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	db, err := p.target().Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p.equal(db)
	if s, _ := p.received.Stats(); !s.Difference || s.Skipped < 2<<20 {
		t.Errorf("the second attempt's statistics are %+v", s)
	}
}

// The limit holds for what several seedings send together, and can be changed while they run.
func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := seeding.NewLimit(clock.System, 1<<20)
		start := time.Now()
		done := make(chan error)
		for range 2 {
			go func() {
				for range 20 {
					if err := l.Wait(t.Context(), 256<<10); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("10 MiB at 1 MiB/s took %v", took)
		}
		l.Set(0)
		start = time.Now()
		if err := l.Wait(t.Context(), 1<<30); err != nil || time.Since(start) != 0 {
			t.Errorf("without a limit: %v, %v", time.Since(start), err)
		}
		l.Set(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Wait(ctx, 1<<20); err == nil {
			t.Error("an ended context did not end the waiting")
		}
	})
}

// With one slot a second seeding waits, says so, and goes on when the first has sent its pages.
func TestSlots(t *testing.T) {
	t.Parallel()
	slots := seeding.NewSlots(1)
	release, err := slots.Take(t.Context(), func() { t.Error("waits for a free slot") })
	if err != nil {
		t.Fatal(err)
	}
	p := newPeers(t, 1000)
	p.slots = slots
	done := make(chan error)
	go func() {
		db, err := p.target().Receive(t.Context())
		if err == nil {
			p.equal(db)
			err = db.Close()
		}
		done <- err
	}()
	for deadline := time.After(10 * time.Second); ; {
		sent, _ := p.sent.Stats()
		received, _ := p.received.Stats()
		if sent.State == seeding.Limited && received.State == seeding.Pending {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("the source is %s, the target %s", sent.State, received.State)
		default:
		}
	}
	release()
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s, _ := p.sent.Stats(); s.Attempts != 1 {
		t.Errorf("the source's statistics are %+v", s)
	}
}
