package sqltype

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Code page 1252 is the code page of every collation served that is not UTF-8. A varchar holds the characters that the
// code page has; in memory and in the row store it is UTF-8 all the same.

// toCodePage gives s with '?' for every character that code page 1252 has not, as SQL Server's conversion from nvarchar
// does. ASCII comes back as it is.
func toCodePage(s string) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if _, ok := charmap.Windows1252.EncodeRune(r); !ok {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// EncodeText gives the bytes of a text value of type t as SQL Server holds them: UTF-16LE for Unicode kinds, UTF-8 under
// a UTF-8 collation, code page 1252 otherwise.
func EncodeText(s string, t Type) []byte {
	switch {
	case t.Kind.IsUnicode():
		return utf16LE(s)
	case CollationOf(t).UTF8:
		return []byte(s)
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// DecodeText reverses EncodeText. Bytes that are no text become U+FFFD.
func DecodeText(b string, t Type) string {
	switch {
	case t.Kind.IsUnicode():
		return fromUTF16LE(b)
	case CollationOf(t).UTF8:
		return strings.ToValidUTF8(b, "\uFFFD")
	}
	ascii := true
	for i := 0; i < len(b) && ascii; i++ {
		ascii = b[i] < utf8.RuneSelf
	}
	if ascii {
		return b
	}
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		out.WriteRune(charmap.Windows1252.DecodeByte(b[i]))
	}
	return out.String()
}

func utf16LE(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			h, l := 0xd800+r>>10, 0xdc00+r&0x3ff
			b = append(b, byte(h), byte(h>>8))
			r = l
		}
		b = append(b, byte(r), byte(r>>8))
	}
	return b
}

func fromUTF16LE(s string) string {
	var out strings.Builder
	for i := 0; i+1 < len(s); i += 2 {
		r := rune(s[i]) | rune(s[i+1])<<8
		if r >= 0xd800 && r < 0xdc00 && i+3 < len(s) {
			if l := rune(s[i+2]) | rune(s[i+3])<<8; l >= 0xdc00 && l < 0xe000 {
				r = 0x10000 + (r-0xd800)<<10 + l - 0xdc00
				i += 2
			}
		}
		out.WriteRune(r)
	}
	return out.String()
}

// Cut gives the longest prefix of s that is at most n units of t long; whole tells whether that was all of s.
func Cut(s string, n int, t Type) (prefix string, whole bool) {
	if n < 0 || len(s) <= n {
		return s, true
	}
	if t.Kind.IsBinary() {
		return s[:n], false
	}
	unicode := t.Kind.IsUnicode()
	bytes := !unicode && CollationOf(t).UTF8
	used := 0
	for i := 0; i < len(s); {
		w, units := 1, 1
		if s[i] >= utf8.RuneSelf {
			var r rune
			r, w = utf8.DecodeRuneInString(s[i:])
			if bytes {
				units = w
			} else if unicode && r > 0xffff {
				units = 2
			}
		}
		if used += units; used > n {
			return s[:i], false
		}
		i += w
	}
	return s, true
}

// fitText pads and cuts text to type t's length.
func fitText(s string, t Type) string {
	if t.Len == MaxLen || t.Len == 0 {
		return s
	}
	s, _ = Cut(s, t.Len, t)
	if t.Kind == Char || t.Kind == NChar {
		if n := Length(s, t); n < t.Len {
			s += strings.Repeat(" ", t.Len-n)
		}
	}
	return s
}
