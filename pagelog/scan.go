package pagelog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"linkspan/lsn"
)

// Scanner reads the records of one segment in order and checks that each follows from the one before. The zero
// Scanner is not usable; see NewScanner.
type Scanner struct {
	r    io.ReaderAt
	vlf  uint32
	off  int64
	prev lsn.LSN
	buf  []byte
	at   int64 // offset of buf[0]
	have int   // bytes of buf that are read
	eof  bool
}

// BadRecord tells where in a segment no valid record follows, though something is there.
type BadRecord struct {
	Offset int64
	// LSN is the one the record would have.
	LSN lsn.LSN
	Err error
}

// Error implements error.
func (b *BadRecord) Error() string {
	return fmt.Sprintf("log record %s at offset %d: %v", b.LSN, b.Offset, b.Err)
}

// Unwrap gives the cause.
func (b *BadRecord) Unwrap() error { return b.Err }

// scanBuffer is how much of a segment is read at a time, at least one record.
const scanBuffer = 1 << 20

// NewScanner reads segment vlf from offset off on; prev is the record before that offset.
func NewScanner(r io.ReaderAt, vlf uint32, off int64, prev lsn.LSN) *Scanner {
	return &Scanner{r: r, vlf: vlf, off: off, prev: prev, at: off}
}

// Offset is where the next record starts, and Prev the LSN of the one before.
func (s *Scanner) Offset() int64 { return s.off }

// Prev is the LSN of the last record read, or the one given at the start.
func (s *Scanner) Prev() lsn.LSN { return s.prev }

// Next returns the next record: its header, its body, and all its bytes, valid until the next call. It returns io.EOF
// where the segment holds no more (the end of the file, or zeros), a *BadRecord where what follows is not the next
// record, or the reader's error.
func (s *Scanner) Next() (Header, []byte, []byte, error) {
	b, err := s.window(HeaderSize)
	if err != nil {
		return Header{}, nil, nil, err
	}
	if len(b) == 0 {
		return Header{}, nil, nil, io.EOF
	}
	n, err := PeekLength(b)
	if err == nil && n > len(b) {
		if b, err = s.window(n); err != nil {
			return Header{}, nil, nil, err
		}
	}
	var h Header
	var body []byte
	if err == nil || errors.Is(err, ErrShort) {
		h, body, err = Parse(b)
	}
	if errors.Is(err, ErrBlank) {
		return Header{}, nil, nil, io.EOF
	}
	want := Next(s.prev, s.vlf, s.off)
	if err == nil && (h.LSN != want || h.Prev != s.prev) {
		err = fmt.Errorf("%w: LSN %s after %s, not %s after %s", ErrInvalid, h.LSN, h.Prev, want, s.prev)
	}
	if err != nil {
		return h, nil, nil, &BadRecord{Offset: s.off, LSN: want, Err: err}
	}
	s.off += int64(h.Length)
	s.prev = h.LSN
	return h, body, b[:h.Length], nil
}

// window returns the bytes from off on, at least n unless the segment ends.
func (s *Scanner) window(n int) ([]byte, error) {
	if lead := int(s.off - s.at); lead+n <= s.have || s.eof {
		return s.buf[min(lead, s.have):s.have], nil
	}
	if s.buf == nil {
		s.buf = make([]byte, scanBuffer)
	}
	keep := copy(s.buf, s.buf[min(int(s.off-s.at), s.have):s.have])
	s.at, s.have = s.off, keep
	if n > len(s.buf) {
		s.buf = append(s.buf, make([]byte, n-len(s.buf))...)
	}
	for s.have < n {
		m, err := s.r.ReadAt(s.buf[s.have:], s.at+int64(s.have))
		s.have += m
		if errors.Is(err, io.EOF) {
			s.eof = true
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read log segment: %w", err)
		}
	}
	return s.buf[:s.have], nil
}

// Survivors looks for valid records of the segment at and after offset off, where the chain of records is broken, and
// returns the highest LSN that any of them knew to be hardened: at or below that, the break is damage and not the torn
// end of a write. It trusts no lengths.
func Survivors(r io.ReaderAt, vlf uint32, off int64) (hardened lsn.LSN, count int, err error) {
	const overlap = MaxRecord
	buf := make([]byte, 4*overlap)
	for {
		n, err := r.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return hardened, count, fmt.Errorf("read log segment: %w", err)
		}
		last := errors.Is(err, io.EOF)
		limit := n
		if !last {
			limit = n - overlap
		}
		for i := 0; i+HeaderSize <= n && i < limit; i++ {
			skip := bytes.IndexByte(buf[i+8:n], Version) // most of a segment's end is zeros
			if skip < 0 {
				break
			}
			if i += skip; i+HeaderSize > n || i >= limit {
				break
			}
			if b := buf[i:n]; plausible(b, vlf, off+int64(i)) {
				if h, _, err := Parse(b); err == nil {
					count++
					hardened = lsn.Latest(hardened, h.Hardened)
					i += int(h.Length) - 1
				}
			}
		}
		if last {
			return hardened, count, nil
		}
		off += int64(limit)
	}
}

// plausible is the cheap test before a checksum: the version, and an LSN that belongs to the place.
func plausible(b []byte, vlf uint32, off int64) bool {
	if b[8] != Version || b[11] != 0 {
		return false
	}
	l := decodeLSN(b[16:])
	return l.VLF == vlf && int64(l.Block) == off/lsn.BlockSize
}
