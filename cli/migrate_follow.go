package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"linkspan/internal/clock"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// lookEvery is how often a command that follows a migration looks.
const lookEvery = time.Second

// newsPage is how many lines of a timeline are read at once.
const newsPage = 500

// endedStates are those in which a database's migration stays until somebody asks for something.
var endedStates = []flow.State{flow.Completed, flow.Cancelled, flow.Failed}

// givesBack reports whether a source that was closed is being opened again.
func givesBack(d ledger.Database) bool {
	return slices.ContainsFunc(d.Gates, func(g ledger.Gate) bool { return g.Name == "source-open" && g.Lacks != "" })
}

// ended reports whether nothing of an activity goes on by itself.
func ended(st ledger.Status) bool { return databasesEnded(st) && len(unfinished(st)) == 0 }

func databasesEnded(st ledger.Status) bool {
	return !slices.ContainsFunc(st.Databases, func(d ledger.Database) bool { return !slices.Contains(endedStates, d.State) || givesBack(d) })
}

// unfinished are the logins that go on after their databases. Where no database is open on the target they wait for one that
// may never come, and nobody waits for them.
func unfinished(st ledger.Status) []string {
	if !slices.ContainsFunc(st.Databases, func(d ledger.Database) bool { return d.State == flow.Completed }) {
		return nil
	}
	var out []string
	for _, l := range st.Logins {
		if l.State == flow.LoginNone || l.State == flow.LoginInProgress {
			out = append(out, l.Name)
		}
	}
	return out
}

// follower prints an activity's timeline as it grows.
type follower struct {
	m        migrator
	activity string
	// databases are those to be followed; none means all.
	databases []string
	w         io.Writer
	asJSON    bool
	// since keeps what happened before from being printed.
	since time.Time
	after int64
	// copied are the bytes of each database that were in storage when they were last looked at, at looked.
	copied map[string]int64
	looked time.Time
	// told: it was said that logins are waited for.
	told bool
	// orphaned is called while nobody works on the state folder; nil where that is somebody else's matter.
	orphaned func(context.Context) error
}

// progressEvery is how often a copy that goes on is told of: a large backup takes hours.
const progressEvery = 30 * time.Second

// newsLine is a line of --json.
type newsLine struct {
	Timeline *ledger.Entry  `json:"timeline,omitempty"`
	Status   *ledger.Status `json:"status,omitempty"`
}

// news prints what was added to the timeline.
func (f *follower) news(ctx context.Context) error {
	for {
		entries, err := f.m.Timeline(ctx, f.activity, "", f.after, newsPage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			f.after = e.Number
			if e.At.Before(f.since) || !f.follows(e.Database) {
				continue
			}
			if err := printEntry(f.w, e, f.asJSON); err != nil {
				return err
			}
		}
		if len(entries) < newsPage {
			return nil
		}
	}
}

func (f *follower) follows(database string) bool {
	return database == "" || len(f.databases) == 0 || slices.ContainsFunc(f.databases, func(d string) bool { return strings.EqualFold(d, database) })
}

// until follows until stop says so.
func (f *follower) until(ctx context.Context, stop func(ledger.Status) bool) (ledger.Status, error) {
	for {
		st, err := f.m.Status(ctx, f.activity, false)
		if err == nil {
			st, err = keepDatabases(st, f.databases)
		}
		if err == nil {
			err = f.news(ctx) // after the status: what led to it is printed before the command ends
		}
		if err == nil {
			err = f.progress(st, clock.System.Now())
		}
		if err != nil {
			return st, err
		}
		if stop(st) {
			return st, nil
		}
		if !st.Running && f.orphaned != nil {
			if err := f.orphaned(ctx); err != nil {
				return st, err
			}
		}
		if waits := unfinished(st); databasesEnded(st) && len(waits) > 0 && !f.told && !f.asJSON {
			f.told = true
			p := &page{w: f.w}
			if p.text("", "Every database has ended; these logins are not done yet: "+strings.Join(waits, ", ")); p.err != nil {
				return st, p.err
			}
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return st, err
		}
	}
}

// progress tells how far copies are that went on since it was last told.
func (f *follower) progress(st ledger.Status, now time.Time) error {
	passed := now.Sub(f.looked)
	if f.asJSON || !f.looked.IsZero() && passed < progressEvery {
		return nil
	}
	p := &page{w: f.w}
	before := f.copied
	f.copied, f.looked = map[string]int64{}, now
	for _, d := range st.Databases {
		f.copied[d.Name] = d.CopiedBytes
		was, known := before[d.Name]
		if n := d.CopiedBytes - was; known && n > 0 && d.CopiedBytes < d.TotalBytes {
			p.text(moment(now)+"  "+column(d.Name, 12)+"  ", fmt.Sprintf("%s of %s copied, %s per second", bytesText(d.CopiedBytes), bytesText(d.TotalBytes), bytesText(int64(float64(n)/passed.Seconds()))))
		}
	}
	return p.err
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	passed, stop := clock.System.After(d)
	defer stop()
	select {
	case <-passed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func printEntry(w io.Writer, e ledger.Entry, asJSON bool) error {
	if asJSON {
		return printLine(w, newsLine{Timeline: &e})
	}
	about := e.Database
	if e.Login != "" {
		about = "login " + e.Login
	}
	text := e.Text
	if text == "" {
		text = e.Kind
	}
	if e.By != "" {
		text += " (asked by " + e.By + ")"
	}
	p := &page{w: w}
	p.text(moment(e.At)+"  "+column(about, 12)+"  ", text)
	return p.err
}

// verdict prints how an activity ended, and is an error unless everything was done.
func verdict(w io.Writer, st ledger.Status, asJSON bool) error {
	if asJSON {
		if err := printLine(w, newsLine{Status: &st}); err != nil {
			return err
		}
	}
	var failed, cancelled []string
	p := &page{w: w}
	for _, d := range st.Databases {
		text := string(d.State)
		switch d.State {
		case flow.Failed:
			failed = append(failed, d.Name)
			text += ": " + d.Reason
		case flow.Cancelled:
			cancelled = append(cancelled, d.Name)
		case flow.Completed:
			if d.Cutover != nil && d.Cutover.PauseSeconds > 0 {
				text += ": the pause was " + secondsText(d.Cutover.PauseSeconds)
			}
			if d.Report != "" {
				text += "; report " + d.Report
			}
		}
		if !asJSON {
			p.text(d.Name+"  ", text)
		}
	}
	switch {
	case p.err != nil:
		return p.err
	case len(failed) > 0:
		return failedDatabases(st)
	case len(cancelled) > 0:
		return fmt.Errorf("cancelled: %s", strings.Join(cancelled, ", "))
	}
	return nil
}

// interrupted is what a command that was interrupted ends with; err otherwise.
func interrupted(ctx context.Context, err error, next string) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &exitError{ExitCancelled, errors.New("interrupted; nothing is lost: " + next)}
}

// watchStatus shows a status until everything has ended or the user has seen enough.
func watchStatus(c *cobra.Command, f *migrateFlags, show func() (ledger.Status, error)) error {
	live := f.env.terminal(c.OutOrStdout()) && !f.asJSON
	shown := map[string]string{}
	for {
		st, err := show()
		if err != nil {
			if c.Context().Err() != nil {
				return nil
			}
			return err
		}
		now := clock.System.Now()
		if live {
			var b bytes.Buffer
			b.WriteString("\x1b[H\x1b[2J")
			err = printMigration(&b, st, now, false)
			_, werr := c.OutOrStdout().Write(b.Bytes())
			err = errors.Join(err, werr)
		} else {
			err = printChanges(c.OutOrStdout(), st, now, shown, f.asJSON)
		}
		if err != nil {
			return err
		}
		if ended(st) {
			return failedDatabases(st)
		}
		if sleep(c.Context(), watchEvery) != nil {
			return nil // the user has seen enough
		}
	}
}

// printChanges prints the databases and logins that do not stand as they were shown last.
func printChanges(w io.Writer, st ledger.Status, now time.Time, shown map[string]string, asJSON bool) error {
	if asJSON {
		var b bytes.Buffer
		if err := printLine(&b, st); err != nil || shown[""] == b.String() {
			return err
		}
		shown[""] = b.String()
		_, err := w.Write(b.Bytes())
		return err
	}
	p := &page{w: w}
	stamp := moment(now) + "  "
	for _, d := range st.Databases {
		line := fmt.Sprintf("%s, %d pending", d.State, d.PendingChanges)
		if d.TotalBytes > 0 {
			line += fmt.Sprintf(", %s of %s copied", bytesText(d.CopiedBytes), bytesText(d.TotalBytes))
		}
		if d.Detail != "" {
			line += "; " + d.Detail
		}
		for _, w := range d.Waits {
			line += "; waits: " + w.Text
		}
		if key := "d" + d.Name; shown[key] != line {
			shown[key] = line
			p.text(stamp+column(d.Name, 12)+"  ", line)
		}
	}
	for _, l := range st.Logins {
		line := strings.TrimSuffix(fmt.Sprintf("%s at %s: %s", l.State, l.Stage, l.Detail), ": ")
		if key := "l" + l.Name; shown[key] != line {
			shown[key] = line
			p.text(stamp+column("login "+l.Name, 12)+"  ", line)
		}
	}
	return p.err
}
