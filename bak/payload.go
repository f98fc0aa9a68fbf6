package bak

import "io"

// Payload reads the pages (or the log) of one backup set in one file, its segments one behind the other: what was given
// to Writer.Data (or Writer.Log) of that stripe, in order. It is used by one goroutine.
func (c *Content) Payload(s *Set, log bool) io.Reader {
	view := c.View()
	var parts []io.Reader
	for _, g := range s.Segments {
		if g.Log == log {
			parts = append(parts, io.NewSectionReader(view, g.Offset, g.Length))
		}
	}
	return io.MultiReader(parts...)
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
