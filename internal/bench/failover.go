package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
)

// retrier is a client that wants one row after another inserted and knows both sides: what one refuses it brings to the
// other.
type retrier struct {
	sides [2]func(ctx context.Context) error

	mu sync.Mutex // protects what follows
	// first and last are when a side acknowledged since the last reset.
	first, last [2]time.Time
}

// retryPause is how long a client that was refused waits.
const retryPause = time.Millisecond

func (r *retrier) run(ctx context.Context) {
	for side := 0; ctx.Err() == nil; {
		if err := r.sides[side](ctx); err != nil {
			side = 1 - side
			select {
			case <-time.After(retryPause):
			case <-ctx.Done():
			}
			continue
		}
		now := clock.System.Now()
		r.mu.Lock()
		if r.first[side].IsZero() {
			r.first[side] = now
		}
		r.last[side] = now
		r.mu.Unlock()
	}
}

// acked gives the side's first and last acknowledgement since the last reset, once there is one.
func (r *retrier) acked(ctx context.Context, side int) (first, last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		first, last = r.first[side], r.last[side]
		r.mu.Unlock()
		if !first.IsZero() {
			return first, last, nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return first, last, fmt.Errorf("side %d acknowledges nothing: %w", side, context.Cause(ctx))
		}
	}
}

func (r *retrier) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first, r.last = [2]time.Time{}, [2]time.Time{}
}

// pauses runs n planned failovers, back and forth, under a load of 4 such clients, and gives the milliseconds between
// the last acknowledgement on the old side and the first on the new one, as one of the clients saw them.
func pauses(ctx context.Context, n int, client func() (*retrier, error), failover func(ctx context.Context, from int) error) ([]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var measured *retrier
	for range 4 {
		r, err := client()
		if err != nil {
			return nil, err
		}
		measured = r
		wg.Go(func() { r.run(ctx) })
	}
	var out []float64
	for i := range n {
		from := i % 2
		measured.reset()
		if _, _, err := measured.acked(ctx, from); err != nil {
			return out, fmt.Errorf("before failover %d: %w", i+1, err)
		}
		if err := failover(ctx, from); err != nil {
			return out, fmt.Errorf("failover %d: %w", i+1, err)
		}
		first, _, err := measured.acked(ctx, 1-from)
		if err != nil {
			return out, fmt.Errorf("after failover %d: %w", i+1, err)
		}
		_, last, _ := measured.acked(ctx, from)
		out = append(out, float64(first.Sub(last).Microseconds())/1000)
	}
	return out, nil
}

// failover measures the pause that a planned failover of a link makes.
func (b *bench) failover(ctx context.Context) error {
	s, p, err := b.startSandbox(ctx, "failover")
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := b.linked(ctx, s, "fo"); err != nil {
		return err
	}
	logins := [2]harness.Login{s.source, s.target}
	client := func() (*retrier, error) {
		r := &retrier{}
		for i, l := range logins {
			db, err := harness.OpenSQL(l, "fo")
			if err != nil {
				return nil, err
			}
			r.sides[i] = func(ctx context.Context) error {
				_, err := db.ExecContext(ctx, insert, 1, sixty, 1.5)
				return err
			}
		}
		return r, nil
	}
	n := 100
	if b.short {
		n = 10
	}
	got, err := pauses(ctx, n, client, func(ctx context.Context, from int) error {
		return execOn(ctx, logins[from], "master", "ALTER AVAILABILITY GROUP [DAG_fo] FAILOVER")
	})
	if err != nil {
		return err
	}
	return b.reportPauses("failover_pause_%s_ms", got, "process_start_ms", b.processStart)
}

// reportPauses reports the median and the 99th percentile of pauses.
func (b *bench) reportPauses(name string, got []float64, baseline string, base func() (float64, error)) error {
	var bases []float64
	for range b.samples {
		x, err := base()
		if err != nil {
			return err
		}
		bases = append(bases, x)
	}
	p99 := percentile(got, 99)
	return errors.Join(b.report(fmt.Sprintf(name, "p50"), "ms", got, baseline, bases),
		b.reportOne(fmt.Sprintf(name, "p99"), "ms", p99, got, baseline, bases))
}

// pgFailover is failover at the peer, tightly scripted: after a checkpoint, which the end would else wait for, the
// primary is stopped cleanly, which sends the standby all of the log; the moment it has ended the standby is promoted,
// over a connection that is open already.
func (b *bench) pgFailover(ctx context.Context, p, s *node) (*node, *node, error) {
	nodes := [2]*node{p, s}
	n := 20
	if b.short {
		n = 4
	}
	client := func() (*retrier, error) {
		r := &retrier{}
		for i := range nodes {
			var conn *pgx.Conn
			r.sides[i] = func(ctx context.Context) (err error) {
				if conn == nil || conn.IsClosed() {
					if conn, err = nodes[i].connect(ctx); err != nil {
						return err
					}
				}
				_, err = conn.Exec(ctx, pgInsert, 1, sixty, 1.5)
				return err
			}
		}
		return r, nil
	}
	got, err := pauses(ctx, n, client, func(ctx context.Context, from int) error { return pgSwitch(ctx, nodes[from], nodes[1-from]) })
	if n%2 != 0 {
		nodes[0], nodes[1] = nodes[1], nodes[0]
	}
	if err != nil {
		return nodes[0], nodes[1], err
	}
	return nodes[0], nodes[1], b.reportPauses("pg_failover_pause_%s_ms", got, "process_start_ms", b.processStart)
}

func pgSwitch(ctx context.Context, from, to *node) error {
	conn, err := to.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := pgExec(ctx, from, "CHECKPOINT"); err != nil {
		return err
	}
	from.stop(syscall.SIGINT)
	if _, err := conn.Exec(ctx, "SELECT pg_promote(wait => false)"); err != nil {
		return err
	}
	for readOnly := true; readOnly; {
		if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&readOnly); err != nil {
			return err
		}
	}
	if err := from.follow(ctx, to); err != nil {
		return err
	}
	return pgStreaming(ctx, conn)
}

// pgStreaming waits until a standby streams from the connection's server.
func pgStreaming(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		var n int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_lsn() - 1000000").Scan(&n)
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no standby streams: %w", context.Cause(ctx))
		}
	}
}
