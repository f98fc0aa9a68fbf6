package logins

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"linkspan/migrate/flow"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
)

// TestSecretsDoNotPrint prints facts and plans in every way somebody may think of while looking for a defect.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	h := append([]byte{2, 0}, bytes.Repeat([]byte{0xc7}, 68)...)
	p := principal{id: 300, name: "app", sid: bytes.Repeat([]byte{10}, 16), kind: kindSQL, hash: keep(h)}
	s := &server{principals: []principal{p}}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "hash", p.hash, "principal", p, "server", s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "hash", p.hash, "principal", p)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		for _, v := range []any{p.hash, &p.hash, p, &p, s, *s, []any{p}, map[string]principal{"a": p}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	b, err := json.Marshal([]any{p, p.hash, s})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	for _, leak := range []string{"c7c7", "C7C7", "199 199", "199, 199", "0xc7, 0xc7", `\xc7\xc7`, "x8fHx8fH"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q shows: %s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), hidden) {
		t.Error("a secret is to be seen as one")
	}
}

// TestScrubbed: servers repeat what they could not read.
func TestScrubbed(t *testing.T) {
	t.Parallel()
	h := append([]byte{2, 0}, bytes.Repeat([]byte{0xc7}, 68)...)
	literal := sqlclient.Binary(h)
	echo := sqlerr.Raise(102, 15, 1, "Incorrect syntax near '"+literal[:40]+"'.").WithCause(sqlerr.Raise(319, 15, 1, "near "+strings.ToLower(literal)))
	for name, err := range map[string]error{
		"a SQL error":                 echo,
		"one that is wrapped":         fmt.Errorf("run %s: %w", literal, echo),
		"one of another kind":         errors.New("write " + literal[20:] + ": broken pipe"),
		"one below a Hindrance of it": &flow.Hindrance{What: "CREATE LOGIN", Err: scrubbed(echo)},
	} {
		got := scrubbed(err)
		for e := got; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(strings.ToUpper(e.Error()), strings.ToUpper(hex.EncodeToString(h[4:14]))) {
				t.Errorf("%s: %v", name, e)
			}
		}
		if sqlerr.Number(err) != 0 && sqlerr.Number(got) != sqlerr.Number(err) {
			t.Errorf("%s: number %d became %d", name, sqlerr.Number(err), sqlerr.Number(got))
		}
	}
	if plain := sqlerr.New(15025, "app"); scrubbed(plain).Error() != plain.Error() {
		t.Errorf("what holds no hash is changed: %v", scrubbed(plain))
	}
	if scrubbed(nil) != nil {
		t.Error("nil is no error")
	}
}
