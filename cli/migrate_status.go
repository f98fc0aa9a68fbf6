package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"linkspan/internal/clock"
	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

func newMigrateStatusCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	var watch, files bool
	var databases []string
	c := &cobra.Command{
		Use:   "status [ACTIVITY]",
		Short: "Show an activity's databases and logins: where each stands, and what it waits for",
		Long: `Show an activity: of each database its state, pending changes (backups that are here and not restored yet), what was
copied, what it waits for with what to do, and the gates of the cutover; of each login its state. ACTIVITY may be left
out when there is only one. The exit code is 1 when a database has failed. --watch goes on until every database has
ended or you interrupt it: on a terminal the page is drawn again, elsewhere what changed is printed.`,
		Args: atMostActivity,
		RunE: func(c *cobra.Command, args []string) error {
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			activity, err := whichActivity(c, m, args)
			if err != nil {
				return err
			}
			show := func() (ledger.Status, error) {
				st, err := m.Status(c.Context(), activity, files)
				if err != nil {
					return st, migrateError(err)
				}
				return keepDatabases(st, databases)
			}
			if watch {
				return watchStatus(c, f, show)
			}
			st, err := show()
			if err != nil {
				return err
			}
			if err := printMigration(c.OutOrStdout(), st, clock.System.Now(), f.asJSON); err != nil {
				return err
			}
			return failedDatabases(st)
		},
	}
	f.register(c)
	c.Flags().BoolVar(&watch, "watch", false, "go on looking")
	c.Flags().BoolVar(&files, "files", false, "list the backup files too")
	c.Flags().StringArrayVar(&databases, "database", nil, "show only this `database`; may be given more than once")
	return c
}

func atMostActivity(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError(errors.New("it takes one argument, the activity's name (in quotes when it has spaces); see \"" + c.CommandPath() + " --help\""))
	}
	return nil
}

// whichActivity is the activity that was named, or the only one that there is.
func whichActivity(c *cobra.Command, m migrator, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	all, err := m.List(c.Context())
	switch {
	case err != nil:
		return "", err
	case len(all) == 1:
		return all[0].Activity, nil
	case len(all) == 0:
		return "", usageError(errors.New("there is no activity in this state folder: begin one with \"linkspan migrate start SPEC\""))
	}
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = `"` + a.Activity + `"`
	}
	return "", usageError(fmt.Errorf("there are %d activities, name one: %s", len(all), strings.Join(names, ", ")))
}

// keepDatabases takes the other databases out; none named keeps all.
func keepDatabases(st ledger.Status, names []string) (ledger.Status, error) {
	if len(names) == 0 {
		return st, nil
	}
	var kept []ledger.Database
	for _, n := range names {
		i := slices.IndexFunc(st.Databases, func(d ledger.Database) bool { return strings.EqualFold(d.Name, n) })
		if i < 0 {
			return st, usageError(&migrate.UnknownError{What: "database of this activity called", Name: n})
		}
		kept = append(kept, st.Databases[i])
	}
	st.Databases = kept
	return st, nil
}

// failedDatabases is an error that names those that have failed.
func failedDatabases(st ledger.Status) error {
	var names []string
	for _, d := range st.Databases {
		if d.State == flow.Failed {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("failed: %s; mend the cause, then run \"linkspan migrate retry\"", strings.Join(names, ", "))
}

func printMigration(w io.Writer, st ledger.Status, now time.Time, asJSON bool) error {
	if asJSON {
		return printLine(w, st)
	}
	p := &page{w: w}
	p.text("Activity  ", st.Activity+", started "+moment(st.Created))
	p.text("Source    ", st.Source)
	p.text("Share     ", st.Share)
	p.text("Storage   ", st.Storage)
	p.text("Target    ", st.Target)
	if st.Running {
		p.printf("Engine    running\n")
	} else if !ended(st) {
		p.text("Engine    ", "not running: nothing happens until \"linkspan migrate start\" or \"linkspan serve\" works on this state folder")
	}
	p.printf("\nDatabases (%s)\n", countStates(st.Databases))
	width := 4
	for _, d := range st.Databases {
		width = widest(width, 30, shownName(d))
	}
	p.printf("  %s  %-21s  %7s  %-22s  %s\n", column("NAME", width), "STATE", "PENDING", "COPIED", "LAST RESTORED")
	for _, d := range st.Databases {
		printDatabase(p, d, width, now)
	}
	printLogins(p, st.Logins)
	return p.err
}

func shownName(d ledger.Database) string {
	if d.TargetName != "" && d.TargetName != d.Name {
		return d.Name + " → " + d.TargetName
	}
	return d.Name
}

func countStates(all []ledger.Database) string {
	counts := map[flow.State]int{}
	for _, d := range all {
		counts[d.State]++
	}
	return countsText(counts)
}

func countsText[K ~string](counts map[K]int) string {
	var out []string
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		if counts[s] > 0 {
			out = append(out, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

func printDatabase(p *page, d ledger.Database, width int, now time.Time) {
	copied := "-"
	if d.TotalBytes > 0 {
		copied = bytesText(d.CopiedBytes) + " of " + bytesText(d.TotalBytes)
	}
	last := dash("")
	if !d.LastBackup.IsZero() {
		last = "backup of " + ago(now, d.LastBackup)
	}
	p.printf("  %s  %-21s  %7d  %-22s  %s\n", column(shownName(d), width), d.State, d.PendingChanges, copied, last)
	const under = "      "
	if d.Detail != "" {
		p.text(under, d.Detail)
	}
	if d.Reason != "" && d.Reason != d.Detail {
		p.text(under+"reason: ", d.Reason)
	}
	if d.LastRestored != "" {
		p.text(under+"last restored: ", d.LastRestored+reached(d))
	}
	for _, w := range d.Waits {
		p.text(under+"waits: ", w.Text)
		if w.Fix != "" {
			p.text(under+"  → ", w.Fix)
		}
	}
	if !slices.Contains(endedStates, d.State) {
		printGates(p, under, d)
	}
	printCutover(p, under, d)
	for _, f := range d.FileList {
		printFile(p, under, f)
	}
}

// reached says up to where the last file goes, when that is known.
func reached(d ledger.Database) string {
	if at := fmt.Sprint(d.LastLSN); strings.Trim(at, "0:") != "" {
		return ", up to LSN " + at
	}
	return ""
}

// printGates shows what a cutover needs: to be started, and once it runs, to be confirmed.
func printGates(p *page, under string, d ledger.Database) {
	var hold []string
	for _, g := range d.Gates {
		if g.Lacks == "" {
			hold = append(hold, g.Name)
		}
	}
	if len(hold) > 0 {
		p.text(under+"gates that hold: ", strings.Join(hold, ", "))
	}
	for _, g := range d.Gates {
		if g.Lacks != "" && (g.Start || d.State == flow.CutoverInProgress) {
			p.text(under+"gate "+g.Name+" lacks: ", g.Lacks)
		}
	}
}

func printCutover(p *page, under string, d ledger.Database) {
	switch c := d.Cutover; {
	case c != nil && c.PauseSeconds > 0:
		p.text(under+"pause: ", secondsText(c.PauseSeconds)+", from the closing of the source to the opening of the target")
	case d.CanConfirm:
		p.text(under+"cutover: ", "every gate holds; confirm it with \"linkspan migrate cutover … --confirm\"")
	case d.CutoverReady:
		text := "may be started"
		if d.PredictedPauseSeconds > 0 {
			text += "; a pause of about " + secondsText(d.PredictedPauseSeconds) + " is expected"
		}
		p.text(under+"cutover: ", text)
	}
	if c := d.Cutover; c != nil && d.State == flow.CutoverInProgress && !c.PausedAt.IsZero() {
		text := map[bool]string{true: "the source is closed", false: "it counts"}[c.TakeTail] + " since " + c.PausedAt.Format(time.DateTime)
		if c.MaxPause > 0 {
			text += "; it is given up at " + c.PausedAt.Add(c.MaxPause).Format(time.DateTime) + ", by the engine"
		}
		p.text(under+"pause: ", text)
	}
	if d.Report != "" {
		p.text(under+"report: ", d.Report)
	}
}

func printFile(p *page, under string, f ledger.File) {
	kind := string(f.Kind)
	if f.Stripes > 1 {
		kind += fmt.Sprintf(" ×%d", f.Stripes)
	}
	p.text(fmt.Sprintf("%s  %-9s  %-12s  %9s  ", under, f.State, dash(kind), bytesText(f.Size)), f.Name)
	if f.Reason != "" {
		p.text(under+"    ", f.Reason)
	}
}

func printLogins(p *page, all []ledger.Login) {
	if len(all) == 0 {
		return
	}
	counts := map[flow.LoginState]int{}
	width := 4
	for _, l := range all {
		counts[l.State]++
		width = widest(width, 30, l.Name)
	}
	p.printf("\nLogins (%s)\n  %s  %-10s  %s\n", countsText(counts), column("NAME", width), "STATE", "STAGE")
	for _, l := range all {
		p.printf("  %s  %-10s  %s\n", column(l.Name, width), l.State, l.Stage)
		if l.Detail != "" {
			p.text("      ", l.Detail)
		}
	}
}
