package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/parquet-go/parquet-go"

	"linkspan/bak"
	"linkspan/bak/baktest"
	"linkspan/lsn"
)

// run runs a command line and gives its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(context.Background(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func realFolder(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "shared", "backups", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no real backups beside the repository: %v", err)
	}
	return dir
}

var noon = time.Date(2024, 5, 31, 12, 0, 0, 0, time.UTC)

func backupHeader(typ bak.Type, id byte, first, last uint32) bak.Header {
	at := func(n uint32) lsn.LSN { return lsn.LSN{VLF: 7, Block: n, Slot: 1} }
	h := bak.Header{Type: typ, SetGUID: bak.GUID{id, 1}, Database: "Shop", Server: "SQL1", Machine: "SQL1", FirstLSN: at(first), LastLSN: at(last), CheckpointLSN: at(first),
		FamilyGUID: bak.GUID{77}, RecoveryForkID: bak.GUID{78}, Major: 16, Compatibility: 160, DatabaseVersion: 957, Collation: 0x3400d00409, Locale: 1033,
		Started: noon.Add(time.Duration(last) * time.Minute), DatabaseCreated: noon}
	h.Finished = h.Started
	if typ == bak.Differential {
		h.DifferentialBaseGUID = bak.GUID{1, 1}
	}
	return h
}

func shop(orders int) []byte {
	d := baktest.Database{Name: "Shop", Version: 957, Modules: []baktest.Module{{Schema: "dbo", Name: "totals", Type: "V ", Text: "create view totals as select 1 as one"}}}
	t := baktest.Table{Schema: "dbo", Name: "Orders", Key: []string{"id"}, Columns: []baktest.Column{{Name: "id", XType: 56, NotNull: true}, {Name: "customer", XType: 231, Len: 80},
		{Name: "price", XType: 60}, {Name: "paid", XType: 104}, {Name: "placed", XType: 61}, {Name: "note", XType: 167, Len: 40}}}
	for i := range orders {
		r := baktest.Row{Values: []any{int64(i + 1), fmt.Sprintf("Größe, \"%d\"", i), int64(12500 * i), int64(i % 2), int64(45000) << 32, "a"}}
		if i == 1 {
			r.Values = []any{int64(2), nil, nil, nil, nil, ""}
		}
		t.Rows = append(t.Rows, r)
	}
	d.Tables = []baktest.Table{t}
	return d.File()
}

// makeFolder makes a full, a differential and two logs of the database Shop.
func makeFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	full, diff := shop(3), shop(5)
	for name, s := range map[string]struct {
		h     bak.Header
		pages []byte
	}{
		"full.bak":   {backupHeader(bak.Full, 1, 8, 10), full},
		"diff.bak":   {backupHeader(bak.Differential, 2, 18, 20), baktest.Changed(full, diff)},
		"log1.trn":   {backupHeader(bak.Log, 3, 15, 25), nil},
		"log2.trn":   {backupHeader(bak.Log, 4, 25, 30), nil},
		"readme.txt": {},
	} {
		var b bytes.Buffer
		if name == "readme.txt" {
			b.WriteString("not a backup at all")
		} else {
			baktest.Backup(t, &b, s.h, s.pages)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// planOf reads the file names of the plans from chain --json.
func planOf(t *testing.T, out string) []string {
	t.Helper()
	var doc struct {
		Databases []struct {
			Plan []struct {
				Files []struct{ File string }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	var names []string
	for _, d := range doc.Databases {
		for _, s := range d.Plan {
			for _, f := range s.Files {
				names = append(names, filepath.Base(f.File))
			}
		}
	}
	return names
}

func TestBackupChain(t *testing.T) {
	t.Parallel()
	dir := makeFolder(t)
	code, out, errOut := run(t, "backup", "chain", "--json", dir)
	if d := cmp.Diff([]string{"full.bak", "diff.bak", "log1.trn", "log2.trn"}, planOf(t, out)); d != "" || code != ExitDone {
		t.Errorf("exit %d, plan (-want +got):\n%s%s", code, d, errOut)
	}
	code, out, _ = run(t, "backup", "chain", dir, "--stop-at", "2024-05-31T12:24", "--database", "shop")
	if code != ExitDone || !strings.Contains(out, "with 3 sets") || !strings.Contains(out, "newer than the time asked for") || !strings.Contains(out, "passed over: ") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if err := os.Remove(filepath.Join(dir, "log1.trn")); err != nil {
		t.Fatal(err)
	}
	code, out, errOut = run(t, "backup", "chain", dir)
	if code != ExitRefused || !strings.Contains(out, "✗ gap from LSN 7000000002000001 to 7000000002500001") || !strings.Contains(errOut, "the chain is broken") {
		t.Errorf("a log is missing: exit %d:\n%s%s", code, out, errOut)
	}
	for _, args := range [][]string{{"backup", "chain"}, {"backup", "chain", dir, "--stop-at", "yesterday"}, {"backup", "chain", filepath.Join(dir, "missing")}} {
		if code, _, _ := run(t, args...); code != ExitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
	}
	if code, _, errOut := run(t, "backup", "chain", dir, "--database", "other"); code != ExitRefused || !strings.Contains(errOut, "no backup sets found of database other") {
		t.Errorf("another database: exit %d: %s", code, errOut)
	}
}

func TestBackupVerify(t *testing.T) {
	t.Parallel()
	dir := makeFolder(t)
	logs := filepath.Join(dir, "*.bak")
	if code, out, errOut := run(t, "backup", "verify", logs); code != ExitDone || strings.Count(out, "page checksums") != 2 {
		t.Errorf("sound files: exit %d:\n%s%s", code, out, errOut)
	}
	name := filepath.Join(dir, "full.bak")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(b)
	bad[len(bad)/2] ^= 0x40
	for kind, content := range map[string][]byte{"damaged": bad, "truncated": b[:len(b)/2], "not a backup": []byte("hello, world")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errOut := run(t, "backup", "verify", "--json", name)
		var doc struct {
			Files []struct {
				Verdict string
				Sound   bool
				Faults  []struct{ Kind, Text string }
			}
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		if code != ExitFailed || len(doc.Files) != 1 || doc.Files[0].Verdict != kind || doc.Files[0].Sound || len(doc.Files[0].Faults) == 0 || !strings.Contains(errOut, kind) {
			t.Errorf("%s: exit %d:\n%s%s", kind, code, out, errOut)
		}
	}
}

func TestBackupInspect(t *testing.T) {
	t.Parallel()
	dir := makeFolder(t)
	code, out, _ := run(t, "backup", "inspect", "--json", filepath.Join(dir, "diff.bak"))
	var doc struct {
		Files []struct {
			Sets []struct {
				Header  map[string]any
				Files   []map[string]any
				Unknown []string
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != ExitDone {
		t.Fatalf("exit %d: %v", code, err)
	}
	h := doc.Files[0].Sets[0].Header
	for k, want := range map[string]any{"BackupType": 5.0, "BackupTypeDescription": "Database Differential", "DatabaseName": "Shop", "FirstLSN": "7000000001800001",
		"DifferentialBaseGUID": "00000101-0000-0000-0000-000000000000", "Collation": "SQL_Latin1_General_CP1_CI_AS", "RecoveryModel": "FULL", "ExpirationDate": nil,
		"BackupFinishDate": "2024-05-31T12:20:00", "IsCopyOnly": false} {
		if h[k] != want {
			t.Errorf("%s is %v, want %v", k, h[k], want)
		}
	}
	if len(h) != 56 || doc.Files[0].Sets[0].Files[0]["LogicalName"] != "Shop" || len(doc.Files[0].Sets[0].Unknown) == 0 {
		t.Errorf("%d columns, files %v, unknown %v", len(h), doc.Files[0].Sets[0].Files, doc.Files[0].Sets[0].Unknown)
	}
	if code, out, _ = run(t, "backup", "inspect", dir); code != ExitDone || strings.Count(out, "Shop") != 4 {
		t.Errorf("a folder: exit %d:\n%s", code, out)
	}
	if code, out, errOut := run(t, "backup", "inspect", filepath.Join(dir, "readme.txt")); code != ExitFailed || !strings.Contains(errOut, "not a backup") {
		t.Errorf("a text file: exit %d:\n%s%s", code, out, errOut)
	}
}

func TestBackupTables(t *testing.T) {
	t.Parallel()
	dir := makeFolder(t)
	code, out, errOut := run(t, "backup", "tables", dir)
	if code != ExitDone || !strings.Contains(out, "dbo.Orders  5 rows") || !strings.Contains(out, "PRIMARY KEY PK_Orders CLUSTERED (id)") || !strings.Contains(out, "log not replayed") || !strings.Contains(out, "views: dbo.totals") {
		t.Errorf("exit %d:\n%s%s", code, out, errOut)
	}
	code, out, _ = run(t, "backup", "tables", "--json", dir, "--stop-at", "2024-05-31T12:15")
	var doc struct {
		Tables  []struct{ Rows int }
		Modules []struct{ Text string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != ExitDone || doc.Tables[0].Rows != 3 || !strings.Contains(doc.Modules[0].Text, "create view") {
		t.Errorf("before the differential: exit %d, %v, %v", code, doc, err)
	}
	file := filepath.Join(t.TempDir(), "shop.mdf")
	if err := os.WriteFile(file, shop(7), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut = run(t, "backup", "tables", file); code != ExitDone || !strings.Contains(out, "dbo.Orders  7 rows") {
		t.Errorf("a data file: exit %d:\n%s%s", code, out, errOut)
	}
}

func TestBackupExport(t *testing.T) {
	t.Parallel()
	dir, out := makeFolder(t), t.TempDir()
	code, text, errOut := run(t, "backup", "export", dir, "--table", "dbo.Orders")
	want := "id,customer,price,paid,placed,note\n1,\"Größe, \"\"0\"\"\",0.0000,0,2023-03-17 00:00:00.000,a\n2,,,,,\"\"\n"
	if code != ExitDone || !strings.HasPrefix(text, want) || !strings.Contains(errOut, "5 rows of dbo.Orders; pages as of the backup, log not replayed") {
		t.Errorf("exit %d:\n%s%s", code, text, errOut)
	}
	if recs, err := csv.NewReader(strings.NewReader(text)).ReadAll(); err != nil || len(recs) != 6 {
		t.Errorf("%d CSV records: %v", len(recs), err)
	}
	_, text, _ = run(t, "backup", "export", dir, "--table", "orders", "--to", "jsonl", "-o", "-")
	if first, _, _ := strings.Cut(text, "\n"); first != `{"id":1,"customer":"Größe, \"0\"","price":0.0000,"paid":false,"placed":"2023-03-17 00:00:00.000","note":"a"}` {
		t.Errorf("JSON line %s", first)
	}
	for _, to := range []string{"parquet", "sqlite", "csv"} {
		name := filepath.Join(out, "o."+to)
		if code, _, errOut := run(t, "backup", "export", dir, "--table", "Orders", "--to", to, "--out", name); code != ExitDone {
			t.Fatalf("%s: exit %d: %s", to, code, errOut)
		}
		if code, _, errOut := run(t, "backup", "export", dir, "--table", "Orders", "--to", to, "--out", name); code != ExitFailed || !strings.Contains(errOut, "exists") {
			t.Errorf("%s over a file that exists: exit %d: %s", to, code, errOut)
		}
	}
	checkParquet(t, filepath.Join(out, "o.parquet"))
	checkSQLite(t, filepath.Join(out, "o.sqlite"))
	for _, args := range [][]string{{"--table", "nothing"}, {}, {"--table", "Orders", "--to", "xls"}} {
		if code, _, _ := run(t, append([]string{"backup", "export", dir}, args...)...); code != ExitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}

func checkParquet(t *testing.T, name string) {
	t.Helper()
	type order struct {
		ID       *int32     `parquet:"id"`
		Customer *string    `parquet:"customer"`
		Paid     *bool      `parquet:"paid"`
		Placed   *time.Time `parquet:"placed,timestamp(microsecond)"`
	}
	got, err := parquet.ReadFile[order](name)
	if err != nil || len(got) != 5 {
		t.Fatalf("%d Parquet rows: %v", len(got), err)
	}
	if o := got[3]; *o.ID != 4 || *o.Customer != `Größe, "3"` || !*o.Paid || !o.Placed.Equal(time.Date(2023, 3, 17, 0, 0, 0, 0, time.UTC)) || got[1].Customer != nil {
		t.Errorf("rows %+v", got)
	}
}

func checkSQLite(t *testing.T, name string) {
	t.Helper()
	c, err := sqlite3.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, _, err := c.Prepare(`SELECT count(*), sum(id), max(customer), sum(customer IS NULL), max(price) FROM "dbo.Orders"`)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Step() || s.ColumnInt(0) != 5 || s.ColumnInt(1) != 15 || s.ColumnText(2) != `Größe, "4"` || s.ColumnInt(3) != 1 || s.ColumnText(4) != "5.0000" {
		t.Errorf("row %d %d %q %d %q: %v", s.ColumnInt(0), s.ColumnInt(1), s.ColumnText(2), s.ColumnInt(3), s.ColumnText(4), s.Err())
	}
}

func TestOneStripeIsRefused(t *testing.T) {
	t.Parallel()
	for _, cmd := range [][]string{{"backup", "chain"}, {"backup", "tables"}, {"backup", "export", "--table", "Orders"}} {
		code, _, errOut := run(t, append(cmd, realFolder(t, "lost-stripe"))...)
		if code != ExitRefused || !strings.Contains(errOut, "stripe 2 of 2 is missing") {
			t.Errorf("%v: exit %d: %s", cmd, code, errOut)
		}
	}
}

func TestRealExports(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		folder, first, last string
		args                []string
		rows                int
	}{
		{"restoretimeclean2016", "2019-05-02 21:00:55", "2019-05-02 21:15:26", nil, 30},
		{"simplerecovery", "2018-04-06 10:30:32.707", "2018-04-06 10:35:02.730", []string{"--stop-at", "2018-04-06T10:37:44"}, 10},
	} {
		code, out, errOut := run(t, append([]string{"backup", "export", realFolder(t, c.folder), "--table", "dbo.steps"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != ExitDone || len(lines) != c.rows+1 || !strings.Contains(lines[1], c.first) || !strings.Contains(lines[c.rows], c.last) {
			t.Errorf("%s: exit %d, %d lines: %s", c.folder, code, len(lines), errOut)
		}
	}
}

func TestRealChainsByCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		files int
	}{
		{[]string{realFolder(t, "restoretimeclean2016")}, 5},
		{[]string{realFolder(t, "restoretimeclean2016"), "--stop-at", "2019-05-02T21:12:27"}, 4},
		{[]string{realFolder(t, "simplerecovery"), "--stop-at", "2018-04-06T10:37:44"}, 2},
		{[]string{realFolder(t, "stripes")}, 8},
	} {
		code, out, errOut := run(t, append([]string{"backup", "chain", "--json"}, c.args...)...)
		if got := planOf(t, out); code != ExitDone || len(got) != c.files {
			t.Errorf("%v: exit %d, plan %v: %s", c.args, code, got, errOut)
		}
	}
}

func TestSourceAddresses(t *testing.T) {
	for args, says := range map[string]string{
		"smb://user:secret@server/share":                    "credentials do not belong in an address",
		"https://a.blob.core.windows.net/c?sv=1&sig=secret": "credentials do not belong in an address",
		"ftp://server/folder":                               "ftp:// is not a source",
		"https://a.blob.core.windows.net/":                  "names no container",
		"http://a.blob.core.windows.net/backups":            "must begin with https",
	} {
		t.Setenv("LINKSPAN_BLOB_SAS", "sv=1")
		if code, _, errOut := run(t, "backup", "chain", args); code != ExitUsage || !strings.Contains(errOut, says) || strings.Contains(errOut, "secret") {
			t.Errorf("%s: exit %d: %s", args, code, errOut)
		}
	}
	name := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(name, []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LINKSPAN_SMB_PASSWORD_FILE", name)
	if code, _, errOut := run(t, "backup", "chain", "smb://127.0.0.1:1/share"); code != ExitFailed || !strings.Contains(errOut, "others may read") {
		t.Errorf("a password file that others may read: exit %d: %s", code, errOut)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := run(t, "backup", "chain", "smb://127.0.0.1:1/share"); code != ExitUsage || !strings.Contains(errOut, "LINKSPAN_SMB_USER") {
		t.Errorf("a share without a user: exit %d: %s", code, errOut)
	}
	t.Setenv("LINKSPAN_SMB_USER", "somebody")
	if code, _, errOut := run(t, "backup", "chain", "smb://127.0.0.1:1/share"); code != ExitFailed || !strings.Contains(errOut, "file server 127.0.0.1:1 refuses the connection") {
		t.Errorf("an unreachable server: exit %d: %s", code, errOut)
	}
}
