// Package cli owns the command line: one file per command, each of which reads its flags, calls one package that does
// the work and prints what it gave. What a command means is in docs/commands.md.
package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Run runs the command line args (without the program's name) and returns the exit code.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand(systemMigrateEnv())
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(errOut, "linkspan:", err)
	}
	return exitCode(err)
}

func newRootCommand(migrations *migrateEnv) *cobra.Command {
	root := &cobra.Command{
		Use:   "linkspan",
		Short: "Keep a read-only copy of a SQL Server database on a managed instance, and move it there",
		Long: `Linkspan keeps a read-only copy of a SQL Server database on a managed instance and moves it there with a
bounded pause, over a live link or by backups. It holds an embedded SQL-Server-compatible instance, so that
the whole job runs and is rehearsed on one machine: start with "linkspan demo" or "linkspan sandbox up".`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help"))
	})
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError(fmt.Errorf("unknown command %q; see \"linkspan --help\"", args[0]))
		}
		return nil
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.AddCommand(newDemoCommand(), newSandboxCommand(), newInstanceCommand(), newLinkCommand(), newMigrateCommand(migrations), newServeCommand(), newDoctorCommand(), newBackupCommand(), newLogCommand(), newSimulateCommand(), newVersionCommand())
	return root
}
