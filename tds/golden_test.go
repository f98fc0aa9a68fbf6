package tds_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linkspan/sqltype"
	"linkspan/tds"
)

func value(k sqltype.Kind, n int64) sqltype.Value { return sqltype.Value{K: k, Valid: true, N: n} }

// tokens are the bytes of each token as they are to leave the server, worked out by hand from [MS-TDS] 2.2.7 and, for
// the marked ones, its examples in section 4.
func tokens(t *testing.T) map[string][]byte {
	t.Helper()
	var r tds.Rows
	columns, err := r.AppendColumns(nil, []tds.Column{
		{Name: "bar", Type: sqltype.Type{Kind: sqltype.VarChar, Len: 3}},
		{Name: "n", Type: sqltype.Type{Kind: sqltype.Int}, Nullable: true},
		{Name: "v", Type: sqltype.Type{Kind: sqltype.RowVersion}},
		{Name: "m", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, Nullable: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	full := []sqltype.Value{sqltype.StringOf(sqltype.VarChar, "foo"), value(sqltype.Int, 1), sqltype.BytesOf(sqltype.RowVersion, []byte("\x00\x00\x00\x00\x00\x00\x07\xd1")), sqltype.NVarCharOf("hi")}
	row, err := r.AppendRow(nil, full)
	if err != nil {
		t.Fatal(err)
	}
	nbc, err := r.AppendRow(nil, []sqltype.Value{full[0], {}, full[2], {}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := tds.AppendReturnValue(nil, 2, "@p", sqltype.Type{Kind: sqltype.Int}, value(sqltype.Int, 42))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"columns":     columns,
		"row":         row,
		"nbcrow":      nbc,
		"returnvalue": out,
		"no columns":  tds.AppendNoColumns(nil),
		"done":        tds.AppendDone(nil, tds.Done, tds.DoneCount, 0xc1, 1),
		"doneproc":    tds.AppendDone(nil, tds.DoneProc, 0, 0xe0, 0),
		"doneinproc":  tds.AppendDone(nil, tds.DoneInProc, tds.DoneMore|tds.DoneCount, 0xc1, 1),
		"error":       tds.AppendMessage(nil, tds.MessageText{Number: 208, State: 1, Class: 16, Text: "bad", Server: "s", Procedure: "p", Line: 3}),
		"info":        tds.AppendMessage(nil, tds.MessageText{Number: 5701, State: 2, Class: 0, Text: "ok"}),
		"database":    tds.AppendEnvChange(nil, 1, "xyz", "master"),
		"collation":   tds.AppendEnvCollation(nil, ""),
		"begin":       tds.AppendEnvTx(nil, 8, 0x0102030405060708, true),
		"commit":      tds.AppendEnvTx(nil, 9, 0x0102030405060708, false),
		"reset":       tds.AppendEnvReset(nil),
		"routing":     tds.AppendEnvRouting(nil, "h", 1433),
		"loginack":    tds.AppendLoginAck(nil, tds.LoginAck{TDSVersion: tds.Version74, Program: "SQL", Major: 16, Build: 1000}),
		"features":    tds.AppendFeatureAck(nil, []tds.Feature{1, tds.FeatureUTF8}),
		"status":      tds.AppendReturnStatus(nil, -6),
		"order":       tds.AppendOrder(nil, []uint16{1, 3}),
		"prelogin":    tds.AppendPreloginReply(nil, 16, 0, 0, tds.EncryptOn),
	}
}

func TestTokensAreAsCaptured(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "tokens.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if name, hexes, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			want[name] = strings.ReplaceAll(hexes, " ", "")
		}
	}
	got := map[string]string{}
	for name, b := range tokens(t) {
		got[name] = hex.EncodeToString(b)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
