package storage_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// copyDifference sends the rest of the pages that the target lacks, and returns how many were sent and how many compared.
func copyDifference(t *testing.T, s *storage.SeedSource, target *storage.SeedTarget, n int, during func(first uint32) bool) (sent, compared int) {
	t.Helper()
	for {
		first := target.Progress().NextPage
		c, err := s.ReadChunk(t.Context(), first, n)
		if err != nil {
			t.Fatal(err)
		}
		have, err := target.PageHashes(first, n)
		if err != nil {
			t.Fatal(err)
		}
		c.Omit(have)
		sent, compared = sent+len(c.Pages)/storage.PageSize, compared+len(c.LSNs)
		if err := target.InstallChunk(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if len(c.LSNs) == 0 || during != nil && !during(c.First) {
			return sent, compared
		}
	}
}

// TestDifference has a copy and its source go different ways, for random times; the copy is then seeded by difference,
// with crashes and work on the way, and is the source's equal.
func TestDifference(t *testing.T) {
	t.Parallel()
	for round := range uint64(8 * soak()) {
		differenceRound(t, round)
	}
}

func differenceRound(t *testing.T, round uint64) {
	rnd := rand.New(rand.NewPCG(round, 11))
	so, to := rewindOptions(fsx.NewMem()), rewindOptions(fsx.NewMem())
	source := create(t, so)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	randomMoments(t, source, rnd, 30)
	diverged := seedCopy(t, source, to)
	if round%2 == 0 {
		if err := diverged.Promote(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		randomMoments(t, diverged, rnd, rnd.IntN(20))
	}
	randomMoments(t, source, rnd, rnd.IntN(20))
	if round%4 == 3 { // a power cut instead of a checkpoint at the end
		to.FS = to.FS.(*fsx.Mem).CrashClone(round, 0.5)
	}
	closeDB(t, diverged)
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	target, err := storage.RestartSeedTarget(t.Context(), to, s.Header())
	if err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		done = true
		copyDifference(t, s, target, 1+rnd.IntN(9), func(uint32) bool {
			if rnd.IntN(3) == 0 {
				exec(t, source, randomWork(rnd))
			}
			done = rnd.IntN(10) > 0
			return done
		})
		if !done {
			target = crashTarget(t, target, &to, rnd)
			if !target.Progress().Difference {
				t.Fatal("an interrupted seeding by difference goes on as another")
			}
			if s, err = source.ResumeSeedSource(t.Context(), target.Progress().Header); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
		}
	}
	replica := finish(t, source, target)
	catchUp(t, source, replica, big)
	sameMoment(t, "the copy", replica, now(t, source))
	randomMoments(t, source, rnd, 5)
	catchUp(t, source, replica, big)
	at := now(t, source)
	closeDB(t, replica)
	sameMoment(t, "the copy after a start", reopen(t, to), at)
}

// TestDifferenceSendsLittle counts what a seeding by difference sends: pages that changed on either side, and those that
// are damaged in the copy.
func TestDifferenceSendsLittle(t *testing.T) {
	t.Parallel()
	so, to := options(fsx.NewMem()), options(fsx.NewMem())
	source := create(t, so)
	const fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO t(b) SELECT randomblob(7000) FROM n"
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", fill)
	replica := seed(t, source, to, 100, nil)
	if err := replica.Promote(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	exec(t, replica, "UPDATE t SET b = randomblob(7000) WHERE a % 200 = 7", fill)
	exec(t, source, "UPDATE t SET b = randomblob(7000) WHERE a % 200 = 9")
	closeDB(t, replica)
	damage(t, to.FS, "pages.data", 1000*storage.PageSize+77)
	damage(t, to.FS, "pages.table", 1200*32+3)
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	target, err := storage.RestartSeedTarget(t.Context(), to, s.Header())
	if err != nil {
		t.Fatal(err)
	}
	sent, compared := copyDifference(t, s, target, 256, nil)
	replica = finish(t, source, target)
	sameDigest(t, source, replica)
	if r, err := replica.Verify(t.Context(), nil); err != nil || !r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if compared < 2000 || sent < 20 || sent > 60 {
		t.Errorf("%d of %d pages were sent", sent, compared)
	}
	if size, want := int64(replica.Stats().Pages)*storage.PageSize, fileSize(t, to.FS, storage.PagesFile); want != size {
		t.Errorf("the base file has %d bytes for %d of pages", want, size)
	}
}

func damage(t *testing.T, fs fsx.FS, name string, at int64) {
	t.Helper()
	f, err := fs.OpenRW(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x5a
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func fileSize(t *testing.T, fs fsx.FS, name string) int64 {
	t.Helper()
	f, err := fs.Open(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRestartCrashAnywhere crashes the beginning of a seeding by difference at every change of the disk: the copy is what
// it was, or a target to continue.
func TestRestartCrashAnywhere(t *testing.T) {
	t.Parallel()
	source := create(t, rewindOptions(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	rnd := rand.New(rand.NewPCG(1, 12))
	randomMoments(t, source, rnd, 20)
	fs := fsx.NewMem()
	copied := seedCopy(t, source, rewindOptions(fs))
	randomMoments(t, source, rnd, 20)
	closeDB(t, copied)
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := s.Header()
	c := newClones(t, 2)
	fs.SetHook(c.hook(fs, func() int64 { return 0 }, func(name string, clone *fsx.Mem, _ int64) {
		o := rewindOptions(clone)
		target, err := storage.OpenSeedTarget(t.Context(), o)
		if err != nil {
			db, openErr := storage.Open(t.Context(), o)
			if openErr != nil {
				t.Errorf("%s: neither a target (%v) nor a database: %v", name, err, openErr)
				return
			}
			if err := db.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if target, err = storage.RestartSeedTarget(t.Context(), o, h); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
		}
		if p := target.Progress(); p.NextPage != 1 || !p.Difference || p.LogAt != h.LogFrom {
			t.Errorf("%s: progress %+v", name, p)
		}
		if err := target.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}))
	target, err := storage.RestartSeedTarget(t.Context(), rewindOptions(fs), h)
	fs.SetHook(nil)
	c.wait()
	if err != nil {
		t.Fatal(err)
	}
	copyDifference(t, s, target, 7, nil)
	replica := finish(t, source, target)
	catchUp(t, source, replica, big)
	sameMoment(t, "the copy", replica, now(t, source))
	if c.n.Load() < 8 {
		t.Errorf("only %d crashes", c.n.Load())
	}
}

// TestKilledSeedingGoesOnAtThePage has a target killed, so that what it wrote is there though never synced: it continues
// where it was.
func TestKilledSeedingGoesOnAtThePage(t *testing.T) {
	t.Parallel()
	source := create(t, options(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) INSERT INTO t(b) SELECT randomblob(7000) FROM n")
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := options(fsx.NewMem())
	target, err := storage.CreateSeedTarget(t.Context(), o, s.Header())
	if err != nil {
		t.Fatal(err)
	}
	for round := range uint64(20) {
		c, err := s.ReadChunk(t.Context(), target.Progress().NextPage, 40)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.InstallChunk(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		want := target.Progress()
		o.FS = o.FS.(*fsx.Mem).CrashClone(round, 1)
		if err := target.Close(); err != nil {
			t.Fatal(err)
		}
		if target, err = storage.OpenSeedTarget(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if got := target.Progress(); got.NextPage != want.NextPage || got.ConsistentAt.Less(lsn.Earliest(want.ConsistentAt, s.Header().LogFrom)) {
			t.Fatalf("continues at page %d, %d pages were installed", got.NextPage, want.NextPage-1)
		}
	}
	copyChunks(t, s, target, 40, nil)
	sameDigest(t, source, finish(t, source, target))
}

// TestDigestErrorNamesThePage gives a copy one page that is not the source's; the first record that changes it tells.
func TestDigestErrorNamesThePage(t *testing.T) {
	t.Parallel()
	source := create(t, options(fsx.NewMem()))
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 50) INSERT INTO t(b) SELECT randomblob(7000) FROM n")
	s, err := source.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	target, err := storage.CreateSeedTarget(t.Context(), options(fsx.NewMem()), s.Header())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close() //nolint:errcheck // finishing it fails
	const wrong = 20
	for {
		c, err := s.ReadChunk(t.Context(), target.Progress().NextPage, 10)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.LSNs {
			if c.First+uint32(i) == wrong {
				page := c.Pages[i*storage.PageSize:][:storage.PageSize]
				page[5000]++
				c.Hashes[i] = storage.HashPage(wrong, page)
			}
		}
		if err := target.InstallChunk(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if len(c.LSNs) == 0 {
			break
		}
	}
	at := exec(t, source, "UPDATE t SET b = randomblob(7000)")
	r, err := source.LogReader(target.Progress().LogAt)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Position().Less(at) {
		b, err := r.Next(t.Context(), big())
		if err == nil {
			err = target.ApplyLog(t.Context(), b.Records)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = target.Finish(t.Context())
	var differs *storage.DigestError
	if !errors.As(err, &differs) || !errors.Is(err, storage.ErrDigest) || differs.Page != wrong || at.Less(differs.LSN) {
		t.Errorf("the copy's error is %v", err)
	}
}
