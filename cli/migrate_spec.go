package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"linkspan/migrate"
)

// newMigrateSpecCommand is "linkspan migrate spec": what a migration inside a sandbox is told.
func newMigrateSpecCommand() *cobra.Command {
	var sandbox, name string
	var databases []string
	c := &cobra.Command{
		Use:   "spec --sandbox FILE --database NAME…",
		Short: "Print the spec of a migration inside a sandbox",
		Long: `Print the YAML spec of a migration from a sandbox's source to its managed instance: the share is the folder that
the source's backups go to. It is also an example for specs of other servers; docs/migrate.md says what may be in one.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if sandbox == "" || len(databases) == 0 {
				return usageError(errors.New("--sandbox and at least one --database are needed"))
			}
			l, err := readSandbox(sandbox)
			if err != nil {
				return usageError(err)
			}
			return printSpec(c.OutOrStdout(), l, name, databases)
		},
	}
	c.Flags().StringVar(&sandbox, "sandbox", "", "a `file` with the line that \"linkspan sandbox up --json\" printed")
	c.Flags().StringSliceVar(&databases, "database", nil, "a `database` to move; may be given more than once")
	c.Flags().StringVar(&name, "name", "", "the activity's `name`; default: \"move\" and the databases")
	return c
}

// printSpec writes the spec, after reading it as a migration would.
func printSpec(w io.Writer, l sandboxLine, name string, databases []string) error {
	if l.Share == "" || l.Secrets == "" {
		return usageError(errors.New("the sandbox is of an older version: stop it and start it again with this one"))
	}
	if name == "" {
		name = "move " + strings.Join(databases, ", ")
	}
	type m = map[string]any
	secret := func(name string) string { return filepath.Join(l.Secrets, name) }
	dbs := make([]m, len(databases))
	for i, d := range databases {
		dbs[i] = m{"name": d}
	}
	sections := []m{
		{"name": name},
		{"source": m{"server": l.Source.Address, "port": l.Source.Port, "ca": l.ARM.CA, "user": "sa", "passwordFile": secret("source")}},
		{"share": m{"path": l.Share}},
		{"storage": m{"folder": l.Storage}},
		{"target": m{"instance": l.instance(), "endpoint": l.ARM.URL, "ca": l.ARM.CA, "tenant": l.ARM.Tenant, "clientId": l.ARM.ClientID, "clientSecretFile": secret("arm"),
			"sql": m{"server": l.Target.Address, "port": l.Target.Port, "host": l.Target.FQDN, "ca": l.ARM.CA, "user": "sa", "passwordFile": secret("target")}}},
		{"databases": dbs},
	}
	var text []byte
	for _, s := range sections {
		b, err := yaml.Marshal(s)
		if err != nil {
			return err
		}
		text = append(text, b...)
	}
	if _, err := migrate.Parse(text); err != nil {
		return fmt.Errorf("the sandbox gives no spec: %w", err)
	}
	_, err := w.Write(text)
	return err
}
