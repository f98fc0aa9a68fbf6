package tdsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strconv"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/tds"
)

// Reasons to close a connection before its login; they are logged and not sent.
var (
	errNoHandshake = errors.New("the client sent something else than a TLS handshake")
	errNoTDS       = errors.New("the first byte is no TDS")
	errNoTLS       = errors.New("TDS 8.0 was asked for and there is no certificate")
	errNoALPN      = errors.New("TLS without the protocol tds/8.0")
)

// Packet sizes under TLS stay below one record, as SQL Server's do.
const maxEncryptedPacket = 16383

// handshake brings a connection from its first byte to a session. It returns nil when the client was told why not.
func (c *conn) handshake(ctx context.Context) error {
	first, err := c.t.br.Peek(1)
	if err != nil {
		return err
	}
	switch first[0] {
	case byte(tds.PacketPrelogin):
	case 0x16: // a TLS handshake record
		if err := c.startStrict(ctx); err != nil {
			return err
		}
	default:
		return errNoTDS
	}
	m, err := c.rd.Next(tds.MaxPrelogin, nil)
	if err != nil {
		return fmt.Errorf("read PRELOGIN: %w", err)
	}
	if m.Type != tds.PacketPrelogin {
		return fmt.Errorf("read PRELOGIN: a message of type %d", m.Type)
	}
	p, err := tds.DecodePrelogin(m.Payload)
	if err != nil {
		return err
	}
	if refused, err := c.encrypt(ctx, p.Encryption); refused || err != nil {
		return err
	}
	return c.login(ctx)
}

// startStrict begins TDS 8.0: TLS outside, TDS inside.
func (c *conn) startStrict(ctx context.Context) error {
	if c.s.strict == nil {
		return errNoTLS
	}
	t := tls.Server(c.t, c.s.strict)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if t.ConnectionState().NegotiatedProtocol != alpn {
		return errNoALPN
	}
	c.useTLS(t)
	c.isStrict, c.encrypted = true, true
	return nil
}

func (c *conn) useTLS(t *tls.Conn) {
	c.rd.Source(t)
	c.out.dst = t
}

// encrypt answers PRELOGIN and does what was agreed ([MS-TDS] 2.2.6.5). refused is true when the client sent its login
// although it may not and was told so.
func (c *conn) encrypt(ctx context.Context, asked tds.Encryption) (refused bool, err error) {
	answer := c.decide(asked)
	info := c.s.opts.Backend.ServerInfo()
	c.wr.Begin(tds.PacketReply)
	// Who has not logged in learns which protocol is spoken, not which build speaks it.
	if _, err := c.wr.Write(tds.AppendPreloginReply(nil, info.Major, info.Minor, 0, answer)); err != nil {
		return false, err
	}
	if err := c.wr.End(); err != nil {
		return false, fmt.Errorf("answer PRELOGIN: %w", err)
	}
	if c.isStrict || answer == tds.EncryptNotSupported {
		return false, nil
	}
	if next, err := c.t.br.Peek(1); err != nil {
		return false, err
	} else if next[0] == byte(tds.PacketLogin7) {
		if _, err := c.rd.Next(tds.MaxLogin7, nil); err != nil {
			return false, err
		}
		return true, c.refuse(sqlerr.New(21))
	}
	c.t.wrapped, c.t.exact = true, answer == tds.EncryptOff
	t := tls.Server(c.t, c.s.inBand)
	if err := t.HandshakeContext(ctx); err != nil {
		return false, fmt.Errorf("TLS handshake: %w", err)
	}
	c.t.wrapped = false
	c.useTLS(t)
	c.encrypted = answer != tds.EncryptOff
	if answer == tds.EncryptOff {
		c.rd.AfterPacket = func(tds.Header) { // only the first packet of the login is encrypted
			c.rd.AfterPacket, c.t.exact = nil, false
			c.rd.Source(c.t)
			c.out.dst = c.t
		}
	}
	return false, nil
}

// decide is the table of [MS-TDS] 2.2.6.5.
func (c *conn) decide(asked tds.Encryption) tds.Encryption {
	switch {
	case c.isStrict: // it is encrypted already, whatever is said here
		return asked
	case c.s.inBand == nil:
		return tds.EncryptNotSupported
	case asked == tds.EncryptOn || asked == tds.EncryptRequired:
		return tds.EncryptOn
	case c.s.opts.Encryption == Required:
		return tds.EncryptRequired
	case asked == tds.EncryptOff:
		return tds.EncryptOff
	}
	return tds.EncryptNotSupported
}

// login reads LOGIN7, has the backend check it and answers.
func (c *conn) login(ctx context.Context) error {
	m, err := c.rd.Next(tds.MaxLogin7, nil)
	if err != nil {
		return fmt.Errorf("read LOGIN7: %w", err)
	}
	if m.Type != tds.PacketLogin7 {
		return fmt.Errorf("read LOGIN7: a message of type %d", m.Type)
	}
	l, err := tds.DecodeLogin7(m.Payload)
	clear(m.Payload)
	if version := tds.ErrVersion(0); errors.As(err, &version) {
		return c.refuse(sqlerr.New(17803, version.Error()))
	}
	if err != nil {
		return c.refuse(sqlerr.New(17832).WithCause(err))
	}
	if e := unserved(l); e != nil {
		return c.refuse(e)
	}
	out := &c.sink
	out.begin(nil)
	session, refusal := c.open(ctx, l, out)
	if refusal != nil {
		out.buf = out.buf[:0]
		return c.refuse(refusal)
	}
	c.session = session
	if n := c.s.sessions.Add(1); n > int64(c.s.opts.MaxConnections) {
		out.buf = out.buf[:0]
		return c.refuse(sqlerr.New(17809, c.s.opts.MaxConnections))
	}
	return c.accept(l, out)
}

// unserved names what a login asks for that there is not.
func unserved(l *tds.Login7) *sqlerr.Error {
	switch {
	case l.Asked(tds.FeatureFedAuth):
		return sqlerr.New(18452, "Microsoft Entra authentication")
	case l.Integrated || len(l.SSPI) > 0:
		return sqlerr.New(18452, "Windows authentication")
	case l.NewPassword != "":
		return sqlerr.New(18452, "Changing the password during the login")
	case l.AttachFile != "":
		return sqlerr.New(18452, "Attaching a database file during the login")
	}
	return nil
}

func (c *conn) open(ctx context.Context, l *tds.Login7, out *sink) (sqlapi.Session, *sqlerr.Error) {
	login := sqlapi.Login{
		User: l.User, Password: l.Password, Database: l.Database, Hostname: l.Hostname, AppName: l.AppName,
		ServerName: l.ServerName, Library: l.Library, Language: l.Language, ReadOnlyIntent: l.ReadOnlyIntent,
		PacketSize: c.packetSize(l), ClientPID: int(l.ClientPID), Remote: c.nc.RemoteAddr().String(), Encrypted: c.encrypted,
	}
	l.Password = ""
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.LoginTimeout)
	defer cancel()
	session, err := c.s.opts.Backend.Login(ctx, login, out)
	if err == nil {
		return session, nil
	}
	var e *sqlerr.Error
	if !errors.As(err, &e) {
		c.log.Error("a login could not be checked", "error", err)
		e = sqlerr.New(18456, l.User)
	}
	return nil, e
}

func (c *conn) packetSize(l *tds.Login7) int {
	limit := tds.MaxPacketSize
	if c.encrypted {
		limit = maxEncryptedPacket
	}
	if l.PacketSize == 0 {
		return tds.DefaultPacketSize
	}
	return min(max(int(min(l.PacketSize, tds.MaxPacketSize)), tds.MinPacketSize), limit)
}

// accept tells the client that it is in; what the backend said during the login stands before.
func (c *conn) accept(l *tds.Login7, out *sink) error {
	info, size := c.s.opts.Backend.ServerInfo(), c.packetSize(l)
	if !out.collation {
		out.buf = tds.AppendEnvCollation(out.buf, "")
	}
	out.buf = tds.AppendLoginAck(out.buf, tds.LoginAck{TDSVersion: l.TDSVersion, Program: info.Program, Major: info.Major, Minor: info.Minor, Build: info.Build})
	out.buf = tds.AppendEnvChange(out.buf, uint8(sqlapi.EnvPacketSize), strconv.Itoa(size), strconv.Itoa(tds.DefaultPacketSize))
	if len(l.Features) > 0 {
		out.buf = tds.AppendFeatureAck(out.buf, l.Features)
	}
	out.buf = tds.AppendDone(out.buf, tds.Done, 0, 0, 0)
	c.wr.SetSPID(uint16(c.session.ID()))
	// The client may expect packets of the size it asked for from here on, and no larger ones than the default before.
	c.wr.SetSize(min(size, tds.DefaultPacketSize))
	err := c.send(out.buf)
	out.buf = out.buf[:0]
	c.wr.SetSize(size)
	return err
}

// refuse tells the client why the connection ends here.
func (c *conn) refuse(e *sqlerr.Error) error {
	c.log.Debug("a login was refused", "number", e.Number, "state", e.State, "cause", e.Cause)
	b := tds.AppendMessage(nil, c.messageText(e))
	return c.send(tds.AppendDone(b, tds.Done, tds.DoneError, 0, 0))
}

// send sends one whole answer.
func (c *conn) send(b []byte) error {
	c.wr.Begin(tds.PacketReply)
	if _, err := c.wr.Write(b); err != nil {
		return err
	}
	return c.wr.End()
}

// quiet reports whether a failure before the login is just a client that left.
func quiet(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) }
