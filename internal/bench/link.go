package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"linkspan/demo"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/internal/harness"
	"linkspan/link"
	"linkspan/sqlclient"
)

// ticks is the table that demo.MeasureLag loads.
const ticks = "CREATE TABLE dbo.Ticks (Id bigint NOT NULL PRIMARY KEY, Quantity int NOT NULL, Note varchar(60) NOT NULL, Price float NOT NULL)"

// seedBytes is the size of the database whose seeding is timed.
func (b *bench) seedBytes() int64 {
	if b.short {
		return 192 << 20
	}
	return 1 << 30
}

// lagTransactions is the length of one sample of lag at 200 transactions a second.
const lagTransactions = 600

// link measures lag and seeding over a real link.
func (b *bench) link(ctx context.Context) error {
	s, p, err := b.startSandbox(ctx, "link")
	if err != nil {
		return err
	}
	defer p.Kill()
	if b.wants("lag_p50_ms_200tps", "lag_p99_ms_200tps", "lag_p99_ms_full") {
		if err := b.lag(ctx, s); err != nil {
			return fmt.Errorf("lag: %w", err)
		}
	}
	if b.wants("seeding_MBps") {
		return b.seeding(ctx, s)
	}
	return nil
}

// open connects the orchestrator to the sandbox, for one database.
func (s *sandbox) open(ctx context.Context, database string) (*link.Session, error) {
	r := s.ready
	spec, err := link.ParseSpec(fmt.Appendf(nil, `source: {address: %s, port: %d, ca: %s, mirroringPort: %d}
target: {instance: /subscriptions/%s/resourceGroups/%s/providers/Microsoft.Sql/managedInstances/%s, endpoint: %q, ca: %s, mirroringPort: %d}
credentials: %s
links: [{database: %s, dropGroup: true}]
`, r.Source.Address, r.Source.Port, r.ARM.CA, r.Source.MirroringPort, r.ARM.Subscription, r.ARM.ResourceGroup, r.Target.Name, r.ARM.URL, r.ARM.CA,
		r.Target.MirroringPort, r.Credentials, database))
	if err != nil {
		return nil, err
	}
	secrets, err := spec.Secrets(fsx.OS{}, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return link.Open(ctx, spec, secrets, fsx.OS{}, link.Options{Poll: 10 * time.Millisecond})
}

// linked makes a database with the table of the inserts on the source, and links it.
func (b *bench) linked(ctx context.Context, s *sandbox, name string) error {
	db, err := database(ctx, s.source, name)
	if err != nil {
		return err
	}
	l, err := s.open(ctx, name)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(l.CreateAll(ctx), l.Close(), db.Close())
}

// execOn runs one statement over a connection of its own.
func execOn(ctx context.Context, l harness.Login, database, statement string) error {
	db, err := harness.OpenSQL(l, database)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}

func client(ctx context.Context, l harness.Login, database string) (*sqlclient.Client, error) {
	ca, err := os.ReadFile(l.CA)
	if err != nil {
		return nil, err
	}
	return sqlclient.Open(ctx, sqlclient.Target{Address: l.Address, Port: l.Port, User: l.User, Password: l.Password, Database: database, CA: ca})
}

func (b *bench) lag(ctx context.Context, s *sandbox) error {
	master, err := client(ctx, s.source, "master")
	if err != nil {
		return err
	}
	defer func() { _ = master.Close() }()
	if _, err := master.Query(ctx, "CREATE DATABASE lag"); err != nil {
		return err
	}
	source, err := client(ctx, s.source, "lag")
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if _, err := source.Query(ctx, ticks); err != nil {
		return err
	}
	l, err := s.open(ctx, "lag")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if err := l.CreateAll(ctx); err != nil {
		return err
	}
	target, err := client(ctx, s.target, "lag")
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	first := 1
	for _, m := range []struct {
		rate, transactions int
		names              map[string]func(demo.Lag) time.Duration
	}{
		{200, lagTransactions, map[string]func(demo.Lag) time.Duration{"lag_p50_ms_200tps": func(l demo.Lag) time.Duration { return l.P50 },
			"lag_p99_ms_200tps": func(l demo.Lag) time.Duration { return l.P99 }}},
		{0, 3000, map[string]func(demo.Lag) time.Duration{"lag_p99_ms_full": func(l demo.Lag) time.Duration { return l.P99 }}},
	} {
		samples, base := map[string][]float64{}, []float64{}
		for range b.samples {
			rate, err := b.rawEcho(1)
			if err != nil {
				return err
			}
			base = append(base, 1000/rate)
			g, err := demo.MeasureLag(ctx, source, target, demo.Load{Table: "dbo.Ticks", First: first, Transactions: m.transactions, Rate: m.rate})
			if err != nil {
				return err
			}
			first += m.transactions
			for name, pick := range m.names {
				samples[name] = append(samples[name], float64(pick(g).Microseconds())/1000)
			}
		}
		for name := range m.names {
			if err := b.report(name, "ms", samples[name], "raw_tls_echo_ms", base); err != nil {
				return err
			}
		}
	}
	return nil
}

// seeding times a link from the request to the copy's being online, again and again for the same database.
func (b *bench) seeding(ctx context.Context, s *sandbox) error {
	db, err := b.bigDatabase(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	l, err := s.open(ctx, "big")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	copies, err := harness.OpenSQL(s.target, "master")
	if err != nil {
		return err
	}
	defer func() { _ = copies.Close() }()
	samples, base, err := b.repeat(func() (float64, error) { return seedOnce(ctx, l, copies) },
		func() (float64, error) { return b.rawStream(b.seedBytes()) })
	if err != nil {
		return err
	}
	return b.report("seeding_MBps", "MB/s", samples, "raw_tls_MBps", base)
}

func seedOnce(ctx context.Context, l *link.Session, copies *sql.DB) (float64, error) {
	start := clock.System.Now()
	if err := l.CreateAll(ctx); err != nil {
		return 0, err
	}
	took := clock.System.Now().Sub(start)
	var pages int64
	if err := copies.QueryRowContext(ctx, "SELECT pages FROM sys.dm_linkspan_database_digest WHERE database_name = 'big'").Scan(&pages); err != nil {
		return 0, err
	}
	if err := l.DeleteAll(ctx); err != nil {
		return 0, err
	}
	_, err := copies.ExecContext(ctx, "DROP DATABASE big")
	return float64(pages) * 8192 / 1e6 / took.Seconds(), err
}

// bigDatabase fills a database with bytes that do not compress.
func (b *bench) bigDatabase(ctx context.Context, s *sandbox) (*sql.DB, error) {
	master, err := harness.OpenSQL(s.source, "master")
	if err != nil {
		return nil, err
	}
	defer func() { _ = master.Close() }()
	if _, err := master.ExecContext(ctx, "CREATE DATABASE big"); err != nil {
		return nil, err
	}
	db, err := harness.OpenSQL(s.source, "big")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE dbo.blobs (id int IDENTITY PRIMARY KEY, b varbinary(max) NOT NULL)"); err != nil {
		return db, err
	}
	blob := make([]byte, 1<<20)
	for range b.seedBytes() / int64(len(blob)) {
		if _, err := rand.Read(blob); err != nil {
			return db, err
		}
		if _, err := db.ExecContext(ctx, "INSERT INTO dbo.blobs (b) VALUES (@p1)", blob); err != nil {
			return db, err
		}
	}
	_, err = db.ExecContext(ctx, "CHECKPOINT")
	return db, err
}
