package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"linkspan/internal/clock"
)

// portState is how far one gets at a port.
type portState int

const (
	portUnresolved portState = iota + 1
	portRefused
	portSilent
	portOpen
	portTDS       // mirroring wanted: a SQL client port answers
	portOther     // mirroring wanted: something else answers
	portMirroring // TLS 1.3 with a certificate
)

// port is what was seen at an address.
type port struct {
	address string
	state   portState
	// seen is the evidence in words.
	seen string
	// leaf is the certificate that a mirroring endpoint shows.
	leaf *x509.Certificate
}

// portTimeout bounds each step at a port.
const portTimeout = 5 * time.Second

// tryPort resolves and connects.
func tryPort(ctx context.Context, host string, number int) port {
	p := port{address: net.JoinHostPort(host, strconv.Itoa(number))}
	conn, err := dialPort(ctx, p.address)
	if err == nil {
		p.state, p.seen = portOpen, "connected to "+conn.RemoteAddr().String()
		_ = conn.Close() // nothing was said
		return p
	}
	var dns *net.DNSError
	p.seen = err.Error()
	switch {
	case errors.As(err, &dns):
		p.state = portUnresolved
	case errors.Is(err, syscall.ECONNREFUSED):
		p.state = portRefused
	default:
		p.state = portSilent
	}
	return p
}

func dialPort(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: portTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if soon := clock.System.Now().Add(portTimeout); deadline.IsZero() || soon.Before(deadline) {
		deadline = soon
	}
	return conn, conn.SetDeadline(deadline)
}

// tryMirroring goes on to the mirroring protocol as far as one gets without an imported certificate: TLS 1.3, the
// certificate that the endpoint shows, and its refusal, which is an answer of the protocol.
func tryMirroring(ctx context.Context, host string, number int) port {
	p := tryPort(ctx, host, number)
	if p.state != portOpen {
		return p
	}
	conn, err := dialPort(ctx, p.address)
	if err != nil {
		p.state, p.seen = portSilent, err.Error()
		return p
	}
	defer func() { _ = conn.Close() }()                                                        // nothing is owed
	t := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) //nolint:gosec // the certificate is what is asked for
	err = t.HandshakeContext(ctx)
	s := t.ConnectionState()
	switch {
	case err != nil:
		p.state, p.seen = portOther, "no TLS: "+err.Error()
	case s.Version != tls.VersionTLS13 || len(s.PeerCertificates) == 0:
		p.state, p.seen = portOther, "it speaks "+tls.VersionName(s.Version)
	default:
		p.leaf = s.PeerCertificates[0]
		_, err := t.Read(make([]byte, 1))
		if isAlert(err) {
			p.state, p.seen = portMirroring, "TLS 1.3, and it refuses a stranger"
			return p
		}
		p.state, p.seen = portOther, "it speaks TLS 1.3 and does not refuse a stranger: "+word(err)
	}
	if speaksTDS(ctx, p.address) {
		p.state, p.seen, p.leaf = portTDS, "it answers a SQL client's first packet", nil
	}
	return p
}

func word(err error) string {
	if err == nil {
		return "it sent something"
	}
	return err.Error()
}

// isAlert tells a refusal by TLS from a connection that ends.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// prelogin is the first packet of a SQL client: one option, the version.
var prelogin = []byte{0x12, 0x01, 0x00, 0x14, 0, 0, 0, 0, 0x00, 0x00, 0x06, 0x00, 0x06, 0xff, 0x10, 0, 0, 0, 0, 0}

// speaksTDS reports whether a SQL server answers.
func speaksTDS(ctx context.Context, address string) bool {
	conn, err := dialPort(ctx, address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // nothing is owed
	if _, err := conn.Write(prelogin); err != nil {
		return false
	}
	var head [8]byte
	_, err = io.ReadFull(conn, head[:])
	const tabular = 0x04
	return err == nil && head[0] == tabular
}
