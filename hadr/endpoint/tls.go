package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"

	"linkspan/sqlerr"
)

// welcome is what the listener sends when the dialer's certificate was accepted: in TLS 1.3 a client is through with its
// handshake before the server has looked at its certificate.
const welcome = 0x4c

// credentials are both sides' certificates of one connection.
type credentials struct {
	mine *Identity
	peer *x509.Certificate
	name string
}

// check holds the credentials to what is known now.
func (e *Endpoint) check(c *credentials) error {
	now := e.opts.Clock.Now()
	id, err := e.opts.Identity()
	if err != nil {
		return err
	}
	if c.mine != nil && !bytes.Equal(id.DER, c.mine.DER) {
		if err := e.opts.Own(c.mine.DER); err != nil {
			return err
		}
		id = c.mine
	}
	if err := CheckDates(now, id); err != nil {
		return err
	}
	if c.name, err = e.opts.Peer(c.peer); err != nil {
		return err
	}
	const dbo = 1 // the principal that owns certificates in master
	return dates(now, c.peer.NotBefore, c.peer.NotAfter, sqlerr.New(28024, dbo), sqlerr.New(28025, dbo))
}

// CheckDates holds an identity to its dates: 28022 not yet valid, 28023 expired.
func CheckDates(now time.Time, id *Identity) error {
	return dates(now, id.Start, id.End, sqlerr.New(28022), sqlerr.New(28023))
}

func dates(now, start, end time.Time, early, late *sqlerr.Error) error {
	switch {
	case now.Before(start):
		return early
	case !now.Before(end):
		return late
	}
	return nil
}

// config is the TLS configuration of one connection; what is learned goes to c.
func (e *Endpoint) config(c *credentials) (*tls.Config, error) {
	id, err := e.opts.Identity()
	if err != nil {
		return nil, err
	}
	if err := CheckDates(e.opts.Clock.Now(), id); err != nil {
		return nil, err
	}
	c.mine = id
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.DER}, PrivateKey: id.Key}},
		MinVersion:   tls.VersionTLS13,
		ClientAuth:   tls.RequireAnyClientCert,
		// The peer is known by its certificate alone; VerifyConnection takes the place of the chain's check.
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		// Small records at first help browsers; here a message is to come in one.
		DynamicRecordSizingDisabled: true,
		Time:                        e.opts.Clock.Now,
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.CipherSuite != tls.TLS_AES_128_GCM_SHA256 && s.CipherSuite != tls.TLS_AES_256_GCM_SHA384 {
				return sqlerr.New(28027, "encryption algorithm", stateSuite)
			}
			if len(s.PeerCertificates) == 0 || s.DidResume {
				return sqlerr.New(28035, "No certificate was sent", stateNone)
			}
			c.peer = s.PeerCertificates[0]
			return e.check(c)
		},
	}, nil
}

// shake makes the TLS handshake as one side or the other, within the handshake's time.
func (e *Endpoint) shake(ctx context.Context, raw net.Conn, server bool) (*tls.Conn, *credentials, error) {
	c := new(credentials)
	cfg, err := e.config(c)
	if err != nil {
		return nil, c, e.refusal(raw, c, err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.opts.HandshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := tls.Client(raw, cfg)
	if server {
		conn = tls.Server(raw, cfg)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, c, e.refusal(raw, c, err)
	}
	b := []byte{welcome}
	if server {
		_, err = conn.Write(b)
	} else if _, err = conn.Read(b); err == nil && b[0] != welcome {
		err = sqlerr.New(28081, b[0], stateRemote)
	}
	if err != nil {
		return nil, c, e.refusal(raw, c, err)
	}
	if !stop() {
		return nil, c, ctx.Err()
	}
	return conn, c, nil
}

// refusal makes a *Refusal of an error that has to do with certificates, and leaves others as they are.
func (e *Endpoint) refusal(raw net.Conn, c *credentials, err error) error {
	r := &Refusal{Peer: c.name, Addr: raw.RemoteAddr().String()}
	var op *net.OpError
	var numbered *sqlerr.Error
	switch {
	case errors.As(err, &numbered):
		r.Err = numbered
		r.Unknown = numbered.Number == 28035 && c.peer != nil
	case errors.As(err, &op) && op.Op == "remote error":
		// An alert: the peer refused us, or the versions do not fit.
		r.Err, r.Remote = sqlerr.New(28028, stateRemote).WithCause(err), true
	case strings.Contains(err.Error(), "didn't provide a certificate"):
		r.Err = sqlerr.New(28035, "No certificate was sent", stateNone)
	case strings.Contains(err.Error(), "tls:"):
		r.Err = sqlerr.New(28038, stateNone).WithCause(err)
	default:
		return err
	}
	return r
}
