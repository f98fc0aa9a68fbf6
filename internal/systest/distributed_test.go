package systest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"linkspan/internal/harness"
)

// twoServers are two SQL Servers as processes of their own.
func twoServers(t *testing.T) (a, b *side) {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir()}
	for _, s := range []struct {
		name string
		to   **side
	}{{"sql1", &a}, {"sql2", &b}} {
		x := &side{p: p, name: s.name, config: s.name + ".yaml", ip: loopback(t), program: program}
		p.write(x.config, fmt.Sprintf("name: %s\ndir: %s\nlisten: %s:1433\nca: ca\n", x.name, x.name, x.ip))
		x.start()
		*s.to = x
		t.Cleanup(func() {
			x.kill()
			if t.Failed() {
				t.Logf("%s said:\n%s", x.name, lastLines(strings.Join(x.said, "--- killed\n"), 100))
			}
		})
	}
	return a, b
}

// refused wants a statement to be refused with a number.
func (s *side) refused(number int32, statement string) {
	s.p.t.Helper()
	db := s.open("master")
	defer func() { _ = db.Close() }()
	_, err := db.ExecContext(s.p.t.Context(), statement)
	var e mssql.Error
	if !errors.As(err, &e) || e.Number != number {
		s.p.t.Errorf("%s: %s: %v, want %d", s.name, statement, err, number)
	}
}

// waitAsk waits until a query gives the value.
func (s *side) waitAsk(want, query string) {
	s.p.t.Helper()
	db := s.open("master")
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(30 * time.Second); ; waitTick(s.p.t) {
		var got string
		err := db.QueryRowContext(s.p.t.Context(), query).Scan(&got)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			s.p.t.Fatalf("%s: %s gives %q (%v), want %q\n%s", s.name, query, got, err, want, s.everything())
		}
	}
}

// everything is what the side shows of its groups.
func (s *side) everything() string {
	var b strings.Builder
	for _, q := range []string{"SELECT * FROM sys.dm_hadr_database_replica_states", "SELECT * FROM sys.dm_hadr_availability_replica_states", "SELECT * FROM sys.dm_linkspan_links",
		"SELECT TOP 40 number, text FROM sys.dm_linkspan_errorlog"} {
		results, messages, err := harness.GoClient{}.Run(s.p.t.Context(), s.login, q)
		for _, r := range results {
			for _, row := range r.Rows {
				for i := range row {
					fmt.Fprintf(&b, " %s=%s", r.Columns[i], row[i])
				}
				fmt.Fprintln(&b)
			}
		}
		fmt.Fprintln(&b, messages, err)
	}
	return b.String()
}

const (
	syncOf      = "SELECT s.synchronization_state_desc FROM sys.dm_hadr_database_replica_states s JOIN sys.availability_groups g ON g.group_id = s.group_id WHERE g.name = N'dag' AND s.is_primary_replica = 0"
	hardenedOf  = "SELECT CONVERT(varchar(30), hardened_lsn) FROM sys.dm_linkspan_databases WHERE database_name = N'shop'"
	dagRoleOf   = "SELECT r.role_desc FROM sys.dm_hadr_availability_replica_states r JOIN sys.availability_groups g ON g.group_id = r.group_id WHERE g.name = N'dag' AND r.is_local = 1"
	dagMembers  = "N'ag1' WITH (LISTENER_URL = 'tcp://%s:5022', AVAILABILITY_MODE = %s, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC), N'ag2' WITH (LISTENER_URL = 'tcp://%s:5022', AVAILABILITY_MODE = %s, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)"
	lastFaultOf = "SELECT CONVERT(varchar(10), MAX(COALESCE(last_connect_error_number, 0))) FROM sys.dm_hadr_availability_replica_states"
)

// Two SQL Servers and the sequence of their documentation: trust through logins and users, a distributed group, the second
// server joins and is seeded, both sides synchronous, equal positions, roles exchanged there and back. No acknowledged row
// is missing, and what the documentation forbids is refused with its numbers.
func TestTwoSQLServers(t *testing.T) {
	t.Parallel()
	a, b := twoServers(t)
	for _, s := range []*side{a, b} {
		s.exec("master", "CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Str0ng!Pass-phrase'", "CREATE CERTIFICATE own WITH SUBJECT = N'"+s.name+"'",
			"CREATE ENDPOINT hadr STATE = STARTED AS TCP (LISTENER_PORT = 5022, LISTENER_IP = ALL) FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = CERTIFICATE own, ENCRYPTION = REQUIRED ALGORITHM AES)")
	}
	a.exec("master", "CREATE DATABASE shop", "BACKUP DATABASE shop TO DISK = 'NUL'")
	a.exec("shop", "CREATE TABLE dbo.orders (id int PRIMARY KEY)", "INSERT INTO dbo.orders VALUES (0)")
	const group = "CREATE AVAILABILITY GROUP [%s] WITH (CLUSTER_TYPE = NONE) FOR %s REPLICA ON N'%s' WITH (ENDPOINT_URL = 'tcp://%s:5022', AVAILABILITY_MODE = SYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)"
	a.exec("master", fmt.Sprintf(group, "ag1", "DATABASE shop", "sql1", a.ip))
	b.exec("master", fmt.Sprintf(group, "ag2", "", "sql2", b.ip))
	members := func(mode string) string { return fmt.Sprintf(dagMembers, a.ip, mode, b.ip, mode) }
	b.refused(19501, "ALTER AVAILABILITY GROUP [dag] JOIN AVAILABILITY GROUP ON "+strings.ReplaceAll(members("ASYNCHRONOUS_COMMIT"), "ag2", "ag3"))
	a.exec("master", "CREATE AVAILABILITY GROUP [dag] WITH (DISTRIBUTED) AVAILABILITY GROUP ON "+members("ASYNCHRONOUS_COMMIT"))
	b.exec("master", "ALTER AVAILABILITY GROUP [dag] JOIN AVAILABILITY GROUP ON "+members("ASYNCHRONOUS_COMMIT"))
	b.waitAsk("28035", lastFaultOf) // nobody knows anybody

	// Trust: each side's certificate belongs to a user of a login that may connect.
	for _, x := range [][2]*side{{a, b}, {b, a}} {
		der := x[1].bytes("SELECT CERTENCODED(CERT_ID(N'own'))")
		x[0].refused(15007, "CREATE USER peer FOR LOGIN peer_login")
		x[0].exec("master", "CREATE LOGIN peer_login WITH PASSWORD = 'Str0ng!Pass-phrase'", "CREATE USER peer FOR LOGIN peer_login",
			fmt.Sprintf("CREATE CERTIFICATE peer_cert AUTHORIZATION peer FROM BINARY = 0x%X", der))
	}
	b.waitAsk("28034", lastFaultOf) // known, and without CONNECT
	b.refused(15151, "GRANT CONNECT ON ENDPOINT::nothing TO peer_login")
	for _, s := range []*side{a, b} {
		s.exec("master", "GRANT CONNECT ON ENDPOINT::hadr TO peer_login")
	}
	b.waitAsk("19506", lastFaultOf) // connected, and not allowed to make the database
	b.exec("master", "ALTER AVAILABILITY GROUP [ag2] GRANT CREATE ANY DATABASE")
	b.waitAsk("ONLINE", "SELECT state_desc FROM sys.databases WHERE name = N'shop'")
	b.waitAsk("SYNCHRONIZING", syncOf)

	w := startOrders(t, a, b)
	a.refused(19504, "ALTER AVAILABILITY GROUP [dag] FAILOVER")
	b.refused(19504, "ALTER AVAILABILITY GROUP [dag] FAILOVER")
	w.swap(a, b)
	w.swap(b, a)
	b.restart()
	a.restart()
	w.swap(a, b)
	w.stop()
	b.waitAsk(fmt.Sprint(w.rows()), "SELECT CONVERT(varchar(10), COUNT(*)) FROM shop.dbo.orders")
	a.waitAsk(fmt.Sprint(w.rows()), "SELECT CONVERT(varchar(10), COUNT(*)) FROM shop.dbo.orders")

	// What was permitted is taken back: the connection ends at once.
	b.exec("master", "REVOKE CONNECT ON ENDPOINT::hadr FROM peer_login")
	b.waitAsk("28034", lastFaultOf)
}

// orders is a writer that goes where it is let in.
type orders struct {
	t        *testing.T
	stopping atomic.Bool // ends it between two inserts, so that none is left in doubt
	done     chan struct{}
	acked    atomic.Int64
	sides    [2]*side
}

func startOrders(t *testing.T, a, b *side) *orders {
	t.Helper()
	w := &orders{t: t, done: make(chan struct{}), sides: [2]*side{a, b}}
	go w.write(t.Context())
	t.Cleanup(w.stop)
	return w
}

// write inserts one row after the other. A row whose answer was lost is looked for before the next.
func (w *orders) write(ctx context.Context) {
	defer close(w.done)
	for id, at := 1, 0; !w.stopping.Load() && ctx.Err() == nil; {
		db, err := harness.OpenSQL(w.sides[at].login, "shop")
		for err == nil && !w.stopping.Load() {
			if _, err = db.ExecContext(ctx, "INSERT INTO dbo.orders VALUES (@p1)", id); err == nil || isDuplicate(err) {
				w.acked.Store(int64(id))
				id, err = id+1, nil
			}
		}
		if db != nil {
			_ = db.Close()
		}
		at = 1 - at
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func isDuplicate(err error) bool {
	var e mssql.Error
	return errors.As(err, &e) && e.Number == 2627
}

func (w *orders) stop() {
	w.stopping.Store(true)
	<-w.done
}

// rows is how many rows there must be: what was acknowledged, and the first.
func (w *orders) rows() int64 { return w.acked.Load() + 1 }

func (w *orders) more(n int64) {
	w.t.Helper()
	want := w.acked.Load() + n
	for deadline := time.Now().Add(30 * time.Second); w.acked.Load() < want; waitTick(w.t) {
		if time.Now().After(deadline) {
			w.t.Fatalf("nobody takes writers any more\n%s\n%s", w.sides[0].everything(), w.sides[1].everything())
		}
	}
}

// swap is the documentation's sequence from one server to the other.
func (w *orders) swap(from, to *side) {
	w.t.Helper()
	w.more(50)
	modify := "ALTER AVAILABILITY GROUP [dag] MODIFY AVAILABILITY GROUP ON N'ag1' WITH (AVAILABILITY_MODE = %[1]s), N'ag2' WITH (AVAILABILITY_MODE = %[1]s)"
	for _, s := range []*side{from, to} {
		s.exec("master", fmt.Sprintf(modify, "SYNCHRONOUS_COMMIT"))
	}
	from.waitAsk("SYNCHRONIZED", syncOf)
	to.waitAsk("SYNCHRONIZED", syncOf)
	from.exec("master", "ALTER AVAILABILITY GROUP [dag] SET (ROLE = SECONDARY)")
	to.waitAsk(from.ask(hardenedOf), hardenedOf)
	to.exec("master", "ALTER AVAILABILITY GROUP [dag] FORCE_FAILOVER_ALLOW_DATA_LOSS")
	to.waitAsk("PRIMARY", dagRoleOf)
	from.waitAsk("SECONDARY", dagRoleOf)
	w.more(50)
	for _, s := range []*side{from, to} {
		s.exec("master", fmt.Sprintf(modify, "ASYNCHRONOUS_COMMIT"))
	}
}
