package ledger

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"linkspan/migrate/flow"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/vN.db of the versions that lack it")

func itoa(n int) string { return strconv.Itoa(n) }

// contents are rows that each version of the schema has held.
var contents = []string{
	`INSERT INTO activities VALUES (1, 'Move', 'move', CAST('name: Move' AS BLOB), '/specs', 1772366400000000000, 'sql1', '\\files\backups', '/storage', 'sqlmi1');
	INSERT INTO migrations VALUES (1, 1, 'db1', 'db1', 'db1_new', 7, 'FULL_BACKUP_UPLOADED', '{"options":{"database":"db1","block":10,"parallel":2},"state":"FULL_BACKUP_UPLOADED","started":true,"target":"STARTED","attempt":1,"cutover":{},"troubles":{"storage":"it is down"}}', '');
	INSERT INTO files VALUES (1, 1, 'full.bak', '1', 25, 'full', 1, 'Uploaded', 25, '', 0), (1, 3, 'log1.bak', '1', 25, 'log1', 1, 'Queued', 0, '', 0);
	INSERT INTO sets VALUES (1, 0, '{"id":"full","kind":"full","database":"db1","first":{"VLF":1,"Block":10,"Slot":1},"last":{"VLF":1,"Block":20,"Slot":1},"fork":"A","checksum":true,"stripes":1}'),
		(1, 1, '{"id":"log1","kind":"log","database":"db1","first":{"VLF":1,"Block":15,"Slot":1},"last":{"VLF":1,"Block":30,"Slot":1},"fork":"A","checksum":true,"stripes":1}');
	INSERT INTO chain VALUES (1, 0, 'full'), (1, 1, 'log1');
	INSERT INTO logins VALUES (1, 1, 'app', 0, 'InProgress', 'EstablishUserMapping', '');
	INSERT INTO steps VALUES (1, 'StartRestore/1', 'done', 1, 1, 1772366400000000000);
	INSERT INTO events VALUES (1, 1772366400000000000, 1, 1, '', 'State', 'INITIAL → FULL_BACKUP_UPLOADING', '');`,
}

// make writes a ledger of an old version.
func makeOld(t *testing.T, version int, path string) {
	t.Helper()
	all := versions
	defer func() { versions = all }()
	versions = all[:version]
	dir := t.TempDir()
	l, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{contents[version-1], "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE", "VACUUM"} {
		if err := l.Exec(t, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, Name))
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOldLedgers opens a ledger of each version before this one, and goes on with what is in it. It is not parallel: it may
// write fixtures.
func TestOldLedgers(t *testing.T) { //nolint:paralleltest // see above
	for version := 1; version < len(versions); version++ {
		path := filepath.Join("testdata", fmt.Sprintf("v%d.db", version))
		if _, err := os.Stat(path); err != nil && *rewrite {
			makeOld(t, version, path)
		}
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("every version before the last has a fixture, written by -rewrite BEFORE the next version is added: %v", err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, Name), old, 0o600); err != nil {
			t.Fatal(err)
		}
		goOn(t, dir)
	}
}

func goOn(t *testing.T, dir string) {
	t.Helper()
	ctx := t.Context()
	l, err := Open(ctx, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it is thrown away
	s, err := l.Engage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release() //nolint:errcheck // it is thrown away
	at, err := l.Look(ctx, 1)
	if err != nil || fmt.Sprint(at.Due(Sides)) != "[CompareLogins FollowRestore]" {
		t.Errorf("due: %v %v", at.Due(Sides), err)
	}
	for _, e := range []flow.Event{
		{Kind: flow.RestoreSeen, Attempt: 1, Restore: flow.Restore{Restored: []string{"full"}}},
		{Kind: flow.BlockStored, File: "log1.bak", Version: "1", Done: 25}, {Kind: flow.FileSealed, File: "log1.bak", Version: "1"},
		{Kind: flow.RestoreSeen, Attempt: 1, Restore: flow.Restore{Restored: []string{"full", "log1"}}},
	} {
		e.At = time.Now()
		if err := s.Report(ctx, 1, []flow.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	st, err := l.Status(ctx, "move", false)
	if err != nil {
		t.Fatal(err)
	}
	if d := st.Databases[0]; d.State != flow.LogsUploading || d.LastRestored != "log1.bak" || d.PendingChanges != 0 || len(d.Waits) != 1 ||
		len(st.Logins) != 1 || st.Logins[0].Stage != flow.EstablishUserMapping || st.Share != `\\files\backups` {
		t.Errorf("status: %+v", st)
	}
}
