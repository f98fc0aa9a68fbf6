package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"linkspan/internal/clock"
	"linkspan/sqlclient"
)

// How the load runs: enough transactions for a 99th percentile, at a rate that leaves the machine idle between them.
const (
	loadTransactions = 2400
	loadRate         = 400 // a second
)

// Lag is how long after its acknowledgement on the source a transaction was seen on the copy.
type Lag struct {
	Transactions  int
	P50, P95, P99 time.Duration
	Max           time.Duration
	// Took is how long the load ran.
	Took time.Duration
}

// measureLag inserts one row per transaction on the source and asks the copy, over and over, for the newest row.
func measureLag(ctx context.Context, source, copyOf *sqlclient.Client, table string) (Lag, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	acked, seen := make([]time.Time, loadTransactions+1), make([]time.Time, loadTransactions+1)
	var wg sync.WaitGroup
	var readErr error
	wg.Go(func() {
		if readErr = watchRows(ctx, copyOf, table, seen); readErr != nil {
			cancel(readErr)
		}
	})
	start := clock.System.Now()
	err := writeRows(ctx, source, table, acked)
	took := clock.System.Now().Sub(start)
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	if err == nil {
		err = readErr
	}
	if err != nil {
		return Lag{}, err
	}
	return percentiles(acked, seen, took), nil
}

// writeRows inserts the rows 1, 2, …, each in a transaction of its own, and notes when each was acknowledged.
func writeRows(ctx context.Context, c *sqlclient.Client, table string, acked []time.Time) error {
	insert := "INSERT INTO " + table + " (Id, Quantity, Note, Price) VALUES (@p1, @p2, @p3, @p4)"
	next := clock.System.Now()
	for id := 1; id < len(acked); id++ {
		if err := sleepUntil(ctx, next); err != nil {
			return err
		}
		next = next.Add(time.Second / loadRate)
		if _, err := c.Query(ctx, insert, int64(id), id%97, fmt.Sprintf("order line %d of the demonstration, sixty characters long", id), float64(id)/4); err != nil {
			return fmt.Errorf("insert row %d: %w", id, err)
		}
		acked[id] = clock.System.Now()
	}
	return nil
}

func sleepUntil(ctx context.Context, t time.Time) error {
	d := t.Sub(clock.System.Now())
	if d <= 0 {
		return nil
	}
	c, stop := clock.System.After(d)
	defer stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watchRows asks for the newest row until it is the last, and notes when each was seen first.
func watchRows(ctx context.Context, c *sqlclient.Client, table string, seen []time.Time) error {
	for last := 0; last < len(seen)-1; {
		r, err := c.Query(ctx, "SELECT ISNULL(MAX(Id), 0) AS n FROM "+table)
		if err != nil {
			return fmt.Errorf("read the copy: %w", err)
		}
		now := clock.System.Now()
		n, ok := r.First().Rows[0][0].(int64)
		if !ok || int(n) >= len(seen) {
			return fmt.Errorf("read the copy: the newest row is %v", r.First().Rows[0][0])
		}
		for ; last < int(n); last++ {
			seen[last+1] = now
		}
	}
	return nil
}

func percentiles(acked, seen []time.Time, took time.Duration) Lag {
	var lags []time.Duration
	for i := 1; i < len(acked); i++ {
		lags = append(lags, max(0, seen[i].Sub(acked[i])))
	}
	slices.Sort(lags)
	at := func(p int) time.Duration { return lags[(len(lags)-1)*p/100] }
	return Lag{Transactions: len(lags), P50: at(50), P95: at(95), P99: at(99), Max: lags[len(lags)-1], Took: took}
}
