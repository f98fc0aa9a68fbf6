package bak

import "time"

// dateSize is the length of MTF's packed date in bytes.
const dateSize = 5

// decodeDate reads MTF's packed date: year 14 bits, month 4, day 5, hour 5, minute 6, second 6. It is the server's wall
// clock, whose zone the date does not hold; it is given as if in UTC. All zero, or a date that no calendar has, is the
// zero time.
func decodeDate(b []byte) time.Time {
	if len(b) < dateSize {
		return time.Time{}
	}
	var v uint64
	for _, c := range b[:dateSize] {
		v = v<<8 | uint64(c)
	}
	year, month, day := int(v>>26), int(v>>22&15), int(v>>17&31)
	hour, minute, second := int(v>>12&31), int(v>>6&63), int(v&63)
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day {
		return time.Time{}
	}
	return t
}

// appendDate appends the packed form of t's wall clock; the zero time is five zero bytes.
func appendDate(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0, 0, 0, 0, 0)
	}
	v := uint64(t.Year())<<26 | uint64(t.Month())<<22 | uint64(t.Day())<<17 |
		uint64(t.Hour())<<12 | uint64(t.Minute())<<6 | uint64(t.Second())
	return append(b, byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
