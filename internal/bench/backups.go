package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/bak/chain"
	"linkspan/internal/clock"
	"linkspan/lsn"
)

// fixture takes the errors of the fixtures, which report through the tests' interface.
type fixture struct{ err error }

func (f *fixture) Helper() {}

func (f *fixture) Fatal(args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("make fixture: %s", fmt.Sprint(args...))
	}
}

// benchTable is a table of about 100 MB of pages.
func benchTable(rows int) []byte {
	t := baktest.Table{Schema: "dbo", Name: "t", Key: []string{"id"}, Columns: []baktest.Column{{Name: "id", XType: 127, NotNull: true}, {Name: "a", XType: 56},
		{Name: "b", XType: 167, Len: 200}, {Name: "c", XType: 62, Prec: 53}, {Name: "d", XType: 61}}}
	for i := range rows {
		t.Rows = append(t.Rows, baktest.Row{Values: []any{int64(i), int64(i * 7), fmt.Sprintf("%08d %s %s", i, sixty, sixty), int64(0x3ff8000000000000), int64(45000) << 32}})
	}
	return (&baktest.Database{Name: "bench", Version: 957, Tables: []baktest.Table{t}}).File()
}

// backups measures the reader of backup files.
func (b *bench) backups(ctx context.Context) error {
	pages := benchTable(550_000)
	f := &fixture{}
	var plain, packed bytes.Buffer
	h := bak.Header{Type: bak.Full, SetGUID: bak.GUID{1}, Database: "bench", Flags: bak.FlagChecksums, LastLSN: lsn.LSN{VLF: 1, Block: 1, Slot: 1}}
	baktest.Backup(f, &plain, h, pages)
	c, err := bak.NewCompressor(&packed)
	if err != nil {
		return err
	}
	baktest.Backup(f, c, h, pages[:32<<20])
	if f.err != nil {
		return f.err
	}
	file := filepath.Join(b.dir, "bench.bak")
	if err := os.WriteFile(file, plain.Bytes(), 0o600); err != nil {
		return err
	}
	for _, measure := range []func(context.Context, string, []byte, []byte) error{b.verify, b.export, b.decompress, b.headers, b.plan} {
		if err := measure(ctx, file, plain.Bytes(), packed.Bytes()); err != nil {
			return err
		}
	}
	return os.Remove(file)
}

// timed runs the product once and gives the seconds it took.
func (b *bench) timed(ctx context.Context, args ...string) (float64, error) {
	cmd := exec.CommandContext(ctx, b.program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	start := clock.System.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%v: %w: %s", args, err, said.String())
	}
	return time.Since(start).Seconds(), nil
}

// sha256Speed is MB/s of SHA-256 on one core.
func sha256Speed(data []byte) func() (float64, error) {
	return func() (float64, error) {
		start := clock.System.Now()
		sha256.Sum256(data)
		return float64(len(data)) / 1e6 / time.Since(start).Seconds(), nil
	}
}

func (b *bench) verify(ctx context.Context, file string, plain, _ []byte) error {
	s, base, err := b.repeat(func() (float64, error) {
		t, err := b.timed(ctx, "backup", "verify", file)
		return float64(len(plain)) / 1e6 / t, err
	}, sha256Speed(plain))
	if err != nil {
		return err
	}
	return b.report("bak_verify_MBps", "MB/s", s, "sha256_MBps", base)
}

func (b *bench) export(ctx context.Context, file string, plain, _ []byte) error {
	s, base, err := b.repeat(func() (float64, error) {
		t, err := b.timed(ctx, "backup", "export", file, "--table", "dbo.t", "--to", "-")
		return float64(len(plain)) / 1e6 / t, err
	}, sha256Speed(plain))
	if err != nil {
		return err
	}
	return b.report("bak_export_MBps", "MB/s", s, "sha256_MBps", base)
}

// decompress reads all MTF bytes of a compressed file on one core.
func (b *bench) decompress(_ context.Context, _ string, _, packed []byte) error {
	s, base, err := b.repeat(func() (float64, error) {
		start := clock.System.Now()
		c, err := bak.OpenContent(bytes.NewReader(packed), int64(len(packed)), bak.Options{})
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(io.Discard, io.NewSectionReader(c.View(), 0, c.Size()))
		return float64(n) / 1e6 / time.Since(start).Seconds(), err
	}, sha256Speed(packed))
	if err != nil {
		return err
	}
	return b.report("bak_decompress_MBps", "MB/s", s, "sha256_MBps", base)
}

// headers scans a warm folder of 10,000 log backups; the baseline reads their first 4 KiB.
func (b *bench) headers(ctx context.Context, _ string, _, _ []byte) error {
	const files = 10_000
	dir := filepath.Join(b.dir, "headers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var buf bytes.Buffer
	f := &fixture{}
	baktest.Backup(f, &buf, bak.Header{Type: bak.Full, SetGUID: bak.GUID{2}, Database: "bench"}, make([]byte, bak.ExtentSize))
	names := make([]string, files)
	for i := range names {
		names[i] = filepath.Join(dir, fmt.Sprintf("%05d.bak", i))
		if err := os.WriteFile(names[i], buf.Bytes(), 0o600); err != nil {
			return err
		}
	}
	s, base, err := b.repeat(func() (float64, error) {
		t, err := b.timed(ctx, "backup", "inspect", dir)
		return files / t, err
	}, func() (float64, error) {
		start, head := clock.System.Now(), make([]byte, 4096)
		for _, n := range names {
			f, err := os.Open(n)
			if err != nil {
				return 0, err
			}
			if _, err := f.ReadAt(head, 0); err != nil {
				return 0, err
			}
			if err := f.Close(); err != nil {
				return 0, err
			}
		}
		return files / time.Since(start).Seconds(), nil
	})
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return b.report("bak_headers_per_s", "files/s", s, "open_read4k_per_s", base)
}

// plan plans 100,000 sets of 1,000 databases; the baseline sorts them.
func (b *bench) plan(_ context.Context, _ string, _, _ []byte) error {
	items := make([]chain.Item, 100_000)
	for i := range items {
		db, k := i%1000, uint32(i/1000)
		h := &bak.Header{Type: bak.Log, SetGUID: bak.GUID{byte(i), byte(i >> 8), byte(i >> 16)}, Database: fmt.Sprintf("db%d", db), RecoveryForkID: bak.GUID{byte(db), byte(db >> 8)},
			FirstLSN: lsn.LSN{VLF: 1, Block: k * 10, Slot: 1}, LastLSN: lsn.LSN{VLF: 1, Block: k*10 + 10, Slot: 1}}
		if k%50 == 0 {
			h.Type = bak.Full
		}
		items[i] = chain.Item{File: fmt.Sprintf("f%d", i), Family: bak.Family{Count: 1, Sequence: 1}, Header: h}
	}
	s, base, err := b.repeat(func() (float64, error) {
		start := clock.System.Now()
		if r := chain.Find(items, chain.Options{}); len(r.Lives) != 1000 || r.Broken() {
			return 0, fmt.Errorf("%d databases, broken %v", len(r.Lives), r.Broken())
		}
		return float64(time.Since(start).Microseconds()) / 1000, nil
	}, func() (float64, error) {
		start, sorted := clock.System.Now(), slices.Clone(items)
		slices.SortFunc(sorted, func(a, b chain.Item) int { return a.Header.FirstLSN.Compare(b.Header.FirstLSN) })
		return float64(time.Since(start).Microseconds()) / 1000, nil
	})
	if err != nil {
		return err
	}
	return b.report("chain_plan_ms_100k_sets", "ms", s, "sort_ms", base)
}
