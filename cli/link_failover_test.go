package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"linkspan/link"
)

// There and back over the command line, against the sandbox: writes go to the side that is the primary, nothing is
// missing, and the same command again does nothing.
func TestLinkFailoverCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source, target := r.sql(r.ready.Source, "source"), r.sql(r.ready.Target, "target")
	r.must(source, "CREATE DATABASE db1")
	r.must(source, "CREATE TABLE db1.dbo.t (id int PRIMARY KEY); INSERT db1.dbo.t VALUES (1)")
	if code, _, errOut := r.run("create", "--database", "db1"); code != 0 {
		t.Fatalf("create: %s", errOut)
	}
	if code, out, errOut := r.run("failover", "--database", "db1", "--dry-run"); code != 0 || !strings.Contains(out, "ALTER AVAILABILITY GROUP [DAG_db1] FAILOVER") {
		t.Fatalf("plan: %d %s %s", code, out, errOut)
	}
	code, out, errOut := r.run("failover", "--database", "db1", "--json")
	if code != 0 {
		t.Fatalf("failover: %d %s %s", code, out, errOut)
	}
	var reports []link.FailoverReport
	if err := json.Unmarshal([]byte(out), &reports); err != nil || len(reports) != 1 || !reports[0].Changed || reports[0].PauseMs <= 0 || reports[0].Before == nil || reports[0].After == nil {
		t.Errorf("report: %v %s", err, out)
	}
	r.must(target, "INSERT db1.dbo.t VALUES (2)")
	if _, err := source.Query(t.Context(), "INSERT db1.dbo.t VALUES (9)"); err == nil {
		t.Error("the old primary took a write")
	}
	if code, out, errOut := r.run("failover", "--database", "db1"); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("again: %d %s %s", code, out, errOut)
	}
	if code, out, errOut := r.run("failover", "--database", "db1", "--to", "source"); code != 0 || !strings.Contains(out, "failover to the source done (SQL Server PRIMARY, managed instance SECONDARY)") {
		t.Fatalf("back: %d %s %s", code, out, errOut)
	}
	r.must(source, "INSERT db1.dbo.t VALUES (3)")
	if rows := r.must(source, "SELECT COUNT(*) FROM db1.dbo.t"); rows[0][0] != int64(3) {
		t.Errorf("rows: %v", rows)
	}
	if code, _, errOut := r.run("failover", "--database", "db1", "--force", "--yes-lose-data"); code != 3 || !strings.Contains(errOut, "a planned failover loses nothing") {
		t.Errorf("forced while it works: %d %s", code, errOut)
	}
}

func TestLinkFailoverUsage(t *testing.T) {
	t.Parallel()
	r := rig{t: t, line: "/dev/null"}
	for name, args := range map[string][]string{
		"no consent":   {"failover", "--force"},
		"both":         {"failover", "--force", "--planned", "--yes-lose-data"},
		"unknown side": {"failover", "--to", "moon"},
		"no pause":     {"failover", "--max-pause", "0s"},
	} {
		if code, _, errOut := r.run(args...); code != 2 || errOut == "" {
			t.Errorf("%s: %d %s", name, code, errOut)
		}
	}
}
