package bak

import (
	"bufio"
	"errors"
	"io"
)

// forward is a stream that can be stepped over. Skip steps over n bytes, or to the end if fewer are left, and says how
// many; reaching the end is no error. Pos is the number of bytes read and skipped; FilePos is where in the file the
// reading stands, which differs inside compressed containers.
type forward interface {
	io.Reader
	Skip(n int64) (int64, error)
	Pos() int64
	FilePos() int64
}

// peeker is a forward that shows bytes without consuming them.
type peeker interface {
	Peek(b []byte) ([]byte, error)
}

// peek fills b from f without consuming, or gives less at the end.
func peek(f forward, b []byte) ([]byte, error) {
	return f.(peeker).Peek(b)
}

// streamSource is a forward over a plain stream.
type streamSource struct {
	r   *bufio.Reader
	pos int64
}

func newStreamSource(r io.Reader) *streamSource {
	return &streamSource{r: bufio.NewReaderSize(r, 128<<10)}
}

func (s *streamSource) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.pos += int64(n)
	return n, err
}

func (s *streamSource) Skip(n int64) (int64, error) {
	done, err := io.CopyN(io.Discard, s.r, max(n, 0))
	s.pos += done
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return done, err
}

func (s *streamSource) Peek(b []byte) ([]byte, error) {
	p, err := s.r.Peek(len(b))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:copy(b, p)], err
}

func (s *streamSource) Pos() int64     { return s.pos }
func (s *streamSource) FilePos() int64 { return s.pos }

// atSource is a forward over random access; Skip costs nothing. It reads through a small window, because descriptor
// blocks are a kilobyte each and lie behind one another.
type atSource struct {
	r         io.ReaderAt
	size, pos int64
	win       []byte
	winAt     int64
	buf       [8192]byte
	file      func(pos int64) int64
}

func newAtSource(r io.ReaderAt, size int64, file func(int64) int64) *atSource {
	return &atSource{r: r, size: size, file: file}
}

func (s *atSource) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.pos >= s.size {
		return 0, io.EOF
	}
	if len(p) >= len(s.buf) {
		n, err := readAt(s.r, p[:min(int64(len(p)), s.size-s.pos)], s.pos)
		s.pos += int64(n)
		return n, err
	}
	if err := s.fillWindow(); err != nil {
		return 0, err
	}
	n := copy(p, s.win[s.pos-s.winAt:])
	s.pos += int64(n)
	return n, nil
}

// fillWindow makes the window hold the byte at pos, which is before the end.
func (s *atSource) fillWindow() error {
	if s.pos >= s.winAt && s.pos < s.winAt+int64(len(s.win)) {
		return nil
	}
	n, err := readAt(s.r, s.buf[:min(int64(len(s.buf)), s.size-s.pos)], s.pos)
	if err != nil {
		return err
	}
	s.win, s.winAt = s.buf[:n], s.pos
	return nil
}

func (s *atSource) Skip(n int64) (int64, error) {
	n = max(0, min(n, s.size-s.pos))
	s.pos += n
	return n, nil
}

func (s *atSource) Pos() int64 { return s.pos }

func (s *atSource) FilePos() int64 {
	if s.file != nil {
		return s.file(s.pos)
	}
	return s.pos
}

// readAt fills p from offset off of r; a file that became shorter meanwhile gives io.ErrUnexpectedEOF.
func readAt(r io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
