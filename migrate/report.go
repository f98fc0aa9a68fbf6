package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"linkspan/internal/fsx"
	"linkspan/migrate/depot"
	"linkspan/migrate/engine"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
	"linkspan/migrate/servers"
)

// comparisonFile holds the comparison until the report is written, and stays beside it.
const comparisonFile = "comparison.json"

// reportFormat is the version of Report's JSON form.
const reportFormat = 1

// Report is what is written of a migration that is done: report.json for programs, report.txt for people. LSNs are in
// decimal, as RESTORE HEADERONLY shows them.
type Report struct {
	Format      int       `json:"format"`
	Activity    string    `json:"activity"`
	Database    string    `json:"database"`
	TargetName  string    `json:"targetName"`
	Source      string    `json:"source"`
	Target      string    `json:"target"`
	Created     time.Time `json:"created"`
	PausedAt    time.Time `json:"pausedAt"`
	OpenedAt    time.Time `json:"openedAt"`
	ReportedAt  time.Time `json:"reportedAt"`
	PauseMillis int64     `json:"pauseMilliseconds"`
	// TailTaken tells that the tail-log backup was ours; otherwise the user brought it.
	TailTaken bool      `json:"tailTaken"`
	FinalLSN  string    `json:"finalLSN"`
	Backups   []Backup  `json:"backups"`
	Compared  Compared  `json:"compared"`
	Logins    []Outcome `json:"logins"`
	// Orphans are users of the database that no login of the target fits; NotMoved are objects that were left behind.
	Orphans  []string `json:"orphans,omitempty"`
	NotMoved []string `json:"notMoved,omitempty"`
}

// Backup is one backup that was restored.
type Backup struct {
	File     string    `json:"file"`
	Kind     flow.Kind `json:"kind"`
	First    string    `json:"firstLSN"`
	Last     string    `json:"lastLSN"`
	Size     int64     `json:"size"`
	Finished time.Time `json:"finished,omitzero"`
}

// Outcome is how a login ended.
type Outcome struct {
	Name   string          `json:"name"`
	State  flow.LoginState `json:"state"`
	Detail string          `json:"detail,omitempty"`
}

// Compared is the comparison of both sides at the final LSN.
type Compared struct {
	At time.Time `json:"at"`
	servers.Comparison
}

// reportFolder is where the files of a database's report are.
func (p *parts) reportFolder(l *lane) string {
	return filepath.Join(p.reports, depot.Folder(p.spec.Name), depot.Folder(l.spec.Name))
}

// compareSides compares every table, and keeps the result for the report: a restart must not lose it.
func (p *parts) compareSides(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	target, err := p.destination(ctx)
	if err != nil {
		return nil, err
	}
	c, err := servers.Compare(ctx, p.source, l.spec.Name, target, l.spec.Target)
	if err != nil {
		return nil, err
	}
	if err := p.keep(l, comparisonFile, Compared{p.clock.Now().UTC(), c}); err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.Compared, Equal: c.Equal(), Text: c.String()}, o), nil
}

func (p *parts) writeReport(ctx context.Context, l *lane, o engine.Order) ([]flow.Event, error) {
	r, err := p.report(ctx, l, o)
	if err != nil {
		return nil, err
	}
	if err := p.keep(l, "report.json", r); err != nil {
		return nil, err
	}
	if err := p.put(l, "report.txt", []byte(r.Text())); err != nil {
		return nil, err
	}
	return one(flow.Event{Kind: flow.ReportWritten, Text: filepath.Join(p.reportFolder(l), "report.txt")}, o), nil
}

func (p *parts) report(ctx context.Context, l *lane, o engine.Order) (Report, error) {
	m := o.Migration
	s, err := p.settled(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{Format: reportFormat, Activity: p.spec.Name, Database: l.spec.Name, TargetName: l.spec.Target, Source: s.Source, Target: s.Target, Created: s.Created,
		PausedAt: m.Cutover.PausedAt, OpenedAt: m.Cutover.OpenedAt, ReportedAt: p.clock.Now().UTC(), PauseMillis: m.Pause().Milliseconds(), TailTaken: m.Cutover.TakeTail,
		Backups: restored(m), Orphans: m.Orphans}
	if n := len(r.Backups); n > 0 {
		r.FinalLSN = r.Backups[n-1].Last
	}
	for _, lg := range s.Logins {
		r.Logins = append(r.Logins, Outcome{lg.Name, lg.State, lg.Detail})
	}
	if r.Compared, err = p.compared(l); err != nil {
		return r, &flow.Hindrance{At: flow.AtReport, What: "the comparison cannot be read", Err: err, Fix: "put the file back"}
	}
	r.NotMoved, err = p.source.NotMoved(ctx)
	return r, err
}

// loginsWithin is how long a report waits for the logins, when the last database was opened a moment ago: they are done soon
// after.
const loginsWithin = 5 * time.Second

// settled is the activity's status once nothing is done with its logins any more, as long as only this database was waited
// for; logins of an activity whose other databases are still on their way stay as they are for weeks.
func (p *parts) settled(ctx context.Context) (ledger.Status, error) {
	for end := p.clock.Now().Add(loginsWithin); ; {
		s, err := p.status(ctx)
		if err != nil || !p.clock.Now().Before(end) || !underWay(s) {
			return s, err
		}
		tick, stop := p.clock.After(100 * time.Millisecond)
		select {
		case <-tick:
		case <-ctx.Done():
			err = ctx.Err()
		}
		stop()
		if err != nil {
			return s, err
		}
	}
}

// underWay tells whether logins will be done in a moment: no database is waited for any more.
func underWay(s ledger.Status) bool {
	for _, d := range s.Databases {
		if d.State != flow.CutoverCompleted && d.State != flow.Completed && d.State != flow.Cancelled && d.State != flow.Failed {
			return false
		}
	}
	for _, l := range s.Logins {
		if l.State == flow.LoginNone || l.State == flow.LoginInProgress {
			return true
		}
	}
	return false
}

// compared reads what compareSides kept.
func (p *parts) compared(l *lane) (c Compared, err error) {
	f, err := p.fs.Open(filepath.Join(p.reportFolder(l), comparisonFile))
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size() // as large as it was written: a bound below that would keep the report from ever being written
	if err != nil {
		return c, err
	}
	return c, json.NewDecoder(io.NewSectionReader(f, 0, size)).Decode(&c)
}

// restored lists the backups that reached the target, in the order of restoring.
func restored(m *flow.Migration) []Backup {
	var out []Backup
	for _, id := range m.Chain {
		for _, s := range m.Sets {
			if s.ID != id {
				continue
			}
			for _, f := range m.Files {
				if f.Set == id && f.State == flow.FileRestored {
					out = append(out, Backup{f.Name, s.Kind, s.First.Decimal(), s.Last.Decimal(), f.Size, s.Finished})
				}
			}
		}
	}
	return out
}

// Text is the report for people.
func (r Report) Text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "Migration of %s\n\n", r.Database)
	line("activity", "%s, created %s", r.Activity, r.Created.Format(time.RFC3339))
	line("from", "%s, database %s", r.Source, r.Database)
	line("to", "%s, database %s", r.Target, r.TargetName)
	line("source closed", "%s", r.PausedAt.Format(time.RFC3339Nano))
	line("target open", "%s", r.OpenedAt.Format(time.RFC3339Nano))
	line("pause", "%.3f s", float64(r.PauseMillis)/1000)
	line("final LSN", "%s", r.FinalLSN)
	line("tail-log backup", "%s", map[bool]string{true: "taken by Linkspan WITH NORECOVERY: the source is closed and stays so", false: "brought by the user"}[r.TailTaken])
	fmt.Fprintf(&b, "\nBackups restored (%d)\n", len(r.Backups))
	for _, f := range r.Backups {
		fmt.Fprintf(&b, "  %-12s %s to %s  %s\n", f.Kind, f.First, f.Last, f.File)
	}
	fmt.Fprintf(&b, "\nBoth sides compared at %s: %s\n", r.Compared.At.Format(time.RFC3339), r.Compared.String())
	for _, t := range r.Compared.Tables {
		fmt.Fprintf(&b, "  %-40s %12d rows  %s\n", t.Name, t.Source.Rows, t.Source.Digest)
	}
	fmt.Fprintf(&b, "\nLogins (%d)\n", len(r.Logins))
	for _, l := range r.Logins {
		fmt.Fprintf(&b, "  %-32s %-12s %s\n", l.Name, l.State, l.Detail)
	}
	list(&b, "Users without a login on the target", r.Orphans)
	list(&b, "Not moved", r.NotMoved)
	return b.String()
}

func list(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s (%d)\n", title, len(items))
	for _, i := range items {
		fmt.Fprintf(b, "  %s\n", i)
	}
}

// keep writes a value as JSON.
func (p *parts) keep(l *lane, name string, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	return p.put(l, name, b.Bytes())
}

// put writes a file of the report so that a crash leaves all of it or nothing.
func (p *parts) put(l *lane, name string, data []byte) error {
	if err := writeWhole(p.fs, p.reportFolder(l), name, data); err != nil {
		return &flow.Hindrance{At: flow.AtReport, What: "the report cannot be written", Err: err, Fix: "make room or give the folder back to the service's user; it is tried again"}
	}
	return nil
}

// writeWhole writes a file beside its name and renames it, each synced.
func writeWhole(fs fsx.FS, folder, name string, data []byte) error {
	if err := fs.MkdirAll(folder); err != nil {
		return err
	}
	part := filepath.Join(folder, name+".part")
	f, err := fs.Create(part)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(part, filepath.Join(folder, name)); err != nil {
		return err
	}
	return fs.SyncDir(folder)
}
