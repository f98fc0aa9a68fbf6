package bak

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// MediaSpec describes the medium a Writer begins.
type MediaSpec struct {
	// MediaSet names the set of stripes; required.
	MediaSet GUID
	// ID is the media family id of the first stripe; the others count on.
	ID   uint32
	Name string
	// Software is the name of who writes; "" means "Linkspan".
	Software string
	Written  time.Time
}

// SoftwareLinkspan is the software name of media that this project writes.
const SoftwareLinkspan = "Linkspan"

// Writer writes a media set: one file per stripe, in the same layout as SQL Server's. Errors of the writers underneath
// are kept: after one, every call gives it. A Writer is used by one goroutine.
type Writer struct {
	stripes []*stripe
	spec    MediaSpec
	set     *Set // the open backup set
	sets    int
	err     error
}

// stripe is the file of one stripe.
type stripe struct {
	w   io.Writer
	off int64
	// base is the offset of the set's first block: blocks lie at whole multiples of writeUnit from it.
	base    int64
	control uint32
	marks   uint32
	buf     []byte
}

// writeUnit is the size blocks are padded to; FLB size in MTF's words.
const writeUnit = 1024

var (
	errNoSet     = errors.New("write backup: no backup set is open")
	errOpenSet   = errors.New("write backup: the backup set is still open")
	errNotSector = errors.New("write backup: payload is not a whole number of 512-byte sectors")
)

// NewWriter begins a new medium on ws, one writer for each stripe.
func NewWriter(ws []io.Writer, spec MediaSpec) (*Writer, error) {
	if len(ws) == 0 || len(ws) > 64 || spec.MediaSet.IsZero() {
		return nil, fmt.Errorf("write backup: need 1 to 64 stripes and a media set id, have %d stripes", len(ws))
	}
	if spec.Software == "" {
		spec.Software = SoftwareLinkspan
	}
	w := &Writer{spec: spec}
	for i, out := range ws {
		s := &stripe{w: out}
		w.stripes = append(w.stripes, s)
		w.keep(s.tape(&spec, i+1, len(ws)))
		w.keep(s.mark())
	}
	return w, w.err
}

// ResumeWriter goes on behind the last backup set of a medium whose stripes were read as media; each writer writes at
// the offset where that stripe's file ends.
func ResumeWriter(ws []io.Writer, media []*Media) (*Writer, error) {
	if len(ws) != len(media) || len(ws) == 0 {
		return nil, fmt.Errorf("write backup: %d stripes, %d media", len(ws), len(media))
	}
	w := &Writer{sets: len(media[0].Sets)}
	for i, m := range media {
		if m.Container != Plain || m.FileSize%sectorSize != 0 || len(m.Sets) != w.sets || m.Family.Sequence != i+1 || m.Family.Count != len(ws) {
			return nil, fmt.Errorf("append to backup: stripe %d of %d does not fit the media set", m.Family.Sequence, m.Family.Count)
		}
		w.stripes = append(w.stripes, &stripe{w: ws[i], off: m.FileSize})
	}
	return w, nil
}

func (w *Writer) keep(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("write backup: %w", err)
	}
}

// Begin opens a backup set. The header's dates, LSNs and files are what is known at the start; End writes the final
// ones. Position is set here.
func (w *Writer) Begin(h Header, files []File) error {
	if w.err != nil {
		return w.err
	}
	if w.set != nil {
		return errOpenSet
	}
	w.sets++
	h.Position = w.sets
	w.set = &Set{Header: h, Files: files}
	for _, s := range w.stripes {
		s.base, s.control = s.off, 0
		w.keep(s.setStart(&h))
		w.keep(s.volume(&h))
		w.keep(s.config(blockConf, &h, files))
	}
	return w.err
}

// Data writes a stretch of pages to a stripe (from 0): whole sectors.
func (w *Writer) Data(stripe int, p []byte) error { return w.payload(blockData, streamData, stripe, p) }

// Log writes a stretch of log to a stripe (from 0): whole sectors.
func (w *Writer) Log(stripe int, p []byte) error { return w.payload(blockLog, streamLog, stripe, p) }

func (w *Writer) payload(block, stream string, stripe int, p []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case w.set == nil:
		return errNoSet
	case len(p)%sectorSize != 0 || stripe < 0 || stripe >= len(w.stripes):
		return errNotSector
	case len(p) == 0:
		return nil
	}
	w.keep(w.stripes[stripe].payload(block, stream, p, w.set.HasChecksums()))
	return w.err
}

// End closes the open backup set with its final header and files; the header's Size is computed and returned. Only what
// End has written without error is a backup.
func (w *Writer) End(h Header, files []File) (size int64, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.set == nil {
		return 0, errNoSet
	}
	h.Position, h.Size = w.set.Position, 0
	for _, s := range w.stripes {
		h.Size += s.off - s.base + 2*sectorSize
	}
	for _, s := range w.stripes {
		w.keep(s.config(blockLast, &h, files))
		w.keep(s.mark())
		for range 2 {
			w.keep(s.setEnd(&h))
		}
		w.keep(s.mark())
	}
	w.set = nil
	return h.Size, w.err
}

// header begins a block in buf: the common header with n bytes up to the first stream.
func (s *stripe) header(typ string, attributes uint32, n int, unicode bool) []byte {
	b := make([]byte, n)
	le := binary.LittleEndian
	copy(b, typ)
	le.PutUint32(b[4:], attributes)
	b[10], b[11] = 14, 1
	if typ != blockTape && typ != blockMark && typ != blockEnd {
		le.PutUint64(b[20:], uint64(s.off-s.base)/writeUnit)
		le.PutUint32(b[36:], s.control)
		s.control++
	}
	if unicode {
		b[48] = 2
	}
	return b
}

// finish sets the length and the checksum of the header b, writes it and then the streams that fill makes in buf,
// padded with SPAD to a whole unit.
func (s *stripe) finish(b []byte, streams func()) error {
	s.open(b)
	if streams != nil {
		streams()
	}
	s.pad(0)
	return s.flush()
}

// open begins buf with the header b.
func (s *stripe) open(b []byte) {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)))
	binary.LittleEndian.PutUint16(b[50:], headerSum(b[:50]))
	s.buf = append(s.buf[:0], b...)
}

// pad ends buf, beside which more bytes are written, with SPAD up to a whole unit.
func (s *stripe) pad(more int) {
	end := s.off - s.base + int64(len(s.buf)+more) + streamHeader
	s.stream(streamPad, 0, make([]byte, (writeUnit-end%writeUnit)%writeUnit))
}

func (s *stripe) flush() error {
	n, err := s.w.Write(s.buf)
	s.off += int64(n)
	s.buf = s.buf[:0]
	return err
}

// stream adds a stream to buf, aligned to four bytes behind.
func (s *stripe) stream(id string, attributes uint16, data []byte) {
	s.streamHead(id, attributes, int64(len(data)))
	s.buf = append(s.buf, data...)
	for id != streamPad && len(s.buf)%4 != 0 {
		s.buf = append(s.buf, 0)
	}
}

func (s *stripe) streamHead(id string, attributes uint16, length int64) {
	var h [streamHeader]byte
	copy(h[:], id)
	binary.LittleEndian.PutUint16(h[6:], attributes)
	binary.LittleEndian.PutUint64(h[8:], uint64(length))
	binary.LittleEndian.PutUint16(h[20:], headerSum(h[:20]))
	s.buf = append(s.buf, h[:]...)
}
