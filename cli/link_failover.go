package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"linkspan/internal/fsx"
	"linkspan/link"
	"linkspan/link/flow"
)

// failoverFlags are those of link failover beside the common ones.
type failoverFlags struct {
	linkFlags
	to                                       string
	planned, force, loseData, byHand, dryRun bool
	maxPause                                 time.Duration
}

func newLinkFailoverCommand() *cobra.Command {
	f := new(failoverFlags)
	c := &cobra.Command{
		Use:   "failover",
		Short: "Change the roles of a link's sides, planned without loss or forced",
		Long: `Make one side the primary: the managed instance, unless --to source says otherwise. A planned failover looks at
both sides first, and refuses (exit code 3) when the copy does not keep up; it loses nothing, and the link goes the
other way afterwards. SQL Server before 2022 knows no planned failover: there the link is ended once nobody writes
and both sides are at one position. A forced failover does not ask the old primary, and leaves out what that has
not sent. Killed at any point, the same command run again goes on.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runFailover(c, f) },
	}
	f.register(c)
	l := c.Flags()
	l.StringVar(&f.to, "to", string(flow.TargetSide), "the `side` that shall be the primary: target or source")
	l.BoolVar(&f.planned, "planned", false, "without loss (the default)")
	l.BoolVar(&f.force, "force", false, "without asking the old primary; needs --yes-lose-data")
	l.BoolVar(&f.loseData, "yes-lose-data", false, "accept that what the old primary has not sent is left out")
	l.BoolVar(&f.byHand, "by-hand", false, "end the link instead, as SQL Server before 2022 needs it")
	l.BoolVar(&f.dryRun, "dry-run", false, "look at both sides, print the plan, and change nothing")
	l.DurationVar(&f.maxPause, "max-pause", 10*time.Second, "how long writers may have to wait while the roles change")
	return c
}

// options reads the flags that belong together.
func (f *failoverFlags) options() (link.FailoverOptions, error) {
	o := link.FailoverOptions{To: flow.Side(f.to), Force: f.force, ByHand: f.byHand, MaxPause: f.maxPause}
	switch {
	case o.To != flow.SourceSide && o.To != flow.TargetSide:
		return o, usageError(fmt.Errorf("--to is %q: it must be target or source", f.to))
	case f.force && (f.planned || f.byHand):
		return o, usageError(errors.New("--force excludes --planned and --by-hand"))
	case f.force && !f.loseData && !f.dryRun:
		return o, usageError(errors.New("a forced failover leaves out what the old primary has not sent: say --yes-lose-data"))
	case f.maxPause <= 0:
		return o, usageError(errors.New("--max-pause must be positive"))
	}
	return o, nil
}

func runFailover(c *cobra.Command, f *failoverFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	w := &linkWatcher{w: c.ErrOrStderr(), run: linkRun{Links: []linkReport{}}}
	ctx, s, done, err := f.openLater(c, link.Options{Events: w.event})
	if err != nil {
		return err
	}
	defer done()
	if f.dryRun {
		plans, err := s.PlanFailoverAll(ctx, o)
		if err != nil {
			return linkError(err)
		}
		return showPlans(c.OutOrStdout(), plans, f.asJSON)
	}
	reports, err := s.FailoverAll(ctx, o)
	if f.asJSON {
		if perr := printLine(c.OutOrStdout(), reports); err == nil {
			err = perr
		}
	} else {
		for _, r := range reports {
			printFailover(c.OutOrStdout(), r)
		}
	}
	return linkError(err)
}

// showPlans prints plans; a refused step is exit code 3.
func showPlans(w io.Writer, plans map[string][]link.PlannedStep, asJSON bool) error {
	if asJSON {
		if err := printLine(w, plans); err != nil {
			return err
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(plans)) {
			printPlan(w, name, plans[name])
		}
	}
	if refused := firstRefused(plans); refused != nil {
		return refusedError(refused)
	}
	return nil
}

func printFailover(w io.Writer, r link.FailoverReport) {
	switch {
	case r.Error != "":
		fmt.Fprintf(w, "link %s: not failed over (%s)\n", r.Link, r.Stands)
	case !r.Changed:
		fmt.Fprintf(w, "link %s: nothing to do, the %s is the primary (%s)\n", r.Link, r.To, r.Stands)
	default:
		fmt.Fprintf(w, "link %s: %s failover to the %s done (%s)\n", r.Link, r.Kind, r.To, r.Stands)
		if r.PauseMs > 0 {
			fmt.Fprintf(w, "  no writer was let in for %.1f ms; the statement took %.1f ms\n", r.PauseMs, r.StatementMs)
		} else {
			fmt.Fprintf(w, "  the statement took %.1f ms\n", r.StatementMs)
		}
	}
	for _, p := range []struct {
		when string
		at   *flow.Proof
	}{{"before", r.Before}, {"after", r.After}} {
		if p.at != nil && p.at.Digest != "" {
			fmt.Fprintf(w, "  %s: both sides at LSN %s with digest %s\n", p.when, p.at.LSN, p.at.Digest)
		} else if p.at != nil {
			fmt.Fprintf(w, "  %s: both sides at LSN %s\n", p.when, p.at.LSN)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}

// openLater is open for commands that are of use while one side is away.
func (f *linkFlags) openLater(c *cobra.Command, o link.Options) (context.Context, *link.Session, func(), error) {
	s, err := f.build()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := f.check(s); err != nil {
		return nil, nil, nil, err
	}
	secrets, err := s.Secrets(fsx.OS{}, os.Getenv)
	if err != nil {
		return nil, nil, nil, usageError(err)
	}
	ctx, cancel := c.Context(), func() {}
	if f.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
	}
	session, err := link.OpenLater(s, secrets, fsx.OS{}, o)
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, session, func() {
		_ = session.Close() // everything was answered
		cancel()
	}, nil
}
