package cli_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"linkspan/cli"
	"linkspan/sqlclient"
)

// poll asks until the answer is what is wanted.
func (r *rig) poll(c *sqlclient.Client, text, want string) {
	r.t.Helper()
	got := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		res, err := c.Query(r.t.Context(), text)
		if got = fmt.Sprint(err); err == nil {
			got = fmt.Sprint(res.First().Rows)
		}
		if got == want {
			return
		}
	}
	r.t.Fatalf("%s\ngives %s, want %s", text, got, want)
}

// What a forced failover left out is taken back from the old primary when that returns, and is in a file; status says so.
func TestForcedFailoverLeavesAFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source, target := r.sql(r.ready.Source, "source"), r.sql(r.ready.Target, "target")
	r.must(source, "CREATE DATABASE db1")
	r.must(source, "CREATE TABLE db1.dbo.t (id int PRIMARY KEY, n nvarchar(20)); INSERT db1.dbo.t VALUES (1, N'a'), (2, N'b')")
	if code, _, errOut := r.run("create", "--database", "db1"); code != 0 {
		t.Fatalf("create: %s", errOut)
	}
	r.poll(target, "SELECT COUNT(*) FROM db1.dbo.t", "[[2]]")
	r.must(source, "ALTER DATABASE db1 SET HADR SUSPEND")
	r.must(source, "USE db1; UPDATE t SET n = N'it''s' WHERE id = 1; DELETE t WHERE id = 2; INSERT t VALUES (3, N'lost')")
	if code, out, errOut := r.run("failover", "--database", "db1", "--force", "--yes-lose-data"); code != 0 || !strings.Contains(out, "forced failover to the target done") {
		t.Fatalf("force: %d %s %s", code, out, errOut)
	}
	r.must(target, "INSERT db1.dbo.t VALUES (4, N'new')")
	r.poll(source, "SELECT COUNT(*) FROM sys.dm_linkspan_links WHERE outdated_by_epoch IS NOT NULL", "[[1]]")
	if code, out, _ := r.run("status", "--database", "db1"); code != 1 || !strings.Contains(out, "LinkFailoverError") || !strings.Contains(out, "58016: Both sides") || !strings.Contains(out, "both sides are primary") || !strings.Contains(out, "SET (ROLE = SECONDARY)") {
		t.Errorf("status of the split: %d %s", code, out)
	}
	if code, _, errOut := r.run("failover", "--database", "db1", "--to", "source"); code != 3 || !strings.Contains(errOut, "split brain") {
		t.Errorf("planned failover over a split: %d %s", code, errOut)
	}
	r.must(source, "ALTER AVAILABILITY GROUP [DAG_db1] SET (ROLE = SECONDARY)")
	r.must(source, "ALTER DATABASE db1 SET HADR RESUME")
	r.poll(source, "SELECT id, n FROM db1.dbo.t ORDER BY id", "[[1 a] [2 b] [4 new]]")
	rows := r.must(source, "SELECT loss_file, loss_rows FROM sys.dm_linkspan_links WHERE link_name = N'DAG_db1'")
	file, _ := rows[0][0].(string)
	if rows[0][1] != int64(3) || file == "" {
		t.Fatalf("loss: %v", rows)
	}
	var out bytes.Buffer
	if code := cli.Run(t.Context(), []string{"log", "rescue", file, "--sql"}, strings.NewReader(""), &out, &out); code != 0 {
		t.Fatal(out.String())
	}
	for _, want := range []string{"UPDATE [dbo].[t] SET [n] = N'it''s' WHERE [id] = 1", "DELETE FROM [dbo].[t] WHERE [id] = 2", "INSERT INTO [dbo].[t] ([id], [n]) VALUES (3, N'lost')"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the file lacks %s:\n%s", want, out.String())
		}
	}
	if code, out, errOut := r.run("status", "--database", "db1"); code != 0 || !strings.Contains(out, file) {
		t.Errorf("status afterwards: %d %s %s", code, out, errOut)
	}
}
