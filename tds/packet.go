package tds

import (
	"encoding/binary"
	"fmt"
	"io"
)

// PacketType says what a message is ([MS-TDS] 2.2.3.1.1).
type PacketType uint8

// The message types that a server meets.
const (
	PacketBatch       PacketType = 1
	PacketOldLogin    PacketType = 2
	PacketRPC         PacketType = 3
	PacketReply       PacketType = 4
	PacketAttention   PacketType = 6
	PacketBulkLoad    PacketType = 7
	PacketFedAuth     PacketType = 8
	PacketTransaction PacketType = 14
	PacketLogin7      PacketType = 16
	PacketSSPI        PacketType = 17
	PacketPrelogin    PacketType = 18
)

// Status bits of a packet header ([MS-TDS] 2.2.3.1.2).
const (
	StatusEOM         = 0x01
	StatusIgnore      = 0x02
	StatusReset       = 0x08
	StatusResetKeepTx = 0x10
)

// Sizes of packets in bytes, header included.
const (
	HeaderSize        = 8
	MinPacketSize     = 512
	DefaultPacketSize = 4096
	MaxPacketSize     = 32767
)

// Header is a packet's header ([MS-TDS] 2.2.3.1).
type Header struct {
	Type   PacketType
	Status uint8
	// Length counts the header too.
	Length uint16
	SPID   uint16
	ID     uint8
}

// ParseHeader reads a packet header and checks its length against the largest packet.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, malformed("a packet header of %d bytes", len(b))
	}
	h := Header{Type: PacketType(b[0]), Status: b[1], Length: binary.BigEndian.Uint16(b[2:]), SPID: binary.BigEndian.Uint16(b[4:]), ID: b[6]}
	if h.Length < HeaderSize || h.Length > MaxPacketSize {
		return h, malformed("a packet of type %d claims %d bytes", h.Type, h.Length)
	}
	return h, nil
}

// AppendHeader appends h.
func AppendHeader(b []byte, h Header) []byte {
	return append(b, byte(h.Type), h.Status, byte(h.Length>>8), byte(h.Length), byte(h.SPID>>8), byte(h.SPID), h.ID, 0)
}

// Message is what one or more packets carry, put together.
type Message struct {
	Type PacketType
	// Status is that of the first packet, with StatusIgnore added when the last one has it.
	Status  uint8
	Payload []byte
}

// Reader puts messages together from packets. Not safe for concurrent use.
type Reader struct {
	r   io.Reader
	hdr [HeaderSize]byte
	// AfterPacket, when set, runs after each packet; a server that leaves TLS after the first packet of the login uses
	// it to change the source.
	AfterPacket func(Header)
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Source replaces what the packets are read from.
func (r *Reader) Source(src io.Reader) { r.r = src }

// Next reads one message and appends its payload to buf[:0]. A message above limit bytes is read to its end, up to
// twice the limit, without being kept, so that the sender can still be told; the error is ErrTooLarge. io.EOF means
// that the stream ended between two messages.
func (r *Reader) Next(limit int, buf []byte) (Message, error) {
	m := Message{Payload: buf[:0]}
	for first, total := true, 0; ; first = false {
		h, err := r.header(first)
		if err != nil {
			return m, err
		}
		if first {
			m.Type, m.Status = h.Type, h.Status
		} else if h.Type != m.Type {
			return m, malformed("a packet of type %d inside a message of type %d", h.Type, m.Type)
		}
		n := int(h.Length) - HeaderSize
		if total += n; total > 2*limit+MaxPacketSize {
			return m, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, total)
		}
		if m.Payload, err = r.payload(m.Payload, n, total <= limit); err != nil {
			return m, err
		}
		if r.AfterPacket != nil {
			r.AfterPacket(h)
		}
		if h.Status&StatusEOM != 0 {
			m.Status |= h.Status & StatusIgnore
			if total > limit {
				return m, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, total, limit)
			}
			return m, nil
		}
	}
}

func (r *Reader) header(first bool) (Header, error) {
	if _, err := io.ReadFull(r.r, r.hdr[:]); err != nil {
		if err == io.EOF && !first {
			err = io.ErrUnexpectedEOF
		}
		return Header{}, err
	}
	return ParseHeader(r.hdr[:])
}

// payload reads n bytes behind b, or drops them. The slice grows with what has arrived, not with what was announced.
func (r *Reader) payload(b []byte, n int, keep bool) ([]byte, error) {
	at := len(b)
	if cap(b)-at < n {
		b = append(make([]byte, 0, 2*(at+n)), b...)
	}
	if _, err := io.ReadFull(r.r, b[at:at+n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return b, err
	}
	if !keep {
		return b, nil
	}
	return b[:at+n], nil
}

// flushAt is how many bytes of whole packets a Writer gathers before it hands them on: large enough to make a system
// call worth its price, small enough to keep a result flowing.
const flushAt = 48 << 10

// Writer cuts a message into packets. It gathers packets and hands them to the destination in large pieces. Not safe
// for concurrent use.
type Writer struct {
	w     io.Writer
	size  int
	spid  uint16
	typ   PacketType
	id    uint8
	buf   []byte
	start int // where the open packet begins in buf
}

// NewWriter returns a Writer to w with the default packet size.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, size: DefaultPacketSize} }

// Destination replaces what the packets are written to.
func (w *Writer) Destination(dst io.Writer) { w.w = dst }

// SetSize changes the packet size between two messages.
func (w *Writer) SetSize(n int) { w.size = min(max(n, MinPacketSize), MaxPacketSize) }

// SetSPID sets the session number in the headers.
func (w *Writer) SetSPID(spid uint16) { w.spid = spid }

// Begin starts a message.
func (w *Writer) Begin(t PacketType) {
	w.typ, w.id, w.buf = t, 0, w.buf[:0]
	w.open()
}

func (w *Writer) open() {
	w.start = len(w.buf)
	w.id++
	w.buf = AppendHeader(w.buf, Header{Type: w.typ, SPID: w.spid, ID: w.id})
}

// shut fills in the length and status of the open packet.
func (w *Writer) shut(status uint8) {
	binary.BigEndian.PutUint16(w.buf[w.start+2:], uint16(len(w.buf)-w.start))
	w.buf[w.start+1] = status
}

// Write adds p to the message.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for {
		room := min(w.size-(len(w.buf)-w.start), len(p))
		w.buf = append(w.buf, p[:room]...)
		if p = p[room:]; len(p) == 0 {
			return n, nil
		}
		w.shut(0)
		if len(w.buf) >= flushAt {
			if err := w.out(); err != nil {
				return 0, err
			}
		}
		w.open()
	}
}

// Flush hands on everything written so far, if need be in a short packet.
func (w *Writer) Flush() error {
	if len(w.buf)-w.start > HeaderSize {
		w.shut(0)
		if err := w.out(); err != nil {
			return err
		}
		w.open()
		return nil
	}
	if w.start == 0 {
		return nil
	}
	w.buf, w.id = w.buf[:w.start], w.id-1
	if err := w.out(); err != nil {
		return err
	}
	w.open()
	return nil
}

// keepBuffer is the largest buffer that a Writer keeps between two messages: idle connections are many.
const keepBuffer = 16 << 10

// End ends the message and hands it on.
func (w *Writer) End() error {
	w.shut(StatusEOM)
	err := w.out()
	if cap(w.buf) > keepBuffer {
		w.buf = nil
	}
	return err
}

func (w *Writer) out() error {
	_, err := w.w.Write(w.buf)
	w.buf, w.start = w.buf[:0], 0
	return err
}
