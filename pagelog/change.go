package pagelog

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// MaxChange bounds the encoded length of one page's change.
const MaxChange = PageSize + PageSize/2

// minGap is how many unchanged bytes end a run: fewer cost less inside it than a new run does.
const minGap = 4

// With these, a word is tested for a byte of zeros.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// AppendChange appends the change of page no from before to after: the number as the distance from prev (the page of the
// change before, or 0), the check of the content it applies to, and the runs of before XOR after. Pages of one record
// MUST come in ascending order. A nil page is one of zeros.
func AppendChange(dst []byte, prev, no uint32, check uint32, before, after *Page) []byte {
	dst = binary.AppendUvarint(dst, uint64(no-prev))
	dst = binary.LittleEndian.AppendUint32(dst, check)
	if before == nil {
		before = &zeroPage
	}
	if after == nil {
		after = &zeroPage
	}
	at := 0
	for i := nextDifference(before, after, 0); i < PageSize; {
		end := runEnd(before, after, i)
		dst = binary.AppendUvarint(dst, uint64(end-i))
		dst = binary.AppendUvarint(dst, uint64(i-at))
		n := len(dst)
		dst = slices.Grow(dst, end-i)[:n+end-i]
		subtle.XORBytes(dst[n:], before[i:end], after[i:end])
		at, i = end, nextDifference(before, after, end)
	}
	return append(dst, 0)
}

// nextDifference returns the first offset from i on where a and b differ, or PageSize.
func nextDifference(a, b *Page, i int) int {
	for ; i%8 != 0 && i < PageSize; i++ {
		if a[i] != b[i] {
			return i
		}
	}
	for ; i < PageSize; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	return PageSize
}

// runEnd returns the end of the run of differences that starts at i.
func runEnd(a, b *Page, i int) int {
	end := i + 1
	for j := end; j < PageSize && j-end < minGap; {
		if j+8 <= PageSize {
			x := binary.LittleEndian.Uint64(a[j:]) ^ binary.LittleEndian.Uint64(b[j:])
			if (x-lowBits)&^x&highBits == 0 { // none of the eight bytes is equal
				j += 8
				end = j
				continue
			}
		}
		if a[j] != b[j] {
			end = j + 1
		}
		j++
	}
	return end
}

// Changes walks the page changes of a record's body. Use: for c.Next() { … }; then Err.
type Changes struct {
	rest []byte
	// Page is the number of the page, from 1; Check names the content the change applies to.
	Page  uint32
	Check uint32
	runs  []byte
	err   error
}

// ParseChanges starts a walk over the body of a KindPages record.
func ParseChanges(body []byte) *Changes { return &Changes{rest: body} }

// Next moves to the next change and checks its form.
func (c *Changes) Next() bool {
	if c.err != nil || len(c.rest) == 0 {
		return false
	}
	d, n := binary.Uvarint(c.rest)
	if n <= 0 || d == 0 || uint64(c.Page)+d > 1<<32-1 || len(c.rest) < n+4 {
		c.err = fmt.Errorf("%w: page number after page %d", ErrInvalid, c.Page)
		return false
	}
	c.Page += uint32(d)
	c.Check = binary.LittleEndian.Uint32(c.rest[n:])
	c.rest = c.rest[n+4:]
	end, err := c.walk(nil)
	if err != nil {
		c.err = fmt.Errorf("%w: change of page %d: %s", ErrInvalid, c.Page, err.Error())
		return false
	}
	c.runs, c.rest = c.rest[:end], c.rest[end:]
	return true
}

// walk visits the runs at the front of rest, applies them to p unless it is nil, and returns their length.
func (c *Changes) walk(p *Page) (int, error) {
	at, i := 0, 0
	for {
		size, n := binary.Uvarint(c.rest[i:])
		if n <= 0 {
			return 0, fmt.Errorf("length of a run")
		}
		i += n
		if size == 0 {
			return i, nil
		}
		skip, n := binary.Uvarint(c.rest[i:])
		if n <= 0 {
			return 0, fmt.Errorf("start of a run")
		}
		i += n
		if skip > PageSize || size > PageSize || uint64(at)+skip+size > PageSize || uint64(len(c.rest)-i) < size {
			return 0, fmt.Errorf("run of %d bytes at %d+%d", size, at, skip)
		}
		at += int(skip)
		if p != nil {
			subtle.XORBytes(p[at:at+int(size)], p[at:at+int(size)], c.rest[i:i+int(size)])
		}
		at, i = at+int(size), i+int(size)
	}
}

// Apply changes p from before to after, or back: it is its own inverse. Only after Next returned true.
func (c *Changes) Apply(p *Page) {
	w := Changes{rest: c.runs}
	_, _ = w.walk(p) // Next checked the form
}

// Size is the encoded length of the present change's runs.
func (c *Changes) Size() int { return len(c.runs) }

// Err is what was wrong with the body, or nil.
func (c *Changes) Err() error { return c.err }
