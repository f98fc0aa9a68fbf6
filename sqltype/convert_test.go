package sqltype_test

import (
	"strings"
	"testing"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// parseType reads the types that the tables below name: kind(a,b).
func parseType(t *testing.T, s string) sqltype.Type {
	t.Helper()
	name, rest, _ := strings.Cut(s, "(")
	for k := sqltype.Bit; k <= sqltype.Variant; k++ {
		if k.String() != name {
			continue
		}
		typ := sqltype.Of(k)
		var n [2]int
		for i, f := range strings.Split(strings.TrimSuffix(rest, ")"), ",") {
			if f == "max" {
				n[i] = sqltype.MaxLen
			}
			for _, c := range f {
				if c >= '0' && c <= '9' {
					n[i] = n[i]*10 + int(c-'0')
				}
			}
		}
		if rest == "" {
			return typ
		}
		switch {
		case k == sqltype.Decimal:
			typ.Prec, typ.Scale = uint8(n[0]), uint8(n[1])
		case k.IsTemporal():
			typ.Scale = uint8(n[0])
		default:
			typ.Len = n[0]
		}
		return typ
	}
	t.Fatalf("no type %q", s)
	return sqltype.Type{}
}

func varchar(s string) (sqltype.Value, sqltype.Type) {
	typ := sqltype.Type{Kind: sqltype.VarChar, Len: 8000}
	return sqltype.StringOf(sqltype.VarChar, s), typ
}

// The texts and numbers are those that SQL Server documents for CAST and CONVERT
// (learn.microsoft.com, "CAST and CONVERT (Transact-SQL)", and the pages of the types).
func TestConvertFromText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, to string
		style  int
		want   string
	}{
		{"42", "int", 0, "42"},
		{" -7 ", "int", 0, "-7"},
		{"", "int", 0, "0"},
		{"x", "int", 0, "245 Conversion failed when converting the varchar value 'x' to data type int."},
		{"1.5", "int", 0, "245 Conversion failed when converting the varchar value '1.5' to data type int."},
		{"99999999999", "int", 0, "248 The conversion of the varchar value '99999999999' overflowed an int column."},
		{"300", "tinyint", 0, "244 The conversion of the varchar value '300' overflowed an INT1 column. Use a larger integer column."},
		{"40000", "smallint", 0, "244 The conversion of the varchar value '40000' overflowed an INT2 column. Use a larger integer column."},
		{"x", "bigint", 0, "8114 Error converting data type varchar to bigint."},
		{"99999999999999999999", "bigint", 0, "8115 Arithmetic overflow error converting expression to data type bigint."},
		{"true", "bit", 0, "1"},
		{"2", "bit", 0, "1"},
		{"x", "bit", 0, "245 Conversion failed when converting the varchar value 'x' to data type bit."},
		{"1.005", "decimal(5,2)", 0, "1.01"},
		{"-1.005", "decimal(5,2)", 0, "-1.01"},
		{"x", "decimal(5,2)", 0, "8114 Error converting data type varchar to numeric."},
		{"", "decimal(5,2)", 0, "8114 Error converting data type varchar to numeric."},
		{"1234.5", "decimal(5,2)", 0, "8115 Arithmetic overflow error converting varchar to data type numeric."},
		{"1e3", "float", 0, "1000"},
		{"abc", "float", 0, "8114 Error converting data type varchar to float."},
		{"$1,234.567", "money", 0, "1234.5670"},
		{"-$5", "money", 0, "-5.0000"},
		{"x", "money", 0, "235 Cannot convert a char value to money. The char value has incorrect syntax."},
		{"x", "smallmoney", 0, "293 Cannot convert a char value to smallmoney. The char value has incorrect syntax."},
		{"300000", "smallmoney", 0, "8115 Arithmetic overflow error converting expression to data type smallmoney."},
		{"2026-01-31", "date", 0, "2026-01-31"},
		{"01/31/2026", "date", 0, "2026-01-31"},
		{"31/01/2026", "date", 103, "2026-01-31"},
		{"20260131", "date", 0, "2026-01-31"},
		{"260131", "date", 0, "2026-01-31"},
		{"Jan 31 2026 10:00PM", "datetime", 0, "2026-01-31 22:00:00.000"},
		{"31 January 2026", "datetime", 0, "2026-01-31 00:00:00.000"},
		{"Jan 31, 2026", "datetime", 0, "2026-01-31 00:00:00.000"},
		{"2026-01-31T22:10:11.123", "datetime", 0, "2026-01-31 22:10:11.123"},
		{"2026-01-31 22:10:11.998", "datetime", 0, "2026-01-31 22:10:11.997"},
		{"2026-01-31 23:59:59.999", "datetime", 0, "2026-02-01 00:00:00.000"},
		{"", "datetime", 0, "1900-01-01 00:00:00.000"},
		{"10:30", "datetime", 0, "1900-01-01 10:30:00.000"},
		{"12am", "time(0)", 0, "00:00:00"},
		{"12:30 pm", "time(0)", 0, "12:30:00"},
		{"2026-02-30", "date", 0, "241 Conversion failed when converting date and/or time from character string."},
		{"2026-13-01", "datetime", 0, "242 The conversion of a varchar data type to a datetime data type resulted in an out-of-range value."},
		{"1700-01-01", "datetime", 0, "242 The conversion of a varchar data type to a datetime data type resulted in an out-of-range value."},
		{"hello", "datetime", 0, "241 Conversion failed when converting date and/or time from character string."},
		{"hello", "smalldatetime", 0, "295 Conversion failed when converting character string to smalldatetime data type."},
		{"2026-01-31 22:10:30", "smalldatetime", 0, "2026-01-31 22:11:00"},
		{"2026-01-31 12:34:56.1234567", "datetime2(3)", 0, "2026-01-31 12:34:56.123"},
		{"2026-01-31T12:34:56.1234567+02:30", "datetimeoffset(7)", 0, "2026-01-31 12:34:56.1234567 +02:30"},
		{"2026-01-31T12:34:56Z", "datetimeoffset(0)", 0, "2026-01-31 12:34:56 +00:00"},
		{"6F9619FF-8B86-D011-B42D-00C04FC964FF", "uniqueidentifier", 0, "6F9619FF-8B86-D011-B42D-00C04FC964FF"},
		{"{6f9619ff-8b86-d011-b42d-00c04fc964ff}", "uniqueidentifier", 0, "6F9619FF-8B86-D011-B42D-00C04FC964FF"},
		{"nope", "uniqueidentifier", 0, "8169 Conversion failed when converting from a character string to uniqueidentifier."},
		{"0x4E616d65", "binary(8)", 1, "0x4E616D6500000000"},
		{"4E616d65", "binary(8)", 2, "0x4E616D6500000000"},
		{"Name", "varbinary(3)", 0, "0x4E616D"},
		{"abc", "char(5)", 0, "abc  "},
		{"abcdef", "varchar(3)", 0, "abc"},
	} {
		v, from := varchar(c.in)
		to := parseType(t, c.to)
		got, err := sqltype.Convert(v, from, to, c.style)
		if s := outcome(got, err); s != c.want {
			t.Errorf("CONVERT(%s, %q, %d) = %s, want %s", c.to, c.in, c.style, s, c.want)
		}
	}
}

func outcome(v sqltype.Value, err *sqlerr.Error) string {
	if err != nil {
		return strings.TrimPrefix(strings.Replace(err.Error(), ", Level 16, State 1:", "", 1), "Msg ")
	}
	return v.String()
}

func TestConvertBetweenKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, from, to string
		style        int
		want         string
	}{
		{"300", "int", "tinyint", 0, "220 Arithmetic overflow error for data type tinyint, value = 300."},
		{"3000000000", "bigint", "int", 0, "8115 Arithmetic overflow error converting expression to data type int."},
		{"3e9", "float", "int", 0, "232 Arithmetic overflow error for type int, value = 3000000000.000000."},
		{"10.6496", "decimal(6,4)", "int", 0, "10"},
		{"-10.6496", "decimal(6,4)", "int", 0, "-10"},
		{"10.6496", "decimal(6,4)", "decimal(8,1)", 0, "10.6"},
		{"10.3496847", "money", "decimal(8,2)", 0, "10.35"},
		{"10.5", "money", "int", 0, "11"},
		{"1234", "decimal(4,0)", "decimal(3,0)", 0, "8115 Arithmetic overflow error converting numeric to data type numeric."},
		{"12345", "int", "decimal(4,0)", 0, "8115 Arithmetic overflow error converting int to data type numeric."},
		{"1e20", "float", "decimal(10,0)", 0, "8115 Arithmetic overflow error converting float to data type numeric."},
		{"0.1", "float", "decimal(20,18)", 0, "0.100000000000000010"},
		{"123456", "int", "varchar(3)", 0, "*"},
		{"123456", "int", "nvarchar(3)", 0, "8115 Arithmetic overflow error converting expression to data type nvarchar."},
		{"123.45", "decimal(5,2)", "varchar(3)", 0, "8115 Arithmetic overflow error converting numeric to data type varchar."},
		{"123.45", "money", "varchar(3)", 0, "234 There is insufficient result space to convert a money value to varchar."},
		{"6F9619FF-8B86-D011-B42D-00C04FC964FF", "uniqueidentifier", "char(10)", 0, "8170 Insufficient result space to convert uniqueidentifier value to char."},
		{"6F9619FF-8B86-D011-B42D-00C04FC964FF", "uniqueidentifier", "varbinary(16)", 0, "0xFF19966F868B11D0B42D00C04FC964FF"},
		{"1234567.891", "money", "varchar(30)", 0, "1234567.89"},
		{"1234567.891", "money", "varchar(30)", 1, "1,234,567.89"},
		{"1234567.8912", "money", "varchar(30)", 2, "1234567.8912"},
		{"1234567", "float", "varchar(30)", 0, "1.23457e+006"},
		{"0.1", "float", "varchar(30)", 0, "0.1"},
		{"100000", "float", "varchar(30)", 0, "100000"},
		{"0.1", "float", "varchar(30)", 3, "0.1"},
		{"1.5", "float", "varchar(30)", 2, "1.500000000000000e+000"},
		{"1.5", "float", "varchar(30)", 1, "1.5000000e+000"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 0, "Jan 31 2026 10:05PM"},
		{"2026-01-01 09:05:06.123", "datetime", "varchar(40)", 100, "Jan  1 2026  9:05AM"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 101, "01/31/2026"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 103, "31/01/2026"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 106, "31 Jan 2026"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 107, "Jan 31, 2026"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 108, "22:05:06"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 109, "Jan 31 2026 10:05:06:123PM"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 112, "20260131"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 113, "31 Jan 2026 22:05:06:123"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 120, "2026-01-31 22:05:06"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 121, "2026-01-31 22:05:06.123"},
		{"2026-01-31 22:05:06.123", "datetime", "varchar(40)", 126, "2026-01-31T22:05:06.123"},
		{"2026-01-31 22:05:06", "datetime", "varchar(40)", 126, "2026-01-31T22:05:06"},
		{"2026-01-31 22:05:06", "datetime", "varchar(40)", 99, "281 99 is not a valid style number when converting from datetime to a character string."},
		{"2026-01-31 22:05:06.1234567", "datetime2(7)", "varchar(40)", 0, "2026-01-31 22:05:06.1234567"},
		{"2026-01-31 22:05:06.1234567 +02:00", "datetimeoffset(7)", "datetime2(7)", 0, "2026-01-31 22:05:06.1234567"},
		{"2026-01-31", "date", "datetime", 0, "2026-01-31 00:00:00.000"},
		{"1500-01-31", "date", "datetime", 0, "242 The conversion of a date data type to a datetime data type resulted in an out-of-range value."},
		{"22:05:06", "time(0)", "datetime", 0, "1900-01-01 22:05:06.000"},
		{"0", "int", "datetime", 0, "1900-01-01 00:00:00.000"},
		{"1.5", "float", "datetime", 0, "1900-01-02 12:00:00.000"},
		{"2026-01-31 18:00", "datetime", "int", 0, "46052"},
		{"256", "int", "binary(4)", 0, "0x00000100"},
		{"1.5", "decimal(5,2)", "varbinary(20)", 0, "0x0502000196000000"},
		{"N€ λ", "nvarchar(10)", "varchar(10)", 0, "N€ ?"},
	} {
		in, inT := varchar(c.in)
		from := parseType(t, c.from)
		if from.Kind == sqltype.NVarChar {
			in.K, inT = sqltype.NVarChar, from
		}
		v, err := sqltype.Convert(in, inT, from, 0)
		if err != nil {
			t.Fatalf("%s as %s: %v", c.in, c.from, err)
		}
		got, err := sqltype.Convert(v, from, parseType(t, c.to), c.style)
		if s := outcome(got, err); s != c.want {
			t.Errorf("CONVERT(%s, %s %q, %d) = %s, want %s", c.to, c.from, c.in, c.style, s, c.want)
		}
	}
}
