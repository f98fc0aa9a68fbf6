package tds_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tds"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const noHeaders = "16000000 12000000 0200 0000000000000000 01000000"

func TestLogin7(t *testing.T) {
	t.Parallel()
	b := make([]byte, 94)
	copy(b, unhex(t, "00000000 04000074 00800000 00000007 39050000"))
	b[26] = 0x20
	at := func(off int, field string) {
		b[off], b[off+1], b[off+2] = byte(len(b)), byte(len(b)>>8), byte(len(field))
		for _, c := range []byte(field) {
			b = append(b, c, 0)
		}
	}
	at(36, "host")
	at(40, "sa")
	// "pw" with nibbles swapped and XORed: 0x70 → 0x07^0xa5, 0x77 → 0x77^0xa5.
	b[44], b[45], b[46] = byte(len(b)), byte(len(b)>>8), 2
	b = append(b, 0xa2, 0xa5, 0xd2, 0xa5)
	at(48, "app")
	at(68, "sales")
	b[27] = 0x10
	b[56], b[57], b[58] = byte(len(b)), byte(len(b)>>8), 4
	b = append(b, byte(len(b)+4), 0, 0, 0)
	b = append(b, 0x01, 2, 0, 0, 0, 9, 9, 0x0a, 1, 0, 0, 0, 1, 0xff)
	b[0] = byte(len(b))
	got, err := tds.DecodeLogin7(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &tds.Login7{
		TDSVersion: tds.Version74, PacketSize: 32768, ClientPID: 1337, ReadOnlyIntent: true,
		Hostname: "host", User: "sa", Password: "pw", AppName: "app", Database: "sales", Features: []tds.Feature{1, 10},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for n := range b { // every truncation is an error and not a panic
		if _, err := tds.DecodeLogin7(b[:n]); err == nil {
			t.Errorf("the first %d bytes are taken for a login", n)
		}
	}
}

func TestBatchText(t *testing.T) {
	t.Parallel()
	h, text, err := tds.DecodeBatch(unhex(t, "16000000 12000000 0200 0a00000000000000 01000000 0a00 7300 4400 34d8 1edd"))
	if err != nil || text != "\nsD𝄞" || h.Tx != 10 || h.Outstanding != 1 {
		t.Errorf("got %q, %+v, %v", text, h, err)
	}
	if _, text, err = tds.DecodeBatch(unhex(t, "04000000 34d8 4100")); err != nil || text != "\uFFFDA" {
		t.Errorf("a lone surrogate became %q, %v", text, err)
	}
}

func TestTransactionRequests(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]tds.TxRequest{
		"0500 02 00":                 {Type: tds.TxBegin, Isolation: 2},
		"0500 05 04 6100 6200":       {Type: tds.TxBegin, Isolation: 5, Name: "ab"}, // length in bytes
		"0500 05 02 6100 6200":       {Type: tds.TxBegin, Isolation: 5, Name: "ab"}, // length in characters
		"0700 00 00":                 {Type: tds.TxCommit},
		"0700 02 6100 01 04 02 6200": {Type: tds.TxCommit, Name: "a", BeginNext: true, NextIsolation: 4, NextName: "b"},
		"0800 02 6100 00":            {Type: tds.TxRollback, Name: "a"},
		"0900 04 7300 3100":          {Type: tds.TxSave, Name: "s1"},
		"0000 0000":                  {Type: tds.TxGetDTCAddress},
	} {
		got, err := tds.DecodeTx(unhex(t, noHeaders+in))
		want.Headers = tds.Headers{Outstanding: 1}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", in, err, d)
		}
	}
	for _, in := range []string{"", "05", "0500", "0500 06 00", "0500 02 00 00", "0200", "0700 00", "0700 00 01 02"} {
		if got, err := tds.DecodeTx(unhex(t, noHeaders+in)); !errors.Is(err, tds.ErrMalformed) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
}

// Parameters as ODBC, tedious and others send them.
func TestRPC(t *testing.T) {
	t.Parallel()
	in := noHeaders +
		"ffff 0d00 0000" + // sp_prepexec
		"00 01 26 04 00" + // an unnamed int, output, NULL
		"02 4000 6100 00 63 0c000000 0904d00034 04000000 68006900" + // @a ntext
		"00 02 e7 400f 0904d00034 ffff" + // default
		"00 00 1f" + // NULL
		"00 00 a7 ffff 0904d00034 feffffffffffffff 02000000 61e9 01000000 62 00000000" + // varchar(max) of unknown length
		"00 00 af 0300 0904d02400 0200 c3a9" + // char(3) in UTF-8
		"00 00 6e 08 08 ffffffff 00000000" + // money
		"00 00 6f 04 04 0100 3c00" + // smalldatetime
		"00 00 62 491f0000 0c000000 e7 07 0904d00034 401f 78 00" + // sql_variant, odd on purpose below
		"ff" +
		"0300 7000 2e00 7100 0200"
	in = strings.Replace(in, "0c000000 e7 07 0904d00034 401f 78 00", "0b000000 e7 07 0904d00034 401f 7800", 1)
	_, calls, err := tds.DecodeRPC(unhex(t, in))
	if err != nil {
		t.Fatal(err)
	}
	want := []tds.Call{
		{ProcID: 13, Params: []tds.Param{
			{Output: true, Type: sqltype.Type{Kind: sqltype.Int}, Value: sqltype.NullOf(sqltype.Int)},
			{Name: "@a", Type: sqltype.Type{Kind: sqltype.NText}, Value: sqltype.StringOf(sqltype.NText, "hi")},
			{Default: true, Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 1952}, Value: sqltype.NullOf(sqltype.NVarChar)},
			{},
			{Type: sqltype.Type{Kind: sqltype.VarChar, Len: sqltype.MaxLen}, Value: sqltype.StringOf(sqltype.VarChar, "aéb")},
			{Type: sqltype.Type{Kind: sqltype.Char, Len: 3}, Value: sqltype.StringOf(sqltype.Char, "é  ")},
			{Type: sqltype.Type{Kind: sqltype.Money}, Value: value(sqltype.Money, -1<<32)},
			{Type: sqltype.Type{Kind: sqltype.SmallDateTime}, Value: value(sqltype.SmallDateTime, 1440+60)},
			{Type: sqltype.Type{Kind: sqltype.Variant}, Value: sqltype.NVarCharOf("x")},
		}},
		{Name: "p.q", NoMetadata: true},
	}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
}

func TestRPCRefusals(t *testing.T) {
	t.Parallel()
	for in, number := range map[string]int32{
		"ffff 0a00 0000 02 4000 7400 00 f3 00 03 640062006f00 02 49004400": 8009, // a table type dbo.ID
		"ffff 0a00 0000 00 08 26 04 00":                                    8009, // Always Encrypted
		"ffff 0a00 0000 00 00 26 03":                                       8016,
		"ffff 0a00 0000 00 00 e7 411f 0904d00034":                          8016, // 8001 bytes
		"ffff 0a00 0000 00 00 6a 05 27 00":                                 8023, // precision 39
		"ffff 0a00 0000 00 00 28 03 ffffff":                                8023, // a date after 9999
		"ffff 0a00 0000 00 00 29 07 05 00c0692ac9":                         8023, // 24:00
		"ffff 0a00 0000 00 00 6f 08 08 00000000 00828b01":                  8023, // 24:00 in a datetime
		"ffff 0a00 0000 00 00 6d 08 08 000000000000f07f":                   8023, // infinity
		"ffff 0a00 0000 00 00 6a 05 09 00 05 01 00ca9a3b":                  8023, // ten digits in a decimal(9)
		"ffff 0a00 0000 " + strings.Repeat("00 00 1f", 2101):               8003,
	} {
		_, _, err := tds.DecodeRPC(unhex(t, noHeaders+in))
		if sqlerr.Number(err) != number {
			t.Errorf("%.60s: got %v, want %d", in, err, number)
		}
	}
}

func TestPrelogin(t *testing.T) {
	t.Parallel()
	got, err := tds.DecodePrelogin(unhex(t, "00 001a 0006 01 0020 0001 02 0021 0003 03 0024 0000 04 0024 0001 ff 090000000000 01 6d7900 01"))
	want := tds.Prelogin{Version: [4]byte{9}, Encryption: tds.EncryptOn, HasEncryption: true, Instance: "my", MARS: true}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
}

func TestPacketsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{512, 4096, 32767} {
		for _, n := range []int{0, 1, size - 8, size - 7, 5*size + 3, 200_000} {
			var wire bytes.Buffer
			w := tds.NewWriter(&wire)
			w.SetSize(size)
			w.SetSPID(51)
			payload := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
			for range 2 {
				w.Begin(tds.PacketReply)
				for p := payload; len(p) > 0; {
					k := min(len(p), 1000)
					if _, err := w.Write(p[:k]); err != nil {
						t.Fatal(err)
					}
					p = p[k:]
				}
				if err := w.End(); err != nil {
					t.Fatal(err)
				}
			}
			packets := 2 * max(1, (n+size-9)/(size-8))
			if wire.Len() != 2*n+8*packets {
				t.Errorf("%d bytes in packets of %d take %d bytes, want %d packets", n, size, wire.Len(), packets)
			}
			r := tds.NewReader(&wire)
			for range 2 {
				m, err := r.Next(1<<20, nil)
				if err != nil || !bytes.Equal(m.Payload, payload) || m.Type != tds.PacketReply {
					t.Fatalf("%d bytes in packets of %d: %v", n, size, err)
				}
			}
		}
	}
}

func TestReaderLimits(t *testing.T) {
	t.Parallel()
	packet := func(status byte, n int) []byte {
		b := tds.AppendHeader(nil, tds.Header{Type: 1, Status: status, Length: uint16(n + 8)})
		return append(b, make([]byte, n)...)
	}
	// Just above the limit: read to the end, so that the next message can be.
	in := bytes.NewReader(bytes.Join([][]byte{packet(0, 100), packet(1, 100), packet(1, 5)}, nil))
	r := tds.NewReader(in)
	if _, err := r.Next(150, nil); !errors.Is(err, tds.ErrTooLarge) {
		t.Error(err)
	}
	if m, err := r.Next(150, nil); err != nil || len(m.Payload) != 5 {
		t.Error(m, err)
	}
	// Without end: given up.
	r = tds.NewReader(bytes.NewReader(bytes.Repeat(packet(0, 1000), 1000)))
	if m, err := r.Next(150, nil); !errors.Is(err, tds.ErrTooLarge) || cap(m.Payload) > 4096 {
		t.Error(err, cap(m.Payload))
	}
	for _, b := range [][]byte{packet(1, 100)[:50], append(packet(0, 1), 2, 1, 0, 8, 0, 0, 0, 0), {1, 1, 0, 7, 0, 0, 0, 0}} {
		if _, err := tds.NewReader(bytes.NewReader(b)).Next(150, nil); err == nil {
			t.Errorf("%x is taken for a message", b)
		}
	}
}

func TestRowsThatColumnsCannotCarry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ sqltype.Type
		val sqltype.Value
	}{
		{sqltype.Type{Kind: sqltype.Int}, value(sqltype.BigInt, 1<<31)},
		{sqltype.Type{Kind: sqltype.TinyInt}, value(sqltype.Int, -1)},
		{sqltype.Type{Kind: sqltype.Int}, sqltype.NVarCharOf("1")},
		{sqltype.Type{Kind: sqltype.NVarChar, Len: 3}, sqltype.NVarCharOf("long")},
		{sqltype.Type{Kind: sqltype.NVarChar, Len: 3}, value(sqltype.Int, 1)},
		{sqltype.Type{Kind: sqltype.Binary, Len: 3}, sqltype.StringOf(sqltype.VarChar, "abc")},
		{sqltype.Type{Kind: sqltype.Decimal, Prec: 5}, value(sqltype.Decimal, 1<<40)},
		{sqltype.Type{Kind: sqltype.Decimal, Prec: 9, Scale: 1}, sqltype.Value{K: sqltype.Decimal, Valid: true, Scale: 2, N: 1}},
		{sqltype.Type{Kind: sqltype.UniqueIdentifier}, sqltype.BytesOf(sqltype.UniqueIdentifier, []byte("short"))},
		{sqltype.Type{Kind: sqltype.Date}, value(sqltype.Date, -1)},
		{sqltype.Type{Kind: sqltype.DateTime}, value(sqltype.DateTime2, 0)},
	} {
		var r tds.Rows
		if _, err := r.AppendColumns(nil, []tds.Column{{Name: "c", Type: c.typ}}); err != nil {
			t.Fatal(err)
		}
		b, err := r.AppendRow([]byte("before"), []sqltype.Value{c.val})
		if err == nil || string(b) != "before" {
			t.Errorf("%s carries %+v: %x", c.typ, c.val, b)
		}
	}
}

// Encoding rows of ordinary types costs no allocation per value.
func TestRowsDoNotAllocate(t *testing.T) {
	var r tds.Rows
	cols := []tds.Column{
		{Name: "id", Type: sqltype.Type{Kind: sqltype.BigInt}}, {Name: "n", Type: sqltype.Type{Kind: sqltype.Int}},
		{Name: "s", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 60}}, {Name: "f", Type: sqltype.Type{Kind: sqltype.Float}},
		{Name: "d", Type: sqltype.Type{Kind: sqltype.Decimal, Prec: 18, Scale: 2}}, {Name: "v", Type: sqltype.Type{Kind: sqltype.VarChar, Len: 60}},
	}
	row := []sqltype.Value{value(sqltype.BigInt, 1), value(sqltype.Int, 2), sqltype.NVarCharOf("sixty characters é"), sqltype.FloatOf(sqltype.Float, 1), {K: sqltype.Decimal, Valid: true, Scale: 2, N: 5}, sqltype.StringOf(sqltype.VarChar, "é")}
	b, err := r.AppendColumns(make([]byte, 0, 4096), cols)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if b, err = r.AppendRow(b[:0], row); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per row", n)
	}
}
