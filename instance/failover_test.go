package instance_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"linkspan/hadr"
	"linkspan/instance"
	"linkspan/internal/clock"
	"linkspan/sqlapi"
)

// pair is a SQL Server and a managed instance with a link of database sales between them.
type pair struct {
	source, target *instance.Instance
	s, m           sqlapi.Session // in sales
}

func startPair(t *testing.T) *pair {
	t.Helper()
	resolve := func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	so, mo := options(), managed()
	so.LookupHost, mo.LookupHost, so.Clock, mo.Clock = resolve, resolve, clock.System, clock.System
	p := &pair{source: open(t, so), target: open(t, mo)}
	p.s, p.m = logIn(t, p.source), logIn(t, p.target)
	key := strings.TrimSpace(strings.TrimPrefix(must(t, p.m, "EXEC sp_get_endpoint_certificate @endpoint_type = 4"), "EndpointCertificatePublicKey\n"))
	must(t, p.s, "CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Secret-enough-1'; CREATE CERTIFICATE own WITH SUBJECT = 'own', EXPIRY_DATE = '2040-01-01'")
	must(t, p.s, "CREATE CERTIFICATE [sqlmi1.linkspan.test] FROM BINARY = "+key)
	der, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(must(t, p.s, "SELECT CERTENCODED(CERT_ID('own')) AS k"), "k\n")), "0x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.target.TrustPartner(t.Context(), "Cert_sqlserver1_endpoint", der); err != nil {
		t.Fatal(err)
	}
	must(t, p.s, `CREATE ENDPOINT mirroring STATE = STARTED AS TCP (LISTENER_PORT = 0) FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = CERTIFICATE own, ENCRYPTION = REQUIRED ALGORITHM AES)`)
	must(t, p.s, "CREATE DATABASE sales")
	must(t, p.s, "USE sales; CREATE TABLE dbo.t(id int IDENTITY PRIMARY KEY, v nvarchar(40)); INSERT INTO dbo.t(v) VALUES(N'one')")
	must(t, p.s, "BACKUP DATABASE sales TO DISK = 'NUL'")
	must(t, p.s, `CREATE AVAILABILITY GROUP AG_sales WITH (CLUSTER_TYPE = NONE) FOR DATABASE sales REPLICA ON 'sqlserver1' WITH (ENDPOINT_URL = 'TCP://127.0.0.1:5022',
		AVAILABILITY_MODE = SYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)`)
	must(t, p.s, `CREATE AVAILABILITY GROUP DAG_sales WITH (DISTRIBUTED) AVAILABILITY GROUP ON
		'AG_sales' WITH (LISTENER_URL = 'TCP://127.0.0.1:5022', AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC),
		'sqlmi1' WITH (LISTENER_URL = 'tcp://sqlmi1.linkspan.test:5022;Server=[sqlmi1]', AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)`)
	e, _ := p.source.Replicas().Endpoint()
	if err := p.target.Replicas().JoinLink(t.Context(), hadr.LinkSpec{Name: "DAG_sales", Database: "sales", SourceEndpoint: fmt.Sprintf("TCP://127.0.0.1:%d", e.Port),
		PartnerGroup: "AG_sales", OwnGroup: "sqlmi1"}); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	must(t, p.m, "USE sales")
	return p
}

// settle waits until log flows on both sides.
func (p *pair) settle(t *testing.T) {
	t.Helper()
	for _, in := range []*instance.Instance{p.source, p.target} {
		soon(t, "log flows", func() bool {
			st, ok := in.Replicas().Link("DAG_sales")
			return ok && st.Phase.String() == "SYNCHRONIZING"
		})
	}
}

func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("does not come about: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// shows waits until a batch answers with the text.
func shows(t *testing.T, s sqlapi.Session, batch, want string) {
	t.Helper()
	got := ""
	defer func() {
		if t.Failed() {
			t.Logf("%s\n%s", batch, got)
		}
	}()
	soon(t, want, func() bool { got = query(t, s, batch); return strings.Contains(got, want) })
}

const roles = `SELECT role_desc + ' ' + synchronization_health_desc FROM sys.dm_hadr_availability_replica_states rs
	JOIN sys.availability_groups g ON g.group_id = rs.group_id WHERE g.is_distributed = 1 AND rs.is_local = 1`

func TestFailoverByStatement(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	insert := "INSERT INTO dbo.t(v) OUTPUT inserted.id VALUES(N'x')"
	refused(t, p.m, 3906, insert)
	must(t, p.s, insert)
	refused(t, p.m, 47517, "ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	refused(t, p.s, 574, "BEGIN TRAN; ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	must(t, p.s, "ROLLBACK")
	must(t, p.s, "ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	refused(t, p.s, 3906, insert)
	if got := must(t, p.m, insert); got != "id\n  3\n" {
		t.Errorf("the first identity on the new primary: %q", got)
	}
	p.settle(t)
	shows(t, p.s, "SELECT MAX(id) FROM dbo.t", " 3")
	shows(t, p.s, roles, "SECONDARY HEALTHY")
	shows(t, p.m, roles, "PRIMARY HEALTHY")
	for s, want := range map[sqlapi.Session]string{p.s: "READ_ONLY", p.m: "READ_WRITE"} {
		if got := must(t, s, "SELECT CONVERT(nvarchar(20), DATABASEPROPERTYEX('sales', 'Updateability'))"); !strings.Contains(got, want) {
			t.Errorf("the database is %s, not %s", got, want)
		}
	}
	must(t, p.m, "ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	if got := must(t, p.s, insert); got != "id\n  4\n" {
		t.Errorf("the first identity after the way back: %q", got)
	}
	refused(t, p.m, 3906, insert)
}

// A failover waits for a transaction that is open, but not for ever: then it is rolled back, as by ROLLBACK IMMEDIATE. Who
// only reads stays connected.
func TestFailoverEndsOpenTransactions(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	idle, reader := logIn(t, p.source), logIn(t, p.source)
	must(t, reader, "USE sales; BEGIN TRAN; SELECT COUNT(*) FROM dbo.t")
	must(t, idle, "USE sales; BEGIN TRAN; INSERT INTO dbo.t(v) VALUES(N'open')")
	must(t, p.s, "ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	if got := query(t, idle, "COMMIT"); !strings.Contains(got, "596") && !strings.Contains(got, "ended") {
		t.Errorf("the session whose transaction was rolled back hears\n%s", got)
	}
	must(t, reader, "SELECT COUNT(*) FROM dbo.t; COMMIT")
	refused(t, reader, 3906, "INSERT INTO dbo.t(v) VALUES(N'no')")
	if got := must(t, p.m, "SELECT COUNT(*) AS n FROM dbo.t WHERE v = N'open'"); got != "n\n  0\n" {
		t.Errorf("the row of the open transaction: %s", got)
	}
}

func TestForcedFailoverByStatement(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	refused(t, p.s, 41122, "ALTER AVAILABILITY GROUP DAG_sales FORCE_FAILOVER_ALLOW_DATA_LOSS")
	refused(t, p.s, 19512, "ALTER AVAILABILITY GROUP AG_sales SET (ROLE = SECONDARY)")
	refused(t, p.s, 47122, "ALTER AVAILABILITY GROUP AG_sales FAILOVER")
	refused(t, p.s, 15151, "ALTER AVAILABILITY GROUP nothing FAILOVER")
	must(t, p.m, "ALTER AVAILABILITY GROUP DAG_sales FORCE_FAILOVER_ALLOW_DATA_LOSS")
	must(t, p.m, "INSERT INTO dbo.t(v) VALUES(N'new')")
	soon(t, "the old primary is outlived", func() bool {
		return strings.Contains(query(t, p.s, "INSERT INTO dbo.t(v) VALUES(N'old')"), "Msg 58012,")
	})
	shows(t, p.s, roles, "PRIMARY NOT_HEALTHY")
	got := must(t, p.s, "ALTER AVAILABILITY GROUP DAG_sales SET (ROLE = SECONDARY)")
	if !strings.Contains(got, "message 58015") {
		t.Errorf("the statement tells\n%s", got)
	}
	p.settle(t)
	shows(t, p.s, "SELECT COUNT(*) AS n FROM dbo.t WHERE v = N'new'", "  1")
	must(t, p.m, "ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	must(t, p.s, "INSERT INTO dbo.t(v) VALUES(N'back')")

	// Dropped on both sides each has a database of its own.
	must(t, p.m, "DROP AVAILABILITY GROUP DAG_sales")
	must(t, p.m, "INSERT INTO dbo.t(v) VALUES(N'mine')")
	must(t, p.s, "DROP AVAILABILITY GROUP DAG_sales; DROP AVAILABILITY GROUP AG_sales; INSERT INTO dbo.t(v) VALUES(N'yours')")
}

// The link is dropped while the managed instance is the primary.
func TestDropAfterFailover(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	must(t, p.s, "ALTER AVAILABILITY GROUP DAG_sales FAILOVER")
	p.settle(t)
	must(t, p.m, "DROP AVAILABILITY GROUP DAG_sales; INSERT INTO dbo.t(v) VALUES(N'mine')")
	refused(t, p.s, 3906, "INSERT INTO dbo.t(v) VALUES(N'yours')")
	must(t, p.s, "DROP AVAILABILITY GROUP DAG_sales; INSERT INTO dbo.t(v) VALUES(N'yours')")
	if got := must(t, p.s, "SELECT COUNT(*) AS n FROM dbo.t"); got != "n\n  2\n" {
		t.Errorf("rows on the SQL Server: %s", got)
	}
}
