package sqltype

import "strings"

// order is the order of day, month and year in a numeric date.
type order uint8

const (
	mdy order = iota // us_english
	dmy
	ymd
)

// moment is what a date and time string says.
type moment struct {
	days      int // since 0001-01-01; 1900-01-01 when the string has a time only
	ticks     int64
	offset    int // minutes
	hasDate   bool
	hasTime   bool
	hasOffset bool
	digits    int  // fractional digits of the seconds
	iso       bool // ISO 8601 with a T
	outside   bool // well-formed, but no such day or time
}

// scanner reads a date string from the left.
type scanner struct {
	s   string
	i   int
	out moment
	// parts of the date in the order met: numbers with their widths, and the month if it was a word.
	num   [3]int
	width [3]int
	nums  int
	month int
	where int // how many numbers stood before the month's name
	sep   byte
}

// styleOrder gives the order of the parts that CONVERT's style demands of a numeric date.
func styleOrder(style int) order {
	switch style {
	case 3, 4, 5, 103, 104, 105, 131, 13, 113, 106, 6, 130:
		return dmy
	case 2, 11, 102, 111, 20, 21, 23, 25, 120, 121, 126, 127:
		return ymd
	}
	return mdy
}

// parseMoment reads the formats that SQL Server accepts for us_english ("date (Transact-SQL)", "time (Transact-SQL)"):
// numeric with / - or ., alphabetic, unseparated (4, 6 or 8 digits), ISO 8601, and times of 12 or 24 hours. Blanks
// alone are 1900-01-01.
func parseMoment(s string, o order) (moment, bool) {
	if len(s) > 128 {
		return moment{}, false
	}
	p := scanner{s: strings.TrimSpace(s)}
	p.out.days = Day1900
	for p.i < len(p.s) {
		if !p.token() {
			return moment{}, false
		}
	}
	if !p.date(o) {
		return moment{}, false
	}
	return p.out, true
}

func (p *scanner) token() bool {
	c := p.s[p.i]
	switch {
	case c == ' ' || c == '\t':
		p.i++
		return true
	case c == ',':
		p.i++
		return p.month > 0 || p.nums > 0
	case c >= '0' && c <= '9':
		return p.number()
	case (c == '-' || c == '+') && p.out.hasTime:
		return p.zone()
	case c == 'Z' && p.out.hasTime && p.out.iso:
		p.i++
		p.out.hasOffset = true
		return p.i == len(p.s)
	case c == 'T' && p.nums == 3 && p.sep == '-' && !p.out.hasTime && p.i+1 < len(p.s) && isDigit(p.s[p.i+1]):
		p.i++
		p.out.iso = true
		n, w := p.digits()
		return w == 2 && p.peek() == ':' && p.clock(n)
	case (c == '-' || c == '/' || c == '.') && (p.month > 0 || p.nums > 0):
		p.i++ // between a number and a month's name
		return true
	case isLetter(c):
		return p.word()
	}
	return false
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func (p *scanner) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// digits reads a number of at most nine digits.
func (p *scanner) digits() (n, width int) {
	for p.i < len(p.s) && isDigit(p.s[p.i]) && width < 9 {
		n = n*10 + int(p.s[p.i]-'0')
		p.i++
		width++
	}
	return n, width
}

func (p *scanner) number() bool {
	n, w := p.digits()
	switch c := p.peek(); {
	case isDigit(c):
		return false
	case c == ':':
		return w <= 2 && p.clock(n)
	case p.meridian() >= 0 && w <= 2 && !p.out.hasTime:
		return p.clock(n)
	}
	if p.nums == 3 {
		return false
	}
	if p.nums == 0 && p.month == 0 && (w == 8 || w == 6) {
		return p.packed(n, w)
	}
	p.num[p.nums], p.width[p.nums] = n, w
	p.nums++
	if c := p.peek(); c == '/' || c == '-' || c == '.' {
		if p.sep != 0 && c != p.sep && p.month == 0 {
			return false
		}
		if p.nums < 3 && p.i+1 < len(p.s) && (isDigit(p.s[p.i+1]) || isLetter(p.s[p.i+1])) {
			p.sep = c
			p.i++
		} else {
			return false
		}
	}
	return true
}

// packed reads yyyymmdd or yymmdd.
func (p *scanner) packed(n, w int) bool {
	y := n / 10000
	if w == 6 {
		y = century(y)
	}
	p.nums, p.sep = 3, 'p'
	p.num = [3]int{y, n / 100 % 100, n % 100}
	p.width = [3]int{4, 2, 2}
	return true
}

// century applies the two-digit year cutoff of 2049.
func century(y int) int {
	if y < 50 {
		return 2000 + y
	}
	return 1900 + y
}

// meridian reports AM (0) or PM (1) at the cursor, after blanks; -1 if there is neither.
func (p *scanner) meridian() int {
	rest := strings.TrimLeft(p.s[p.i:], " ")
	if len(rest) < 2 || rest[1]|0x20 != 'm' || len(rest) > 2 && (isLetter(rest[2]) || isDigit(rest[2])) {
		return -1
	}
	switch rest[0] | 0x20 {
	case 'a':
		return 0
	case 'p':
		return 1
	}
	return -1
}

// clock reads the rest of a time whose hour was read.
func (p *scanner) clock(hour int) bool {
	if p.out.hasTime {
		return false
	}
	p.out.hasTime = true
	var minute, second, w int
	if p.peek() == ':' {
		p.i++
		if minute, w = p.digits(); w == 0 || w > 2 {
			return false
		}
		if p.peek() == ':' {
			p.i++
			if second, w = p.digits(); w == 0 || w > 2 {
				return false
			}
			if !p.fraction() {
				return false
			}
		}
	}
	if m := p.meridian(); m >= 0 {
		p.i = len(p.s) - len(strings.TrimLeft(p.s[p.i:], " ")) + 2
		if hour > 12 && m == 0 || hour > 23 {
			p.out.outside = true
		}
		if m == 1 && hour < 12 {
			hour += 12
		} else if m == 0 && hour == 12 {
			hour = 0
		}
	}
	if hour > 23 || minute > 59 || second > 59 {
		p.out.outside = true
	}
	p.out.ticks += int64(hour)*tickHour + int64(minute)*tickMinute + int64(second)*tickSecond
	return true
}

// fraction reads .nnnnnnn, or :nnn for thousandths.
func (p *scanner) fraction() bool {
	c := p.peek()
	if c != '.' && c != ':' {
		return true
	}
	p.i++
	n, w := p.digits()
	if w == 0 || w > 9 {
		return false
	}
	if c == ':' {
		if w > 3 {
			return false
		}
		p.out.digits = 3
		p.out.ticks += int64(n) * 10_000
		return true
	}
	p.out.digits = w
	t := int64(n)
	for i := w; i < 7; i++ {
		t *= 10
	}
	for i := w; i > 7; i-- {
		t = (t + 5) / 10
	}
	p.out.ticks += t
	return true
}

// zone reads +hh:mm.
func (p *scanner) zone() bool {
	neg := p.s[p.i] == '-'
	p.i++
	h, w := p.digits()
	if w != 2 || p.peek() != ':' || p.out.hasOffset {
		return false
	}
	p.i++
	m, w := p.digits()
	if w != 2 || p.i != len(p.s) {
		return false
	}
	p.out.hasOffset = true
	p.out.offset = h*60 + m
	if m > 59 || p.out.offset > 840 {
		p.out.outside = true
	}
	if neg {
		p.out.offset = -p.out.offset
	}
	return true
}

const monthNames = "january   february  march     april     may       june      july      august    september october   november  december  "

// word reads a month's name, in full or its first three letters.
func (p *scanner) word() bool {
	start := p.i
	for p.i < len(p.s) && isLetter(p.s[p.i]) {
		p.i++
	}
	w := strings.ToLower(p.s[start:p.i])
	if len(w) < 3 || p.month > 0 {
		return false
	}
	for m := range 12 {
		name := strings.TrimRight(monthNames[m*10:m*10+10], " ")
		if w == name || w == name[:3] {
			p.month, p.where = m+1, p.nums
			return true
		}
	}
	return false
}

// date makes a day of the parts.
func (p *scanner) date(o order) bool {
	var y, m, d int
	n := p.num
	switch {
	case p.month > 0:
		var ok bool
		if y, d, ok = p.aroundMonth(); !ok {
			return false
		}
		m = p.month
	case p.nums == 0:
		return true
	case p.nums == 1 && p.width[0] == 4:
		y, m, d = n[0], 1, 1
	case p.nums < 3:
		return false
	case p.width[0] == 4:
		y, m, d = n[0], n[1], n[2]
		if o == dmy && p.sep != 'p' && p.sep != '-' {
			m, d = d, m
		}
	case p.width[2] == 4 && o == dmy:
		d, m, y = n[0], n[1], n[2]
	case p.width[2] == 4:
		m, d, y = n[0], n[1], n[2]
	case p.width[0] > 2 || p.width[1] > 2 || p.width[2] > 2:
		return false
	case o == ymd:
		y, m, d = century(n[0]), n[1], n[2]
	case o == dmy:
		d, m, y = n[0], n[1], century(n[2])
	default:
		m, d, y = n[0], n[1], century(n[2])
	}
	p.out.hasDate = true
	if y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > DaysIn(y, m) {
		p.out.outside = true
		return true
	}
	p.out.days = Days(y, m, d)
	return true
}

// aroundMonth finds year and day beside a month's name: Jan 31 2026, 31 Jan 2026, 2026 Jan 31, Jan 2026.
func (p *scanner) aroundMonth() (y, d int, ok bool) {
	year := func(i int) int {
		if p.width[i] <= 2 {
			return century(p.num[i])
		}
		return p.num[i]
	}
	switch p.nums {
	case 1:
		if p.width[0] == 4 {
			return p.num[0], 1, true
		}
		return 0, 0, false
	case 2:
		if p.width[0] == 4 {
			return p.num[0], p.num[1], p.width[1] <= 2
		}
		return year(1), p.num[0], p.width[0] <= 2 && (p.width[1] == 4 || p.width[1] == 2)
	}
	return 0, 0, false
}
