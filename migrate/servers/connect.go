package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// trusting is what the second seed, and Microsoft's documentation, say of self-signed certificates.
const trusting = "TLS connections that are encrypted with a self-signed certificate do not give strong security: they are open to man-in-the-middle attacks"

// refusals are the errors of a login, with what to do.
var refusals = map[int32]struct{ id, fix string }{
	4060:  {"login-database", "give the login access to its default database, or make master its default database"},
	4064:  {"login-database", "give the login access to its default database, or make master its default database"},
	18452: {"login-refused", "use a SQL login: Windows logins are not offered here"},
	18456: {"login-refused", "check user and password, and that the server allows SQL Server authentication; its error log has the reason (Error 18456, State)"},
	18470: {"login-disabled", "enable the login: ALTER LOGIN … ENABLE"},
	18486: {"login-locked", "unlock the login: ALTER LOGIN … WITH PASSWORD = '…' UNLOCK"},
	18487: {"login-expired", "set a new password: it has expired"},
	18488: {"login-expired", "set a new password: it has to be changed at the first login"},
}

// connectFinding says why a server could not be logged in to; false when the error is of another kind.
func (s *Server) connectFinding(err error) (Finding, bool) {
	f := Finding{Blocks: true}
	say := func(id, fix, format string, args ...any) (Finding, bool) {
		f.ID, f.Fix, f.Text = id, fix, fmt.Sprintf(format, args...)
		return f, true
	}
	if r, ok := refusals[sqlerr.Number(err)]; ok {
		return say(r.id, r.fix, "%s refuses the login %s: %v", s.Name(), s.o.Target.User, sqlerr.From(err))
	}
	if sqlerr.Number(err) != 0 {
		return f, false
	}
	var browser *sqlclient.BrowserError
	if errors.As(err, &browser) {
		id := map[error]string{sqlclient.ErrNoBrowser: "browser-silent", sqlclient.ErrNoInstance: "instance-unknown", sqlclient.ErrNoTCP: "instance-without-tcp"}
		for cause, name := range id {
			if errors.Is(err, cause) {
				return say(name, browser.Fix(), "the port of %s is not known: %v", s.Name(), browser.Err)
			}
		}
		return say("browser-failed", browser.Fix(), "the port of %s is not known: %v", s.Name(), browser.Err)
	}
	if id, fix, ok := s.certificateFinding(err); ok {
		return say(id, fix, "the certificate of %s is not accepted: %v", s.Name(), err)
	}
	return s.networkFinding(err)
}

func (s *Server) certificateFinding(err error) (id, fix string, ok bool) {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	said := func(words ...string) bool { // the driver passes only the text of what went wrong in a handshake on
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(err.Error(), w) })
	}
	switch {
	case errors.As(err, &authority), said("certificate signed by unknown authority"):
		return "certificate-not-trusted", "install a certificate of an authority that this machine trusts, or name the authority's PEM file (ca); " +
			"trustServerCertificate connects without checking, but " + trusting, true
	case errors.As(err, &host), said("certificate is valid for", "certificate is not valid for", "cannot validate certificate for"):
		return "certificate-name", "name the server as its certificate does, or give the name in the certificate (host)", true
	case errors.As(err, &invalid), said("certificate has expired", "x509: invalid", "x509: certificate"):
		return "certificate-invalid", "renew the server's certificate", true
	case errors.As(err, &record), said("unsupported protocol version", "protocol version not supported"):
		return "tls-too-old", "give the server TLS 1.2: SQL Server 2008 to 2014 need an update for it (KB3135244)", true
	}
	return "", "", false
}

func (s *Server) networkFinding(err error) (Finding, bool) {
	f := Finding{Blocks: true}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		f.ID, f.Text, f.Fix = "name-unknown", fmt.Sprintf("the name %s is not known: %v", s.o.Target.Address, dns), "correct the server's name, or give its address"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.ID, f.Text = "connection-refused", fmt.Sprintf("nothing listens on %s: %v", s.Name(), err)
		f.Fix = "start SQL Server, enable TCP/IP for it, and check the port"
	case errors.As(err, &op), errors.Is(err, context.DeadlineExceeded), strings.Contains(err.Error(), "i/o timeout"):
		f.ID, f.Text = "unreachable", fmt.Sprintf("%s does not answer: %v", s.Name(), err)
		f.Fix = "open the server's TCP port (default 1433) in the firewalls between, and see that SQL Server runs"
	default:
		return f, false
	}
	return f, true
}
