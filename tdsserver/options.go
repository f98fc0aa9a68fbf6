package tdsserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"linkspan/internal/clock"
	"linkspan/sqlapi"
)

// Encryption says what clients are asked for.
type Encryption uint8

const (
	// Required encrypts every session and refuses clients that cannot.
	Required Encryption = iota
	// Optional leaves it to the client; the login is still encrypted unless the client cannot.
	Optional
)

// Options configure a Server. Listeners or Addresses and Backend are needed, and TLS when encryption is required.
type Options struct {
	// Addresses are bound by Start, as net.Listen("tcp", …) takes them; port 0 picks a free one.
	Addresses []string
	// Listeners are used in addition; Stop closes them.
	Listeners []net.Listener
	// TLS holds the server's certificate. Versions and protocols are set by the server: TLS 1.2 inside TDS 7.4, 1.2 and
	// 1.3 under TDS 8.0.
	TLS        *tls.Config
	Encryption Encryption
	Backend    sqlapi.Backend
	// Clock gives the time for deadlines, which the network counts in the machine's time. The default is clock.Machine.
	Clock clock.Clock
	Log   *slog.Logger
	// ServerName is the name in messages to clients (@@SERVERNAME).
	ServerName string
	// MaxConnections limits the sessions; the one above gets message 17809. The default is 32767.
	MaxConnections int
	// MaxLogins limits the connections that have not logged in yet; above it the oldest is cut. The default is 1024.
	MaxLogins int
	// LoginTimeout limits the time from the connection to the end of the login. The default is 15 s.
	LoginTimeout time.Duration
	// WriteTimeout limits how long a client may leave an answer unread before it is cut. The default is 5 minutes.
	WriteTimeout time.Duration
	// MaxRequest limits a batch or call, in bytes on the wire. The default is 64 MiB.
	MaxRequest int
}

func (o *Options) setDefaults() {
	if o.Clock == nil {
		o.Clock = clock.Machine
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.MaxConnections, 32767)
	setDefault(&o.MaxLogins, 1024)
	setDefault(&o.LoginTimeout, 15*time.Second)
	setDefault(&o.WriteTimeout, 5*time.Minute)
	setDefault(&o.MaxRequest, 64<<20)
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Validate reports every problem.
func (o *Options) Validate() error {
	var errs []error
	if len(o.Addresses)+len(o.Listeners) == 0 {
		errs = append(errs, errors.New("an address or a listener is needed"))
	}
	if o.Backend == nil {
		errs = append(errs, errors.New("a backend is needed"))
	}
	if o.Encryption == Required && o.TLS == nil {
		errs = append(errs, errors.New("encryption is required and there is no certificate: give one, or make encryption optional"))
	}
	if o.TLS != nil && len(o.TLS.Certificates) == 0 && o.TLS.GetCertificate == nil && o.TLS.GetConfigForClient == nil {
		errs = append(errs, errors.New("the TLS configuration has no certificate"))
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"MaxConnections", int64(o.MaxConnections)}, {"MaxLogins", int64(o.MaxLogins)}, {"LoginTimeout", int64(o.LoginTimeout)},
		{"WriteTimeout", int64(o.WriteTimeout)}, {"MaxRequest", int64(o.MaxRequest)},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", n.name))
		}
	}
	return errors.Join(errs...)
}

// alpn is the protocol of TDS 8.0 in the TLS handshake.
const alpn = "tds/8.0"

// tlsConfigs derives the configurations for TLS inside TDS and for TDS inside TLS. Tickets are off in the first: a
// resumed handshake ends with a client's message, and clients disagree on whether that one is still wrapped.
func tlsConfigs(base *tls.Config) (inBand, strict *tls.Config) {
	if base == nil {
		return nil, nil
	}
	inBand = base.Clone()
	inBand.MinVersion, inBand.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	inBand.NextProtos = nil
	inBand.SessionTicketsDisabled = true
	inBand.DynamicRecordSizingDisabled = true
	strict = base.Clone()
	strict.MinVersion, strict.MaxVersion = tls.VersionTLS12, 0
	strict.NextProtos = []string{alpn}
	strict.DynamicRecordSizingDisabled = true
	return inBand, strict
}
