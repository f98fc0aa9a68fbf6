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

// Load is what MeasureLag runs.
type Load struct {
	// Table gets the rows First, First+1, …, each by a transaction of its own. It has the columns of the sample's table.
	Table               string
	First, Transactions int
	// Rate is transactions a second; 0 is as fast as one connection can.
	Rate int
}

// MeasureLag inserts the rows on the source and asks the copy, over and over, for the newest one.
func MeasureLag(ctx context.Context, source, copyOf *sqlclient.Client, l Load) (Lag, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	acked, seen := make([]time.Time, l.Transactions), make([]time.Time, l.Transactions)
	var wg sync.WaitGroup
	var readErr error
	wg.Go(func() {
		if readErr = watchRows(ctx, copyOf, l, seen); readErr != nil {
			cancel(readErr)
		}
	})
	start := clock.System.Now()
	err := writeRows(ctx, source, l, acked)
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

// writeRows inserts the rows, each in a transaction of its own, and notes when each was acknowledged.
func writeRows(ctx context.Context, c *sqlclient.Client, l Load, acked []time.Time) error {
	insert := "INSERT INTO " + l.Table + " (Id, Quantity, Note, Price) VALUES (@p1, @p2, @p3, @p4)"
	next := clock.System.Now()
	for i := range acked {
		if l.Rate > 0 {
			if err := sleepUntil(ctx, next); err != nil {
				return err
			}
			next = next.Add(time.Second / time.Duration(l.Rate))
		}
		id := l.First + i
		if _, err := c.Query(ctx, insert, int64(id), id%97, fmt.Sprintf("order line %d of the demonstration, sixty characters long", id), float64(id)/4); err != nil {
			return fmt.Errorf("insert row %d: %w", id, err)
		}
		acked[i] = clock.System.Now()
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
func watchRows(ctx context.Context, c *sqlclient.Client, l Load, seen []time.Time) error {
	newest := "SELECT ISNULL(MAX(Id), 0) AS n FROM " + l.Table
	for next := 0; next < len(seen); {
		r, err := c.Query(ctx, newest)
		if err != nil {
			return fmt.Errorf("read the copy: %w", err)
		}
		now := clock.System.Now()
		n, ok := r.First().Rows[0][0].(int64)
		if !ok || int(n) >= l.First+len(seen) {
			return fmt.Errorf("read the copy: the newest row is %v", r.First().Rows[0][0])
		}
		for ; l.First+next <= int(n); next++ {
			seen[next] = now
		}
	}
	return nil
}

func percentiles(acked, seen []time.Time, took time.Duration) Lag {
	var lags []time.Duration
	for i := range acked {
		lags = append(lags, max(0, seen[i].Sub(acked[i])))
	}
	slices.Sort(lags)
	at := func(p int) time.Duration { return lags[(len(lags)-1)*p/100] }
	return Lag{Transactions: len(lags), P50: at(50), P95: at(95), P99: at(99), Max: lags[len(lags)-1], Took: took}
}
