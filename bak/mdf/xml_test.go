package mdf_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"linkspan/bak/baktest"
	"linkspan/bak/mdf"
)

// binXML builds binary XML.
type binXML struct{ b []byte }

func (x *binXML) num(n int) *binXML {
	for ; n >= 0x80; n >>= 7 {
		x.b = append(x.b, byte(n)|0x80)
	}
	x.b = append(x.b, byte(n))
	return x
}

func (x *binXML) text(token byte, s string) *binXML {
	if token != 0 {
		x.b = append(x.b, token)
	}
	u := utf16.Encode([]rune(s))
	x.num(len(u))
	for _, c := range u {
		x.b = binary.LittleEndian.AppendUint16(x.b, c)
	}
	return x
}

func (x *binXML) tok(token byte, nums ...int) *binXML {
	x.b = append(x.b, token)
	for _, n := range nums {
		x.num(n)
	}
	return x
}

func startXML() *binXML { return &binXML{[]byte{0xdf, 0xff, 1, 0xb0, 4}} }

func TestXML(t *testing.T) {
	t.Parallel()
	x := startXML().text(0xf0, "order").tok(0xef, 0, 0, 1).tok(0xf8, 1). // <order
										text(0xf0, "id").tok(0xef, 0, 0, 2).tok(0xf6, 2).text(0x11, `7"<`).
										text(0xf0, "urn:x").text(0xf0, "n").text(0xf0, "item").tok(0xef, 3, 4, 5).tok(0xf5). // attributes end
										tok(0xf8, 3).tok(0xf5).text(0x11, "größer & <ø>").tok(0xf7).                         // <n:item>…
										tok(0xf8, 3).tok(0xf7).text(0xf3, " remark ").tok(0xf7)
	x.b = append(x.b, 0xf8, 1, 0x02, 0xfe, 0xff, 0xff, 0xff, 0xf7) // a second root: a fragment with an int
	got, err := mdf.XMLText(x.b)
	want := `<order id="7&quot;&lt;"><n:item>größer &amp; &lt;ø&gt;</n:item><n:item/><!-- remark --></order><order>-2</order>`
	if err != nil || got != want {
		t.Errorf("%v\n%s\n%s", err, got, want)
	}
	long := strings.Repeat("x", 40000)
	if got, err = mdf.XMLText(startXML().text(0x11, long).b); err != nil || got != long {
		t.Errorf("long text: %d characters, %v", len(got), err)
	}
	for _, bad := range [][]byte{startXML().tok(0xf8, 1).b, startXML().text(0xf0, "a").tok(0xef, 0, 0, 1).tok(0xf8, 1).b, startXML().tok(0xf7).b, append(startXML().b, 0x11, 0xff, 0xff)} {
		if _, err := mdf.XMLText(bad); err == nil {
			t.Errorf("% x is read", bad)
		}
	}
}

func TestXMLColumn(t *testing.T) {
	t.Parallel()
	doc := startXML().text(0xf0, "a").tok(0xef, 0, 0, 1).tok(0xf8, 1).tok(0xf5).text(0x11, "b").tok(0xf7).b
	typed := append(startXML().b, 0x87, 1, 2, 3)
	tab := baktest.Table{Schema: "dbo", Name: "t", Columns: []baktest.Column{{Name: "x", XType: 241, Len: -1}},
		Rows: []baktest.Row{{Values: []any{doc}}, {Values: []any{baktest.Large{Bytes: doc}}}, {Values: []any{typed}}, {Values: []any{nil}}}}
	got := rows(t, open(t, &baktest.Database{Name: "d", Tables: []baktest.Table{tab}}), "t")
	if got[0][0] != "<a>b</a>" || got[1][0] != "<a>b</a>" || got[2][0] != "0xDFFF01B00487010203" || got[3][0] != "NULL" {
		t.Errorf("rows %v", got)
	}
}

func FuzzXML(f *testing.F) {
	f.Add(startXML().text(0xf0, "a").tok(0xef, 0, 0, 1).tok(0xf8, 1).tok(0xf5).text(0x11, "b").tok(0xf7).b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) < 1<<16 {
			_, _ = mdf.XMLText(b)
		}
	})
}
