package mdf_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"linkspan/bak/baktest"
	"linkspan/sqltype"
)

func BenchmarkScan(b *testing.B) {
	t := baktest.Table{Schema: "dbo", Name: "t", Columns: []baktest.Column{{Name: "id", XType: 127, NotNull: true}, {Name: "a", XType: 56},
		{Name: "b", XType: 167, Len: 200}, {Name: "c", XType: 62, Prec: 53}, {Name: "d", XType: 61}}}
	for i := range 50_000 {
		t.Rows = append(t.Rows, baktest.Row{Values: []any{int64(i), int64(i * 7), fmt.Sprintf("%08d %s", i, strings.Repeat("x", 120)), int64(0x3ff8000000000000), int64(45000) << 32}})
	}
	file := (&baktest.Database{Name: "bench", Tables: []baktest.Table{t}}).File()
	d := openFile(b, bytes.Clone(file))
	tab := find(b, d, "t")
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Scan(tab, func([]sqltype.Value) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
