package bak

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Compressor writes the compressed container around what a Writer writes: give it to NewWriter as the writer of one
// stripe. What it makes is read by this package; whether SQL Server restores it is not verified.
type Compressor struct {
	w   io.Writer
	off int64
	enc xpressEncoder
	buf []byte
	// block is room to put a block together.
	block []byte
}

// NewCompressor begins a container on w.
func NewCompressor(w io.Writer) (*Compressor, error) {
	c := &Compressor{w: w}
	head := make([]byte, firstRecord)
	copy(head, compressedMagic)
	binary.LittleEndian.PutUint16(head[8:], 2)
	binary.LittleEndian.PutUint32(head[12:], 3)
	return c, c.put(head)
}

func (c *Compressor) put(b []byte) error {
	n, err := c.w.Write(b)
	c.off += int64(n)
	return err
}

// Write takes whole blocks, as Writer gives them: a soft filemark stays as it is on a sector border, everything else is
// compressed in chunks of up to 64 KiB. len(p) must be a multiple of 512.
func (c *Compressor) Write(p []byte) (int, error) {
	if len(p)%sectorSize != 0 {
		return 0, fmt.Errorf("write compressed backup: %d bytes are not whole sectors", len(p))
	}
	if bytes.HasPrefix(p, []byte(blockMark)) {
		if err := c.pad(); err != nil {
			return 0, err
		}
		return len(p), c.put(p)
	}
	for done := 0; done < len(p); {
		n := min(len(p)-done, maxChunk)
		if err := c.chunk(p[done : done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// pad writes a padding record up to the next sector border.
func (c *Compressor) pad() error {
	gap := (sectorSize - c.off%sectorSize) % sectorSize
	if gap == 0 {
		return nil
	}
	if gap < recordHeader {
		gap += sectorSize
	}
	b := make([]byte, gap)
	b[0] = recPadding
	binary.LittleEndian.PutUint16(b[2:], uint16(gap-recordHeader))
	return c.put(b)
}

// chunk writes one chunk; data that does not shrink is halved until it fits the 16-bit size.
func (c *Compressor) chunk(p []byte) error {
	c.buf = append(c.buf[:0], make([]byte, chunkHeader)...)
	c.buf = c.enc.encode(c.buf, p)
	size := len(c.buf) - chunkHeader
	if size > 0xffff {
		half := len(p) / 2 / sectorSize * sectorSize
		if err := c.chunk(p[:half]); err != nil {
			return err
		}
		return c.chunk(p[half:])
	}
	c.buf[0], c.buf[1] = recChunk, byte(len(p)/sectorSize)
	binary.LittleEndian.PutUint16(c.buf[2:], uint16(size))
	binary.LittleEndian.PutUint32(c.buf[24:], chunkSum(c.buf[chunkHeader:]))
	return c.put(c.buf)
}
