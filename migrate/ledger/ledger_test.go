package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"linkspan/internal/clock"
	"linkspan/lsn"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

var begun = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, clk clock.Clock) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), dir, ledger.Options{Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func create(t *testing.T, l *ledger.Ledger, activity string, databases ...string) {
	t.Helper()
	var planned []ledger.Planned
	for _, d := range databases {
		planned = append(planned, ledger.Planned{Target: d + "_new", Options: flow.Options{Database: d, Block: 10, Parallel: 2}})
	}
	if err := l.Create(t.Context(), ledger.Activity{Name: activity, Spec: []byte("name: " + activity), Base: "/specs", Source: "sql1"}, planned, "anna"); err != nil {
		t.Fatal(err)
	}
}

func engage(t *testing.T, l *ledger.Ledger) *ledger.Lease {
	t.Helper()
	s, err := l.Engage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Release(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func backup(kind flow.Kind, id string, first, last uint32) flow.Seen {
	return flow.Seen{Name: id + ".bak", Version: "1", Size: 25, Sets: []flow.Set{{ID: id, Kind: kind, Database: "db1", Fork: "A", Checksum: true,
		First: lsn.LSN{VLF: 1, Block: first, Slot: 1}, Last: lsn.LSN{VLF: 1, Block: last, Slot: 1}, Finished: begun}}}
}

// TestLedgerKeepsWhatSteps: a second ledger on the folder reads the same value, files, sets, chain and steps that the first
// one stored, event by event, and the timeline and the audit tell the story.
func TestLedgerKeepsWhatSteps(t *testing.T) {
	t.Parallel()
	dir, clk := filepath.Join(t.TempDir(), "state"), clock.NewManual(begun)
	a, b := open(t, dir, clk), open(t, dir, clk)
	create(t, a, "Move", "db1")
	if err := b.Create(t.Context(), ledger.Activity{Name: "move"}, nil, "x"); !errors.As(err, new(*ledger.Exists)) {
		t.Errorf("a second activity of the name: %v", err)
	}
	if err := b.Ask(t.Context(), "MOVE", "DB1", flow.Event{Kind: flow.Start}, "anna"); err != nil {
		t.Fatal(err)
	}
	if err := b.Ask(t.Context(), "move", "db1", flow.Event{Kind: flow.Confirm}, "bob"); !errors.As(err, new(*flow.Refusal)) {
		t.Errorf("Confirm in INITIAL: %v", err)
	}
	if err := b.Ask(t.Context(), "move", "db9", flow.Event{Kind: flow.Start}, "bob"); !errors.As(err, new(*ledger.Unknown)) {
		t.Errorf("an unknown database: %v", err)
	}
	s := engage(t, a)
	full, log := backup(flow.Full, "full", 10, 20), backup(flow.Log, "log1", 15, 30)
	for _, e := range []flow.Event{
		{Kind: flow.TargetChecked}, {Kind: flow.Scanned, Files: []flow.Seen{full}}, {Kind: flow.BlockStored, File: "full.bak", Version: "1", Done: 25},
		{Kind: flow.FileSealed, File: "full.bak", Version: "1"}, {Kind: flow.RestoreSeen, Attempt: 1, Restore: flow.Restore{Restored: []string{"full"}}},
		{Kind: flow.Scanned, Files: []flow.Seen{full, log}}, {Kind: flow.Trouble, Where: "storage", Text: "it is down"},
	} {
		clk.Advance(time.Second)
		e.At = clk.Now()
		if err := s.Report(t.Context(), 1, []flow.Event{e}); err != nil {
			t.Fatal(err)
		}
		mine, theirs := look(t, a), look(t, b)
		if diff := cmp.Diff(mine.Migration, theirs.Migration, cmpopts.IgnoreUnexported(flow.Migration{})); diff != "" || mine.Version != theirs.Version {
			t.Fatalf("after %s the other ledger reads (-mine +theirs):\n%s", e.Kind, diff)
		}
	}
	st, err := b.Status(t.Context(), "move", true)
	if err != nil {
		t.Fatal(err)
	}
	d := st.Databases[0]
	if !st.Running || d.State != flow.LogsUploading || d.PendingChanges != 1 || d.LastRestored != "full.bak" || d.LastLSN == "" || len(d.FileList) != 2 || len(d.Waits) != 1 || d.CopiedBytes != 25 || d.TotalBytes != 50 {
		t.Errorf("status: %+v", st)
	}
	checkStory(t, b)
}

func look(t *testing.T, l *ledger.Ledger) *ledger.Snapshot {
	t.Helper()
	s, err := l.Look(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checkStory(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	entries, err := l.Timeline(t.Context(), "move", "db1", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, n := range entries {
		told = append(told, fmt.Sprintf("%s %s", n.Kind, n.Text))
	}
	want := []string{
		"Start Start", "Scanned full.bak came", "State INITIAL → FULL_BACKUP_UPLOADING", "FileSealed full.bak is in storage",
		"State FULL_BACKUP_UPLOADING → FULL_BACKUP_UPLOADED", "RestoreSeen full.bak is restored", "State FULL_BACKUP_UPLOADED → LOG_FILES_UPLOADING",
		"Scanned log1.bak came", "Trouble storage: it is down",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("the timeline (-want +got):\n%s", diff)
	}
	rest, err := l.Timeline(t.Context(), "move", "", entries[0].Number, 2)
	if err != nil || len(rest) != 2 || rest[0].Number != entries[1].Number || rest[0].Database != "db1" {
		t.Errorf("two after the first: %+v %v", rest, err)
	}
	audit, err := l.Audit(t.Context(), 0, 0)
	if err != nil || len(audit) != 3 || audit[1].By != "anna" || audit[2].Text == "done" || audit[2].By != "bob" {
		t.Errorf("audit: %+v %v", audit, err)
	}
	if err := l.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOneEngine: a second engine on the folder is refused, and what one stores that was overtaken is refused too.
func TestOneEngine(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	a, b := open(t, dir, nil), open(t, dir, nil)
	create(t, a, "move", "db1")
	first := engage(t, a)
	if _, err := b.Engage(t.Context()); !errors.Is(err, ledger.ErrRunning) {
		t.Errorf("a second engine: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if second := engage(t, b); second.Generation() != first.Generation()+1 {
		t.Errorf("generations %d, %d", first.Generation(), second.Generation())
	}
	if err := first.Report(t.Context(), 1, []flow.Event{{Kind: flow.TargetChecked}}); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a report of the first: %v", err)
	}
}

// TestStepIsDoneOnce: an effect that was carried out is not due while it is outstanding, and is due again when it begins
// anew, as CheckTarget does after Retry.
func TestStepIsDoneOnce(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "state"), clock.NewManual(begun))
	create(t, l, "move", "db1")
	s := engage(t, l)
	ask := func(k flow.EventKind) {
		t.Helper()
		if err := l.Ask(t.Context(), "move", "db1", flow.Event{Kind: k}, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	due := func() string { return fmt.Sprint(look(t, l).Due(ledger.Sides)) }
	ask(flow.Start)
	for want := 1; want <= 2; want++ {
		if n, ok, err := s.Begin(t.Context(), 1, "CheckTarget/0"); n != want || !ok || err != nil {
			t.Errorf("begun %d times, %v, %v", n, ok, err)
		}
	}
	if err := s.Report(t.Context(), 1, nil, "CheckTarget/0"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Begin(t.Context(), 1, "CheckTarget/0"); ok || err != nil || due() != "[]" {
		t.Errorf("it is begun again: %v %v, due %s", ok, err, due())
	}
	if err := s.Report(t.Context(), 1, []flow.Event{{Kind: flow.TargetChecked, Taken: true, At: begun}}); err != nil {
		t.Fatal(err)
	}
	if ask(flow.Retry); due() != "[CheckTarget]" {
		t.Errorf("after Retry is due: %s", due())
	}
}

// TestFolderIsPrivate: nobody else on the machine can read the ledger.
func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l := open(t, dir, nil)
	create(t, l, "move", "db1")
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, ledger.Name): 0o600, filepath.Join(dir, ledger.Name+"-wal"): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

// TestOpenRefuses: what is no ledger is refused with what to do, and left as it is.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]func(t *testing.T, path string){
		"no database": func(t *testing.T, path string) {
			t.Helper()
			write(t, path, []byte("this is a text, and no database of any kind"))
		},
		"newer": func(t *testing.T, path string) {
			t.Helper()
			execute(t, path, "PRAGMA application_id = 1280527431; PRAGMA user_version = 99")
		},
		"foreign": func(t *testing.T, path string) { t.Helper(); execute(t, path, "CREATE TABLE theirs (x)") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, ledger.Name)
			content(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = ledger.Open(context.Background(), dir, ledger.Options{})
			if err == nil {
				t.Fatal("it was opened")
			}
			t.Log(err)
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}
