package instance_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/lsn"
)

// realBackup copies a real SQL Server backup into the folder; the test is skipped where there are none.
func realBackup(t *testing.T, folder string, names ...string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "shared", "backups"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real backups at hand")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, filepath.Base(name)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// northwind are the rows of each table, counted from the pages.
var northwind = map[string]int{"Categories": 8, "Customers": 97, "CustomerCustomerDemo": 0, "CustomerDemographics": 0, "EmployeeTerritories": 49,
	"Employees": 9, "Order Details": 2155, "Orders": 830, "Products": 77, "Region": 4, "Shippers": 6, "Suppliers": 29, "Territories": 53, "titulos_de_contacto": 4}

func TestNorthwindIsImported(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	realBackup(t, folder, "northwind/Northwind.bak")
	s := logIn(t, open(t, o))
	got := must(t, s, "RESTORE DATABASE Northwind FROM DISK = 'Northwind.bak'")
	if !strings.Contains(got, "log not replayed") {
		t.Errorf("the messages do not say what the rows are:\n%s", got)
	}
	for table, rows := range northwind {
		if got := must(t, s, fmt.Sprintf("SELECT COUNT(*) AS n FROM Northwind.dbo.[%s]", table)); got != fmt.Sprintf("n\n  %d\n", rows) {
			t.Errorf("%s: %s, want %d", table, got, rows)
		}
	}
	missing := must(t, s, "SELECT kind, name, reason FROM Northwind.dbo.linkspan_import_report WHERE imported = 0 AND kind IN ('TABLE', 'COLUMN', 'PRIMARY KEY', 'FOREIGN KEY', 'DEFAULT', 'CHECK', 'INDEX')")
	if strings.Count(missing, "\n") > 1 {
		t.Errorf("not imported:\n%s", missing)
	}
	if got := must(t, s, "SELECT COUNT(*) AS n FROM Northwind.dbo.linkspan_import_report WHERE imported = 1 AND kind IN ('VIEW', 'PROCEDURE', 'FOREIGN KEY')"); got != "n\n  49\n" {
		t.Errorf("views, procedures and foreign keys imported: %s, want 16, 20 and 13", got)
	}
	must(t, s, "USE Northwind; INSERT INTO Region(RegionID, RegionDescription) VALUES (5, 'new')")
	refused(t, s, 547, "INSERT INTO Territories VALUES ('x', 'y', 99)")
}

func TestSimpleRecoveryFullAndDifferential(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	realBackup(t, folder, "simplerecovery/SimpleBacktest.bak", "simplerecovery/SimpleBackTest_1.bak", "simplerecovery/SimpleBackTest_2.bak")
	in := open(t, o)
	s := logIn(t, in)
	must(t, s, "RESTORE DATABASE d FROM DISK = 'SimpleBacktest.bak' WITH NORECOVERY")
	if got := must(t, s, "SELECT state_desc FROM sys.databases WHERE name = 'd'"); !strings.Contains(got, "RESTORING") {
		t.Errorf("state %s", got)
	}
	_ = s.Close()
	shut(t, in)
	s = logIn(t, open(t, o))
	must(t, s, "RESTORE DATABASE d FROM DISK = 'SimpleBackTest_1.bak' WITH RECOVERY")
	if got := must(t, s, "SELECT COUNT(*) AS n, MIN(dt) AS a, MAX(dt) AS b FROM d.dbo.steps"); got != "n | a | b\n  10 | 2018-04-06 10:30:32.7070000 | 2018-04-06 10:35:02.7300000\n" {
		t.Errorf("steps: %s", got)
	}
}

// made writes a full and a differential backup as SQL Server would have, of a database with one table.
func made(t *testing.T, folder string) {
	t.Helper()
	table := baktest.Table{Schema: "dbo", Name: "Orders", Key: []string{"id"}, Columns: []baktest.Column{{Name: "id", XType: 56, NotNull: true, Identity: true}, {Name: "customer", XType: 231, Len: 80}}}
	for i := range 300 {
		table.Rows = append(table.Rows, baktest.Row{Values: []any{int64(i + 1), fmt.Sprintf("Größe %d", i)}})
	}
	d := baktest.Database{Name: "Shop", Version: 957, Modules: []baktest.Module{{Schema: "dbo", Name: "totals", Type: "V ", Text: "create view totals as select count(*) as n from dbo.Orders"},
		{Schema: "dbo", Name: "broken", Type: "P ", Text: "create procedure broken as backup certificate"}}, Users: []string{"ann"}}
	d.Tables = []baktest.Table{table}
	full := d.File()
	d.Tables[0].Rows = append(d.Tables[0].Rows, baktest.Row{Values: []any{int64(1000), "late"}})
	diff := d.File()
	base := bak.GUID{1}
	h := func(kind bak.Type, set bak.GUID) bak.Header {
		return bak.Header{SetGUID: set, Type: kind, Database: "Shop", Server: "old", Flags: bak.FlagAlways | bak.FlagChecksums, Major: 15, FamilyGUID: bak.GUID{7}, RecoveryForkID: bak.GUID{8},
			FirstLSN: lsn.LSN{VLF: 1, Block: 1, Slot: 1}, LastLSN: lsn.LSN{VLF: 1, Block: 9, Slot: 1}, CheckpointLSN: lsn.LSN{VLF: 1, Block: 2, Slot: 1},
			Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Finished: time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC), Compatibility: 150, DatabaseVersion: 904, Collation: 0x34_00d0_0409}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, h bak.Header, pages []byte) {
		var b bytes.Buffer
		baktest.Backup(t, &b, h, pages)
		if err := os.WriteFile(filepath.Join(folder, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("full.bak", h(bak.Full, base), full)
	dh := h(bak.Differential, bak.GUID{2})
	dh.DifferentialBaseGUID, dh.LastLSN = base, lsn.LSN{VLF: 1, Block: 20, Slot: 1}
	write("diff.bak", dh, baktest.Changed(full, diff))
	write("log.trn", h(bak.Log, bak.GUID{3}), nil)
	dh.DifferentialBaseGUID = bak.GUID{9}
	write("strange.bak", dh, baktest.Changed(full, diff))
}

func TestForeignBackupsAreImported(t *testing.T) {
	t.Parallel()
	o, folder := withFolder(t)
	made(t, folder)
	s := logIn(t, open(t, o))
	must(t, s, "RESTORE DATABASE Shop FROM DISK = 'full.bak' WITH NORECOVERY")
	refused(t, s, 40510, "RESTORE LOG Shop FROM DISK = 'log.trn' WITH NORECOVERY")
	refused(t, s, 3136, "RESTORE DATABASE Shop FROM DISK = 'strange.bak' WITH NORECOVERY")
	must(t, s, "RESTORE DATABASE Shop FROM DISK = 'diff.bak' WITH NORECOVERY")
	got := must(t, s, "RESTORE DATABASE Shop WITH RECOVERY")
	for _, want := range []string{"Imported 1 tables with 301 rows", "Not imported: PROCEDURE dbo.broken", "Not imported: USER ann"} {
		if !strings.Contains(got, want) {
			t.Errorf("the messages lack %q:\n%s", want, got)
		}
	}
	if got := must(t, s, "USE Shop; SELECT n FROM totals; INSERT INTO Orders(customer) VALUES (N'x'); SELECT MAX(id) AS id, MAX(customer) AS c FROM Orders"); !strings.Contains(got, "  301\n") || !strings.Contains(got, "1001") {
		t.Errorf("imported: %s", got)
	}
	must(t, s, "USE master; RESTORE DATABASE again FROM DISK = 'full.bak'")
	must(t, s, "SELECT * FROM again.dbo.linkspan_import_report")
	must(t, s, "BACKUP DATABASE Shop TO DISK = 'ours.bak'")
	must(t, s, "RESTORE VERIFYONLY FROM DISK = 'ours.bak'")
	for _, kind := range []string{"HEADERONLY", "FILELISTONLY", "LABELONLY"} {
		if a, b := must(t, s, "RESTORE "+kind+" FROM DISK = 'ours.bak'"), must(t, s, "RESTORE "+kind+" FROM DISK = 'full.bak'"); strings.Split(a, "\n")[0] != strings.Split(b, "\n")[0] {
			t.Errorf("%s has other columns for our files:\n%s\n%s", kind, a, b)
		}
	}
}
