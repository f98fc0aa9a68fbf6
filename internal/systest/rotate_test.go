package systest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/armclient"
	"linkspan/armtypes"
)

// Both certificates of a link are rotated by T-SQL and the management API while it is written to: the link connects with
// the new ones before the old ones are dropped, and nothing is seeded anew. Dropping a partner's certificate, on either
// side, ends the connection at once, importing it again brings it back; doctor sees the difference.
func TestCertificatesRotateUnderLoad(t *testing.T) {
	t.Parallel()
	p := startPair(t, pairOptions{})
	p.fill(4 << 20)
	writers := p.startLoad(3)
	p.createLink()
	p.settle(writers, 100)
	seeded := p.source.ask("SELECT COUNT(*) FROM sys.dm_hadr_automatic_seeding")

	// SQL Server's.
	old := p.source.ask("SELECT c.name FROM sys.database_mirroring_endpoints e JOIN sys.certificates c ON c.certificate_id = e.certificate_id")
	endpoint := p.source.ask("SELECT name FROM sys.database_mirroring_endpoints")
	p.source.exec("master", "CREATE CERTIFICATE next WITH SUBJECT = N'next'")
	p.putTrust("next", p.source.bytes("SELECT CERTENCODED(CERT_ID(N'next'))"))
	p.source.exec("master", "ALTER ENDPOINT ["+endpoint+"] FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE next)")
	p.waitRests(p.source, "next")
	p.source.exec("master", "DROP CERTIFICATE ["+old+"]")
	p.dropTrust(old)
	p.settle(writers, 200)

	// The managed instance's; the FQDN is taken on SQL Server, so the next one has another name there.
	const fqdn = "sqlmi1.linkspan.test"
	own := p.target.ask("SELECT c.name FROM sys.database_mirroring_endpoints e JOIN sys.certificates c ON c.certificate_id = e.certificate_id")
	p.target.exec("master", "CREATE CERTIFICATE mi_next WITH SUBJECT = N'next'")
	p.source.exec("master", fmt.Sprintf("CREATE CERTIFICATE [%s 2] FROM BINARY = 0x%X", fqdn, p.target.bytes("SELECT CERTENCODED(CERT_ID(N'mi_next'))")))
	p.target.exec("master", "ALTER ENDPOINT hadr_endpoint FOR DATABASE_MIRRORING (AUTHENTICATION = CERTIFICATE mi_next)")
	p.waitRests(p.target, "mi_next")
	p.target.exec("master", "DROP CERTIFICATE ["+own+"]")
	p.source.exec("master", "DROP CERTIFICATE ["+fqdn+"]")
	p.settle(writers, 200)
	if now := p.source.ask("SELECT COUNT(*) FROM sys.dm_hadr_automatic_seeding"); now != seeded {
		t.Errorf("%s seedings, %s before the rotation", now, seeded)
	}
	p.source.restart()
	p.target.restart()
	p.settle(writers, 200)
	p.doctor(0, "")

	// Either side withdraws its trust.
	next := p.source.bytes("SELECT CERTENCODED(CERT_ID(N'next'))")
	p.dropTrust("next")
	p.waitConnected(false)
	p.doctor(3, "LS-CRT-004")
	writers.progress(100)
	p.putTrust("next", next)
	p.settle(writers, 200)
	theirs := p.target.bytes("SELECT CERTENCODED(CERT_ID(N'mi_next'))")
	p.source.exec("master", "DROP CERTIFICATE ["+fqdn+" 2]")
	p.waitConnected(false)
	p.doctor(3, "LS-CRT-005")
	p.source.exec("master", fmt.Sprintf("CREATE CERTIFICATE [%s] FROM BINARY = 0x%X", fqdn, theirs))
	p.settle(writers, 200)
	writers.stop()
	p.compare(writers)
}

// ask is the one value that a query gives, as text.
func (s *side) ask(query string) string {
	s.p.t.Helper()
	db := s.open("master")
	defer func() { _ = db.Close() }()
	var v string
	if err := db.QueryRowContext(s.p.t.Context(), query).Scan(&v); err != nil {
		s.p.t.Fatalf("%s: %s: %v", s.name, query, err)
	}
	return v
}

// bytes is the one binary value that a query gives.
func (s *side) bytes(query string) []byte {
	s.p.t.Helper()
	db := s.open("master")
	defer func() { _ = db.Close() }()
	var v []byte
	if err := db.QueryRowContext(s.p.t.Context(), query).Scan(&v); err != nil {
		s.p.t.Fatalf("%s: %s: %v", s.name, query, err)
	}
	return v
}

// waitRests waits until the link's one connection rests on a certificate.
func (p *pair) waitRests(s *side, name string) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.ask("SELECT live_connections FROM sys.dm_linkspan_certificates WHERE name = N'"+name+"'") != "1"; waitTick(p.t) {
		if time.Now().After(deadline) {
			p.t.Fatalf("the link does not rest on %s of %s\n%s", name, s.name, p.states())
		}
	}
}

// waitConnected waits until SQL Server shows the link connected, or not.
func (p *pair) waitConnected(want bool) {
	p.t.Helper()
	const query = "SELECT s.connected_state_desc FROM sys.dm_hadr_availability_replica_states s JOIN sys.availability_groups g ON g.group_id = s.group_id WHERE g.name = N'" + pairGroup + "' AND s.is_local = 0"
	for deadline := time.Now().Add(30 * time.Second); (p.source.ask(query) == "CONNECTED") != want; waitTick(p.t) {
		if time.Now().After(deadline) {
			p.t.Fatalf("the link is connected: want %t\n%s", want, p.states())
		}
	}
}

// arm is a client of the managed instance's API.
func (p *pair) arm() (*armclient.Client, armtypes.InstanceID) {
	p.t.Helper()
	ca, err := os.ReadFile(filepath.Join(p.dir, "ca", "ca.pem"))
	if err != nil {
		p.t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(p.dir, "arm.secret"))
	if err != nil {
		p.t.Fatal(err)
	}
	c, err := armclient.New(armclient.Options{Endpoint: fmt.Sprintf("https://localhost:%d", p.armPort), CA: ca, Tenant: "00000000-0000-4000-8000-000000000001",
		ClientID: "00000000-0000-4000-8000-000000000003", ClientSecret: string(secret)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c, armtypes.InstanceID{Subscription: "00000000-0000-4000-8000-000000000002", ResourceGroup: "linkspan", Name: "sqlmi1"}
}

func (p *pair) putTrust(name string, der []byte) {
	p.t.Helper()
	c, id := p.arm()
	x, err := armtypes.ParseCertificate(der)
	if err == nil {
		err = c.PutTrustCertificate(p.t.Context(), id, name, x)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) dropTrust(name string) {
	p.t.Helper()
	c, id := p.arm()
	if err := c.DeleteTrustCertificate(p.t.Context(), id, name); err != nil {
		p.t.Fatal(err)
	}
}

// doctor runs "linkspan doctor link" until it ends with the exit code and names the finding. The managed instance is asked
// over T-SQL, too.
func (p *pair) doctor(code int, id string) {
	p.t.Helper()
	p.writeSpec()
	spec, err := os.ReadFile(filepath.Join(p.dir, "link.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	sql := fmt.Sprintf("\n  sql: {address: %s, host: sqlmi1.linkspan.test, ca: ca/ca.pem, user: sa, passwordFile: target.password},\n  endpoint:", p.target.ip)
	p.write("doctor.yaml", strings.Replace(string(spec), "\n  endpoint:", sql, 1))
	p.write("target.password", p.target.login.Password)
	for deadline := time.Now().Add(30 * time.Second); ; waitTick(p.t) {
		cmd := exec.CommandContext(p.t.Context(), program, "doctor", "link", "-f", "doctor.yaml", "--json")
		cmd.Dir = p.dir
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			p.t.Fatal(err)
		}
		var r struct {
			Findings []struct{ ID, Evidence string }
		}
		if err := json.Unmarshal(out, &r); err != nil {
			p.t.Fatalf("doctor printed %q: %v", out, err)
		}
		named := id == "" && len(r.Findings) == 0
		for _, f := range r.Findings {
			named = named || f.ID == id
		}
		if cmd.ProcessState.ExitCode() == code && named {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("doctor ended with %d, want %d and %q:\n%s", cmd.ProcessState.ExitCode(), code, id, out)
		}
	}
}
