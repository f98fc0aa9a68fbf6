package tds

import "encoding/binary"

// cursor reads little-endian fields from untrusted bytes. The first read past the end sets err and every later one
// yields zeros, so that a decoder checks once per structure instead of once per field.
type cursor struct {
	b   []byte
	pos int
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = malformed(format, args...)
	}
}

func (c *cursor) left() int { return len(c.b) - c.pos }

// bytes gives the next n bytes, which stay part of the message.
func (c *cursor) bytes(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n < 0 || n > c.left() {
		c.fail("%d bytes are announced at offset %d, %d are there", n, c.pos, c.left())
		return nil
	}
	p := c.b[c.pos : c.pos+n]
	c.pos += n
	return p
}

func (c *cursor) u8() uint8 {
	if p := c.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if p := c.bytes(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if p := c.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.bytes(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// bVarChar is a string behind a length byte, in characters of two bytes.
func (c *cursor) bVarChar() string { return decodeUTF16(c.bytes(2 * int(c.u8()))) }

// usVarChar is a string behind a length of two bytes, in characters of two bytes.
func (c *cursor) usVarChar() string { return decodeUTF16(c.bytes(2 * int(c.u16()))) }
