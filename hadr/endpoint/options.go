package endpoint

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"linkspan/internal/clock"
	"linkspan/sqlerr"
)

// Identity is the certificate that this side shows.
type Identity struct {
	DER   []byte
	Key   crypto.Signer
	Start time.Time
	End   time.Time
}

// Options configures an Endpoint.
type Options struct {
	// Identity gives the present certificate of this side. Its error (28036, 28037, 28038, 28055) is the refusal of the
	// connection.
	Identity func() (*Identity, error)
	// Peer names the imported certificate that is exactly x. Its error (28035, 28045) refuses the peer.
	Peer func(x *x509.Certificate) (name string, err error)
	// Own says whether this side still stands by a certificate that it showed earlier and that Identity gives no more; its
	// error (28036) ends the sessions that rest on it. nil: a session ends when its certificate is replaced.
	Own func(der []byte) error
	// Local is the address that Dial connects from; the zero Addr lets the system choose.
	Local netip.Addr
	// Accept takes a session that was accepted, in a goroutine of its own; the session is closed when it returns.
	Accept func(s *Session)
	// Refused is told of every peer that this side refused; nil discards.
	Refused func(r *Refusal)
	// HandshakeTimeout bounds the time from the connection to the end of the handshake; 0 means 5 seconds.
	HandshakeTimeout time.Duration
	// MaxSessions bounds the accepted sessions; 0 means 1,024.
	MaxSessions int
	// Clock and Log: nil means the system's and discard.
	Clock clock.Clock
	Log   *slog.Logger
}

// Validate reports every problem and fills in defaults.
func (o *Options) Validate() error {
	var errs []error
	if o.Identity == nil || o.Peer == nil {
		errs = append(errs, errors.New("endpoint options: no identity or no peers"))
	}
	if o.HandshakeTimeout < 0 || o.MaxSessions < 0 {
		errs = append(errs, errors.New("endpoint options: a negative limit"))
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = 5 * time.Second
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = 1024
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Accept == nil {
		o.Accept = func(s *Session) {}
	}
	if o.Refused == nil {
		o.Refused = func(*Refusal) {}
	}
	if o.Own == nil {
		o.Own = func([]byte) error { return sqlerr.New(28036, "it was replaced", stateNone) }
	}
	return errors.Join(errs...)
}

// Refusal is why a connection did not come about, or ended, for its certificates.
type Refusal struct {
	// Err is the numbered message, for this side's eyes.
	Err *sqlerr.Error
	// Peer is the name of the peer's certificate, "" when it is not known, and Addr the peer's address.
	Peer, Addr string
	// Remote tells that it is the peer who refused us, without saying why.
	Remote bool
	// Unknown tells that we refused because the peer's certificate was not imported.
	Unknown bool
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("connection with %s refused: %s", r.Addr, r.Err.Message)
}

// Unwrap gives the numbered message.
func (r *Refusal) Unwrap() error { return r.Err }

// Logged is the message as the error log has it: 28048 with the peer's name, 28047 without.
func (r *Refusal) Logged() *sqlerr.Error {
	client := "[CLIENT: " + r.Addr + "]"
	if r.Peer != "" {
		return sqlerr.New(28048, "Database Mirroring", r.Peer, r.Err.Message, client)
	}
	return sqlerr.New(28047, "Database Mirroring", r.Err.Message, client)
}

// States of handshake messages, to tell places apart.
const (
	stateNotFound = 89
	stateDates    = 90
	stateSuite    = 91
	stateNone     = 92
	stateRemote   = 93
)
