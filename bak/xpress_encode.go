package bak

import (
	"encoding/binary"
	"math/bits"
	"sort"
)

// xpressEncoder compresses one chunk of up to 64 KiB at a time, after [MS-XCA] 2.1.4.
type xpressEncoder struct {
	heads [1 << xpressHash]int32 // last place of each hash, plus 1
	ops   []uint32               // literal, or 1<<31 | (length-3)<<16 | (offset-1)
	freq  [xpressSymbols]int
	lens  [xpressSymbols]uint8
	codes [xpressSymbols]uint16
}

const (
	xpressHash     = 14
	xpressMinMatch = 4
	xpressMatchOp  = 1 << 31
	xpressEOF      = 256 // the symbol that ends a stream; also the match of 3 at distance 1
	xpressMaxMatch = 32 * 1024
)

// encode appends the compressed form of src, at most 64 KiB, to dst. It may be longer than src.
func (e *xpressEncoder) encode(dst, src []byte) []byte {
	e.find(src)
	e.lengths()
	e.assign()
	for i := 0; i < xpressSymbols; i += 2 {
		dst = append(dst, e.lens[i]|e.lens[i+1]<<4)
	}
	w := newXpressBits(dst)
	for _, op := range e.ops {
		if op&xpressMatchOp == 0 {
			w.put(uint32(e.codes[op]), uint(e.lens[op]))
			continue
		}
		n, off := int(op>>16&0x7fff), int(op&0xffff)+1
		ob := uint(bits.Len(uint(off)) - 1)
		sym := 256 + int(ob)<<4 + min(n, 15)
		w.put(uint32(e.codes[sym]), uint(e.lens[sym]))
		w.length(n)
		w.put(uint32(off)-1<<ob, ob)
	}
	w.put(uint32(e.codes[xpressEOF]), uint(e.lens[xpressEOF]))
	return w.flush()
}

// find cuts src into literals and matches, greedily, and counts the symbols.
func (e *xpressEncoder) find(src []byte) {
	clear(e.heads[:])
	clear(e.freq[:])
	e.ops = e.ops[:0]
	for i := 0; i < len(src); {
		n, off := e.match(src, i)
		if n < xpressMinMatch {
			e.ops = append(e.ops, uint32(src[i]))
			e.freq[src[i]]++
			i++
			continue
		}
		e.ops = append(e.ops, xpressMatchOp|uint32(n-3)<<16|uint32(off-1))
		e.freq[256+(bits.Len(uint(off))-1)<<4+min(n-3, 15)]++
		i += n
	}
	e.freq[xpressEOF]++
}

// match looks for an earlier copy of what stands at i.
func (e *xpressEncoder) match(src []byte, i int) (n, off int) {
	if i+xpressMinMatch > len(src) {
		return 0, 0
	}
	h := binary.LittleEndian.Uint32(src[i:]) * 2654435761 >> (32 - xpressHash)
	j := int(e.heads[h]) - 1
	e.heads[h] = int32(i + 1)
	if j < 0 || i-j > 0xffff {
		return 0, 0
	}
	for n < xpressMaxMatch && i+n < len(src) && src[j+n] == src[i+n] {
		n++
	}
	return n, i - j
}

// lengths gives each symbol its code length, at most 15 bits, by Huffman's algorithm; frequencies are flattened until
// the longest code fits.
func (e *xpressEncoder) lengths() {
	used := 0
	for _, f := range e.freq {
		if f > 0 {
			used++
		}
	}
	if used < 2 {
		e.freq[0]++ // a code needs two symbols
	}
	for !e.huffman() {
		for i, f := range e.freq {
			if f > 0 {
				e.freq[i] = f/2 + 1
			}
		}
	}
}

type xpressNode struct {
	freq        int
	left, right int // nodes, or -1 and the symbol
}

// huffman fills lens; false when a code is too long.
func (e *xpressEncoder) huffman() bool {
	var nodes []xpressNode
	for s, f := range e.freq {
		if f > 0 {
			nodes = append(nodes, xpressNode{f, -1, s})
		}
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].freq < nodes[j].freq })
	leaves, leaf, inner := len(nodes), 0, len(nodes)
	take := func() int {
		if leaf < leaves && (inner >= len(nodes) || nodes[leaf].freq <= nodes[inner].freq) {
			leaf++
			return leaf - 1
		}
		inner++
		return inner - 1
	}
	for range leaves - 1 {
		a, b := take(), take()
		nodes = append(nodes, xpressNode{nodes[a].freq + nodes[b].freq, a, b})
	}
	clear(e.lens[:])
	depth := make([]int, len(nodes))
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if n.left >= 0 {
			depth[n.left], depth[n.right] = depth[i]+1, depth[i]+1
		} else if e.lens[n.right] = uint8(min(depth[i], 255)); depth[i] > xpressMaxBits {
			return false
		}
	}
	return true
}

// assign gives the canonical codes.
func (e *xpressEncoder) assign() {
	code := uint16(0)
	for l := uint8(1); l <= xpressMaxBits; l++ {
		for s, n := range e.lens {
			if n == l {
				e.codes[s] = code
				code++
			}
		}
		code <<= 1
	}
}

// xpressBits writes the bit stream: 16-bit words whose places are reserved two ahead, as the decoder reads them, with
// bytes in between.
type xpressBits struct {
	b          []byte
	at1, at2   int
	word, free uint32
}

func newXpressBits(b []byte) *xpressBits {
	n := len(b)
	return &xpressBits{b: append(b, 0, 0, 0, 0), at1: n, at2: n + 2, free: 16}
}

func (w *xpressBits) put(v uint32, n uint) {
	if uint(w.free) >= n {
		w.free -= uint32(n)
		w.word = w.word<<n | v
		return
	}
	rest := n - uint(w.free)
	w.word = w.word<<w.free | v>>rest
	binary.LittleEndian.PutUint16(w.b[w.at1:], uint16(w.word))
	w.at1, w.at2 = w.at2, len(w.b)
	w.b = append(w.b, 0, 0)
	w.free = 16 - uint32(rest)
	w.word = v & (1<<rest - 1)
}

// length writes the bytes of a match length (less 3) that does not fit the symbol.
func (w *xpressBits) length(n int) {
	switch {
	case n < 15:
	case n < 15+255:
		w.b = append(w.b, byte(n-15))
	default:
		w.b = append(w.b, 255, byte(n), byte(n>>8))
	}
}

func (w *xpressBits) flush() []byte {
	binary.LittleEndian.PutUint16(w.b[w.at1:], uint16(w.word<<w.free))
	return w.b
}
