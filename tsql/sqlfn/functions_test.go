package sqlfn_test

import (
	"strings"
	"testing"

	"linkspan/tsql/sqlfn"
)

// cases are "function(arguments)" and what comes out; arguments are separated by " ; ".
func runCalls(t *testing.T, cases [][2]string) {
	t.Helper()
	h := newHarness(t)
	for _, c := range cases {
		h.values, h.types = nil, nil
		name, rest, _ := strings.Cut(c[0], "(")
		rest = strings.TrimSuffix(rest, ")")
		var args []sqlfn.Expr
		if rest != "" {
			for _, a := range strings.Split(rest, " ; ") {
				args = append(args, h.arg(a))
			}
		}
		if got := h.run(sqlfn.Call(name, args)); got != c[1] {
			t.Errorf("%s = %s, want %s", c[0], got, c[1])
		}
	}
}

// The results are those of the examples on each function's page (learn.microsoft.com, "String Functions (Transact-SQL)").
func TestStringFunctions(t *testing.T) {
	t.Parallel()
	runCalls(t, [][2]string{
		{"LEN('abc  ')", "int:3"}, {"LEN(N'a😀')", "int:3"}, {"LEN(varchar(max):abc)", "bigint:3"}, {"LEN(1234)", "int:4"}, {"LEN(NULL)", "int:NULL"},
		{"DATALENGTH('abc ')", "int:4"}, {"DATALENGTH(N'abc')", "int:6"}, {"DATALENGTH(5)", "int:4"}, {"DATALENGTH(decimal(20,2):1)", "int:13"},
		{"DATALENGTH(datetime:2026-01-01)", "int:8"}, {"DATALENGTH(0x0102)", "int:2"}, {"DATALENGTH('é')", "int:1"},
		{"LEFT('abcdef' ; 2)", "varchar(2):ab"}, {"RIGHT('abcdef' ; 2)", "varchar(2):ef"}, {"RIGHT('ab' ; 5)", "varchar(2):ab"},
		{"LEFT('abc' ; int:-1)", "537 Invalid length parameter passed to the LEFT or SUBSTRING function."},
		{"RIGHT('abc' ; int:-1)", "536 Invalid length parameter passed to the right function."},
		{"SUBSTRING('abcdef' ; 2 ; 3)", "varchar(3):bcd"}, {"SUBSTRING('abcdef' ; -1 ; 4)", "varchar(4):ab"}, {"SUBSTRING('abcdef' ; 10 ; 4)", "varchar(4):"},
		{"SUBSTRING('abc' ; 1 ; int:-1)", "537 Invalid length parameter passed to the LEFT or SUBSTRING function."}, {"SUBSTRING(0x010203 ; 2 ; 2)", "varbinary(2):0x0203"},
		{"UPPER('aé')", "varchar(2):AÉ"}, {"LOWER(N'AÉ')", "nvarchar(2):aé"}, {"REVERSE('abc')", "varchar(3):cba"},
		{"LTRIM('  a ')", "varchar(4):a "}, {"RTRIM('  a ')", "varchar(4):  a"}, {"TRIM('  a ')", "varchar(4):a"}, {"TRIM('xxaxx' ; 'x')", "varchar(5):a"},
		{"REPLACE('abcdefghicde' ; 'CDE' ; 'xxx')", "varchar(8000):abxxxfghixxx"}, {"REPLACE('aaa' ; '' ; 'b')", "varchar(8000):aaa"}, {"REPLACE('a' ; 'a' ; NULL)", "varchar(8000):NULL"},
		{"TRANSLATE('2*[3+4]/{7-2}' ; '[]{}' ; '()()')", "varchar(8000):2*(3+4)/(7-2)"},
		{"TRANSLATE('a' ; 'ab' ; 'c')", "9828 The second and third arguments of the TRANSLATE built-in function must contain an equal number of characters."},
		{"CHARINDEX('B' ; 'abc')", "int:2"}, {"CHARINDEX('a' ; 'banana' ; 3)", "int:4"}, {"CHARINDEX('x' ; 'abc')", "int:0"}, {"CHARINDEX('' ; 'abc')", "int:0"},
		{"PATINDEX('%ter%' ; 'interesting data')", "int:3"}, {"PATINDEX('%[0-9]%' ; 'abc7')", "int:4"}, {"PATINDEX('abc' ; 'abc')", "int:1"}, {"PATINDEX('%x%' ; 'abc')", "int:0"},
		{"STUFF('abcdef' ; 2 ; 3 ; 'ijklmn')", "varchar(12):aijklmnef"}, {"STUFF('abc' ; 0 ; 1 ; 'x')", "varchar(4):NULL"}, {"STUFF('abc' ; 2 ; 1 ; NULL)", "varchar(4):ac"},
		{"REPLICATE('ab' ; 3)", "varchar(6):ababab"}, {"REPLICATE('ab' ; int:-1)", "varchar(8000):NULL"}, {"SPACE(2)", "varchar(8000):  "},
		{"CONCAT('a' ; NULL ; 1 ; N'b')", "nvarchar(14):a1b"}, {"CONCAT_WS(',' ; 'a' ; NULL ; 'b')", "varchar(8000):a,b"},
		{"ASCII('A')", "int:65"}, {"ASCII('')", "int:NULL"}, {"UNICODE(N'Å')", "int:197"}, {"CHAR(65)", "char(1):A"}, {"CHAR(256)", "char(1):NULL"}, {"NCHAR(955)", "nchar(1):λ"},
		{"QUOTENAME('abc[]def')", "nvarchar(258):[abc[]]def]"}, {"QUOTENAME('a''b' ; '\"')", "nvarchar(258):\"a''b\""}, {"QUOTENAME('a' ; 'x')", "nvarchar(258):NULL"},
		{"STR(123.45 ; 6 ; 1)", "varchar(8000): 123.5"}, {"STR(123.45 ; 2 ; 2)", "varchar(8000):**"}, {"STR(5)", "varchar(8000):         5"},
		{"SOUNDEX('Smith')", "varchar(5):S530"}, {"DIFFERENCE('Green' ; 'Greene')", "int:4"}, {"PARSENAME('srv.db.dbo.[a.b]' ; 1)", "nvarchar(128):a.b"}, {"PARSENAME('srv.db.dbo.t' ; 4)", "nvarchar(128):srv"},
		{"FORMAT(1234567.891 ; N'N2')", "nvarchar(4000):1,234,567.89"}, {"FORMAT(5 ; N'000')", "nvarchar(4000):005"}, {"FORMAT(1234.5 ; N'#,##0.00')", "nvarchar(4000):1,234.50"},
		{"FORMAT(date:2026-01-31 ; N'yyyy-MM-dd')", "nvarchar(4000):2026-01-31"}, {"FORMAT(datetime:2026-01-31 22:05 ; N'dd MMM yyyy hh:mm tt')", "nvarchar(4000):31 Jan 2026 10:05 PM"},
		{"STRING_ESCAPE(N'a\"b' ; N'json')", "nvarchar(max):a\\\"b"},
		{"LEN('a' ; 'b')", "174 The len function requires 1 argument(s)."}, {"CHARINDEX('a')", "189 The charindex function requires 2 to 3 arguments."},
		{"NOSUCH(1)", "195 'NOSUCH' is not a recognized built-in function name."}, {"LEN(xml:<a/>)", "8116 Argument data type xml is invalid for argument 1 of len function."},
	})
}

func TestMathFunctions(t *testing.T) {
	t.Parallel()
	runCalls(t, [][2]string{
		{"ABS(-5)", "int:5"}, {"ABS(int:-2147483648)", "8115 Arithmetic overflow error converting expression to data type int."}, {"ABS(decimal(20,2):-1.5)", "decimal(20,2):1.50"},
		{"CEILING(decimal(5,2):123.45)", "decimal(5,0):124"}, {"CEILING(decimal(5,2):-123.45)", "decimal(5,0):-123"}, {"FLOOR(decimal(5,2):-123.45)", "decimal(5,0):-124"},
		{"FLOOR(1.5e0)", "float:1"}, {"CEILING($123.45)", "money:124.0000"}, {"FLOOR(5)", "int:5"}, {"SIGN(-125)", "int:-1"}, {"SIGN(decimal(5,2):0)", "decimal(5,2):0.00"},
		{"ROUND(123.9994 ; 3)", "decimal(7,4):123.9990"}, {"ROUND(123.4545 ; 2)", "decimal(7,4):123.4500"}, {"ROUND(123.45 ; -2)", "decimal(5,2):100.00"}, {"ROUND(150.75 ; 0 ; 1)", "decimal(5,2):150.00"},
		{"ROUND(748.58 ; -3)", "8115 Arithmetic overflow error converting expression to data type numeric."}, {"ROUND(748.58 ; -4)", "decimal(5,2):0.00"}, {"ROUND(15 ; -1)", "int:20"}, {"ROUND(2.5e0 ; 0)", "float:3"},
		{"POWER(2 ; 10)", "int:1024"}, {"POWER(2 ; 31)", "8115 Arithmetic overflow error converting expression to data type int."}, {"POWER(2e0 ; 0.5)", "float:1.4142135623730951"}, {"POWER(2.0 ; 3)", "decimal(38,1):8.0"}, {"POWER(0 ; -1)", "8134 Divide by zero error encountered."},
		{"SQRT(4)", "float:2"}, {"SQRT(-1)", "3623 An invalid floating point operation occurred."}, {"LOG(0)", "3623 An invalid floating point operation occurred."}, {"LOG(8 ; 2)", "float:3"},
		{"EXP(1000)", "8115 Arithmetic overflow error converting expression to data type float."}, {"SQUARE(3)", "float:9"}, {"PI()", "float:3.1415926535897931"}, {"LOG10(100)", "float:2"},
		{"DEGREES(1e0)", "float:57.295779513082323"}, {"ATN2(1 ; 1)", "float:0.78539816339744828"}, {"ACOS(2)", "3623 An invalid floating point operation occurred."},
		{"ABS(date:2026-01-01)", "8116 Argument data type date is invalid for argument 1 of abs function."},
	})
}

func TestDateFunctions(t *testing.T) {
	t.Parallel()
	runCalls(t, [][2]string{
		{"GETDATE()", "datetime:2026-01-31 22:05:06.123"}, {"CURRENT_TIMESTAMP()", "datetime:2026-01-31 22:05:06.123"}, {"GETUTCDATE()", "datetime:2026-01-31 20:05:06.123"},
		{"SYSDATETIME()", "datetime2(7):2026-01-31 22:05:06.1234567"}, {"SYSUTCDATETIME()", "datetime2(7):2026-01-31 20:05:06.1234567"}, {"SYSDATETIMEOFFSET()", "datetimeoffset(7):2026-01-31 22:05:06.1234567 +02:00"},
		{"DATEADD(word month ; 1 ; date:2026-01-31)", "date:2026-02-28"}, {"DATEADD(word dd ; -1 ; '2026-03-01')", "datetime:2026-02-28 00:00:00.000"}, {"DATEADD(word quarter ; 1 ; date:2026-01-31)", "date:2026-04-30"},
		{"DATEADD(word hour ; 25 ; datetime2(0):2026-01-31 00:30)", "datetime2(0):2026-02-01 01:30:00"}, {"DATEADD(word minute ; 90 ; time(0):23:30)", "time(0):01:00:00"}, {"DATEADD(word ms ; 2 ; datetime:2026-01-01)", "datetime:2026-01-01 00:00:00.003"},
		{"DATEADD(word year ; 9000 ; date:2026-01-01)", "517 Adding a value to a 'date' column caused an overflow."}, {"DATEADD(word hour ; 1 ; date:2026-01-01)", "9810 The datepart hour is not supported by date function dateadd for data type date."},
		{"DATEADD(word fortnight ; 1 ; date:2026-01-01)", "155 'fortnight' is not a recognized dateadd option."}, {"DATEADD(word day ; NULL ; date:2026-01-01)", "date:NULL"},
		{"DATEDIFF(word year ; '2005-12-31 23:59:59.9999999' ; '2006-01-01 00:00:00.0000000')", "int:1"}, {"DATEDIFF(word day ; '2026-01-01' ; '2026-02-01')", "int:31"}, {"DATEDIFF(word week ; '2026-01-03' ; '2026-01-04')", "int:1"},
		{"DATEDIFF(word month ; '2026-01-31' ; '2026-02-01')", "int:1"}, {"DATEDIFF(word second ; '1900-01-01' ; '2026-01-01')", "535 The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart."},
		{"DATEDIFF_BIG(word second ; '1900-01-01' ; '2026-01-01')", "bigint:3976214400"}, {"DATEDIFF(word hour ; '10:59' ; '11:00')", "int:1"},
		{"DATEPART(word year ; '2007-10-30 12:15:32.1234567 +05:10')", "int:2007"}, {"DATEPART(word dayofyear ; date:2007-10-30)", "int:303"}, {"DATEPART(word week ; date:2007-10-30)", "int:44"}, {"DATEPART(word weekday ; date:2007-10-30)", "int:3"},
		{"DATEPART(word quarter ; date:2007-10-30)", "int:4"}, {"DATEPART(word ns ; '2007-10-30 12:15:32.1234567')", "int:123456700"}, {"DATEPART(word tz ; datetimeoffset(7):2007-10-30 12:15:32 +05:10)", "int:310"}, {"DATEPART(word isowk ; date:2021-01-03)", "int:53"},
		{"DATEPART(word ms ; datetime:2026-01-01 00:00:00.123)", "int:123"}, {"DATENAME(word month ; date:2007-10-30)", "nvarchar(30):October"}, {"DATENAME(word weekday ; date:2007-10-30)", "nvarchar(30):Tuesday"}, {"DATENAME(word tz ; datetimeoffset(7):2007-10-30 10:00 +05:10)", "nvarchar(30):+05:10"},
		{"YEAR(date:2026-01-31)", "int:2026"}, {"MONTH('2026-01-31')", "int:1"}, {"DAY(0)", "int:1"}, {"EOMONTH(date:2024-02-05)", "date:2024-02-29"}, {"EOMONTH('2026-01-31' ; 1)", "date:2026-02-28"},
		{"DATEFROMPARTS(2026 ; 2 ; 28)", "date:2026-02-28"}, {"DATEFROMPARTS(2026 ; 2 ; 30)", "289 Cannot construct data type date, some of the arguments have values which are not valid."}, {"DATETIMEFROMPARTS(2010 ; 12 ; 31 ; 23 ; 59 ; 59 ; 0)", "datetime:2010-12-31 23:59:59.000"},
		{"DATETIME2FROMPARTS(2011 ; 8 ; 15 ; 14 ; 23 ; 44 ; 5 ; 1)", "datetime2(1):2011-08-15 14:23:44.5"}, {"TIMEFROMPARTS(14 ; 23 ; 44 ; 5 ; 1)", "time(1):14:23:44.5"}, {"DATETIMEOFFSETFROMPARTS(2010 ; 12 ; 31 ; 14 ; 23 ; 23 ; 0 ; 12 ; 0 ; 7)", "datetimeoffset(7):2010-12-31 14:23:23.0000000 +12:00"},
		{"SMALLDATETIMEFROMPARTS(2010 ; 12 ; 31 ; 23 ; 59)", "smalldatetime:2010-12-31 23:59:00"}, {"ISDATE('2009-05-12 10:19:41.177')", "int:1"}, {"ISDATE('nonsense')", "int:0"}, {"ISDATE(NULL)", "int:0"},
		{"DATETRUNC(word month ; datetime2(7):2026-01-31 10:00)", "datetime2(7):2026-01-01 00:00:00.0000000"}, {"DATETRUNC(word week ; date:2021-11-11)", "date:2021-11-07"}, {"DATETRUNC(word hour ; datetime:2026-01-31 10:59)", "datetime:2026-01-31 10:00:00.000"},
		{"SWITCHOFFSET(datetimeoffset(7):1998-09-20 7:45:50.71345 -05:00 ; '-08:00')", "datetimeoffset(7):1998-09-20 04:45:50.7134500 -08:00"}, {"TODATETIMEOFFSET(datetime2(0):2026-01-01 ; '+02:00')", "datetimeoffset(0):2026-01-01 00:00:00 +02:00"},
		{"SWITCHOFFSET(datetimeoffset(7):1998-09-20 10:00 +00:00 ; '+99:00')", "9812 The timezone provided to builtin function switchoffset is invalid."}, {"YEAR('x')", "241 Conversion failed when converting date and/or time from character string."},
	})
}

func TestLogicAndMiscFunctions(t *testing.T) {
	t.Parallel()
	runCalls(t, [][2]string{
		{"ISNULL(int:NULL ; 5)", "int:5"}, {"ISNULL(varchar(2):NULL ; 'abcd')", "varchar(2):ab"}, {"ISNULL(NULL ; 'x')", "varchar(1):x"}, {"ISNULL(int:NULL ; 'x')", "245 Conversion failed when converting the varchar value 'x' to data type int."},
		{"COALESCE(int:NULL ; 2.5)", "decimal(11,1):2.5"}, {"COALESCE(NULL ; NULL)", "4127 At least one of the arguments to COALESCE must be an expression that is not the NULL constant."},
		{"NULLIF('a' ; 'A ')", "varchar(1):NULL"}, {"NULLIF(1 ; 2)", "int:1"}, {"NULLIF(1 ; 1.0)", "int:NULL"}, {"NULLIF(2 ; 1.0)", "int:2"}, {"CHOOSE(2 ; 'a' ; N'bc')", "nvarchar(2):bc"}, {"CHOOSE(5 ; 'a' ; 'b')", "varchar(1):NULL"},
		{"GREATEST(1 ; 2.5 ; NULL)", "decimal(11,1):2.5"}, {"LEAST('b' ; 'A')", "varchar(1):A"},
		{"ISNUMERIC('1e5')", "int:1"}, {"ISNUMERIC('$5.00')", "int:1"}, {"ISNUMERIC('abc')", "int:0"}, {"ISNUMERIC(5)", "int:1"}, {"ISNUMERIC('')", "int:0"}, {"ISNUMERIC(date:2026-01-01)", "int:0"},
		{"HASHBYTES('MD5' ; 'abc')", "varbinary(8000):0x900150983CD24FB0D6963F7D28E17F72"}, {"HASHBYTES('SHA1' ; 'abc')", "varbinary(8000):0xA9993E364706816ABA3E25717850C26C9CD0D89D"},
		{"HASHBYTES('SHA2_256' ; N'a')", "varbinary(8000):0xFFE9AAEAA2A2D5048174DF0B80599EF0197EC024C4B051BC9860CFF58EF7F9F3"}, {"HASHBYTES('ROT13' ; 'a')", "varbinary(8000):NULL"},
		{"CHECKSUM(42)", "int:42"}, {"DB_NAME(1 ; 2)", "189 The db_name function requires 0 to 1 arguments."},
	})
	h := newHarness(t)
	a, b := h.run(sqlfn.Call("NEWID", nil)), h.run(sqlfn.Call("NEWID", nil))
	if a == b || len(a) != len("uniqueidentifier:")+36 || a[len("uniqueidentifier:")+14] != '4' {
		t.Errorf("NEWID gave %s, then %s", a, b)
	}
	x, _ := sqlfn.Call("NEWSEQUENTIALID", nil)
	y, _ := sqlfn.Call("NEWSEQUENTIALID", nil)
	if got := h.run(sqlfn.Compare("<", x, y)); got != "1" {
		t.Errorf("NEWSEQUENTIALID went down: %s", got)
	}
	one, _ := sqlfn.Call("CHECKSUM", []sqlfn.Expr{h.arg("'abc'")})
	two, _ := sqlfn.Call("CHECKSUM", []sqlfn.Expr{h.arg("N'ABC  '")})
	if got := h.run(sqlfn.Compare("=", one, two)); got != "1" {
		t.Errorf("checksums of equal texts differ: %s", got)
	}
}
