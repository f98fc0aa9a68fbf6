package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/storage"
)

// littleMemory leaves room for a handful of changed pages, so that versions of old go to disk, and for whatever readers pin.
func littleMemory(o storage.Options) storage.Options {
	o.DirtyBytes = 4 * storage.PageSize
	o.Memory = storage.NewMemory(storage.MemoryOptions{CacheBytes: 64 << 10, ChangedBytes: o.DirtyBytes, VersionBytes: 64 << 20, ReaderCache: 1 << 20, WriterCache: 1 << 20})
	return o
}

// asides are the temporary files with pages of other versions.
func asides(t *testing.T, fs fsx.FS) (names []string) {
	t.Helper()
	list, err := fs.ReadDir(dir + "/temp")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), "aside-") {
			names = append(names, e.Name())
		}
	}
	return names
}

// tail makes a database with moments, of which the last ones changed more pages than there is room for in memory.
func tail(t *testing.T, o storage.Options, rnd *rand.Rand) (*storage.DB, []moment) {
	t.Helper()
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	moments := randomMoments(t, db, rnd, 20)
	exec(t, db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 60) INSERT INTO t(b) SELECT randomblob(9000) FROM n")
	return db, append(append(moments, now(t, db)), randomMoments(t, db, rnd, 10)...)
}

// What came after a fork is read beside it and taken back with a few pages in memory, whatever it changed; power that is
// lost at any moment of that leaves the database as it was or taken back.
func TestLongTailCrashAnywhere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2 * soak()) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		fs := fsx.NewMem()
		db, moments := tail(t, littleMemory(rewindOptions(fs)), rnd)
		to, end := moments[5+rnd.IntN(10)], moments[len(moments)-1]
		c := newClones(t, seed)
		fs.SetHook(c.hook(fs, func() int64 { return 0 }, func(name string, clone *fsx.Mem, _ int64) {
			checkRewound(t, name, clone, to, end, seed)
		}))
		old, err := db.ReaderAt(t.Context(), to.at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rows(old, allRows); err != nil || got[0] != to.rows {
			t.Errorf("the fork is not read as it was: %v", err)
		}
		if len(asides(t, fs)) != 1 {
			t.Error("the fork is not on disk")
		}
		old.Release()
		err = db.Rewind(t.Context(), to.at)
		fs.SetHook(nil)
		c.wait()
		if err != nil {
			t.Fatal(err)
		}
		sameMoment(t, "after all", db, to)
		crashed := fs.CrashClone(seed, 0.5)
		sameMoment(t, "after a crash", reopen(t, rewindOptions(crashed)), to)
		if left := asides(t, crashed); len(left) > 0 {
			t.Errorf("temporary files are left after a start: %v", left)
		}
	}
}

// A disk without room for the pages of a fork says so, leaves the database as it was and no file, and it works when there
// is room.
func TestLongTailDiskFull(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db, moments := tail(t, littleMemory(rewindOptions(fs)), rand.New(rand.NewPCG(4, 4)))
	to, end := moments[8], moments[len(moments)-1]
	fs.SetLimit(fs.Used() + 20<<10)
	if _, err := db.ReaderAt(t.Context(), to.at); err == nil || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("with the disk full: %v", err)
	}
	if left := asides(t, fs); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	sameMoment(t, "with the disk full", db, end)
	fs.SetLimit(-1)
	old, err := db.ReaderAt(t.Context(), to.at)
	if err != nil {
		t.Fatal(err)
	}
	old.Release()
}

// other copies a version of a database into a comparison, as the other side of a link does it.
func other(t *testing.T, c *storage.Comparison, h *storage.HashReader, whenPut func(no uint32)) (err error) {
	t.Helper()
	for first := uint32(1); ; first += 16 {
		list, err := h.Read(t.Context(), first, 16)
		if err != nil {
			return err
		}
		missing, err := c.Take(t.Context(), list)
		if err != nil {
			return err
		}
		for _, no := range missing {
			want := list[no-first]
			var err error
			if c.Had(no, want) {
				err = c.Reuse(no, want)
			} else {
				var page []byte
				if page, err = h.Pages(t.Context(), nil, []uint32{no}); err == nil {
					whenPut(no)
					err = c.Put(no, page, want)
				}
			}
			if err != nil {
				return err
			}
		}
		if len(list) < 16 {
			return nil
		}
	}
}

// Two sides write after their common history. One puts the other's version together from its own pages and those that
// differ, sees both, and is as it was; a second attempt brings only what has changed since.
func TestComparison(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4 * soak()) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		a := create(t, rewindOptions(fsx.NewMem()))
		exec(t, a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
		randomMoments(t, a, rnd, 20)
		fs := fsx.NewMem()
		b := seedCopy(t, a, littleMemory(rewindOptions(fs)))
		if err := b.Promote(t.Context(), b.Epoch()+1); err != nil {
			t.Fatal(err)
		}
		randomMoments(t, a, rnd, 10)
		mine := randomMoments(t, b, rnd, 10)
		end := mine[len(mine)-1]
		c, err := b.Compare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := 0
		for round := range 2 {
			h, err := a.HashReader(t.Context(), lsn.Zero)
			if err != nil {
				t.Fatal(err)
			}
			theirs, put := now(t, a), 0
			if err := other(t, c, h, func(uint32) { put++ }); err != nil {
				t.Fatal(err)
			}
			h.Close()
			conn, err := c.Reader(t.Context(), h.Version())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := rows(conn, allRows); err != nil || got[0] != theirs.rows {
				t.Errorf("seed %d, round %d: the other's rows are not seen: %v", seed, round, conn.Cause(err))
			}
			conn.Release()
			sameMoment(t, "this side", b, end)
			if round == 1 && before > 0 && put >= before {
				t.Errorf("%d pages were brought again after %d", put, before)
			}
			if before = put; round == 0 {
				exec(t, a, "INSERT INTO t(b) VALUES (77)")
				if err := c.Again(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if left := asides(t, fs); len(left) > 0 {
			t.Errorf("temporary files are left: %v", left)
		}
	}
}

// What is not the other's version is not shown: pages with another content, and too few of them.
func TestComparisonRefuses(t *testing.T) {
	t.Parallel()
	a, b := create(t, options(fsx.NewMem())), create(t, options(fsx.NewMem()))
	exec(t, a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "INSERT INTO t(b) VALUES (1)")
	exec(t, b, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	c, err := b.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is about something else
	h, err := a.HashReader(t.Context(), a.Published())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := c.Reader(t.Context(), h.Version()); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("a version without pages: %v", err)
	}
	if err := c.Put(1, make([]byte, storage.PageSize), storage.Digest{1}); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("a page with another hash: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Compare(ctx); err == nil {
		t.Error("a comparison begins after the end of its context")
	}
	if err := fmt.Errorf("%w", c.Put(1, nil, storage.Digest{})); !errors.Is(err, storage.ErrDigest) {
		t.Errorf("no page: %v", err)
	}
}
