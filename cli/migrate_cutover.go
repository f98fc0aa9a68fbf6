package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"linkspan/internal/clock"
	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

// cutoverFlags are those of migrate cutover beside the common ones.
type cutoverFlags struct {
	migrateFlags
	databases                                   []string
	apply, userTail, confirm, giveUp, yes, wait bool
	maxPause                                    time.Duration
	whenReady                                   time.Duration
	lastFile                                    string
}

func newMigrateCutoverCommand(env *migrateEnv) *cobra.Command {
	f := &cutoverFlags{migrateFlags: migrateFlags{env: env}}
	c := &cobra.Command{
		Use:   "cutover [ACTIVITY]",
		Short: "Move the writers: close the source, bring the tail of its log, open the target",
		Long: `Show the gates and the pause that is expected, ask, and start the cutover. Stop the traffic to the source first. The
tail-log backup is taken WITH NORECOVERY, which closes the source, unless --user-tail says that you bring it. When
every gate holds the cutover waits for your confirmation, which is the point of no return; --apply confirms by itself.
It is given up, and the source opened again, when the source was closed for longer than --max-pause. The exit code is
3 when a gate lacks something: then nothing was done; --when-ready waits until no gate of the start does.

--confirm confirms a cutover that waits, --give-up ends one before the point of no return.`,
		Args: atMostActivity,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			if f.whenReady > 0 {
				if err := f.awaitReady(c.Context(), m, args); err != nil {
					return interrupted(c.Context(), err, "nothing was asked yet: run the same command again")
				}
			}
			activity, err := whichActivity(c, m, args)
			if err != nil {
				return err
			}
			return f.run(c, m, activity)
		},
	}
	f.register(c)
	l := c.Flags()
	l.StringArrayVar(&f.databases, "database", nil, "only this `database`; may be given more than once (default: all of the activity)")
	l.BoolVar(&f.apply, "apply", false, "confirm by itself as soon as every gate holds")
	l.BoolVar(&f.userTail, "user-tail", false, "you put the tail-log backup on the share (default: as the spec says)")
	l.DurationVar(&f.maxPause, "max-pause", 0, "give up when the source was closed this long (default: as the spec says)")
	l.DurationVar(&f.whenReady, "when-ready", 0, "wait this long (10m when no time is given) for the activity and its gates, before anything is asked")
	l.Lookup("when-ready").NoOptDefVal = "10m"
	l.BoolVar(&f.yes, "yes", false, "do not ask")
	l.BoolVar(&f.wait, "wait", true, "stay until it is done")
	l.BoolVar(&f.confirm, "confirm", false, "confirm the cutover that waits: the point of no return")
	l.StringVar(&f.lastFile, "last-file", "", "with --confirm: the `name` of the last backup file to restore, when you took the tail")
	l.BoolVar(&f.giveUp, "give-up", false, "end the cutover before the point of no return; the source is opened again")
	return c
}

func (f *cutoverFlags) check(c *cobra.Command) error {
	starts := f.apply || f.maxPause != 0 || f.whenReady != 0 || c.Flags().Changed("user-tail")
	switch {
	case f.confirm && f.giveUp:
		return usageError(errors.New("--confirm and --give-up exclude each other"))
	case (f.confirm || f.giveUp) && starts:
		return usageError(errors.New("--apply, --user-tail, --max-pause and --when-ready belong to the start of a cutover, not to --confirm or --give-up"))
	case f.lastFile != "" && !f.confirm:
		return usageError(errors.New("--last-file belongs to --confirm"))
	case f.maxPause < 0 || f.whenReady < 0:
		return usageError(errors.New("--max-pause and --when-ready must be positive"))
	case !f.yes && !f.giveUp && !f.env.terminal(c.InOrStdin()):
		return usageError(errors.New("nobody can be asked here: say --yes"))
	}
	return nil
}

// newAnswers reads what people answer.
func newAnswers(c *cobra.Command) *bufio.Reader { return bufio.NewReader(c.InOrStdin()) }

// ask asks a question; everything but yes is no.
func (f *cutoverFlags) ask(c *cobra.Command, answers *bufio.Reader, question string) bool {
	if f.yes {
		return true
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s [y/N] ", question)
	line, err := answers.ReadString('\n')
	line = strings.ToLower(strings.TrimSpace(line))
	return (err == nil || line != "") && (line == "y" || line == "yes")
}

func (f *cutoverFlags) run(c *cobra.Command, m migrator, activity string) error {
	ctx := c.Context()
	since := clock.System.Now()
	st, err := m.Status(ctx, activity, false)
	if err == nil {
		st, err = keepDatabases(st, f.databases)
	}
	if err != nil {
		return migrateError(err)
	}
	answers := newAnswers(c)
	switch {
	case f.giveUp:
		err = m.GiveUp(ctx, activity, f.databases, console())
	case f.confirm:
		err = f.confirmed(c, m, st, answers)
	default:
		err = f.begin(c, m, st, answers)
	}
	if err != nil {
		return migrateError(err)
	}
	if !f.wait {
		fmt.Fprintf(c.ErrOrStderr(), "asked; follow it with \"linkspan migrate status --watch\"\n")
		return nil
	}
	w := &follower{m: m, activity: activity, databases: f.databases, w: c.OutOrStdout(), asJSON: f.asJSON, since: since}
	return interrupted(ctx, f.finish(c, w, answers), "the source may be closed: say --confirm or --give-up, or have \"linkspan migrate start\" or \"linkspan serve\" go on")
}

// awaitReady waits until the cutover may be started, or its time is over, or waiting would be in vain: what then lacks is
// told by who asks next.
func (f *cutoverFlags) awaitReady(ctx context.Context, m migrator, args []string) error {
	for until := clock.System.Now().Add(f.whenReady); ; {
		wait, err := f.worthWaiting(ctx, m, args)
		if err != nil || !wait || !clock.System.Now().Before(until) {
			return err
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// worthWaiting reports whether a gate, or the activity itself, lacks and may yet come.
func (f *cutoverFlags) worthWaiting(ctx context.Context, m migrator, args []string) (bool, error) {
	all, err := m.List(ctx)
	if err != nil || len(args) == 0 && len(all) != 1 {
		return len(all) == 0, err
	}
	name := ""
	for _, a := range all {
		if len(args) == 0 || strings.EqualFold(a.Activity, args[0]) {
			name = a.Activity
		}
	}
	if name == "" {
		return true, nil
	}
	st, err := m.Status(ctx, name, false)
	if err == nil {
		st, err = keepDatabases(st, f.databases)
	}
	for _, d := range st.Databases {
		if slices.Contains(endedStates, d.State) || slices.Contains(cutting, d.State) {
			return false, err
		}
	}
	return slices.ContainsFunc(st.Databases, func(d ledger.Database) bool { return !d.CutoverReady }), err
}

// begin lists the gates, asks, and starts the cutover.
func (f *cutoverFlags) begin(c *cobra.Command, m migrator, st ledger.Status, answers *bufio.Reader) error {
	o := migrate.CutoverOptions{Apply: f.apply, MaxPause: f.maxPause}
	if c.Flags().Changed("user-tail") {
		o.UserTail = &f.userTail
	}
	p := &page{w: c.ErrOrStderr()}
	lacking := 0
	for _, d := range st.Databases {
		lacking += printStartGates(p, d)
	}
	if lacking > 0 {
		return refusedError(fmt.Errorf("%s cannot be cut over yet; nothing was done", count(lacking, "database", "databases")))
	}
	p.text("", "Stop all traffic to these databases now. The source is closed for writing by the tail-log backup.")
	if !f.ask(c, answers, "Start the cutover of "+nameList(st.Databases)+"?") {
		return refusedError(errors.New("not confirmed; nothing was done"))
	}
	return m.Cutover(c.Context(), st.Activity, f.databases, o, console())
}

// printStartGates shows what a cutover of one database needs to start; 1 when something lacks.
func printStartGates(p *page, d ledger.Database) int {
	head := d.Name
	if d.PredictedPauseSeconds > 0 {
		head += ": a pause of about " + secondsText(d.PredictedPauseSeconds) + " is expected"
	}
	p.text("", head)
	lacks := 0
	for _, g := range d.Gates {
		switch {
		case g.Lacks == "":
			p.text("  ✓ ", g.Name)
		case g.Start:
			lacks = 1
			p.text("  ✗ ", g.Name+": "+g.Lacks)
		default:
			p.text("  … ", g.Name+": comes with the cutover, before it can be confirmed")
		}
	}
	if lacks == 0 && !d.CutoverReady {
		p.text("  ✗ ", "it is in state "+string(d.State)+": a cutover starts in "+string(flow.LogsUploading))
		lacks = 1
	}
	return lacks
}

// nameList lists the first names, and how many more there are.
func nameList(all []ledger.Database) string {
	const most = 10
	var names []string
	for i, d := range all {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(all)-most))
			break
		}
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

// errNotConfirmed is what is said to a person who does not confirm.
var errNotConfirmed = errors.New("not confirmed; the cutover waits")

// names lists the databases of a status.
func names(st ledger.Status) []string {
	out := make([]string, len(st.Databases))
	for i, d := range st.Databases {
		out[i] = d.Name
	}
	return out
}

// confirmed asks and confirms.
func (f *cutoverFlags) confirmed(c *cobra.Command, m migrator, st ledger.Status, answers *bufio.Reader) error {
	if !f.ask(c, answers, "Confirm the cutover of "+nameList(st.Databases)+"? There is no way back.") {
		return refusedError(errNotConfirmed)
	}
	return m.Confirm(c.Context(), st.Activity, names(st), f.lastFile, console())
}

// cutting are the states of a cutover.
var cutting = []flow.State{flow.CutoverInProgress, flow.CutoverInitiated, flow.CutoverCompleted}

// finish follows a cutover to its end, and asks for the confirmation that it waits for.
func (f *cutoverFlags) finish(c *cobra.Command, w *follower, answers *bufio.Reader) error {
	ctx := c.Context()
	others, err := f.engage(ctx, w.m)
	if err != nil {
		return err
	}
	if !others {
		fmt.Fprintln(c.ErrOrStderr(), "no other process works on this state folder: this command does, until the cutover is done")
	} else {
		w.orphaned = func(ctx context.Context) error { // with the source closed nobody would give it back
			if others, err = f.engage(ctx, w.m); err == nil && !others {
				w.orphaned = nil
				fmt.Fprintln(c.ErrOrStderr(), "the process that worked on this state folder has ended: this command does now, until the cutover is done")
			}
			return err
		}
	}
	asks := !f.apply && f.env.terminal(c.InOrStdin()) && (!f.yes || f.confirm)
	told := f.apply
	for {
		st, err := w.until(ctx, func(st ledger.Status) bool { return !f.going(st) || (asks || !told) && confirmable(st) })
		switch {
		case err != nil:
			return err
		case !f.going(st):
			return f.done(c.OutOrStdout(), st)
		case asks:
			err := f.confirmed(c, w.m, ready(st), answers)
			if errors.Is(err, errNotConfirmed) && !others { // nobody would give the source back in time
				fmt.Fprintln(c.ErrOrStderr(), "not confirmed: it is given up, and the source opened again")
				asks, told, err = false, true, w.m.GiveUp(ctx, w.activity, names(ready(st)), console())
			}
			if err != nil {
				return err
			}
		case others:
			return f.leave(c, st)
		default: // who works here stays: it is this process that gives the source back when the pause is too long
			if err := f.leave(c, st); err != nil {
				return err
			}
			told = true
		}
	}
}

// leave says that the cutover waits for a confirmation that nobody gives here.
func (f *cutoverFlags) leave(c *cobra.Command, st ledger.Status) error {
	if f.asJSON {
		return printLine(c.OutOrStdout(), newsLine{Status: &st})
	}
	p := &page{w: c.OutOrStdout()}
	p.text("", fmt.Sprintf("Every gate holds. The source is closed and waits: confirm with \"linkspan migrate cutover '%s' --confirm\", or give up with --give-up.", st.Activity))
	return p.err
}

// going reports whether a cutover is under way, or logins that are finished behind the last one.
func (f *cutoverFlags) going(st ledger.Status) bool {
	return going(st) || len(f.databases) == 0 && databasesEnded(st) && len(unfinished(st)) > 0
}

// going reports whether any cutover is under way, or a source is being opened again after one.
func going(st ledger.Status) bool {
	return slices.ContainsFunc(st.Databases, func(d ledger.Database) bool { return slices.Contains(cutting, d.State) || givesBack(d) })
}

// confirmable reports whether there is nothing to wait for but a confirmation.
func confirmable(st ledger.Status) bool {
	some := false
	for _, d := range st.Databases {
		if d.State == flow.CutoverInProgress && !d.CanConfirm {
			return false
		}
		some = some || d.CanConfirm
	}
	return some
}

// ready keeps the databases whose cutover can be confirmed.
func ready(st ledger.Status) ledger.Status {
	st.Databases = slices.DeleteFunc(slices.Clone(st.Databases), func(d ledger.Database) bool { return !d.CanConfirm })
	return st
}

// done says how the cutovers ended.
func (f *cutoverFlags) done(w io.Writer, st ledger.Status) error {
	err := verdict(w, st, f.asJSON)
	var back []string
	for _, d := range st.Databases {
		if !slices.Contains(endedStates, d.State) {
			back = append(back, d.Name)
		}
	}
	if err == nil && len(back) > 0 && !f.giveUp {
		return fmt.Errorf("the cutover was given up, and the migration goes on: %s", strings.Join(back, ", "))
	}
	return err
}

// stopFollowing is when a cancelled or given up database needs no more watching.
func stopFollowing(states ...flow.State) func(ledger.Status) bool {
	return func(st ledger.Status) bool {
		return !slices.ContainsFunc(st.Databases, func(d ledger.Database) bool { return slices.Contains(states, d.State) })
	}
}
