package backup

import (
	"errors"
	"fmt"
	"io"

	"linkspan/bak"
)

// Stripe is the payload of one stripe of a set, as bak.Content's Payload gives it.
type Stripe struct{ Data, Log io.Reader }

// Reader reads a set's payload from all its stripes. For one goroutine.
type Reader struct {
	stripes []Stripe
	set     bak.GUID
	start   Start
	n       uint64
	log     bool // the pages are over
	done    bool
	buf     []byte
	// ahead reads while the caller works on a frame; nil: Next reads by itself.
	ahead *framesAhead
}

// Frame is what Next gives: exactly one field is set.
type Frame struct {
	// Pages are pages; Last are pages without any: the version that the log must reach.
	Pages, Last *Pages
	// Log is whole records, valid until the next call.
	Log []byte
	End *End
}

// NewReader reads the beginning of the set. stripes are in the order of their numbers, all of them.
func NewReader(stripes []Stripe, set bak.GUID, kind bak.Type) (*Reader, error) {
	r := &Reader{stripes: stripes, set: set, log: kind == bak.Log}
	if len(stripes) == 0 {
		return nil, errors.New("read backup: no stripes")
	}
	t, body, err := r.frame()
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	if t != frameStart {
		return nil, fmt.Errorf("read backup: %w: it begins with a %s frame", ErrFormat, t)
	}
	s, err := parseStart(body)
	if err == nil && s.Kind != kind {
		err = fmt.Errorf("%w: the header says %s, the payload %s", ErrFormat, kind, s.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	r.start = *s
	return r, nil
}

// Start is what the set begins with.
func (r *Reader) Start() *Start { return &r.start }

// Next gives the next frame, and io.EOF after End. A set that ends without its End gives io.ErrUnexpectedEOF.
func (r *Reader) Next() (Frame, error) {
	if r.ahead != nil {
		return r.ahead.next()
	}
	return r.read()
}

// read reads the next frame into buf.
func (r *Reader) read() (Frame, error) {
	if r.done {
		return Frame{}, io.EOF
	}
	f, err := r.next()
	if err != nil {
		return Frame{}, fmt.Errorf("read backup: %w", err)
	}
	r.done = f.End != nil
	return f, nil
}

func (r *Reader) next() (f Frame, err error) {
	t, body, err := r.frame()
	if err != nil {
		return Frame{}, err
	}
	switch {
	case t == framePages && !r.log:
		f.Pages, err = parsePages(body)
	case t == framePagesEnd && !r.log:
		f.Last, err = parsePagesEnd(body)
		r.log = true
	case t == frameLog && r.log:
		f.Log = body
	case t == frameEnd && r.log:
		f.End, err = parseEnd(body)
	default:
		err = fmt.Errorf("%w: frame %d is a %s where none may be", ErrFormat, r.n-1, t)
	}
	return f, err
}

// frame reads the next frame's type and body.
func (r *Reader) frame() (frameType, []byte, error) {
	s := r.stripes[r.n%uint64(len(r.stripes))]
	in := s.Data
	if r.log {
		in = s.Log
	}
	t, b, err := readFrame(in, r.n, r.set, r.buf)
	r.buf = b[:cap(b)]
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("frame %d of stripe %d is missing: the backup was not finished: %w", r.n, r.n%uint64(len(r.stripes))+1, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return 0, nil, err
	}
	r.n++
	return t, b[frameHeader:], nil
}
