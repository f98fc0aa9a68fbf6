package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
)

// table is the row of the design's aims: a bigint key, an int, 60 characters and a float.
const (
	table  = "CREATE TABLE dbo.bench (id bigint IDENTITY PRIMARY KEY, a int NOT NULL, b varchar(60) NOT NULL, c float NOT NULL)"
	insert = "INSERT INTO dbo.bench (a, b, c) VALUES (@p1, @p2, @p3)"
)

var sixty = strings.Repeat("0123456789", 6)

// server is an instance of its own process.
type server struct {
	process *harness.Process
	login   harness.Login
}

// startServer runs a fresh instance.
func (b *bench) startServer(ctx context.Context, name, durability string) (*server, error) {
	return b.startInstance(ctx, filepath.Join(b.dir, name), fmt.Sprintf("name: bench\ndir: data\nlisten: 127.0.0.1:0\ndurability: %s\n", durability))
}

// startInstance runs the instance of the folder, with this configuration.
func (b *bench) startInstance(ctx context.Context, dir, text string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	var ready struct {
		Address, User, Credentials, CA string
		Port                           int
	}
	p, err := harness.Start(ctx, &ready, b.program, "instance", "--config", config, "--json")
	if err != nil {
		return nil, err
	}
	var creds struct{ Password string }
	raw, err := os.ReadFile(ready.Credentials)
	if err == nil {
		err = json.Unmarshal(raw, &creds)
	}
	return &server{p, harness.Login{Address: ready.Address, Port: ready.Port, User: ready.User, Password: creds.Password, CA: ready.CA}}, err
}

// database makes a database with the table and returns a pool to it.
func database(ctx context.Context, l harness.Login, name string) (*sql.DB, error) {
	master, err := harness.OpenSQL(l, "master")
	if err != nil {
		return nil, err
	}
	defer func() { _ = master.Close() }()
	if _, err := master.ExecContext(ctx, "CREATE DATABASE ["+name+"]"); err != nil {
		return nil, err
	}
	db, err := harness.OpenSQL(l, name)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, table)
	return db, err
}

// insertRate runs single-row inserts, each its own transaction, on so many connections, and gives transactions a second.
func (b *bench) insertRate(ctx context.Context, db *sql.DB, conns int) (float64, error) {
	db.SetMaxIdleConns(conns)
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, conns)
	start := clock.System.Now()
	for i := range conns {
		wg.Go(func() { errs[i] = insertUntil(ctx, db, start.Add(b.sample), &n) })
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

func insertUntil(ctx context.Context, db *sql.DB, until time.Time, n *atomic.Int64) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for i := 0; clock.System.Now().Before(until); i++ {
		if _, err := c.ExecContext(ctx, insert, i, sixty, 1.5); err != nil {
			return err
		}
		n.Add(1)
	}
	return nil
}

func (b *bench) durableInserts(ctx context.Context) error {
	s, err := b.startServer(ctx, "durable", "full")
	if err != nil {
		return err
	}
	defer s.process.Kill()
	db, err := database(ctx, s.login, "bench")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, conns := range []int{1, 16} {
		samples, base, err := b.repeat(func() (float64, error) { return b.insertRate(ctx, db, conns) }, b.rawAppend)
		if err != nil {
			return err
		}
		if err := b.report(fmt.Sprintf("tds_insert_%d_durable", conns), "tx/s", samples, "raw_append_fsync_per_s", base); err != nil {
			return err
		}
	}
	return b.logBytes(ctx, db)
}

// logBytes measures what one insert adds to the log, beside the row's own bytes.
func (b *bench) logBytes(ctx context.Context, db *sql.DB) error {
	held := func() (n float64, err error) {
		err = db.QueryRowContext(ctx, "SELECT CAST(log_bytes AS float) FROM sys.dm_linkspan_databases WHERE database_name = 'bench'").Scan(&n)
		return n, err
	}
	const rows = 1000
	var samples []float64
	for range b.samples {
		before, err := held()
		if err != nil {
			return err
		}
		for i := range rows {
			if _, err := db.ExecContext(ctx, insert, i, sixty, 1.5); err != nil {
				return err
			}
		}
		after, err := held()
		if err != nil {
			return err
		}
		if after > before { // a checkpoint in between frees log
			samples = append(samples, (after-before)/rows)
		}
	}
	if len(samples) == 0 {
		return errors.New("every sample was cut by a checkpoint")
	}
	return b.report("log_bytes_per_insert", "bytes", samples, "row_bytes", []float64{8 + 4 + 60 + 8})
}

func (b *bench) unsyncedInserts(ctx context.Context) error {
	s, err := b.startServer(ctx, "nosync", "none")
	if err != nil {
		return err
	}
	defer s.process.Kill()
	db, err := database(ctx, s.login, "bench")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, conns := range []int{1, 16} {
		samples, base, err := b.repeat(func() (float64, error) { return b.insertRate(ctx, db, conns) },
			func() (float64, error) { return b.rawEcho(conns) })
		if err != nil {
			return err
		}
		if err := b.report(fmt.Sprintf("tds_insert_%d_nosync", conns), "tx/s", samples, "raw_tls_echo_per_s", base); err != nil {
			return err
		}
	}
	return nil
}

// ready measures from the start of the process to the first login, beside the start of a process that does nothing.
func (b *bench) ready(ctx context.Context) error {
	i := 0
	samples, base, err := b.repeat(func() (float64, error) {
		i++
		start := clock.System.Now()
		l, p, err := b.startSandbox(ctx, fmt.Sprint("ready", i))
		if err != nil {
			return 0, err
		}
		defer p.Kill()
		db, err := harness.OpenSQL(l.source, "master")
		if err != nil {
			return 0, err
		}
		defer func() { _ = db.Close() }()
		err = db.PingContext(ctx)
		return float64(time.Since(start).Microseconds()) / 1000, err
	}, b.processStart)
	if err != nil {
		return err
	}
	return b.report("sandbox_ready_ms", "ms", samples, "process_start_ms", base)
}
