package sqlfn

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// maxText bounds what REPLICATE, REPLACE and the like may build.
const maxText = 1 << 28

var stringTable = []scalar{
	{"ls_like", 3, 2, false, likeValue},
	{"ls_like", 4, 2, false, likeValue},
	{"ls_patindex", 3, 2, false, patIndex},
	{"ls_charindex", 4, 3, false, charIndex},
	{"ls_len", 2, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		ctx.ResultInt64(int64(textLen(trimRight(arg[0].RawText()), typeArg(arg[1]))))
	}},
	{"ls_datalength", 2, 1, false, dataLength},
	{"ls_left", 2, 2, false, side(false)},
	{"ls_right", 2, 2, false, side(true)},
	{"ls_substring", 3, 3, false, substring},
	{"ls_subbytes", 3, 3, false, substring},
	{"ls_lower", 1, 1, false, mapText(bytes.ToLower)},
	{"ls_upper", 1, 1, false, mapText(bytes.ToUpper)},
	{"ls_reverse", 1, 1, false, reverse},
	{"ls_ltrim", 1, 1, false, trim(true, false)}, {"ls_ltrim", 2, 2, false, trim(true, false)},
	{"ls_rtrim", 1, 1, false, trim(false, true)}, {"ls_rtrim", 2, 2, false, trim(false, true)},
	{"ls_trim", 1, 1, false, trim(true, true)}, {"ls_trim", 2, 2, false, trim(true, true)},
	{"ls_replace", 4, 3, false, replace},
	{"ls_translate", 4, 3, false, translate},
	{"ls_stuff", 4, 3, false, stuff},
	{"ls_replicate", 3, 2, false, replicate},
	{"ls_space", 1, 1, false, func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		if n := arg[0].Int64(); n >= 0 {
			ctx.ResultText(strings.Repeat(" ", int(min(n, 8000))))
		}
	}},
	{"ls_concat_ws", -1, 0, false, concatWS},
	{"ls_bcat", 3, 2, false, concatBytes},
	{"ls_ascii", 2, 1, false, ascii},
	{"ls_unicode", 2, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		if r, w := utf8.DecodeRune(arg[0].RawText()); w > 0 {
			if r > 0xffff && !sqltype.CollationOf(typeArg(arg[1])).Supplementary {
				r = 0xd800 + (r-0x10000)>>10
			}
			ctx.ResultInt64(int64(r))
		}
	}},
	{"ls_char", 1, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		if n := arg[0].Int64(); n >= 0 && n <= 255 {
			ctx.ResultText(sqltype.DecodeText(string([]byte{byte(n)}), typeVarChar))
		}
	}},
	{"ls_nchar", 1, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		if n := arg[0].Int64(); n >= 0 && n <= 0x10ffff {
			ctx.ResultText(string(rune(n)))
		}
	}},
	{"ls_quotename", 1, 1, false, quoteName}, {"ls_quotename", 2, 2, false, quoteName},
	{"ls_parsename", 2, 2, false, parseName},
	{"ls_string_escape", 2, 2, false, stringEscape},
	{"ls_soundex", 1, 1, false, func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) { ctx.ResultText(soundex(arg[0].Text())) }},
	{"ls_difference", 2, 2, false, difference},
	{"ls_str", 1, 1, false, str}, {"ls_str", 2, 2, false, str}, {"ls_str", 3, 3, false, str},
	{"ls_format", 3, 3, false, formatValue},
}

// textLen counts characters as LEN does: UTF-16 units for Unicode text, unless the collation knows supplementary
// characters.
func textLen(s []byte, t sqltype.Type) int {
	if t.Kind.IsUnicode() && !sqltype.CollationOf(t).Supplementary {
		return sqltype.Length(string(s), t)
	}
	return utf8.RuneCount(s)
}

func dataLength(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[1])
	switch {
	case t.Kind.IsUnicode():
		ctx.ResultInt64(int64(2 * sqltype.Length(string(arg[0].RawText()), t)))
	case t.Kind.IsString() && sqltype.CollationOf(t).UTF8:
		ctx.ResultInt64(int64(len(arg[0].RawText())))
	case t.Kind.IsString():
		ctx.ResultInt64(int64(utf8.RuneCount(arg[0].RawText())))
	case t.Kind.IsBinary():
		ctx.ResultInt64(int64(len(arg[0].RawBlob())))
	default:
		ctx.ResultInt64(int64(sqltype.FixedSize(t)))
	}
}

// unitCount counts the characters of s as offset does.
func unitCount(s []byte) int64 {
	n := utf8.RuneCount(s)
	for _, c := range s {
		if c >= 0xF0 { // begins a rune outside the basic plane
			n++
		}
	}
	return int64(n)
}

// offset gives the byte position of the n-th character, at most len(s). Runes outside the basic plane are two characters,
// as in collations without _SC; a cut through one leaves it to the right side, as half of it cannot be kept.
func offset(s []byte, n int64) int {
	i := 0
	for i < len(s) && n > 0 {
		if s[i] < utf8.RuneSelf {
			i++
			n--
			continue
		}
		r, w := utf8.DecodeRune(s[i:])
		if n--; r > 0xFFFF {
			if n--; n < 0 {
				break
			}
		}
		i += w
	}
	return i
}

// tail gives the last n characters of s.
func tail(s []byte, n int64) []byte {
	skip := unitCount(s) - n
	i := offset(s, skip)
	if skip > 0 && unitCount(s[:i]) < skip { // cut through a rune: its half is left out
		_, w := utf8.DecodeRune(s[i:])
		i += w
	}
	return s[i:]
}

func side(right bool) impl {
	return func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		n, s := arg[1].Int64(), arg[0].RawText()
		if n < 0 {
			if right {
				e.fail(ctx, sqlerr.New(536, "right"))
			} else {
				e.fail(ctx, sqlerr.New(537))
			}
			return
		}
		if right {
			resultRaw(ctx, tail(s, n))
			return
		}
		resultRaw(ctx, s[:offset(s, n)])
	}
}

// substring is ls_substring(text, start, length), and the same for bytes.
func substring(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	start, n := arg[1].Int64(), arg[2].Int64()
	if n < 0 {
		e.fail(ctx, sqlerr.New(537))
		return
	}
	start = max(min(start, 1<<40), -1<<40)
	end := max(start+min(n, 1<<40), 1) // the character after the last, from 1
	start = max(start, 1)
	if arg[0].Type() == sqlite3.BLOB {
		b := arg[0].RawBlob()
		i := min(int(start)-1, len(b))
		ctx.ResultBlob(b[i:max(min(int(end)-1, len(b)), i)])
		return
	}
	s := arg[0].RawText()
	i := offset(s, start-1)
	resultRaw(ctx, s[i:i+offset(s[i:], end-start)])
}

func mapText(f func([]byte) []byte) impl {
	return func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) { resultRaw(ctx, f(arg[0].RawText())) }
}

func reverse(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	s := arg[0].RawText()
	out := make([]byte, len(s))
	for i, j := 0, len(s); i < len(s); {
		_, w := utf8.DecodeRune(s[i:])
		j -= w
		copy(out[j:], s[i:i+w])
		i += w
	}
	resultRaw(ctx, out)
}

// trim takes blanks, or the characters of the second argument, off the ends.
func trim(left, right bool) impl {
	return func(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		s, set := arg[0].RawText(), " "
		if len(arg) == 2 {
			set = arg[1].Text()
		}
		if left {
			s = bytes.TrimLeft(s, set)
		}
		if right {
			s = bytes.TrimRight(s, set)
		}
		resultRaw(ctx, s)
	}
}

// charIndex is ls_charindex(sub, text, start, type).
func charIndex(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	sub, s := arg[0].RawText(), arg[1].RawText()
	start := max(arg[2].Int64(), 1)
	skip := offset(s, start-1)
	if len(sub) == 0 || skip >= len(s) {
		ctx.ResultInt64(0)
		return
	}
	i, _ := index(s[skip:], sub, sqltype.CollationOf(typeArg(arg[3])))
	if i < 0 {
		ctx.ResultInt64(0)
		return
	}
	ctx.ResultInt64(start + unitCount(s[skip:skip+i]))
}

// bounded gives text as a result of type t, cut to its length.
func (e *Env) bounded(ctx sqlite3.Context, s string, t sqltype.Type) {
	if len(s) > maxText {
		e.fail(ctx, sqlerr.New(8152))
		return
	}
	if t.Len > 0 {
		s, _ = sqltype.Cut(s, t.Len, t)
	}
	ctx.ResultText(s)
}

// replace is ls_replace(text, from, to, type).
func replace(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	s, old := arg[0].RawText(), arg[1].RawText()
	t := typeArg(arg[3])
	c := sqltype.CollationOf(t)
	if len(old) == 0 {
		e.bounded(ctx, string(s), t)
		return
	}
	with := arg[2].RawText()
	var out []byte
	for {
		i, j := index(s, old, c)
		if i < 0 || len(out) > maxText {
			break
		}
		out = append(append(out, s[:i]...), with...)
		s = s[j:]
	}
	e.bounded(ctx, string(append(out, s...)), t)
}

// translate is ls_translate(text, from, to, type).
func translate(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[3])
	c := sqltype.CollationOf(t)
	from, to := []rune(arg[1].Text()), []rune(arg[2].Text())
	if len(from) != len(to) {
		e.fail(ctx, sqlerr.New(9828))
		return
	}
	m := make(map[rune]rune, len(from))
	for i := len(from) - 1; i >= 0; i-- {
		m[c.Fold(from[i])] = to[i]
	}
	e.bounded(ctx, strings.Map(func(r rune) rune {
		if x, ok := m[c.Fold(r)]; ok {
			return x
		}
		return r
	}, arg[0].Text()), t)
}

// stuff is ls_stuff(text, start, length, with).
func stuff(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	s, start, n := arg[0].RawText(), arg[1].Int64(), arg[2].Int64()
	if start <= 0 || n < 0 || start > unitCount(s) {
		return
	}
	i := offset(s, start-1)
	j := i + offset(s[i:], n)
	out := append([]byte(nil), s[:i]...)
	tail := append([]byte(nil), s[j:]...)
	out = append(out, arg[3].RawText()...)
	resultRaw(ctx, append(out, tail...))
}

// replicate is ls_replicate(text, times, type).
func replicate(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	s, n, t := arg[0].Text(), arg[1].Int64(), typeArg(arg[2])
	if n < 0 {
		return
	}
	limit := int64(maxText)
	if t.Len > 0 {
		limit = 4 * int64(t.Len)
	}
	if len(s) > 0 && n > limit/int64(len(s))+1 {
		n = limit/int64(len(s)) + 1
	}
	e.bounded(ctx, strings.Repeat(s, int(n)), t)
}

func concatWS(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	sep := ""
	if arg[0].Type() != sqlite3.NULL {
		sep = arg[0].Text()
	}
	var b strings.Builder
	some := false
	for _, a := range arg[1:] {
		if a.Type() == sqlite3.NULL {
			continue
		}
		if some {
			b.WriteString(sep)
		}
		b.Write(a.RawText())
		some = true
	}
	ctx.ResultText(b.String())
}

func concatBytes(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	b := arg[1].Blob(arg[0].Blob(nil))
	if t := typeArg(arg[2]); t.Len > 0 && len(b) > t.Len {
		b = b[:t.Len]
	}
	ctx.ResultBlob(b)
}

func ascii(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	s := arg[0].RawText()
	if len(s) == 0 {
		return
	}
	r, w := utf8.DecodeRune(s)
	if r < utf8.RuneSelf {
		ctx.ResultInt64(int64(r))
		return
	}
	ctx.ResultInt64(int64(sqltype.EncodeText(string(s[:w]), typeVarChar)[0]))
}

// quoteName is ls_quotename(name [, quote]): NULL for more than 128 characters or another quote.
func quoteName(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	s, q := arg[0].Text(), "["
	if len(arg) == 2 {
		q = arg[1].Text()
	}
	pairs := map[string]string{"[": "[]", "]": "[]", "'": "''", `"`: `""`, "(": "()", ")": "()", "<": "<>", ">": "<>", "{": "{}", "}": "{}", "`": "``"}
	pair, ok := pairs[q]
	if !ok || utf8.RuneCountInString(s) > 128 {
		return
	}
	end := pair[1:]
	ctx.ResultText(pair[:1] + strings.ReplaceAll(s, end, end+end) + end)
}

// parseName gives part n, counted from the right, of a dotted name.
func parseName(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	list, ok := splitName(arg[0].Text())
	n := int(arg[1].Int64())
	if !ok || n < 1 || n > len(list) || len(list) > 4 || list[len(list)-n] == "" {
		return
	}
	ctx.ResultText(list[len(list)-n])
}

func splitName(s string) (list []string, ok bool) {
	var b strings.Builder
	r := []rune(s)
	for i := 0; i < len(r); i++ {
		switch c := r[i]; {
		case c == '.':
			list = append(list, b.String())
			b.Reset()
		case (c == '[' || c == '"') && b.Len() == 0:
			end := map[rune]rune{'[': ']', '"': '"'}[c]
			for i++; ; i++ {
				if i >= len(r) {
					return nil, false
				}
				if r[i] == end {
					if i+1 >= len(r) || r[i+1] != end {
						break
					}
					i++
				}
				b.WriteRune(r[i])
			}
		default:
			b.WriteRune(c)
		}
	}
	return append(list, b.String()), true
}

func soundex(s string) string {
	const codes = "01230120022455012623010202" // by letter
	out, last := make([]byte, 0, 4), byte(0)
	for _, r := range s {
		r = unicode.ToUpper(r)
		if r < 'A' || r > 'Z' {
			if len(out) == 0 {
				return "0000"
			}
			break
		}
		c := codes[r-'A']
		switch {
		case len(out) == 0:
			out = append(out, byte(r))
		case c != '0' && c != last:
			out = append(out, c)
		}
		if r != 'H' && r != 'W' {
			last = c
		}
		if len(out) == 4 {
			break
		}
	}
	for len(out) < 4 {
		out = append(out, '0')
	}
	return string(out)
}

func difference(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	a, b := soundex(arg[0].Text()), soundex(arg[1].Text())
	n := int64(0)
	for i := range 4 {
		if a[i] == b[i] {
			n++
		}
	}
	ctx.ResultInt64(n)
}
