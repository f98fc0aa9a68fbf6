package sqltype

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// asciiOrder lists the ASCII characters by their primary weight in the collation table; letters by their small form.
// The characters missing here are ignored. It is the order of golang.org/x/text/collate for the root locale, which
// compares everything that is not ASCII; a test holds the two together.
const asciiOrder = "\t\n\v\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"

var asciiWeight = weights()

func weights() (w [utf8.RuneSelf]uint8) {
	for i := range len(asciiOrder) {
		c := asciiOrder[i]
		w[c] = uint8(i + 1)
		if isLetter(c) {
			w[c-0x20] = uint8(i + 1)
		}
	}
	return w
}

// Comparer compares strings under one collation. It is not safe for concurrent use; a connection has its own. The zero
// value is not usable: see NewComparer.
type Comparer struct {
	c    *Collation
	slow *collate.Collator
}

// NewComparer returns a Comparer for c.
func NewComparer(c *Collation) *Comparer { return &Comparer{c: c} }

// Compare orders a and b: -1, 0 or 1. Trailing blanks do not count. ASCII strings allocate nothing.
func (m *Comparer) Compare(a, b []byte) int {
	a, b = trimBlanks(a), trimBlanks(b)
	if m.c.Binary || m.c.Binary2 {
		return strings.Compare(unsafeString(a), unsafeString(b))
	}
	if r, ok := compareASCII(a, b, m.c.IgnoreCase); ok {
		return r
	}
	if unsafeString(a) == unsafeString(b) {
		return 0
	}
	if m.slow == nil {
		m.slow = newCollator(m.c)
	}
	return m.slow.Compare(a, b)
}

// CompareString is Compare for strings.
func (m *Comparer) CompareString(a, b string) int {
	return m.Compare(unsafeBytes(a), unsafeBytes(b))
}

func newCollator(c *Collation) *collate.Collator {
	var o []collate.Option
	if c.IgnoreCase {
		o = append(o, collate.IgnoreCase)
	}
	if c.IgnoreAccent {
		o = append(o, collate.IgnoreDiacritics)
	}
	return collate.New(language.Und, o...)
}

func trimBlanks(s []byte) []byte {
	n := len(s)
	for n > 0 && s[n-1] == ' ' {
		n--
	}
	return s[:n]
}

// compareASCII compares as long as only ASCII decides; ok is false when something else might.
func compareASCII(a, b []byte, ignoreCase bool) (r int, ok bool) {
	i, j := 0, 0
	for {
		var x, y byte
		var wx, wy uint8
		for wx == 0 && i < len(a) {
			if x = a[i]; x >= utf8.RuneSelf {
				return 0, false
			}
			wx = asciiWeight[x]
			i++
		}
		for wy == 0 && j < len(b) {
			if y = b[j]; y >= utf8.RuneSelf {
				return 0, false
			}
			wy = asciiWeight[y]
			j++
		}
		switch {
		case wx < wy:
			return -1, true
		case wx > wy:
			return 1, true
		case wx == 0:
			return r, true
		case x != y && !ignoreCase && r == 0:
			r = 1 // small letters come before capitals
			if x > y {
				r = -1
			}
		}
	}
}

// Fold gives the character that stands for r and all that the collation takes for equal to it, as far as single
// characters go: what LIKE, CHARINDEX and REPLACE compare.
func (c *Collation) Fold(r rune) rune {
	if c.Binary || c.Binary2 {
		return r
	}
	if r < utf8.RuneSelf {
		if c.IgnoreCase && r >= 'A' && r <= 'Z' {
			return r + 0x20
		}
		return r
	}
	if c.IgnoreAccent {
		var buf [utf8.UTFMax]byte
		n := utf8.EncodeRune(buf[:], r)
		if d := norm.NFD.PropertiesString(string(buf[:n])).Decomposition(); len(d) > 0 {
			r, _ = utf8.DecodeRune(d)
		}
	}
	if c.IgnoreCase {
		r = unicode.ToLower(r)
	}
	return r
}

// Compare orders two values of one kind that are not NULL (decimals of any scale): -1, 0 or 1. Text compares under c; nil
// means the default collation.
func Compare(a, b Value, c *Collation) int {
	switch a.K {
	case Decimal:
		return CompareDecimal(a, b)
	case Real, Float:
		return order3(a.Float(), b.Float())
	case UniqueIdentifier:
		x, y := PutGUID(a.S), PutGUID(b.S)
		return strings.Compare(string(x[:]), string(y[:]))
	}
	if a.K.IsString() {
		if c == nil {
			c = &collations[0]
		}
		m := Comparer{c: c}
		return m.CompareString(a.S, b.S)
	}
	if a.K.IsBinary() {
		return strings.Compare(a.S, b.S)
	}
	return order3(a.N, b.N)
}

func order3[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Equal reports whether a and b are the same value: both NULL, or of one kind and equal in every byte. It is what tests
// and change detection ask, not SQL's =.
func Equal(a, b Value) bool {
	if a.K == Decimal && b.K == Decimal && a.Valid && b.Valid {
		return CompareDecimal(a, b) == 0
	}
	if (a.K == Float || a.K == Real) && a.K == b.K && a.Valid && b.Valid {
		return a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	}
	return a == b
}
