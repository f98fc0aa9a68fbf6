package tdsserver_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/golang-sql/civil"
	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"

	"linkspan/sqlapi"
	"linkspan/sqltype"
)

// days of 9999-12-31 since 0001-01-01 and since 1900-01-01.
const (
	lastDay     = 3652058
	lastDay1900 = 2958463
	ticksADay   = 864_000_000_000
)

func dec(scale uint8, hi, lo int64) sqltype.Value {
	return sqltype.Value{K: sqltype.Decimal, Scale: scale, Valid: true, Hi: hi, N: lo}
}

func num(k sqltype.Kind, n int64) sqltype.Value { return sqltype.Value{K: k, Valid: true, N: n} }

func scaled(k sqltype.Kind, scale uint8, n, hi int64) sqltype.Value {
	return sqltype.Value{K: k, Scale: scale, Valid: true, N: n, Hi: hi}
}

// toClient lists values and how the driver shows them.
var toClient = []struct {
	typ  sqltype.Type
	val  sqltype.Value
	want string
}{
	{sqltype.Type{Kind: sqltype.Bit}, sqltype.BitOf(true), "true"},
	{sqltype.Type{Kind: sqltype.TinyInt}, num(sqltype.TinyInt, 255), "255"},
	{sqltype.Type{Kind: sqltype.SmallInt}, num(sqltype.SmallInt, math.MinInt16), "-32768"},
	{sqltype.Type{Kind: sqltype.Int}, num(sqltype.Int, math.MinInt32), "-2147483648"},
	{sqltype.Type{Kind: sqltype.BigInt}, num(sqltype.BigInt, math.MinInt64), "-9223372036854775808"},
	{sqltype.Type{Kind: sqltype.Decimal, Prec: 9, Scale: 2}, dec(2, 0, 999_999_999), "9999999.99"},
	{sqltype.Type{Kind: sqltype.Decimal, Prec: 18, Scale: 4}, dec(4, -1, -1), "-0.0001"},
	{sqltype.Type{Kind: sqltype.Decimal, Prec: 18, Scale: 4}, dec(2, 0, 150), "1.5000"},
	{sqltype.Type{Kind: sqltype.Decimal, Prec: 28, Scale: 0}, dec(0, 1<<20, 0), "19342813113834066795298816"},
	{sqltype.Type{Kind: sqltype.Decimal, Prec: 38, Scale: 0}, dec(0, 0x4b3b4ca85a86c47a, 0x098a223fffffffff), strings.Repeat("9", 38)},
	{sqltype.Type{Kind: sqltype.Decimal, Prec: 38, Scale: 38}, dec(38, ^0x4b3b4ca85a86c47a, ^0x098a223fffffffff+1), "-0." + strings.Repeat("9", 38)},
	{sqltype.Type{Kind: sqltype.Money}, num(sqltype.Money, math.MaxInt64), "922337203685477.5807"},
	{sqltype.Type{Kind: sqltype.Money}, num(sqltype.Money, -1), "-0.0001"},
	{sqltype.Type{Kind: sqltype.SmallMoney}, num(sqltype.SmallMoney, math.MinInt32), "-214748.3648"},
	{sqltype.Type{Kind: sqltype.Real}, sqltype.FloatOf(sqltype.Real, 1.5), "1.5"},
	{sqltype.Type{Kind: sqltype.Float, Prec: 53}, sqltype.FloatOf(sqltype.Float, -math.MaxFloat64), "-1.7976931348623157e+308"},
	{sqltype.Type{Kind: sqltype.Date}, num(sqltype.Date, 0), "0001-01-01T00:00:00Z"},
	{sqltype.Type{Kind: sqltype.Date}, num(sqltype.Date, lastDay), "9999-12-31T00:00:00Z"},
	{sqltype.Type{Kind: sqltype.Time, Scale: 7}, scaled(sqltype.Time, 7, ticksADay-1, 0), "0001-01-01T23:59:59.9999999Z"},
	{sqltype.Type{Kind: sqltype.Time, Scale: 0}, scaled(sqltype.Time, 0, 36_000_000_000, 0), "0001-01-01T01:00:00Z"},
	{sqltype.Type{Kind: sqltype.Time, Scale: 3}, scaled(sqltype.Time, 3, 10_000, 0), "0001-01-01T00:00:00.001Z"},
	{sqltype.Type{Kind: sqltype.SmallDateTime}, num(sqltype.SmallDateTime, 65535*1440+1439), "2079-06-06T23:59:00Z"},
	{sqltype.Type{Kind: sqltype.DateTime}, num(sqltype.DateTime, -53690*25_920_000), "1753-01-01T00:00:00Z"},
	{sqltype.Type{Kind: sqltype.DateTime}, num(sqltype.DateTime, lastDay1900*25_920_000+25_919_999), "9999-12-31T23:59:59.997Z"},
	{sqltype.Type{Kind: sqltype.DateTime}, num(sqltype.DateTime, -1), "1899-12-31T23:59:59.997Z"},
	{sqltype.Type{Kind: sqltype.DateTime2, Scale: 7}, scaled(sqltype.DateTime2, 7, lastDay*ticksADay+ticksADay-1, 0), "9999-12-31T23:59:59.9999999Z"},
	{sqltype.Type{Kind: sqltype.DateTime2, Scale: 0}, scaled(sqltype.DateTime2, 0, 0, 0), "0001-01-01T00:00:00Z"},
	{sqltype.Type{Kind: sqltype.DateTimeOffset, Scale: 7}, scaled(sqltype.DateTimeOffset, 7, 738_000*ticksADay, 840), "2021-07-30T14:00:00+14:00"},
	{sqltype.Type{Kind: sqltype.DateTimeOffset, Scale: 3}, scaled(sqltype.DateTimeOffset, 3, 738_000*ticksADay, -90), "2021-07-29T22:30:00-01:30"},
	{sqltype.Type{Kind: sqltype.Char, Len: 4}, sqltype.StringOf(sqltype.Char, "é€  "), "é€  "},
	{sqltype.Type{Kind: sqltype.VarChar, Len: 10}, sqltype.StringOf(sqltype.VarChar, "smørrebrød"), "smørrebrød"},
	{sqltype.Type{Kind: sqltype.VarChar, Len: 3}, sqltype.StringOf(sqltype.VarChar, "a→b"), "a?b"},
	{sqltype.Type{Kind: sqltype.VarChar, Len: 7, Collation: "Latin1_General_100_CI_AS_SC_UTF8"}, sqltype.StringOf(sqltype.VarChar, "a→𝄞"), "a→𝄞"},
	{sqltype.Type{Kind: sqltype.VarChar, Len: sqltype.MaxLen}, sqltype.StringOf(sqltype.VarChar, strings.Repeat("é", 9000)), strings.Repeat("é", 9000)},
	{sqltype.Type{Kind: sqltype.VarChar, Len: 5}, sqltype.StringOf(sqltype.VarChar, ""), ""},
	{sqltype.Type{Kind: sqltype.NChar, Len: 3}, sqltype.StringOf(sqltype.NChar, "→𝄞"), "→𝄞"},
	{sqltype.Type{Kind: sqltype.NVarChar, Len: 4000}, sqltype.NVarCharOf(strings.Repeat("语", 4000)), strings.Repeat("语", 4000)},
	{sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, sqltype.NVarCharOf(strings.Repeat("语", 40000)), strings.Repeat("语", 40000)},
	{sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, sqltype.NVarCharOf(""), ""},
	{sqltype.Type{Kind: sqltype.Text}, sqltype.StringOf(sqltype.Text, "old téxt"), "old téxt"},
	{sqltype.Type{Kind: sqltype.NText}, sqltype.StringOf(sqltype.NText, "old →"), "old →"},
	{sqltype.Type{Kind: sqltype.Image}, sqltype.BytesOf(sqltype.Image, []byte{1, 2}), "\x01\x02"},
	{sqltype.Type{Kind: sqltype.Binary, Len: 3}, sqltype.BytesOf(sqltype.Binary, []byte{1, 2, 0}), "\x01\x02\x00"},
	{sqltype.Type{Kind: sqltype.VarBinary, Len: 3}, sqltype.BytesOf(sqltype.VarBinary, []byte{0xff}), "\xff"},
	{sqltype.Type{Kind: sqltype.VarBinary, Len: sqltype.MaxLen}, sqltype.BytesOf(sqltype.VarBinary, make([]byte, 70000)), string(make([]byte, 70000))},
	{sqltype.Type{Kind: sqltype.RowVersion}, sqltype.BytesOf(sqltype.RowVersion, []byte("12345678")), "12345678"},
	{sqltype.Type{Kind: sqltype.XML}, sqltype.StringOf(sqltype.XML, "<a>→</a>"), "<a>→</a>"},
	{sqltype.Type{Kind: sqltype.UniqueIdentifier}, sqltype.BytesOf(sqltype.UniqueIdentifier, []byte("\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff")), "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"},
	{sqltype.Type{Kind: sqltype.Variant}, num(sqltype.Int, 7), "7"},
	{sqltype.Type{Kind: sqltype.Variant}, sqltype.NVarCharOf("v→"), "v→"},
	{sqltype.Type{Kind: sqltype.Variant}, sqltype.StringOf(sqltype.VarChar, "vé"), "vé"},
	{sqltype.Type{Kind: sqltype.Variant}, dec(2, 0, 123), "1.23"},
	{sqltype.Type{Kind: sqltype.Variant}, sqltype.BitOf(true), "true"},
	{sqltype.Type{Kind: sqltype.Variant}, scaled(sqltype.DateTime2, 7, ticksADay, 0), "0001-01-02T00:00:00Z"},
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

func TestTypesToClient(t *testing.T) {
	t.Parallel()
	var cols []sqlapi.Column
	var full, empty []sqltype.Value
	for i, c := range toClient {
		cols = append(cols, sqlapi.Column{Name: fmt.Sprint("c", i), Type: c.typ, Nullable: true})
		full = append(full, c.val)
		empty = append(empty, sqltype.NullOf(c.typ.Kind))
	}
	cols = append(cols, sqlapi.Column{Name: "null"})
	full, empty = append(full, sqltype.Value{}), append(empty, sqltype.Value{})
	// The third row has one NULL only, so that it goes as a ROW and not as an NBCROW.
	b := &backend{batches: map[string]script{"all types": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		return rows(out, cols, full, empty, full)
	}, "one null": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		for i := range toClient {
			if err := rows(out, cols[i:i+1], full[i:i+1], empty[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}}}
	db := start(t, b).db(t, "encrypt=true")
	got := query(t, db, "all types")
	if len(got) != 3 {
		t.Fatalf("%d rows", len(got))
	}
	one := query(t, db, "one null")
	for i, c := range toClient {
		for _, r := range []string{got[0][i], got[2][i], one[2*i][0]} {
			if r != c.want {
				t.Errorf("%s: got %.80q, want %.80q", c.typ, r, c.want)
			}
		}
		for _, r := range []string{got[1][i], one[2*i+1][0]} {
			if r != "NULL" {
				t.Errorf("%s: NULL came as %.80q", c.typ, r)
			}
		}
	}
}

// query reads all rows of all result sets.
func query(t *testing.T, db *sql.DB, text string, args ...any) [][]string {
	t.Helper()
	r, err := db.Query(text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all [][]string
	for more := true; more; more = r.NextResultSet() {
		cols, err := r.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			vals, ptrs := make([]any, len(cols)), make([]any, len(cols))
			for i := range vals {
				ptrs[i] = &vals[i]
			}
			if err := r.Scan(ptrs...); err != nil {
				t.Fatal(err)
			}
			var s []string
			for _, v := range vals {
				s = append(s, show(v))
			}
			all = append(all, s)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return all
}

func TestTypesFromClient(t *testing.T) {
	t.Parallel()
	var params []sqlapi.Param
	b := &backend{call: func(ctx context.Context, s *session, c sqlapi.Call, out sqlapi.ResultSink) error {
		params = c.Params[2:]
		return echo(ctx, s, c, out)
	}}
	db := start(t, b).db(t, "encrypt=true")
	moment := time.Date(2024, 2, 29, 13, 14, 15, 123456700, time.FixedZone("", -5400))
	ticks := func(t time.Time) int64 { return (t.Unix()+62135596800)*10_000_000 + int64(t.Nanosecond()/100) }
	guid := mssql.UniqueIdentifier{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	for _, c := range []struct {
		arg  any
		typ  sqltype.Type
		want sqltype.Value
		back string
	}{
		{true, sqltype.Type{Kind: sqltype.Bit}, sqltype.BitOf(true), "true"},
		{byte(255), sqltype.Type{Kind: sqltype.TinyInt}, num(sqltype.TinyInt, 255), "255"},
		{int16(-32768), sqltype.Type{Kind: sqltype.SmallInt}, num(sqltype.SmallInt, -32768), "-32768"},
		{int32(math.MinInt32), sqltype.Type{Kind: sqltype.Int}, num(sqltype.Int, math.MinInt32), "-2147483648"},
		{int64(math.MinInt64), sqltype.Type{Kind: sqltype.BigInt}, num(sqltype.BigInt, math.MinInt64), "-9223372036854775808"},
		{float32(1.25), sqltype.Type{Kind: sqltype.Real, Prec: 24}, sqltype.FloatOf(sqltype.Real, 1.25), "1.25"},
		{-1e300, sqltype.Type{Kind: sqltype.Float, Prec: 53}, sqltype.FloatOf(sqltype.Float, -1e300), "-1e+300"},
		{"grüße 𝄞", sqltype.Type{Kind: sqltype.NVarChar, Len: 8}, sqltype.NVarCharOf("grüße 𝄞"), "grüße 𝄞"},
		{"", sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, sqltype.NVarCharOf(""), ""},
		{mssql.VarChar("caf\xe9"), sqltype.Type{Kind: sqltype.VarChar, Len: 4}, sqltype.StringOf(sqltype.VarChar, "café"), "café"},
		{mssql.NVarCharMax(strings.Repeat("ж", 9000)), sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, sqltype.NVarCharOf(strings.Repeat("ж", 9000)), strings.Repeat("ж", 9000)},
		{mssql.NChar("ab"), sqltype.Type{Kind: sqltype.NChar, Len: 2}, sqltype.StringOf(sqltype.NChar, "ab"), "ab"},
		{[]byte{1, 0, 255}, sqltype.Type{Kind: sqltype.VarBinary, Len: 3}, sqltype.BytesOf(sqltype.VarBinary, []byte{1, 0, 255}), "\x01\x00\xff"},
		{make([]byte, 20000), sqltype.Type{Kind: sqltype.VarBinary, Len: sqltype.MaxLen}, sqltype.BytesOf(sqltype.VarBinary, make([]byte, 20000)), string(make([]byte, 20000))},
		{guid, sqltype.Type{Kind: sqltype.UniqueIdentifier}, sqltype.BytesOf(sqltype.UniqueIdentifier, []byte("\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff")), "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"},
		{moment, sqltype.Type{Kind: sqltype.DateTimeOffset, Scale: 7}, scaled(sqltype.DateTimeOffset, 7, ticks(moment), -90), "2024-02-29T13:14:15.1234567-01:30"},
		{mssql.DateTime1(time.Date(1753, 1, 1, 0, 0, 0, 0, time.UTC)), sqltype.Type{Kind: sqltype.DateTime}, num(sqltype.DateTime, -53690*25_920_000), "1753-01-01T00:00:00Z"},
		{civil.DateTimeOf(moment), sqltype.Type{Kind: sqltype.DateTime2, Scale: 7}, scaled(sqltype.DateTime2, 7, ticks(moment)-5400*10_000_000, 0), "2024-02-29T13:14:15.1234567Z"},
		{civil.Date{Year: 9999, Month: 12, Day: 31}, sqltype.Type{Kind: sqltype.Date}, num(sqltype.Date, lastDay), "9999-12-31T00:00:00Z"},
		{civil.Time{Hour: 23, Minute: 59, Second: 59, Nanosecond: 999999900}, sqltype.Type{Kind: sqltype.Time, Scale: 7}, scaled(sqltype.Time, 7, ticksADay-1, 0), "0001-01-01T23:59:59.9999999Z"},
		{nil, sqltype.Type{}, sqltype.Value{}, "NULL"},
		{sql.NullInt64{}, sqltype.Type{Kind: sqltype.BigInt}, sqltype.NullOf(sqltype.BigInt), "NULL"},
		{sql.NullString{}, sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, sqltype.NullOf(sqltype.NVarChar), "NULL"},
	} {
		got := query(t, db, "echo it", c.arg)
		if len(got) != 1 || len(got[0]) != 1 || got[0][0] != c.back {
			t.Errorf("%T %.60v came back as %.60q", c.arg, c.arg, got)
		}
		if len(params) != 1 {
			t.Fatalf("%d parameters", len(params))
		}
		p := params[0]
		if c.typ.Kind == sqltype.NVarChar && p.Value.IsNull() {
			p.Type.Len = c.typ.Len // how long the driver thinks NULL is does not matter
		}
		if d := cmp.Diff(sqlapi.Param{Name: "@p1", Type: c.typ, Value: c.want}, p); d != "" && len(d) < 3000 {
			t.Errorf("%T %.60v: %s", c.arg, c.arg, d)
		} else if d != "" {
			t.Errorf("%T: differs", c.arg)
		}
	}
}
