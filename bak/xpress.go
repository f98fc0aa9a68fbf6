package bak

import (
	"encoding/binary"
	"errors"
)

// The codec of compressed chunks is LZ77+Huffman of [MS-XCA] 2.1 and 2.2: for every 64 KiB of output a table of 512
// four-bit code lengths, then a bit stream of 16-bit little-endian words read from the top, into which the bytes of
// long match lengths are mixed.
const (
	xpressTable   = 256       // bytes of the code length table
	xpressBlock   = 64 * 1024 // output bytes that one table serves
	xpressSymbols = 512
	xpressMaxBits = 15
	xpressFast    = 11 // bits decoded by one look-up
)

var (
	errXpressTable  = errors.New("code length table is not a full prefix code")
	errXpressShort  = errors.New("input ends before the output is complete")
	errXpressMatch  = errors.New("match reaches before the start of the output or past its end")
	errXpressLength = errors.New("match length is malformed")
)

// xpressDecoder holds the tables of one chunk. It may be used again and again, by one goroutine at a time.
type xpressDecoder struct {
	// fast gives symbol<<4|length for codes of up to xpressFast bits, 0 for longer ones.
	fast [1 << xpressFast]uint16
	// sorted lists the symbols by (length, symbol); first and index give each length's first code, left-aligned to
	// xpressMaxBits, and its place in sorted.
	sorted [xpressSymbols]uint16
	limit  [xpressMaxBits + 2]uint32
	index  [xpressMaxBits + 2]int32
}

// build makes the tables from the 256-byte code length table.
func (d *xpressDecoder) build(table []byte) error {
	var count [xpressMaxBits + 1]int32
	for _, b := range table[:xpressTable] {
		count[b&15]++
		count[b>>4]++
	}
	var next [xpressMaxBits + 1]int32
	code, place := uint32(0), int32(0)
	for l := 1; l <= xpressMaxBits; l++ {
		next[l] = place
		d.index[l] = place - int32(code>>(xpressMaxBits-l))
		code += uint32(count[l]) << (xpressMaxBits - l)
		d.limit[l] = code
		place += count[l]
	}
	if code != 1<<xpressMaxBits {
		return errXpressTable
	}
	for i, b := range table[:xpressTable] {
		if l := b & 15; l != 0 {
			d.sorted[next[l]] = uint16(2 * i)
			next[l]++
		}
		if l := b >> 4; l != 0 {
			d.sorted[next[l]] = uint16(2*i + 1)
			next[l]++
		}
	}
	d.fill(&count)
	return nil
}

// fill makes the fast table from the sorted symbols.
func (d *xpressDecoder) fill(count *[xpressMaxBits + 1]int32) {
	at, s := 0, int32(0)
	for l := 1; l <= xpressFast; l++ {
		for range count[l] {
			e := d.sorted[s]<<4 | uint16(l)
			run := d.fast[at : at+1<<(xpressFast-l)]
			for i := range run {
				run[i] = e
			}
			at += len(run)
			s++
		}
	}
	clear(d.fast[at:])
}

// slow decodes a code longer than xpressFast from the next xpressMaxBits bits.
func (d *xpressDecoder) slow(v uint32) (sym uint32, length uint) {
	for l := xpressFast + 1; l <= xpressMaxBits; l++ {
		if v < d.limit[l] {
			return uint32(d.sorted[d.index[l]+int32(v>>(xpressMaxBits-l))]), uint(l)
		}
	}
	return 0, xpressMaxBits // a full code has no such value
}

// decode fills dst, whose length is the size of the output, from src. Nothing outside dst is written.
func (d *xpressDecoder) decode(dst, src []byte) error {
	for done := 0; done < len(dst); {
		if len(src) < xpressTable+4 {
			return errXpressShort
		}
		if err := d.build(src); err != nil {
			return err
		}
		end := min(done+xpressBlock, len(dst))
		used, err := d.block(dst, done, end, src[xpressTable:])
		if err != nil {
			return err
		}
		src = src[xpressTable+used:]
		done = end
	}
	return nil
}

// block decodes dst[at:end] from the bit stream src and returns how many bytes of it were used. Matches that reach past
// end are refused: blocks of this container hold whole chunks.
func (d *xpressDecoder) block(dst []byte, at, end int, src []byte) (int, error) {
	// bits holds the next bits at its top; extra+16 of them are real, so that positions agree with [MS-XCA] 2.2.4.
	bits := uint32(binary.LittleEndian.Uint16(src))<<16 | uint32(binary.LittleEndian.Uint16(src[2:]))
	p, extra := 4, 16
	for at < end {
		e := uint32(d.fast[bits>>(32-xpressFast)])
		sym, l := e>>4, uint(e&15)
		if l == 0 {
			sym, l = d.slow(bits >> (32 - xpressMaxBits))
		}
		bits <<= l
		if extra -= int(l); extra < 0 {
			if p+2 <= len(src) {
				bits |= uint32(binary.LittleEndian.Uint16(src[p:])) << (uint(-extra) & 31)
			} else if p > len(src)+4 {
				return 0, errXpressShort
			}
			p += 2
			extra += 16
		}
		if sym < 256 {
			dst[at] = byte(sym)
			at++
			continue
		}
		n, q, err := xpressLength(int(sym&15), src, p)
		if err != nil {
			return 0, err
		}
		p = q
		ob := uint(sym-256) >> 4
		off := 1<<ob + int(uint64(bits)>>(32-ob))
		bits <<= ob
		if extra -= int(ob); extra < 0 {
			if p+2 <= len(src) {
				bits |= uint32(binary.LittleEndian.Uint16(src[p:])) << (uint(-extra) & 31)
			}
			p += 2
			extra += 16
		}
		if off > at || n > end-at {
			return 0, errXpressMatch
		}
		xpressCopy(dst, at, off, n)
		at += n
	}
	return min(p, len(src)), nil
}

// xpressLength finishes the match length of which m are the symbol's four bits; p is where src is read next.
func xpressLength(m int, src []byte, p int) (n, next int, err error) {
	if m < 15 {
		return m + 3, p, nil
	}
	if p >= len(src) {
		return 0, 0, errXpressShort
	}
	b := int(src[p])
	p++
	if b < 255 {
		return b + 15 + 3, p, nil
	}
	if p+2 > len(src) {
		return 0, 0, errXpressShort
	}
	n = int(binary.LittleEndian.Uint16(src[p:]))
	p += 2
	if n == 0 {
		if p+4 > len(src) {
			return 0, 0, errXpressShort
		}
		w := binary.LittleEndian.Uint32(src[p:])
		if w > 1<<30 {
			return 0, 0, errXpressLength
		}
		n, p = int(w), p+4
	}
	if n < 15 {
		return 0, 0, errXpressLength
	}
	return n + 3, p, nil
}

// xpressCopy copies n bytes from off before at to at; the two may overlap, then the bytes repeat.
func xpressCopy(dst []byte, at, off, n int) {
	if off >= n {
		copy(dst[at:at+n], dst[at-off:])
		return
	}
	for n > 0 {
		k := copy(dst[at:at+min(n, off)], dst[at-off:at])
		at, n = at+k, n-k
		off += k
	}
}
