package backup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"linkspan/bak"
)

// Version is the payload's format version.
const Version = 1

// Sizes of the format.
const (
	frameHeader = 64
	sector      = 512
	// MaxBody bounds a frame's body.
	MaxBody = 8 << 20
)

// frameType says what a frame's body is.
type frameType uint8

const (
	frameStart    frameType = 1
	framePages    frameType = 2
	framePagesEnd frameType = 3
	frameLog      frameType = 4
	frameEnd      frameType = 5
)

// String names the type as SPEC.md does.
func (t frameType) String() string {
	if n := [...]string{1: "Start", 2: "Pages", 3: "PagesEnd", 4: "Log", 5: "End"}; int(t) < len(n) && n[t] != "" {
		return n[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

var magic = []byte("LSPF")

// ErrFormat is wrapped by every error about bytes that are not what SPEC.md says; the text names the frame.
var ErrFormat = errors.New("not the payload of a Linkspan backup")

// castagnoli returns the CRC-32C table (the standard library keeps one).
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// beginFrame appends room for a header to dst[:0]; the body follows.
func beginFrame(dst []byte) []byte {
	var h [frameHeader]byte
	return append(dst[:0], h[:]...)
}

// sealFrame fills the header of the frame in b and pads it to whole sectors.
func sealFrame(b []byte, t frameType, number uint64, set bak.GUID) []byte {
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint16(b[4:], Version)
	b[6] = byte(t)
	le.PutUint64(b[8:], number)
	le.PutUint32(b[16:], uint32(len(b)-frameHeader))
	copy(b[24:], set[:])
	le.PutUint32(b[20:], crc32.Checksum(b, castagnoli()))
	if over := len(b) % sector; over != 0 {
		b = append(b, make([]byte, sector-over)...)
	}
	return b
}

// readFrame reads one frame into buf, grown as needed, and checks it. io.EOF: the stream ended before it.
func readFrame(r io.Reader, number uint64, set bak.GUID, buf []byte) (frameType, []byte, error) {
	buf = grow(buf, frameHeader)
	if _, err := io.ReadFull(r, buf); err != nil {
		return 0, buf, err
	}
	le := binary.LittleEndian
	t, n, sum := frameType(buf[6]), int(le.Uint32(buf[16:])), le.Uint32(buf[20:])
	switch {
	case !bytes.Equal(buf[:4], magic):
		return 0, buf, fmt.Errorf("%w: frame %d does not begin with %q", ErrFormat, number, magic)
	case le.Uint16(buf[4:]) != Version:
		return 0, buf, fmt.Errorf("%w: frame %d is of version %d, this program reads version %d", ErrFormat, number, le.Uint16(buf[4:]), Version)
	case n > MaxBody:
		return 0, buf, fmt.Errorf("%w: frame %d declares %d bytes, more than %d", ErrFormat, number, n, MaxBody)
	}
	whole := (frameHeader + n + sector - 1) / sector * sector
	head := [frameHeader]byte(buf)
	buf = grow(buf, whole)
	copy(buf, head[:])
	if _, err := io.ReadFull(r, buf[frameHeader:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, buf, fmt.Errorf("read frame %d: %w", number, err)
	}
	le.PutUint32(buf[20:], 0)
	if got := crc32.Checksum(buf[:frameHeader+n], castagnoli()); got != sum {
		return 0, buf, fmt.Errorf("%w: frame %d has checksum %08x, it should be %08x: the file is damaged", ErrFormat, number, got, sum)
	}
	if got := le.Uint64(buf[8:]); got != number {
		return 0, buf, fmt.Errorf("%w: frame %d is where frame %d should be: stripes are missing or in another order", ErrFormat, got, number)
	}
	if got := bak.GUID(buf[24:40]); got != set {
		return 0, buf, fmt.Errorf("%w: frame %d belongs to backup set %s, not to %s", ErrFormat, number, got, set)
	}
	return t, buf[:frameHeader+n], nil
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
