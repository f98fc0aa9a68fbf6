package sqlfn

import (
	"math"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqltype"
)

// str is STR(x [, length [, decimals]]): right-aligned, asterisks when it does not fit.
func str(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	length, decimals := int64(10), int64(0)
	if len(arg) > 1 {
		length = arg[1].Int64()
	}
	if len(arg) > 2 {
		decimals = min(arg[2].Int64(), 16)
	}
	if length < 1 || length > 8000 || decimals < 0 {
		return
	}
	f := arg[0].Float()
	whole := len(strconv.FormatFloat(math.Trunc(f), 'f', 0, 64))
	if int64(whole) > length {
		ctx.ResultText(strings.Repeat("*", int(length)))
		return
	}
	decimals = max(min(decimals, length-int64(whole)-1), 0)
	s := strconv.FormatFloat(roundFloat(f, int(decimals), false), 'f', int(decimals), 64)
	if pad := int(length) - len(s); pad > 0 {
		s = strings.Repeat(" ", pad) + s
	}
	ctx.ResultText(s)
}

// formatValue is ls_format(x, type, format): FORMAT for the formats of .NET that reports use, invariant culture as
// en-US. A format that is not known gives NULL, as in SQL Server.
func formatValue(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[1])
	v := argument(arg[0], t)
	f := arg[2].Text()
	var s string
	var ok bool
	if t.Kind.IsTemporal() {
		s, ok = formatDate(v, f)
	} else {
		s, ok = formatNumber(v, f)
	}
	if ok {
		ctx.ResultText(s)
	}
}

// formatNumber applies a standard format (one letter and digits) or a custom one.
func formatNumber(v sqltype.Value, f string) (string, bool) {
	if f == "" {
		f = "G"
	}
	if len(f) <= 3 && strings.Trim(f[1:], "0123456789") == "" && !strings.Contains("0#.,%", f[:1]) {
		digits := -1
		if len(f) > 1 {
			digits, _ = strconv.Atoi(f[1:])
		}
		return standardNumber(v, f[0], digits)
	}
	return customNumber(sqltype.AsFloat(v), f), true
}

func standardNumber(v sqltype.Value, letter byte, digits int) (string, bool) {
	x := sqltype.AsFloat(v)
	fixed := func(x float64, def int) string {
		if digits >= 0 {
			def = digits
		}
		return strconv.FormatFloat(roundFloat(x, def, false), 'f', def, 64)
	}
	switch letter | 0x20 {
	case 'n':
		return grouped(fixed(x, 2)), true
	case 'f':
		return fixed(x, 2), true
	case 'c':
		s := grouped(fixed(math.Abs(x), 2))
		if x < 0 {
			return "($" + s + ")", true
		}
		return "$" + s, true
	case 'p':
		return grouped(fixed(x*100, 2)) + "%", true
	case 'e':
		return strconv.FormatFloat(x, letter, max(digits, 6*b2i(digits < 0)), 64), true
	case 'd':
		if !v.K.IsInteger() {
			return "", false
		}
		return padNumber(strconv.FormatInt(v.N, 10), digits), true
	case 'x':
		if !v.K.IsInteger() {
			return "", false
		}
		s := strconv.FormatUint(uint64(v.N), 16)
		if letter == 'X' {
			s = strings.ToUpper(s)
		}
		return padNumber(s, digits), true
	case 'g':
		return strings.TrimSpace(v.String()), true
	}
	return "", false
}

func padNumber(s string, digits int) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if n := digits - len(s); n > 0 {
		s = strings.Repeat("0", n) + s
	}
	return sign + s
}

// grouped puts commas between thousands.
func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, frac, has := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if has {
		b.WriteString("." + frac)
	}
	return b.String()
}

// customNumber applies a format of 0, #, comma, point, percent and literal characters.
func customNumber(x float64, f string) string {
	first := strings.IndexAny(f, "0#.")
	if first < 0 {
		return f
	}
	last := strings.LastIndexAny(f, "0#.,")
	head, body, foot := f[:first], f[first:last+1], f[last+1:]
	if strings.Contains(f, "%") {
		x *= 100
	}
	whole, frac, _ := strings.Cut(body, ".")
	places := strings.Count(frac, "0") + strings.Count(frac, "#")
	s := strconv.FormatFloat(roundFloat(math.Abs(x), places, false), 'f', places, 64)
	w, d, _ := strings.Cut(s, ".")
	least := strings.Count(frac, "0")
	for len(d) > least && d[len(d)-1] == '0' {
		d = d[:len(d)-1]
	}
	zeros := strings.Count(whole, "0")
	w = padNumber(strings.TrimLeft(w, "0"), zeros)
	if strings.Contains(whole, ",") {
		w = grouped(w)
	}
	if d != "" {
		w += "." + d
	}
	if x < 0 {
		w = "-" + w
	}
	return head + w + foot
}

// standardDates spells the standard date formats of .NET for en-US as custom ones.
var standardDates = map[string]string{
	"d": "M/d/yyyy", "D": "dddd, MMMM d, yyyy", "t": "h:mm tt", "T": "h:mm:ss tt", "f": "dddd, MMMM d, yyyy h:mm tt",
	"F": "dddd, MMMM d, yyyy h:mm:ss tt", "g": "M/d/yyyy h:mm tt", "G": "M/d/yyyy h:mm:ss tt", "M": "MMMM d", "m": "MMMM d",
	"s": "yyyy-MM-ddTHH:mm:ss", "u": "yyyy-MM-dd HH:mm:ssZ", "Y": "MMMM yyyy", "y": "MMMM yyyy", "o": "yyyy-MM-ddTHH:mm:ss.fffffff",
	"O": "yyyy-MM-ddTHH:mm:ss.fffffff", "": "M/d/yyyy h:mm:ss tt",
}

func formatDate(v sqltype.Value, f string) (string, bool) {
	if s, ok := standardDates[f]; ok {
		f = s
	} else if len(f) == 1 {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(f); {
		c := f[i]
		n := 1
		for i+n < len(f) && f[i+n] == c {
			n++
		}
		switch {
		case c == '\\' && i+1 < len(f):
			b.WriteByte(f[i+1])
			i += 2
			continue
		case c == '\'' || c == '"':
			j := strings.IndexByte(f[i+1:], c)
			if j < 0 {
				return "", false
			}
			b.WriteString(f[i+1 : i+1+j])
			i += j + 2
			continue
		}
		b.WriteString(datePiece(v, c, n))
		i += n
	}
	return b.String(), true
}

// datePiece formats n times the letter c.
func datePiece(v sqltype.Value, c byte, n int) string {
	num := func(p part, width int) string {
		return padNumber(strconv.FormatInt(datePart(v, p, 7), 10), min(n, width))
	}
	name := func(p part, list string) string {
		s := strings.Fields(list)[datePart(v, p, 7)-1]
		if n == 3 {
			s = s[:3]
		}
		return s
	}
	switch c {
	case 'y':
		y := datePart(v, partYear, 7)
		if n <= 2 {
			return padNumber(strconv.FormatInt(y%100, 10), n)
		}
		return padNumber(strconv.FormatInt(y, 10), n)
	case 'M':
		if n >= 3 {
			return name(partMonth, "January February March April May June July August September October November December")
		}
		return num(partMonth, 2)
	case 'd':
		if n >= 3 {
			return name(partWeekday, "Sunday Monday Tuesday Wednesday Thursday Friday Saturday")
		}
		return num(partDay, 2)
	case 'H':
		return num(partHour, 2)
	case 'h':
		h := (datePart(v, partHour, 7)+11)%12 + 1
		return padNumber(strconv.FormatInt(h, 10), min(n, 2))
	case 'm':
		return num(partMinute, 2)
	case 's':
		return num(partSecond, 2)
	case 'f', 'F':
		s := padNumber(strconv.FormatInt(datePart(v, partNano, 7), 10), 9)[:min(n, 7)]
		if c == 'F' {
			s = strings.TrimRight(s, "0")
		}
		return s
	case 't':
		s := "AM"
		if datePart(v, partHour, 7) >= 12 {
			s = "PM"
		}
		return s[:min(n, 2)]
	case 'z':
		return zoneText(datePart(v, partOffset, 7))
	}
	return strings.Repeat(string(c), n)
}

// stringEscape is STRING_ESCAPE(text, 'json'); another kind gives NULL.
func stringEscape(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	if !strings.EqualFold(arg[1].Text(), "json") {
		return
	}
	var b strings.Builder
	for _, r := range arg[0].Text() {
		switch i := strings.IndexRune("\"\\/\b\f\n\r\t", r); {
		case i >= 0:
			b.WriteByte('\\')
			b.WriteByte(`"\/bfnrt`[i])
		case r < ' ':
			b.WriteString(`\u00` + padNumber(strconv.FormatInt(int64(r), 16), 2))
		default:
			b.WriteRune(r)
		}
	}
	ctx.ResultText(b.String())
}
