package bak

import (
	"errors"
	"io"
)

// Payload reads the pages (or the log) of one backup set in one file, its segments one behind the other: what was given
// to Writer.Data (or Writer.Log) of that stripe, in order. It gives io.EOF only after all of it; a file that ends before
// gives a *Fault. Of a set that is not Ended it gives what is there. It is used by one goroutine.
func (c *Content) Payload(s *Set, log bool) io.Reader {
	p := &payload{view: c.View()}
	for _, g := range s.Segments {
		if g.Log == log {
			p.left = append(p.left, g)
		}
	}
	return p
}

// PayloadLength is the number of bytes that Payload gives.
func (s *Set) PayloadLength(log bool) int64 {
	n := int64(0)
	for _, g := range s.Segments {
		if g.Log == log {
			n += g.Length
		}
	}
	return n
}

type payload struct {
	view *View
	left []Segment // what is still to be read
}

func (p *payload) Read(b []byte) (int, error) {
	for len(p.left) > 0 && p.left[0].Length == 0 {
		p.left = p.left[1:]
	}
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	g := &p.left[0]
	n, err := p.view.ReadAt(b[:min(int64(len(b)), g.Length)], g.Offset)
	g.Offset, g.Length = g.Offset+int64(n), g.Length-int64(n)
	switch {
	case n > 0 && errors.Is(err, io.EOF):
		return n, nil // the next call tells whether that was all
	case errors.Is(err, io.EOF):
		return 0, &Fault{Kind: Truncated, Offset: p.view.FileOffset(g.Offset), What: "payload of the backup set", Want: itoa(g.Length) + " more bytes", Got: "the end of the file"}
	}
	return n, err
}
