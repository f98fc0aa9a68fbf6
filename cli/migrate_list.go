package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"linkspan/migrate/ledger"
)

func newMigrateListCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the activities of a state folder",
		Args:  nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			all, err := m.List(c.Context())
			if err != nil {
				return err
			}
			return printActivities(c.OutOrStdout(), all, f.asJSON)
		},
	}
	f.register(c)
	return c
}

func printActivities(w io.Writer, all []ledger.Summary, asJSON bool) error {
	if asJSON {
		if all == nil {
			all = []ledger.Summary{}
		}
		return printLine(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ACTIVITY\tSTARTED\tENGINE\tDATABASES")
	for _, a := range all {
		engine := "-"
		if a.Running {
			engine = "running"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", a.Activity, moment(a.Created), engine, countsText(a.States))
	}
	return t.Flush()
}

func newMigrateTimelineCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	var databases []string
	var follow bool
	c := &cobra.Command{
		Use:   "timeline [ACTIVITY]",
		Short: "Print what happened in an activity, oldest first",
		Args:  atMostActivity,
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
			w := &follower{m: m, activity: activity, databases: databases, w: c.OutOrStdout(), asJSON: f.asJSON}
			if !follow {
				return migrateError(w.news(c.Context()))
			}
			if _, err = w.until(c.Context(), ended); errors.Is(err, context.Canceled) {
				return nil // the user has seen enough
			}
			return migrateError(err)
		},
	}
	f.register(c)
	c.Flags().StringArrayVar(&databases, "database", nil, "only this `database`; may be given more than once")
	c.Flags().BoolVar(&follow, "follow", false, "go on as it grows")
	return c
}

func newMigrateAuditCommand(env *migrateEnv) *cobra.Command {
	f := &migrateFlags{env: env}
	var after int64
	c := &cobra.Command{
		Use:   "audit",
		Short: "Print who changed what, and from where, oldest first",
		Args:  nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			m, done, err := f.open(c)
			if err != nil {
				return err
			}
			defer done()
			for {
				all, err := m.Audit(c.Context(), after, newsPage)
				if err != nil {
					return err
				}
				for _, e := range all {
					after = e.Number
					if err := printAudit(c.OutOrStdout(), e, f.asJSON); err != nil {
						return err
					}
				}
				if len(all) < newsPage {
					return nil
				}
			}
		},
	}
	f.register(c)
	c.Flags().Int64Var(&after, "after", 0, "begin behind this `number`")
	return c
}

func printAudit(w io.Writer, e ledger.AuditEntry, asJSON bool) error {
	if asJSON {
		return printLine(w, e)
	}
	about := strings.TrimSuffix(e.Activity+" / "+e.Database, " / ")
	text := strings.TrimSuffix(e.Action+" "+about, " ")
	if e.Text != "" {
		text += ": " + e.Text
	}
	p := &page{w: w}
	p.text(fmt.Sprintf("%6d  %s  %s  ", e.Number, moment(e.At), column(e.By, 24)), text)
	return p.err
}
