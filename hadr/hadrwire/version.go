package hadrwire

import "linkspan/lsn"

// VersionRequest, first on a stream, asks for one version of the database to be held for the stream's life: the one that
// is published. HashesRequests at its LSN and PagesRequests follow, one after the other.
type VersionRequest struct{ Origin [16]byte }

// Type implements Message.
func (*VersionRequest) Type() Type { return TypeVersionRequest }

func (m *VersionRequest) encode(e *encoder) { e.id(m.Origin) }
func (m *VersionRequest) decode(d *decoder) { m.Origin = d.id() }

// VersionHeld answers a VersionRequest.
type VersionHeld struct {
	At    lsn.LSN
	Epoch uint32
	// Pages is the version's size, Digest that of its pages.
	Pages  uint32
	Digest [16]byte
}

// Type implements Message.
func (*VersionHeld) Type() Type { return TypeVersionHeld }

func (m *VersionHeld) encode(e *encoder) {
	e.lsn(m.At)
	e.u32(m.Epoch)
	e.u32(m.Pages)
	e.id(m.Digest)
}

func (m *VersionHeld) decode(d *decoder) {
	m.At = d.lsn()
	m.Epoch, m.Pages = d.u32(), d.u32()
	m.Digest = d.id()
}

// PagesRequest asks for pages of the version that is held, at most MaxChunkPages.
type PagesRequest struct{ Pages []uint32 }

// Type implements Message.
func (*PagesRequest) Type() Type { return TypePagesRequest }

func (m *PagesRequest) encode(e *encoder) {
	e.u32(uint32(len(m.Pages)))
	for _, no := range m.Pages {
		e.u32(no)
	}
}

func (m *PagesRequest) decode(d *decoder) {
	n := d.u32()
	if n == 0 || n > MaxChunkPages || len(d.b) < int(n)*4 {
		d.fail("%d pages, %d bytes", n, len(d.b))
		return
	}
	m.Pages = make([]uint32, n)
	for i := range m.Pages {
		m.Pages[i] = d.u32()
	}
}

// Pages answers a PagesRequest with the content of the pages, in the order asked for.
type Pages struct{ Data []byte }

// Type implements Message.
func (*Pages) Type() Type { return TypePages }

func (m *Pages) encode(e *encoder) {
	e.u32(uint32(len(m.Data)))
	e.rest(m.Data)
}

func (m *Pages) decode(d *decoder) { m.Data = d.take(int(d.u32())) }
