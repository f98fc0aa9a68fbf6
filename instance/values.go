package instance

import (
	"time"

	"linkspan/sqltype"
)

// ticksPerSecond is the unit of datetime2: 100 ns.
const ticksPerSecond = 10_000_000

// yearOne is the zero of datetime2.
var yearOne = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

// parseDate reads a date as T-SQL reads a string, in UTC. Error 241.
func parseDate(text string) (time.Time, error) {
	v, err := sqltype.Convert(sqltype.NVarCharOf(text), nvarchar(len(text)+1), sqltype.Type{Kind: sqltype.DateTime2, Scale: 7}, 0)
	if err != nil {
		return time.Time{}, err
	}
	return yearOne.AddDate(0, 0, int(v.N/(86400*ticksPerSecond))).Add(time.Duration(v.N%(86400*ticksPerSecond)) * 100), nil
}

// vDecimal is a whole number in decimal digits as numeric(prec, 0); text that is none gives NULL.
func vDecimal(text string, prec int) sqltype.Value {
	t := sqltype.DecimalType(prec, 0)
	v, err := sqltype.Convert(sqltype.NVarCharOf(text), nvarchar(40), t, 0)
	if err != nil {
		return vNull(t)
	}
	return v
}
