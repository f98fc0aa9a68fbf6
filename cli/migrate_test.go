package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares text with a file, and with the width of a page.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
	for line := range strings.Lines(got) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
			t.Errorf("%s: a line has %d columns: %s", name, n, line)
		}
	}
}

const goodSpec = `
name: move sales
source: {server: 10.0.0.4, user: sa}
share: {path: /srv/backups}
storage: {folder: /srv/storage}
target: {instance: /subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/managedInstances/mi, endpoint: "https://localhost:8443"}
databases: [{name: sales}]
`

func specFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func samplePlan() migrate.Plan {
	return migrate.Plan{
		Activity: "move sales", Source: `sql1.example.com\SALES, SQL Server 2019`, Share: `\\files.example.com\backups`,
		Storage: "https://acct.blob.core.windows.net/migration", Target: "managed instance sqlmi1",
		Databases: []migrate.PlannedDatabase{
			{Name: "sales", TargetName: "sales", SizeBytes: 42 << 30, Recovery: "FULL", Folder: `\\files.example.com\backups\sales`, Full: "sales_full_0401.bak", Files: 318,
				Chain: "it reaches from 2026-04-01 01:00 to 2026-04-12 09:15 without a gap"},
			{Name: "stock", TargetName: "stock_new", SizeBytes: 900 << 20, Recovery: "FULL", Folder: `\\files.example.com\backups\stock`},
		},
		Logins: []migrate.PlannedLogin{{Name: "app", Action: "is made on the target with its SID and password"},
			{Name: `CORP\anna`, Windows: true, Action: "is left: a Windows login is not copied; on a managed instance make it with CREATE LOGIN … FROM EXTERNAL PROVIDER"}},
		Settings: []migrate.Setting{{Name: "logins", Value: "needed"}, {Name: "maxPause", Value: "5m0s"}, {Name: "tail-log backup", Value: "taken by BACKUP LOG … WITH NORECOVERY"}},
		NotMoved: []string{"job nightly backup", "linked server WAREHOUSE"},
		Findings: []migrate.Finding{{ID: "trust-server-certificate", At: "source", Text: "the source's certificate is not checked: a man in the middle can read the password and the data; do not rely on it in production or over the internet",
			Fix: "give the authority of its certificate as source.ca"}},
	}
}

func TestMigratePlan(t *testing.T) {
	t.Parallel()
	spec := specFile(t, goodSpec)
	f := &fakeService{plan: samplePlan()}
	r := f.run(t, t.Context(), nil, "plan", spec)
	if r.code != 0 || !f.closed || f.spec.Base != filepath.Dir(spec) {
		t.Errorf("%+v, base %s", r, f.spec.Base)
	}
	golden(t, "migrate_plan.txt", r.out)

	f.plan.Findings = append(f.plan.Findings, migrate.Finding{ID: "target-name-taken", At: "sales", Text: "the managed instance has a database sales", Fix: "give it another targetName, or drop that one", Blocks: true})
	r = f.run(t, t.Context(), nil, "plan", spec)
	if r.code != ExitRefused {
		t.Errorf("blocked: %+v", r)
	}
	golden(t, "migrate_plan_blocked.txt", r.out)

	r = f.run(t, t.Context(), nil, "plan", "--json", spec)
	var back migrate.Plan
	if err := json.Unmarshal([]byte(r.out), &back); err != nil || r.code != ExitRefused || cmp.Diff(f.plan, back) != "" {
		t.Errorf("json: %v %+v", err, r)
	}
}

// Every problem of a wrong spec is told at once, with exit code 2.
func TestMigrateWrongSpec(t *testing.T) {
	t.Parallel()
	r := new(fakeService).run(t, t.Context(), nil, "plan", specFile(t, "name: a\nsorce: {}\ndatabases: [{name: master}]\n"))
	if r.code != ExitUsage {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"sorce", "source.server", "share.path", "master"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("no word of %s in %s", want, r.err)
		}
	}
}

func TestMigrateUsage(t *testing.T) {
	t.Parallel()
	spec := specFile(t, goodSpec)
	for name, args := range map[string][]string{
		"no spec":                  {"plan"},
		"no such command":          {"stert"},
		"list of something":        {"list", "x"},
		"two specs":                {"start", spec, spec},
		"no such file":             {"plan", spec + "x"},
		"unknown flag":             {"status", "--nonsense"},
		"two activities":           {"status", "a", "b"},
		"unknown activity":         {"status", "nobody"},
		"unknown database":         {"status", "move sales", "--database", "nobody"},
		"cutover without a person": {"cutover", "move sales"},
		"cancel without a person":  {"cancel", "move sales"},
		"confirm and give up":      {"cutover", "move sales", "--yes", "--confirm", "--give-up"},
		"confirm with apply":       {"cutover", "move sales", "--yes", "--confirm", "--apply"},
		"last file alone":          {"cutover", "move sales", "--yes", "--last-file", "x"},
		"negative pause":           {"cutover", "move sales", "--yes", "--max-pause", "-1s"},
	} {
		f := &fakeService{status: moved()}
		if r := f.run(t, t.Context(), nil, args...); r.code != ExitUsage || r.err == "" || len(f.asked) > 0 {
			t.Errorf("%s: %+v, asked %v", name, r, f.asked)
		}
	}
}

func TestMigrateStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeService{status: moved(), list: []ledger.Summary{{Activity: "move sales", Created: began, Running: true,
			States: map[flow.State]int{flow.LogsUploading: 2, flow.Failed: 1}}}}
		r := f.run(t, t.Context(), nil, "status")
		if r.code != ExitFailed || !strings.Contains(r.err, "failed: archive") {
			t.Errorf("%+v", r)
		}
		golden(t, "migrate_status.txt", r.out)

		if r = f.run(t, t.Context(), nil, "status", "--json", "--database", "SALES", "move sales"); r.code != 0 || strings.Contains(r.out, "stock") || !strings.Contains(r.out, `"pendingChanges":2`) {
			t.Errorf("one database: %+v", r)
		}
		r = f.run(t, t.Context(), nil, "list")
		golden(t, "migrate_list.txt", r.out)

		done := moved()
		done.Running = false
		done.Databases = []ledger.Database{{Name: "sales", TargetName: "sales", State: flow.Completed, Detail: "done", CopiedBytes: 1 << 30, TotalBytes: 1 << 30,
			Cutover: &ledger.Cutover{Number: 1, PauseSeconds: 2.25}, Report: "/state/reports/move sales.sales.json",
			FileList: []ledger.File{{Name: "sales_full.bak", Kind: flow.Full, State: flow.FileRestored, Size: 1 << 30, Stripes: 2},
				{Name: "notes.txt", State: flow.FileIgnored, Size: 12, Reason: "it is no backup"}}}}
		done.Logins = done.Logins[:1]
		f.status = done
		golden(t, "migrate_status_done.txt", f.run(t, t.Context(), nil, "status", "--files").out)
	})
}

// Without a terminal, watching prints what changed, and ends when everything has.
func TestMigrateWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeService{status: moved()}
		f.status.Databases, f.status.Logins = f.status.Databases[:1], f.status.Logins[:1]
		db := &f.status.Databases[0]
		f.looks = []func(*fakeService){
			func(*fakeService) {},
			func(*fakeService) { db.PendingChanges = 0 },
			func(*fakeService) { db.State, db.Detail = flow.Completed, "done" },
		}
		golden(t, "migrate_watch.txt", f.run(t, t.Context(), nil, "status", "--watch", "move sales").out)
	})
}

// start prints the timeline as it happens and ends with how each database ended.
func TestMigrateStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeService{status: moved()}
		f.status.Databases, f.status.Logins = f.status.Databases[:1], f.status.Logins[2:]
		db := &f.status.Databases[0]
		f.happens(began.Add(-time.Hour), "sales", "State", "this happened before")
		f.happens(began, "sales", "State", "INITIAL → FULL_BACKUP_UPLOADING: the full backup sales_full_0401.bak was found on the share and is being copied to storage")
		f.looks = []func(*fakeService){
			func(f *fakeService) { f.happens(began.Add(time.Second), "sales", "CutoverStart", "the cutover begins") },
			func(*fakeService) {
				db.State, db.Cutover, db.Report = flow.Completed, &ledger.Cutover{Number: 1, PauseSeconds: 2.25}, "/state/reports/sales.json"
			},
			func(*fakeService) {},
			func(f *fakeService) { // the login is finished behind the database
				f.status.Logins = []ledger.Login{{Name: "report", State: flow.LoginCompleted, Stage: flow.LoginDone}}
			},
		}
		r := f.run(t, t.Context(), nil, "start", specFile(t, goodSpec))
		if r.code != 0 || len(f.looks) > 0 || strings.Join(f.asked, ", ") != "start by console, engage" {
			t.Errorf("%+v, asked %v", r, f.asked)
		}
		golden(t, "migrate_start.txt", r.err+r.out)
	})
}

// A copy that takes long is told of now and then.
func TestMigrateStartTellsProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeService{status: moved()}
		f.status.Databases, f.status.Logins = f.status.Databases[:1], nil
		db := &f.status.Databases[0]
		db.State, db.CopiedBytes, db.TotalBytes = flow.FullUploading, 0, 100<<30
		for range 70 {
			f.looks = append(f.looks, func(*fakeService) { db.CopiedBytes += 100 << 20 })
		}
		f.looks = append(f.looks, func(*fakeService) { db.State = flow.Cancelled })
		r := f.run(t, t.Context(), nil, "start", specFile(t, goodSpec))
		if n := strings.Count(r.out, "copied, 100.0 MiB per second"); n != 2 || !strings.Contains(r.out, "2.9 GiB of 100.0 GiB copied") {
			t.Errorf("told %d times: %+v", n, r)
		}
	})
}

func TestMigrateStartRefused(t *testing.T) {
	t.Parallel()
	spec := specFile(t, goodSpec)
	blocked := samplePlan()
	blocked.Findings[0].Blocks = true
	r := (&fakeService{started: &migrate.BlockedError{Plan: blocked}}).run(t, t.Context(), nil, "start", spec)
	if r.code != ExitRefused || !strings.Contains(r.out, "Stands in the way (1)") {
		t.Errorf("blocked: %+v", r)
	}
	f := &fakeService{started: &migrate.DifferentError{Activity: "move sales", Lines: []string{"- maxPause: 5m", "+ maxPause: 1m"}}}
	if r = f.run(t, t.Context(), nil, "start", spec); r.code != ExitRefused || !strings.Contains(r.out, "+ maxPause: 1m") || len(f.asked) > 0 {
		t.Errorf("different: %+v, asked %v", r, f.asked)
	}
}

// Beside another engine the activity is recorded, and the command returns; interrupted, it says how to go on.
func TestMigrateStartBesideAndInterrupted(t *testing.T) {
	t.Parallel()
	spec := specFile(t, goodSpec)
	f := &fakeService{status: moved(), engage: migrate.ErrRunning}
	if r := f.run(t, t.Context(), nil, "start", spec); r.code != 0 || !strings.Contains(r.err, "another process works") || !strings.Contains(r.out, "LOG_FILES_UPLOADING") {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f = &fakeService{status: moved(), looks: []func(*fakeService){func(*fakeService) { cancel() }}}
	if r := f.run(t, ctx, nil, "start", spec); r.code != ExitCancelled || !strings.Contains(r.err, "run the same command again") || !f.closed {
		t.Errorf("interrupted: %+v", r)
	}
}

// cutoverReady is an activity whose one database can be cut over.
func cutoverReady() *fakeService {
	f := &fakeService{status: moved()}
	f.status.Databases, f.status.Logins = f.status.Databases[:1], nil
	f.status.Databases[0].PendingChanges = 0
	return f
}

func TestMigrateCutover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := cutoverReady()
		db := &f.status.Databases[0]
		f.looks = []func(*fakeService){
			func(f *fakeService) {
				db.State = flow.CutoverInProgress
				f.happens(began, "sales", "TailTaken", "the tail-log backup is on the share; the source is closed")
			},
			func(*fakeService) { db.CanConfirm = true },
			func(f *fakeService) { // what Confirm leads to
				db.State, db.CanConfirm, db.Cutover, db.Report = flow.Completed, false, &ledger.Cutover{Number: 1, PauseSeconds: 2.25}, "/state/reports/sales.json"
			},
		}
		yes := "y\nyes\n"
		r := f.run(t, t.Context(), &yes, "cutover", "move sales", "--max-pause", "90s", "--user-tail=false")
		if got := strings.Join(f.asked, "; "); r.code != 0 || got != "cutover move sales [] apply=false userTail=false maxPause=1m30s; engage; confirm move sales [sales] \"\"" {
			t.Errorf("%+v, asked %s", r, got)
		}
		golden(t, "migrate_cutover.txt", strings.ReplaceAll(r.err, "[y/N] ", "[y/N]\n")+r.out)
	})
}

// Nobody is asked with --yes: with --apply it goes to the end, without it waits for --confirm.
func TestMigrateCutoverUnattended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := cutoverReady()
		db := &f.status.Databases[0]
		f.looks = []func(*fakeService){
			func(*fakeService) { db.State = flow.CutoverInProgress },
			func(*fakeService) { db.State = flow.CutoverInitiated },
			func(*fakeService) {
				db.State, db.Cutover = flow.Completed, &ledger.Cutover{Number: 1, PauseSeconds: 2.25}
			},
		}
		if r := f.run(t, t.Context(), nil, "cutover", "move sales", "--yes", "--apply"); r.code != 0 || !strings.Contains(r.out, "the pause was 2.2 s") {
			t.Errorf("apply: %+v", r)
		}
		for _, others := range []bool{true, false} { // beside another process it leaves; else it stays, to give the source back in time
			f = cutoverReady()
			db = &f.status.Databases[0]
			f.looks = []func(*fakeService){func(*fakeService) { db.State, db.CanConfirm = flow.CutoverInProgress, true }}
			want := 0
			if f.engage = migrate.ErrRunning; !others {
				f.engage, want = nil, ExitFailed
				f.looks = append(f.looks, func(*fakeService) {}, func(*fakeService) {
					db.State, db.CanConfirm = flow.LogsUploading, false
					db.Gates[2].Lacks = "the source is being opened again"
				}, func(*fakeService) { db.Gates[2].Lacks = "" })
			}
			r := f.run(t, t.Context(), nil, "cutover", "move sales", "--yes")
			if r.code != want || strings.Count(r.out, "--confirm") != 1 || strings.Contains(strings.Join(f.asked, ""), "confirm") || len(f.looks) > 0 {
				t.Errorf("no apply, others %v: %+v, asked %v, looks left %d", others, r, f.asked, len(f.looks))
			}
		}
		f = cutoverReady()
		db = &f.status.Databases[0]
		f.looks = []func(*fakeService){
			func(*fakeService) { db.State = flow.CutoverInProgress },
			func(*fakeService) { db.State = flow.LogsUploading },
		}
		if r := f.run(t, t.Context(), nil, "cutover", "move sales", "--yes", "--apply"); r.code != ExitFailed || !strings.Contains(r.err, "given up") {
			t.Errorf("given up: %+v", r)
		}
	})
}

// A person who does not confirm where nobody else works has the source given back.
func TestMigrateCutoverDeclined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := cutoverReady()
		db := &f.status.Databases[0]
		f.looks = []func(*fakeService){
			func(*fakeService) { db.State, db.CanConfirm = flow.CutoverInProgress, true },
			func(*fakeService) { db.State, db.CanConfirm = flow.LogsUploading, false },
		}
		answers := "y\nn\n"
		r := f.run(t, t.Context(), &answers, "cutover", "move sales")
		if asked := strings.Join(f.asked, "; "); r.code != ExitFailed || !strings.HasSuffix(asked, "engage; give up move sales [sales]") {
			t.Errorf("%+v, asked %s", r, asked)
		}
	})
}

// --when-ready waits for the activity and for its gates, but not for ever, and not for what has failed.
func TestMigrateCutoverWhenReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := cutoverReady()
		db := &f.status.Databases[0]
		db.State, db.CutoverReady, db.Gates[0].Lacks = flow.FullUploaded, false, "no full backup"
		f.looks = []func(*fakeService){
			func(*fakeService) {},
			func(*fakeService) { db.State, db.CutoverReady, db.Gates[0].Lacks = flow.LogsUploading, true, "" },
			func(*fakeService) {},
			func(*fakeService) { db.State = flow.Completed },
		}
		f.list = nil
		time.AfterFunc(time.Minute, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.list = []ledger.Summary{{Activity: "move sales"}}
		})
		if r := f.run(t, t.Context(), nil, "cutover", "--yes", "--apply", "--when-ready"); r.code != 0 || !strings.HasPrefix(strings.Join(f.asked, "; "), "cutover move sales") {
			t.Errorf("%+v, asked %v", r, f.asked)
		}
		f = cutoverReady()
		f.list = []ledger.Summary{{Activity: "move sales"}}
		f.status.Databases[0].CutoverReady, f.status.Databases[0].Gates[0].Lacks = false, "no full backup"
		before := time.Now()
		if r := f.run(t, t.Context(), nil, "cutover", "--yes", "--when-ready=1h"); r.code != ExitRefused || !strings.Contains(r.err, "no full backup") || time.Since(before) < time.Hour {
			t.Errorf("too long: %+v", r)
		}
		f.status.Databases[0].State = flow.Failed
		before = time.Now()
		if r := f.run(t, t.Context(), nil, "cutover", "--yes", "--when-ready=1h"); r.code != ExitRefused || time.Since(before) > time.Minute {
			t.Errorf("failed: %+v after %s", r, time.Since(before))
		}
	})
}

func TestMigrateCutoverRefused(t *testing.T) {
	t.Parallel()
	f := &fakeService{status: moved()}
	r := f.run(t, t.Context(), nil, "cutover", "move sales", "--yes", "--database", "stock", "--database", "archive")
	if r.code != ExitRefused || len(f.asked) > 0 {
		t.Errorf("%+v, asked %v", r, f.asked)
	}
	golden(t, "migrate_cutover_refused.txt", r.err)
	no := "n\n"
	f = cutoverReady()
	if r := f.run(t, t.Context(), &no, "cutover", "move sales"); r.code != ExitRefused || len(f.asked) > 0 {
		t.Errorf("no: %+v, asked %v", r, f.asked)
	}
	f = cutoverReady()
	f.refuse = &migrate.Refusals{Asked: "Confirm", Refused: []migrate.Refused{{Database: "sales", Lacks: "2 pending changes"}}}
	if r := f.run(t, t.Context(), nil, "cutover", "move sales", "--yes", "--confirm"); r.code != ExitRefused || !strings.Contains(r.err, "2 pending changes") {
		t.Errorf("confirm: %+v", r)
	}
}

func TestMigrateAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, x := range []struct {
			args []string
			want string
		}{
			{[]string{"retry", "move sales"}, "retry move sales []"},
			{[]string{"retry", "move sales", "--database", "stock"}, "retry move sales [stock]"},
			{[]string{"accept-no-checksum", "move sales"}, "accept move sales []"},
			{[]string{"cancel", "move sales", "--yes", "--wait=false"}, "cancel move sales []"},
			{[]string{"cancel", "move sales", "--yes", "--database", "stock"}, "cancel move sales [stock], engage"},
			{[]string{"cutover", "move sales", "--give-up", "--database", "sales"}, "give up move sales [sales], engage"},
		} {
			f := &fakeService{status: moved()}
			if r := f.run(t, t.Context(), nil, x.args...); r.code != 0 || strings.Join(f.asked, ", ") != x.want {
				t.Errorf("%v: %+v, asked %v", x.args, r, f.asked)
			}
		}
		f := cutoverReady()
		if r := f.run(t, t.Context(), nil, "retry", "move sales"); r.code != ExitRefused {
			t.Errorf("nothing failed: %+v", r)
		}
		f.refuse = errors.New("the disk is full")
		if r := f.run(t, t.Context(), nil, "accept-no-checksum", "move sales"); r.code != ExitFailed {
			t.Errorf("failed: %+v", r)
		}
	})
}

func TestMigrateTimelineAndAudit(t *testing.T) {
	t.Parallel()
	f := &fakeService{status: moved(), audit: []ledger.AuditEntry{{Number: 1, At: began, By: "anna", Activity: "move sales", Database: "sales", Action: "Cancel", Text: "from 10.0.0.9", Hash: "00"}}}
	f.happens(began, "", "Start", "3 databases")
	f.happens(began, "stock", "State", "INITIAL → FULL_BACKUP_UPLOADING")
	f.timeline[0].By = "anna"
	if r := f.run(t, t.Context(), nil, "timeline", "move sales", "--database", "sales"); r.code != 0 || strings.Contains(r.out, "stock") {
		t.Errorf("%+v", r)
	}
	r := f.run(t, t.Context(), nil, "timeline", "move sales")
	golden(t, "migrate_timeline.txt", r.out+f.run(t, t.Context(), nil, "audit").out)
	if r := f.run(t, t.Context(), nil, "timeline", "move sales", "--json"); strings.Count(r.out, `{"timeline":`) != 2 {
		t.Errorf("json: %+v", r)
	}
}
