package sqltype

import (
	"time"

	"linkspan/sqlerr"
)

// Units of time in 100 ns ticks, and days from 0001-01-01 to the epochs.
const (
	tickSecond = 10_000_000
	tickMinute = 60 * tickSecond
	tickHour   = 60 * tickMinute
	// TickDay is the number of 100 ns ticks in a day.
	TickDay = 24 * tickHour
	// Day1900 and Day1753 are days since 0001-01-01: the epoch of datetime, and its first day.
	Day1900 = 693595
	Day1753 = 639905
	// DayMax is 9999-12-31.
	DayMax  = 3652058
	dayMax4 = 146097 // days in 400 years
	// unixDay is 1970-01-01.
	unixDay = 719162
	// day300 is a day in datetime's ticks of 1/300 s.
	day300 = 25_920_000
	// smallMin and smallMax bound smalldatetime, in minutes since 1900: to 2079-06-06 23:59.
	smallMax = 65536*1440 - 1
)

// Days gives the days from 0001-01-01 to a date of the proleptic Gregorian calendar. The month may be outside 1 to 12
// and the day outside the month; they carry over.
func Days(year, month, day int) int {
	month--
	year += month / 12
	if month %= 12; month < 0 {
		month += 12
		year--
	}
	month++
	// Years begin in March, so that the leap day is the last.
	y := year
	if month <= 2 {
		y--
		month += 12
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doy := (153*(month-3)+2)/5 + day - 1
	return era*dayMax4 + yoe*365 + yoe/4 - yoe/100 + doy - 306
}

// Civil is the reverse of Days.
func Civil(days int) (year, month, day int) {
	z := days + 306
	era := z / dayMax4
	if z < 0 {
		era = (z - dayMax4 + 1) / dayMax4
	}
	doe := z - era*dayMax4
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// DaysIn is the number of days of a month.
func DaysIn(year, month int) int {
	return Days(year, month+1, 1) - Days(year, month, 1)
}

// TicksOf gives a time as 100 ns ticks since 0001-01-01 on the clock of its own zone.
func TicksOf(t time.Time) int64 {
	_, off := t.Zone()
	return (t.Unix()+int64(off))*tickSecond + int64(t.Nanosecond()/100) + unixDay*TickDay
}

// Moment gives a temporal value as 100 ns ticks since 0001-01-01 on its own clock: a datetimeoffset in its offset, a
// time on 1900-01-01.
func Moment(v Value) int64 {
	switch v.K {
	case Date:
		return v.N * TickDay
	case Time:
		return Day1900*TickDay + v.N
	case SmallDateTime:
		return Day1900*TickDay + v.N*tickMinute
	case DateTime:
		return Day1900*TickDay + ticks300(v.N)
	case DateTimeOffset:
		return v.N + v.Hi*tickMinute
	}
	return v.N
}

// ticks300 turns 1/300 s into 100 ns, rounded.
func ticks300(n int64) int64 {
	t := n * (tickSecond / 100) // 3 times too much
	if t >= 0 {
		return (t + 1) / 3
	}
	return (t - 1) / 3
}

// FromMoment gives the value of temporal type t for 100 ns ticks on its own clock, rounded to what t holds. ok is false
// when t has no such moment. A datetimeoffset gets the offset, in minutes.
func FromMoment(m int64, offset int, t Type) (v Value, ok bool) {
	v = Value{K: t.Kind, Valid: true}
	switch t.Kind {
	case Date:
		v.N = floorDiv(m, TickDay)
		return v, v.N >= 0 && v.N <= DayMax
	case Time:
		v.Scale = t.Scale
		v.N = roundTicks(m-floorDiv(m, TickDay)*TickDay, t.Scale) % TickDay
		return v, true
	case SmallDateTime:
		v.N = floorDiv(m-Day1900*TickDay+tickMinute/2, tickMinute)
		return v, v.N >= 0 && v.N <= smallMax && m >= Day1900*TickDay
	case DateTime:
		d := floorDiv(m, TickDay)
		n := ((m-d*TickDay)*3 + 50000) / 100000
		v.N = (d-Day1900)*day300 + n
		return v, v.N >= (Day1753-Day1900)*day300 && v.N < (DayMax+1-Day1900)*day300
	case DateTimeOffset:
		v.Scale, v.Hi = t.Scale, int64(offset)
		m -= int64(offset) * tickMinute
		v.N = roundDown(m, t.Scale)
		return v, inRange(v.N) && inRange(v.N+v.Hi*tickMinute) && offset >= -840 && offset <= 840
	case DateTime2:
		v.Scale = t.Scale
		v.N = roundDown(m, t.Scale)
		return v, inRange(v.N)
	}
	return Value{}, false
}

func inRange(n int64) bool { return n >= 0 && n < (DayMax+1)*TickDay }

// roundDown rounds to a scale, but does not carry past the last moment there is.
func roundDown(m int64, scale uint8) int64 {
	r := roundTicks(m, scale)
	if r >= (DayMax+1)*TickDay && m < (DayMax+1)*TickDay {
		unit := scaleTicks[scale]
		return m / unit * unit
	}
	return r
}

// scaleTicks is the unit of each scale of seconds, in 100 ns.
var scaleTicks = [8]int64{10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1}

func roundTicks(m int64, scale uint8) int64 {
	unit := scaleTicks[min(scale, 7)]
	return floorDiv(m+unit/2, unit) * unit
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// temporal converts between the temporal kinds.
func temporal(v Value, from, to Type) (Value, *sqlerr.Error) {
	if from.Kind == to.Kind && from.Scale == to.Scale {
		return v, nil
	}
	offset := 0
	if from.Kind == DateTimeOffset {
		offset = int(v.Hi)
	}
	r, ok := FromMoment(Moment(v), offset, to)
	if !ok {
		return Value{}, sqlerr.New(242, from.Kind, to.Kind)
	}
	return r, nil
}

// DateTimeOf gives the datetime for a number of days since 1900-01-01, as CAST(number AS datetime) reads it.
func DateTimeOf(days float64, k Kind) (Value, bool) {
	const first, last = Day1753 - Day1900, DayMax + 1 - Day1900
	if !(days >= first && days < last) {
		return Value{}, false
	}
	n := int64(days * day300)
	if f := days*day300 - float64(n); f >= 0.5 {
		n++
	} else if f <= -0.5 {
		n--
	}
	v := Value{K: DateTime, Valid: true, N: n}
	if k == DateTime {
		return v, true
	}
	return FromMoment(Moment(v), 0, Type{Kind: k})
}

// DaysOf gives a datetime or smalldatetime as days since 1900-01-01, the number that it converts to.
func DaysOf(v Value) float64 {
	if v.K == SmallDateTime {
		return float64(v.N) / 1440
	}
	return float64(v.N) / day300
}
