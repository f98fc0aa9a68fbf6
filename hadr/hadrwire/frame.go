package hadrwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Version is the protocol's; instances of different versions refuse each other.
const Version = 3

// ErrMalformed is wrapped by every error about the form of what was received.
var ErrMalformed = errors.New("malformed message")

// Type is the type of a message.
type Type uint8

// The types.
const (
	TypeHello Type = iota + 1
	TypeConfig
	TypeRefuse
	TypeHeartbeat
	TypeProgress
	TypeSuspend
	TypeResume
	TypeSeedRequest
	TypeSeedStart
	TypeSeedChunk
	TypeSeedAck
	TypeLogRequest
	TypeLogStart
	TypeLogBatch
	TypeRotate
	TypeRotated
	TypeTurnOver
	TypeModes
	TypeState
	// What copies compare page by page.
	TypeSeedHashes    Type = 0x60
	TypeSeedDelta     Type = 0x61
	TypeHashesRequest Type = 0x62
	TypePageHashes    Type = 0x63
	TypePageRequest   Type = 0x64
	TypePage          Type = 0x65

	TypeVersionRequest Type = 0x66
	TypeVersionHeld    Type = 0x67
	TypePagesRequest   Type = 0x68
	TypePages          Type = 0x69
	// TypeProbe and TypeProbed stand apart, so that instances of any version can probe each other.
	TypeProbe  Type = 0x70
	TypeProbed Type = 0x71
)

// Limits, in bytes.
const (
	maxSmall  = 64 << 10
	maxHeader = 2 << 20 // a SeedHeader with its control records
	// MaxChunkPages is the most pages in one SeedChunk.
	MaxChunkPages = 1024
	// MaxPageSize bounds the page size that a chunk may have.
	MaxPageSize = 64 << 10
	maxChunk    = MaxChunkPages*(8192+32) + 1<<10
	// MaxBatch is the most bytes of records in one LogBatch; a larger commit comes in several.
	MaxBatch = 16 << 20
	// step is how much is allocated ahead of the bytes that really come.
	step = 1 << 20
)

func (t Type) limit() int {
	switch t {
	case TypeSeedChunk, TypeSeedDelta, TypePages:
		return maxChunk
	case TypePage:
		return MaxPageSize + 1<<10
	case TypeLogBatch:
		return MaxBatch + 1<<10
	case TypeSeedRequest, TypeSeedStart:
		return maxHeader
	default:
		return maxSmall
	}
}

// Message is one message.
type Message interface {
	// Type is the message's type.
	Type() Type
	encode(*encoder)
	decode(*decoder)
}

// Append appends the frame of m to b.
func Append(b []byte, m Message) []byte {
	start := len(b)
	e := encoder{b: append(b, 0, 0, 0, 0, byte(m.Type()))}
	m.encode(&e)
	binary.LittleEndian.PutUint32(e.b[start:], uint32(len(e.b)-start-4))
	return e.b
}

// Write writes the frame of m with one call.
func Write(w io.Writer, m Message) error {
	_, err := w.Write(Append(nil, m))
	return err
}

// Reader reads frames from a stream. It is for one goroutine.
type Reader struct {
	r   io.Reader
	buf []byte
}

// NewReader reads from r, which should be buffered if small reads cost.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next reads one message. Slices in it are valid until the next call. The end of the stream between two frames is io.EOF.
func (r *Reader) Next() (Message, error) {
	var head [5]byte
	if _, err := io.ReadFull(r.r, head[:1]); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r.r, head[1:]); err != nil {
		return nil, cutOff(err)
	}
	n, t := int(binary.LittleEndian.Uint32(head[:])), Type(head[4])
	m := newMessage(t)
	if m == nil {
		return nil, fmt.Errorf("%w: type %d", ErrMalformed, t)
	}
	if n < 1 || n-1 > t.limit() {
		return nil, fmt.Errorf("%w: a message of type %d with %d bytes, more than %d", ErrMalformed, t, n, t.limit())
	}
	if err := r.fill(n - 1); err != nil {
		return nil, cutOff(err)
	}
	return m, Decode(m, r.buf)
}

// fill reads n bytes into r.buf, allocating no more than step ahead of what has come.
func (r *Reader) fill(n int) error {
	r.buf = r.buf[:0]
	for len(r.buf) < n {
		m := min(n-len(r.buf), max(step, len(r.buf)))
		if cap(r.buf) < len(r.buf)+m {
			r.buf = append(make([]byte, 0, len(r.buf)+m), r.buf...)
		}
		at := len(r.buf)
		r.buf = r.buf[:at+m]
		if _, err := io.ReadFull(r.r, r.buf[at:]); err != nil {
			return err
		}
	}
	return nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Decode reads the message from exactly b, which it refers to afterwards.
func Decode(m Message, b []byte) error {
	d := decoder{b: b}
	m.decode(&d)
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	if d.err != nil {
		return fmt.Errorf("%w of type %d: %w", ErrMalformed, m.Type(), d.err)
	}
	return nil
}

func newMessage(t Type) Message {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeConfig:
		return new(Config)
	case TypeRefuse:
		return new(Refuse)
	case TypeHeartbeat:
		return new(Heartbeat)
	case TypeProgress:
		return new(Progress)
	case TypeSuspend:
		return new(Suspend)
	case TypeResume:
		return new(Resume)
	case TypeSeedRequest:
		return new(SeedRequest)
	case TypeSeedStart:
		return new(SeedStart)
	case TypeSeedChunk:
		return new(SeedChunk)
	case TypeSeedAck:
		return new(SeedAck)
	case TypeLogRequest:
		return new(LogRequest)
	case TypeLogStart:
		return new(LogStart)
	case TypeLogBatch:
		return new(LogBatch)
	case TypeRotate:
		return new(Rotate)
	case TypeRotated:
		return new(Rotated)
	case TypeTurnOver:
		return new(TurnOver)
	case TypeModes:
		return new(Modes)
	case TypeState:
		return new(State)
	case TypeSeedHashes:
		return new(SeedHashes)
	case TypeSeedDelta:
		return new(SeedDelta)
	case TypeHashesRequest:
		return new(HashesRequest)
	case TypePageHashes:
		return new(PageHashes)
	case TypePageRequest:
		return new(PageRequest)
	case TypeVersionRequest:
		return new(VersionRequest)
	case TypeVersionHeld:
		return new(VersionHeld)
	case TypePagesRequest:
		return new(PagesRequest)
	case TypePages:
		return new(Pages)
	case TypePage:
		return new(Page)
	case TypeProbe:
		return new(Probe)
	case TypeProbed:
		return new(Probed)
	default:
		return nil
	}
}
