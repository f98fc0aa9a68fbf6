package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"linkspan/bak/mdf"
)

func newBackupTablesCommand() *cobra.Command {
	var flags databaseFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "tables PATH…",
		Short: "List the tables in backups or data files, with their columns, keys and row counts",
		Long: `List the tables of the database in a full backup, or a full with the newest differential on it, or .mdf and
.ndf files: columns, keys, indexes, constraints and row counts, and the views, procedures, functions,
triggers, users and extended properties beside them (their text with --json). The rows are those on the
pages as of the backup; the log is not replayed.`,
		Args: atLeastOnePath,
		RunE: func(c *cobra.Command, paths []string) error { return runTables(c, paths, flags, asJSON) },
	}
	flags.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

// counted is a table with its number of rows; err says why they cannot be counted.
type counted struct {
	*mdf.Table
	rows int64
	err  error
}

func runTables(c *cobra.Command, paths []string, flags databaseFlags, asJSON bool) error {
	p := newProgress(c.ErrOrStderr())
	d, err := openDatabase(c.Context(), paths, flags, p)
	if err != nil {
		return err
	}
	defer d.close()
	tables := make([]counted, len(d.Tables))
	p.start("counting rows", int64(len(tables)))
	err = onAllCores(c.Context(), len(tables), func(i int) error {
		t := counted{Table: d.Tables[i]}
		t.rows, t.err = d.Count(t.Table)
		tables[i] = t
		p.add(1)
		return nil
	})
	p.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s\n", d.label())
	if asJSON {
		return printJSON(c.OutOrStdout(), tablesDocument(d, tables))
	}
	return printTables(c.OutOrStdout(), d, tables)
}

func printTables(w io.Writer, d *readDatabase, tables []counted) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (version %d), %s\n", d.Name, d.Version, d.label())
	for _, t := range tables {
		fmt.Fprintf(&b, "\n%s.%s  ", t.Schema, t.Name)
		if t.err != nil {
			fmt.Fprintf(&b, "not read: %v\n", t.err)
		} else {
			fmt.Fprintf(&b, "%d rows\n", t.rows)
		}
		for i := range t.Columns {
			printColumn(&b, &t.Columns[i])
		}
		printKeys(&b, t.Table)
	}
	kinds := map[string][]string{}
	for _, m := range d.Modules {
		kinds[m.Kind] = append(kinds[m.Kind], m.Schema+"."+m.Name)
	}
	for _, k := range []string{"VIEW", "PROCEDURE", "FUNCTION", "TRIGGER"} {
		if len(kinds[k]) > 0 {
			fmt.Fprintf(&b, "\n%ss: %s\n", strings.ToLower(k), strings.Join(kinds[k], ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printColumn(b *strings.Builder, c *mdf.Column) {
	fmt.Fprintf(b, "    %-24s %s", c.Name, columnType(c))
	switch {
	case c.Computed != "":
		fmt.Fprintf(b, " AS %s", c.Computed)
	case c.Nullable:
		b.WriteString(" NULL")
	default:
		b.WriteString(" NOT NULL")
	}
	if id := c.Identity; id != nil {
		fmt.Fprintf(b, " IDENTITY(%d,%d)", id.Seed, id.Increment)
	}
	if c.Default != "" {
		fmt.Fprintf(b, " DEFAULT %s", c.Default)
	}
	if c.Unread != "" {
		fmt.Fprintf(b, "  -- not read: %s", c.Unread)
	}
	b.WriteByte('\n')
}

func columnType(c *mdf.Column) string {
	if c.TypeName != "" {
		return c.TypeName
	}
	return c.Type.String()
}

func printKeys(b *strings.Builder, t *mdf.Table) {
	for _, x := range t.Indexes {
		kind := "INDEX"
		switch {
		case x.Primary:
			kind = "PRIMARY KEY"
		case x.Key:
			kind = "UNIQUE"
		case x.Unique:
			kind = "UNIQUE INDEX"
		}
		var cols, included []string
		for _, c := range x.Columns {
			name := c.Name
			if c.Descending {
				name += " DESC"
			}
			if c.Included {
				included = append(included, name)
			} else {
				cols = append(cols, name)
			}
		}
		fmt.Fprintf(b, "    %s %s %s (%s)", kind, x.Name, x.Kind, strings.Join(cols, ", "))
		if len(included) > 0 {
			fmt.Fprintf(b, " INCLUDE (%s)", strings.Join(included, ", "))
		}
		b.WriteByte('\n')
	}
	for _, k := range t.ForeignKeys {
		fmt.Fprintf(b, "    FOREIGN KEY %s (%s) REFERENCES %s (%s)\n", k.Name, strings.Join(k.Columns, ", "), k.ReferencedTable, strings.Join(k.ReferencedColumns, ", "))
	}
	for _, c := range t.Checks {
		fmt.Fprintf(b, "    CHECK %s %s\n", c.Name, c.Text)
	}
}

type columnDocument struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
	Identity bool   `json:"identity,omitempty"`
	Computed string `json:"computed,omitempty"`
	Default  string `json:"default,omitempty"`
	Unread   string `json:"unread,omitempty"`
}

type indexDocument struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Primary  bool     `json:"primaryKey,omitempty"`
	Unique   bool     `json:"unique,omitempty"`
	Columns  []string `json:"columns"`
	Included []string `json:"included,omitempty"`
}

type keyDocument struct {
	Name              string   `json:"name"`
	Columns           []string `json:"columns"`
	ReferencedTable   string   `json:"referencedTable"`
	ReferencedColumns []string `json:"referencedColumns"`
}

type tableDocument struct {
	Schema      string           `json:"schema"`
	Name        string           `json:"name"`
	Rows        *int64           `json:"rows"`
	Unread      string           `json:"unread,omitempty"`
	Compression string           `json:"compression,omitempty"`
	Columns     []columnDocument `json:"columns"`
	Indexes     []indexDocument  `json:"indexes"`
	ForeignKeys []keyDocument    `json:"foreignKeys"`
	Checks      []textDocument   `json:"checks"`
}

// textDocument is anything that has a name and a text.
type textDocument struct {
	Name  string `json:"name"`
	Kind  string `json:"kind,omitempty"`
	On    string `json:"on,omitempty"`
	Text  string `json:"text"`
	Value string `json:"value,omitempty"`
}

func tablesDocument(d *readDatabase, tables []counted) any {
	docs := []tableDocument{}
	for i := range tables {
		docs = append(docs, tables[i].document())
	}
	modules, properties, principals := []textDocument{}, []textDocument{}, []map[string]string{}
	for _, m := range d.Modules {
		modules = append(modules, textDocument{Name: m.Schema + "." + m.Name, Kind: m.Kind, On: m.Table, Text: m.Text})
	}
	for _, p := range d.Properties {
		properties = append(properties, textDocument{Name: p.Name, On: p.On, Value: p.Value.String()})
	}
	for _, p := range d.Principals {
		principals = append(principals, map[string]string{"name": p.Name, "kind": p.Kind})
	}
	return map[string]any{"database": d.Name, "version": d.Version, "label": d.label(), "files": d.from, "tables": docs,
		"modules": modules, "extendedProperties": properties, "principals": principals}
}

func (t *counted) document() tableDocument {
	d := tableDocument{Schema: t.Schema, Name: t.Name, Compression: t.Compression, Columns: []columnDocument{}, Indexes: []indexDocument{},
		ForeignKeys: []keyDocument{}, Checks: []textDocument{}}
	if t.err != nil {
		d.Unread = t.err.Error()
	} else {
		d.Rows = &t.rows
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		d.Columns = append(d.Columns, columnDocument{c.Name, columnType(c), c.Nullable, c.Identity != nil, c.Computed, c.Default, c.Unread})
	}
	for _, x := range t.Indexes {
		xd := indexDocument{Name: x.Name, Kind: x.Kind, Primary: x.Primary, Unique: x.Unique, Columns: []string{}}
		for _, c := range x.Columns {
			if c.Included {
				xd.Included = append(xd.Included, c.Name)
			} else {
				xd.Columns = append(xd.Columns, c.Name)
			}
		}
		d.Indexes = append(d.Indexes, xd)
	}
	for _, k := range t.ForeignKeys {
		d.ForeignKeys = append(d.ForeignKeys, keyDocument{k.Name, k.Columns, k.ReferencedTable, k.ReferencedColumns})
	}
	for _, c := range t.Checks {
		d.Checks = append(d.Checks, textDocument{Name: c.Name, On: c.Column, Text: c.Text})
	}
	return d
}
