package trust

import (
	"strings"
	"time"

	"linkspan/sqltype"
)

// Property is CERTPROPERTY. An unknown name gives NULL; dates are datetime, the SID is varbinary, the rest nvarchar.
func (c *Certificate) Property(name string) sqltype.Value {
	switch strings.ToLower(name) {
	case "expiry_date":
		return DateTime(c.Expiry())
	case "start_date":
		return DateTime(c.Start())
	case "issuer_name":
		return sqltype.NVarCharOf(c.Issuer())
	case "cert_serial_number":
		return sqltype.NVarCharOf(c.Serial())
	case "subject":
		return sqltype.NVarCharOf(c.Subject())
	case "sid":
		return sqltype.BytesOf(sqltype.VarBinary, c.SID())
	case "string_sid":
		return sqltype.NVarCharOf(c.StringSID())
	default:
		return sqltype.Value{}
	}
}

var datetimeEpoch = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// DateTime is t in UTC as a datetime, rounded to its 1/300 s; years beyond 9999 are held at its end. The zero time is
// NULL.
func DateTime(t time.Time) sqltype.Value {
	if t.IsZero() {
		return sqltype.NullOf(sqltype.DateTime)
	}
	t = t.UTC()
	if end := time.Date(9999, 12, 31, 23, 59, 59, 990_000_000, time.UTC); t.After(end) {
		t = end
	}
	secs, nanos := t.Unix()-datetimeEpoch.Unix(), int64(t.Nanosecond())
	return sqltype.Value{K: sqltype.DateTime, Valid: true, N: secs*300 + (nanos*300+500_000_000)/1_000_000_000}
}
