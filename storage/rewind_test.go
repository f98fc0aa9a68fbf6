package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// moment is a database as it was at one LSN.
type moment struct {
	at     lsn.LSN
	digest storage.Digest
	rows   string
}

const allRows = "SELECT count(*) || coalesce(group_concat(a || ':' || hex(b)), '') FROM t"

func now(t *testing.T, db *storage.DB) moment {
	t.Helper()
	at, digest := db.Digest()
	return moment{at, digest, one(t, db, allRows)}
}

// rewindOptions make checkpoints and segments small and keep all the log.
func rewindOptions(fs fsx.FS) storage.Options {
	o := crashOptions(fs)
	o.Fenced = fenced
	o.Retain = func() lsn.LSN { return lsn.Zero }
	return o
}

// randomMoments runs random transactions and control records, and notes what each left.
func randomMoments(t *testing.T, db *storage.DB, rnd *rand.Rand, n int) []moment {
	t.Helper()
	var list []moment
	for i := range n {
		if rnd.IntN(8) == 0 {
			at, err := db.AppendControl(t.Context(), roleKind, fmt.Appendf(nil, "open %d", i))
			if err == nil {
				err = db.WaitHardened(t.Context(), at)
			}
			if err != nil {
				t.Fatal(err)
			}
		} else {
			exec(t, db, randomWork(rnd))
		}
		if rnd.IntN(6) == 0 {
			if err := db.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, now(t, db))
	}
	return list
}

func sameMoment(t *testing.T, name string, db *storage.DB, want moment) {
	t.Helper()
	if got := now(t, db); got.at != want.at || got.digest != want.digest || got.rows != want.rows {
		t.Fatalf("%s: digest %s at %s, it was %s at %s; rows equal: %v", name, got.digest, got.at, want.digest, want.at, got.rows == want.rows)
	}
	if r, err := db.Verify(t.Context(), nil); err != nil || !r.OK() {
		t.Errorf("%s: verify: %+v, %v", name, r, err)
	}
	if got := one(t, db, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("%s: integrity %s", name, got)
	}
}

// TestRewindToAnyMoment does random work, goes back to random moments of it, as primary and as replica, and goes on from
// there; what is found is what was there then.
func TestRewindToAnyMoment(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6 * soak()) {
		rewindAnywhere(t, seed)
	}
}

func rewindAnywhere(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	o := rewindOptions(fsx.NewMem())
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	moments := []moment{now(t, db)}
	for round := range 8 {
		moments = append(moments, randomMoments(t, db, rnd, 4+rnd.IntN(20))...)
		if rnd.IntN(3) == 0 {
			closeDB(t, db)
			db = reopen(t, o)
		}
		if rnd.IntN(3) == 0 {
			if err := db.Demote(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		i := rnd.IntN(len(moments))
		name := fmt.Sprintf("seed %d, round %d, moment %d of %d", seed, round, i, len(moments))
		if err := db.Rewind(t.Context(), moments[i].at); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		moments = moments[:i+1]
		sameMoment(t, name, db, moments[i])
		if !db.IsReplica() || db.Hardened() != moments[i].at || db.Appended() != moments[i].at {
			t.Errorf("%s: replica %v, hardened %s, appended %s", name, db.IsReplica(), db.Hardened(), db.Appended())
		}
		if rnd.IntN(2) == 0 {
			o.FS = o.FS.(*fsx.Mem).CrashClone(seed, 0.5)
			closeDB(t, db)
			db = reopen(t, o)
			sameMoment(t, name+", after a crash", db, moments[i])
		}
		if err := db.Promote(t.Context(), db.Epoch()+1); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRewindCrashAnywhere crashes a rewind at every change of the disk: the database is as before, or as it was then.
func TestRewindCrashAnywhere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3 * soak()) {
		rewindCrash(t, seed)
	}
}

func rewindCrash(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 6))
	fs := fsx.NewMem()
	o := rewindOptions(fs)
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	moments := randomMoments(t, db, rnd, 40)
	to, end := moments[10+rnd.IntN(25)], moments[len(moments)-1]
	if seed%3 != 0 { // something is dirty and newer than the checkpoint
		moments = append(moments, randomMoments(t, db, rnd, 3)...)
		end = moments[len(moments)-1]
	}
	c := newClones(t, seed)
	fs.SetHook(c.hook(fs, func() int64 { return 0 }, func(name string, clone *fsx.Mem, _ int64) {
		checkRewound(t, name, clone, to, end, seed)
	}))
	err := db.Rewind(t.Context(), to.at)
	fs.SetHook(nil)
	c.wait()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.n.Load(); n < 5 {
		t.Errorf("only %d crashes", n)
	}
	sameMoment(t, "after all", db, to)
}

func checkRewound(t *testing.T, name string, clone *fsx.Mem, to, end moment, seed uint64) {
	for again := range 2 { // the second start finds what the first one left
		db, err := storage.Open(context.Background(), rewindOptions(clone))
		if err != nil {
			t.Errorf("%s, start %d: %v", name, again, err)
			return
		}
		at, digest := db.Digest()
		got, err := tryQuery(context.Background(), db, allRows)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			got = []string{""}
		}
		before := at == end.at && digest == end.digest && got[0] == end.rows
		after := at == to.at && digest == to.digest && got[0] == to.rows && db.IsReplica()
		if !before && !after {
			t.Errorf("%s, start %d: at %s, neither %s nor %s", name, again, at, end.at, to.at)
		}
		if r, err := db.Verify(context.Background(), nil); err != nil || !r.OK() {
			t.Errorf("%s: verify: %+v, %v", name, r, err)
		}
		next := clone.CrashClone(seed, 0.5)
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		clone = next
	}
}

// TestRewoundFollowsTheOther has both sides write after their common history; the one that is taken back then follows the
// other, and readers that were open find out.
func TestRewoundFollowsTheOther(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4 * soak()) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		a := create(t, rewindOptions(fsx.NewMem()))
		exec(t, a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
		bo := rewindOptions(fsx.NewMem())
		b := seedCopy(t, a, bo)
		randomMoments(t, a, rnd, 10)
		catchUp(t, a, b, func() int { return 1 + rnd.IntN(20000) })
		fork := now(t, b)
		if rnd.IntN(2) == 0 { // as after a start
			closeDB(t, b)
			b = reopen(t, bo)
		}
		if err := b.Promote(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		randomMoments(t, b, rnd, 1+rnd.IntN(12))
		randomMoments(t, a, rnd, 1+rnd.IntN(12))
		c, err := a.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rows(c, allRows); err != nil {
			t.Fatal(err)
		}
		follower, err := a.LogReader(fork.at)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Rewind(t.Context(), fork.at); err != nil {
			t.Fatal(err)
		}
		sameMoment(t, "the fork", a, fork)
		if got, err := rows(c, allRows); !errors.Is(c.Cause(err), storage.ErrRewound) {
			t.Errorf("a connection of before shows %d rows, %v", len(got), err)
		}
		c.Release()
		if _, err := follower.Next(t.Context(), 1000); !errors.Is(err, storage.ErrRewound) {
			t.Errorf("a log reader of before: %v", err)
		}
		follower.Close()
		catchUp(t, b, a, func() int { return 1 + rnd.IntN(20000) })
		sameDigest(t, b, a)
		if one(t, a, allRows) != one(t, b, allRows) {
			t.Error("the rows differ")
		}
	}
}

func seedCopy(t *testing.T, source *storage.DB, o storage.Options) *storage.DB {
	t.Helper()
	return seed(t, source, o, 7, nil)
}

func TestRewindRefuses(t *testing.T) {
	t.Parallel()
	o := crashOptions(fsx.NewMem())
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	first := now(t, db)
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		exec(t, db, randomWork(rnd))
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := now(t, db)
	if err := db.Rewind(t.Context(), first.at); !errors.Is(err, storage.ErrLogGone) {
		t.Errorf("to where the log does not reach: %v", err)
	}
	if err := db.Rewind(t.Context(), lsn.LSN{VLF: last.at.VLF, Block: last.at.Block, Slot: last.at.Slot + 7}); !errors.Is(err, storage.ErrGap) {
		t.Errorf("to the future: %v", err)
	}
	if _, err := db.ReaderAt(t.Context(), first.at); !errors.Is(err, storage.ErrLogGone) {
		t.Errorf("a reader where the log does not reach: %v", err)
	}
	sameMoment(t, "after refusals", db, last)
	exec(t, db, "INSERT INTO t(b) VALUES (1)")
	if err := db.Rewind(t.Context(), last.at); err != nil {
		t.Fatal(err)
	}
	sameMoment(t, "one commit back", db, last)
	if _, err := db.Writer(t.Context()); !errors.Is(err, storage.ErrReplica) {
		t.Errorf("a writer afterwards: %v", err)
	}
}

// TestReaderAt reads two versions side by side while the database goes on: with the older one in memory, and on disk where
// there is no room.
func TestReaderAt(t *testing.T) {
	t.Parallel()
	for _, o := range []storage.Options{rewindOptions(fsx.NewMem()), littleMemory(rewindOptions(fsx.NewMem()))} {
		readerAt(t, o)
	}
}

func readerAt(t *testing.T, o storage.Options) {
	rnd := rand.New(rand.NewPCG(3, 3))
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	moments := randomMoments(t, db, rnd, 50)
	for range 20 * soak() {
		fork, tail := moments[rnd.IntN(len(moments))], moments[len(moments)-1]
		old, err := db.ReaderAt(t.Context(), fork.at)
		if err != nil {
			t.Fatal(err)
		}
		end, err := db.ReaderAt(t.Context(), tail.at)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			moments = append(moments, randomMoments(t, db, rnd, 1+rnd.IntN(3))...)
			for c, want := range map[*storage.Conn]moment{old: fork, end: tail} {
				if got, err := rows(c, allRows); err != nil || got[0] != want.rows {
					t.Fatalf("the reader at %s: %v, rows equal: %v", want.at, c.Cause(err), err == nil && got[0] == want.rows)
				}
			}
		}
		if at, err := old.Begin(); err != nil || at != fork.at {
			t.Errorf("a transaction of it is at %s, %v", at, err)
		}
		old.Release()
		end.Release()
		if got := one(t, db, allRows); got != moments[len(moments)-1].rows {
			t.Error("an ordinary reader sees something else than the newest rows")
		}
	}
	if s := db.Stats(); s.Readers != 0 {
		t.Errorf("%d readers are left", s.Readers)
	}
	if left := asides(t, o.FS); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// TestRewindIntoTheSeeding takes a seeded copy back to moments of its seeding and after: pages that came with later
// content go back too.
func TestRewindIntoTheSeeding(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5 * soak()) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		so, ro := rewindOptions(fsx.NewMem()), rewindOptions(fsx.NewMem())
		source := create(t, so)
		exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
		randomMoments(t, source, rnd, 20)
		var moments []moment
		exec(t, source, "INSERT INTO t(b) VALUES (1)")
		first := source.Published() // what the copy's log begins after; it has no record of it
		replica := seedDuring(t, source, ro, rnd, func() { moments = append(moments, randomMoments(t, source, rnd, 1)...) })
		moments = append(moments, randomMoments(t, source, rnd, 10)...)
		moments = slices.DeleteFunc(moments, func(m moment) bool { return m.at == first })
		catchUp(t, source, replica, func() int { return 1 + rnd.IntN(20000) })
		for i := len(moments) - 1; i >= 0; i -= 1 + rnd.IntN(3) {
			name := fmt.Sprintf("seed %d, moment %d of %d", seed, i, len(moments))
			old := moments[rnd.IntN(i+1)]
			c, err := replica.ReaderAt(t.Context(), old.at)
			if err != nil {
				t.Fatalf("%s: read %s: %v", name, old.at, err)
			}
			if got, err := rows(c, allRows); err != nil || got[0] != old.rows {
				t.Errorf("%s: the reader at %s: %v", name, old.at, c.Cause(err))
			}
			c.Release()
			if err := replica.Rewind(t.Context(), moments[i].at); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			sameMoment(t, name, replica, moments[i])
			if rnd.IntN(3) == 0 {
				closeDB(t, replica)
				replica = reopen(t, ro)
			}
		}
		catchUp(t, source, replica, big)
		sameMoment(t, "caught up again", replica, now(t, source))
	}
}

func seedDuring(t *testing.T, source *storage.DB, o storage.Options, rnd *rand.Rand, work func()) *storage.DB {
	t.Helper()
	return seed(t, source, o, 3, func(uint32) {
		if rnd.IntN(3) == 0 {
			work()
		}
	})
}

// TestVerifyDuringRewind has a database rewound while it is verified: nobody is told of damage that there is not.
func TestVerifyDuringRewind(t *testing.T) {
	t.Parallel()
	db := create(t, rewindOptions(fsx.NewMem()))
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	exec(t, db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO t(b) SELECT randomblob(4000) FROM n")
	to := now(t, db)
	exec(t, db, "UPDATE t SET b = randomblob(4000)")
	rewound := false
	r, err := db.Verify(t.Context(), func(uint32, uint32) {
		if !rewound {
			rewound = true
			if err := db.Rewind(t.Context(), to.at); err != nil {
				t.Error(err)
			}
		}
	})
	if !rewound || !errors.Is(err, storage.ErrRewound) || len(r.Bad) > 0 {
		t.Errorf("%d bad pages, %v", len(r.Bad), err)
	}
	sameMoment(t, "after it", db, to)
}
