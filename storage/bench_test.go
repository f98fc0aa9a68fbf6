package storage_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"linkspan/lsn"
	"linkspan/storage"
)

// insertRow is the row of the log-size promise: bigint key, int, 60 characters, float.
const insertRow = "INSERT INTO t_1(c_1, c_2, c_3, c_4) VALUES (?, ?, ?, ?)"

var sixty = strings.Repeat("x", 60)

func insertOne(ctx context.Context, db *storage.DB, i int64) error {
	w, err := db.Writer(ctx)
	if err != nil {
		return err
	}
	defer w.Rollback()
	s, err := w.Stmt(insertRow)
	if err != nil {
		return err
	}
	if err := s.BindInt64(1, i); err != nil {
		return err
	}
	if err := s.BindInt64(2, i%1000); err != nil {
		return err
	}
	if err := s.BindText(3, sixty); err != nil {
		return err
	}
	if err := s.BindFloat(4, float64(i)*1.5); err != nil {
		return err
	}
	if err := s.Exec(); err != nil {
		return err
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return err
	}
	return db.WaitHardened(ctx, at)
}

func benchInsert(b *testing.B, noSync bool, sessions int) {
	db, err := storage.Create(b.Context(), storage.Options{Dir: b.TempDir() + "/d", Name: "d", NoSync: noSync})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a benchmark
	if _, err := tryExec(b.Context(), db, "CREATE TABLE t_1(c_1 INTEGER PRIMARY KEY, c_2 INTEGER, c_3 TEXT, c_4 REAL)"); err != nil {
		b.Fatal(err)
	}
	before := db.Stats()
	var next atomic.Int64
	b.ResetTimer()
	var g sync.WaitGroup
	for range sessions {
		g.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := insertOne(b.Context(), db, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	g.Wait()
	b.StopTimer()
	after := db.Stats()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(after.RecordBytes-before.RecordBytes)/float64(b.N), "logbytes/tx")
	b.ReportMetric(float64(after.Syncs-before.Syncs)/float64(b.N), "syncs/tx")
}

func BenchmarkInsertNoSync(b *testing.B)    { benchInsert(b, true, 1) }
func BenchmarkInsertNoSync16(b *testing.B)  { benchInsert(b, true, 16) }
func BenchmarkInsertDurable(b *testing.B)   { benchInsert(b, false, 1) }
func BenchmarkInsertDurable16(b *testing.B) { benchInsert(b, false, 16) }

// BenchmarkFollow ships single-row inserts to a replica in batches of 4 MiB.
func BenchmarkFollow(b *testing.B) {
	source, err := storage.Create(b.Context(), storage.Options{Dir: b.TempDir() + "/s", Name: "s", NoSync: true, Retain: func() lsn.LSN { return lsn.Zero }})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // a benchmark
	if _, err := tryExec(b.Context(), source, "CREATE TABLE t_1(c_1 INTEGER PRIMARY KEY, c_2 INTEGER, c_3 TEXT, c_4 REAL)"); err != nil {
		b.Fatal(err)
	}
	replica := benchSeed(b, source, b.TempDir()+"/r", 256)
	defer replica.Close() //nolint:errcheck // a benchmark
	for i := range b.N {
		if err := insertOne(b.Context(), source, int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	before := replica.Stats().RecordBytes
	b.ResetTimer()
	if err := ship(b.Context(), source, replica, big); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(replica.Stats().RecordBytes-before)/1e6/b.Elapsed().Seconds(), "MB/s")
}

// benchSeed copies source.
func benchSeed(b *testing.B, source *storage.DB, dir string, pages int) *storage.DB {
	s, err := source.SeedSource(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	t, err := storage.CreateSeedTarget(b.Context(), storage.Options{Dir: dir, Name: "r"}, s.Header())
	if err != nil {
		b.Fatal(err)
	}
	for {
		c, err := s.ReadChunk(b.Context(), t.Progress().NextPage, pages)
		if err == nil {
			err = t.InstallChunk(b.Context(), c)
		}
		if err != nil {
			b.Fatal(err)
		}
		if len(c.LSNs) == 0 {
			break
		}
	}
	db, err := t.Finish(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// BenchmarkSeed copies a database of some 200 MB on one disk, durably.
func BenchmarkSeed(b *testing.B) {
	source, err := storage.Create(b.Context(), storage.Options{Dir: b.TempDir() + "/s", Name: "s", NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // a benchmark
	if _, err := tryExec(b.Context(), source, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)"); err != nil {
		b.Fatal(err)
	}
	for range 10 {
		if _, err := tryExec(b.Context(), source, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2500) INSERT INTO t(b) SELECT randomblob(8000) FROM n"); err != nil {
			b.Fatal(err)
		}
	}
	if err := source.Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(source.Stats().Pages) * storage.PageSize)
	b.ResetTimer()
	for range b.N {
		if err := benchSeed(b, source, b.TempDir()+"/r", 512).Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a small database, as a start of an instance does several times.
func BenchmarkOpen(b *testing.B) {
	o := storage.Options{Dir: b.TempDir() + "/d", Name: "d"}
	db, err := storage.Create(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		if db, err = storage.Open(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
