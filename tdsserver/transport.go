package tdsserver

import (
	"bufio"
	"io"
	"net"
	"time"

	"linkspan/internal/clock"
	"linkspan/tds"
)

// transport is what lies under TDS or under its TLS: a socket with a read buffer. For TLS inside TDS it hides the
// packets of type 0x12 that carry the handshake ([MS-TDS] 2.2.6.5).
type transport struct {
	net.Conn
	br *bufio.Reader
	// wrapped is true while TLS records travel inside packets.
	wrapped bool
	// exact makes reads stop at the end of each TLS record, so that nothing behind the login is swallowed when TLS is
	// dropped after it.
	exact bool
	left  int // bytes that may be read before the next packet or record header
}

// readBuffer is the size of a connection's read buffer; with writes it is what an idle connection costs.
const readBuffer = 4096

func newTransport(nc net.Conn) *transport {
	return &transport{Conn: nc, br: bufio.NewReaderSize(nc, readBuffer)}
}

// Read implements net.Conn.
func (t *transport) Read(p []byte) (int, error) {
	if !t.wrapped && !t.exact && t.left == 0 {
		return t.br.Read(p)
	}
	for t.left == 0 {
		if err := t.nextFrame(); err != nil {
			return 0, err
		}
	}
	n, err := t.br.Read(p[:min(len(p), t.left)])
	t.left -= n
	return n, err
}

func (t *transport) nextFrame() error {
	if t.wrapped {
		var b [tds.HeaderSize]byte
		if _, err := io.ReadFull(t.br, b[:]); err != nil {
			return err
		}
		h, err := tds.ParseHeader(b[:])
		if err != nil {
			return err
		}
		if h.Type != tds.PacketPrelogin {
			return errNoHandshake
		}
		t.left = int(h.Length) - tds.HeaderSize
		return nil
	}
	const recordHeader = 5
	b, err := t.br.Peek(recordHeader)
	if err != nil {
		return err
	}
	t.left = recordHeader + int(b[3])<<8 + int(b[4])
	return nil
}

// Write implements net.Conn.
func (t *transport) Write(p []byte) (int, error) {
	if !t.wrapped {
		return t.Conn.Write(p)
	}
	const room = tds.DefaultPacketSize - tds.HeaderSize
	b := make([]byte, 0, len(p)+(len(p)/room+1)*tds.HeaderSize)
	for id, rest := uint8(1), p; len(rest) > 0; id++ {
		n := min(len(rest), room)
		h := tds.Header{Type: tds.PacketPrelogin, Length: uint16(n + tds.HeaderSize), ID: id}
		if n == len(rest) {
			h.Status = tds.StatusEOM
		}
		b = append(tds.AppendHeader(b, h), rest[:n]...)
		rest = rest[n:]
	}
	if _, err := t.Conn.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// patientWriter gives each write a deadline of its own, once a session has begun.
type patientWriter struct {
	nc      net.Conn
	clock   clock.Clock
	timeout time.Duration
	dst     io.Writer
}

// Write implements io.Writer.
func (w *patientWriter) Write(p []byte) (int, error) {
	if w.timeout > 0 {
		if err := w.nc.SetWriteDeadline(w.clock.Now().Add(w.timeout)); err != nil {
			return 0, err
		}
	}
	return w.dst.Write(p)
}
