package bak

// parts takes a block in pieces, so that a payload need not be copied to be written.
type parts interface {
	// writeParts writes the pieces as one Write of all of them would.
	writeParts(pieces ...[]byte) (int, error)
}

// writeParts implements parts: what is compressed depends on where a block begins, so that the pieces are put together.
func (c *Compressor) writeParts(pieces ...[]byte) (int, error) {
	c.block = c.block[:0]
	for _, p := range pieces {
		c.block = append(c.block, p...)
	}
	return c.Write(c.block)
}

// flushAround writes buf[:at], then p, then the rest of buf.
func (s *stripe) flushAround(at int, p []byte) error {
	pieces := [][]byte{s.buf[:at], p, s.buf[at:]}
	s.buf = s.buf[:0]
	if w, ok := s.w.(parts); ok {
		n, err := w.writeParts(pieces...)
		s.off += int64(n)
		return err
	}
	for _, b := range pieces {
		n, err := s.w.Write(b)
		s.off += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}
