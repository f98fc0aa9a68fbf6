package sqlfn_test

import (
	"strings"
	"testing"

	"linkspan/tsql/sqlfn"
)

// What is expected is what SQL Server documents ("Precision, scale, and length", the pages of the operators).
func TestBinary(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ a, op, b, want string }{
		{"1", "+", "2", "int:3"},
		{"2147483647", "+", "1", "8115 Arithmetic overflow error converting expression to data type int."},
		{"bigint:9223372036854775807", "+", "1", "8115 Arithmetic overflow error converting expression to data type bigint."},
		{"bigint:-9223372036854775808", "/", "-1", "8115 Arithmetic overflow error converting expression to data type bigint."},
		{"100000", "*", "100000", "8115 Arithmetic overflow error converting expression to data type int."},
		{"tinyint:200", "+", "tinyint:100", "8115 Arithmetic overflow error converting expression to data type tinyint."},
		{"7", "/", "2", "int:3"}, {"-7", "/", "2", "int:-3"}, {"7", "%", "-2", "int:1"},
		{"1", "/", "0", "8134 Divide by zero error encountered."}, {"1", "%", "0", "8134 Divide by zero error encountered."},
		{"1.0", "/", "0", "8134 Divide by zero error encountered."}, {"1e0", "/", "0", "8134 Divide by zero error encountered."},
		{"2.0", "/", "3", "decimal(7,6):0.666666"},
		{"decimal(10,2):1", "/", "decimal(10,2):3", "decimal(23,13):0.3333333333333"},
		{"decimal(10,2):1.25", "+", "decimal(5,4):0.0001", "decimal(13,4):1.2501"},
		{"decimal(10,2):1.25", "*", "decimal(5,4):0.5", "decimal(16,6):0.625000"},
		{"decimal(38,10):1.5", "*", "decimal(38,10):2", "decimal(38,6):3.000000"},
		{"decimal(38,0):99999999999999999999999999999999999999", "+", "1", "8115 Arithmetic overflow error converting expression to data type numeric."},
		{"decimal(30,10):0.0000009", "*", "decimal(30,10):1", "decimal(38,6):0.000001"},
		{"decimal(10,2):7.5", "%", "2", "decimal(3,2):1.50"},
		{"int:5", "*", "decimal(4,2):1.5", "decimal(15,2):7.50"},
		{"1e0", "+", "1", "float:2"}, {"1e308", "*", "10", "8115 Arithmetic overflow error converting expression to data type float."},
		{"real:1.1", "+", "real:2.2", "real:3.30000019"},
		{"$100", "/", "$339", "money:0.2949"}, {"$1.5", "*", "$2", "money:3.0000"}, {"$1", "+", "2", "money:3.0000"},
		{"'a'", "+", "'b'", "varchar(2):ab"}, {"'a'", "+", "N'b'", "nvarchar(2):ab"}, {"char(3):a", "+", "'b'", "varchar(4):a  b"},
		{"0x01", "+", "0x02", "varbinary(2):0x0102"},
		{"'5'", "+", "3", "int:8"}, {"'x'", "+", "3", "245 Conversion failed when converting the varchar value 'x' to data type int."},
		{"datetime:2026-01-31", "+", "1", "datetime:2026-02-01 00:00:00.000"},
		{"datetime:2026-01-31 12:00", "-", "0.5", "datetime:2026-01-31 00:00:00.000"},
		{"date:2026-01-31", "+", "1", "206 Operand type clash: int is incompatible with date"},
		{"bit:1", "+", "bit:1", "402 The data types bit and bit are incompatible in the add operator."},
		{"1e0", "%", "2", "402 The data types float and int are incompatible in the modulo operator."},
		{"'a'", "-", "'b'", "8117 Operand data type varchar is invalid for subtract operator."},
		{"5", "&", "3", "int:1"}, {"5", "|", "3", "int:7"}, {"5", "^", "3", "int:6"},
		{"1.5", "&", "1", "402 The data types numeric and int are incompatible in the '&' operator."},
		{"NULL", "+", "1", "int:NULL"}, {"int:NULL", "/", "0", "int:NULL"},
		{"smallint:32767", "+", "smallint:1", "8115 Arithmetic overflow error converting expression to data type smallint."},
		{"$922337203685477.5807", "+", "$1", "8115 Arithmetic overflow error converting expression to data type money."},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.Binary(c.op, h.arg(c.a), h.arg(c.b))); got != c.want {
			t.Errorf("%s %s %s = %s, want %s", c.a, c.op, c.b, got, c.want)
		}
	}
}

func TestUnary(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ op, x, want string }{
		{"-", "5", "int:-5"}, {"-", "tinyint:5", "smallint:-5"}, {"-", "decimal(5,2):1.5", "decimal(5,2):-1.50"},
		{"-", "decimal(38,2):1.5", "decimal(38,2):-1.50"}, {"-", "1e0", "float:-1"}, {"-", "int:-2147483648", "8115 Arithmetic overflow error converting expression to data type int."},
		{"~", "5", "int:-6"}, {"~", "tinyint:5", "tinyint:250"}, {"~", "bit:1", "bit:0"},
		{"-", "date:2026-01-01", "8117 Operand data type date is invalid for minus operator."},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.Unary(c.op, h.arg(c.x))); got != c.want {
			t.Errorf("%s %s = %s, want %s", c.op, c.x, got, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ a, op, b, want string }{
		{"1", "<", "2", "1"}, {"1", "=", "1.0", "1"}, {"1.50", "=", "1.5", "1"}, {"1.5", ">", "1e0", "1"},
		{"'abc'", "=", "'ABC  '", "1"}, {"'abc'", "=", "N'abc'", "1"}, {"'abc'", "<>", "'abd'", "1"}, {"'a'", "<", "'B'", "1"},
		{"char(5):a", "=", "'a'", "1"}, {"'10'", "=", "10", "1"}, {"'x'", "=", "10", "245 Conversion failed when converting the varchar value 'x' to data type int."},
		{"date:2026-01-31", "=", "'20260131'", "1"}, {"datetime:2026-01-31", ">", "date:2026-01-30", "1"},
		{"uniqueidentifier:6F9619FF-8B86-D011-B42D-00C04FC964FF", "=", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "1"},
		{"int:NULL", "=", "1", "NULL"}, {"NULL", "=", "NULL", "NULL"}, {"bit:1", "=", "1", "1"}, {"bit:1", "=", "'true'", "1"},
		{"decimal(20,2):1.5", "=", "decimal(10,4):1.5", "1"}, {"decimal(10,2):1.5", "=", "$1.5", "1"},
		{"int:1", "=", "date:2026-01-01", "206 Operand type clash: int is incompatible with date"},
		{"text:a", "=", "'a'", "402 The data types text and varchar are incompatible in the equal to operator."},
		{"1", "!>", "2", "1"}, {"1", "!<", "2", "0"},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.Compare(c.op, h.arg(c.a), h.arg(c.b))); got != c.want {
			t.Errorf("%s %s %s = %s, want %s", c.a, c.op, c.b, got, c.want)
		}
	}
}

func TestInAndBetween(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	list := func(s string) []sqlfn.Expr {
		var out []sqlfn.Expr
		for _, f := range strings.Fields(s) {
			out = append(out, h.arg(f))
		}
		return out
	}
	for _, c := range []struct {
		x, list string
		not     bool
		want    string
	}{
		{"1", "1 2", false, "1"}, {"3", "1 2", false, "0"}, {"3", "1 NULL", false, "NULL"}, {"3", "1 2", true, "1"},
		{"'B'", "'a' 'b'", false, "1"}, {"1.5", "1 1.50", false, "1"}, {"'2'", "1 2", false, "1"},
		{"'x'", "1 2", false, "245 Conversion failed when converting the varchar value 'x' to data type int."},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.In(h.arg(c.x), list(c.list), c.not)); got != c.want {
			t.Errorf("%s in (%s) not %v = %s, want %s", c.x, c.list, c.not, got, c.want)
		}
	}
	h.values, h.types = nil, nil
	if got := h.run(sqlfn.Between(h.arg("'B'"), h.arg("'a'"), h.arg("N'c'"), false)); got != "1" {
		t.Errorf("between = %s", got)
	}
	h.values, h.types = nil, nil
	if got := h.run(sqlfn.Between(h.arg("5"), h.arg("1.5"), h.arg("1e1"), true)); got != "0" {
		t.Errorf("not between = %s", got)
	}
}

func TestUnify(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ list, want string }{
		{"1 2.50", "decimal(12,2)"}, {"'a' N'bcd'", "nvarchar(3)"}, {"1 bigint:2", "bigint"}, {"1 1e0", "float"},
		{"NULL 1", "int"}, {"NULL NULL", "int"}, {"date:2026-01-01 datetime:2026-01-01", "datetime"},
		{"datetime:2026-01-01 datetime2(0):2026-01-01", "datetime2(3)"}, {"'a' varchar(max):b", "varchar(max)"},
		{"1 date:2026-01-01", "206 Operand type clash: int is incompatible with date"}, {"$1 1", "money"},
		{"decimal(38,0):1 decimal(10,10):0.5", "decimal(38,0)"},
	} {
		h.values, h.types = nil, nil
		var list []sqlfn.Expr
		for _, f := range strings.Fields(c.list) {
			list = append(list, h.arg(f))
		}
		_, typ, err := sqlfn.Unify(list)
		got := typ.String()
		if err != nil {
			got = errorText(err)
		}
		if got != c.want {
			t.Errorf("unify %s = %s, want %s", c.list, got, c.want)
		}
	}
}

func TestConvertAndAssign(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ x, to, want string }{
		{"'42'", "int", "int:42"}, {"42", "bigint", "bigint:42"}, {"42", "decimal(5,2)", "decimal(5,2):42.00"},
		{"42", "float", "float:42"}, {"decimal(5,2):1.5", "decimal(20,4)", "decimal(20,4):1.5000"},
		{"decimal(5,2):1.5", "decimal(10,4)", "decimal(10,4):1.5000"}, {"300", "tinyint", "220 Arithmetic overflow error for data type tinyint, value = 300."},
		{"'abc'", "char(5)", "char(5):abc  "}, {"N'aλ'", "varchar(5)", "varchar(5):a?"}, {"NULL", "int", "int:NULL"},
		{"datetime:2026-01-01", "int", "int:46021"}, {"date:2026-01-01", "int", "529 Explicit conversion from data type date to int is not allowed."},
		{"int:1", "uniqueidentifier", "529 Explicit conversion from data type int to uniqueidentifier is not allowed."},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.Convert(h.arg(c.x), typeNamed(t, c.to), sqlfn.Options{})); got != c.want {
			t.Errorf("CAST(%s AS %s) = %s, want %s", c.x, c.to, got, c.want)
		}
	}
	h.values, h.types = nil, nil
	if got := h.run(sqlfn.Convert(h.arg("'x'"), typeNamed(t, "int"), sqlfn.Options{Try: true})); got != "int:NULL" {
		t.Errorf("TRY_CAST = %s", got)
	}
	h.values, h.types = nil, nil
	style := h.arg("112")
	if got := h.run(sqlfn.Convert(h.arg("datetime:2026-01-31"), typeNamed(t, "char(8)"), sqlfn.Options{Style: &style})); got != "char(8):20260131" {
		t.Errorf("CONVERT 112 = %s", got)
	}
	h.st.Sites = []sqlfn.Site{{Table: "dbo.t", Column: "name"}}
	for _, c := range []struct{ x, to, want string }{
		{"'abcdef'", "varchar(3)", "2628 String or binary data would be truncated in table 'dbo.t', column 'name'. Truncated value: 'abc'."},
		{"'abc   '", "varchar(3)", "varchar(3):abc"}, {"'ab'", "char(3)", "char(3):ab "}, {"5", "varchar(3)", "varchar(3):5"},
		{"varchar(max):abc", "nvarchar(3)", "nvarchar(3):abc"}, {"0x0102", "varbinary(1)", "2628 String or binary data would be truncated in table 'dbo.t', column 'name'. Truncated value: ''."},
		{"datetime:2026-01-01", "int", "257 Implicit conversion from data type datetime to int is not allowed. Use the CONVERT function to run this query."},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.Assign(h.arg(c.x), typeNamed(t, c.to), 0)); got != c.want {
			t.Errorf("assign %s to %s = %s, want %s", c.x, c.to, got, c.want)
		}
	}
}

func TestLike(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, c := range []struct{ x, p, want string }{
		{"'abc'", "'a%'", "1"}, {"'ABC'", "'a_c'", "1"}, {"'abc'", "'a'", "0"}, {"'abc  '", "'abc'", "1"}, {"N'abc  '", "N'abc'", "0"},
		{"'b'", "'[a-c]'", "1"}, {"'d'", "'[^a-c]'", "1"}, {"'5%'", "'5[%]'", "1"}, {"'a_d'", "'a[_]d'", "1"}, {"'['", "'[[]'", "1"},
		{"'abc'", "'%'", "1"}, {"''", "'%'", "1"}, {"'abcabc'", "'%b%c'", "1"}, {"'Müller'", "'m_ll%'", "1"}, {"'É'", "'é'", "1"},
		{"'a'", "'['", "0"}, {"int:42", "'4%'", "1"}, {"'x'", "NULL", "NULL"}, {"'-'", "'[a-]'", "1"},
	} {
		h.values, h.types = nil, nil
		if got := h.run(sqlfn.Like(h.arg(c.x), h.arg(c.p), nil, false)); got != c.want {
			t.Errorf("%s like %s = %s, want %s", c.x, c.p, got, c.want)
		}
	}
	h.values, h.types = nil, nil
	esc := h.arg("'!'")
	if got := h.run(sqlfn.Like(h.arg("'50%'"), h.arg("'50!%'"), &esc, true)); got != "0" {
		t.Errorf("not like with escape = %s", got)
	}
	h.values, h.types = nil, nil
	esc = h.arg("'ab'")
	if got := h.run(sqlfn.Like(h.arg("'50%'"), h.arg("'50!%'"), &esc, true)); !strings.HasPrefix(got, "506 ") {
		t.Errorf("escape of two characters = %s", got)
	}
	h.values, h.types = nil, nil
	x, err := sqlfn.Collate(h.arg("'ABC'"), "Latin1_General_CS_AS")
	if err != nil {
		t.Fatal(err)
	}
	if got := h.run(sqlfn.Like(x, h.arg("'abc'"), nil, false)); got != "0" {
		t.Errorf("case-sensitive like = %s", got)
	}
}

func TestCollate(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cs, err := sqlfn.Collate(h.arg("'a'"), "latin1_general_cs_as")
	if err != nil {
		t.Fatal(err)
	}
	if got := h.run(sqlfn.Compare("=", cs, h.arg("'A'"))); got != "0" {
		t.Errorf("case-sensitive = is %s", got)
	}
	ci, err := sqlfn.Collate(h.arg("'a'"), "Latin1_General_CI_AS")
	if err != nil {
		t.Fatal(err)
	}
	if got := h.run(sqlfn.Compare("=", cs, ci)); !strings.HasPrefix(got, "468 ") {
		t.Errorf("two collations = %s", got)
	}
	if got := h.run(sqlfn.Collate(h.arg("'a'"), "Klingon_CI_AS")); got != "448 Invalid collation 'Klingon_CI_AS'." {
		t.Errorf("unknown collation = %s", got)
	}
	if got := h.run(sqlfn.Collate(h.arg("1"), "Latin1_General_CI_AS")); !strings.HasPrefix(got, "447 ") {
		t.Errorf("collate of an int = %s", got)
	}
}

// The errors that no table above meets.
func TestRemainingErrors(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cond, err := sqlfn.Compare("=", h.arg("1"), h.arg("1"))
	if err != nil {
		t.Fatal(err)
	}
	null := h.arg("NULL")
	for _, c := range []struct {
		got  string
		want string
	}{
		{h.run(sqlfn.Call("IIF", []sqlfn.Expr{cond, null, null})), "8133 "},
		{h.run(sqlfn.Call("IIF", []sqlfn.Expr{h.arg("1"), h.arg("1"), h.arg("2")})), "4145 "},
		{h.run(sqlfn.Call("IIF", []sqlfn.Expr{cond, h.arg("1"), h.arg("2.5")})), "decimal(11,1):1.0"},
		{h.run(sqlfn.Call("TIMEFROMPARTS", []sqlfn.Expr{h.arg("1"), h.arg("2"), h.arg("3"), h.arg("4"), h.arg("int:5")})), "1023 "},
		{h.run(sqlfn.Assign(h.arg("'abcdef'"), typeNamed(t, "varchar(3)"), 99)), "8152 "},
		{h.run(sqlfn.Call("REPLACE", []sqlfn.Expr{h.arg("varchar(max):" + strings.Repeat("a", 4000)), h.arg("'a'"), h.arg("varchar(max):" + strings.Repeat("b", 4000))})), "varchar(max):bbb"},
		{h.run(sqlfn.Call("NULLIF", []sqlfn.Expr{null, h.arg("1")})), "4127 "},
		{h.run(sqlfn.Compare("~", h.arg("1"), h.arg("1"))), "102 "},
		{h.run(sqlfn.Aggregate("SUM", false, []sqlfn.Expr{h.arg("1"), h.arg("1")})), "174 "},
		{h.run(sqlfn.Aggregate("MEDIAN", false, []sqlfn.Expr{h.arg("1")})), "195 "},
		{h.run(sqlfn.Call("OBJECT_NAME", []sqlfn.Expr{h.arg("date:2026-01-01")})), "8116 "},
		{h.run(sqlfn.Binary("+", h.arg("'a'"), h.arg("date:2026-01-01"))), "402 "},
	} {
		if !strings.HasPrefix(c.got, c.want) {
			t.Errorf("got %.60s, want %s", c.got, c.want)
		}
	}
}
