package bak

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Family is what a file says of itself as a medium: one stripe of a media set.
type Family struct {
	// MediaSet names the set of stripes that were written together.
	MediaSet GUID
	// Count is the number of stripes, Sequence the place of this one, from 1.
	Count, Sequence int
	ID              uint32
	Name, Software  string
	BlockSize       int
	Vendor          uint16
	Written         time.Time
}

// Segment is a stretch of pages or log in a backup set.
type Segment struct {
	// Log tells log from pages.
	Log bool
	// Offset is where the stretch begins in the MTF bytes, FileOffset in the file; Length is in bytes.
	Offset, FileOffset, Length int64
	// HasSum is true when a checksum stream follows; Sum is its value.
	HasSum bool
	Sum    uint32
}

// Set is one backup set in one file.
type Set struct {
	Header
	Files    []File
	Segments []Segment
	// Ended is true when the set's end block was read.
	Ended bool
	// Offset, Last and End are the MTF offsets of the set's first block, of its final configuration and of what follows
	// its end block.
	Offset, LastConfig, End int64
	// empty is true when the last data or log stream had no payload.
	empty bool
}

// Media is what one file holds.
type Media struct {
	Container Container
	// FileSize is the file's size in bytes, -1 when it was read as a stream; Expanded that of the MTF bytes read.
	FileSize, Expanded int64
	Family             Family
	Sets               []*Set
	// Blocks counts descriptor blocks and streams whose header checksums were verified.
	Blocks, Streams int
}

// ReadMedia reads everything but the data and log of an opened file. Together with an error it returns what could be
// read before it, or nil when that is nothing.
func ReadMedia(c *Content, o Options) (*Media, error) {
	m, err := readMedia(NewContentReader(c, o))
	if m != nil {
		m.FileSize, m.Expanded = c.size, c.total
	}
	return m, err
}

// ReadMediaStream does the same with a plain stream, reading it to its end.
func ReadMediaStream(r io.Reader, o Options) (*Media, error) {
	rd, err := NewReader(r, o)
	if err != nil {
		return nil, err
	}
	m, err := readMedia(rd)
	if m != nil {
		m.FileSize, m.Expanded = -1, rd.src.Pos()
	}
	return m, err
}

func readMedia(r *Reader) (*Media, error) {
	b, err := r.Next()
	if err != nil {
		return nil, err
	}
	if b.Type != blockTape {
		return nil, &Fault{Kind: Damaged, Offset: 0, What: "first descriptor block", Want: blockTape, Got: b.Type}
	}
	m := &Media{Container: r.kind, Blocks: 1, FileSize: -1}
	if err := m.tape(r, b); err != nil {
		return nil, err
	}
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, nil
		} else if err != nil {
			return m, err
		}
		m.Blocks++
		if err := m.take(r, b); err != nil {
			return m, err
		}
	}
}

// tape reads the TAPE block and its RAID stream.
func (m *Media) tape(r *Reader, b *Block) error {
	f := &m.Family
	f.ID, f.Name, f.Software = b.u32(52), b.text(68), b.text(80)
	f.BlockSize, f.Vendor = int(b.u16(84)), b.u16(86)
	f.Count, f.Sequence = 1, 1
	if len(b.Raw) >= 93 {
		f.Written = decodeDate(b.Raw[88:])
	}
	return m.streams(r, func(s *Stream) error {
		if s.ID != streamRAID {
			return nil
		}
		var d [32]byte
		n, err := io.ReadFull(r, d[:min(32, s.Length)])
		if err != nil {
			return eof(err)
		}
		if n >= 26 {
			f.MediaSet = GUID(d[:16])
			f.Count, f.Sequence = int(binary.LittleEndian.Uint16(d[20:])), int(binary.LittleEndian.Uint16(d[24:]))
		}
		if f.Count < 1 || f.Sequence < 1 || f.Sequence > f.Count {
			return &Fault{Kind: Damaged, Offset: s.FileOffset, What: "stream RAID", Want: "a stripe within its media set", Got: fmt.Sprintf("stripe %d of %d", f.Sequence, f.Count)}
		}
		return nil
	})
}

// streams calls fn for each stream of the current block.
func (m *Media) streams(r *Reader, fn func(*Stream) error) error {
	for {
		s, err := r.NextStream()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		m.Streams++
		if err := fn(s); err != nil {
			return err
		}
	}
}

// take reads one block after the first.
func (m *Media) take(r *Reader, b *Block) error {
	if b.Type == blockMark {
		return nil
	}
	if b.Type == blockSet {
		m.Sets = append(m.Sets, newSet(b, len(m.Sets)+1))
		return m.streams(r, func(*Stream) error { return nil })
	}
	if len(m.Sets) == 0 {
		return &Fault{Kind: Damaged, Offset: b.FileOffset, What: "descriptor block " + b.Type, Want: "a block SSET first", Got: b.Type}
	}
	s := m.Sets[len(m.Sets)-1]
	switch b.Type {
	case blockVol:
		s.Machine = b.text(64)
	case blockConf, blockLast:
		last := b.Type == blockLast
		if last {
			s.LastConfig = b.Offset
		}
		return m.streams(r, func(st *Stream) error { return s.config(r, st, last) })
	case blockData, blockLog:
		return m.streams(r, func(st *Stream) error { return s.segment(r, st) })
	case blockEnd:
		s.Ended = true
	}
	err := m.streams(r, func(*Stream) error { return nil })
	s.End = r.src.Pos()
	return err
}

func newSet(b *Block, position int) *Set {
	s := &Set{Offset: b.Offset}
	s.Position, s.SetAttributes, s.TimeZone = position, b.u32(52), TimeZoneUnknown
	s.Name, s.Description, s.User = b.text(64), b.text(68), b.text(76)
	if len(b.Raw) > 95 {
		s.TimeZone = int8(b.Raw[95])
	}
	if id := tapeAddress(b.Raw, 44); len(id) >= 16 {
		s.SetGUID = GUID(id[:16])
	}
	return s
}

// config reads a configuration stream.
func (s *Set) config(r *Reader, st *Stream, last bool) error {
	if st.ID != streamConf {
		return nil
	}
	if st.Length > r.o.MaxConfig {
		return &Fault{Kind: OverBudget, Offset: st.FileOffset, What: "configuration stream", Want: "at most " + itoa(r.o.MaxConfig) + " bytes", Got: itoa(st.Length)}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.decodeConfig(b, st.FileOffset+streamHeader); err != nil {
		return err
	}
	s.Final = last
	return nil
}

// payloadSkew is the number of bytes before the payload of a data or log stream, which put it on a sector border.
const payloadSkew = 2

// segment notes a data, log or checksum stream.
func (s *Set) segment(r *Reader, st *Stream) error {
	switch st.ID {
	case streamData, streamLog:
		s.empty = st.Length <= payloadSkew
		if !s.empty {
			s.Segments = append(s.Segments, Segment{Log: st.ID == streamLog, Offset: st.Start + payloadSkew,
				FileOffset: st.FileOffset, Length: st.Length - payloadSkew})
		}
	case streamSum:
		if s.empty {
			return nil // the sum of nothing
		}
		var d [4]byte
		if st.Length < 4 || len(s.Segments) == 0 {
			return &Fault{Kind: Damaged, Offset: st.FileOffset, What: "stream CSUM", Want: "four bytes behind a data or log stream", Got: itoa(st.Length) + " bytes"}
		}
		if _, err := io.ReadFull(r, d[:]); err != nil {
			return eof(err)
		}
		g := &s.Segments[len(s.Segments)-1]
		g.HasSum, g.Sum = true, binary.LittleEndian.Uint32(d[:])
	}
	return nil
}

// eof makes the end of a stream inside a value an unexpected one; a Fault stays what it is.
func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
