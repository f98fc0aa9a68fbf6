package sqltype_test

import (
	"strings"
	"testing"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// "Constants (Transact-SQL)", "decimal and numeric (Transact-SQL)".
func TestLiterals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"42", "int 42"}, {"2147483647", "int 2147483647"}, {"2147483648", "decimal(10,0) 2147483648"}, {"3000000000", "decimal(10,0) 3000000000"},
		{"1.50", "decimal(3,2) 1.50"}, {".5", "decimal(1,1) 0.5"}, {"0.5", "decimal(1,1) 0.5"}, {"10.", "decimal(2,0) 10"}, {"0", "int 0"},
		{"1e3", "float 1000"}, {"1E-2", "float 0.01"}, {"1e", "float 1"}, {"007", "int 7"},
		{"99999999999999999999999999999999999999", "decimal(38,0) 99999999999999999999999999999999999999"},
		{"999999999999999999999999999999999999999", "error 1007"}, {"1e400", "error 168"},
	} {
		typ, v, err := sqltype.Number(c.text)
		got := typ.String() + " " + v.String()
		if err != nil {
			got = "error " + strings.Fields(strings.TrimPrefix(err.Error(), "Msg "))[0]
			got = strings.TrimSuffix(got, ",")
		}
		if got != c.want {
			t.Errorf("%s is %s, want %s", c.text, got, c.want)
		}
	}
	for _, c := range []struct {
		text     string
		national bool
		want     string
	}{
		{"x", false, "varchar(1) x"}, {"", false, "varchar(1) "}, {"x", true, "nvarchar(1) x"}, {"λ", false, "varchar(1) ?"}, {"é", false, "varchar(1) é"}, {"😀", true, "nvarchar(2) 😀"},
	} {
		typ, v := sqltype.Str(c.text, c.national, "")
		if got := typ.String() + " " + v.S; got != c.want {
			t.Errorf("%q is %s, want %s", c.text, got, c.want)
		}
	}
	if typ, _ := sqltype.Str(strings.Repeat("x", 8001), false, ""); typ.Len != sqltype.MaxLen {
		t.Errorf("a long literal is %v", typ)
	}
	if typ, v, ok := sqltype.Hex("ABC"); !ok || typ.Len != 2 || v.String() != "0x0ABC" {
		t.Errorf("0xABC is %v %v", typ, v)
	}
	if _, _, ok := sqltype.Hex("xy"); ok {
		t.Error("0xxy is a binary")
	}
	if typ, v, err := sqltype.Currency("$1.5"); err != nil || typ.Kind != sqltype.Money || v.String() != "1.5000" {
		t.Errorf("$1.5 is %v %v %v", typ, v, err)
	}
	if _, _, err := sqltype.Currency("$999999999999999999"); sqlerr.Number(err) != 8115 {
		t.Errorf("a large amount: %v", err)
	}
}

func TestAllowedConversions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		explicit bool
		want     int32
	}{
		{"int", "varchar", false, 0}, {"varchar", "int", false, 0}, {"varchar", "varbinary", false, 257}, {"varchar", "varbinary", true, 0},
		{"int", "date", false, 206}, {"int", "date", true, 529}, {"datetime", "int", false, 257}, {"datetime", "int", true, 0}, {"int", "datetime", false, 0},
		{"date", "time", true, 529}, {"uniqueidentifier", "int", true, 529}, {"float", "varbinary", false, 0}, {"varbinary", "float", true, 529},
		{"sql_variant", "int", false, 257}, {"int", "sql_variant", false, 0}, {"text", "int", true, 529},
	} {
		err := sqltype.Allowed(parseType(t, c.from).Kind, parseType(t, c.to).Kind, c.explicit)
		if (err == nil) != (c.want == 0) || err != nil && err.Number != c.want {
			t.Errorf("%s to %s, explicit %v: %v, want %d", c.from, c.to, c.explicit, err, c.want)
		}
	}
}

func TestResultTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   byte
		a, b string
		want string
	}{
		{'+', "int", "bigint", "bigint"}, {'+', "tinyint", "tinyint", "tinyint"}, {'*', "smallint", "int", "int"}, {'+', "int", "float", "float"},
		{'+', "real", "decimal(5,2)", "real"}, {'/', "decimal(38,20)", "decimal(38,20)", "decimal(38,6)"}, {'*', "decimal(38,20)", "decimal(38,20)", "decimal(38,6)"},
		{'+', "decimal(38,20)", "decimal(38,0)", "decimal(38,0)"}, {'%', "decimal(10,2)", "decimal(5,3)", "decimal(5,3)"}, {'+', "money", "int", "money"}, {'*', "money", "decimal(5,2)", "decimal(25,6)"},
		{'+', "datetime", "int", "datetime"}, {'+', "varchar(5)", "nvarchar(6)", "nvarchar(11)"}, {'+', "varchar(5000)", "varchar(5000)", "varchar(8000)"}, {'+', "varchar(max)", "varchar(5)", "varchar(max)"}, {'+', "char(3)", "char(4)", "char(7)"},
		{'+', "bit", "int", "int"}, {'&', "bigint", "int", "bigint"}, {'+', "varchar(5)", "int", "int"}, {'+', "smallmoney", "money", "money"},
	} {
		got, _, _, err := sqltype.Operate(c.op, parseType(t, c.a), parseType(t, c.b))
		if err != nil || got.String() != c.want {
			t.Errorf("%s %c %s is %v, %v, want %s", c.a, c.op, c.b, got, err, c.want)
		}
	}
}

func TestCollations(t *testing.T) {
	t.Parallel()
	for _, c := range sqltype.Collations() {
		if found, ok := sqltype.LookupCollation(strings.ToLower(c.Name)); !ok || found != c {
			t.Errorf("%s is not found by its name", c.Name)
		}
	}
	// [MS-TDS] 2.2.5.1.2; the bytes that SQL Server sends for its default collation.
	c := sqltype.CollationOf(sqltype.Type{})
	if got := c.Wire(); got != [5]byte{0x09, 0x04, 0xd0, 0x00, 0x34} {
		t.Errorf("default collation on the wire: % x", got)
	}
	for _, x := range []struct {
		coll, a, b string
		want       int
	}{
		{"SQL_Latin1_General_CP1_CI_AS", "abc", "ABC  ", 0}, {"SQL_Latin1_General_CP1_CI_AS", "résumé", "RÉSUMÉ", 0}, {"SQL_Latin1_General_CP1_CI_AS", "resume", "résumé", -1},
		{"Latin1_General_CI_AI", "resume", "Résumé", 0}, {"Latin1_General_CS_AS", "a", "A", -1}, {"Latin1_General_CS_AS", "b", "A", 1},
		{"Latin1_General_BIN2", "a", "A", 1}, {"Latin1_General_BIN2", "a", "a ", 0}, {"Latin1_General_100_CI_AS", "z", "é", 1}, {"Latin1_General_100_CI_AS", "_", "1", -1},
	} {
		cc, _ := sqltype.LookupCollation(x.coll)
		if got := sqltype.Compare(sqltype.NVarCharOf(x.a), sqltype.NVarCharOf(x.b), &cc); got != x.want {
			t.Errorf("%s: %q, %q compare %d, want %d", x.coll, x.a, x.b, got, x.want)
		}
	}
}

// "Comparing GUID and uniqueidentifier Values" (ADO.NET): the last six bytes rank highest.
func TestGUIDOrder(t *testing.T) {
	t.Parallel()
	list := []string{"3AAAAAAA-BBBB-CCCC-DDDD-1EEEEEEEEEEE", "2AAAAAAA-BBBB-CCCC-DDDD-2EEEEEEEEEEE", "1AAAAAAA-BBBB-CCCC-DDDD-3EEEEEEEEEEE"}
	for i := range len(list) - 1 {
		a, from := varchar(list[i])
		b, _ := varchar(list[i+1])
		to := sqltype.Type{Kind: sqltype.UniqueIdentifier}
		x, _ := sqltype.Convert(a, from, to, 0)
		y, _ := sqltype.Convert(b, from, to, 0)
		if sqltype.Compare(x, y, nil) != -1 {
			t.Errorf("%s is not below %s", list[i], list[i+1])
		}
	}
}

func TestTextEncodings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind sqltype.Kind
		coll string
		text string
		want string
	}{
		{sqltype.VarChar, "", "é€", "\xe9\x80"}, {sqltype.NVarChar, "", "é😀", "\xe9\x00\x3d\xd8\x00\xde"}, {sqltype.VarChar, "Latin1_General_100_CI_AS_SC_UTF8", "é", "\xc3\xa9"},
	} {
		typ := sqltype.Type{Kind: c.kind, Len: 10, Collation: c.coll}
		b := sqltype.EncodeText(c.text, typ)
		if string(b) != c.want || sqltype.DecodeText(string(b), typ) != c.text {
			t.Errorf("%v %q is % x, back %q", typ, c.text, b, sqltype.DecodeText(string(b), typ))
		}
	}
	if s, whole := sqltype.Cut("a😀b", 2, sqltype.Type{Kind: sqltype.NVarChar}); s != "a" || whole {
		t.Errorf("cut to two UTF-16 units: %q, %v", s, whole)
	}
}
