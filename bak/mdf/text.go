package mdf

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// codePage is how the bytes of char, varchar and text are read; 0 means 1252.
type codePage int

// codePageUTF8 is the code page of collations whose name ends in _UTF8.
const codePageUTF8 codePage = 65001

// codePages gives the code page of Windows' locales other than the Western ones.
var codePages = map[uint32]codePage{
	0x41c: 1250, 0x405: 1250, 0x40e: 1250, 0x415: 1250, 0x418: 1250, 0x41a: 1250, 0x41b: 1250, 0x424: 1250,
	0x419: 1251, 0x422: 1251, 0x402: 1251, 0x42f: 1251, 0xc1a: 1251, 0x408: 1253, 0x41f: 1254, 0x42c: 1254, 0x443: 1254,
	0x40d: 1255, 0x401: 1256, 0x429: 1256, 0x420: 1256, 0x425: 1257, 0x426: 1257, 0x427: 1257, 0x42a: 1258, 0x41e: 874,
	0x411: 932, 0x10411: 932, 0x804: 936, 0x20804: 936, 0x412: 949, 0x404: 950, 0xc04: 950, 0x1404: 950, 0x30404: 950,
}

func (c codePage) encoding() encoding.Encoding {
	switch c {
	case 874:
		return charmap.Windows874
	case 932:
		return japanese.ShiftJIS
	case 936:
		return simplifiedchinese.GBK
	case 949:
		return korean.EUCKR
	case 950:
		return traditionalchinese.Big5
	case 1250:
		return charmap.Windows1250
	case 1251:
		return charmap.Windows1251
	case 1253:
		return charmap.Windows1253
	case 1254:
		return charmap.Windows1254
	case 1255:
		return charmap.Windows1255
	case 1256:
		return charmap.Windows1256
	case 1257:
		return charmap.Windows1257
	case 1258:
		return charmap.Windows1258
	case 437:
		return charmap.CodePage437
	case 850:
		return charmap.CodePage850
	default:
		return charmap.Windows1252
	}
}

// text decodes b; bytes that mean nothing become U+FFFD.
func (c codePage) text(b []byte) string {
	ascii := true
	for _, x := range b {
		if x >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return string(b)
	}
	if c == codePageUTF8 {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	out, err := c.encoding().NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return string(out)
}

// utf16String decodes UTF-16LE.
func utf16String(b []byte) string {
	var out strings.Builder
	out.Grow(len(b) / 2)
	for i := 0; i+1 < len(b); i += 2 {
		u := rune(le.Uint16(b[i:]))
		if utf16.IsSurrogate(u) && i+3 < len(b) {
			if r := utf16.DecodeRune(u, rune(le.Uint16(b[i+2:]))); r != utf8.RuneError {
				out.WriteRune(r)
				i += 2
				continue
			}
		}
		out.WriteRune(u) // a lone surrogate becomes U+FFFD
	}
	return out.String()
}
