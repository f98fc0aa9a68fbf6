package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/cli"
	"linkspan/daemon"
	"linkspan/sqlclient"
)

// rig is a sandbox and the command line beside it.
type rig struct {
	t     *testing.T
	ready daemon.SandboxReady
	line  string // the file with the sandbox's line
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	s, err := daemon.StartSandbox(t.Context(), daemon.SandboxOptions{Dir: filepath.Join(dir, "sandbox"), SourceAddress: "127.0.0.1", TargetAddress: "127.0.0.2", NoSync: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, ready: s.Ready(), line: filepath.Join(dir, "ready.json")}
	b, err := json.Marshal(r.ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.line, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs a link command against the sandbox.
func (r *rig) run(args ...string) (code int, out, errOut string) {
	r.t.Helper()
	var o, e bytes.Buffer
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	code = cli.Run(ctx, append(append([]string{"link"}, args...), "--sandbox", r.line), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// sql opens one of the two servers.
func (r *rig) sql(server daemon.SandboxServer, side string) *sqlclient.Client {
	r.t.Helper()
	var credentials map[string]struct{ User, Password string }
	data, err := os.ReadFile(r.ready.Credentials)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(data, &credentials); err != nil {
		r.t.Fatal(err)
	}
	ca, err := os.ReadFile(r.ready.ARM.CA)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := sqlclient.Open(r.t.Context(), sqlclient.Target{Address: server.Address, Port: server.Port, User: server.User, Password: credentials[side].Password, CA: ca})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *rig) must(c *sqlclient.Client, text string, args ...any) [][]any {
	r.t.Helper()
	res, err := c.Query(r.t.Context(), text, args...)
	if err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return res.First().Rows
}

// The whole life of links over the command line: plan, create, again, status, list, refuse, delete.
func TestLinkCommands(t *testing.T) {
	t.Parallel()
	const odd = `o'd "d]b é`
	r := newRig(t)
	source, target := r.sql(r.ready.Source, "source"), r.sql(r.ready.Target, "target")
	r.must(source, "CREATE DATABASE db1; CREATE DATABASE "+sqlclient.QuoteName(odd))
	for _, db := range []string{"db1", odd} {
		r.must(source, "USE "+sqlclient.QuoteName(db)+"; CREATE TABLE t (id int PRIMARY KEY, s nvarchar(20)); INSERT t VALUES (1, N'x')")
	}
	databases := []string{"--database", "db1", "--database", `"` + strings.ReplaceAll(odd, `"`, `""`) + `"`} // the flag reads CSV

	if code, out, errOut := r.run("plan", "--database", "db1"); code != 0 || !strings.Contains(out, "CREATE AVAILABILITY GROUP [AG_db1]") || strings.Contains(out, "PASSWORD = N'Aa1") {
		t.Fatalf("plan: %d %s %s", code, out, errOut)
	}
	if n := r.must(source, "SELECT COUNT(*) FROM sys.availability_groups")[0][0]; n != int64(0) {
		t.Errorf("plan made %v groups", n)
	}
	code, out, errOut := r.run(append([]string{"create", "--json"}, databases...)...)
	if code != 0 {
		t.Fatalf("create: %d %s %s", code, out, errOut)
	}
	var report struct {
		Links []struct {
			Link  string
			Steps []struct{ Step, Outcome string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Links) != 2 || report.Links[1].Link != "DAG_"+odd || len(report.Links[0].Steps) != 13 {
		t.Errorf("report: %v %s", err, out)
	}
	for _, db := range []string{"db1", odd} {
		if rows := r.must(target, "SELECT is_read_only, state_desc FROM sys.databases WHERE name = @p1", db); len(rows) != 1 || rows[0][0] != true || rows[0][1] != "ONLINE" {
			t.Errorf("the copy of %s: %v", db, rows)
		}
		if rows := r.must(target, "USE "+sqlclient.QuoteName(db)+"; SELECT s FROM t"); len(rows) != 1 || rows[0][0] != "x" {
			t.Errorf("the rows of %s: %v", db, rows)
		}
	}
	if code, _, errOut := r.run(append([]string{"create"}, databases...)...); code != 0 || strings.Contains(errOut, "CREATE ") || strings.Contains(errOut, "PUT ") {
		t.Errorf("create again: %d %s", code, errOut)
	}
	if code, out, errOut := r.run(append([]string{"status"}, databases...)...); code != 0 || strings.Count(out, "HEALTHY") != 2 {
		t.Errorf("status: %d %s %s", code, out, errOut)
	}
	if code, out, errOut := r.run("list", "--json"); code != 0 || strings.Count(out, `"name"`) != 2 {
		t.Errorf("list: %d %s %s", code, out, errOut)
	}
	if code, out, errOut := r.run("delete", "--database", "db1", "--drop-group"); code != 0 || !strings.Contains(out, "link DAG_db1 is gone") {
		t.Errorf("delete: %d %s %s", code, out, errOut)
	}
	r.must(target, "INSERT db1.dbo.t VALUES (2, N'y')") // it is its own database now
	if code, _, errOut := r.run("create", "--database", "db1"); code != 3 || !strings.Contains(errOut, `has a database "db1"`) {
		t.Errorf("create over it: %d %s", code, errOut)
	}
	if code, _, _ := r.run("status", "--database", "db1"); code != 1 {
		t.Errorf("status of a link that is gone: %d", code)
	}
}

func TestLinkUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	loose := filepath.Join(dir, "loose.json")
	if err := os.WriteFile(loose, []byte(`{"source":{"password":"a-secret"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "spec.yaml")
	if err := os.WriteFile(bad, []byte("sorce: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const mi = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/managedInstances/m"
	for name, args := range map[string][]string{
		"nothing said":          {"create"},
		"unknown flag":          {"create", "--nonsense"},
		"misspelt key":          {"create", "-f", bad},
		"no such file":          {"plan", "-f", filepath.Join(dir, "none.yaml")},
		"no instance":           {"plan", "--source", "127.0.0.1", "--database", "db1"},
		"one name, two links":   {"create", "--source", "127.0.0.1", "--instance", mi, "--database", "a,b", "--name", "x"},
		"loose credentials":     {"create", "--source", "127.0.0.1", "--instance", mi, "--database", "a", "--credentials", loose},
		"list without instance": {"list"},
	} {
		var o, e bytes.Buffer
		if code := cli.Run(t.Context(), append([]string{"link"}, args...), strings.NewReader(""), &o, &e); code != 2 || e.Len() == 0 || strings.Contains(e.String(), "a-secret") {
			t.Errorf("%s: code %d, %s", name, code, e.String())
		}
	}
}
