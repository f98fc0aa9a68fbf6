package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
	"linkspan/storage"
)

// restart measures from the start of a process to the answer of its first query, in a database that a kill -9 left with
// 1 GiB of log since its last checkpoint. The product makes checkpoints far more often: so the log is written by this
// program, as a process of its own, without any. The baseline is the start of a process that does nothing.
func (b *bench) restart(ctx context.Context) error {
	dir := filepath.Join(b.dir, "restart")
	s, err := b.startInstance(ctx, dir, restartConfig)
	if err != nil {
		return err
	}
	defer func() { s.process.Kill() }()
	db, err := database(ctx, s.login, "bench")
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	folder, err := onlyFolder(filepath.Join(dir, "data", "databases"))
	if err != nil {
		return err
	}
	short := *b
	short.samples = min(b.samples, 3)
	samples, base, err := short.repeat(func() (float64, error) {
		if err := s.process.Stop(ctx); err != nil {
			return 0, err
		}
		if err := b.crash(ctx, folder); err != nil {
			return 0, err
		}
		start := clock.System.Now()
		if s, err = b.startInstance(ctx, dir, restartConfig); err != nil {
			return 0, err
		}
		db, err := harness.OpenSQL(s.login, "bench")
		if err != nil {
			return 0, err
		}
		var n int
		err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM dbo.bench").Scan(&n)
		took := time.Since(start)
		return float64(took.Microseconds()) / 1000, errors.Join(err, db.Close())
	}, b.processStart)
	if err != nil {
		return err
	}
	return b.report("restart_ms_1gib_log", "ms", samples, "process_start_ms", base)
}

// restartConfig is an instance as it comes.
const restartConfig = "name: bench\ndir: data\nlisten: 127.0.0.1:0\n"

// onlyFolder is the folder of the only database that was made.
func onlyFolder(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) != 1 {
		err = fmt.Errorf("%s has %d folders, not one", dir, len(entries))
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, entries[0].Name()), nil
}

// crash has another process write log into the database's folder, and kills it.
func (b *bench) crash(ctx context.Context, folder string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var ready struct{}
	p, err := harness.Start(ctx, &ready, self, "-write-log", folder, "-log-bytes", strconv.FormatInt(b.crashBytes(), 10))
	if err != nil {
		return err
	}
	p.Kill()
	return nil
}

func (b *bench) crashBytes() int64 {
	if b.short {
		return 128 << 20
	}
	return 1 << 30
}

// writeLog replaces 64 rows of 1 MiB, which is what goes to the log, over and over, with no checkpoint, says when it has
// written so much, and waits to be killed.
func writeLog(ctx context.Context, folder string, size int64) error {
	db, err := storage.Open(ctx, storage.Options{Dir: folder, Name: "bench", CheckpointBytes: 4 * size, DirtyBytes: 4 * size})
	if err != nil {
		return err
	}
	statements := []string{"DROP TABLE IF EXISTS raw", "CREATE TABLE raw (id INTEGER PRIMARY KEY, b BLOB)"}
	for i := range size >> 20 {
		statements = append(statements, fmt.Sprintf("REPLACE INTO raw VALUES (%d, randomblob(1048576))", i%64))
	}
	for _, q := range statements {
		w, err := db.Writer(ctx)
		if err != nil {
			return err
		}
		if err := w.Exec(q); err != nil {
			w.Rollback()
			return err
		}
		at, err := w.Commit(ctx)
		if err != nil {
			return err
		}
		if err := db.WaitHardened(ctx, at); err != nil {
			return err
		}
	}
	fmt.Println("{}")
	<-ctx.Done()
	return db.Close()
}

// memoryBudget is what the instance of the large database may use.
const memoryBudget = 512

// memory measures the most memory a process has used after a database larger than its budget was filled, read from end to
// end and updated here and there. The baseline is the budget.
func (b *bench) memory(ctx context.Context) error {
	s, err := b.startInstance(ctx, filepath.Join(b.dir, "memory"), fmt.Sprintf("name: bench\ndir: data\nlisten: 127.0.0.1:0\ndurability: none\nmemory: {budgetMB: %d}\n", memoryBudget))
	if err != nil {
		return err
	}
	defer s.process.Kill()
	db, err := database(ctx, s.login, "big")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := b.fillLarge(ctx, db); err != nil {
		return err
	}
	for _, q := range []string{"SELECT SUM(n) FROM dbo.large", "UPDATE dbo.large SET n = n + 1 WHERE id % 200 = 7", "SELECT SUM(n) FROM dbo.large WITH (NOLOCK)"} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	var size float64
	if err := db.QueryRowContext(ctx, "SELECT CAST(pages AS float) * 8192 FROM sys.dm_linkspan_database_digest WHERE database_name = 'big'").Scan(&size); err != nil {
		return err
	}
	if want := float64(b.largeBytes()); size < want {
		return fmt.Errorf("the database has %.0f bytes, fewer than %.0f", size, want)
	}
	peak, err := peakMemory(s.process.PID())
	if err != nil {
		return err
	}
	return b.report("rss_mib_4gib_db", "MiB", []float64{peak}, "budget_mib", []float64{memoryBudget})
}

func (b *bench) largeBytes() int64 {
	if b.short {
		return 768 << 20
	}
	return 4 << 30
}

// fillLarge fills a table with rows that take half a page each, 64 MiB of them in one statement.
func (b *bench) fillLarge(ctx context.Context, db *sql.DB) error {
	const rows = 16 << 10
	for _, q := range []string{
		"CREATE TABLE dbo.large (id int IDENTITY PRIMARY KEY, n bigint NOT NULL, b varbinary(3900) NOT NULL)",
		"CREATE TABLE dbo.seed (id int IDENTITY PRIMARY KEY, n bigint NOT NULL, b varbinary(3900) NOT NULL)",
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	row := make([]byte, 3900)
	if _, err := rand.Read(row); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO dbo.seed (n, b) VALUES (1, @p1)", row); err != nil {
		return err
	}
	for n := 1; n < rows; n *= 2 {
		if _, err := db.ExecContext(ctx, "INSERT INTO dbo.seed (n, b) SELECT n, b FROM dbo.seed"); err != nil {
			return err
		}
	}
	for n := int64(0); n < b.largeBytes(); n += rows * 4096 {
		if _, err := db.ExecContext(ctx, "INSERT INTO dbo.large (n, b) SELECT n, b FROM dbo.seed"); err != nil {
			return err
		}
	}
	return nil
}

// peakMemory is the most memory that the process ever had resident, in MiB.
func peakMemory(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "VmHWM:" {
			kib, err := strconv.ParseFloat(string(f[1]), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the system does not tell a process's memory")
}
