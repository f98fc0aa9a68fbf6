package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"linkspan/link"
)

// linkRun is what create and delete print with --json.
type linkRun struct {
	Links []linkReport `json:"links"`
	Error string       `json:"error,omitempty"`
}

// linkReport says what was done about one link.
type linkReport struct {
	Link  string       `json:"link"`
	Steps []stepReport `json:"steps"`
}

// stepReport says how one step ended.
type stepReport struct {
	Step    string  `json:"step"`
	Outcome string  `json:"outcome"`
	Seen    string  `json:"seen,omitempty"`
	Seconds float64 `json:"seconds"`
}

// linkWatcher prints events as they come and keeps how steps ended.
type linkWatcher struct {
	w   io.Writer
	run linkRun
}

func (l *linkWatcher) event(e link.Event) {
	switch e.Kind {
	case link.Looking:
		return
	case link.Acting:
		fmt.Fprintf(l.w, "%-12s %-18s %s\n", e.Link, e.Step, indent(e.Text))
		return
	case link.Waiting:
		fmt.Fprintf(l.w, "%-12s %-18s waiting: %s\n", e.Link, e.Step, e.Text)
		return
	}
	fmt.Fprintf(l.w, "%-12s %-18s %-8s %6.1fs  %s\n", e.Link, e.Step, e.Kind, e.Elapsed.Seconds(), e.Text)
	if n := len(l.run.Links); n == 0 || l.run.Links[n-1].Link != e.Link {
		l.run.Links = append(l.run.Links, linkReport{Link: e.Link})
	}
	r := &l.run.Links[len(l.run.Links)-1]
	r.Steps = append(r.Steps, stepReport{e.Step, string(e.Kind), e.Text, e.Elapsed.Round(time.Millisecond).Seconds()})
}

// shown is how much of a statement progress shows; plan shows all of it.
const shown = 240

func indent(s string) string {
	if len(s) > shown {
		s = strings.ToValidUTF8(s[:shown], "") + " …"
	}
	return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", 32))
}

// linkAction makes a command that changes links.
func linkAction(f *linkFlags, do func(context.Context, *link.Session) error, said string) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		w := &linkWatcher{w: c.ErrOrStderr(), run: linkRun{Links: []linkReport{}}}
		ctx, s, done, err := f.open(c, link.Options{Events: w.event})
		if err != nil {
			return err
		}
		defer done()
		err = do(ctx, s)
		if err != nil {
			w.run.Error = err.Error()
		}
		if f.asJSON {
			if perr := printLine(c.OutOrStdout(), w.run); err == nil {
				err = perr
			}
		} else if err == nil {
			for _, l := range w.run.Links {
				fmt.Fprintf(c.OutOrStdout(), "link %s %s\n", l.Link, said)
			}
		}
		return linkError(err)
	}
}

func newLinkCreateCommand() *cobra.Command {
	f := new(linkFlags)
	c := &cobra.Command{
		Use:     "create",
		Aliases: []string{"apply"},
		Short:   "Make links, or finish making them, and wait until the copies keep up",
		Long: `Make each link of the spec: trust in both directions, endpoint, log chain, availability groups, the link itself;
then wait until the copy is seeded, online and healthy. Every step looks first and does nothing when its effect is
there already: after an interruption, run the same command again.`,
		Args: cobra.NoArgs,
		RunE: linkAction(f, func(ctx context.Context, s *link.Session) error { return s.CreateAll(ctx) }, "is online and keeps up"),
	}
	f.register(c)
	return c
}

func newLinkDeleteCommand() *cobra.Command {
	f := new(linkFlags)
	c := &cobra.Command{
		Use:   "delete",
		Short: "End links; the copies become independent, writable databases",
		Args:  cobra.NoArgs,
		RunE:  linkAction(f, func(ctx context.Context, s *link.Session) error { return s.DeleteAll(ctx) }, "is gone"),
	}
	f.register(c)
	c.Flags().BoolVar(&f.one.DropGroup, "drop-group", false, "drop the availability group too; the database stays")
	return c
}

func newLinkPlanCommand() *cobra.Command {
	f := new(linkFlags)
	c := &cobra.Command{
		Use:   "plan",
		Short: "Look at both sides and print what create would do, without doing it",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, s, done, err := f.open(c, link.Options{})
			if err != nil {
				return err
			}
			defer done()
			plans, err := s.PlanAll(ctx)
			if err != nil {
				return linkError(err)
			}
			return showPlans(c.OutOrStdout(), plans, f.asJSON)
		},
	}
	f.register(c)
	return c
}

func firstRefused(plans map[string][]link.PlannedStep) error {
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		for _, p := range plans[name] {
			if p.State == link.Refused {
				return fmt.Errorf("link %s, step %s: %s", name, p.ID, p.Seen)
			}
		}
	}
	return nil
}

func printPlan(w io.Writer, name string, steps []link.PlannedStep) {
	fmt.Fprintf(w, "link %s\n", name)
	for i, p := range steps {
		fmt.Fprintf(w, "%2d. %-17s [%s] %s\n      now:   %s\n", i+1, p.ID, p.State, p.Title, p.Seen)
		for _, s := range p.Statements {
			fmt.Fprintf(w, "      do:    %s\n", strings.ReplaceAll(s, "\n", "\n             "))
		}
		for _, s := range p.Undo {
			fmt.Fprintf(w, "      undo:  %s\n", s)
		}
		if p.State != link.Present {
			fmt.Fprintf(w, "      if:    %s\n      then:  %s\n", p.Precondition, p.Effect)
		}
	}
}
