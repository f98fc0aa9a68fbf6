package pagelog

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/zeebo/xxh3"
)

// PageSize is the size of a database page in bytes.
const PageSize = 8192

// Page is the content of one page.
type Page [PageSize]byte

// zeroPage is what a page holds before its first change; it is never written to.
var zeroPage Page

// Digest is the hash of a page keyed by its number, or the XOR of such hashes over a database.
type Digest [16]byte

// XOR adds d to, or takes it from, a database's digest.
func (g *Digest) XOR(d Digest) {
	for i := range g {
		g[i] ^= d[i]
	}
}

// Check is the part of the page's hash that a change carries to name the content it applies to.
func (g Digest) Check() uint32 { return binary.LittleEndian.Uint32(g[:]) }

// IsZero reports whether d is the hash of a page of zeros, or the digest of an empty database.
func (g Digest) IsZero() bool { return g == Digest{} }

// String spells d in hexadecimal.
func (g Digest) String() string { return hex.EncodeToString(g[:]) }

// Hash returns the hash of page number no, from 1: XXH3-128 seeded with the number, big-endian. A page of zeros hashes
// to zero, so that a page that was never written, or was dropped, adds nothing to a database's digest.
func Hash(no uint32, p *Page) Digest {
	if p[0] == 0 && *p == zeroPage {
		return Digest{}
	}
	return Digest(xxh3.Hash128Seed(p[:], uint64(no)).Bytes())
}
