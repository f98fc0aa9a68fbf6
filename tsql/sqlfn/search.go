package sqlfn

import (
	"bytes"
	"unicode/utf8"

	"linkspan/sqltype"
)

// index finds sub in s under the collation and gives the bytes from where to where; -1 when it is not there. sub is not
// empty.
func index(s, sub []byte, c *sqltype.Collation) (from, to int) {
	if c.Binary || c.Binary2 {
		i := bytes.Index(s, sub)
		return i, i + len(sub)
	}
	if len(s)*len(sub) > 1<<22 {
		return indexLong(s, sub, c)
	}
	first, fw := utf8.DecodeRune(sub)
	first = c.Fold(first)
	for i := 0; i < len(s); {
		r, w := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, w = utf8.DecodeRune(s[i:])
		}
		if c.Fold(r) == first {
			if end := foldPrefix(s[i+w:], sub[fw:], c); end >= 0 {
				return i, i + w + end
			}
		}
		i += w
	}
	return -1, -1
}

// foldPrefix gives how many bytes of s match all of sub; -1 when they do not.
func foldPrefix(s, sub []byte, c *sqltype.Collation) int {
	i := 0
	for len(sub) > 0 {
		if i == len(s) {
			return -1
		}
		a, w := utf8.DecodeRune(s[i:])
		b, v := utf8.DecodeRune(sub)
		if a != b && c.Fold(a) != c.Fold(b) {
			return -1
		}
		i += w
		sub = sub[v:]
	}
	return i
}

// indexLong is index for long texts, by Knuth, Morris and Pratt: its work is the sum of the lengths, not their product.
func indexLong(s, sub []byte, c *sqltype.Collation) (from, to int) {
	want := make([]rune, 0, len(sub))
	for _, r := range string(sub) {
		want = append(want, c.Fold(r))
	}
	// next[k] is how much of want still matches after its first k characters did and the following did not.
	next := make([]int, len(want))
	for i, k := 1, 0; i < len(want); i++ {
		for k > 0 && want[i] != want[k] {
			k = next[k-1]
		}
		if want[i] == want[k] {
			k++
		}
		next[i] = k
	}
	k := 0
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRune(s[i:])
		r = c.Fold(r)
		i += w
		for k > 0 && r != want[k] {
			k = next[k-1]
		}
		if r != want[k] {
			continue
		}
		if k++; k == len(want) {
			return i - widthBack(s[:i], k), i
		}
	}
	return -1, -1
}

// widthBack counts the bytes of the last n characters of s.
func widthBack(s []byte, n int) int {
	end := len(s)
	for ; n > 0; n-- {
		_, w := utf8.DecodeLastRune(s)
		s = s[:len(s)-w]
	}
	return end - len(s)
}
