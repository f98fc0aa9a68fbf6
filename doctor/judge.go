package doctor

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"linkspan/armtypes"
	"linkspan/sqlerr"
)

// here is this machine in checks.
const here = "this machine"

// judge turns facts into findings. It is pure: now is this machine's clock.
func (f *facts) judge(r *Report, now time.Time) {
	f.judgeSQL(r, "SQL Server", f.sourceSQL, &f.source)
	f.judgeManagement(r)
	if f.target.asked {
		f.judgeSQL(r, "the managed instance", f.targetSQL, &f.target)
	} else {
		r.check(here, "T-SQL on the managed instance", Skipped, "no login is given")
		r.find("LS-SQL-004", "the managed instance", "no user or no password")
	}
	if f.source.err == nil {
		f.judgeServer(r, &f.source, now)
	}
	if f.target.asked && f.target.err == nil {
		f.judgeServer(r, &f.target, now)
	}
	f.judgeMirroring(r)
	f.judgeTrust(r, now)
	for _, l := range f.links {
		f.judgeLink(r, l)
	}
}

// judgePort says what is wrong with a port that was wanted open; false when something is.
func judgePort(r *Report, name string, p port) bool {
	id := map[portState]string{portUnresolved: "LS-NET-001", portRefused: "LS-NET-002", portSilent: "LS-NET-003", portTDS: "LS-NET-004", portOther: "LS-NET-005"}[p.state]
	if id == "" {
		r.check(here, name, Passed, "%s: %s", p.address, p.seen)
		return true
	}
	r.check(here, name, Failed, "%s: %s", p.address, p.seen)
	r.find(id, name+" "+p.address, "%s", p.seen)
	return false
}

func (f *facts) judgeSQL(r *Report, side string, p port, s *server) {
	if !judgePort(r, side+"'s SQL port", p) {
		return
	}
	if s.err == nil {
		r.check(here, "T-SQL on "+side, Passed, "logged in to %s", s.name)
		return
	}
	r.check(here, "T-SQL on "+side, Failed, "%v", s.err)
	switch {
	case untrusted(s.err):
		r.find("LS-TLS-001", side+" "+p.address, "%v", s.err)
	case sqlerr.Number(s.err) == 18456:
		r.find("LS-SQL-001", side+" "+p.address, "%v", s.err)
	default:
		r.find("LS-SQL-006", side+" "+p.address, "%v", s.err)
	}
}

func (f *facts) judgeManagement(r *Report) {
	if f.armPort.state != 0 && !judgePort(r, "the management API", f.armPort) {
		return
	}
	if err := f.arm.err; err != nil {
		r.check(here, "management API", Failed, "%v", err)
		r.find(managementID(err), "the management API", "%v", err)
		return
	}
	p := f.arm.instance.Properties
	r.check(here, "management API", Passed, "%s is %s", p.FullyQualifiedDomainName, p.State)
	if p.State != "" && !strings.EqualFold(p.State, "Ready") {
		r.find("LS-ARM-003", p.FullyQualifiedDomainName, "its state is %s", p.State)
	}
}

func managementID(err error) string {
	var e *armtypes.Error
	switch {
	case untrusted(err):
		return "LS-TLS-002"
	case errors.As(err, &e) && e.Status == http.StatusNotFound:
		return "LS-ARM-002"
	case errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden), strings.Contains(err.Error(), "AADSTS"),
		strings.Contains(err.Error(), "invalid_client"), strings.Contains(err.Error(), "authentication failed"), strings.Contains(err.Error(), "no client secret"):
		return "LS-ARM-001"
	default:
		return "LS-ARM-004"
	}
}

// maxSkew is the difference of clocks that is still called none.
const maxSkew = time.Minute

// judgeServer looks at one server by itself.
func (f *facts) judgeServer(r *Report, s *server, now time.Time) {
	if !s.hadr {
		r.find("LS-SQL-002", s.name, "SERVERPROPERTY('IsHadrEnabled') is 0")
	}
	if !s.sysadmin {
		r.find("LS-SQL-003", s.name, "IS_SRVROLEMEMBER('sysadmin') is 0")
	}
	if s.skew.Abs() > maxSkew {
		r.check(here, "clock of "+s.name, Failed, "%s off", s.skew.Round(time.Second))
		r.find("LS-CLK-001", s.name+" and this machine", "SYSUTCDATETIME() is %s off", s.skew.Round(time.Second))
	} else {
		r.check(here, "clock of "+s.name, Passed, "%s off", s.skew.Round(time.Millisecond))
	}
	f.judgeEndpoint(r, s, now.Add(s.skew))
}

// judgeEndpoint holds the mirroring endpoint to what a link needs; now is the server's clock.
func (f *facts) judgeEndpoint(r *Report, s *server, now time.Time) {
	e := s.endpoint
	if e == nil {
		r.check(s.name, "mirroring endpoint", Failed, "sys.database_mirroring_endpoints is empty")
		r.find("LS-EP-001", s.name, "sys.database_mirroring_endpoints is empty")
		return
	}
	before := len(r.Findings)
	if e.state != "STARTED" {
		r.find("LS-EP-002", s.name+" "+e.name, "its state is %s", e.state)
	}
	if !strings.Contains(e.auth, "CERTIFICATE") {
		r.find("LS-EP-003", s.name+" "+e.name, "connection_auth_desc is %s", e.auth)
	}
	if !e.encrypted || !strings.Contains(e.algorithm, "AES") {
		r.find("LS-EP-004", s.name+" "+e.name, "encryption_algorithm_desc is %s", e.algorithm)
	}
	outcome := Passed
	if len(r.Findings) > before {
		outcome = Failed
	}
	r.check(s.name, "mirroring endpoint", outcome, "%s, port %d, %s, %s, %s", e.name, e.port, e.state, e.auth, e.algorithm)
	if !strings.Contains(e.auth, "CERTIFICATE") {
		return
	}
	c := s.shown()
	if c == nil || c.key != "MK" {
		r.find("LS-CRT-009", s.name+" "+e.name, "certificate %q", e.certificate)
		return
	}
	judgeDates(r, s.name, *c, now)
}

// expirySoon is how long before its end a certificate is warned of.
const expirySoon = 30 * 24 * time.Hour

func judgeDates(r *Report, side string, c certificateFacts, now time.Time) {
	subject, outcome := side+" "+c.name, Failed
	switch {
	case now.Before(c.start):
		r.find("LS-CRT-002", subject, "it is valid from %s; the clock there shows %s", c.start.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case !now.Before(c.end):
		r.find("LS-CRT-001", subject, "it expired at %s; the clock there shows %s", c.end.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case c.end.Sub(now) < expirySoon:
		r.find("LS-CRT-003", subject, "it expires at %s, in %d days", c.end.UTC().Format(time.RFC3339), int(c.end.Sub(now)/(24*time.Hour)))
	default:
		outcome = Passed
	}
	r.check(side, "certificate "+c.name, outcome, "valid from %s to %s, thumbprint %s", c.start.UTC().Format(time.DateOnly), c.end.UTC().Format(time.DateOnly), c.print)
}

// judgeMirroring looks at SQL Server's mirroring port as this machine sees it.
func (f *facts) judgeMirroring(r *Report) {
	if f.source.err == nil && (f.source.endpoint == nil || f.source.endpoint.state != "STARTED") {
		r.check(here, "SQL Server's mirroring port", Skipped, "its endpoint is absent or stopped")
		return
	}
	if e := f.source.endpoint; e != nil && e.port != f.mirroringPort() && !isForwarded(f) {
		r.find("LS-EP-005", f.source.name+" "+e.name, "the endpoint's port is %d, and the other side is to dial %d", e.port, f.mirroringPort())
	}
	p := f.sourceMirroring
	if f.source.err == nil && f.source.untested && p.state == portOther {
		// A real SQL Server: its protocol is not TLS, and the open port is all that can be seen from here.
		p.state = portOpen
	}
	if !judgePort(r, "SQL Server's mirroring port", p) || p.leaf == nil {
		return
	}
	c := f.source.shown()
	if c == nil {
		return
	}
	if got := thumbprint(p.leaf.Raw); got != c.print {
		r.check(here, "certificate at the mirroring port", Failed, "thumbprint %s", got)
		r.find("LS-TLS-003", f.source.name+" "+p.address, "thumbprint %s (subject %q), and the endpoint has %s", got, p.leaf.Subject.String(), c.print)
		return
	}
	r.check(here, "certificate at the mirroring port", Passed, "the endpoint's own")
}

// isForwarded reports whether the managed instance is to dial another address than SQL clients: something may stand
// between that changes the port.
func isForwarded(f *facts) bool {
	return f.spec.Source.MirroringAddress != "" && !strings.EqualFold(f.spec.Source.MirroringAddress, f.spec.Source.Address)
}
