package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"linkspan/internal/clock"
)

// What the peer runs: the same row, the same load, a blob table that is not compressed either.
const (
	pgTable  = "CREATE TABLE bench (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, b varchar(60) NOT NULL, c float8 NOT NULL)"
	pgInsert = "INSERT INTO bench (a, b, c) VALUES ($1, $2, $3)"
	pgTicks  = "CREATE TABLE ticks (id bigint NOT NULL PRIMARY KEY, quantity int NOT NULL, note varchar(60) NOT NULL, price float8 NOT NULL)"
	pgBlobs  = "CREATE TABLE blobs (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b bytea NOT NULL); ALTER TABLE blobs ALTER b SET STORAGE EXTERNAL"
)

// postgres measures PostgreSQL 15: a primary with a streaming standby, over TLS, with its own defaults.
func (b *bench) postgres(ctx context.Context) error {
	c, err := b.newCluster()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(c.dir) }()
	p, err := c.primary(ctx)
	defer func() { p.stop(syscall.SIGQUIT) }()
	if err != nil {
		return err
	}
	if err := pgExec(ctx, p, pgTable, pgTicks, pgBlobs); err != nil {
		return err
	}
	if b.wants("pg_insert_1_durable", "pg_insert_16_durable") {
		if err := b.pgInserts(ctx, p); err != nil {
			return err
		}
	}
	s, _, _, err := c.baseBackup(ctx, p, "standby")
	if err != nil {
		return err
	}
	err = s.start(ctx)
	defer func() { s.stop(syscall.SIGQUIT) }()
	if err != nil {
		return err
	}
	if b.wants("pg_lag_p50_ms_200tps", "pg_lag_p99_ms_200tps") {
		if err := b.pgLag(ctx, p, s); err != nil {
			return err
		}
	}
	if b.wants("pg_failover_pause_p99_ms") {
		if p, s, err = b.pgFailover(ctx, p, s); err != nil {
			return err
		}
	}
	if b.wants("pg_basebackup_MBps") {
		s.stop(syscall.SIGQUIT)
		return b.pgSeeding(ctx, c, p)
	}
	return nil
}

func pgExec(ctx context.Context, n *node, statements ...string) error {
	conn, err := n.connect(ctx)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

// pgInserts is tds_insert_*_durable at the peer; it commits to the disk of the primary alone, as ours.
func (b *bench) pgInserts(ctx context.Context, p *node) error {
	for _, conns := range []int{1, 16} {
		samples, base, err := b.repeat(func() (float64, error) { return b.pgInsertRate(ctx, p, conns) }, b.rawAppend)
		if err != nil {
			return err
		}
		if err := b.report(fmt.Sprintf("pg_insert_%d_durable", conns), "tx/s", samples, "raw_append_fsync_per_s", base); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) pgInsertRate(ctx context.Context, p *node, conns int) (float64, error) {
	clients := make([]*pgx.Conn, conns)
	for i := range clients {
		c, err := p.connect(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { _ = c.Close(ctx) }()
		clients[i] = c
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, conns)
	start := clock.System.Now()
	for i, c := range clients {
		wg.Go(func() {
			for k := 0; time.Since(start) < b.sample && errs[i] == nil; k++ {
				_, errs[i] = c.Exec(ctx, pgInsert, k, sixty, 1.5)
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

// pgLag is lag_*_200tps at the peer: a client asks the standby for the newest row, over and over.
func (b *bench) pgLag(ctx context.Context, p, s *node) error {
	writer, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = writer.Close(ctx) }()
	reader, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close(ctx) }()
	var p50, p99, base []float64
	for i := range b.samples {
		rate, err := b.rawEcho(1)
		if err != nil {
			return err
		}
		lags, err := pgLags(ctx, writer, reader, 1+i*lagTransactions, lagTransactions)
		if err != nil {
			return err
		}
		base = append(base, 1000/rate)
		p50, p99 = append(p50, percentile(lags, 50)), append(p99, percentile(lags, 99))
	}
	return errors.Join(b.report("pg_lag_p50_ms_200tps", "ms", p50, "raw_tls_echo_ms", base),
		b.report("pg_lag_p99_ms_200tps", "ms", p99, "raw_tls_echo_ms", base))
}

// pgLags gives the milliseconds from each row's acknowledgement to its being seen.
func pgLags(ctx context.Context, writer, reader *pgx.Conn, first, n int) ([]float64, error) {
	acked, seen := make([]time.Time, n), make([]time.Time, n)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for next := 0; next < n; {
			var newest int
			if err := reader.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM ticks").Scan(&newest); err != nil {
				cancel(err)
				return
			}
			for now := clock.System.Now(); first+next <= newest && next < n; next++ {
				seen[next] = now
			}
		}
	})
	err := paced(ctx, n, 200, func(i int) error {
		id := first + i
		_, err := writer.Exec(ctx, "INSERT INTO ticks VALUES ($1, $2, $3, $4)", id, id%97, fmt.Sprintf("order line %d of the demonstration, sixty characters long", id), float64(id)/4)
		acked[i] = clock.System.Now()
		return err
	})
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	if err := errors.Join(err, context.Cause(ctx)); err != nil {
		return nil, err
	}
	lags := make([]float64, n)
	for i := range lags {
		lags[i] = max(0, float64(seen[i].Sub(acked[i]).Microseconds())/1000)
	}
	return lags, nil
}

// paced calls f so many times at a rate a second.
func paced(ctx context.Context, n, rate int, f func(i int) error) error {
	next := clock.System.Now()
	for i := range n {
		if d := next.Sub(clock.System.Now()); d > 0 {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		next = next.Add(time.Second / time.Duration(rate))
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

func percentile(samples []float64, p int) float64 {
	s := slices.Clone(samples)
	slices.Sort(s)
	return s[(len(s)-1)*p/100]
}

// pgSeeding times pg_basebackup, checkpoint and syncs included, beside the bare stream of as many bytes.
func (b *bench) pgSeeding(ctx context.Context, c *cluster, p *node) error {
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	blob := make([]byte, 1<<20)
	for range b.seedBytes() / int64(len(blob)) {
		if _, err := rand.Read(blob); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "INSERT INTO blobs (b) VALUES ($1)", blob); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	if err := conn.Close(ctx); err != nil {
		return err
	}
	samples, base, err := b.repeat(func() (float64, error) {
		n, size, took, err := c.baseBackup(ctx, p, "seeded")
		if err != nil {
			return 0, err
		}
		return float64(size) / 1e6 / took.Seconds(), os.RemoveAll(n.dir())
	}, func() (float64, error) { return b.rawStream(b.seedBytes()) })
	if err != nil {
		return err
	}
	return b.report("pg_basebackup_MBps", "MB/s", samples, "raw_tls_MBps", base)
}
