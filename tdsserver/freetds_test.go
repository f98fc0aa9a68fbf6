package tdsserver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tdsserver"
)

// freetds runs one of FreeTDS's clients against the server with a configuration of its own, and gives what it printed.
// Its exit code says nothing, so nobody looks at it.
func freetds(t *testing.T, s *server, encryption, password, program, input string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s of the package freetds-bin is not installed (scripts/deps.sh installs it)", program)
	}
	conf := filepath.Join(t.TempDir(), "freetds.conf")
	text := fmt.Sprintf("[it]\nhost = 127.0.0.1\nport = %d\ntds version = 7.4\nencryption = %s\nclient charset = UTF-8\n", s.addr.Port, encryption)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-S", "it", "-U", "sa", "-P", password}, args...)...)
	cmd.Env = append(os.Environ(), "FREETDSCONF="+conf, "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(input)
	out, _ := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s hangs; it printed %s", program, out)
	}
	return string(out)
}

func freetdsBackend() *backend {
	result := func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		cols := []sqlapi.Column{
			{Name: "id", Type: sqltype.Type{Kind: sqltype.Int}},
			{Name: "name", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 60}, Nullable: true},
			{Name: "price", Type: sqltype.Type{Kind: sqltype.Decimal, Prec: 18, Scale: 2}, Nullable: true},
			{Name: "born", Type: sqltype.Type{Kind: sqltype.Date}, Nullable: true},
			{Name: "memo", Type: sqltype.Type{Kind: sqltype.NVarChar, Len: sqltype.MaxLen}, Nullable: true},
			{Name: "city", Type: sqltype.Type{Kind: sqltype.VarChar, Len: 20}, Nullable: true},
			{Name: "g", Type: sqltype.Type{Kind: sqltype.UniqueIdentifier}, Nullable: true},
		}
		full := []sqltype.Value{
			num(sqltype.Int, 1), sqltype.NVarCharOf("Grüße"), dec(2, -1, -12345), num(sqltype.Date, 738_000), sqltype.NVarCharOf("long →"), sqltype.StringOf(sqltype.VarChar, "Århus"),
			sqltype.BytesOf(sqltype.UniqueIdentifier, []byte("\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff")),
		}
		nulls := make([]sqltype.Value, len(full))
		nulls[0] = num(sqltype.Int, 2)
		return errors.Join(
			out.Message(sqlerr.Raise(0, 0, 1, "printed by the batch").WithLine(1)),
			rows(out, cols, full, nulls),
			out.Message(sqlerr.New(8134).WithLine(4)),
			out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Failed: true}),
			rows(out, []sqlapi.Column{intColumn("after")}, intRow(99)))
	}
	// DB-Library's tools know no date.
	old := func(_ context.Context, _ *session, out sqlapi.ResultSink) error {
		cols := []sqlapi.Column{
			{Name: "name", Type: sqltype.Type{Kind: sqltype.VarChar, Len: 20}, Nullable: true},
			{Name: "price", Type: sqltype.Type{Kind: sqltype.Decimal, Prec: 18, Scale: 2}, Nullable: true},
			{Name: "at", Type: sqltype.Type{Kind: sqltype.DateTime}, Nullable: true},
		}
		return errors.Join(
			rows(out, cols, []sqltype.Value{sqltype.StringOf(sqltype.VarChar, "Århus"), dec(2, -1, -12345), num(sqltype.DateTime, 0)}),
			rows(out, []sqlapi.Column{intColumn("after")}, intRow(99)),
			out.Message(sqlerr.New(8134).WithLine(4)), // it stops at the first error
			out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Failed: true}))
	}
	return &backend{batches: map[string]script{"select all of it\n": result, "select old types\n": old}}
}

func TestFreeTDS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		encryption string
		mode       tdsserver.Encryption
	}{{"require", tdsserver.Required}, {"request", tdsserver.Required}, {"request", tdsserver.Optional}, {"off", tdsserver.Optional}} {
		t.Run(fmt.Sprint(c.encryption, c.mode), func(t *testing.T) {
			t.Parallel()
			s := start(t, freetdsBackend(), func(o *tdsserver.Options) { o.Encryption = c.mode })
			out := freetds(t, s, c.encryption, "Pa$$w0rd", "tsql", "select all of it\ngo\nexit\n", "-o", "q")
			for _, want := range []string{
				"id\tname\tprice\tborn\tmemo\tcity\tg\n",
				"1\tGrüße\t-123.45\t",
				"\tlong →\tÅrhus\t00112233-4455-6677-8899-AABBCCDDEEFF\n",
				"2\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\n",
				"Msg 8134 (severity 16, state 1) from testserver Line 4:\n\t\"Divide by zero error encountered.\"",
				"printed by the batch",
				"after\n99\n",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
		})
	}
}

func TestBSQLDB(t *testing.T) {
	t.Parallel()
	s := start(t, freetdsBackend())
	out := freetds(t, s, "require", "Pa$$w0rd", "bsqldb", "select old types\ngo\n")
	for _, want := range []string{"-123.45", "Århus", "Jan  1 1900 12:00:00", "99", "Msg 8134, Level 16, State 1", "Divide by zero error encountered."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestFreeTDSRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, freetdsBackend())
	if out := freetds(t, s, "require", "wrong", "tsql", "exit\n"); !strings.Contains(out, "Msg 18456 (severity 14") || !strings.Contains(out, "Login failed for user 'sa'.") {
		t.Errorf("a wrong password gives\n%s", out)
	}
	if n := s.b.nextID.Load(); n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
	// Asked not to, FreeTDS still encrypts when the server requires it.
	freetds(t, s, "off", "Pa$$w0rd", "tsql", "exit\n")
	if !s.b.last(t).Encrypted {
		t.Error("a client got in without encryption")
	}
}
