package sqltype_test

import (
	"testing"

	"linkspan/sqltype"
)

// FuzzConvertText reads text as every kind: it must not panic, and what it reads prints as text that reads back the same.
func FuzzConvertText(f *testing.F) {
	for _, s := range []string{"", "42", "-1.5e300", "$1,2", "2026-01-31T22:05:06.1234567+02:00", "Jan 31 2026 10:00PM", "{6F9619FF-8B86-D011-B42D-00C04FC964FF}", "31/12/99", "0x41", "99999999999999999999999999999999999999.9", "12:00:00:000 AM", "\xff"} {
		f.Add(s, byte(0))
	}
	from := sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}
	f.Fuzz(func(t *testing.T, s string, style byte) {
		if len(s) > 1<<12 {
			return
		}
		for k := sqltype.Bit; k <= sqltype.UniqueIdentifier; k++ {
			to := sqltype.Of(k)
			v, err := sqltype.Convert(sqltype.NVarCharOf(s), from, to, int(style))
			if err != nil {
				if err.Number < 200 || err.Message == "" {
					t.Fatalf("%q as %v: %v", s, to, err)
				}
				continue
			}
			if k >= sqltype.Date && k <= sqltype.DateTimeOffset && k != sqltype.Time {
				back, err := sqltype.Convert(sqltype.NVarCharOf(v.String()), from, to, 0)
				if err != nil || back != v {
					t.Fatalf("%q as %v is %s, which reads as %s, %v", s, to, v, back, err)
				}
			}
			if stored := sqltype.Load(sqltype.Store(v, to), to); stored != v {
				t.Fatalf("%q as %v: %+v stored and loaded is %+v", s, to, v, stored)
			}
		}
	})
}

// FuzzNumber reads literals.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "1.5", "1e", ".", "..", "1e999", "00000000000000000000000000000000000000000001.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || len(s) > 1000 {
			return
		}
		typ, v, err := sqltype.Number(s)
		if err == nil && (typ.Prec > 53 || typ.Scale > typ.Prec && typ.Kind == sqltype.Decimal || !v.Valid) {
			t.Fatalf("%q is %v %v", s, typ, v)
		}
	})
}

// FuzzLoadBlob reads blobs that may be anything.
func FuzzLoadBlob(f *testing.F) {
	f.Add([]byte("\x01234567890123456"), int64(6|10<<16))
	f.Fuzz(func(t *testing.T, b []byte, packed int64) {
		typ := sqltype.Unpack(packed)
		v := sqltype.LoadBlob(b, typ)
		_ = v.String()
		for k := sqltype.Bit; k <= sqltype.UniqueIdentifier; k++ {
			_, _ = sqltype.Convert(v, typ, sqltype.Of(k), 0)
		}
	})
}
