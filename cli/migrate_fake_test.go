package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// began is when every made-up thing began: the time at which the clock of synctest begins.
var began = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// fakeService is a service of migrations whose state tests write. On a look at the status the next of looks is applied.
type fakeService struct {
	mu       sync.Mutex
	plan     migrate.Plan
	started  error
	status   ledger.Status
	timeline []ledger.Entry
	audit    []ledger.AuditEntry
	list     []ledger.Summary
	looks    []func(*fakeService)
	engage   error
	refuse   error
	asked    []string
	spec     migrate.SpecSource
	closed   bool
}

func (f *fakeService) Plan(_ context.Context, s migrate.SpecSource) (migrate.Plan, error) {
	f.spec = s
	if _, err := migrate.Parse(s.Text); err != nil {
		return migrate.Plan{}, err
	}
	return f.plan, nil
}

func (f *fakeService) Start(_ context.Context, s migrate.SpecSource, who migrate.Who) (string, error) {
	f.spec = s
	if f.started != nil {
		return "", f.started
	}
	f.note("start by %s", who.From)
	return f.status.Activity, nil
}

func (f *fakeService) note(format string, args ...any) {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

func (f *fakeService) Engage(context.Context) error { f.note("engage"); return f.engage }
func (f *fakeService) Close() error                 { f.closed = true; return nil }

func (f *fakeService) Cutover(_ context.Context, a string, dbs []string, o migrate.CutoverOptions, _ migrate.Who) error {
	tail := "as the spec says"
	if o.UserTail != nil {
		tail = fmt.Sprint(*o.UserTail)
	}
	f.note("cutover %s %v apply=%v userTail=%s maxPause=%s", a, dbs, o.Apply, tail, o.MaxPause)
	return f.refuse
}

func (f *fakeService) Confirm(_ context.Context, a string, dbs []string, last string, _ migrate.Who) error {
	f.note("confirm %s %v %q", a, dbs, last)
	return f.refuse
}

func (f *fakeService) GiveUp(_ context.Context, a string, dbs []string, _ migrate.Who) error {
	f.note("give up %s %v", a, dbs)
	return f.refuse
}

func (f *fakeService) Cancel(_ context.Context, a string, dbs []string, _ migrate.Who) error {
	f.note("cancel %s %v", a, dbs)
	return f.refuse
}

func (f *fakeService) Retry(_ context.Context, a string, dbs []string, _ migrate.Who) error {
	f.note("retry %s %v", a, dbs)
	return f.refuse
}

func (f *fakeService) AcceptNoChecksum(_ context.Context, a string, dbs []string, _ migrate.Who) error {
	f.note("accept %s %v", a, dbs)
	return f.refuse
}

func (f *fakeService) List(context.Context) ([]ledger.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list, nil
}

func (f *fakeService) Status(ctx context.Context, a string, _ bool) (ledger.Status, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Status{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if a != f.status.Activity {
		return ledger.Status{}, &migrate.UnknownError{What: "activity", Name: a}
	}
	st := f.status
	st.Databases = append([]ledger.Database(nil), st.Databases...)
	if len(f.looks) > 0 {
		f.looks[0](f)
		f.looks = f.looks[1:]
	}
	return st, nil
}

func (f *fakeService) Timeline(_ context.Context, _, _ string, after int64, limit int) ([]ledger.Entry, error) {
	var out []ledger.Entry
	for _, e := range f.timeline {
		if e.Number > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (f *fakeService) Audit(_ context.Context, after int64, limit int) ([]ledger.AuditEntry, error) {
	var out []ledger.AuditEntry
	for _, e := range f.audit {
		if e.Number > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// happens adds a line to the timeline.
func (f *fakeService) happens(at time.Time, database, kind, text string) {
	f.timeline = append(f.timeline, ledger.Entry{Number: int64(len(f.timeline) + 1), At: at, Database: database, Kind: kind, Text: text})
}

// migrateRun is one run of a command.
type migrateRun struct {
	code     int
	out, err string
}

// run runs a migrate command on the fake. answers is what a person at a terminal types; nil means that nobody is there.
func (f *fakeService) run(t *testing.T, ctx context.Context, answers *string, args ...string) migrateRun {
	t.Helper()
	env := &migrateEnv{
		open: func(_ context.Context, o migrate.Options) (migrator, error) {
			if o.State != "/state" {
				return nil, errors.New("state folder " + o.State)
			}
			return f, nil
		},
		getenv:   func(name string) string { return map[string]string{"LINKSPAN_STATE": "/state"}[name] },
		terminal: func(stream any) bool { _, in := stream.(io.Reader); return answers != nil && in },
	}
	root := newRootCommand(env)
	in := ""
	if answers != nil {
		in = *answers
	}
	var out, errOut bytes.Buffer
	root.SetArgs(append([]string{"migrate"}, args...))
	root.SetIn(onlyReader{strings.NewReader(in)})
	root.SetOut(onlyWriter{&out})
	root.SetErr(&errOut)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(&errOut, "linkspan:", err)
	}
	return migrateRun{exitCode(err), out.String(), errOut.String()}
}

type onlyReader struct{ io.Reader }

type onlyWriter struct{ io.Writer }

// moved is an activity in the middle of its life: one database follows, one waits, one failed.
func moved() ledger.Status {
	return ledger.Status{
		Activity: "move sales", Created: began, Source: `sql1.example.com\SALES`, Share: `\\files.example.com\backups`,
		Storage: "https://acct.blob.core.windows.net/migration", Target: "managed instance sqlmi1", Running: true,
		Databases: []ledger.Database{
			{Name: "sales", TargetName: "sales", State: flow.LogsUploading, Detail: "log backups are restored as they come", PendingChanges: 2,
				CopiedBytes: 1 << 30, TotalBytes: 5 << 28, LastRestored: "sales_0412.trn", LastBackup: began.Add(-3 * time.Minute),
				Gates: []ledger.Gate{{Name: "chain-complete", Start: true}, {Name: "logins-present", Start: true}, {Name: "source-open", Start: true},
					{Name: "all-restored", Lacks: "2 pending changes"}, {Name: "tail-restored", Lacks: "the tail-log backup has not been taken"}},
				CutoverReady: true, PredictedPauseSeconds: 3.2},
			{Name: "stock", TargetName: "stock_new", State: flow.LogsUploading, Detail: "a log backup is missing", CopiedBytes: 700, TotalBytes: 900,
				Waits: []ledger.Wait{{ID: "gap", Text: "the log from LSN 37000000012800001 to LSN 37000000014400001 is in no file of the share, so that sales_0413.trn cannot be restored",
					Fix: "put the log backup that was taken between 09:12 and 09:15 on the share; it is taken up by itself"}},
				Gates: []ledger.Gate{{Name: "chain-complete", Start: true, Lacks: "the log from LSN 37000000012800001 to LSN 37000000014400001 is missing"}}},
			{Name: "archive", TargetName: "archive", State: flow.Failed, Reason: "the target has a database of this name"},
		},
		Logins: []ledger.Login{
			{Name: "app", State: flow.LoginCompleted, Stage: flow.LoginDone},
			{Name: `CORP\anna`, Windows: true, State: flow.LoginSkipped, Stage: flow.Initialize,
				Detail: "a Windows login is not copied: on a managed instance make it with CREATE LOGIN … FROM EXTERNAL PROVIDER, or from Windows with federated users"},
			{Name: "report", State: flow.LoginInProgress, Stage: flow.EstablishUserMapping},
		},
	}
}
