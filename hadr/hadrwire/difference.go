package hadrwire

import "linkspan/lsn"

// SeedHashes tells the source what the copy has of a run of pages, and asks for those that differ. Runs follow one
// another; one that does not begin where the last answer ended is not answered.
type SeedHashes struct {
	First uint32
	// Hashes are of the content of the pages from First on, at most MaxChunkPages.
	Hashes [][16]byte
}

// Type implements Message.
func (*SeedHashes) Type() Type { return TypeSeedHashes }

func (m *SeedHashes) encode(e *encoder) {
	e.u32(m.First)
	e.hashes(m.Hashes)
}

func (m *SeedHashes) decode(d *decoder) {
	m.First = d.u32()
	m.Hashes = d.hashes()
}

// SeedDelta answers SeedHashes: a SeedChunk that leaves out the pages that the copy has. One without pages is the last.
type SeedDelta struct {
	First, Size uint32
	LSN         lsn.LSN
	Digest      [16]byte
	LSNs        []lsn.LSN
	Hashes      [][16]byte
	// Have tells, for each of LSNs, that the copy has the page with this content.
	Have []bool
	// Pages are those that it has not.
	Pages []byte
}

// Type implements Message.
func (*SeedDelta) Type() Type { return TypeSeedDelta }

func (m *SeedDelta) encode(e *encoder) {
	e.u32(m.First)
	e.u32(m.Size)
	e.lsn(m.LSN)
	e.id(m.Digest)
	e.u32(uint32(len(m.LSNs)))
	for i := range m.LSNs {
		e.bool(m.Have[i])
		e.lsn(m.LSNs[i])
		e.id(m.Hashes[i])
	}
	e.rest(m.Pages)
}

func (m *SeedDelta) decode(d *decoder) {
	m.First, m.Size = d.u32(), d.u32()
	m.LSN = d.lsn()
	m.Digest = d.id()
	n := d.u32()
	if n > MaxChunkPages {
		d.fail("%d pages in a chunk, more than %d", n, MaxChunkPages)
		return
	}
	if len(d.b) < int(n)*(1+lsn.EncodedSize+16) {
		d.fail("%d pages announced, %d bytes there", n, len(d.b))
		return
	}
	m.LSNs, m.Hashes, m.Have = make([]lsn.LSN, n), make([][16]byte, n), make([]bool, n)
	sent := 0
	for i := range m.LSNs {
		if m.Have[i] = d.bool(); !m.Have[i] {
			sent++
		}
		m.LSNs[i], m.Hashes[i] = d.lsn(), d.id()
	}
	m.Pages = d.rest()
	if sent == 0 && len(m.Pages) > 0 || sent > 0 && (len(m.Pages)%sent != 0 || len(m.Pages)/sent > MaxPageSize || len(m.Pages) == 0) {
		d.fail("%d bytes for %d pages", len(m.Pages), sent)
	}
}

// HashesRequest asks, first on a stream and again after each answer, for the hashes of pages as of an LSN: to find the
// page in which two copies of one LSN differ.
type HashesRequest struct {
	Origin [16]byte
	At     lsn.LSN
	First  uint32
	// Count is at most MaxChunkPages.
	Count uint32
}

// Type implements Message.
func (*HashesRequest) Type() Type { return TypeHashesRequest }

func (m *HashesRequest) encode(e *encoder) {
	e.id(m.Origin)
	e.lsn(m.At)
	e.u32(m.First)
	e.u32(m.Count)
}

func (m *HashesRequest) decode(d *decoder) {
	m.Origin = d.id()
	m.At = d.lsn()
	m.First, m.Count = d.u32(), d.u32()
	if m.First == 0 || m.Count == 0 || m.Count > MaxChunkPages {
		d.fail("%d pages from %d on", m.Count, m.First)
	}
}

// PageHashes answers a HashesRequest; it has fewer than were asked for where the database ends.
type PageHashes struct {
	First  uint32
	Hashes [][16]byte
}

// Type implements Message.
func (*PageHashes) Type() Type { return TypePageHashes }

func (m *PageHashes) encode(e *encoder) {
	e.u32(m.First)
	e.hashes(m.Hashes)
}

func (m *PageHashes) decode(d *decoder) {
	m.First = d.u32()
	m.Hashes = d.hashes()
}

// PageRequest asks for one page whose content has the hash, to repair a damaged one.
type PageRequest struct {
	Origin [16]byte
	Page   uint32
	Want   [16]byte
}

// Type implements Message.
func (*PageRequest) Type() Type { return TypePageRequest }

func (m *PageRequest) encode(e *encoder) {
	e.id(m.Origin)
	e.u32(m.Page)
	e.id(m.Want)
}

func (m *PageRequest) decode(d *decoder) {
	m.Origin = d.id()
	if m.Page = d.u32(); m.Page == 0 {
		d.fail("page 0")
	}
	m.Want = d.id()
}

// Page answers a PageRequest; without Data, Reason says why there is none.
type Page struct {
	Page   uint32
	Reason string
	Data   []byte
}

// Type implements Message.
func (*Page) Type() Type { return TypePage }

func (m *Page) encode(e *encoder) {
	e.u32(m.Page)
	e.str(m.Reason)
	e.u32(uint32(len(m.Data)))
	e.rest(m.Data)
}

func (m *Page) decode(d *decoder) {
	m.Page = d.u32()
	m.Reason = d.str()
	m.Data = d.take(int(d.u32()))
}

func (e *encoder) hashes(list [][16]byte) {
	e.u32(uint32(len(list)))
	for _, h := range list {
		e.id(h)
	}
}

func (d *decoder) hashes() [][16]byte {
	n := d.u32()
	if n > MaxChunkPages || len(d.b) < int(n)*16 {
		d.fail("%d hashes, %d bytes", n, len(d.b))
		return nil
	}
	list := make([][16]byte, n)
	for i := range list {
		list[i] = d.id()
	}
	return list
}
