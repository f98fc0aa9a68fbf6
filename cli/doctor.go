package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"linkspan/doctor"
	"linkspan/internal/fsx"
)

func newDoctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with this machine, or with a link, and how to mend it",
		Long: `Without a subcommand: look at this machine (clock, folder, addresses, ports), and list the findings that there are.
"linkspan doctor link" examines the network, certificates, endpoints and groups of a link from both sides.
Nothing is changed. The exit code is 3 when something keeps a link from running.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r := doctor.ExamineMachine(c.Context(), doctor.Machine{Dir: defaultSandboxDir(),
				Ports: []string{"127.0.0.1:1433", "127.0.0.2:1433", "127.0.0.2:5022", "127.0.0.1:8443"}})
			if err := printReport(c.OutOrStdout(), r, asJSON); err != nil {
				return err
			}
			if !asJSON {
				printKinds(c.OutOrStdout())
			}
			return blockedError(r)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.AddCommand(newDoctorLinkCommand())
	return c
}

func newDoctorLinkCommand() *cobra.Command {
	f := new(linkFlags)
	c := &cobra.Command{
		Use:   "link",
		Short: "Examine a link, made or to be made, from this machine and from both sides",
		Long: `Examine the links of the spec: names, ports, TLS, certificates and the mirroring protocol from this machine; then what
each side's own views say; then the way from each side to the other, tried by the servers themselves where they can
(EXEC sp_linkspan_test_link). Each finding has an id, a cause, evidence and a fix. Nothing is changed; SQL Server's error
log gets a line about a stranger who was refused at the mirroring port.
The exit code is 3 when something keeps a link from running.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := f.build()
			if err != nil {
				return err
			}
			if err := f.check(s); err != nil {
				return err
			}
			secrets, err := s.Secrets(fsx.OS{}, os.Getenv)
			if err != nil {
				return usageError(err)
			}
			ctx, cancel := c.Context(), func() {}
			if f.timeout > 0 {
				ctx, cancel = context.WithTimeout(ctx, f.timeout)
			}
			defer cancel()
			r, err := doctor.Examine(ctx, doctor.Request{Spec: s, Secrets: secrets, FS: fsx.OS{}})
			if err != nil {
				return usageError(err)
			}
			if err := printReport(c.OutOrStdout(), r, f.asJSON); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return blockedError(r)
		},
	}
	f.register(c)
	return c
}

// blockedError is the refusal of a report that has a blocking finding.
func blockedError(r *doctor.Report) error {
	if !r.Blocked() {
		return nil
	}
	var ids []string
	for _, f := range r.Findings {
		if f.Severity == doctor.Blocking {
			ids = append(ids, f.ID)
		}
	}
	return refusedError(errors.New("found: " + strings.Join(ids, ", ")))
}

func printReport(w io.Writer, r *doctor.Report, asJSON bool) error {
	if asJSON {
		return printLine(w, r)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.Outcome, c.Side, c.Name, oneLine(c.Seen))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "\n%s %s: %s\n  cause:    %s\n  evidence: %s\n  fix:      %s\n", f.ID, f.Severity, f.Subject, f.Cause, oneLine(f.Evidence), f.Fix)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(w, "\nNothing is wrong.")
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func printKinds(w io.Writer) {
	fmt.Fprintln(w, "\nFindings that \"linkspan doctor\" and \"linkspan doctor link\" can name:")
	for _, k := range doctor.Kinds() {
		fmt.Fprintf(w, "  %s  %-8s  %s\n", k.ID, k.Severity, k.Cause)
	}
}
