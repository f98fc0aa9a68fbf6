package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"linkspan/daemon"
	"linkspan/web"
)

func newServeCommand() *cobra.Command {
	f := &serveFlags{migrateFlags: migrateFlags{env: systemMigrateEnv()}}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Migrations by backups as a service: the engine, and a REST API over TLS",
		Long: `Work on the activities of a state folder, and answer a REST API with bearer tokens of two roles, until interrupted.
What runs is cut short then, and goes on at the next start. The first start makes a certificate authority and an
operator's token, and says where they are. docs/serve.md lists what the YAML file may hold, docs/openapi.json the API.`,
		Args: nothing,
		RunE: func(c *cobra.Command, _ []string) error { return f.serve(c) },
	}
	f.register(c)
	c.AddCommand(newServeTokenCommand())
	return c
}

// serveFlags are those of serve and its subcommands.
type serveFlags struct {
	migrateFlags
	config string
}

func (f *serveFlags) register(c *cobra.Command) {
	f.migrateFlags.register(c)
	c.Flags().StringVar(&f.config, "config", "", "the YAML configuration `file` (default: the defaults)")
	c.Flags().Lookup("json").Usage = "print one line of JSON when ready; log as JSON"
}

// load reads the configuration; --state wins.
func (f *serveFlags) load() (daemon.ServeConfig, error) {
	var cfg daemon.ServeConfig
	if f.config != "" {
		var err error
		if cfg, err = daemon.LoadServeConfig(f.config); err != nil {
			return cfg, usageError(err)
		}
	}
	if f.state != "" || cfg.State == "" {
		dir, err := f.stateFolder()
		if err != nil {
			return cfg, err
		}
		cfg.State = dir
	}
	return cfg, nil
}

func (f *serveFlags) serve(c *cobra.Command) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	if err := cfg.Check(); err != nil {
		return usageError(err)
	}
	s, err := daemon.StartService(c.Context(), cfg, f.logger(c.ErrOrStderr()))
	if err != nil {
		return err
	}
	if f.asJSON {
		err = printLine(c.OutOrStdout(), s.Ready())
	} else {
		err = describeService(c.OutOrStdout(), s.Ready())
	}
	if err == nil {
		err = notifyReady(c.Context())
	}
	if err == nil {
		<-c.Context().Done()
	}
	return errors.Join(err, s.Stop())
}

// logger logs what the service does: warnings and notes, and everything when asked.
func (f *serveFlags) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		o.Level = slog.LevelDebug
	}
	if f.asJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func describeService(w io.Writer, r daemon.ServeReady) error {
	p := &page{w: w}
	p.printf("ready at %s, state in %s\n", r.URL, r.State)
	if r.CA != "" {
		p.printf("  clients trust  %s\n", r.CA)
	}
	if r.OperatorToken != "" {
		p.printf("  a token of the role operator was made: %s\n", r.OperatorToken)
	}
	if !r.Engaged {
		p.printf("  another process works on the state folder; this one takes over when that ends\n")
	}
	return p.err
}

// notifyReady tells systemd that the service is ready, when that asks (sd_notify(3)).
func notifyReady(ctx context.Context) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	c, err := new(net.Dialer).DialContext(ctx, "unixgram", socket)
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	_, err = c.Write([]byte("READY=1"))
	return errors.Join(err, c.Close())
}

func newServeTokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make, list and remove the tokens of the API", Args: nothing,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newTokenAddCommand(), newTokenRemoveCommand(), newTokenListCommand())
	return c
}

func newTokenAddCommand() *cobra.Command {
	f := &serveFlags{migrateFlags: migrateFlags{env: systemMigrateEnv()}}
	role, life := string(web.Viewer), time.Duration(0)
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a token and print it; only its hash is stored",
		Args:  exactly(1, "the token's name, which the audit shows"),
		RunE: func(c *cobra.Command, args []string) error {
			if web.Role(role) != web.Viewer && web.Role(role) != web.Operator || life < 0 {
				return usageError(errors.New("--role is viewer or operator, --expires a positive time"))
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			secret, err := daemon.AddToken(cfg.TokensFile(), args[0], web.Role(role), life)
			if err != nil {
				return err
			}
			if f.asJSON {
				return printLine(c.OutOrStdout(), map[string]string{"name": args[0], "role": role, "token": secret})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), secret)
			return err
		},
	}
	f.register(c)
	c.Flags().StringVar(&role, "role", role, "viewer or operator")
	c.Flags().DurationVar(&life, "expires", 0, "how long it is good for, as 2160h (default for ever)")
	return c
}

func newTokenRemoveCommand() *cobra.Command {
	f := &serveFlags{migrateFlags: migrateFlags{env: systemMigrateEnv()}}
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a token out: a running service refuses it within a second",
		Args:  exactly(1, "the token's name"),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			return daemon.RemoveToken(cfg.TokensFile(), args[0])
		},
	}
	f.register(c)
	return c
}

func newTokenListCommand() *cobra.Command {
	f := &serveFlags{migrateFlags: migrateFlags{env: systemMigrateEnv()}}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens by name; the tokens themselves are not stored",
		Args:  nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			all, err := daemon.ListTokens(cfg.TokensFile())
			if err != nil {
				return err
			}
			return printTokens(c.OutOrStdout(), all, f.asJSON)
		},
	}
	f.register(c)
	return c
}

func printTokens(w io.Writer, all []web.Token, asJSON bool) error {
	if asJSON {
		type shown struct {
			Name    string    `json:"name"`
			Role    web.Role  `json:"role"`
			Created time.Time `json:"created,omitzero"`
			Expires time.Time `json:"expires,omitzero"`
		}
		out := []shown{}
		for _, t := range all {
			out = append(out, shown{t.Name, t.Role, t.Created, t.Expires})
		}
		return printLine(w, out)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tROLE\tMADE\tEXPIRES")
	for _, x := range all {
		expires := "never"
		if !x.Expires.IsZero() {
			expires = moment(x.Expires)
		}
		made := dash("")
		if !x.Created.IsZero() {
			made = moment(x.Created)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", x.Name, x.Role, made, expires)
	}
	return t.Flush()
}
