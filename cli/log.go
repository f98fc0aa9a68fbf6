package cli

import (
	"github.com/spf13/cobra"

	"linkspan/internal/fsx"
	"linkspan/storage"
)

func newLogCommand() *cobra.Command {
	c := &cobra.Command{Use: "log", Short: "Look into a database's log and files", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var asJSON bool
	dump := &cobra.Command{
		Use:   "dump FILE…",
		Short: "Print the records of log segments",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			for _, f := range files {
				if err := storage.DumpLog(fsx.OS{}, f, c.OutOrStdout(), asJSON); err != nil {
					return err // it names the file
				}
			}
			return nil
		},
	}
	verify := &cobra.Command{
		Use:   "verify DIR…",
		Short: "Check every log segment and page of closed databases against their hashes",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, dirs []string) error {
			for _, d := range dirs {
				if err := storage.VerifyDir(c.Context(), fsx.OS{}, d, c.OutOrStdout(), asJSON); err != nil {
					return err // it names the folder
				}
			}
			return nil
		},
	}
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.AddCommand(dump, verify, newLogRescueCommand(&asJSON))
	return c
}
