package hadrwire

import (
	"bytes"
	"encoding/binary"
	"time"

	"linkspan/lsn"
)

// SeedHeader describes a seeding, as storage.SeedHeader does.
type SeedHeader struct {
	Origin           [16]byte
	Epoch, Pages     uint32
	LogFrom, LogPrev lsn.LSN
	LogOffset        int64
	LogTime          int64
	// Controls are the latest control records of each kind.
	Controls []Control
}

// Control is a control record, as storage.Control is.
type Control struct {
	LSN     lsn.LSN
	Epoch   uint32
	Kind    uint16
	Payload []byte
}

// maxControls bounds the controls of a header.
const maxControls = 256

func (h *SeedHeader) encode(e *encoder) {
	e.id(h.Origin)
	e.u32(h.Epoch)
	e.u32(h.Pages)
	e.lsn(h.LogFrom)
	e.lsn(h.LogPrev)
	e.u64(uint64(h.LogOffset))
	e.u64(uint64(h.LogTime))
	e.u16(uint16(len(h.Controls)))
	for _, c := range h.Controls {
		e.lsn(c.LSN)
		e.u32(c.Epoch)
		e.u16(c.Kind)
		e.u16(uint16(len(c.Payload)))
		e.rest(c.Payload)
	}
}

func (h *SeedHeader) decode(d *decoder) {
	h.Origin = d.id()
	h.Epoch, h.Pages = d.u32(), d.u32()
	h.LogFrom, h.LogPrev = d.lsn(), d.lsn()
	h.LogOffset, h.LogTime = int64(d.u64()), int64(d.u64())
	n := int(d.u16())
	if n > maxControls {
		d.fail("%d control records, more than %d", n, maxControls)
		return
	}
	for range n {
		c := Control{LSN: d.lsn(), Epoch: d.u32(), Kind: d.u16()}
		c.Payload = bytes.Clone(d.take(int(d.u16())))
		h.Controls = append(h.Controls, c)
	}
}

// SeedRequest asks for pages. With Resume the copy has the pages before NextPage of the seeding that Header describes.
type SeedRequest struct {
	Operation [16]byte
	Resume    bool
	Header    SeedHeader
	NextPage  uint32
	// Difference tells that the seeding to resume is one by difference; Pages that the copy has pages of the database, so
	// that a new seeding can be one.
	Difference, Pages bool
}

// Type implements Message.
func (*SeedRequest) Type() Type { return TypeSeedRequest }

func (m *SeedRequest) encode(e *encoder) {
	e.id(m.Operation)
	e.bool(m.Resume)
	m.Header.encode(e)
	e.u32(m.NextPage)
	e.bool(m.Difference)
	e.bool(m.Pages)
}

func (m *SeedRequest) decode(d *decoder) {
	m.Operation = d.id()
	m.Resume = d.bool()
	m.Header.decode(d)
	m.NextPage = d.u32()
	m.Difference, m.Pages = d.bool(), d.bool()
}

// SeedStart answers a SeedRequest. Resumed repeats the header asked for and continues; otherwise it is a new seeding and
// what the copy has is to be discarded.
type SeedStart struct {
	Resumed bool
	Header  SeedHeader
	// Operation is the source's id of it.
	Operation [16]byte
	// Difference: the copy sends SeedHashes, and each is answered with a SeedDelta, instead of SeedChunks unasked.
	Difference bool
}

// Type implements Message.
func (*SeedStart) Type() Type { return TypeSeedStart }

func (m *SeedStart) encode(e *encoder) {
	e.bool(m.Resumed)
	m.Header.encode(e)
	e.id(m.Operation)
	e.bool(m.Difference)
}

func (m *SeedStart) decode(d *decoder) {
	m.Resumed = d.bool()
	m.Header.decode(d)
	m.Operation = d.id()
	m.Difference = d.bool()
}

// SeedChunk is a run of pages, as storage.Chunk is. One without pages is the last.
type SeedChunk struct {
	First, Size uint32
	LSN         lsn.LSN
	Digest      [16]byte
	LSNs        []lsn.LSN
	Hashes      [][16]byte
	// Pages are len(LSNs) pages of one size.
	Pages []byte
}

// Type implements Message.
func (*SeedChunk) Type() Type { return TypeSeedChunk }

func (m *SeedChunk) encode(e *encoder) {
	m.encodeHead(e)
	e.rest(m.Pages)
}

// AppendChunk appends the frame of m without its pages, which MUST be written right after it: so they are not copied.
func AppendChunk(b []byte, m *SeedChunk) []byte {
	start := len(b)
	e := encoder{b: append(b, 0, 0, 0, 0, byte(TypeSeedChunk))}
	m.encodeHead(&e)
	binary.LittleEndian.PutUint32(e.b[start:], uint32(len(e.b)-start-4+len(m.Pages)))
	return e.b
}

func (m *SeedChunk) encodeHead(e *encoder) {
	e.u32(m.First)
	e.u32(m.Size)
	e.lsn(m.LSN)
	e.id(m.Digest)
	e.u32(uint32(len(m.LSNs)))
	for i := range m.LSNs {
		e.lsn(m.LSNs[i])
		e.id(m.Hashes[i])
	}
}

func (m *SeedChunk) decode(d *decoder) {
	m.First, m.Size = d.u32(), d.u32()
	m.LSN = d.lsn()
	m.Digest = d.id()
	n := d.u32()
	if n > MaxChunkPages {
		d.fail("%d pages in a chunk, more than %d", n, MaxChunkPages)
		return
	}
	if len(d.b) < int(n)*(lsn.EncodedSize+16) {
		d.fail("%d pages announced, %d bytes there", n, len(d.b))
		return
	}
	m.LSNs, m.Hashes = make([]lsn.LSN, n), make([][16]byte, n)
	for i := range m.LSNs {
		m.LSNs[i], m.Hashes[i] = d.lsn(), d.id()
	}
	m.Pages = d.rest()
	if n == 0 && len(m.Pages) > 0 || n > 0 && (len(m.Pages)%int(n) != 0 || len(m.Pages)/int(n) > MaxPageSize || len(m.Pages) == 0) {
		d.fail("%d bytes for %d pages", len(m.Pages), n)
	}
}

// SeedAck tells the source what is safely installed.
type SeedAck struct {
	NextPage uint32
	Bytes    uint64
}

// Type implements Message.
func (*SeedAck) Type() Type { return TypeSeedAck }

func (m *SeedAck) encode(e *encoder) {
	e.u32(m.NextPage)
	e.u64(m.Bytes)
}

func (m *SeedAck) decode(d *decoder) {
	m.NextPage = d.u32()
	m.Bytes = d.u64()
}

// LogRequest asks for the records after an LSN.
type LogRequest struct {
	Origin [16]byte
	Epoch  uint32
	After  lsn.LSN
	// Seeding: the copy is not whole yet.
	Seeding bool
}

// Type implements Message.
func (*LogRequest) Type() Type { return TypeLogRequest }

func (m *LogRequest) encode(e *encoder) {
	e.id(m.Origin)
	e.u32(m.Epoch)
	e.lsn(m.After)
	e.bool(m.Seeding)
}

func (m *LogRequest) decode(d *decoder) {
	m.Origin = d.id()
	m.Epoch = d.u32()
	m.After = d.lsn()
	m.Seeding = d.bool()
}

// LogStart grants a LogRequest.
type LogStart struct{ After lsn.LSN }

// Type implements Message.
func (*LogStart) Type() Type          { return TypeLogStart }
func (m *LogStart) encode(e *encoder) { e.lsn(m.After) }
func (m *LogStart) decode(d *decoder) { m.After = d.lsn() }

// LogBatch is a run of whole records, as storage.Batch is.
type LogBatch struct {
	First, Last lsn.LSN
	// Digest is the database's after Last; zero when Last does not end a commit.
	Digest [16]byte
	// Published is the source's published LSN: the copy publishes no further.
	Published lsn.LSN
	// Time is when Last was committed, Sent when the batch was sent, both by the source's clock.
	Time, Sent time.Time
	Records    []byte
}

// Type implements Message.
func (*LogBatch) Type() Type { return TypeLogBatch }

func (m *LogBatch) encode(e *encoder) {
	e.lsn(m.First)
	e.lsn(m.Last)
	e.id(m.Digest)
	e.lsn(m.Published)
	e.time(m.Time)
	e.time(m.Sent)
	e.rest(m.Records)
}

func (m *LogBatch) decode(d *decoder) {
	m.First, m.Last = d.lsn(), d.lsn()
	m.Digest = d.id()
	m.Published = d.lsn()
	m.Time, m.Sent = d.time(), d.time()
	m.Records = d.rest()
}
