package sqlfn

import (
	"strconv"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// part is a part of a date, as DATEPART names them.
type part int

const (
	partYear part = iota
	partQuarter
	partMonth
	partDayOfYear
	partDay
	partWeek
	partWeekday
	partHour
	partMinute
	partSecond
	partMilli
	partMicro
	partNano
	partOffset
	partISOWeek
)

// Ticks of 100 ns.
const (
	second = int64(10_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = sqltype.TickDay
)

var dateTable = []scalar{
	{"ls_now", 2, 0, false, now},
	{"ls_dateadd", 4, 3, false, dateAdd},
	{"ls_datediff", 6, 3, false, dateDiff},
	{"ls_datepart", 3, 2, false, func(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
		ctx.ResultInt64(datePart(argument(arg[1], typeArg(arg[2])), part(arg[0].Int64()), e.st.DateFirst))
	}},
	{"ls_datename", 3, 2, false, dateName},
	{"ls_datetrunc", 3, 2, false, dateTrunc},
	{"ls_eomonth", 3, 2, false, endOfMonth},
	{"ls_isdate", 1, 0, false, isDate},
	{"ls_fromparts", -1, 11, false, dateFromParts},
	{"ls_switchoffset", 3, 2, false, switchOffset},
	{"ls_todatetimeoffset", 3, 2, false, switchOffset2},
}

// now is ls_now(utc, type): the statement's moment.
func now(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[1])
	m := e.st.Now
	if arg[0].Int64() != 0 {
		m = m.UTC()
	}
	_, off := m.Zone()
	v, _ := sqltype.FromMoment(sqltype.TicksOf(m), off/60, t)
	if t.Kind == sqltype.Date {
		v, _ = sqltype.FromMoment(sqltype.TicksOf(m.Truncate(time.Second)), 0, t)
	}
	result(ctx, v, t)
}

// dateAdd is ls_dateadd(part, n, date, type).
func dateAdd(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[3])
	p, n := part(arg[0].Int64()), arg[1].Int64()
	v := argument(arg[2], t)
	r, ok := addPart(v, p, n, t)
	if n != int64(int32(n)) {
		e.fail(ctx, sqlerr.New(8115, "expression", "int"))
		return
	}
	if !ok {
		e.fail(ctx, sqlerr.New(517, t.Kind))
		return
	}
	result(ctx, r, t)
}

func addPart(v sqltype.Value, p part, n int64, t sqltype.Type) (sqltype.Value, bool) {
	m := sqltype.Moment(v)
	switch p {
	case partYear:
		m = addMonths(m, 12*n)
	case partQuarter:
		m = addMonths(m, 3*n)
	case partMonth:
		m = addMonths(m, n)
	default:
		if n > 1<<33 || n < -1<<33 {
			return v, false
		}
		unit := unitOf(p)
		if p == partNano {
			m, unit = m+floorDiv(n+50, 100), 0
		}
		if unit > 0 && (n > (1<<62)/unit || n < -(1<<62)/unit) {
			return v, false
		}
		m += n * unit
	}
	if t.Kind == sqltype.Time {
		m -= floorDiv(m, day) * day
		m += sqltype.Day1900 * day
	}
	return sqltype.FromMoment(m, int(v.Hi)*b2i(v.K == sqltype.DateTimeOffset), t)
}

// unitOf is the length of a part of fixed length, in ticks.
func unitOf(p part) int64 {
	switch p {
	case partWeek:
		return 7 * day
	case partHour:
		return hour
	case partMinute:
		return minute
	case partSecond:
		return second
	case partMilli:
		return 10_000
	case partMicro:
		return 10
	}
	return day
}

// addMonths adds months; a day that the month has not becomes its last.
func addMonths(m, n int64) int64 {
	days := floorDiv(m, day)
	y, mo, d := sqltype.Civil(int(days))
	total := int64(y)*12 + int64(mo-1) + n
	if total < 12 || total >= 10000*12 {
		return -1 << 62 // outside every type
	}
	y, mo = int(total/12), int(total%12)+1
	d = min(d, sqltype.DaysIn(y, mo))
	return int64(sqltype.Days(y, mo, d))*day + m - days*day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// dateDiff is ls_datediff(part, from, to, type, type, int): the number of boundaries crossed.
func dateDiff(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	p := part(arg[0].Int64())
	// Offsets do not count: both are compared in UTC.
	a, b := utc(argument(arg[1], typeArg(arg[3]))), utc(argument(arg[2], typeArg(arg[4])))
	n, ok := boundaries(p, a, b)
	narrow := arg[5].Int64() != 0
	if !ok || narrow && n != int64(int32(n)) {
		name := "datediff_big"
		if narrow {
			name = "datediff"
		}
		e.fail(ctx, sqlerr.New(535, name, name))
		return
	}
	ctx.ResultInt64(n)
}

func utc(v sqltype.Value) int64 {
	if v.K == sqltype.DateTimeOffset {
		return v.N
	}
	return sqltype.Moment(v)
}

func boundaries(p part, a, b int64) (int64, bool) {
	da, db := floorDiv(a, day), floorDiv(b, day)
	switch p {
	case partYear, partQuarter, partMonth:
		ya, ma, _ := sqltype.Civil(int(da))
		yb, mb, _ := sqltype.Civil(int(db))
		switch p {
		case partYear:
			return int64(yb - ya), true
		case partQuarter:
			return int64(yb*4 + (mb-1)/3 - ya*4 - (ma-1)/3), true
		}
		return int64(yb*12 + mb - ya*12 - ma), true
	case partWeek:
		// 0001-01-01 was a Monday; weeks begin on Sunday whatever DATEFIRST says.
		return floorDiv(db+1, 7) - floorDiv(da+1, 7), true
	case partNano:
		d := b - a
		return d * 100, d < 1<<56 && d > -1<<56
	}
	u := unitOf(p)
	return floorDiv(b, u) - floorDiv(a, u), true
}

// datePart gives a part as a number.
func datePart(v sqltype.Value, p part, first int) int64 {
	m := sqltype.Moment(v)
	days := floorDiv(m, day)
	t := m - days*day
	switch p {
	case partHour:
		return t / hour
	case partMinute:
		return t / minute % 60
	case partSecond:
		return t / second % 60
	case partMilli, partMicro, partNano:
		return subSecond(v, t, p)
	case partOffset:
		if v.K == sqltype.DateTimeOffset {
			return v.Hi
		}
		return 0
	}
	return calendarPart(int(days), p, first)
}

// subSecond gives the fraction of the second; datetime counts in thousandths.
func subSecond(v sqltype.Value, t int64, p part) int64 {
	f := t % second
	if v.K == sqltype.DateTime {
		f = (f + 5000) / 10000 * 10000
	}
	switch p {
	case partMilli:
		return f / 10000
	case partMicro:
		return f / 10
	}
	return f * 100
}

func calendarPart(days int, p part, first int) int64 {
	y, mo, d := sqltype.Civil(days)
	switch p {
	case partYear:
		return int64(y)
	case partQuarter:
		return int64((mo-1)/3 + 1)
	case partMonth:
		return int64(mo)
	case partDay:
		return int64(d)
	case partDayOfYear:
		return int64(days - sqltype.Days(y, 1, 1) + 1)
	case partWeekday:
		return int64(weekday(days, first))
	case partWeek:
		jan1 := sqltype.Days(y, 1, 1)
		return int64((days-jan1+weekday(jan1, first)-1)/7 + 1)
	case partISOWeek:
		return isoWeek(days)
	}
	return 0
}

// weekday counts from 1 on the first day of the week, first being 1 (Monday) to 7 (Sunday).
func weekday(days, first int) int { return (days%7-(first-1)+7)%7 + 1 }

func isoWeek(days int) int64 {
	thursday := days - days%7 + 3
	y, _, _ := sqltype.Civil(thursday)
	return int64((thursday-sqltype.Days(y, 1, 1))/7 + 1)
}

// dateName is ls_datename(part, date, type).
func dateName(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	v, p := argument(arg[1], typeArg(arg[2])), part(arg[0].Int64())
	n := datePart(v, p, e.st.DateFirst)
	switch p {
	case partMonth:
		ctx.ResultText(time.Month(n).String())
	case partWeekday:
		ctx.ResultText(time.Weekday((floorDiv(sqltype.Moment(v), day) + 1) % 7).String())
	case partOffset:
		ctx.ResultText(zoneText(n))
	default:
		ctx.ResultText(strconv.FormatInt(n, 10))
	}
}

func zoneText(n int64) string {
	s := "+"
	if n < 0 {
		s, n = "-", -n
	}
	two := func(n int64) string { return strconv.FormatInt(n+100, 10)[1:] }
	return s + two(n/60) + ":" + two(n%60)
}

// dateTrunc is ls_datetrunc(part, date, type).
func dateTrunc(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[2])
	v := argument(arg[1], t)
	m := sqltype.Moment(v)
	days := int(floorDiv(m, day))
	y, mo, _ := sqltype.Civil(days)
	switch p := part(arg[0].Int64()); p {
	case partYear:
		m = int64(sqltype.Days(y, 1, 1)) * day
	case partQuarter:
		m = int64(sqltype.Days(y, (mo-1)/3*3+1, 1)) * day
	case partMonth:
		m = int64(sqltype.Days(y, mo, 1)) * day
	case partWeek:
		m = int64(days-weekday(days, e.st.DateFirst)+1) * day
	case partISOWeek:
		m = int64(days-days%7) * day
	default:
		u := unitOf(p)
		m = floorDiv(m, u) * u
	}
	r, ok := sqltype.FromMoment(m, int(v.Hi)*b2i(v.K == sqltype.DateTimeOffset), t)
	if !ok {
		e.fail(ctx, sqlerr.New(517, t.Kind))
		return
	}
	result(ctx, r, t)
}

// endOfMonth is ls_eomonth(date, months, type).
func endOfMonth(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	m := sqltype.Moment(argument(arg[0], typeArg(arg[2])))
	y, mo, _ := sqltype.Civil(int(floorDiv(m, day)))
	total := int64(y)*12 + int64(mo-1) + arg[1].Int64()
	if total < 12 || total >= 120000 {
		e.fail(ctx, sqlerr.New(517, "date"))
		return
	}
	y, mo = int(total/12), int(total%12)+1
	ctx.ResultInt64(int64(sqltype.Days(y, mo, sqltype.DaysIn(y, mo))))
}

// isDate is ls_isdate(text): whether it is a datetime.
func isDate(_ *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		ctx.ResultInt64(0)
		return
	}
	v := sqltype.StringOf(sqltype.VarChar, arg[0].Text())
	_, err := sqltype.Convert(v, typeVarChar, typeDateTime, 0)
	ctx.ResultBool(err == nil && v.S != "")
}

// dateFromParts is ls_fromparts(type, part…).
func dateFromParts(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) {
	t := typeArg(arg[0])
	var n [10]int64
	for i, a := range arg[1:min(len(arg), 11)] {
		n[i] = a.Int64()
	}
	if t.Kind == sqltype.Time {
		copy(n[3:], n[:4])
		n[0], n[1], n[2] = 1900, 1, 1
	}
	frac := int64(0)
	switch {
	case t.Kind == sqltype.DateTime:
		frac = n[6] * 10_000
	case t.Kind == sqltype.SmallDateTime:
		n[5] = 0
	case t.Kind != sqltype.Date:
		limit := int64(1)
		frac = n[6]
		for range t.Scale {
			limit *= 10
		}
		if frac >= limit {
			n[6] = -1
		}
		for i := t.Scale; i < 7; i++ {
			frac *= 10
		}
	}
	offset := n[7]*60 + n[8]
	v, ok := assemble(n, frac, offset, t)
	if !ok {
		e.fail(ctx, sqlerr.New(289, t.Kind))
		return
	}
	result(ctx, v, t)
}

func assemble(n [10]int64, frac, offset int64, t sqltype.Type) (sqltype.Value, bool) {
	y, mo, d := n[0], n[1], n[2]
	if y < 1 || y > 9999 || mo < 1 || mo > 12 || d < 1 || d > int64(sqltype.DaysIn(int(y), int(mo))) {
		return sqltype.Value{}, false
	}
	if n[3] < 0 || n[3] > 23 || n[4] < 0 || n[4] > 59 || n[5] < 0 || n[5] > 59 || n[6] < 0 || frac >= second || offset < -840 || offset > 840 {
		return sqltype.Value{}, false
	}
	m := int64(sqltype.Days(int(y), int(mo), int(d)))*day + n[3]*hour + n[4]*minute + n[5]*second + frac
	return sqltype.FromMoment(m, int(offset), t)
}

// zone reads a time zone offset: minutes, or a text +hh:mm.
func zone(v sqlite3.Value) (int, bool) {
	if v.Type() != sqlite3.TEXT {
		n := v.Int64()
		return int(n), n >= -840 && n <= 840
	}
	s := v.Text()
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, err1 := strconv.Atoi(s[1:3])
	m, err2 := strconv.Atoi(s[4:])
	n := h*60 + m
	if s[0] == '-' {
		n = -n
	}
	return n, err1 == nil && err2 == nil && m < 60 && n >= -840 && n <= 840
}

// switchOffset shows the same moment in another zone.
func switchOffset(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) { e.zoned(ctx, arg, false) }

// switchOffset2 keeps the clock and says which zone it is in.
func switchOffset2(e *Env, ctx sqlite3.Context, arg []sqlite3.Value) { e.zoned(ctx, arg, true) }

func (e *Env) zoned(ctx sqlite3.Context, arg []sqlite3.Value, keepClock bool) {
	t := typeArg(arg[2])
	v := argument(arg[0], t)
	off, ok := zone(arg[1])
	if !ok {
		e.fail(ctx, sqlerr.New(9812, "switchoffset"))
		return
	}
	m := v.N + int64(off)*minute
	if keepClock {
		m = sqltype.Moment(v)
	}
	r, ok := sqltype.FromMoment(m, off, t)
	if !ok {
		e.fail(ctx, sqlerr.New(517, t.Kind))
		return
	}
	result(ctx, r, t)
}
