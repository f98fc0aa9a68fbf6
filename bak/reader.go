package bak

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader walks the descriptor blocks and streams of one file from its start. It holds one block header at a time. A
// Reader is used by one goroutine.
type Reader struct {
	src  forward
	o    Options
	kind Container
	// size is the number of MTF bytes, or -1 when it is not known beforehand (a plain stream).
	size int64
	view *View // set when the source is random access

	block  *Block
	stream *Stream
	raw    []byte
	blocks int
	// open is true between the start of a backup set and its end block; sets counts end blocks.
	open bool
	sets int
	err  error // what ended the walk
}

// NewReader walks a plain stream: a pipe, a download, a file that is still being copied.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	in := newStreamSource(r)
	head, err := in.Peek(make([]byte, sniffSize))
	if err != nil {
		return nil, fmt.Errorf("read backup header: %w", err)
	}
	kind, err := sniff(head)
	if err != nil {
		return nil, err
	}
	rd := &Reader{src: in, o: o, kind: kind, size: -1}
	if kind == Compressed {
		if rd.src, err = newExpander(in, o); err != nil {
			return nil, err
		}
	}
	return rd, nil
}

// NewContentReader walks an opened file; data streams that are not wanted cost nothing.
func NewContentReader(c *Content, o Options) *Reader {
	v := c.View()
	return &Reader{src: newAtSource(v, c.total, v.FileOffset), o: o.withDefaults(), kind: c.kind, size: c.total, view: v}
}

// Container says whether the file is plain or compressed.
func (r *Reader) Container() Container { return r.kind }

// Next steps to the next descriptor block, past what is left of the current one. It gives io.EOF at the end of the last
// finished backup set, and a *Fault when the file ends or breaks off elsewhere.
func (r *Reader) Next() (*Block, error) {
	if r.err != nil {
		return nil, r.err
	}
	b, err := r.next()
	if err != nil {
		r.err = err
	}
	return b, err
}

func (r *Reader) next() (*Block, error) {
	for r.block != nil {
		if _, err := r.nextStream(); errors.Is(err, io.EOF) {
			r.block = nil
		} else if err != nil {
			return nil, err
		}
	}
	if r.blocks++; r.blocks > r.o.MaxBlocks {
		return nil, &Fault{Kind: OverBudget, Offset: r.src.FilePos(), What: "backup file", Want: fmt.Sprintf("at most %d blocks", r.o.MaxBlocks), Got: "more"}
	}
	off, at := r.src.Pos(), r.src.FilePos()
	var h [blockHeader]byte
	n, err := r.full(h[:])
	if err != nil {
		return nil, err
	}
	if n == 0 || string(h[:4]) == "\x00\x00\x00\x00" {
		return nil, r.ends(at, n)
	}
	if n < blockHeader {
		return nil, r.cut(off+int64(n), "header of a descriptor block", blockHeader, int64(n))
	}
	if err := checkBlock(h[:], at); err != nil {
		return nil, err
	}
	return r.rest(h[:], off, at)
}

// rest reads the block whose common header is h.
func (r *Reader) rest(h []byte, off, at int64) (*Block, error) {
	size := int(binary.LittleEndian.Uint16(h[8:]))
	r.raw = append(r.raw[:0], h...)
	r.raw = append(r.raw, make([]byte, size-blockHeader)...)
	n, err := r.full(r.raw[blockHeader:])
	if err != nil {
		return nil, err
	}
	b := &Block{Type: string(h[:4]), Offset: off, FileOffset: at, Attributes: binary.LittleEndian.Uint32(h[4:]), Raw: r.raw}
	if n < size-blockHeader {
		return nil, r.cut(off+blockHeader+int64(n), "descriptor block "+b.Type, int64(size), int64(n)+blockHeader)
	}
	switch b.Type {
	case blockSet:
		r.open = true
	case blockEnd:
		if r.open {
			r.sets++
		}
		r.open = false
	}
	r.stream = nil
	if b.Type != blockMark {
		r.block = b
	}
	return b, nil
}

// NextStream steps to the next stream of the block that Next gave; io.EOF after the last.
func (r *Reader) NextStream() (*Stream, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.block == nil {
		return nil, io.EOF
	}
	s, err := r.nextStream()
	if errors.Is(err, io.EOF) {
		r.block = nil
	} else if err != nil {
		r.err = err
	}
	return s, err
}

func (r *Reader) nextStream() (*Stream, error) {
	if s := r.stream; s != nil {
		end := s.Start + s.Length
		if s.ID != streamPad {
			end = (end + 3) &^ 3
		}
		if err := r.skipTo(end, s); err != nil {
			return nil, err
		}
		if s.ID == streamPad {
			r.stream = nil
			return nil, io.EOF
		}
	}
	off, at := r.src.Pos(), r.src.FilePos()
	var h [streamHeader]byte
	n, err := r.full(h[:])
	if err != nil {
		return nil, err
	}
	if n < streamHeader {
		return nil, r.cut(off+int64(n), "stream header in block "+r.block.Type, streamHeader, int64(n))
	}
	if r.blocks++; r.blocks > r.o.MaxBlocks {
		return nil, &Fault{Kind: OverBudget, Offset: at, What: "backup file", Want: fmt.Sprintf("at most %d blocks and streams", r.o.MaxBlocks), Got: "more"}
	}
	if bytes.Equal(h[:], make([]byte, streamHeader)) {
		return nil, r.ends(at, n)
	}
	s, err := parseStream(h[:], r.block.Type, off, at)
	if err != nil {
		return nil, err
	}
	r.stream = s
	return s, nil
}

// Read reads the bytes of the stream that NextStream gave; io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	s := r.stream
	if s == nil {
		return 0, io.EOF
	}
	left := s.Start + s.Length - r.src.Pos()
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := r.src.Read(p[:min(int64(len(p)), left)])
	if errors.Is(err, io.EOF) && n == 0 {
		return 0, r.cut(r.src.Pos(), "stream "+s.ID, s.Length, s.Length-left)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, r.wrap(err)
}

// skipTo steps to the MTF offset end, which lies in or behind the stream s.
func (r *Reader) skipTo(end int64, s *Stream) error {
	want := end - r.src.Pos()
	n, err := r.src.Skip(want)
	if err != nil {
		return r.wrap(err)
	}
	if n < want && r.src.Pos() < s.Start+s.Length {
		return r.cut(r.src.Pos(), "stream "+s.ID+" in block "+r.block.Type, s.Length, max(0, r.src.Pos()-s.Start))
	}
	return nil
}

// full reads until b is full or the bytes end; n says how many there were.
func (r *Reader) full(b []byte) (int, error) {
	n, err := io.ReadFull(r.src, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if r.view != nil && r.view.c.fault != nil {
			return n, r.view.c.fault
		}
		return n, nil
	}
	return n, r.wrap(err)
}

func (r *Reader) wrap(err error) error {
	if err == nil || AsFault(err) != nil {
		return err
	}
	return fmt.Errorf("read backup at offset %d: %w", r.src.FilePos(), err)
}

// cut is the fault of a file that ends at MTF offset off inside something.
func (r *Reader) cut(off int64, what string, want, got int64) error {
	if r.view != nil && r.view.c.fault != nil {
		return r.view.c.fault
	}
	return &Fault{Kind: Truncated, Offset: r.fileOffset(off), What: what, Want: fmt.Sprintf("%d bytes", want), Got: fmt.Sprintf("%d", got)}
}

func (r *Reader) fileOffset(off int64) int64 {
	if r.view != nil {
		return r.view.FileOffset(off)
	}
	return r.src.FilePos()
}
