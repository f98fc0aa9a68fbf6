package bak

import (
	"errors"
	"fmt"
	"io"
)

// expander gives the MTF bytes of a compressed container one after the other, from a plain stream of the file.
type expander struct {
	in    forward
	o     Options
	block int64
	pos   int64 // of the next MTF byte
	dec   xpressDecoder
	buf   []byte // expanded bytes not yet given
	out   [maxChunk]byte
	raw   [maxChunk + recordNeed]byte
}

func newExpander(in forward, o Options) (*expander, error) {
	if _, err := in.Skip(firstRecord - in.Pos()); err != nil {
		return nil, err
	}
	return &expander{in: in, o: o, block: sectorSize}, nil
}

// load reads the next record that gives bytes. When all of them may be skipped (out ≤ skip) they are not decoded and
// their number is returned.
func (e *expander) load(skip int64) (skipped int, err error) {
	for {
		at := e.in.Pos()
		head, err := peek(e.in, e.raw[:recordNeed])
		if err != nil {
			return 0, err
		}
		r, ok, err := parseRecord(head, at)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, io.EOF
		}
		if e.pos+int64(r.out) > e.o.MaxExpanded {
			return 0, &Fault{Kind: OverBudget, Offset: at, What: "compressed file", Want: fmt.Sprintf("at most %d bytes after expansion", e.o.MaxExpanded), Got: "more"}
		}
		if r.out == 0 || int64(r.out) <= skip {
			if err := e.pass(r); err != nil {
				return 0, err
			}
			if r.out > 0 {
				return r.out, nil
			}
			continue
		}
		return 0, e.chunk(r)
	}
}

// pass steps over the record r.
func (e *expander) pass(r record) error {
	if r.isMark() {
		e.block = int64(r.size)
	}
	next := r.next(e.block)
	n, err := e.in.Skip(next - e.in.Pos())
	if err == nil && e.in.Pos() < next && r.kind != recPadding && r.kind != recSection {
		return &Fault{Kind: Truncated, Offset: e.in.Pos(), What: "chunk of the compressed container", Want: fmt.Sprintf("%d bytes", r.size), Got: fmt.Sprintf("%d", n)}
	}
	return err
}

// chunk reads and expands the record r into buf.
func (e *expander) chunk(r record) error {
	if r.isMark() {
		e.block = int64(r.size)
	}
	if _, err := e.in.Skip(r.payload - e.in.Pos()); err != nil {
		return err
	}
	n, err := io.ReadFull(e.in, e.raw[:r.size])
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Fault{Kind: Truncated, Offset: r.payload + int64(n), What: "chunk of the compressed container", Want: fmt.Sprintf("%d bytes", r.size), Got: fmt.Sprintf("%d", n)}
	} else if err != nil {
		return err
	}
	if err := e.dec.expand(r, e.out[:r.out], e.raw[:r.size]); err != nil {
		return err
	}
	e.buf = e.out[:r.out]
	return nil
}

func (e *expander) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(e.buf) == 0 {
		if _, err := e.load(-1); err != nil {
			return 0, err
		}
	}
	n := copy(p, e.buf)
	e.buf = e.buf[n:]
	e.pos += int64(n)
	return n, nil
}

func (e *expander) Skip(n int64) (int64, error) {
	done := int64(0)
	for done < n {
		k := min(int64(len(e.buf)), n-done)
		e.buf = e.buf[k:]
		e.pos += k
		if done += k; done == n {
			break
		}
		s, err := e.load(n - done)
		if errors.Is(err, io.EOF) {
			return done, nil
		} else if err != nil {
			return done, err
		}
		e.pos += int64(s)
		done += int64(s)
	}
	return done, nil
}

func (e *expander) Pos() int64 { return e.pos }

func (e *expander) FilePos() int64 { return e.in.Pos() }
