package sqltype

// guidText lists the bytes of a uniqueidentifier (as TDS sends them) in the order in which its text shows them.
var guidText = [16]byte{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

func formatGUID(s string) string {
	if len(s) != 16 {
		return ""
	}
	var b [36]byte
	j := 0
	for i, from := range guidText {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b[j] = '-'
			j++
		}
		c := s[from]
		b[j], b[j+1] = hexDigits[c>>4], hexDigits[c&15]
		j += 2
	}
	return string(b[:])
}

// parseGUID reads xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, also in braces. Characters past the end are ignored, as SQL
// Server does ("uniqueidentifier (Transact-SQL)").
func parseGUID(s string) (g [16]byte, ok bool) {
	brace := len(s) > 0 && s[0] == '{'
	if brace {
		s = s[1:]
	}
	if len(s) < 36 || brace && (len(s) < 37 || s[36] != '}') {
		return g, false
	}
	j := 0
	for i := range g {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			if s[j] != '-' {
				return g, false
			}
			j++
		}
		hi, lo := hexValue(s[j]), hexValue(s[j+1])
		if hi < 0 || lo < 0 {
			return g, false
		}
		g[guidText[i]] = byte(hi<<4 | lo)
		j += 2
	}
	return g, true
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// GUIDOf makes a uniqueidentifier of 16 bytes in the order in which the text shows them.
func GUIDOf(b [16]byte) Value {
	var g [16]byte
	for i, to := range guidText {
		g[to] = b[i]
	}
	return Value{K: UniqueIdentifier, Valid: true, S: string(g[:])}
}
