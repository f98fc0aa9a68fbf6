package storage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/storage"
)

// TestSeedingUnderLoad seeds while transactions run, grow and shrink the database, with the target torn down by crashes
// on the way, and finds the copy equal.
func TestSeedingUnderLoad(t *testing.T) {
	t.Parallel()
	restarts := 0
	for round := range 6 * soak() {
		restarts += seedUnderLoad(t, uint64(round))
	}
	if restarts < 3 {
		t.Errorf("the target was interrupted only %d times", restarts)
	}
}

func seedUnderLoad(t *testing.T, round uint64) (restarts int) {
	rnd := rand.New(rand.NewPCG(round, 1))
	so, to := options(fsx.NewMem()), options(fsx.NewMem())
	so.SegmentBytes, so.CheckpointBytes, so.Prepare = 64<<10, 100<<10, shrinking
	source := create(t, so)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	for range 40 {
		exec(t, source, randomWork(rnd))
	}
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	target, err := storage.CreateSeedTarget(t.Context(), to, s.Header())
	if err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		for range rnd.IntN(4) {
			exec(t, source, randomWork(rnd))
		}
		if rnd.IntN(5) == 0 {
			exec(t, source, "DELETE FROM t WHERE a > (SELECT max(a) / 3 FROM t)")
		}
		if rnd.IntN(3) == 0 {
			shipToTarget(t, source, target, rnd)
		}
		if rnd.IntN(6) == 0 {
			target = crashTarget(t, target, &to, rnd)
			if s, err = source.ResumeSeedSource(t.Context(), target.Progress().Header); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			restarts++
		}
		c, err := s.ReadChunk(t.Context(), target.Progress().NextPage, 1+rnd.IntN(20))
		if err != nil {
			t.Fatal(err)
		}
		if err := target.InstallChunk(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		done = len(c.LSNs) == 0
	}
	for range rnd.IntN(4) {
		exec(t, source, randomWork(rnd))
	}
	replica := finish(t, source, target)
	catchUp(t, source, replica, big)
	sameDigest(t, source, replica)
	q := "SELECT count(*) || coalesce(group_concat(hex(b)), '') FROM t"
	if one(t, source, q) != one(t, replica, q) {
		t.Errorf("round %d: the copy's rows differ", round)
	}
	if r, err := replica.Verify(t.Context(), nil); err != nil || !r.OK() {
		t.Errorf("round %d: verify: %+v %v", round, r, err)
	}
	if got := one(t, replica, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("round %d: integrity %s", round, got)
	}
	return restarts
}

// shipToTarget sends some of the log there is.
func shipToTarget(t *testing.T, source *storage.DB, target *storage.SeedTarget, rnd *rand.Rand) {
	t.Helper()
	at := target.Progress().LogAt
	if !at.Less(source.Hardened()) {
		return
	}
	r, err := source.LogReader(at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Next(t.Context(), 1+rnd.IntN(50000))
	if err != nil {
		t.Fatal(err)
	}
	if err := target.ApplyLog(t.Context(), b.Records); err != nil {
		t.Fatal(err)
	}
}

// crashTarget takes the power from the target and opens it again.
func crashTarget(t *testing.T, target *storage.SeedTarget, o *storage.Options, rnd *rand.Rand) *storage.SeedTarget {
	t.Helper()
	o.FS = o.FS.(*fsx.Mem).CrashClone(rnd.Uint64(), 0.5)
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Open(t.Context(), *o); err == nil {
		t.Fatal("a half-seeded database opened")
	}
	again, err := storage.OpenSeedTarget(t.Context(), *o)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestSeedTargetRefuses(t *testing.T) {
	t.Parallel()
	source := create(t, options(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "INSERT INTO t VALUES (1, zeroblob(100000))")
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	target, err := storage.CreateSeedTarget(t.Context(), options(fsx.NewMem()), s.Header())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if _, err := target.Finish(t.Context()); err == nil {
		t.Error("finished without a page")
	}
	c, err := s.ReadChunk(t.Context(), 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.InstallChunk(t.Context(), c); !errors.Is(err, storage.ErrGap) {
		t.Errorf("a chunk out of order: %v", err)
	}
	if c, err = s.ReadChunk(t.Context(), 1, 2); err != nil {
		t.Fatal(err)
	}
	c.Pages[17]++
	if err := target.InstallChunk(t.Context(), c); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("a changed page: %v", err)
	}
	h := s.Header()
	h.ID[0]++
	if _, err := source.ResumeSeedSource(t.Context(), h); err == nil {
		t.Error("resumed the seeding of another database")
	}
}

// TestConcurrency runs writers that move money, readers that count it, checkpoints, and a replica that follows, at once.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	so, ro := options(fsx.NewMem()), options(fsx.NewMem())
	so.SegmentBytes, so.CheckpointBytes, so.CacheBytes = 64<<10, 50<<10, 64<<10
	ro.CheckpointBytes, ro.CacheBytes = 30<<10, 64<<10
	source := create(t, so)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER, c TEXT)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200) INSERT INTO t SELECT i, 100, hex(randomblob(400)) FROM n")
	replica := seed(t, source, ro, 7, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var writers, others sync.WaitGroup
	for w := range 4 {
		rnd := rand.New(rand.NewPCG(uint64(w), 2))
		writers.Go(func() { moveMoney(t, source, rnd, 60*soak()) })
	}
	for _, db := range []*storage.DB{source, source, replica, replica} {
		others.Go(func() { countMoney(ctx, t, db) })
	}
	others.Go(func() { follow(ctx, t, source, replica) })
	writers.Wait()
	if err := replica.WaitPublished(t.Context(), source.Hardened()); err != nil {
		t.Error(err)
	}
	cancel()
	others.Wait()
	sameDigest(t, source, replica)
	for _, db := range []*storage.DB{source, replica} {
		if r, err := db.Verify(t.Context(), nil); err != nil || !r.OK() {
			t.Errorf("verify: %+v %v", r, err)
		}
		if db.Stats().Checkpoints == 0 {
			t.Error("no checkpoint ran")
		}
	}
}

func moveMoney(t *testing.T, db *storage.DB, rnd *rand.Rand, n int) {
	for range n {
		from, to := 1+rnd.IntN(200), 1+rnd.IntN(200)
		w, err := db.Writer(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for _, sql := range []string{"UPDATE t SET b = b - 1 WHERE a = ?", "UPDATE t SET b = b + 1, c = hex(randomblob(400)) WHERE a = ?"} {
			s, err := w.Stmt(sql)
			if err == nil {
				err = errors.Join(s.BindInt(1, from), s.Exec())
			}
			if err != nil {
				t.Error(err)
			}
			from = to
		}
		at, err := w.Commit(t.Context())
		if err == nil {
			err = db.WaitHardened(t.Context(), at)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func countMoney(ctx context.Context, t *testing.T, db *storage.DB) {
	for ctx.Err() == nil {
		c, err := db.Reader(context.WithoutCancel(ctx))
		if err != nil {
			t.Error(err)
			return
		}
		at, err := c.Begin()
		if err != nil {
			t.Error(err)
		}
		var sums []string
		for range 3 { // one transaction sees one version
			r, err := rows(c, "SELECT sum(b) || ' ' || count(*) FROM t WHERE length(c) = 800")
			if err != nil {
				t.Error(c.Cause(err))
			}
			sums = append(sums, r...)
		}
		if len(sums) != 3 || sums[0] != "20000 200" || sums[1] != sums[0] || sums[2] != sums[0] {
			t.Errorf("at %s the rows add up to %v", at, sums)
		}
		if c.LSN() != at {
			t.Errorf("the version moved from %s to %s", at, c.LSN())
		}
		c.Release()
	}
}

func follow(ctx context.Context, t *testing.T, source, replica *storage.DB) {
	r, err := source.LogReader(replica.Appended())
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx, 100000)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			_, err = replica.AppendLog(t.Context(), b.Records)
		}
		if err == nil {
			err = replica.Publish(b.Last, b.Digest)
		}
		if err != nil {
			t.Error(err)
			return
		}
		r.Acknowledge(replica.Hardened())
	}
}

// TestSeedingWhileShrinking drops pages that the seeding has not come to, and some that it has: the log it needs tells
// of both, and the database grows again afterwards.
func TestSeedingWhileShrinking(t *testing.T) {
	t.Parallel()
	so := options(fsx.NewMem())
	so.Prepare = shrinking
	source := create(t, so)
	const fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200) INSERT INTO t(b) SELECT randomblob(5000) FROM n"
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", fill)
	replica := seed(t, source, options(fsx.NewMem()), 40, func(first uint32) {
		if first == 41 {
			exec(t, source, "UPDATE t SET b = randomblob(5000) WHERE a % 3 = 0")
			exec(t, source, "DELETE FROM t WHERE a > 10")
		}
	})
	sameDigest(t, source, replica)
	if n := source.Stats().Pages; n > 30 {
		t.Errorf("the source still has %d pages", n)
	}
	exec(t, source, fill)
	catchUp(t, source, replica, big)
	sameDigest(t, source, replica)
	if source.Stats().Pages < 150 {
		t.Errorf("the source has %d pages only", source.Stats().Pages)
	}
}
