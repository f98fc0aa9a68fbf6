package sqltype

import "strconv"

// clockParts is a moment taken apart for printing.
type clockParts struct {
	y, mo, d, h, mi, s int
	frac               int64 // 100 ns
	scale              int   // fractional digits to print where a style prints all
	offset             int
	hasZone            bool
}

func partsOf(v Value) clockParts {
	m := Moment(v)
	days := floorDiv(m, TickDay)
	t := m - days*TickDay
	p := clockParts{h: int(t / tickHour), mi: int(t / tickMinute % 60), s: int(t / tickSecond % 60), frac: t % tickSecond}
	p.y, p.mo, p.d = Civil(int(days))
	switch v.K {
	case DateTime:
		p.scale = 3
		// A datetime shows thousandths: .000, .003, .007.
		p.frac = (p.frac + 5000) / 10000 * 10000
	case SmallDateTime:
		p.scale = 3
	case Time, DateTime2:
		p.scale = int(v.Scale)
	case DateTimeOffset:
		p.scale, p.offset, p.hasZone = int(v.Scale), int(v.Hi), true
	}
	return p
}

// dateStyles gives, for each CONVERT style, a pattern: Y year, y two-digit year, M D month and day, m month's short name,
// d day without zero but a blank, H hour, h hour of twelve, i minute, s second, f thousandths, F all fractional digits
// with their separator, P AM or PM, z offset, | the end of the date and the begin of the time.
var dateStyles = map[int]string{
	0: "m d Y| h:iP", 100: "m d Y| h:iP",
	1: "M/D/y", 101: "M/D/Y", 2: "y.M.D", 102: "Y.M.D", 3: "D/M/y", 103: "D/M/Y", 4: "D.M.y", 104: "D.M.Y", 5: "D-M-y", 105: "D-M-Y",
	6: "D m y", 106: "D m Y", 7: "m D, y", 107: "m D, Y", 8: "|H:i:s", 108: "|H:i:s", 24: "|H:i:s",
	9: "m d Y| h:i:s:fP", 109: "m d Y| h:i:s:fP",
	10: "M-D-y", 110: "M-D-Y", 11: "y/M/D", 111: "Y/M/D", 12: "yMD", 112: "YMD",
	13: "D m Y| H:i:s:f", 113: "D m Y| H:i:s:f", 14: "|H:i:s:f", 114: "|H:i:s:f",
	20: "Y-M-D| H:i:s", 120: "Y-M-D| H:i:s", 21: "Y-M-D| H:i:sF", 25: "Y-M-D| H:i:sF", 121: "Y-M-D| H:i:sF", 22: "M/D/y| h:i:s P", 23: "Y-M-D",
	126: "Y-M-D|TH:i:sE", 127: "Y-M-D|TH:i:sE",
}

const shortMonths = "JanFebMarAprMayJunJulAugSepOctNovDec"

// FormatDate prints a temporal value in a CONVERT style; ok is false for a style that does not exist. Parts that the
// value has not got are left out.
func FormatDate(v Value, style int) (s string, ok bool) {
	pattern, ok := dateStyles[style]
	if !ok {
		return "", false
	}
	p := partsOf(v)
	datePart, timePart := v.K != Time, v.K != Date
	var buf [48]byte
	b := buf[:0]
	inDate := true
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if c == '|' {
			inDate = false
			if len(b) == 0 && i+1 < len(pattern) && (pattern[i+1] == ' ' || pattern[i+1] == 'T') {
				i++
			}
			continue
		}
		if inDate && !datePart || !inDate && !timePart {
			continue
		}
		b = p.append(b, c, v.K)
	}
	if p.hasZone && timePart && !inDate {
		b = p.appendZone(b, style == 127)
	}
	return string(b), true
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10%10), byte('0'+n%10)) }

func padded(b []byte, n int) []byte {
	if n < 10 {
		return append(b, ' ', byte('0'+n))
	}
	return two(b, n)
}

func (p clockParts) append(b []byte, c byte, k Kind) []byte {
	switch c {
	case 'Y':
		return two(two(b, p.y/100), p.y%100)
	case 'y':
		return two(b, p.y%100)
	case 'M':
		return two(b, p.mo)
	case 'D':
		return two(b, p.d)
	case 'm':
		return append(b, shortMonths[p.mo*3-3:p.mo*3]...)
	case 'd':
		return padded(b, p.d)
	case 'H':
		return two(b, p.h)
	case 'h':
		h := p.h % 12
		if h == 0 {
			h = 12
		}
		return padded(b, h)
	case 'i':
		return two(b, p.mi)
	case 's':
		return two(b, p.s)
	case 'f':
		if k == Time || k == DateTime2 || k == DateTimeOffset {
			return p.fraction(b[:len(b)-1], '.')
		}
		return p.thousandths(b)
	case 'F':
		return p.fraction(b, '.')
	case 'E': // ISO 8601 leaves an empty fraction out
		if p.frac == 0 {
			return b
		}
		return p.fraction(b, '.')
	case 'P':
		if p.h < 12 {
			return append(b, "AM"...)
		}
		return append(b, "PM"...)
	}
	return append(b, c)
}

func (p clockParts) thousandths(b []byte) []byte {
	n := int(p.frac / 10000)
	return append(b, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

func (p clockParts) fraction(b []byte, sep byte) []byte {
	if p.scale == 0 {
		return b
	}
	b = append(b, sep)
	n := p.frac
	for i := 0; i < p.scale; i++ {
		b = append(b, byte('0'+n/1_000_000%10))
		n *= 10
	}
	return b
}

func (p clockParts) appendZone(b []byte, utc bool) []byte {
	if utc && p.offset == 0 {
		return append(b, 'Z')
	}
	o := p.offset
	b = append(b, ' ')
	if utc {
		b = b[:len(b)-1]
	}
	if o < 0 {
		b, o = append(b, '-'), -o
	} else {
		b = append(b, '+')
	}
	b = two(b, o/60)
	return two(append(b, ':'), o%60)
}

// String gives v as sqlcmd shows it: NULL, 1, 1.50, 2026-01-31 22:00:00.000, 0xAB, text as it is.
func (v Value) String() string {
	if !v.Valid {
		return "NULL"
	}
	switch v.K {
	case Bit, TinyInt, SmallInt, Int, BigInt:
		return strconv.FormatInt(v.N, 10)
	case Decimal:
		return string(appendDecimal(nil, v))
	case Money, SmallMoney:
		return formatMoney(v.N, 2)
	case Float:
		return strconv.FormatFloat(v.Float(), 'g', 17, 64)
	case Real:
		return strconv.FormatFloat(v.Float(), 'g', 9, 32)
	case SmallDateTime:
		s, _ := FormatDate(v, 120)
		return s
	case Date, Time, DateTime, DateTime2, DateTimeOffset:
		s, _ := FormatDate(v, 121)
		return s
	case UniqueIdentifier:
		return formatGUID(v.S)
	case Binary, VarBinary, Image, RowVersion:
		return "0x" + hexUpper(v.S)
	}
	return v.S
}

const hexDigits = "0123456789ABCDEF"

func hexUpper(s string) string {
	b := make([]byte, 0, 2*len(s))
	for i := 0; i < len(s); i++ {
		b = append(b, hexDigits[s[i]>>4], hexDigits[s[i]&15])
	}
	return string(b)
}
