package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"linkspan/internal/clock"
	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
)

func newMigrateCancelCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	var databases []string
	var wait, yes bool
	c := &cobra.Command{
		Use:   "cancel [ACTIVITY]",
		Short: "Give databases up: nothing of them stays on the target, and the source is open",
		Long: `Give up all databases of an activity, or those named. The restoring database is deleted on the target, and a source
that our tail-log backup closed is opened again. What was copied stays in storage. After the point of no return of a
cutover it is refused (exit code 3).`,
		Args: atMostActivity,
		RunE: func(c *cobra.Command, args []string) error {
			if !yes && !f.env.terminal(c.InOrStdin()) {
				return usageError(errors.New("nobody can be asked here: say --yes"))
			}
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			activity, err := whichActivity(c, m, args)
			if err != nil {
				return err
			}
			asker := &cutoverFlags{migrateFlags: *f, yes: yes, databases: databases}
			return asker.cancel(c, m, activity, wait)
		},
	}
	f.register(c)
	c.Flags().StringArrayVar(&databases, "database", nil, "only this `database`; may be given more than once (default: all of the activity)")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&wait, "wait", true, "stay until what was begun is taken back")
	return c
}

func (f *cutoverFlags) cancel(c *cobra.Command, m migrator, activity string, wait bool) error {
	ctx := c.Context()
	st, err := m.Status(ctx, activity, false)
	if err == nil {
		st, err = keepDatabases(st, f.databases)
	}
	if err != nil {
		return migrateError(err)
	}
	since := clock.System.Now()
	if !f.ask(c, newAnswers(c), "Cancel the migration of "+nameList(st.Databases)+"?") {
		return refusedError(errors.New("not confirmed; nothing was done"))
	}
	if err := m.Cancel(ctx, activity, f.databases, console()); err != nil {
		return migrateError(err)
	}
	if !wait {
		fmt.Fprintf(c.ErrOrStderr(), "asked; follow it with \"linkspan migrate status --watch\"\n")
		return nil
	}
	const next = "what was begun is taken back while \"linkspan migrate start\" or \"linkspan serve\" works; run the same command again to see it through"
	if _, err := f.engage(ctx, m); err != nil {
		return interrupted(ctx, err, next)
	}
	w := &follower{m: m, activity: activity, databases: f.databases, w: c.OutOrStdout(), asJSON: f.asJSON, since: since}
	if st, err = w.until(ctx, stopFollowing(flow.Cancelling)); err != nil {
		return interrupted(ctx, err, next)
	}
	if f.asJSON {
		return printLine(c.OutOrStdout(), newsLine{Status: &st})
	}
	p := &page{w: c.OutOrStdout()}
	for _, d := range st.Databases {
		p.text(d.Name+"  ", string(d.State))
	}
	return p.err
}

// asking makes a command that asks one thing of an activity's databases.
func asking(env *migrateEnv, use, short, long, said string, ask func(context.Context, migrator, string, []string) error) *cobra.Command {
	f := &migrateFlags{env: env}
	var databases []string
	c := &cobra.Command{
		Use: use + " [ACTIVITY]", Short: short, Long: long, Args: atMostActivity,
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
			if err := ask(c.Context(), m, activity, databases); err != nil {
				return migrateError(err)
			}
			st, err := m.Status(c.Context(), activity, false)
			if err == nil {
				st, err = keepDatabases(st, databases)
			}
			if err != nil {
				return migrateError(err)
			}
			if f.asJSON {
				return printLine(c.OutOrStdout(), st)
			}
			p := &page{w: c.OutOrStdout()}
			for _, d := range st.Databases {
				p.text(d.Name+"  ", string(d.State)+": "+said)
			}
			if !st.Running {
				p.text("", "No process works on this state folder: it goes on with \"linkspan migrate start\" or \"linkspan serve\".")
			}
			return p.err
		},
	}
	f.register(c)
	c.Flags().StringArrayVar(&databases, "database", nil, "only this `database`; may be given more than once (default: all of the activity)")
	return c
}

func newMigrateRetryCommand(env *migrateEnv) *cobra.Command {
	return asking(env, "retry", "Go on with databases that have failed, after their cause was mended",
		`Go on with databases of an activity that have failed, where they failed; without --database with all that have, and
with the logins.`, "asked to go on",
		func(ctx context.Context, m migrator, activity string, databases []string) error {
			if len(databases) == 0 {
				st, err := m.Status(ctx, activity, false)
				if err != nil {
					return err
				}
				failed := slices.ContainsFunc(st.Databases, func(d ledger.Database) bool { return d.State == flow.Failed }) ||
					slices.ContainsFunc(st.Logins, func(l ledger.Login) bool { return l.State == flow.LoginFailed })
				if !failed {
					return &migrate.Refusals{Asked: "Retry", Refused: []migrate.Refused{{Database: "the activity " + activity, Lacks: "nothing has failed"}}}
				}
			}
			return m.Retry(ctx, activity, databases, console())
		})
}

func newMigrateAcceptCommand(env *migrateEnv) *cobra.Command {
	return asking(env, "accept-no-checksum", "Take backups that were made without CHECKSUM",
		`Take backups made without CHECKSUM from here on: nobody finds damage in them before it is read. Better take new
backups WITH CHECKSUM.`, "backups without CHECKSUM are taken",
		func(ctx context.Context, m migrator, activity string, databases []string) error {
			return m.AcceptNoChecksum(ctx, activity, databases, console())
		})
}
