package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"linkspan/internal/clock"
	"linkspan/internal/harness"
)

// syncCommit measures inserts that wait for a copy's disk too, beside the same inserts into a database without a copy.
func (b *bench) syncCommit(ctx context.Context) error {
	s, p, err := b.startSandbox(ctx, "sync")
	if err != nil {
		return err
	}
	defer p.Kill()
	alone, err := database(ctx, s.source, "alone")
	if err != nil {
		return err
	}
	defer func() { _ = alone.Close() }()
	if err := b.linked(ctx, s, "paired"); err != nil {
		return err
	}
	paired, err := harness.OpenSQL(s.source, "paired")
	if err != nil {
		return err
	}
	defer func() { _ = paired.Close() }()
	mode := "ALTER AVAILABILITY GROUP [DAG_paired] MODIFY AVAILABILITY GROUP ON N'AG_paired' WITH (AVAILABILITY_MODE = SYNCHRONOUS_COMMIT), " +
		"N'AG_paired_MI' WITH (AVAILABILITY_MODE = SYNCHRONOUS_COMMIT)"
	if _, err := paired.ExecContext(ctx, mode); err != nil {
		return err
	}
	if _, err := paired.ExecContext(ctx, insert, 1, sixty, 1.5); err != nil {
		return err
	}
	if err := waitState(ctx, paired, "SYNCHRONIZED"); err != nil {
		return err
	}
	samples, base, err := b.repeat(func() (float64, error) { return b.insertRate(ctx, paired, 16) },
		func() (float64, error) { return b.insertRate(ctx, alone, 16) })
	if err != nil {
		return err
	}
	if err := waitState(ctx, paired, "SYNCHRONIZED"); err != nil {
		return fmt.Errorf("after the load: %w", err)
	}
	return b.report("tds_insert_16_sync_commit", "tx/s", samples, "tds_insert_16_durable", base)
}

// waitState waits for the synchronization state of the connection's database.
func waitState(ctx context.Context, db *sql.DB, want string) error {
	var state string
	return poll(ctx, func() (bool, error) {
		err := db.QueryRowContext(ctx, `SELECT TOP 1 synchronization_state_desc FROM sys.dm_hadr_database_replica_states
			WHERE database_id = DB_ID() AND is_local = 0`).Scan(&state)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return state == want, err
	}, func() string { return "the copy is " + state + ", not " + want })
}

// poll calls f until it says so; what tells what was wrong until the end.
func poll(ctx context.Context, f func() (bool, error), what func() string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		ok, err := f()
		if ok || err != nil {
			return err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what(), context.Cause(ctx))
		}
	}
}

// newest is the number of the last row of the inserts' table.
func newest(ctx context.Context, db *sql.DB) (id int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT ISNULL(MAX(id), 0) FROM dbo.bench").Scan(&id)
	return id, err
}

// caughtUp waits until the copy shows the source's newest row, and gives the time it took.
func caughtUp(ctx context.Context, source, target *sql.DB) (time.Duration, error) {
	start := clock.System.Now()
	want, err := newest(ctx, source)
	if err != nil {
		return 0, err
	}
	var have int64
	err = poll(ctx, func() (bool, error) {
		have, err = newest(ctx, target)
		return have >= want, err
	}, func() string { return fmt.Sprintf("the copy has row %d, not %d", have, want) })
	return time.Since(start), err
}

// catchUp measures how fast a copy that was cut off applies what it missed. Nobody syncs, so that the disk does not hide
// what applying costs; the baseline is the rate at which the primary, in the same manner, made it.
func (b *bench) catchUp(ctx context.Context) error {
	s, p, err := b.startSandbox(ctx, "catchup", "--no-sync")
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := b.linked(ctx, s, "cu"); err != nil {
		return err
	}
	source, err := harness.OpenSQL(s.source, "cu")
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := harness.OpenSQL(s.target, "cu")
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	load := *b
	load.sample *= 4 // so that what it takes to resume does not count
	var made []float64
	samples, _, err := b.repeat(func() (float64, error) {
		if _, err := source.ExecContext(ctx, "ALTER DATABASE cu SET HADR SUSPEND"); err != nil {
			return 0, err
		}
		before, err := newest(ctx, source)
		if err != nil {
			return 0, err
		}
		rate, err := load.insertRate(ctx, source, 16)
		if err != nil {
			return 0, err
		}
		made = append(made, rate)
		after, err := newest(ctx, source)
		if err != nil {
			return 0, err
		}
		if have, err := newest(ctx, target); err != nil || have != before {
			return 0, fmt.Errorf("the copy was cut off at row %d and has %d: %w", before, have, err)
		}
		start := clock.System.Now()
		if _, err := source.ExecContext(ctx, "ALTER DATABASE cu SET HADR RESUME"); err != nil {
			return 0, err
		}
		_, err = caughtUp(ctx, source, target)
		return float64(after-before) / time.Since(start).Seconds(), err
	}, func() (float64, error) { return 0, nil })
	if err != nil {
		return err
	}
	return b.report("catchup_rows_per_s", "rows/s", samples, "tds_insert_16_nosync", made)
}

// outage cuts the network for a minute, while 16 clients go on with durable inserts, and measures how long after its end
// the copy has all of them. The baseline is the length of the outage.
func (b *bench) outage(ctx context.Context) error {
	p, err := b.startPair(ctx, "outage")
	if err != nil {
		return err
	}
	defer p.close()
	source, err := database(ctx, p.source.login, "busy")
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	l, err := p.open(ctx, "busy")
	if err != nil {
		return err
	}
	if err := errors.Join(l.CreateAll(ctx), l.Close()); err != nil {
		return err
	}
	target, err := harness.OpenSQL(p.target.login, "busy")
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	load := *b
	if load.sample = time.Minute; b.short {
		load.sample = 6 * time.Second
	}
	p.network.SetDown(true)
	if _, err := load.insertRate(ctx, source, 16); err != nil {
		return err
	}
	p.network.SetDown(false)
	took, err := caughtUp(ctx, source, target)
	if err != nil {
		return err
	}
	return b.report("outage_60s_catchup_s", "s", []float64{took.Seconds()}, "outage_s", []float64{load.sample.Seconds()})
}
