package cli

import (
	"github.com/spf13/cobra"

	"linkspan/demo"
)

func newDemoCommand() *cobra.Command {
	var o demo.Options
	var verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "The main job, start to end, on this machine",
		Long: `Start a sandbox, link a sample database to its managed instance, load it, measure how far the copy is behind,
prove by digest that both sides are equal, show that a flipped byte is found, and move the primary to the other side
and back while clients write. Takes less than a minute.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Log = c.OutOrStdout(), newLogger(c.ErrOrStderr(), verbose)
			return demo.Run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.From, "from", "", "a backup file (.bak) to restore and link in place of the sample database, SQL Server's own or one of ours")
	c.Flags().BoolVar(&o.Keep, "keep", false, "keep the sandbox's files")
	c.Flags().BoolVar(&verbose, "verbose", false, "show the servers' log")
	return c
}
