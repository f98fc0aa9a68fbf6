package sqlfn

import (
	"strings"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

func dt2(scale uint8) sqltype.Type { return sqltype.Type{Kind: sqltype.DateTime2, Scale: scale} }

func dto(scale uint8) sqltype.Type { return sqltype.Type{Kind: sqltype.DateTimeOffset, Scale: scale} }

var dateFunctions = map[string]function{
	"GETDATE": fn(0, clock("0", typeDateTime)), "CURRENT_TIMESTAMP": fn(0, clock("0", typeDateTime)),
	"GETUTCDATE": fn(0, clock("1", typeDateTime)), "SYSDATETIME": fn(0, clock("0", dt2(7))),
	"SYSUTCDATETIME": fn(0, clock("1", dt2(7))), "SYSDATETIMEOFFSET": fn(0, clock("0", dto(7))),
	"CURRENT_DATE": fn(0, clock("0", typeDate)),
	"DATEADD":      fn(3, bindDateAdd), "DATEDIFF": fn(3, bindDateDiff), "DATEDIFF_BIG": fn(3, bindDateDiff),
	"DATEPART": fn(2, bindDatePart), "DATENAME": fn(2, bindDatePart), "DATETRUNC": fn(2, bindDateTrunc),
	"YEAR": fn(1, bindYearPart), "MONTH": fn(1, bindYearPart), "DAY": fn(1, bindYearPart),
	"EOMONTH": span(1, 2, bindEOMonth), "ISDATE": fn(1, bindIsDate),
	"DATEFROMPARTS":           fn(3, fromParts(typeDate)),
	"TIMEFROMPARTS":           fn(5, fromParts(sqltype.Type{Kind: sqltype.Time})),
	"DATETIMEFROMPARTS":       fn(7, fromParts(typeDateTime)),
	"SMALLDATETIMEFROMPARTS":  fn(5, fromParts(sqltype.Type{Kind: sqltype.SmallDateTime})),
	"DATETIME2FROMPARTS":      fn(8, fromParts(dt2(0))),
	"DATETIMEOFFSETFROMPARTS": fn(10, fromParts(dto(0))),
	"SWITCHOFFSET":            fn(2, bindOffset), "TODATETIMEOFFSET": fn(2, bindOffset),
}

// clock makes a function that tells the statement's moment.
func clock(utc string, t sqltype.Type) func(string, []Expr) (Expr, error) {
	return func(string, []Expr) (Expr, error) {
		return Expr{SQL: call("ls_now", utc, code(t)), Type: t}, nil
	}
}

// parts gives the canonical part for each name and abbreviation: "DATEPART (Transact-SQL)".
var parts = map[string]part{
	"YEAR": partYear, "YY": partYear, "YYYY": partYear, "QUARTER": partQuarter, "QQ": partQuarter, "Q": partQuarter,
	"MONTH": partMonth, "MM": partMonth, "M": partMonth, "DAYOFYEAR": partDayOfYear, "DY": partDayOfYear, "Y": partDayOfYear,
	"DAY": partDay, "DD": partDay, "D": partDay, "WEEK": partWeek, "WK": partWeek, "WW": partWeek, "WEEKDAY": partWeekday,
	"DW": partWeekday, "W": partWeekday, "HOUR": partHour, "HH": partHour, "MINUTE": partMinute, "MI": partMinute, "N": partMinute,
	"SECOND": partSecond, "SS": partSecond, "S": partSecond, "MILLISECOND": partMilli, "MS": partMilli, "MICROSECOND": partMicro,
	"MCS": partMicro, "NANOSECOND": partNano, "NS": partNano, "TZOFFSET": partOffset, "TZ": partOffset, "ISO_WEEK": partISOWeek,
	"ISOWK": partISOWeek, "ISOWW": partISOWeek,
}

// partOf reads the word that names a part; 155 when it is none.
func partOf(name string, x Expr) (part, error) {
	p, ok := parts[strings.ToUpper(x.Word)]
	if !ok {
		return 0, sqlerr.New(155, x.Word, strings.ToLower(name))
	}
	return p, nil
}

// dateArg gives x as a date or time: texts are read as datetime2(7) (as datetime when old), numbers as datetime. 8116 for
// other types.
func dateArg(name string, i int, x Expr, old bool) (Expr, error) {
	k := x.Type.Kind
	switch {
	case k.IsTemporal():
		return x, nil
	case k == sqltype.Null || k.IsString() && !old:
		if k == sqltype.Null {
			return implicit(x, typeDateTime)
		}
		return implicit(x, dt2(7))
	case k.IsString() || k.IsNumeric():
		return implicit(x, typeDateTime)
	}
	return Expr{}, badArgument(name, i, x)
}

func partArgs(name string, a []Expr) (part, Expr, error) {
	p, err := partOf(name, a[0])
	if err != nil {
		return 0, Expr{}, err
	}
	x, err := dateArg(name, 1, a[len(a)-1], name == "DATEADD")
	return p, x, err
}

// checkPart is error 9810 for parts that the type has not.
func checkPart(name, word string, p part, t sqltype.Type) error {
	timePart := p >= partHour && p <= partNano
	datePart := p < partHour || p == partISOWeek
	bad := t.Kind == sqltype.Date && timePart || t.Kind == sqltype.Time && datePart
	if p == partOffset {
		bad = t.Kind != sqltype.DateTimeOffset && t.Kind != sqltype.DateTime2
	}
	if bad {
		return sqlerr.New(9810, strings.ToLower(word), strings.ToLower(name), t.Kind)
	}
	return nil
}

func bindDateAdd(name string, a []Expr) (Expr, error) {
	p, x, err := partArgs(name, a)
	if err != nil {
		return Expr{}, err
	}
	n, err := Convert(a[1], typeBigInt, Options{Implicit: true})
	if err != nil {
		return Expr{}, err
	}
	if p == partOffset || p == partISOWeek {
		return Expr{}, sqlerr.New(9810, strings.ToLower(a[0].Word), "dateadd", x.Type.Kind)
	}
	if err := checkPart(name, a[0].Word, p, x.Type); err != nil {
		return Expr{}, err
	}
	return Expr{SQL: call("ls_dateadd", itoa(int(p)), n.SQL, x.SQL, code(x.Type)), Type: x.Type, Nullable: x.Nullable || n.Nullable}, nil
}

func bindDateDiff(name string, a []Expr) (Expr, error) {
	p, err := partOf(name, a[0])
	if err != nil {
		return Expr{}, err
	}
	if p == partOffset || p == partISOWeek {
		return Expr{}, sqlerr.New(9810, strings.ToLower(a[0].Word), strings.ToLower(name), "datetime2")
	}
	x, err := dateArg(name, 1, a[1], false)
	if err != nil {
		return Expr{}, err
	}
	y, err := dateArg(name, 2, a[2], false)
	if err != nil {
		return Expr{}, err
	}
	t := typeInt
	if name == "DATEDIFF_BIG" {
		t = typeBigInt
	}
	return Expr{SQL: call("ls_datediff", itoa(int(p)), x.SQL, y.SQL, code(x.Type), code(y.Type), itoa(b2i(t == typeInt))), Type: t, Nullable: x.Nullable || y.Nullable}, nil
}

func bindDatePart(name string, a []Expr) (Expr, error) {
	p, x, err := partArgs(name, a)
	if err != nil {
		return Expr{}, err
	}
	if err := checkPart(name, a[0].Word, p, x.Type); err != nil {
		return Expr{}, err
	}
	r := Expr{SQL: call("ls_"+strings.ToLower(name), itoa(int(p)), x.SQL, code(x.Type)), Type: typeInt, Nullable: x.Nullable}
	if name == "DATENAME" {
		r.Type = sqltype.Type{Kind: sqltype.NVarChar, Len: 30}
	}
	return r, nil
}

func bindYearPart(name string, a []Expr) (Expr, error) {
	return bindDatePart("DATEPART", []Expr{{Word: name}, a[0]})
}

func bindDateTrunc(name string, a []Expr) (Expr, error) {
	p, x, err := partArgs(name, a)
	if err != nil {
		return Expr{}, err
	}
	if p == partOffset || p == partWeekday || p == partNano {
		return Expr{}, sqlerr.New(9810, strings.ToLower(a[0].Word), "datetrunc", x.Type.Kind)
	}
	if err := checkPart(name, a[0].Word, p, x.Type); err != nil {
		return Expr{}, err
	}
	return Expr{SQL: call("ls_datetrunc", itoa(int(p)), x.SQL, code(x.Type)), Type: x.Type, Nullable: x.Nullable}, nil
}

func bindEOMonth(name string, a []Expr) (Expr, error) {
	x, err := dateArg(name, 0, a[0], false)
	if err != nil {
		return Expr{}, err
	}
	n := Expr{SQL: "0"}
	if len(a) == 2 {
		if n, err = implicit(a[1], typeInt); err != nil {
			return Expr{}, err
		}
	}
	return Expr{SQL: call("ls_eomonth", x.SQL, n.SQL, code(x.Type)), Type: typeDate, Nullable: nullable(a...)}, nil
}

func bindIsDate(name string, a []Expr) (Expr, error) {
	x, err := text(name, 0, a[0])
	if err != nil {
		return Expr{}, err
	}
	return Expr{SQL: call("ls_isdate", x.SQL), Type: typeInt}, nil
}

// fromParts makes DATEFROMPARTS and its kin. The last argument of those with a precision must be a literal: it is the
// scale of the result.
func fromParts(t sqltype.Type) func(string, []Expr) (Expr, error) {
	return func(name string, a []Expr) (Expr, error) {
		t := t
		if t.Kind == sqltype.Time || t.Kind == sqltype.DateTime2 || t.Kind == sqltype.DateTimeOffset {
			n, ok := constInt(a[len(a)-1])
			if !ok || n < 0 || n > 7 {
				return Expr{}, sqlerr.New(1023, len(a), strings.ToLower(name))
			}
			t.Scale = uint8(n)
			a = a[:len(a)-1]
		}
		r, err := fixed("ls_fromparts", t, typeInt)(name, a)
		if err != nil {
			return Expr{}, err
		}
		r.SQL = "ls_fromparts(" + code(t) + ", " + strings.TrimPrefix(r.SQL, "ls_fromparts(")
		return r, nil
	}
}

func bindOffset(name string, a []Expr) (Expr, error) {
	t := dto(7)
	if k := a[0].Type.Kind; k == sqltype.DateTimeOffset || k == sqltype.DateTime2 {
		t.Scale = a[0].Type.Scale
	}
	x, err := implicit(a[0], t)
	if err != nil {
		return Expr{}, err
	}
	zone := a[1]
	if !zone.Type.Kind.IsNumeric() {
		if zone, err = implicit(zone, sqltype.Type{Kind: sqltype.VarChar, Len: 6}); err != nil {
			return Expr{}, err
		}
	}
	return Expr{SQL: call("ls_"+strings.ToLower(name), x.SQL, zone.SQL, code(t)), Type: t, Nullable: nullable(a...)}, nil
}
