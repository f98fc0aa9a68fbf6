package tds

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// decodeUTF16 gives the text of little-endian UTF-16. Lone surrogates become U+FFFD; an odd last byte is dropped, the
// callers refuse it where it matters.
func decodeUTF16(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	var s strings.Builder
	s.Grow(len(b) / 2)
	for i := 0; i+1 < len(b); i += 2 {
		u := rune(b[i]) | rune(b[i+1])<<8
		if u < utf8.RuneSelf {
			s.WriteByte(byte(u))
			continue
		}
		if utf16.IsSurrogate(u) {
			r := rune(utf8.RuneError)
			if i+3 < len(b) {
				r = utf16.DecodeRune(u, rune(b[i+2])|rune(b[i+3])<<8)
			}
			if u = r; r != utf8.RuneError {
				i += 2
			}
		}
		s.WriteRune(u)
	}
	return s.String()
}

// appendUTF16 appends s in little-endian UTF-16.
func appendUTF16(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = append(b, c, 0)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r < 0x10000 {
			b = append(b, byte(r), byte(r>>8))
			continue
		}
		hi, lo := utf16.EncodeRune(r)
		b = append(b, byte(hi), byte(hi>>8), byte(lo), byte(lo>>8))
	}
	return b
}

// cutUTF16 cuts s to at most limit UTF-16 code units, at a character.
func cutUTF16(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		w := 1
		if r >= 0x10000 {
			w = 2
		}
		if n += w; n > limit {
			return s[:i]
		}
	}
	return s
}

// decode1252 gives the text of bytes in code page 1252, which all collations served have unless they are UTF-8.
func decode1252(b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	for _, c := range b {
		if c < utf8.RuneSelf {
			s.WriteByte(c)
		} else {
			s.WriteRune(charmap.Windows1252.DecodeByte(c))
		}
	}
	return s.String()
}

// append1252 appends s in code page 1252, with ? for what it lacks.
func append1252(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		c, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}
