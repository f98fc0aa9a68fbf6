package cli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"linkspan/sqlclient"
)

// sandboxSQL are the flags of "linkspan sandbox sql".
type sandboxSQL struct {
	sandbox, database, user string
	target                  bool
}

func newSandboxSQLCommand() *cobra.Command {
	var f sandboxSQL
	c := &cobra.Command{
		Use:   "sql --sandbox FILE [--target] [--database NAME] STATEMENT…",
		Short: "Run T-SQL in a sandbox",
		Long: `Run T-SQL on a sandbox's source, or with --target on its managed instance, and print what it gives. Each
argument is a batch of its own; one that is "-" is read from standard input.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), args)
		},
	}
	l := c.Flags()
	l.StringVar(&f.sandbox, "sandbox", "", "a `file` with the line that \"linkspan sandbox up --json\" printed")
	l.StringVar(&f.database, "database", "", "the `database` to be in")
	l.BoolVar(&f.target, "target", false, "run it on the managed instance")
	l.StringVar(&f.user, "user", "", "log in as this `login`; the password comes from $LINKSPAN_PASSWORD (default: sa)")
	return c
}

func (f *sandboxSQL) run(ctx context.Context, in io.Reader, out io.Writer, batches []string) error {
	if f.sandbox == "" {
		return usageError(fmt.Errorf("--sandbox is missing: it names the file that \"linkspan sandbox up --json\" printed its line to"))
	}
	t, err := f.server()
	if err != nil {
		return usageError(err)
	}
	client, err := sqlclient.Open(ctx, t)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // everything was answered
	for _, b := range batches {
		if b == "-" {
			text, err := io.ReadAll(in)
			if err != nil {
				return err
			}
			b = string(text)
		}
		r, err := client.Query(ctx, b)
		for _, s := range r.Sets {
			if err := printSet(out, s); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// server is where the statements go.
func (f *sandboxSQL) server() (sqlclient.Target, error) {
	l, err := readSandbox(f.sandbox)
	if err != nil {
		return sqlclient.Target{}, err
	}
	ca, err := os.ReadFile(l.ARM.CA)
	if err != nil {
		return sqlclient.Target{}, fmt.Errorf("read the sandbox's authority: %w", err)
	}
	data, err := os.ReadFile(l.Credentials)
	if err != nil {
		return sqlclient.Target{}, fmt.Errorf("read the sandbox's credentials: %w", err)
	}
	var creds struct {
		Source, Target struct{ User, Password string }
	}
	if json.Unmarshal(data, &creds) != nil { // the parser's error could quote a secret
		return sqlclient.Target{}, fmt.Errorf("%s is not the sandbox's file of credentials", l.Credentials)
	}
	t := sqlclient.Target{Address: l.Source.Address, Port: l.Source.Port, User: creds.Source.User, Password: creds.Source.Password}
	if f.target {
		t = sqlclient.Target{Address: l.Target.Address, Port: l.Target.Port, Host: l.Target.FQDN, User: creds.Target.User, Password: creds.Target.Password}
	}
	if f.user != "" {
		t.User, t.Password = f.user, os.Getenv("LINKSPAN_PASSWORD")
	}
	t.CA, t.Database, t.AppName = ca, f.database, "linkspan sandbox sql"
	return t, nil
}

// printSet prints a result set as columns.
func printSet(out io.Writer, s sqlclient.Set) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(s.Columns, "\t"))
	for _, row := range s.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = cell(v)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// cell is a value in a line of text.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return "0x" + strings.ToUpper(hex.EncodeToString(v))
	case time.Time:
		return v.Format("2006-01-02 15:04:05.999999999")
	case bool:
		if v {
			return "1"
		}
		return "0"
	default:
		return strings.Join(strings.Fields(fmt.Sprint(v)), " ")
	}
}
