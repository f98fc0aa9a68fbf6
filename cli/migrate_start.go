package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"linkspan/internal/clock"
	"linkspan/migrate"
)

func newMigrateStartCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	var follow, detach bool
	c := &cobra.Command{
		Use:   "start SPEC",
		Short: "Begin a migration, and work on it until every database has ended",
		Long: `Plan, record the activity, and work: copy, restore, follow, and carry out what other commands ask. Prints the timeline
as it happens. It may run for weeks; interrupted (exit code 4), the same command goes on where it was. When another
process works on the state folder ("linkspan serve", or another "start"), the activity is recorded for that one and the
command returns; --follow stays and prints. --detach records it and returns in any case. An activity of the same name with another spec is refused (exit code 3).
SPEC is a YAML file (docs/migrate.md), or - for standard input.`,
		Args: exactly(1, "the spec"),
		RunE: func(c *cobra.Command, args []string) error {
			spec, err := readSpec(c, args[0])
			if err != nil {
				return err
			}
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			return f.start(c, m, spec, follow, detach)
		},
	}
	f.register(c)
	c.Flags().BoolVar(&detach, "detach", false, "record it, and leave the work to another process")
	c.Flags().BoolVar(&follow, "follow", false, "print the timeline although another process does the work")
	return c
}

func (f *migrateFlags) start(c *cobra.Command, m migrator, spec migrate.SpecSource, follow, detach bool) error {
	ctx, out := c.Context(), c.OutOrStdout()
	const again = "run the same command again, and it goes on"
	since := clock.System.Now()
	activity, err := m.Start(ctx, spec, console())
	if err != nil {
		return interrupted(ctx, f.notStarted(out, err), again)
	}
	others := detach
	if !detach {
		if others, err = f.engage(ctx, m); err != nil {
			return interrupted(ctx, err, again)
		}
	}
	if !f.asJSON {
		fmt.Fprintf(c.ErrOrStderr(), "activity %q is recorded in %s\n", activity, f.state)
		switch {
		case detach:
			fmt.Fprintln(c.ErrOrStderr(), "it is worked on by \"linkspan serve\", or by this command without --detach")
		case others:
			fmt.Fprintln(c.ErrOrStderr(), "another process works on this state folder, and takes it up")
		}
	}
	w := &follower{m: m, activity: activity, w: out, asJSON: f.asJSON, since: since}
	if others && !follow {
		st, err := m.Status(ctx, activity, false)
		if err != nil {
			return err
		}
		if f.asJSON {
			return printLine(out, newsLine{Status: &st})
		}
		return printMigration(out, st, clock.System.Now(), false)
	}
	st, err := w.until(ctx, ended)
	if err != nil {
		return interrupted(ctx, err, again)
	}
	return verdict(out, st, f.asJSON)
}

// engage begins to work in this process; others tells that another one does already.
func (f *migrateFlags) engage(ctx context.Context, m migrator) (others bool, err error) {
	err = m.Engage(ctx)
	if errors.Is(err, migrate.ErrRunning) {
		return true, nil
	}
	return false, err
}

// notStarted shows why nothing was started.
func (f *migrateFlags) notStarted(w io.Writer, err error) error {
	var (
		blocked   *migrate.BlockedError
		different *migrate.DifferentError
		perr      error
	)
	switch {
	case errors.As(err, &blocked):
		perr = printSummary(w, &blocked.Plan, f.asJSON)
	case errors.As(err, &different) && !f.asJSON:
		p := &page{w: w}
		p.text("", "Activity "+different.Activity+" has another spec (- what is stored, + what was given):")
		for _, l := range different.Lines {
			p.printf("  %s\n", l)
		}
		perr = p.err
	}
	if perr != nil {
		return perr
	}
	return migrateError(err)
}
