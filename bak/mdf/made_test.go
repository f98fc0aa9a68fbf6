package mdf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

func u(n int64, size int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n))[:size] }

// everyType is a column of each ordinary type with the bytes of a value and its text.
var everyType = []struct {
	col  baktest.Column
	val  any
	text string
}{
	{baktest.Column{Name: "c_tinyint", XType: 48}, int64(200), "200"},
	{baktest.Column{Name: "c_smallint", XType: 52}, int64(-2), "-2"},
	{baktest.Column{Name: "c_int", XType: 56}, int64(-70000), "-70000"},
	{baktest.Column{Name: "c_bigint", XType: 127}, int64(-1 << 40), "-1099511627776"},
	{baktest.Column{Name: "c_bit1", XType: 104}, int64(1), "1"},
	{baktest.Column{Name: "c_bit2", XType: 104}, int64(0), "0"},
	{baktest.Column{Name: "c_bit3", XType: 104}, int64(1), "1"},
	{baktest.Column{Name: "c_decimal5", XType: 106, Prec: 9, Scale: 2}, append([]byte{0}, u(12345, 4)...), "-123.45"},
	{baktest.Column{Name: "c_decimal9", XType: 106, Prec: 19, Scale: 4}, append([]byte{1}, u(123456789, 8)...), "12345.6789"},
	{baktest.Column{Name: "c_decimal17", XType: 108, Prec: 38}, append(append([]byte{0}, u(0, 8)...), u(1, 8)...), "-18446744073709551616"},
	{baktest.Column{Name: "c_money", XType: 60}, int64(-12345678), "-1234.5678"},
	{baktest.Column{Name: "c_smallmoney", XType: 122}, int64(10000), "1.0000"},
	{baktest.Column{Name: "c_real", XType: 59}, int64(0x3fc00000), "1.5"},
	{baktest.Column{Name: "c_float", XType: 62, Prec: 53}, int64(0x3ff8000000000000), "1.5"},
	{baktest.Column{Name: "c_date", XType: 40}, u(738944, 3), "2024-02-29"},
	{baktest.Column{Name: "c_time3", XType: 41, Scale: 3}, u(86399999, 4), "23:59:59.999"},
	{baktest.Column{Name: "c_time7", XType: 41, Scale: 7}, u(1, 5), "00:00:00.0000001"},
	{baktest.Column{Name: "c_smalldatetime", XType: 58}, append(u(61, 2), u(1, 2)...), "1900-01-02 01:01:00"},
	{baktest.Column{Name: "c_datetime", XType: 61}, append(u(299, 4), u(-1, 4)...), "1899-12-31 00:00:00.997"},
	{baktest.Column{Name: "c_datetime2", XType: 42, Scale: 0}, append(u(1, 3), u(0, 3)...), "0001-01-01 00:00:01"},
	{baktest.Column{Name: "c_datetime27", XType: 42, Scale: 7}, append(u(5, 5), u(3652058, 3)...), "9999-12-31 00:00:00.0000005"},
	{baktest.Column{Name: "c_offset", XType: 43, Scale: 0}, append(append(u(3600, 3), u(738944, 3)...), u(90, 2)...), "2024-02-29 02:30:00 +01:30"},
	{baktest.Column{Name: "c_guid", XType: 36}, []byte{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}, "00010203-0405-0607-0809-0A0B0C0D0E0F"},
	{baktest.Column{Name: "c_rowversion", XType: 189}, []byte{0, 0, 0, 0, 0, 0, 7, 209}, "0x00000000000007D1"},
	{baktest.Column{Name: "c_char", XType: 175, Len: 5}, "ab", "ab   "},
	{baktest.Column{Name: "c_varchar", XType: 167, Len: 20}, "Z\xfcrich", "Zürich"},
	{baktest.Column{Name: "c_nchar", XType: 239, Len: 6}, "ñ", "ñ  "},
	{baktest.Column{Name: "c_nvarchar", XType: 231, Len: 40}, "日本 😀", "日本 😀"},
	{baktest.Column{Name: "c_binary", XType: 173, Len: 3}, []byte{1, 2, 3}, "0x010203"},
	{baktest.Column{Name: "c_varbinary", XType: 165, Len: 30}, []byte{0xff}, "0xFF"},
	{baktest.Column{Name: "c_empty", XType: 231, Len: 40}, "", ""},
	{baktest.Column{Name: "c_variant", XType: 98, Len: 8016}, []byte{56, 1, 9, 0, 0, 0}, "9"},
	{baktest.Column{Name: "c_null", XType: 56}, nil, "NULL"},
	{baktest.Column{Name: "c_nulltext", XType: 167, Len: 9}, nil, "NULL"},
}

func typesTable(heap bool) baktest.Table {
	t := baktest.Table{Schema: "sales", Name: "Every Type", Heap: heap}
	var row baktest.Row
	for _, e := range everyType {
		t.Columns = append(t.Columns, e.col)
		row.Values = append(row.Values, e.val)
	}
	t.Rows = []baktest.Row{row}
	return t
}

// open opens a made database as a plain data file.
func open(t testing.TB, d *baktest.Database) *mdf.Database {
	t.Helper()
	return openFile(t, d.File())
}

func openFile(t testing.TB, b []byte) *mdf.Database {
	t.Helper()
	p := mdf.NewPages()
	if err := p.AddFile(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	db, err := mdf.Open(p, mdf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestEveryOrdinaryType(t *testing.T) {
	t.Parallel()
	for _, heap := range []bool{false, true} {
		d := open(t, &baktest.Database{Name: "Sales", Version: 957, Tables: []baktest.Table{typesTable(heap)}})
		if d.Name != "Sales" || d.Version != 957 {
			t.Errorf("database %q, version %d", d.Name, d.Version)
		}
		got := rows(t, d, "sales.every type")
		if len(got) != 1 {
			t.Fatalf("%d rows", len(got))
		}
		for i, e := range everyType {
			if got[0][i] != e.text {
				t.Errorf("heap %v: %s is %q, want %q", heap, e.col.Name, got[0][i], e.text)
			}
		}
	}
}

func ints(n int, change func(i int, r *baktest.Row)) []baktest.Row {
	var rs []baktest.Row
	for i := range n {
		r := baktest.Row{Values: []any{int64(i), fmt.Sprintf("row %d %s", i, strings.Repeat("x", i%300))}}
		if change != nil {
			change(i, &r)
		}
		rs = append(rs, r)
	}
	return rs
}

var idAndName = []baktest.Column{{Name: "id", XType: 56, NotNull: true, Identity: true}, {Name: "name", XType: 167, Len: 400, Default: "('x')"}}

func TestManyPagesGhostsAndForwardedRows(t *testing.T) {
	t.Parallel()
	for _, heap := range []bool{false, true} {
		want := 0
		tab := baktest.Table{Schema: "dbo", Name: "t", Columns: idAndName, Heap: heap, Rows: ints(3000, func(i int, r *baktest.Row) {
			r.Ghost, r.Forwarded = i%10 == 0, heap && i%50 == 7
			if !r.Ghost {
				want++
			}
		})}
		d := open(t, &baktest.Database{Name: "d", Tables: []baktest.Table{tab}})
		seen := map[string]bool{}
		for _, r := range rows(t, d, "t") {
			seen[r[0]] = true
			if !strings.HasPrefix(r[1], "row "+r[0]+" ") {
				t.Fatalf("row %v", r)
			}
		}
		n, err := d.Count(find(t, d, "t"))
		if err != nil || len(seen) != want || int(n) != want {
			t.Errorf("heap %v: %d rows, %d counted, want %d: %v", heap, len(seen), n, want, err)
		}
	}
}

func TestColumnsDroppedAndAdded(t *testing.T) {
	t.Parallel()
	tab := baktest.Table{Schema: "dbo", Name: "t", Columns: []baktest.Column{{Name: "a", XType: 56}, {Name: "gone", XType: 127, Dropped: true},
		{Name: "b", XType: 167, Len: 10}, {Name: "gone2", XType: 167, Len: 10, Dropped: true}, {Name: "late", XType: 56}, {Name: "later", XType: 167, Len: 10}},
		Rows: []baktest.Row{{Values: []any{int64(1), int64(99), "one", "zzz"}, Columns: 4}, {Values: []any{int64(2), nil, "two", nil, int64(5), "five"}}}}
	d := open(t, &baktest.Database{Name: "d", Tables: []baktest.Table{tab}})
	want := [][]string{{"1", "one", "NULL", "NULL"}, {"2", "two", "5", "five"}}
	if diff := cmp.Diff(want, rows(t, d, "t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	tab.Columns[4].NotNull, tab.Columns[4].Added = true, []byte{56, 1, 42, 0, 0, 0}
	d = open(t, &baktest.Database{Name: "d", Tables: []baktest.Table{tab}})
	want[0][2] = "42"
	if diff := cmp.Diff(want, rows(t, d, "t")); diff != "" {
		t.Errorf("with a default (-want +got):\n%s", diff)
	}
	tab.Columns[4].Added = nil
	d = open(t, &baktest.Database{Name: "d", Tables: []baktest.Table{tab}})
	if err := d.Scan(find(t, d, "t"), func([]sqltype.Value) error { return nil }); err == nil || !strings.Contains(err.Error(), "before the column was added") {
		t.Errorf("a value that is not found: %v", err)
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func TestLargeValues(t *testing.T) {
	t.Parallel()
	cols := []baktest.Column{{Name: "id", XType: 56}, {Name: "max", XType: 165, Len: -1}, {Name: "img", XType: 34, Len: 16}, {Name: "over", XType: 165, Len: 8000}, {Name: "txt", XType: 35, Len: 16}}
	short, long := pattern(3000), pattern(200_000)
	tab := baktest.Table{Schema: "dbo", Name: "t", Columns: cols, Rows: []baktest.Row{
		{Values: []any{int64(1), baktest.Large{Bytes: short}, baktest.Large{Bytes: short}, baktest.Large{Bytes: short}, baktest.Large{Bytes: []byte("plain text")}}},
		{Values: []any{int64(2), baktest.Large{Bytes: long}, baktest.Large{Bytes: long[:30000]}, []byte("in the row"), nil}},
		{Values: []any{int64(3), baktest.Large{Bytes: long, Tree: true}, baktest.Large{Bytes: long, Tree: true}, nil, baktest.Large{Bytes: []byte("caf\xe9")}}},
		{Values: []any{int64(4), []byte("short"), nil, nil, nil}},
	}}
	d := open(t, &baktest.Database{Name: "d", Tables: []baktest.Table{tab}})
	want := [][]string{{string(short), string(short), string(short), "plain text"}, {string(long), string(long[:30000]), "in the row", ""},
		{string(long), string(long), "", "café"}, {"short", "", "", ""}}
	i := 0
	err := d.Scan(find(t, d, "t"), func(row []sqltype.Value) error {
		for c := range 4 {
			if row[c+1].S != want[i][c] {
				t.Errorf("row %d column %d: %d bytes, want %d", i+1, c+2, len(row[c+1].S), len(want[i][c]))
			}
		}
		i++
		return nil
	})
	if err != nil || i != 4 {
		t.Errorf("%d rows: %v", i, err)
	}
}

func schemaDatabase() *baktest.Database {
	long := "CREATE VIEW dbo.big AS SELECT '" + strings.Repeat("a", 9000) + "' AS a"
	return &baktest.Database{Name: "Shop", Version: 869, Users: []string{"reader"}, Property: "Größe",
		Tables: []baktest.Table{
			{Schema: "dbo", Name: "parent", Columns: idAndName, Key: []string{"id"}, Rows: ints(3, nil), Check: "([id]>(0))"},
			{Schema: "sales", Name: "child", Columns: []baktest.Column{{Name: "id", XType: 56, NotNull: true}, {Name: "parent_id", XType: 56}}, Key: []string{"parent_id", "id"},
				References: map[string]string{"parent_id": "parent"}, Rows: []baktest.Row{{Values: []any{int64(1), int64(2)}}}},
			{Schema: "dbo", Name: "facts", Columns: idAndName, Columnstore: true},
			{Schema: "dbo", Name: "packed", Columns: idAndName, Compression: 2},
			{Schema: "dbo", Name: "odd", Columns: []baktest.Column{{Name: "id", XType: 56}, {Name: "strange", XType: 200, Len: 4}}, Rows: []baktest.Row{{Values: []any{int64(7), []byte("?")}}}},
		},
		Modules: []baktest.Module{{Schema: "dbo", Name: "v", Type: "V ", Text: "create view v as select 1"}, {Schema: "sales", Name: "p", Type: "P ", Text: "create procedure p as print 'größer als ø €'"},
			{Schema: "dbo", Name: "big", Type: "V ", Text: long}, {Schema: "dbo", Name: "f", Type: "FN", Text: "create function f() returns int as begin return 1 end"}}}
}

func TestSchemaObjects(t *testing.T) {
	t.Parallel()
	d := open(t, schemaDatabase())
	var names []string
	for _, tab := range d.Tables {
		names = append(names, tab.Schema+"."+tab.Name)
	}
	if diff := cmp.Diff([]string{"dbo.facts", "dbo.odd", "dbo.packed", "dbo.parent", "sales.child"}, names); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	parent, child := find(t, d, "parent"), find(t, d, "[sales].[child]")
	if c := parent.Columns[0]; c.Nullable || c.Identity == nil || c.Identity.Last != 9 || !parent.Columns[1].Nullable || parent.Columns[1].Default != "('x')" || parent.Columns[1].DefaultName[:8] != "DF_name_" {
		t.Errorf("columns %+v", parent.Columns)
	}
	if got := fmt.Sprint(parent.Columns[1].Type); got != "varchar(400)" {
		t.Errorf("type %s", got)
	}
	if len(parent.Indexes) != 1 || !parent.Indexes[0].Primary || parent.Indexes[0].Kind != "CLUSTERED" || len(parent.Checks) != 1 || parent.Checks[0].Text != "([id]>(0))" {
		t.Errorf("indexes %+v, checks %+v", parent.Indexes, parent.Checks)
	}
	if x := child.Indexes[0]; len(x.Columns) != 2 || x.Columns[0].Name != "parent_id" || x.Columns[1].Name != "id" {
		t.Errorf("key of child %+v", x)
	}
	if k := child.ForeignKeys; len(k) != 1 || k[0].ReferencedTable != "dbo.parent" || k[0].Columns[0] != "parent_id" || k[0].ReferencedColumns[0] != "id" {
		t.Errorf("foreign keys %+v", k)
	}
	texts := map[string]string{}
	for _, m := range d.Modules {
		texts[m.Kind+" "+m.Schema+"."+m.Name] = m.Text
	}
	want := map[string]string{}
	for _, m := range schemaDatabase().Modules {
		want[map[string]string{"V ": "VIEW", "P ": "PROCEDURE", "FN": "FUNCTION"}[m.Type]+" "+m.Schema+"."+m.Name] = m.Text
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	if len(d.Principals) != 2 || d.Principals[1].Name != "reader" || len(d.Properties) != 1 || d.Properties[0].Value.S != "Größe" {
		t.Errorf("principals %+v, properties %+v", d.Principals, d.Properties)
	}
}

func TestWhatIsNotReadIsNamed(t *testing.T) {
	t.Parallel()
	d := open(t, schemaDatabase())
	if err := d.Scan(find(t, d, "facts"), nil); err == nil || !strings.Contains(err.Error(), "columnstore") {
		t.Errorf("columnstore: %v", err)
	}
	if _, err := d.Count(find(t, d, "packed")); err == nil || !strings.Contains(err.Error(), "PAGE compression") {
		t.Errorf("compressed: %v", err)
	}
	odd := find(t, d, "odd")
	if got := rows(t, d, "odd"); len(got) != 1 || got[0][0] != "7" || len(got[0]) != 1 || !strings.Contains(odd.Columns[1].Unread, "200") {
		t.Errorf("rows %v, columns %+v", got, odd.Columns)
	}
	if _, err := d.Find("nothing"); err == nil || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("missing table: %v", err)
	}
}

// backUp writes pages as one backup set and lays it over p.
func backUp(t testing.TB, p *mdf.Pages, pages []byte) {
	t.Helper()
	var buf bytes.Buffer
	w, err := bak.NewCompressor(&buf)
	if err != nil {
		t.Fatal(err)
	}
	baktest.Backup(t, w, bak.Header{Type: bak.Full, SetGUID: bak.GUID{1}, Database: "d"}, pages)
	c, err := bak.OpenContent(bytes.NewReader(buf.Bytes()), int64(buf.Len()), bak.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := bak.ReadMedia(c, bak.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AddBackup(c, m.Sets[0]); err != nil {
		t.Fatal(err)
	}
}

func TestADifferentialIsLaidOverTheFullByPage(t *testing.T) {
	t.Parallel()
	make := func(n int) []byte {
		tab := baktest.Table{Schema: "dbo", Name: "t", Columns: idAndName, Rows: ints(n, nil), Heap: true}
		return (&baktest.Database{Name: "d", Tables: []baktest.Table{tab}}).File()
	}
	before, after := make(500), make(520)
	p := mdf.NewPages()
	backUp(t, p, before)
	backUp(t, p, baktest.Changed(before, after))
	d, err := mdf.Open(p, mdf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.Count(find(t, d, "t")); err != nil || n != 520 {
		t.Errorf("%d rows: %v", n, err)
	}
}

func TestBrokenDatabasesAreRefused(t *testing.T) {
	t.Parallel()
	file := (&baktest.Database{Name: "d", Tables: []baktest.Table{{Schema: "dbo", Name: "t", Columns: idAndName, Rows: ints(2000, nil)}}}).File()
	p := mdf.NewPages()
	if err := p.AddFile(strings.NewReader(strings.Repeat("x", 9000)), 9000); err == nil || !strings.Contains(err.Error(), "not a SQL Server data file") {
		t.Errorf("a text file: %v", err)
	}
	if _, err := mdf.Open(mdf.NewPages(), mdf.Options{}); err == nil || !strings.Contains(err.Error(), "boot page") {
		t.Errorf("no pages: %v", err)
	}
	// A chain of pages that runs in a circle.
	b := bytes.Clone(file)
	d := openFile(t, b)
	first := uint32(0)
	for id := uint32(17); int(id)*bak.PageSize < len(b); id++ {
		pg := b[int(id)*bak.PageSize:]
		if pg[1] == 1 && binary.LittleEndian.Uint32(pg[16:]) != 0 && bytes.Contains(pg[:bak.PageSize], []byte("row 1 ")) {
			first = id
			binary.LittleEndian.PutUint32(pg[16:], id)
			break
		}
	}
	if err := d.Scan(find(t, d, "t"), func([]sqltype.Value) error { return nil }); first == 0 || err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("circle: page %d, %v", first, err)
	}
}

func FuzzDatabase(f *testing.F) {
	file := (schemaDatabase()).File()
	f.Add(uint16(20), uint16(100), []byte{0xff, 0xff})
	f.Add(uint16(9), uint16(612), []byte{1, 2, 3, 4, 5, 6})
	f.Add(uint16(30), uint16(8190), []byte{0, 0})
	f.Fuzz(func(t *testing.T, page, off uint16, patch []byte) {
		if len(patch) > 64 {
			return
		}
		b := bytes.Clone(file)
		at := int(page)%(len(b)/bak.PageSize)*bak.PageSize + int(off)%bak.PageSize
		copy(b[at:], patch)
		p := mdf.NewPages()
		if err := p.AddFile(bytes.NewReader(b), int64(len(b))); err != nil {
			return
		}
		d, err := mdf.Open(p, mdf.Options{MaxValue: 1 << 20})
		if err != nil {
			return
		}
		for _, tab := range d.Tables {
			_ = d.Scan(tab, func([]sqltype.Value) error { return nil })
		}
	})
}
