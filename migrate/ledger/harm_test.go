package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// TestFullDisk: what does not fit is refused with what to do, nothing is lost, and it goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "state"), nil)
	create(t, l, "move", "db1")
	if err := l.Ask(t.Context(), "move", "db1", flow.Event{Kind: flow.Start}, "anna"); err != nil {
		t.Fatal(err)
	}
	s := engage(t, l)
	before := look(t, l)
	l.LimitPages(t, l.Pages(t))
	many := flow.Event{Kind: flow.Scanned, At: begun}
	for i := range 2000 {
		many.Files = append(many.Files, flow.Seen{Name: fmt.Sprintf("%d.bak", i), Version: "1", Size: 1, Problem: "it is no backup"})
	}
	err := s.Report(t.Context(), 1, []flow.Event{many})
	if !errors.Is(err, sqlite3.FULL) || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("on a full disk: %v", err)
	}
	if after := look(t, l); after.Version != before.Version || len(after.Migration.Files) != 0 {
		t.Errorf("version %d, %d files", after.Version, len(after.Migration.Files))
	}
	l.LimitPages(t, 0)
	if err := s.Report(t.Context(), 1, []flow.Event{many}); err != nil {
		t.Fatal(err)
	}
	if after := look(t, l); len(after.Migration.Files) != 2000 {
		t.Errorf("%d files", len(after.Migration.Files))
	}
}

// TestDamage: a ledger that is damaged is refused, at the latest when an engine starts.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l, err := ledger.Open(t.Context(), dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, l, "move", "db1", "db2")
	l.Written(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ledger.Name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 2; page*4096 < len(b); page++ {
		copy(b[page*4096:], "damaged damaged damaged")
	}
	write(t, path, b)
	l, err = ledger.Open(t.Context(), dir, ledger.Options{})
	if err == nil {
		_, err = l.Engage(t.Context())
		l.Close() //nolint:errcheck // it is thrown away
	}
	if err == nil || !strings.Contains(err.Error(), "put a copy of it back") {
		t.Errorf("of a damaged ledger: %v", err)
	}
}

// TestReadOnly: without the right to write, what is asked is refused with what to do.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "state"), nil)
	create(t, l, "move", "db1")
	if err := l.Exec(t, "PRAGMA query_only = ON"); err != nil {
		t.Fatal(err)
	}
	err := l.Ask(t.Context(), "move", "db1", flow.Event{Kind: flow.Start}, "anna")
	if !errors.Is(err, sqlite3.READONLY) || !strings.Contains(err.Error(), "give this user the right") {
		t.Errorf("read-only: %v", err)
	}
}

// TestAuditIsKept: entries are neither changed nor deleted, and one that was changed in spite of that is found.
func TestAuditIsKept(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "state"), nil)
	create(t, l, "one", "db1")
	create(t, l, "two", "db1")
	create(t, l, "three", "db1")
	for _, statement := range []string{"UPDATE audit SET who = 'nobody'", "DELETE FROM audit WHERE number = 2"} {
		if err := l.Exec(t, statement); err == nil {
			t.Errorf("%s was done", statement)
		}
	}
	if err := l.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
	for _, statement := range []string{"DROP TRIGGER audit_keeps", "UPDATE audit SET who = 'nobody' WHERE number = 2"} {
		if err := l.Exec(t, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.VerifyAudit(t.Context()); err == nil || !strings.Contains(err.Error(), "entry 2") {
		t.Errorf("of a changed entry: %v", err)
	}
}

// TestManyProcesses: ledgers that open a new folder at once, and ask at once, each do what they are asked, in one order.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			l, err := ledger.Open(context.Background(), dir, ledger.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close() //nolint:errcheck // it is thrown away
			name := fmt.Sprintf("move%d", i)
			if err := l.Create(t.Context(), ledger.Activity{Name: name}, []ledger.Planned{{Options: flow.Options{Database: "db1"}}}, "anna"); err != nil {
				t.Error(err)
			}
			for range 20 {
				if err := l.Ask(t.Context(), name, "db1", flow.Event{Kind: flow.AcceptNoChecksum}, "anna"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	l := open(t, dir, nil)
	list, err := l.Activities(t.Context())
	if err != nil || len(list) != 6 {
		t.Errorf("%+v %v", list, err)
	}
	audit, err := l.Audit(t.Context(), 0, 0)
	if err != nil || len(audit) != 6*21 {
		t.Errorf("%d entries, %v", len(audit), err)
	}
	if err := l.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWeeksOfLogs: with 5,000 log backups on the share, a step writes what it changed and no more.
func TestWeeksOfLogs(t *testing.T) {
	t.Parallel()
	const logs = 5000
	clk := clock.NewManual(begun)
	l := open(t, filepath.Join(t.TempDir(), "state"), clk)
	create(t, l, "move", "db1")
	if err := l.Ask(t.Context(), "move", "db1", flow.Event{Kind: flow.Start}, "anna"); err != nil {
		t.Fatal(err)
	}
	s := engage(t, l)
	all := []flow.Seen{backup(flow.Full, "full", 1, 2)}
	ids := []string{"full"}
	for i := range uint32(logs) {
		all = append(all, backup(flow.Log, fmt.Sprint("log", i), 2+i, 3+i))
		ids = append(ids, fmt.Sprint("log", i))
	}
	step := func(events ...flow.Event) (time.Duration, int) {
		t.Helper()
		for i := range events {
			events[i].At = clk.Now()
		}
		l.Written(t)
		begin := time.Now()
		if err := s.Report(t.Context(), 1, events); err != nil {
			t.Fatal(err)
		}
		return time.Since(begin), l.Written(t)
	}
	took, wrote := step(flow.Event{Kind: flow.TargetChecked}, flow.Event{Kind: flow.Scanned, Files: all})
	t.Logf("%d logs came: %v, %d bytes", logs, took, wrote)
	for what, e := range map[string]flow.Event{
		"a scan that found nothing new": {Kind: flow.Scanned, Files: all},
		"a block":                       {Kind: flow.BlockStored, File: "full.bak", Version: "1", Done: 10},
	} {
		took, wrote = step(e)
		t.Logf("%s: %v, %d bytes", what, took, wrote)
		if wrote > 20*4096 || took > 20*time.Second {
			t.Errorf("%s took %v and wrote %d bytes", what, took, wrote)
		}
	}
	step(flow.Event{Kind: flow.BlockStored, File: "full.bak", Version: "1", Done: 25}, flow.Event{Kind: flow.FileSealed, File: "full.bak", Version: "1"})
	for i := range logs {
		name := fmt.Sprintf("log%d.bak", i)
		if i == logs-1 {
			took, wrote = step(flow.Event{Kind: flow.BlockStored, File: name, Version: "1", Done: 25})
			t.Logf("the last block: %v, %d bytes", took, wrote)
		}
		if i < 20 || i == logs-1 {
			step(flow.Event{Kind: flow.BlockStored, File: name, Version: "1", Done: 25}, flow.Event{Kind: flow.FileSealed, File: name, Version: "1"})
		}
	}
	took, wrote = step(flow.Event{Kind: flow.RestoreSeen, Attempt: 1, Restore: flow.Restore{Restored: ids[:21]}})
	t.Logf("20 logs restored: %v, %d bytes", took, wrote)
	begin := time.Now()
	if _, err := l.Status(t.Context(), "move", true); err != nil {
		t.Fatal(err)
	}
	t.Logf("status: %v", time.Since(begin))
}

// FuzzDecode: whatever stands in the file is a migration or an error.
func FuzzDecode(f *testing.F) {
	f.Add(`{"options":{"database":"db1","block":10,"parallel":2},"state":"INITIAL","cutover":{}}`)
	f.Add(`{"options":{"block":1,"parallel":1},"state":"CUTOVER_IN_PROGRESS","chain":["x"],"cutover":{"known":-5}}`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ledger.Decode(s)
		if err != nil {
			return
		}
		m.Outstanding()
		m.Waits()
		m.Gates()
		if _, err := m.Clone().Step(flow.Event{Kind: flow.Scanned, Files: []flow.Seen{backup(flow.Full, "full", 1, 2)}}); err != nil {
			t.Error(err)
		}
	})
}
