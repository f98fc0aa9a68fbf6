package sqltype_test

import (
	"testing"

	"linkspan/sqltype"
)

// BenchmarkConvert measures one conversion.
func BenchmarkConvert(b *testing.B) {
	text := sqltype.Type{Kind: sqltype.VarChar, Len: 60}
	datetime := sqltype.Type{Kind: sqltype.DateTime}
	dec := sqltype.DecimalType(20, 4)
	for _, c := range []struct {
		name     string
		text     string
		from, to sqltype.Type
		style    int
	}{
		{"text_int", "12345", text, sqltype.Type{Kind: sqltype.Int}, 0}, {"text_decimal", "12345.6789", text, dec, 0},
		{"text_datetime", "2026-01-31 22:05:06.123", text, datetime, 0}, {"text_guid", "6F9619FF-8B86-D011-B42D-00C04FC964FF", text, sqltype.Type{Kind: sqltype.UniqueIdentifier}, 0},
		{"decimal_text", "12345.6789", dec, text, 0}, {"datetime_text_121", "2026-01-31 22:05:06.123", datetime, text, 121},
		{"decimal_decimal", "12345.6789", dec, sqltype.DecimalType(38, 2), 0}, {"datetime_datetime2", "2026-01-31", datetime, sqltype.Type{Kind: sqltype.DateTime2, Scale: 7}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			v, err := sqltype.Convert(sqltype.StringOf(sqltype.VarChar, c.text), text, c.from, 0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sqltype.Convert(v, c.from, c.to, c.style); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	m := sqltype.NewComparer(sqltype.CollationOf(sqltype.Type{}))
	for _, c := range []struct{ name, a, b string }{
		{"ascii", "The quick brown fox jumps", "THE QUICK BROWN FOX JUMPS"}, {"other", "Größe und Länge der Straße", "GRÖSSE UND LÄNGE DER STRASSE"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.CompareString(c.a, c.b)
			}
		})
	}
}

func BenchmarkDecimal(b *testing.B) {
	x, y := sqltype.DecimalOf(123456789012345, 4), sqltype.DecimalOf(98765, 2)
	for _, c := range []struct {
		name string
		op   byte
	}{{"add", '+'}, {"mul", '*'}, {"div", '/'}} {
		b.Run(c.name, func(b *testing.B) {
			to := sqltype.DecimalResult(c.op, sqltype.DecimalType(20, 4), sqltype.DecimalType(10, 2))
			b.ReportAllocs()
			for b.Loop() {
				switch c.op {
				case '+':
					_, _ = sqltype.AddDecimal(x, y, false, to)
				case '*':
					_, _ = sqltype.MulDecimal(x, y, to)
				case '/':
					_, _ = sqltype.DivDecimal(x, y, to)
				}
			}
		})
	}
}
