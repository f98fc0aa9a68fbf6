package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"linkspan/bak"
	"linkspan/bak/chain"
)

func newBackupChainCommand() *cobra.Command {
	var stopAt, database string
	var asJSON bool
	c := &cobra.Command{
		Use:   "chain PATH…",
		Short: "Say whether files form a chain, how far it restores and what is missing",
		Long: `Look at a heap of backup files (any names, several databases, stripes apart) and draw for each database the
shortest sequence that restores it to the newest point, or to --stop-at; name every gap as LSN range and
time window with the kind of file that closes it, and say of every other file why it is not needed or not
usable. Exit code 3 when a chain is broken.`,
		Args: atLeastOnePath,
		RunE: func(c *cobra.Command, paths []string) error {
			o := chain.Options{Database: database}
			var err error
			if o.StopAt, err = parseStop(stopAt); err != nil {
				return err
			}
			return runChain(c, paths, o, asJSON)
		},
	}
	c.Flags().StringVar(&stopAt, "stop-at", "", "point in time to restore to, on the server's clock, such as 2024-05-31T21:12:27")
	c.Flags().StringVar(&database, "database", "", "look at this database only")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

// atLeastOnePath is cobra.MinimumNArgs(1) as a usage error.
func atLeastOnePath(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError(fmt.Errorf("no PATH given; see %q", c.CommandPath()+" --help"))
	}
	return nil
}

// parseStop reads a point in time on the server's wall clock.
func parseStop(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError(fmt.Errorf("--stop-at %q is not a time such as 2024-05-31T21:12:27", s))
}

// unread is a file whose headers cannot be read at all.
type unread struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

func runChain(c *cobra.Command, paths []string, o chain.Options, asJSON bool) error {
	files, err := findBackups(c.Context(), paths)
	defer func() { closeSources(files) }()
	if err != nil {
		return err
	}
	opened, err := readHeaders(c.Context(), files, newProgress(c.ErrOrStderr()))
	if err != nil {
		return err
	}
	var items []chain.Item
	bad, foreign := []unread{}, []unread{}
	for i := range opened {
		f := &opened[i]
		switch {
		case f.foreign():
			foreign = append(foreign, unread{f.name, f.err.Error()})
		case f.media == nil || len(f.media.Sets) == 0:
			bad = append(bad, unread{f.name, f.err.Error()})
		default:
			items = append(items, chain.Items(f.name, f.media, f.err)...)
		}
	}
	r := chain.Find(items, o)
	if err := printChain(c.OutOrStdout(), r, bad, foreign, asJSON); err != nil {
		return err
	}
	return chainVerdict(r, bad, len(items), o)
}

func printChain(w io.Writer, r *chain.Result, bad, foreign []unread, asJSON bool) error {
	if asJSON {
		return printJSON(w, struct {
			chain.Document
			Unreadable []unread `json:"unreadable"`
			NotBackups []unread `json:"notBackups"`
		}{r.Document(), bad, foreign})
	}
	if err := r.Draw(w); err != nil {
		return err
	}
	for _, u := range bad {
		fmt.Fprintf(w, "unreadable: %s: %s\n", u.File, u.Reason)
	}
	for _, u := range foreign {
		fmt.Fprintf(w, "passed over: %s: %s\n", u.File, u.Reason)
	}
	return nil
}

// chainVerdict turns a broken chain into exit code 3.
func chainVerdict(r *chain.Result, bad []unread, items int, o chain.Options) error {
	if items == 0 || o.Database != "" && len(r.Lives) == 0 {
		return refusedError(fmt.Errorf("no backup sets found%s", ofDatabase(o.Database)))
	}
	var broken []string
	for _, l := range r.Lives {
		if l.Current && l.Broken != "" {
			broken = append(broken, l.Database+": "+l.Broken)
		}
	}
	if len(broken) > 0 {
		return refusedError(fmt.Errorf("the chain is broken: %s", strings.Join(broken, "; ")))
	}
	if len(bad) > 0 {
		return refusedError(fmt.Errorf("%s cannot be read: %s", bad[0].File, bad[0].Reason))
	}
	return nil
}

func ofDatabase(name string) string {
	if name == "" {
		return ""
	}
	return " of database " + name
}

// printJSON prints one document.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// faultText describes why a file cannot be read, or "" when it can.
func faultText(err error) string {
	if err == nil {
		return ""
	}
	if f := bak.AsFault(err); f != nil {
		return f.Error()
	}
	return err.Error()
}
