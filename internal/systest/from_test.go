package systest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/lsn"
)

// runDemoFrom runs "linkspan demo --from" and returns what it says.
func runDemoFrom(t *testing.T, file string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "demo", "--from", file)
	cmd.Env = append(cmd.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("demo --from %s: %v\n%s", file, err, out)
	}
	if strings.Count(string(out), "digest") < 2 || strings.Contains(string(out), "DIFFERENT") {
		t.Errorf("the demo does not show two equal sides:\n%s", out)
	}
	return string(out)
}

// The demo takes a real backup of SQL Server, and shows every table on both sides.
func TestDemoFromNorthwind(t *testing.T) {
	t.Parallel()
	file, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "backups", "northwind", "Northwind.bak"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Skip("no real backups beside the repository")
	}
	out := runDemoFrom(t, file)
	for table, rows := range map[string]int{"dbo.Orders": 830, "dbo.Order Details": 2155, "dbo.Customers": 97, "dbo.Products": 77, "dbo.Territories": 53} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), fmt.Sprintf("%s sqlserver1 %d rows sqlmi1 %d rows equal", table, rows, rows)) {
			t.Errorf("the demo does not show %s with %d rows on both sides:\n%s", table, rows, out)
		}
	}
}

// The same with a backup that was made for the test, in SQL Server's layout.
func TestDemoFromBackup(t *testing.T) {
	t.Parallel()
	d := baktest.Database{Name: "Shop", Version: 957, Tables: []baktest.Table{{Schema: "dbo", Name: "Orders", Key: []string{"id"},
		Columns: []baktest.Column{{Name: "id", XType: 56, NotNull: true}, {Name: "customer", XType: 231, Len: 80}}}}}
	for i := range 250 {
		d.Tables[0].Rows = append(d.Tables[0].Rows, baktest.Row{Values: []any{int64(i + 1), fmt.Sprintf("Größe %d", i)}})
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := lsn.LSN{VLF: 7, Block: 8, Slot: 1}
	h := bak.Header{SetGUID: bak.GUID{1}, Type: bak.Full, Database: "Shop", Server: "OLD", Machine: "OLD", Flags: bak.FlagAlways | bak.FlagChecksums, FirstLSN: at, LastLSN: at, CheckpointLSN: at,
		FamilyGUID: bak.GUID{7}, RecoveryForkID: bak.GUID{8}, Major: 16, Compatibility: 160, DatabaseVersion: 957, Collation: 0x3400d00409, Locale: 1033, Started: now, Finished: now, DatabaseCreated: now}
	var b bytes.Buffer
	baktest.Backup(t, &b, h, d.File())
	file := filepath.Join(t.TempDir(), "shop.bak")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := runDemoFrom(t, file)
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "dbo.Orders sqlserver1 250 rows sqlmi1 250 rows equal") {
		t.Errorf("the demo does not show the table:\n%s", out)
	}
}
