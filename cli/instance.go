package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"linkspan/daemon"
)

func newInstanceCommand() *cobra.Command {
	var config string
	var asJSON, verbose bool
	c := &cobra.Command{
		Use:   "instance --config FILE",
		Short: "Run one instance as its own process until it is interrupted",
		Long: `Run one SQL-Server-compatible instance, or a managed instance with its ARM endpoint, until it is interrupted.
docs/configuration.md lists what the YAML file may hold; the smallest is "name:" and "dir:".`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if config == "" {
				return usageError(fmt.Errorf("--config is missing; see %q", c.CommandPath()+" --help"))
			}
			cfg, err := daemon.LoadConfig(config)
			if err != nil {
				return usageError(err)
			}
			d, err := daemon.Start(c.Context(), cfg, newLogger(c.ErrOrStderr(), verbose))
			if err != nil {
				return err
			}
			r := d.Ready()
			if asJSON {
				err = printLine(c.OutOrStdout(), r)
			} else {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s is ready: SQL clients at %s,%d as %s (password in %s)\n", r.Name, r.Address, r.Port, r.User, r.Credentials)
			}
			if err == nil {
				<-c.Context().Done()
			}
			if serr := d.Stop(); serr != nil {
				return serr
			}
			return err
		},
	}
	c.Flags().StringVar(&config, "config", "", "the YAML configuration `file`")
	c.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON when ready")
	c.Flags().BoolVar(&verbose, "verbose", false, "log more")
	return c
}

func newSandboxCommand() *cobra.Command {
	c := &cobra.Command{Use: "sandbox", Short: "A source, a managed instance and its ARM endpoint in one process", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newSandboxUpCommand(), newSandboxSQLCommand())
	return c
}

func newSandboxUpCommand() *cobra.Command {
	o := daemon.DefaultSandbox(defaultSandboxDir())
	var asJSON, verbose bool
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the sandbox and run it until it is interrupted",
		Long: `Start sqlserver1 (SQL clients at 127.0.0.1,1433), the managed instance sqlmi1 (127.0.0.2,1433) and its ARM
endpoint (https://localhost:8443). Both are kept in --dir and found again at the next start. Passwords and
the client secret are random; they are in credentials.json in that folder.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := daemon.StartSandbox(c.Context(), o, newLogger(c.ErrOrStderr(), verbose))
			if err != nil {
				return err
			}
			if asJSON {
				err = printLine(c.OutOrStdout(), s.Ready())
			} else {
				err = describeSandbox(c.OutOrStdout(), s)
			}
			if err == nil {
				<-c.Context().Done()
			}
			if serr := s.Stop(); serr != nil {
				return serr
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", o.Dir, "the `folder` that holds the sandbox")
	f.StringVar(&o.SourceAddress, "source-address", o.SourceAddress, "the source's IP `address`")
	f.StringVar(&o.TargetAddress, "target-address", o.TargetAddress, "the managed instance's IP `address`")
	f.IntVar(&o.SQLPort, "sql-port", o.SQLPort, "the `port` for SQL clients, 0 for free ones")
	f.IntVar(&o.MirroringPort, "mirroring-port", o.MirroringPort, "the `port` of the managed instance's mirroring endpoint, 0 for a free one")
	f.IntVar(&o.ARMPort, "arm-port", o.ARMPort, "the `port` of the ARM endpoint, 0 for a free one")
	f.BoolVar(&o.NoSync, "no-sync", false, "do not wait for the disk at commits (a power cut loses the last of them)")
	f.BoolVar(&asJSON, "json", false, "print one line of JSON when ready")
	f.BoolVar(&verbose, "verbose", false, "log more")
	return c
}

func defaultSandboxDir() string {
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".linkspan", "sandbox")
	}
	return "linkspan-sandbox"
}

func describeSandbox(w io.Writer, s *daemon.Sandbox) error {
	r := s.Ready()
	for _, n := range s.Notes {
		if _, err := fmt.Fprintln(w, "note:", n); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, `The sandbox is ready. Stop it with Ctrl-C.

  source   %-12s SQL clients: %s,%d   user %s
  target   %-12s SQL clients: %s,%d   user %s   (%s)
  ARM      %s
           subscription %s, resource group %s
  secrets  %s
  CA       %s
  backups  of the source go to %s

Next: link a database with "linkspan link create", or by hand with docs/link-by-hand.md; or move one by its
backups with "linkspan migrate spec" and "linkspan migrate start".
`, r.Source.Name, r.Source.Address, r.Source.Port, r.Source.User, r.Target.Name, r.Target.Address, r.Target.Port, r.Target.User, r.Target.FQDN,
		r.ARM.URL, r.ARM.Subscription, r.ARM.ResourceGroup, r.Credentials, r.ARM.CA, r.Share)
	return err
}

// newLogger writes the log of a long-running command to w: warnings, and everything when asked.
func newLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// printLine writes v as one line of JSON: the sign for other programs that a long-running command is ready.
func printLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
