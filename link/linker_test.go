package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/link"
	"linkspan/link/flow"
	"linkspan/sqlerr"
)

// whole fails unless the link is there in all its parts.
func (w *world) whole(t *testing.T) {
	t.Helper()
	own := w.certs["Cert_sqlserver1_endpoint"]
	if !w.masterKey || !own.own || string(w.trust["Cert_sqlserver1_endpoint"]) != string(own.der) || string(w.certs[fqdn].der) != string(w.partner) || len(w.trust) != 1 {
		t.Errorf("trust is not whole: %v %v", w.certs, w.trust)
	}
	if w.endpoint == nil || !w.chain || w.groups["AG_db1"].database != "db1" || !w.groups["DAG_db1"].distributed || w.link == nil || len(w.groups) != 2 {
		t.Errorf("the link is not whole: %v %v %v", w.endpoint, w.groups, w.link)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	w.whole(t)
	want := []string{
		`CREATE MASTER KEY ENCRYPTION BY PASSWORD = N'Pa$$w0rd''!'`,
		`CREATE CERTIFICATE [Cert_sqlserver1_endpoint] WITH SUBJECT = N'Certificate for Cert_sqlserver1_endpoint', EXPIRY_DATE = N'` + time.Now().UTC().AddDate(1, 0, 0).Format("20060102") + `'`,
		`PUT trust Cert_sqlserver1_endpoint`,
		`CREATE CERTIFICATE [sqlmi1.linkspan.test] FROM BINARY = ` + armtypes.PublicBlob(w.partner),
		`CREATE ENDPOINT [database_mirroring_endpoint] STATE = STARTED AS TCP (LISTENER_PORT = 5022, LISTENER_IP = ALL) FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = CERTIFICATE [Cert_sqlserver1_endpoint], ENCRYPTION = REQUIRED ALGORITHM AES)`,
		`BACKUP DATABASE [db1] TO DISK = N'NUL'`,
		`CREATE AVAILABILITY GROUP [AG_db1] WITH (CLUSTER_TYPE = NONE) FOR DATABASE [db1] REPLICA ON N'sqlserver1' WITH (ENDPOINT_URL = N'TCP://10.0.0.4:5022', AVAILABILITY_MODE = SYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)`,
		`CREATE AVAILABILITY GROUP [DAG_db1] WITH (DISTRIBUTED) AVAILABILITY GROUP ON N'AG_db1' WITH (LISTENER_URL = N'TCP://10.0.0.4:5022', AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC, SESSION_TIMEOUT = 20), ` +
			`N'AG_db1_MI' WITH (LISTENER_URL = N'tcp://sqlmi1.linkspan.test:5022;Server=[sqlmi1]', AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)`,
		`PUT link DAG_db1`,
	}
	if d := cmp.Diff(want, w.did); d != "" {
		t.Error(d)
	}
	w.did = nil
	if err := w.linker().Create(t.Context(), w.spec()); err != nil || len(w.did) != 0 {
		t.Errorf("again: %v %q", err, w.did)
	}
}

// Whatever call it died in, before or after the call's effect, running the same command again finishes the work, and
// nothing is done that was done.
func TestCreateDiesAnywhere(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		at := 1
		for ; at < 1000; at++ {
			w := newWorld(t)
			if !diesAt(t, w, at, late, func(ctx context.Context, l *link.Linker) error { return l.Create(ctx, w.spec()) }) {
				break
			}
			w.whole(t)
			if t.Failed() {
				t.Fatalf("died at call %d, late %v", at, late)
			}
		}
		if at < 30 {
			t.Errorf("only %d places to die at", at)
		}
	}
}

// diesAt runs do with death at a call, then again without; false when the first run lived.
func diesAt(t *testing.T, w *world, at int, late bool, do func(context.Context, *link.Linker) error) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.calls, w.killAt, w.killLate, w.kill = 0, at, late, cancel
	err := do(ctx, w.linker())
	if err == nil && ctx.Err() == nil {
		return false
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("died at call %d: %v", at, err)
	}
	w.killAt = 0
	if err := do(t.Context(), w.linker()); err != nil {
		t.Fatalf("died at call %d (late %v), and the second run: %v", at, late, err)
	}
	seen := map[string]bool{}
	for _, s := range w.did {
		if seen[s] && late {
			t.Errorf("died at call %d: done twice: %s", at, s)
		}
		seen[s] = true
	}
	return true
}

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		for at := 1; at < 100; at++ {
			w := newWorld(t)
			if err := w.linker().Create(t.Context(), w.spec()); err != nil {
				t.Fatal(err)
			}
			w.did = nil
			s := w.spec()
			s.DropAG = true
			lived := !diesAt(t, w, at, late, func(ctx context.Context, l *link.Linker) error { return l.Delete(ctx, s) })
			if w.link != nil || len(w.groups) != 0 {
				t.Fatalf("died at call %d: left %v %v", at, w.link, w.groups)
			}
			if lived {
				if want := []string{"DELETE link DAG_db1", "DROP AVAILABILITY GROUP [DAG_db1]", "DROP AVAILABILITY GROUP [AG_db1]"}; cmp.Diff(want, w.did) != "" {
					t.Error(cmp.Diff(want, w.did))
				}
				break
			}
		}
	}
}

// An endpoint that other groups use is kept, and its certificate, port and Windows authentication with it.
func TestExistingEndpoint(t *testing.T) {
	t.Parallel()
	t.Run("good", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.masterKey = true
		w.certs["their [cert]"] = cert{der: makeCert("theirs"), own: true, expires: time.Unix(1e10, 0)}
		w.endpoint = flow.Row{"name": "hadr", "state_desc": "STARTED", "connection_auth_desc": "NEGOTIATE, CERTIFICATE", "is_encryption_enabled": true,
			"encryption_algorithm_desc": "AES, RC4", "certificate": "their [cert]", "port": int64(5099)}
		if err := w.linker().Create(t.Context(), w.spec()); err != nil {
			t.Fatal(err)
		}
		if string(w.trust["their [cert]"]) != string(w.certs["their [cert]"].der) || w.link.PartnerEndpoint != "TCP://10.0.0.4:5099" {
			t.Errorf("trust %v, link %v", w.trust, w.link)
		}
		if s := strings.Join(w.did, "\n"); strings.Contains(s, " ENDPOINT ") {
			t.Errorf("the endpoint was touched: %s", s)
		}
	})
	t.Run("windows only, stopped", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.endpoint = flow.Row{"name": "hadr", "state_desc": "STOPPED", "connection_auth_desc": "NEGOTIATE", "is_encryption_enabled": true, "encryption_algorithm_desc": "RC4", "port": int64(5022)}
		if err := w.linker().Create(t.Context(), w.spec()); err != nil {
			t.Fatal(err)
		}
		want := "ALTER ENDPOINT [hadr] STATE = STARTED FOR DATABASE_MIRRORING (ROLE = ALL, AUTHENTICATION = WINDOWS NEGOTIATE CERTIFICATE [Cert_sqlserver1_endpoint], ENCRYPTION = REQUIRED ALGORITHM AES RC4)"
		if s := strings.Join(w.did, "\n"); !strings.Contains(s, want) {
			t.Errorf("want %s in\n%s", want, s)
		}
	})
}

// Certificates are compared by their bytes: a renewed one on either side is exchanged although the name is there.
func TestRenewedCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.certs[fqdn] = cert{der: makeCert("the old one")}
	w.trust["Cert_sqlserver1_endpoint"] = makeCert("another one")
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	if string(w.certs[fqdn].der) != string(w.partner) {
		t.Error("the instance's certificate was not renewed")
	}
	own := w.certs["Cert_sqlserver1_endpoint"].der
	if string(w.trust["Cert_sqlserver1_endpoint_"+armtypes.BareThumbprint(own)[:8]]) != string(own) || len(w.trust) != 2 {
		t.Errorf("the source's certificate was not uploaded beside the other: %v", w.trust)
	}
}

func TestFailedLinkIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	w.linkState, w.did = armtypes.LinkInitError, nil
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"DELETE link DAG_db1", "PUT link DAG_db1"}, w.did); d != "" {
		t.Error(d)
	}
}

// What cannot be linked is refused by name before anything is changed at that step.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world, s *flow.Spec)
		says   string
	}{
		"availability groups disabled": {func(w *world, _ *flow.Spec) { w.source["hadr"] = int64(0) }, "disabled"},
		"no such database":             {func(w *world, _ *flow.Spec) { w.database = nil }, `no database "db1"`},
		"system database":              {func(w *world, _ *flow.Spec) { w.database["database_id"] = int64(4) }, "system database"},
		"offline":                      {func(w *world, _ *flow.Spec) { w.database["state_desc"] = "OFFLINE" }, "OFFLINE"},
		"simple recovery":              {func(w *world, _ *flow.Spec) { w.database["recovery_model_desc"] = "SIMPLE" }, "SET RECOVERY FULL"},
		"another collation":            {func(w *world, _ *flow.Spec) { w.collation = "Latin1_General_BIN2" }, "collation"},
		"no chain and no backup":       {func(_ *world, s *flow.Spec) { s.NoBackup = true }, "1475"},
		"no password":                  {func(_ *world, s *flow.Spec) { s.MasterKeyPassword = "" }, "master key"},
		"expired": {func(w *world, _ *flow.Spec) {
			w.masterKey = true
			w.certs["Cert_sqlserver1_endpoint"] = cert{der: makeCert("x"), own: true, expires: time.Now().Add(-time.Hour)}
		}, "expired"},
		"no private key": {func(w *world, _ *flow.Spec) {
			w.certs["Cert_sqlserver1_endpoint"] = cert{der: makeCert("x"), expires: time.Unix(1e10, 0)}
		}, "private key"},
		"in another group": {func(w *world, _ *flow.Spec) { w.groups["theirs"] = group{database: "db1"} }, `in the availability group "theirs"`},
		"group of another": {func(w *world, _ *flow.Spec) { w.groups["AG_db1"] = group{database: "db2"} }, `holds database "db2"`},
		"distributed elsewise": {func(w *world, _ *flow.Spec) {
			w.groups["DAG_db1"] = group{distributed: true, members: []string{"AG_db1", "other"}}
		}, "over AG_db1 and other"},
		"name taken": {func(w *world, _ *flow.Spec) { w.foreign = "DB1" }, `has a database "DB1"`},
		"link elsewise": {func(w *world, _ *flow.Spec) {
			w.link = &armtypes.LinkSpec{Name: "DAG_db1", Databases: []string{"db9"}, PartnerEndpoint: "tcp://x:1"}
		}, "db9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.spec()
			c.change(w, &s)
			err := w.linker().Create(t.Context(), s)
			var refusal *flow.Refusal
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("want a refusal that says %q, got %v", c.says, err)
			}
			if w.link != nil && w.link.Databases[0] == "db1" {
				t.Error("the link was made")
			}
		})
	}
}

// A peer's bytes that are no certificate never reach a statement.
func TestPeerSendsNoCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.partner = []byte("0x00; DROP DATABASE db1")
	if err := w.linker().Create(t.Context(), w.spec()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	for _, s := range w.did {
		if strings.Contains(s, "FROM BINARY") || strings.Contains(s, "DROP DATABASE") {
			t.Errorf("ran %s", s)
		}
	}
}

// Names come out of statements as they went in.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const name = `a]; DROP DATABASE master--'"é漢`
	w := newWorld(t)
	w.database["name"] = name
	w.chain = true
	s := w.spec()
	s.Database = name
	if err := w.linker().Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if w.groups["AG_"+name].database != name || w.link.Databases[0] != name {
		t.Errorf("groups %v, link %v", w.groups, w.link)
	}
}

// A side that does not answer for a moment is asked again; a SQL error is not.
func TestPassingTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fail[3] = &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	w.fail[20] = fmt.Errorf("query: %w", io.ErrUnexpectedEOF)
	var waited bool
	if err := w.linker(func(e link.Event) {
		waited = waited || e.Kind == link.Waiting && strings.Contains(e.Text, "asking again")
	}).Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	w.whole(t)
	if !waited {
		t.Error("nothing was said about it")
	}
	w = newWorld(t)
	w.fail[2] = raise(229, "The SELECT permission was denied on the object 'databases'.")
	if err := w.linker().Create(t.Context(), w.spec()); sqlerr.Number(err) != 229 {
		t.Errorf("got %v", err)
	}
}

// Waiting for a connection that never comes ends with the last error that SQL Server saw.
func TestPatience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.neverJoins = true
	c := clock.NewManual(time.Now())
	l := link.New(w, w, link.Options{Clock: c, Poll: time.Second, Events: func(e link.Event) {
		if e.Kind == link.Waiting {
			go c.Advance(10 * time.Minute)
		}
	}})
	err := l.Create(t.Context(), w.spec())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "35250") {
		t.Errorf("got %v", err)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan, err := w.linker().Plan(t.Context(), w.spec())
	if err != nil {
		t.Fatal(err)
	}
	if len(w.did) != 0 {
		t.Errorf("did %q", w.did)
	}
	if len(plan) != len(flow.Create()) {
		t.Errorf("%d steps planned", len(plan))
	}
	var all strings.Builder
	for _, p := range plan {
		all.WriteString(p.ID + " " + p.State + " " + strings.Join(p.Statements, "; ") + "\n")
	}
	for _, want := range []string{"look present", "master-key to do CREATE MASTER KEY ENCRYPTION BY PASSWORD = N'***'", "join to do PUT", "seeded will wait", "group to do CREATE AVAILABILITY GROUP [AG_db1]"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %q in\n%s", want, all.String())
		}
	}
	if strings.Contains(all.String(), "Pa$$") {
		t.Error("the plan shows the password")
	}
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	plan, err = w.linker().Plan(t.Context(), w.spec())
	for _, p := range plan {
		if p.State != link.Present || err != nil {
			t.Errorf("after create: %+v %v", p, err)
		}
	}
}

func TestEventsHoldNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var steps []string
	err := w.linker(func(e link.Event) {
		if strings.Contains(e.Text, "Pa$$") {
			t.Errorf("shows the password: %+v", e)
		}
		if e.Kind == link.Did || e.Kind == link.Skipped {
			steps = append(steps, e.Step)
		}
	}).Create(t.Context(), w.spec())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, s := range flow.Create() {
		want = append(want, s.ID)
	}
	if d := cmp.Diff(want, steps); d != "" {
		t.Error(d)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, err := w.linker().Status(t.Context(), w.spec())
	if err != nil || s.Healthy() || strings.Join(s.Missing, " ") != "link group" {
		t.Errorf("before: %+v %v", s, err)
	}
	if err := w.linker().Create(t.Context(), w.spec()); err != nil {
		t.Fatal(err)
	}
	s, err = w.linker().Status(t.Context(), w.spec())
	if err != nil || !s.Healthy() || s.State != armtypes.LinkSynchronizing || *s.LagSeconds != 0 {
		t.Errorf("after: %+v %v", s, err)
	}
	w.calls = 0
	w.fail[3] = errors.New("no route")
	if s, err = w.linker().Status(t.Context(), w.spec()); err != nil || len(s.Unknown) != 1 || s.Healthy() {
		t.Errorf("with the source away: %+v %v", s, err)
	}
}
