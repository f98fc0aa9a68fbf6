package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/internal/clock"
	"linkspan/internal/harness"
	"linkspan/lsn"
)

// backupMiB is the size of the database that is backed up and restored.
const backupMiB = 512

// takeAndRestore measures BACKUP and RESTORE of a database, beside a copy of the same bytes, and the writers beside a
// full backup.
func (b *bench) takeAndRestore(ctx context.Context) error {
	s, err := b.startServer(ctx, "backup", "full")
	if err != nil {
		return err
	}
	defer s.process.Kill()
	db, err := database(ctx, s.login, "shop")
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the server is killed
	mib := backupMiB
	if b.short {
		mib = 64
	}
	if err := fillBlobs(ctx, db, mib); err != nil {
		return err
	}
	master, err := harness.OpenSQL(s.login, "master")
	if err != nil {
		return err
	}
	defer master.Close() //nolint:errcheck // the server is killed
	file := filepath.Join(b.dir, "backup", "data", "backup", "shop.bak")
	if err := b.backupRate(ctx, master, file); err != nil {
		return err
	}
	if err := b.restoreRate(ctx, master, file); err != nil {
		return err
	}
	return b.besideBackup(ctx, db, master)
}

// fillBlobs puts bytes into the database that nothing can make smaller.
func fillBlobs(ctx context.Context, db *sql.DB, mib int) error {
	if _, err := db.ExecContext(ctx, "CREATE TABLE dbo.blobs (id int IDENTITY PRIMARY KEY, b varbinary(max))"); err != nil {
		return err
	}
	blob := make([]byte, 4<<20)
	for range mib / 4 {
		if _, err := rand.Read(blob); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, "INSERT dbo.blobs(b) VALUES (@p1)", blob); err != nil {
			return err
		}
	}
	return nil
}

// statementRate runs a statement that moves the file's bytes and gives MB a second.
func statementRate(ctx context.Context, db *sql.DB, statement, file string) (float64, error) {
	start := clock.System.Now()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return 0, err
	}
	return megabytes(file, time.Since(start))
}

func megabytes(file string, took time.Duration) (float64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6 / took.Seconds(), nil
}

// copyRate copies the file and syncs the copy, and gives MB a second.
func copyRate(file string) (float64, error) {
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer in.Close() //nolint:errcheck // opened for reading
	to := file + ".copy"
	start := clock.System.Now()
	out, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return 0, err
	}
	took := time.Since(start)
	if err := os.Remove(to); err != nil {
		return 0, err
	}
	return megabytes(file, took)
}

func (b *bench) backupRate(ctx context.Context, master *sql.DB, file string) error {
	const statement = "BACKUP DATABASE shop TO DISK = 'shop.bak' WITH FORMAT, CHECKSUM"
	if _, err := master.ExecContext(ctx, statement); err != nil {
		return err
	}
	samples, base, err := b.repeat(func() (float64, error) { return statementRate(ctx, master, statement, file) }, func() (float64, error) { return copyRate(file) })
	if err != nil {
		return err
	}
	return b.report("backup_MBps", "MB/s", samples, "copy_MBps", base)
}

func (b *bench) restoreRate(ctx context.Context, master *sql.DB, file string) error {
	const statement = "RESTORE DATABASE again FROM DISK = 'shop.bak' WITH REPLACE"
	samples, base, err := b.repeat(func() (float64, error) { return statementRate(ctx, master, statement, file) }, func() (float64, error) { return copyRate(file) })
	if err != nil {
		return err
	}
	return b.report("restore_MBps", "MB/s", samples, "copy_MBps", base)
}

// besideBackup measures the writers' rate while full backups run, beside their rate without.
func (b *bench) besideBackup(ctx context.Context, db, master *sql.DB) error {
	with := func() (float64, error) {
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := master.ExecContext(ctx, "BACKUP DATABASE shop TO DISK = 'beside.bak' WITH FORMAT"); err != nil {
					if ctx.Err() != nil {
						err = nil
					}
					ended <- err
					return
				}
			}
		}()
		rate, err := b.insertRate(ctx, db, 16)
		stop()
		return rate, errors.Join(err, <-ended)
	}
	samples, base, err := b.repeat(with, func() (float64, error) { return b.insertRate(ctx, db, 16) })
	if err != nil {
		return err
	}
	return b.report("tds_insert_16_during_backup", "tx/s", samples, "tds_insert_16_durable", base)
}

// importRate measures RESTORE of a backup in SQL Server's layout: narrow rows a second.
func (b *bench) importRate(ctx context.Context) error {
	rows := 500_000
	if b.short {
		rows = 20_000
	}
	t := baktest.Table{Schema: "dbo", Name: "t", Key: []string{"id"}, Columns: []baktest.Column{{Name: "id", XType: 127, NotNull: true}, {Name: "a", XType: 56},
		{Name: "b", XType: 167, Len: 60}}}
	for i := range rows {
		t.Rows = append(t.Rows, baktest.Row{Values: []any{int64(i), int64(i * 7), fmt.Sprintf("%020d", i)}})
	}
	f := &fixture{}
	var file bytes.Buffer
	at := lsn.LSN{VLF: 1, Block: 1, Slot: 1}
	baktest.Backup(f, &file, bak.Header{Type: bak.Full, SetGUID: bak.GUID{1}, Database: "bench", Flags: bak.FlagAlways | bak.FlagChecksums, FirstLSN: at, LastLSN: at,
		CheckpointLSN: at, Compatibility: 160, DatabaseVersion: 957, Collation: 0x3400d00409}, (&baktest.Database{Name: "bench", Version: 957, Tables: []baktest.Table{t}}).File())
	t.Rows = nil
	if f.err != nil {
		return f.err
	}
	s, err := b.startServer(ctx, "import", "full")
	if err != nil {
		return err
	}
	defer s.process.Kill()
	folder := filepath.Join(b.dir, "import", "data", "backup")
	err = errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "bench.bak"), file.Bytes(), 0o600))
	if err != nil {
		return err
	}
	master, err := harness.OpenSQL(s.login, "master")
	if err != nil {
		return err
	}
	defer master.Close() //nolint:errcheck // the server is killed
	var samples []float64
	for range b.samples {
		start := clock.System.Now()
		if _, err := master.ExecContext(ctx, "RESTORE DATABASE bench FROM DISK = 'bench.bak' WITH REPLACE"); err != nil {
			return err
		}
		samples = append(samples, float64(rows)/time.Since(start).Seconds())
	}
	return b.report("import_rows_per_s", "rows/s", samples, "", nil)
}
