package tdsserver_test

import (
	"context"
	"strings"
	"testing"

	"linkspan/sqlapi"
	"linkspan/sqltype"
	"linkspan/tds"
	"linkspan/tdsserver"
)

// BenchmarkBatch is one batch with one row there and back, by a client that does next to nothing, with and without TLS.
func BenchmarkBatch(b *testing.B) {
	for _, mode := range []string{"tls", "plain"} {
		b.Run(mode, func(b *testing.B) {
			s := start(b, &backend{}, func(o *tdsserver.Options) { o.Encryption = tdsserver.Optional })
			c := dial(b, s)
			if mode == "plain" {
				c = dialPlain(b, s)
			}
			c.login(b, "sa", "Pa$$w0rd")
			request := tds.AppendHeader(nil, tds.Header{Type: 1, Status: 1, Length: uint16(8 + len(batch("select 1")))})
			request = append(request, batch("select 1")...)
			r := tds.NewReader(c.rw)
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.rw.Write(request); err != nil {
					b.Fatal(err)
				}
				m, err := r.Next(1<<20, buf)
				if err != nil {
					b.Fatal(err)
				}
				buf = m.Payload
			}
		})
	}
}

// BenchmarkRows is the sending of rows of bigint, int, nvarchar and float over TLS.
func BenchmarkRows(b *testing.B) {
	cols := []sqlapi.Column{
		{Name: "id", Type: sqltype.Type{Kind: sqltype.BigInt}}, {Name: "n", Type: sqltype.Type{Kind: sqltype.Int}},
		{Name: "s", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 60}}, {Name: "f", Type: sqltype.Type{Kind: sqltype.Float}},
	}
	row := []sqltype.Value{num(sqltype.BigInt, 1), num(sqltype.Int, 2), sqltype.NVarCharOf(strings.Repeat("x", 60)), sqltype.FloatOf(sqltype.Float, 1)}
	n := 0
	s := start(b, &backend{batches: map[string]script{"rows": func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		err := out.Columns(cols)
		for i := 0; i < n && err == nil; i++ {
			err = out.Row(row)
		}
		return err
	}}})
	c := dial(b, s)
	c.login(b, "sa", "Pa$$w0rd")
	n = b.N
	b.ReportAllocs()
	b.ResetTimer()
	c.send(b, 1, batch("rows"))
	if _, err := tds.NewReader(c.rw).Next(1<<40, nil); err != nil {
		b.Fatal(err)
	}
}
