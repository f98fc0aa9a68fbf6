package bak

import (
	"encoding/binary"
	"math/bits"
)

// sectorSize is the unit of every checksum here, in bytes.
const sectorSize = 512

// xorWords is the exclusive or of the words of b, whose length is a multiple of 8.
func xorWords(b []byte) uint32 {
	var a, c, d, e uint64
	for len(b) >= 32 {
		a ^= binary.LittleEndian.Uint64(b)
		c ^= binary.LittleEndian.Uint64(b[8:])
		d ^= binary.LittleEndian.Uint64(b[16:])
		e ^= binary.LittleEndian.Uint64(b[24:])
		b = b[32:]
	}
	for len(b) >= 8 {
		a ^= binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	a ^= c ^ d ^ e
	return uint32(a) ^ uint32(a>>32)
}

// Sum is the checksum of a stretch of a stream, as CSUM streams hold it: over each 512-byte sector,
// c = rotate-left(c, 1) xor (xor of the sector's words), c starting at zero. Sums of neighbouring stretches combine, so
// that stretches can be summed on many cores. The zero Sum is that of no bytes.
type Sum struct {
	C       uint32
	Sectors int64
}

// Write adds b, a whole number of sectors, to the end of the stretch. A rest shorter than a sector is taken as if
// padded with zeros.
func (s *Sum) Write(b []byte) {
	for len(b) >= sectorSize {
		s.C = bits.RotateLeft32(s.C, 1) ^ xorWords(b[:sectorSize])
		s.Sectors++
		b = b[sectorSize:]
	}
	if len(b) > 0 {
		var last [sectorSize]byte
		copy(last[:], b)
		s.C = bits.RotateLeft32(s.C, 1) ^ xorWords(last[:])
		s.Sectors++
	}
}

// Join gives the sum of the stretch s followed by the stretch t.
func (s Sum) Join(t Sum) Sum {
	return Sum{C: bits.RotateLeft32(s.C, int(t.Sectors%32)) ^ t.C, Sectors: s.Sectors + t.Sectors}
}

// PageSize is the size of a database page in bytes; ExtentSize that of the eight pages that backups keep together.
const (
	PageSize   = 8192
	ExtentSize = 8 * PageSize
)

// pageSumAt is the offset of the checksum in a page's header.
const pageSumAt = 60

// PageSum computes the checksum of a page, with the word that holds the checksum taken as zero: the exclusive or over
// i = 0…15 of rotate-left(xor of sector i's words, 15-i). p must be PageSize bytes.
func PageSum(p []byte) uint32 {
	var c uint32
	for i := range 16 {
		c = bits.RotateLeft32(c, 1) ^ xorWords(p[i*sectorSize:(i+1)*sectorSize])
	}
	return c ^ bits.RotateLeft32(binary.LittleEndian.Uint32(p[pageSumAt:]), 15)
}

// chunkSum is the checksum of a compressed chunk's payload, padded with zeros to whole words.
func chunkSum(b []byte) uint32 {
	var c uint32
	for len(b) >= 4 {
		c = bits.RotateLeft32(c, 1) ^ binary.LittleEndian.Uint32(b)
		b = b[4:]
	}
	if len(b) > 0 {
		var w [4]byte
		copy(w[:], b)
		c = bits.RotateLeft32(c, 1) ^ binary.LittleEndian.Uint32(w[:])
	}
	return c
}

// headerSum is MTF's checksum of a header: the exclusive or of its 16-bit words. len(b) is even.
func headerSum(b []byte) uint16 {
	var c uint16
	for ; len(b) >= 2; b = b[2:] {
		c ^= binary.LittleEndian.Uint16(b)
	}
	return c
}
