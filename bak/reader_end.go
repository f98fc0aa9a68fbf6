package bak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ends decides what it means that at file offset at there is no block: nothing (n = 0) or zeros.
func (r *Reader) ends(at int64, n int) error {
	zero, err := r.zeroToEnd()
	if err != nil {
		return err
	}
	if n > 0 && !zero {
		return &Fault{Kind: Damaged, Offset: at, What: "descriptor block or stream header", Want: "a header", Got: "zeros, with more data behind them"}
	}
	if !r.open && r.block == nil && r.sets > 0 {
		return io.EOF
	}
	f := &Fault{Kind: HalfWritten, Offset: at, What: "the file holds no backup set yet"}
	if r.open || r.sets > 0 {
		f.What = fmt.Sprintf("backup set %d has no end block", r.sets+1)
	}
	f.Want, f.Got = "the next block", "the end of the file"
	if n > 0 {
		f.Got = "zeros to the end of the file, as in a copy that reserved its space"
	}
	return f
}

// zeroProbe is how much of either end of the rest of a file is looked at to tell unwritten space from a damaged block.
const zeroProbe = 64 << 10

// zeroToEnd reports whether the rest of the file looks unwritten: the next and the last zeroProbe bytes are zero.
func (r *Reader) zeroToEnd() (bool, error) {
	probe := make([]byte, zeroProbe)
	if r.view == nil {
		n, err := io.ReadFull(r.src, probe)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, r.wrap(err)
		}
		return len(bytes.TrimLeft(probe[:n], "\x00")) == 0, nil
	}
	pos := r.src.Pos()
	for _, off := range []int64{pos, max(pos, r.size-zeroProbe)} {
		n, err := readAt(r.view, probe[:max(0, min(zeroProbe, r.size-off))], off)
		if err != nil {
			return false, r.wrap(err)
		}
		if len(bytes.TrimLeft(probe[:n], "\x00")) != 0 {
			return false, nil
		}
	}
	return true, nil
}
