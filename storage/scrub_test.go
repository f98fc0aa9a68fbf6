package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"linkspan/internal/fsx"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// scrubbed returns a database of some 100 pages on a disk, a copy of it that can be asked for pages, and what it tells.
func scrubbed(t *testing.T, rate int64) (*storage.DB, storage.Options, *events) {
	t.Helper()
	fs := fsx.NewMem()
	o := options(fs)
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", fmt.Sprintf(fillRows, 100))
	closeDB(t, db)
	co := options(fs.Clone())
	other := reopen(t, co)
	told := new(events)
	o.ScrubBytes, o.CacheBytes, o.Event = rate, 1, told.add
	o.FetchPage = func(ctx context.Context, no uint32, want storage.Digest) ([]byte, error) {
		return other.PageWithHash(ctx, no, want)
	}
	return reopen(t, o), o, told
}

// TestScrubRepairs damages pages and entries of an open database: the scrub finds each, gets it from the other copy, and
// afterwards everything is as it was written.
func TestScrubRepairs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		off  int64
	}{"a page": {"pages.data", 40*storage.PageSize + 77}, "its entry": {"pages.table", 40*32 + 5}, "the entry's LSN": {"pages.table", 40*32 + 20}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, o, told := scrubbed(t, 0)
			_, digest := db.Digest()
			flip(t, o.FS, dir+"/"+c.file, c.off)
			r, err := db.Verify(t.Context(), nil) // tells the scrub of what it meets
			if err != nil || len(r.Bad) != 1 || r.Bad[0].Page != 41 {
				t.Fatalf("verify: %+v, %v", r.Bad, err)
			}
			eventually(t, func() bool { return db.Scrub().Repaired == 1 })
			if r, err = db.Verify(t.Context(), nil); err != nil || !r.OK() || r.Digest != digest {
				t.Errorf("after the repair: %+v, %v", r.Bad, err)
			}
			if bad, good := told.of(storage.EventBadPage), told.of(storage.EventPageRepaired); len(bad) != 1 || len(good) != 1 || good[0].Reason != "COPY" ||
				good[0].Page.Page != 41 || sqlerr.Number(bad[0].Err) != 824 {
				t.Errorf("told %+v, %+v", bad, good)
			}
		})
	}
}

// TestScrubWithoutCopy leaves a page that no copy has damaged and named, and finds it again.
func TestScrubWithoutCopy(t *testing.T) {
	t.Parallel()
	db, o, told := scrubbed(t, 1<<40)
	eventually(t, func() bool { return !db.Scrub().LastEnded.IsZero() })
	if s := db.Scrub(); s.LastBad != 0 || s.LastPages != s.Pages || s.LastLSN != db.Hardened() {
		t.Errorf("a pass over whole pages: %+v", s)
	}
	closeDB(t, db)
	flip(t, o.FS, dir+"/pages.data", 40*storage.PageSize+77)
	o.FetchPage = func(context.Context, uint32, storage.Digest) ([]byte, error) {
		return nil, errors.New("nobody is there")
	}
	o.ScrubInterval = time.Nanosecond
	db = reopen(t, o)
	eventually(t, func() bool { return db.Scrub().LastBad == 1 })
	if got := db.SuspectPages(); len(got) != 1 || got[0].Page != 41 {
		t.Errorf("suspect pages: %+v", got)
	}
	if got := told.of(storage.EventPageLost); len(got) == 0 || !strings.Contains(got[0].Err.Error(), "nobody is there") {
		t.Errorf("told %+v", got)
	}
}

// TestScrubGoesOn stops a slow scrub and starts it again: it goes on where it was.
func TestScrubGoesOn(t *testing.T) {
	t.Parallel()
	db, o, _ := scrubbed(t, 1) // a chunk, and then days of waiting
	eventually(t, func() bool { return db.Scrub().Next > 1 })
	was := db.Scrub()
	closeDB(t, db)
	db = reopen(t, o)
	eventually(t, func() bool { return db.Scrub().Next > was.Next })
	if s := db.Scrub(); !s.Started.Equal(was.Started) || s.From != was.From {
		t.Errorf("the pass was %+v, and is %+v", was, s)
	}
}

// TestDamageIsNamed damages a crashed database's files in each way: what cannot be made good is refused, with the file and
// the place; the rest is as it was.
func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	base := fsx.NewMem()
	o := options(base)
	o.SegmentBytes = 64 << 10
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	checkpoints(t, db)
	for range 30 {
		exec(t, db, "INSERT INTO t(b) VALUES (randomblob(9000))")
	}
	_, digest := db.Digest()
	crashed := base.CrashClone(1, 0)
	seg := func(n int) string { return fmt.Sprintf("%s/vlf-%08d.log", dir, n) }
	remove := func(fs *fsx.Mem, name string) error { return fs.Remove(name) }
	for name, c := range map[string]struct {
		harm func(t *testing.T, fs *fsx.Mem) error
		want []string // none: it opens as it was
	}{
		"a byte of the log":     {func(t *testing.T, fs *fsx.Mem) error { flip(t, fs, seg(2), 9000); return nil }, []string{seg(2), "offset 512", "00000002:00000001:0001"}},
		"a segment's header":    {func(t *testing.T, fs *fsx.Mem) error { flip(t, fs, seg(3), 20); return nil }, []string{seg(3)}},
		"a lost segment":        {func(_ *testing.T, fs *fsx.Mem) error { return remove(fs, seg(2)) }, []string{seg(3), "follows"}},
		"the log's first":       {func(_ *testing.T, fs *fsx.Mem) error { return remove(fs, seg(1)) }, []string{"log segment"}},
		"swapped segments":      {swap(seg(2), seg(3)), []string{seg(2)}},
		"one state":             {func(t *testing.T, fs *fsx.Mem) error { flip(t, fs, dir+"/meta", 100); return nil }, nil},
		"both states":           {bothStates, []string{dir + "/meta", "holds no valid state"}},
		"the double-write file": {func(t *testing.T, fs *fsx.Mem) error { flip(t, fs, dir+"/doublewrite-1", 200); return nil }, nil},
		"no base file":          {func(_ *testing.T, fs *fsx.Mem) error { return remove(fs, dir+"/pages.data") }, []string{dir + "/pages.data"}},
	} {
		t.Run(name, func(t *testing.T) {
			fs := crashed.Clone()
			if err := c.harm(t, fs); err != nil {
				t.Fatal(err)
			}
			o := o
			o.FS = fs
			db, err := storage.Open(t.Context(), o)
			if err == nil {
				defer closeDB(t, db)
				if _, got := db.Digest(); got != digest || len(c.want) > 0 {
					t.Errorf("it opened, with digest %s instead of %s", got, digest)
				}
				return
			}
			for _, want := range append(c.want, " d: ") {
				if len(c.want) == 0 || !strings.Contains(err.Error(), want) {
					t.Errorf("no word of %q in %v", want, err)
				}
			}
			if !errors.Is(err, storage.ErrDamaged) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("not taken for damage: %v", err)
			}
		})
	}
	o.FS = base
	if _, err := storage.Open(t.Context(), o); !errors.Is(err, fsx.ErrLocked) || !strings.Contains(err.Error(), dir+"/lock") {
		t.Errorf("a second opening: %v", err)
	}
}

func swap(a, b string) func(*testing.T, *fsx.Mem) error {
	return func(_ *testing.T, fs *fsx.Mem) error {
		return errors.Join(fs.Rename(a, a+".x"), fs.Rename(b, a), fs.Rename(a+".x", b))
	}
}

func bothStates(t *testing.T, fs *fsx.Mem) error {
	flip(t, fs, dir+"/meta", 100)
	flip(t, fs, dir+"/meta", 64<<10+100)
	return nil
}
