package storage_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linkspan/internal/fsx"
	"linkspan/lsn"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// events takes down what a database tells.
type events struct {
	mu   sync.Mutex
	list []storage.Event
}

func (e *events) add(x storage.Event) { e.mu.Lock(); e.list = append(e.list, x); e.mu.Unlock() }

// of gives the events of a kind.
func (e *events) of(kind storage.EventKind) (all []storage.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.list {
		if x.Kind == kind {
			all = append(all, x)
		}
	}
	return all
}

const fillRows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO t(b) SELECT randomblob(7000) FROM n"

// TestLargerThanMemory writes and reads two databases of 48 MiB each with a budget of 16 MiB for both. It runs alone: the
// heap is the whole test's.
func TestLargerThanMemory(t *testing.T) {
	memory := storage.NewMemory(storage.SplitMemory(16 << 20))
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := heap(), int64(0)
	var all []*storage.DB
	for i := range 2 {
		db := create(t, storage.Options{Dir: fmt.Sprintf("%s/%d", t.TempDir(), i), Name: "d", NoSync: true, Memory: memory})
		exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
		all = append(all, db)
	}
	for range 48 {
		for _, db := range all {
			exec(t, db, fmt.Sprintf(fillRows, 128))
		}
		most = max(most, heap()-before)
	}
	for _, db := range all {
		if got := one(t, db, "SELECT count(*) || ' ' || sum(length(b)) FROM t"); got != "6144 43008000" {
			t.Errorf("it holds %s", got)
		}
		most = max(most, heap()-before)
	}
	if limit := int64(24 << 20); most > limit {
		t.Errorf("%d MiB of heap for 96 MiB of databases, more than %d", most>>20, limit>>20)
	}
	if s := memory.Stats(); s.CacheUsed > s.CacheLimit || s.CacheUsed < s.CacheLimit/2 || s.ChangedUsed > 2*s.ChangedLimit || s.VersionsUsed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestOldestReaderGivesWay keeps a reader while everything is rewritten: when the old pages take more than their budget
// the oldest reader gets 3966, and nobody else notices.
func TestOldestReaderGivesWay(t *testing.T) {
	t.Parallel()
	for name, checkpoint := range map[string]bool{"in memory": false, "over checkpoints": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, told := options(fsx.NewMem()), new(events)
			o.Memory = storage.NewMemory(storage.MemoryOptions{CacheBytes: 1 << 20, ChangedBytes: 64 << 20, VersionBytes: 1 << 20, ReaderCache: 64 << 10, WriterCache: 1 << 20})
			o.Event = told.add
			db := create(t, o)
			exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", fmt.Sprintf(fillRows, 300))
			c, err := db.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Release()
			at, err := c.Begin()
			if err != nil {
				t.Fatal(err)
			}
			const sum = "SELECT total(length(b)) FROM t WHERE substr(b, 3000, 1) <> 'q'"
			want, err := rows(c, sum)
			if err != nil {
				t.Fatal(err)
			}
			exec(t, db, "UPDATE t SET b = randomblob(7000) WHERE a <= 20")
			if checkpoint {
				checkpoints(t, db)
			}
			if got, err := rows(c, sum); err != nil || got[0] != want[0] {
				t.Errorf("within the budget the reader sees %v, %v", got, err)
			}
			for range 3 {
				exec(t, db, "UPDATE t SET b = randomblob(7000)")
				if checkpoint {
					checkpoints(t, db)
				}
			}
			_, err = rows(c, sum)
			if err = c.Cause(err); sqlerr.Number(err) != 3966 {
				t.Errorf("the oldest reader gets %v", err)
			}
			c.Release()
			if got := told.of(storage.EventVersionLost); len(got) != 1 || got[0].LSN != at || got[0].Limit != 1<<20 {
				t.Errorf("told %+v", got)
			}
			if got := one(t, db, "SELECT count(*) FROM t"); got != "300" {
				t.Errorf("a new reader sees %s rows", got)
			}
			if s := o.Memory.Stats(); s.VersionsUsed != 0 || s.Victims != 1 {
				t.Errorf("afterwards %+v", s)
			}
		})
	}
}

func checkpoints(t *testing.T, db *storage.DB) {
	t.Helper()
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestReadersOfManyVersions pins a version after each change, with checkpoints between, and reads all of them again.
func TestReadersOfManyVersions(t *testing.T) {
	t.Parallel()
	o := options(fsx.NewMem())
	o.CacheBytes = 64 << 10
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", fmt.Sprintf(fillRows, 40))
	var readers []*storage.Conn
	for i := range 24 {
		exec(t, db, fmt.Sprintf("UPDATE t SET b = zeroblob(%d) WHERE a %% 5 = %d", 6000+i, i%5))
		c, err := db.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Begin(); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, c)
		if i%3 == 1 {
			checkpoints(t, db)
		}
	}
	for _, i := range []int{7, 23, 0, 12, 1, 2, 22, 13, 3, 4, 5, 6, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21} {
		got, err := rows(readers[i], "SELECT max(length(b)) FROM t WHERE length(b) < 7000")
		if err != nil || got[0] != fmt.Sprint(6000+i) {
			t.Errorf("reader %d sees %v, %v", i, got, err)
		}
		readers[i].Release()
	}
	if s := db.Stats(); s.VersionBytes != 0 {
		t.Errorf("%d bytes of versions stay", s.VersionBytes)
	}
}

// TestRecoveryTarget crashes a busy database: what is to be redone takes no longer than the target, as estimated.
func TestRecoveryTarget(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	o := options(fs)
	o.RecoveryTarget = 20 * time.Millisecond // some 2,000 records
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	for range 5000 {
		exec(t, db, "INSERT INTO t(b) VALUES (1)")
	}
	eventually(t, func() bool { return db.Stats().RedoTime < o.RecoveryTarget })
	if n := db.Stats().Checkpoints; n < 2 {
		t.Errorf("%d checkpoints", n)
	}
	o.FS = fs.CrashClone(3, 0.5)
	again := reopen(t, o)
	if got := again.Stats(); got.RedoTime > o.RecoveryTarget*2 || got.LogSince == 0 && got.RedoTime > 0 {
		t.Errorf("redo of %d bytes takes %v", got.LogSince, got.RedoTime)
	}
	if got := one(t, again, "SELECT count(*) FROM t"); got != "5000" {
		t.Errorf("%s rows", got)
	}
}

// TestLogForLinks keeps log for a copy that does not come back: up to the bound, with a warning before; then it is let
// go, and who asks for it is told.
func TestLogForLinks(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*fsx.Mem, *storage.Options){
		"RETENTION_LIMIT": func(_ *fsx.Mem, o *storage.Options) { o.RetainBytes = 2 << 20 },
		"DISK_SPACE":      func(fs *fsx.Mem, o *storage.Options) { o.ReserveBytes = 8 << 20; fs.SetLimit(14 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := fsx.NewMem()
			o, told := options(fs), new(events)
			o.Dir, o.SegmentBytes, o.CheckpointBytes, o.Event = "/"+name, 64<<10, 256<<10, told.add
			set(fs, &o)
			var wanted atomic.Pointer[lsn.LSN]
			none := lsn.Max
			wanted.Store(&none)
			o.Retain = func() lsn.LSN { return *wanted.Load() }
			db := create(t, o)
			exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
			start := db.Hardened()
			wanted.Store(&start)
			r, err := db.LogReader(start)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for i := 0; len(told.of(storage.EventLogDropped)) == 0; i++ {
				if i > 2000 {
					t.Fatalf("log is kept without end: %+v", db.Stats())
				}
				exec(t, db, "INSERT INTO t(b) VALUES (randomblob(6000))", "DELETE FROM t WHERE a % 5 > 0")
			}
			if warned := told.of(storage.EventRetentionHigh); len(warned) != 1 || warned[0].Reason != name {
				t.Errorf("warned %+v", warned)
			}
			if got := told.of(storage.EventLogDropped)[0]; got.Reason != name || !start.Less(got.LSN) {
				t.Errorf("told %+v", got)
			}
			if s := db.Stats(); s.LogReuse == storage.ReuseAvailabilityReplica || s.LogSize > 1<<20 {
				t.Errorf("afterwards %+v", s)
			}
			if _, err := db.LogReader(start); !errors.Is(err, storage.ErrLogGone) {
				t.Errorf("who asks for it gets %v", err)
			}
			if _, err := r.Next(t.Context(), 1<<20); !errors.Is(err, storage.ErrLogGone) {
				t.Errorf("who was reading it gets %v", err)
			}
			exec(t, db, "INSERT INTO t(b) VALUES (1)")
			again := db.Hardened() // the copy was seeded anew
			wanted.Store(&again)
			exec(t, db, "INSERT INTO t(b) VALUES (1)")
			if r, err := db.LogReader(again); err != nil {
				t.Errorf("log for the new copy: %v", err)
			} else {
				r.Close()
			}
		})
	}
}

// TestLogBackupDuringSeeding backs the log up again and again while a copy is made: the copy's log stays.
func TestLogBackupDuringSeeding(t *testing.T) {
	t.Parallel()
	o := options(fsx.NewMem())
	o.SegmentBytes = 64 << 10
	var backedUp atomic.Pointer[lsn.LSN]
	o.LogBackup = func() lsn.LSN { return *backedUp.Load() }
	backedUp.Store(&lsn.LSN{})
	source := create(t, o)
	backUp := func() {
		t.Helper()
		checkpoints(t, source)
		at := source.Hardened()
		backedUp.Store(&at)
		if err := source.TrimLog(); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", fmt.Sprintf(fillRows, 50))
	ro := options(fsx.NewMem())
	ro.Dir = "/copy"
	replica := seed(t, source, ro, 7, func(first uint32) {
		if first > 50 {
			return // the source must not grow for ever
		}
		exec(t, source, "INSERT INTO t(b) VALUES (randomblob(30000))")
		backUp()
	})
	t.Cleanup(func() { closeDB(t, replica) })
	catchUp(t, source, replica, big)
	sameDigest(t, source, replica)
	backUp()
	if s := source.Stats(); s.Segments > 2 || s.LogReuse == storage.ReuseAvailabilityReplica {
		t.Errorf("after the seeding %d segments are kept for %s", s.Segments, s.LogReuse)
	}
}

// TestCopyWithAFullLog fills a copy's log: the batch is refused with 9002 and nothing is changed; when there is room the
// same batch goes through.
func TestCopyWithAFullLog(t *testing.T) {
	t.Parallel()
	so := options(fsx.NewMem())
	so.Retain = func() lsn.LSN { return lsn.Zero }
	source := create(t, so)
	exec(t, source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
	ro, told := options(fsx.NewMem()), new(events)
	ro.Dir, ro.SegmentBytes, ro.Event = "/copy", 64<<10, told.add
	ro.Retain = func() lsn.LSN { return lsn.Zero } // of a copy behind this one
	replica := seed(t, source, ro, 7, nil)
	t.Cleanup(func() { closeDB(t, replica) })
	catchUp(t, source, replica, big)
	replica.SetMaxLog(2 << 20)
	for range 100 {
		exec(t, source, "INSERT INTO t(b) VALUES (randomblob(60000))")
	}
	for range 2 {
		err := ship(t.Context(), source, replica, func() int { return 64 << 10 })
		if sqlerr.Number(err) != 9002 || !strings.Contains(err.Error(), "AVAILABILITY_REPLICA") || replica.Err() != nil {
			t.Fatalf("a full log: %v, and the copy is %v", err, replica.Err())
		}
	}
	if s := replica.Stats(); s.LogSize > 2<<20 || len(told.of(storage.EventLogFull)) != 1 {
		t.Errorf("%d bytes, told %+v", s.LogSize, told.of(storage.EventLogFull))
	}
	replica.SetMaxLog(0)
	catchUp(t, source, replica, big)
	sameDigest(t, source, replica)
}
