package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"linkspan/rescue"
)

// newLogRescueCommand shows rescue files. asJSON is the flag that all log commands share.
func newLogRescueCommand(asJSON *bool) *cobra.Command {
	var asSQL bool
	var filter rescue.Filter
	c := &cobra.Command{
		Use:   "rescue FILE",
		Short: "Show what a forced failover's old primary had and the new one had not",
		Long: `Show a rescue file: the rows, by table and key, that an old primary had after the last position that both sides
had. + is a row that only it has, - one that it had deleted, ~ one that it had changed. With --sql the file is T-SQL
that, run on the database as it was at the fork, gives the tail; choose from it what the new primary shall get.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("name one rescue file"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if asSQL && *asJSON {
				return usageError(errors.New("--json and --sql exclude each other"))
			}
			return showRescue(c.OutOrStdout(), args[0], filter, *asJSON, asSQL)
		},
	}
	c.Flags().BoolVar(&asSQL, "sql", false, "print T-SQL statements, for sqlcmd -b -f 65001 -I")
	c.Flags().StringVar(&filter.Table, "table", "", "show one `table` only: its name, or schema.name")
	return c
}

func showRescue(w io.Writer, name string, filter rescue.Filter, asJSON, asSQL bool) error {
	f, err := os.Open(name)
	if err != nil {
		return usageError(fmt.Errorf("read rescue file: %w", err))
	}
	defer func() { _ = f.Close() }() // only read
	switch {
	case asSQL:
		err = rescue.WriteScript(w, f, filter)
	case asJSON:
		err = rescue.WriteJSON(w, f, filter)
	default:
		err = rescue.WriteText(w, f, filter)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
