package storage_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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
