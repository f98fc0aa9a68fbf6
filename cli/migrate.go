package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"

	"github.com/spf13/cobra"

	"linkspan/migrate"
)

// migrator is what the commands need of a *migrate.Service.
type migrator interface {
	migrate.Asks
	migrate.Views
	Plan(ctx context.Context, spec migrate.SpecSource) (migrate.Plan, error)
	Start(ctx context.Context, spec migrate.SpecSource, who migrate.Who) (string, error)
	Engage(ctx context.Context) error
	Close() error
}

// migrateEnv is what the migrate commands have of the world; tests put other things in.
type migrateEnv struct {
	open   func(ctx context.Context, o migrate.Options) (migrator, error)
	getenv func(string) string
	// terminal tells whether people are at the other end of a stream.
	terminal func(stream any) bool
}

func systemMigrateEnv() *migrateEnv {
	return &migrateEnv{
		open: func(ctx context.Context, o migrate.Options) (migrator, error) {
			s, err := migrate.Open(ctx, o)
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		getenv: os.Getenv, terminal: isTerminal,
	}
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	if err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	nobody, err := os.Stat(os.DevNull) // a character device too, as under cron and systemd
	return err != nil || !os.SameFile(st, nobody)
}

func newMigrateCommand(env *migrateEnv) *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Move databases to a managed instance by their backups, with a short pause at the end",
		Long: `Backups on a share are copied to storage and restored on the managed instance as they come, until you cut over.
A YAML spec says what is moved from where to where (docs/migrate.md). What is done is kept in a state folder
(--state), so that every command can be interrupted and run again. "start" and "linkspan serve" do the work; the
other commands look and ask, and may run beside them.`,
		Args: nothing,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newMigrateSpecCommand(), newMigratePlanCommand(env), newMigrateStartCommand(env), newMigrateStatusCommand(env), newMigrateCutoverCommand(env),
		newMigrateCancelCommand(env), newMigrateRetryCommand(env), newMigrateAcceptCommand(env), newMigrateListCommand(env), newMigrateTimelineCommand(env), newMigrateAuditCommand(env))
	return c
}

// migrateFlags are the flags that all migrate commands have.
type migrateFlags struct {
	env     *migrateEnv
	state   string
	asJSON  bool
	verbose bool
}

func (f *migrateFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.state, "state", "", "the state `folder` (default $LINKSPAN_STATE, $XDG_STATE_HOME/linkspan, or ~/.local/state/linkspan)")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&f.verbose, "verbose", false, "log more")
}

// stateFolder finds the state folder.
func (f *migrateFlags) stateFolder() (string, error) {
	dir := f.state
	if dir == "" {
		dir = f.env.getenv("LINKSPAN_STATE")
	}
	if base := f.env.getenv("XDG_STATE_HOME"); dir == "" && filepath.IsAbs(base) {
		dir = filepath.Join(base, "linkspan")
	}
	if home := f.env.getenv("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".local", "state", "linkspan")
	}
	if dir == "" {
		return "", usageError(errors.New("no state folder: give --state or LINKSPAN_STATE"))
	}
	return filepath.Abs(dir)
}

// open opens the state folder. done MUST be called.
func (f *migrateFlags) open(c *cobra.Command) (m migrator, done func(), err error) {
	dir, err := f.stateFolder()
	if err != nil {
		return nil, nil, err
	}
	f.state = dir
	m, err = f.env.open(c.Context(), migrate.Options{State: dir, Env: f.env.getenv, Log: newLogger(c.ErrOrStderr(), f.verbose)})
	if err != nil {
		return nil, nil, err
	}
	return m, func() {
		if err := m.Close(); err != nil {
			fmt.Fprintln(c.ErrOrStderr(), "linkspan: close the state folder:", err)
		}
	}, nil
}

// maxSpec is the size of the largest spec in bytes: a thousand databases with paths of their own.
const maxSpec = 1 << 20

// readSpec reads a spec's file; "-" is standard input, whose paths are relative to the working folder.
func readSpec(c *cobra.Command, name string) (migrate.SpecSource, error) {
	var s migrate.SpecSource
	var err error
	in := c.InOrStdin()
	if name != "-" {
		f, oerr := os.Open(name)
		if oerr != nil {
			return s, usageError(fmt.Errorf("read spec: %w", oerr))
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	}
	if s.Text, err = io.ReadAll(io.LimitReader(in, maxSpec+1)); err == nil && len(s.Text) > maxSpec {
		err = fmt.Errorf("it is larger than %d bytes", maxSpec)
	}
	if err == nil {
		s.Base, err = filepath.Abs(filepath.Dir(name))
	}
	if err != nil {
		return s, usageError(fmt.Errorf("read spec: %w", err))
	}
	return s, nil
}

// console is who asks on the command line.
func console() migrate.Who {
	w := migrate.Who{Name: "unknown", From: "console"}
	if u, err := user.Current(); err == nil && u.Username != "" {
		w.Name = u.Username
	}
	return w
}

// migrateError gives an error its exit code: a wrong spec is 2, a refusal 3.
func migrateError(err error) error {
	var (
		problems  migrate.Problems
		blocked   *migrate.BlockedError
		different *migrate.DifferentError
		refused   *migrate.Refusals
		unknown   *migrate.UnknownError
	)
	switch {
	case errors.As(err, &problems):
		return usageError(fmt.Errorf("the spec is wrong:\n%w", err))
	case errors.As(err, &unknown) && unknown.What == "activity":
		return usageError(fmt.Errorf("%w in this state folder: \"linkspan migrate list\" names those that there are", err))
	case errors.As(err, &unknown):
		return usageError(err)
	case errors.As(err, &blocked), errors.As(err, &different), errors.As(err, &refused):
		return refusedError(err)
	}
	return err
}
