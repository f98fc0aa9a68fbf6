package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// columns is how wide the pages of the migrate commands are.
const columns = 100

// page writes lines of at most so many columns, where words allow it.
type page struct {
	w   io.Writer
	err error
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// text writes text behind a label; further lines stand below its beginning. Lines of the text are kept.
func (p *page) text(label, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(label))
	for i, line := range strings.Split(text, "\n") {
		for j, part := range wrap(line, columns-len(indent)) {
			if i > 0 || j > 0 {
				label = indent
			}
			p.printf("%s\n", strings.TrimRight(label+part, " "))
		}
	}
}

// wrap cuts a line at spaces into parts of at most width columns; a longer word stays whole.
func wrap(line string, width int) []string {
	if utf8.RuneCountInString(line) <= width {
		return []string{line}
	}
	var out []string
	var now strings.Builder
	used := 0
	for word := range strings.FieldsSeq(line) {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > width {
			out, used = append(out, now.String()), 0
			now.Reset()
		}
		if used > 0 {
			now.WriteByte(' ')
			used++
		}
		now.WriteString(word)
		used += n
	}
	return append(out, now.String())
}

// column pads text to a width; longer text is kept.
func column(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// widest is the width of the widest text, at least least and at most most.
func widest(least, most int, texts ...string) int {
	for _, t := range texts {
		least = max(least, min(most, utf8.RuneCountInString(t)))
	}
	return least
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, units := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	for len(units) > 1 && v >= unit {
		v, units = v/unit, units[1:]
	}
	return fmt.Sprintf("%.1f %s", v, units[0])
}

// ago is how long ago something was.
func ago(now, at time.Time) string { return spanText(max(0, now.Sub(at))) + " ago" }

// spanText is a span of time for people, in at most two units.
func spanText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d/day), int(d%day/time.Hour))
	}
}

// secondsText is a number of seconds for people.
func secondsText(s float64) string { return spanText(time.Duration(s * float64(time.Second))) }

// moment is a time for people, in the zone of this machine.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// count spells a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
