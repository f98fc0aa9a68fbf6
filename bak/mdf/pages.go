package mdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"linkspan/bak"
)

// PageID is the address of a page: file number and page number in the file.
type PageID struct {
	File uint16
	Page uint32
}

// String spells p as SQL Server does: "(1:9)".
func (p PageID) String() string { return fmt.Sprintf("(%d:%d)", p.File, p.Page) }

// IsZero reports whether p is (0:0), which stands for "no page".
func (p PageID) IsZero() bool { return p == PageID{} }

// pageIDAt reads a six-byte page address: page u32, file u16.
func pageIDAt(b []byte) PageID {
	return PageID{Page: binary.LittleEndian.Uint32(b), File: binary.LittleEndian.Uint16(b[4:])}
}

// ErrMissing is wrapped by the error for a page that no source holds.
var ErrMissing = errors.New("page is not in the backup")

const (
	pagesPerExtent = 8
	chunkExtents   = 4096
)

// place is where an extent lies: source number in the upper 16 bits, byte offset + 1 in the lower 48.
type place uint64

// Pages finds pages in the sources they were put together from. Add sources first; then pages may be read by one
// goroutine at a time, or by several with a Reader each.
type Pages struct {
	sources []io.ReaderAt
	index   map[chunkKey]*[chunkExtents]place
	extents int
	files   map[uint16]bool
}

type chunkKey struct {
	file  uint16
	chunk uint32
}

// NewPages makes an empty store.
func NewPages() *Pages {
	return &Pages{index: map[chunkKey]*[chunkExtents]place{}, files: map[uint16]bool{}}
}

// Extents is the number of extents (64 KiB) there are.
func (p *Pages) Extents() int { return p.extents }

// put notes that the extent that begins with page first of file lies at offset off of source src; a later one wins.
func (p *Pages) put(file uint16, first uint32, src int, off int64) {
	e := first / pagesPerExtent
	k := chunkKey{file, e / chunkExtents}
	c := p.index[k]
	if c == nil {
		c = new([chunkExtents]place)
		p.index[k] = c
	}
	if c[e%chunkExtents] == 0 {
		p.extents++
	}
	c[e%chunkExtents] = place(src)<<48 | place(off+1)
	p.files[file] = true
}

// AddBackup lays the pages of one stripe of a backup set over those there are: first the full's stripes, then the
// differential's.
func (p *Pages) AddBackup(c *bak.Content, s *bak.Set) error {
	src := p.addSource(c.View())
	view := c.View()
	buf := make([]byte, 16*bak.ExtentSize)
	for _, g := range s.Segments {
		if g.Log {
			continue
		}
		if err := p.addSegment(view, src, g, buf); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pages) addSource(r io.ReaderAt) int {
	p.sources = append(p.sources, r)
	return len(p.sources) - 1
}

// addSegment indexes the extents of one data stream.
func (p *Pages) addSegment(r io.ReaderAt, src int, g bak.Segment, buf []byte) error {
	for done := int64(0); done+bak.PageSize <= g.Length; {
		b := buf[:min(int64(len(buf)), (g.Length-done)/bak.PageSize*bak.PageSize)]
		if _, err := r.ReadAt(b, g.Offset+done); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read pages at offset %d: %w", g.FileOffset, err)
		}
		for at := 0; at < len(b); at += bak.ExtentSize {
			ext := b[at:min(at+bak.ExtentSize, len(b))]
			if id, ok := extentOf(ext); ok {
				p.put(id.File, id.Page, src, g.Offset+done+int64(at))
			}
		}
		done += int64(len(b))
	}
	return nil
}

// extentOf finds which extent the pages are, from the first header that makes sense there.
func extentOf(ext []byte) (PageID, bool) {
	for k := 0; (k+1)*bak.PageSize <= len(ext); k++ {
		b := ext[k*bak.PageSize : (k+1)*bak.PageSize]
		h := bak.ParsePageHeader(b)
		if h.Version != 1 || h.Type == 0 || h.Type > 20 || h.File == 0 || h.File > 1<<15 || h.Page%pagesPerExtent != uint32(k) {
			continue
		}
		if ok, checked := bak.CheckPage(b); checked && !ok {
			continue
		}
		return PageID{File: h.File, Page: h.Page - uint32(k)}, true
	}
	return PageID{}, false
}

// AddFile adds a data file (.mdf, .ndf) of size bytes: page n lies at n times 8 KiB. The file number is that of its
// first page.
func (p *Pages) AddFile(r io.ReaderAt, size int64) error {
	var first [bak.PageSize]byte
	if size < bak.PageSize {
		return fmt.Errorf("open data file: %d bytes are less than a page", size)
	}
	if _, err := r.ReadAt(first[:], 0); err != nil {
		return fmt.Errorf("open data file: %w", err)
	}
	h := bak.ParsePageHeader(first[:])
	if h.Version != 1 || h.Type != pageFileHeader || h.Page != 0 || h.File == 0 {
		return fmt.Errorf("open data file: page 0 is not a file header (version %d, type %d, page (%d:%d)): not a SQL Server data file", h.Version, h.Type, h.File, h.Page)
	}
	src := p.addSource(r)
	for off := int64(0); off+bak.PageSize <= size; off += bak.ExtentSize {
		p.put(h.File, uint32(off/bak.PageSize), src, off)
	}
	return nil
}

// Reader reads pages through a small cache of extents. It is used by one goroutine.
type Reader struct {
	p       *Pages
	sources []io.ReaderAt
	cache   map[extentKey][]byte
	ring    []extentKey
	next    int
}

type extentKey struct {
	file   uint16
	extent uint32
}

// cacheExtents is the number of extents a Reader keeps: 8 MiB.
const cacheExtents = 128

// NewReader makes a reader of p.
func (p *Pages) NewReader() *Reader {
	r := &Reader{p: p, cache: map[extentKey][]byte{}, sources: make([]io.ReaderAt, len(p.sources))}
	for i, s := range p.sources {
		r.sources[i] = s
		if v, ok := s.(*bak.View); ok {
			r.sources[i] = v.Clone()
		}
	}
	return r
}

// Page gives the bytes of a page, which stay as they are. The error wraps ErrMissing when no source has it, and names
// the page when its header is another's.
func (r *Reader) Page(id PageID) ([]byte, error) {
	e := id.Page / pagesPerExtent
	k := extentKey{id.File, e}
	ext := r.cache[k]
	if ext == nil {
		var at place
		if c := r.p.index[chunkKey{id.File, e / chunkExtents}]; c != nil {
			at = c[e%chunkExtents]
		}
		if at == 0 {
			return nil, fmt.Errorf("page %v: %w", id, ErrMissing)
		}
		ext = make([]byte, bak.ExtentSize)
		off := int64(at&(1<<48-1)) - 1
		if n, err := r.sources[at>>48].ReadAt(ext, off); err != nil && (!errors.Is(err, io.EOF) || n < bak.PageSize) {
			return nil, fmt.Errorf("read page %v: %w", id, err)
		}
		r.keep(k, ext)
	}
	at := id.Page % pagesPerExtent * bak.PageSize
	b := ext[at : at+bak.PageSize : at+bak.PageSize]
	if h := bak.ParsePageHeader(b); h.Page != id.Page || h.File != id.File {
		return nil, fmt.Errorf("page %v: its header says (%d:%d): %w", id, h.File, h.Page, ErrMissing)
	}
	return b, nil
}

func (r *Reader) keep(k extentKey, ext []byte) {
	if len(r.ring) < cacheExtents {
		r.ring = append(r.ring, k)
	} else {
		delete(r.cache, r.ring[r.next])
		r.ring[r.next] = k
		r.next = (r.next + 1) % cacheExtents
	}
	r.cache[k] = ext
}
