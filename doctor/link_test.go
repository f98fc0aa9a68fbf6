package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/daemon"
	"linkspan/doctor"
	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/sqlclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a running sandbox with a database that is linked.
type site struct {
	t              *testing.T
	sandbox        *daemon.Sandbox
	ready          daemon.SandboxReady
	spec           link.Spec
	secrets        link.Secrets
	source, target *sqlclient.Client
}

const fqdn = "sqlmi1.linkspan.test"

func startSite(t *testing.T) *site {
	t.Helper()
	o := daemon.SandboxOptions{Dir: t.TempDir(), SourceAddress: "127.0.0.1", TargetAddress: "127.0.0.2", NoSync: true}
	sb, err := daemon.StartSandbox(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &site{t: t, sandbox: sb, ready: sb.Ready()}
	r := s.ready
	s.spec = link.Spec{Credentials: r.Credentials, Links: []link.LinkSpec{{Database: "sales"}}}
	s.spec.Source = link.SourceSpec{Address: r.Source.Address, Port: r.Source.Port, CA: r.ARM.CA, MirroringPort: r.Source.MirroringPort}
	s.spec.Target = link.TargetSpec{Endpoint: r.ARM.URL, CA: r.ARM.CA, MirroringPort: r.Target.MirroringPort,
		Instance: "/subscriptions/" + r.ARM.Subscription + "/resourceGroups/" + r.ARM.ResourceGroup + "/providers/Microsoft.Sql/managedInstances/" + r.Target.Name,
		SQL:      link.TargetSQLSpec{Address: r.Target.Address, Port: r.Target.Port, Host: fqdn, CA: r.ARM.CA}}
	if s.secrets, err = s.spec.Secrets(fsx.OS{}, func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(r.ARM.CA)
	if err != nil {
		t.Fatal(err)
	}
	s.source, s.target = s.open(s.spec.SourceTarget(s.secrets, ca)), s.open(s.spec.TargetSQL(s.secrets, fqdn, ca))
	return s
}

func (s *site) open(t sqlclient.Target) *sqlclient.Client {
	s.t.Helper()
	c, err := sqlclient.Open(s.t.Context(), t)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *site) run(c *sqlclient.Client, script ...string) {
	s.t.Helper()
	for _, text := range script {
		if _, err := c.Query(s.t.Context(), text); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
}

func (s *site) value(c *sqlclient.Client, query string) any {
	s.t.Helper()
	r, err := c.Query(s.t.Context(), query)
	if err != nil || len(r.First().Rows) != 1 {
		s.t.Fatalf("%s: %v %v", query, r, err)
	}
	return r.First().Rows[0][0]
}

func (s *site) link() *link.Session {
	s.t.Helper()
	l, err := link.Open(s.t.Context(), s.spec, s.secrets, fsx.OS{}, link.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
	return l
}

func (s *site) examine(spec link.Spec, secrets link.Secrets) *doctor.Report {
	s.t.Helper()
	r, err := doctor.Examine(s.t.Context(), doctor.Request{Spec: spec, Secrets: secrets, FS: fsx.OS{}})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func has(r *doctor.Report, id string) bool {
	return slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == id })
}

func show(r *doctor.Report) string {
	b, _ := json.MarshalIndent(r, "", " ")
	return string(b)
}

// finds examines again and again until the ids are among the findings: connections end and come back in their own time.
func (s *site) finds(what string, spec link.Spec, secrets link.Secrets, ids ...string) {
	s.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		r := s.examine(spec, secrets)
		missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return has(r, id) })
		if len(missing) == 0 {
			for _, f := range r.Findings {
				if f.Cause == "unknown" || f.Evidence == "" || f.Fix == "" {
					s.t.Errorf("%s: finding %+v says too little", what, f)
				}
			}
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%s: %v not found:\n%s", what, missing, show(r))
			return
		}
		s.pause()
	}
}

// sound waits until nothing is found.
func (s *site) sound(what string) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		r := s.examine(s.spec, s.secrets)
		if len(r.Findings) == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: still found:\n%s", what, show(r))
		}
		s.pause()
	}
}

func (s *site) pause() {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-s.t.Context().Done():
	}
}

// TestMisconfigurations makes one thing wrong at a time on two running servers, wants it named, and mends it.
func TestMisconfigurations(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	s.run(s.source, "CREATE DATABASE sales", "USE sales; CREATE TABLE dbo.t (id int PRIMARY KEY)")

	// Before there is anything.
	s.finds("nothing made yet", s.spec, s.secrets, "LS-EP-001", "LS-CRT-005")
	if err := s.link().CreateAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.sound("a link that was just made")

	s.specs()
	s.trust()
	s.endpoint()
	s.groups()
}

// specs are mistakes in the spec, and ports that are not what they should be.
func (s *site) specs() {
	s.t.Helper()
	wrong := func(what string, edit func(*link.Spec, *link.Secrets), ids ...string) {
		s.t.Helper()
		spec, secrets := s.spec, s.secrets
		edit(&spec, &secrets)
		s.finds(what, spec, secrets, ids...)
	}
	wrong("a name that does not resolve", func(p *link.Spec, _ *link.Secrets) { p.Source.Address = "sql1.invalid" }, "LS-NET-001")
	wrong("nobody at the SQL port", func(p *link.Spec, _ *link.Secrets) { p.Source.Port = freePort(s.t) }, "LS-NET-002")
	wrong("the password of SQL Server", func(_ *link.Spec, x *link.Secrets) { x.SourcePassword = "Wrong-pass1" }, "LS-SQL-001")
	wrong("the password of the instance", func(_ *link.Spec, x *link.Secrets) { x.TargetPassword = "Wrong-pass1" }, "LS-SQL-001")
	wrong("no login of the instance", func(_ *link.Spec, x *link.Secrets) { x.TargetPassword = "" }, "LS-SQL-004")
	wrong("an authority that is not known", func(p *link.Spec, _ *link.Secrets) { p.Source.CA = "" }, "LS-TLS-001")
	wrong("another name in the certificate", func(p *link.Spec, _ *link.Secrets) { p.Source.Host = "sql1.other.test" }, "LS-TLS-001")
	wrong("the API's authority", func(p *link.Spec, _ *link.Secrets) { p.Target.CA = "" }, "LS-TLS-002")
	wrong("nobody at the API's port", func(p *link.Spec, _ *link.Secrets) {
		p.Target.Endpoint = "https://127.0.0.1:" + strconv.Itoa(freePort(s.t))
	}, "LS-NET-002")
	wrong("the client's secret", func(_ *link.Spec, x *link.Secrets) { x.ClientSecret = "wrong" }, "LS-ARM-001")
	wrong("another instance", func(p *link.Spec, _ *link.Secrets) { p.Target.Instance += "2" }, "LS-ARM-002")
	wrong("the mirroring port is closed", func(p *link.Spec, _ *link.Secrets) { p.Source.MirroringPort = freePort(s.t) }, "LS-NET-002", "LS-EP-005")
	wrong("the mirroring port is the SQL port", func(p *link.Spec, _ *link.Secrets) { p.Source.MirroringPort = p.Source.Port }, "LS-NET-004")
	other := s.serve(func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-other\r\n")) })
	wrong("the mirroring port is another service's", func(p *link.Spec, _ *link.Secrets) { p.Source.MirroringPort = other }, "LS-NET-005")
	wrong("TLS is intercepted on the way from here", func(p *link.Spec, _ *link.Secrets) { p.Source.MirroringPort = s.intercept() }, "LS-TLS-003")
}

// trust are certificates that are absent, stale, misnamed or out of date.
func (s *site) trust() {
	s.t.Helper()
	mine := s.value(s.source, "SELECT c.name FROM sys.database_mirroring_endpoints e JOIN sys.certificates c ON c.certificate_id = e.certificate_id").(string)
	endpoint := s.value(s.source, "SELECT name FROM sys.database_mirroring_endpoints").(string)
	theirs := hexOf(s.value(s.source, "SELECT CERTENCODED(CERT_ID(N'"+fqdn+"'))"))
	ours := hexOf(s.value(s.source, "SELECT CERTENCODED(CERT_ID(N'"+mine+"'))"))

	s.run(s.target, "DROP CERTIFICATE ["+mine+"]")
	s.finds("SQL Server's certificate is not imported", s.spec, s.secrets, "LS-CRT-004", "LS-LNK-002")
	s.run(s.target, "CREATE CERTIFICATE ["+mine+"] FROM BINARY = "+ours)
	s.sound("imported again")

	s.run(s.source, "DROP CERTIFICATE ["+fqdn+"]")
	s.finds("the instance's certificate is not imported", s.spec, s.secrets, "LS-CRT-005", "LS-LNK-002")
	s.run(s.source, "CREATE CERTIFICATE [sqlmi1] FROM BINARY = "+theirs)
	s.finds("it is imported under another name", s.spec, s.secrets, "LS-CRT-006")
	s.run(s.source, "DROP CERTIFICATE [sqlmi1]", "CREATE CERTIFICATE stale WITH SUBJECT = N'stale'")
	s.run(s.target, "CREATE CERTIFICATE stale WITH SUBJECT = N'stale'")
	s.run(s.source, "CREATE CERTIFICATE ["+fqdn+"] FROM BINARY = "+hexOf(s.value(s.target, "SELECT CERTENCODED(CERT_ID(N'stale'))")))
	s.finds("another certificate has the name", s.spec, s.secrets, "LS-CRT-007")
	s.run(s.source, "DROP CERTIFICATE ["+fqdn+"]", "CREATE CERTIFICATE ["+fqdn+"] FROM BINARY = "+theirs)
	s.sound("imported under the right name")

	soon := time.Now().UTC().AddDate(0, 0, 10).Format("20060102")
	s.run(s.source, "CREATE CERTIFICATE brief WITH SUBJECT = N'brief', EXPIRY_DATE = '"+soon+"'")
	s.run(s.target, "CREATE CERTIFICATE brief FROM BINARY = "+hexOf(s.value(s.source, "SELECT CERTENCODED(CERT_ID(N'brief'))")))
	s.run(s.source, "ALTER ENDPOINT ["+endpoint+"] FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE brief)")
	s.finds("it expires soon", s.spec, s.secrets, "LS-CRT-003")
	s.run(s.source, "ALTER ENDPOINT ["+endpoint+"] FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE ["+mine+"])")
	s.sound("rotated back")
}

// endpoint are endpoints that are stopped or do not do what a link needs.
func (s *site) endpoint() {
	s.t.Helper()
	name := s.value(s.source, "SELECT name FROM sys.database_mirroring_endpoints").(string)
	mine := s.value(s.source, "SELECT c.name FROM sys.database_mirroring_endpoints e JOIN sys.certificates c ON c.certificate_id = e.certificate_id").(string)
	alter := func(c *sqlclient.Client, endpoint, rest string) {
		s.t.Helper()
		s.run(c, "ALTER ENDPOINT ["+endpoint+"] "+rest)
	}
	alter(s.source, name, "STATE = STOPPED")
	s.finds("SQL Server's endpoint is stopped", s.spec, s.secrets, "LS-EP-002", "LS-NET-007")
	alter(s.source, name, "STATE = STARTED")
	s.sound("started")
	alter(s.target, "hadr_endpoint", "STATE = STOPPED")
	s.finds("the instance's endpoint is stopped", s.spec, s.secrets, "LS-EP-002")
	alter(s.target, "hadr_endpoint", "STATE = STARTED")
	s.sound("started")
	alter(s.source, name, "FOR DATABASE_MIRRORING (AUTHENTICATION = WINDOWS NEGOTIATE)")
	s.finds("no certificate", s.spec, s.secrets, "LS-EP-003")
	alter(s.source, name, "FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE ["+mine+"], ENCRYPTION = REQUIRED ALGORITHM RC4)")
	s.finds("no AES", s.spec, s.secrets, "LS-EP-004")
	alter(s.source, name, "FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE ["+mine+"], ENCRYPTION = REQUIRED ALGORITHM AES)")
	s.sound("as it was")
}

// groups are names and URLs that do not fit together.
func (s *site) groups() {
	s.t.Helper()
	port := s.ready.Target.MirroringPort
	listen := func(url string) {
		s.t.Helper()
		s.run(s.source, "ALTER AVAILABILITY GROUP [DAG_sales] MODIFY AVAILABILITY GROUP ON N'AG_sales_MI' WITH (LISTENER_URL = N'"+url+"')")
	}
	right := fmt.Sprintf("tcp://%s:%d;Server=[sqlmi1]", fqdn, port)
	listen(fmt.Sprintf("tcp://%s:%d", fqdn, port))
	s.finds("no ;Server=", s.spec, s.secrets, "LS-GRP-004")
	listen(fmt.Sprintf("tcp://%s:%d;Server=[sqlmi2]", fqdn, port))
	s.finds("another server", s.spec, s.secrets, "LS-GRP-005")
	listen(fmt.Sprintf("tcp://sqlmi1.wrong.test:%d;Server=[sqlmi1]", port))
	s.finds("another name than the FQDN", s.spec, s.secrets, "LS-GRP-006", "LS-NET-006")
	listen(fmt.Sprintf("tcp://%s:%d;Server=[sqlmi1]", fqdn, freePort(s.t)))
	s.finds("a port where nobody listens", s.spec, s.secrets, "LS-NET-007")
	listen(right)
	s.sound("as it was")
	s.run(s.source, "DROP AVAILABILITY GROUP [DAG_sales]")
	s.finds("the group is gone", s.spec, s.secrets, "LS-GRP-001")
	s.run(s.source, fmt.Sprintf("CREATE AVAILABILITY GROUP [DAG_sales] WITH (DISTRIBUTED) AVAILABILITY GROUP ON N'AG_sales' WITH (LISTENER_URL = 'TCP://127.0.0.1:%d', "+
		"AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC), N'AG_other' WITH (LISTENER_URL = N'%s', "+
		"AVAILABILITY_MODE = ASYNCHRONOUS_COMMIT, FAILOVER_MODE = MANUAL, SEEDING_MODE = AUTOMATIC)", s.ready.Source.MirroringPort, right))
	s.finds("other names", s.spec, s.secrets, "LS-GRP-003")
	if err := s.link().DeleteAll(s.t.Context()); err != nil {
		s.t.Log(err)
	}
}

func hexOf(v any) string { return fmt.Sprintf("0x%X", v) }

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serve answers connections at a port of its own.
func (s *site) serve(f func(net.Conn)) int {
	s.t.Helper()
	l, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// intercept is a port that speaks TLS 1.3 with a certificate of its own and asks for one, as an inspecting proxy does.
func (s *site) intercept() int {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	x := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Inspecting Proxy CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, x, x, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	return s.serve(func(c net.Conn) {
		t := tls.Server(c, cfg)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = t.HandshakeContext(ctx)
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 1))
	})
}

// Every id of the catalogue is written as the others are, and says cause and fix.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	for _, k := range doctor.Kinds() {
		if len(k.ID) < 9 || !strings.HasPrefix(k.ID, "LS-") || k.Cause == "" || k.Fix == "" || k.Severity == "" {
			t.Errorf("%+v", k)
		}
	}
}
