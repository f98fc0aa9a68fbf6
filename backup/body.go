package backup

import (
	"encoding/binary"
	"fmt"

	"linkspan/bak"
	"linkspan/lsn"
	"linkspan/storage"
)

// ChunkPages is how many pages lie in a frame: 2 MiB.
const ChunkPages = 256

// maxControls bounds the control records in a Start.
const maxControls = 64

// Start is what a backup set's payload begins with.
type Start struct {
	// Kind is bak.Full, bak.Differential or bak.Log.
	Kind bak.Type
	// Header says of which database and from where the log is; for a log backup its LogFrom is the LSN after which the
	// log begins, and Pages and Controls are empty.
	Header storage.SeedHeader
	// Base is, for a differential, the LogFrom of the full it builds on: it has the pages changed after that.
	Base lsn.LSN
}

// End is what a complete payload ends with.
type End struct {
	// Last is the LSN of the last record in the set, Digest the database's after it, Size its pages, and Time when it
	// was committed (nanoseconds since 1970).
	Last   lsn.LSN
	Digest storage.Digest
	Size   uint32
	Time   int64
	// Pages and LogBytes count what the set holds.
	Pages, LogBytes uint64
}

const lsnSize = lsn.EncodedSize

func appendStart(b []byte, s *Start) []byte {
	le := binary.LittleEndian
	h := &s.Header
	b = append(b, byte(s.Kind), 0, 0, 0)
	b = append(b, h.ID[:]...)
	b = le.AppendUint32(b, h.Epoch)
	b = le.AppendUint32(b, h.Pages)
	b = h.LogFrom.AppendTo(b)
	b = le.AppendUint64(b, uint64(h.LogOffset))
	b = h.LogPrev.AppendTo(b)
	b = le.AppendUint64(b, uint64(h.LogTime))
	b = s.Base.AppendTo(b)
	b = le.AppendUint16(b, uint16(len(h.Controls)))
	for _, c := range h.Controls {
		b = c.LSN.AppendTo(b)
		b = le.AppendUint32(b, c.Epoch)
		b = le.AppendUint16(b, c.Kind)
		b = le.AppendUint16(b, uint16(len(c.Payload)))
		b = append(b, c.Payload...)
	}
	return b
}

func parseStart(b []byte) (*Start, error) {
	d := &decoder{b: b, name: frameStart}
	s := &Start{Kind: bak.Type(d.u8())}
	d.take(3)
	h := &s.Header
	copy(h.ID[:], d.take(len(h.ID)))
	h.Epoch, h.Pages = d.u32(), d.u32()
	h.LogFrom, h.LogOffset = d.lsn(), int64(d.u64())
	h.LogPrev, h.LogTime = d.lsn(), int64(d.u64())
	s.Base = d.lsn()
	n := int(d.u16())
	if n > maxControls {
		d.fail("%d control records, more than %d", n, maxControls)
	}
	for range n {
		if d.err != nil {
			break
		}
		c := storage.Control{LSN: d.lsn(), Epoch: d.u32(), Kind: d.u16()}
		c.Payload = append([]byte(nil), d.take(int(d.u16()))...)
		h.Controls = append(h.Controls, c)
	}
	switch s.Kind {
	case bak.Full, bak.Differential, bak.Log:
	default:
		d.fail("kind %q", byte(s.Kind))
	}
	return s, d.done()
}

// pagesPrefix is the length of a Pages body before its rows, rowSize that of a row.
const (
	pagesPrefix = lsnSize + 4 + 16 + 4
	rowSize     = 4 + lsnSize + 16
)

// appendPagesPrefix appends what lies before the rows of c's pages.
func appendPagesPrefix(b []byte, c *storage.Chunk) []byte {
	b = appendPagesEnd(b, c)
	return binary.LittleEndian.AppendUint32(b, uint32(len(c.LSNs)))
}

// appendRow appends the row of the chunk's page i, whose number is no.
func appendRow(b []byte, c *storage.Chunk, i int, no uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, no)
	b = c.LSNs[i].AppendTo(b)
	return append(b, c.Hashes[i][:]...)
}

// Pages is a run of pages, not always neighbours.
type Pages struct {
	// LSN is the version the pages were read at, Size the pages the database had then and Digest its digest.
	LSN    lsn.LSN
	Size   uint32
	Digest storage.Digest
	// Numbers are the pages', LSNs their last changes and Hashes their hashes.
	Numbers []uint32
	LSNs    []lsn.LSN
	Hashes  []storage.Digest
	// Bytes holds the pages; valid until the next frame is read.
	Bytes []byte
}

func parsePages(b []byte) (*Pages, error) {
	d := &decoder{b: b, name: framePages}
	p := &Pages{LSN: d.lsn(), Size: d.u32()}
	copy(p.Digest[:], d.take(16))
	n := int(d.u32())
	if len(d.b) != n*(rowSize+storage.PageSize) || n > ChunkPages {
		d.fail("%d pages in %d bytes", n, len(d.b))
		return nil, d.err
	}
	for range n {
		p.Numbers = append(p.Numbers, d.u32())
		p.LSNs = append(p.LSNs, d.lsn())
		p.Hashes = append(p.Hashes, storage.Digest(d.take(16)))
	}
	p.Bytes = d.take(n * storage.PageSize)
	return p, d.done()
}

func appendPagesEnd(b []byte, c *storage.Chunk) []byte {
	b = c.LSN.AppendTo(b)
	b = binary.LittleEndian.AppendUint32(b, c.Size)
	return append(b, c.Digest[:]...)
}

func parsePagesEnd(b []byte) (*Pages, error) {
	d := &decoder{b: b, name: framePagesEnd}
	p := &Pages{LSN: d.lsn(), Size: d.u32()}
	copy(p.Digest[:], d.take(16))
	return p, d.done()
}

func appendEnd(b []byte, e *End) []byte {
	le := binary.LittleEndian
	b = e.Last.AppendTo(b)
	b = append(b, e.Digest[:]...)
	b = le.AppendUint32(b, e.Size)
	b = le.AppendUint64(b, uint64(e.Time))
	b = le.AppendUint64(b, e.Pages)
	return le.AppendUint64(b, e.LogBytes)
}

func parseEnd(b []byte) (*End, error) {
	d := &decoder{b: b, name: frameEnd}
	e := &End{Last: d.lsn()}
	copy(e.Digest[:], d.take(16))
	e.Size, e.Time = d.u32(), int64(d.u64())
	e.Pages, e.LogBytes = d.u64(), d.u64()
	return e, d.done()
}

// decoder takes a body apart; the first fault sticks.
type decoder struct {
	b    []byte
	name frameType
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s frame: %s", ErrFormat, d.name, fmt.Sprintf(format, args...))
	}
}

// take gives the next n bytes, or zeros after a fault.
func (d *decoder) take(n int) []byte {
	if d.err == nil && n <= len(d.b) {
		out := d.b[:n]
		d.b = d.b[n:]
		return out
	}
	d.fail("it is too short")
	return make([]byte, min(n, 1<<16))
}

func (d *decoder) u8() byte    { return d.take(1)[0] }
func (d *decoder) u16() uint16 { return binary.LittleEndian.Uint16(d.take(2)) }
func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *decoder) u64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) lsn() lsn.LSN {
	l, err := lsn.Decode(d.take(lsnSize))
	if err != nil {
		d.fail("%v", err)
	}
	return l
}

func (d *decoder) done() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	return d.err
}
