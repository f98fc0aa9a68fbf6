package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/link"
)

// watchEvery is how often status --watch looks.
const watchEvery = 2 * time.Second

func newLinkStatusCommand() *cobra.Command {
	f := new(linkFlags)
	var watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show links as both sides see them now",
		Long: `Show each link of the spec, and what stands in its way with the command that decides: a split brain, a copy that
differs, rows that a forced failover left out, log that is kept. The exit code is 0 when every copy is online and keeps
up, and 1 when one does not.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, s, done, err := f.openLater(c, link.Options{})
			if err != nil {
				return err
			}
			defer done()
			for {
				all, err := s.StatusAll(ctx)
				if err != nil {
					return linkError(err)
				}
				if err := printStatus(c.OutOrStdout(), all, f.asJSON); err != nil {
					return err
				}
				if !watch {
					return unhealthy(all)
				}
				if pause(ctx) != nil {
					return nil // the user has seen enough
				}
			}
		},
	}
	f.register(c)
	c.Flags().BoolVar(&watch, "watch", false, "go on looking until interrupted")
	return c
}

func pause(ctx context.Context) error {
	passed, stop := clock.System.After(watchEvery)
	defer stop()
	select {
	case <-passed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func unhealthy(all []link.Status) error {
	var errs []error
	for _, s := range all {
		if !s.Healthy() {
			errs = append(errs, fmt.Errorf("link %s does not keep up", s.Link))
		}
	}
	return errors.Join(errs...)
}

func printStatus(w io.Writer, all []link.Status, asJSON bool) error {
	if asJSON {
		return printLine(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "LINK\tDATABASE\tPRIMARY\tSTATE\tTARGET\tCONNECTION\tHEALTH\tLAG\tNOTE")
	for _, s := range all {
		lag := "-"
		if s.LagSeconds != nil {
			lag = fmt.Sprintf("%d s", *s.LagSeconds)
		}
		note := s.LastConnectError
		if s.Error != "" {
			note = strings.TrimPrefix(note+"; error "+s.Error, "; ")
		}
		for _, m := range s.Missing {
			note = strings.TrimPrefix(note+"; no "+m, "; ")
		}
		for _, u := range s.Unknown {
			note = strings.TrimPrefix(note+"; "+u, "; ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Link, s.Database, primaryOf(s), dash(s.State), dash(s.TargetDatabase), dash(s.Connected), dash(s.Health), lag, note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		for _, f := range s.Findings {
			fmt.Fprintf(w, "%s: %s: %s\n", s.Link, f.ID, f.Text)
			if f.Fix != "" {
				fmt.Fprintf(w, "  → %s\n", f.Fix)
			}
		}
	}
	return nil
}

// primaryOf names the side that is the primary, or says that it is not one.
func primaryOf(s link.Status) string {
	const primary = "PRIMARY"
	switch source, target := s.SourceRole == primary, s.TargetRole == primary; {
	case source && target:
		return "both"
	case source:
		return "source"
	case target:
		return "target"
	case s.SourceRole != "" && s.TargetRole != "":
		return "neither"
	}
	return dash("")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newLinkListCommand() *cobra.Command {
	f := new(linkFlags)
	c := &cobra.Command{
		Use:   "list",
		Short: "List the links of a managed instance",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := f.build()
			if err != nil {
				return err
			}
			id, err := armtypes.ParseInstanceID(s.Target.Instance)
			if err != nil {
				return usageError(err)
			}
			secrets, err := s.Secrets(fsx.OS{}, os.Getenv)
			if err != nil {
				return usageError(err)
			}
			session, err := link.OpenTarget(s, secrets, fsx.OS{}, link.Options{})
			if err != nil {
				return err
			}
			defer func() { _ = session.Close() }() // everything was answered
			all, err := session.List(c.Context(), id)
			if err != nil {
				return err
			}
			return printLinks(c.OutOrStdout(), all, f.asJSON)
		},
	}
	f.register(c)
	return c
}

// listedLink is a link as list --json prints it.
type listedLink struct {
	Name            string   `json:"name"`
	Databases       []string `json:"databases"`
	State           string   `json:"state"`
	PartnerEndpoint string   `json:"partnerEndpoint"`
	PartnerGroup    string   `json:"partnerGroup"`
	InstanceGroup   string   `json:"instanceGroup"`
}

func printLinks(w io.Writer, all []armtypes.Link, asJSON bool) error {
	if asJSON {
		out := []listedLink{}
		for _, l := range all {
			out = append(out, listedLink{l.Name, l.Databases, l.State, l.PartnerEndpoint, l.PartnerAG, l.InstanceAG})
		}
		return printLine(w, out)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "LINK\tDATABASE\tSTATE\tFROM")
	for _, l := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Name, strings.Join(l.Databases, ", "), dash(l.State), l.PartnerEndpoint)
	}
	return t.Flush()
}
