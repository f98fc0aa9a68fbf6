package foreign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"linkspan/bak/mdf"
	"linkspan/catalog"
	"linkspan/storage"
)

// Importer copies a database. All fields but Progress are required.
type Importer struct {
	// Source is the database as its backup's pages have it.
	Source *mdf.Database
	// DB is the storage of the new, empty database.
	DB *storage.DB
	// Run runs one batch of T-SQL in the new database and gives its first error.
	Run func(ctx context.Context, batch string) error
	// Progress is told the tables done and to do.
	Progress func(done, total int64)

	report Report
}

// Import copies everything that can be copied. What cannot is in the report; the error is for what makes the whole
// useless: a full disk, a page that is not there, the end of ctx.
func (im *Importer) Import(ctx context.Context) (*Report, error) {
	if err := im.schemas(ctx); err != nil {
		return nil, err
	}
	made, err := im.tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range made {
		if err := im.constraints(ctx, t); err != nil {
			return nil, err
		}
	}
	for _, t := range made {
		for i := range t.ForeignKeys {
			f := &t.ForeignKeys[i]
			if err := im.try(ctx, "FOREIGN KEY", shown(t)+"."+f.Name, addForeignKey(t, f)); err != nil {
				return nil, err
			}
		}
	}
	if err := im.modules(ctx); err != nil {
		return nil, err
	}
	im.people()
	return &im.report, im.keep(ctx)
}

// try runs a statement and notes what became of it. Only the end of ctx and a database that stopped are errors.
func (im *Importer) try(ctx context.Context, kind, name, statement string) error {
	err := im.Run(ctx, statement)
	im.report.add(kind, name, err)
	return im.fatal(ctx)
}

func (im *Importer) fatal(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return im.DB.Err()
}

func (im *Importer) schemas(ctx context.Context) error {
	made := map[string]bool{"dbo": true}
	add := func(name string) error {
		if made[strings.ToLower(name)] {
			return nil
		}
		made[strings.ToLower(name)] = true
		return im.try(ctx, "SCHEMA", name, "CREATE SCHEMA "+quote(name))
	}
	for _, t := range im.Source.Tables {
		if err := add(t.Schema); err != nil {
			return err
		}
	}
	for _, m := range im.Source.Modules {
		if err := add(m.Schema); err != nil {
			return err
		}
	}
	return nil
}

// tables makes and fills the tables, and returns those that were.
func (im *Importer) tables(ctx context.Context) ([]*mdf.Table, error) {
	var made []*mdf.Table
	for i, t := range im.Source.Tables {
		ok, err := im.table(ctx, t)
		if err != nil {
			return nil, err
		}
		if ok {
			made = append(made, t)
		}
		if im.Progress != nil {
			im.Progress(int64(i+1), int64(len(im.Source.Tables)))
		}
	}
	return made, nil
}

func (im *Importer) table(ctx context.Context, t *mdf.Table) (bool, error) {
	if t.Unread != "" {
		im.report.add("TABLE", shown(t), errors.New(t.Unread))
		return false, nil
	}
	for _, c := range t.Columns {
		if c.Unread != "" && c.Computed == "" {
			im.report.add("COLUMN", shown(t)+"."+c.Name, errors.New(c.Unread))
		}
	}
	err := im.Run(ctx, createTable(t, true))
	if err != nil && hasComputed(t) {
		first := err
		if err = im.Run(ctx, createTable(t, false)); err == nil {
			for _, c := range t.Columns {
				if c.Computed != "" {
					im.report.add("COLUMN", shown(t)+"."+c.Name, fmt.Errorf("computed as %s: %w", c.Computed, first))
				}
			}
		}
	}
	if err != nil {
		im.report.add("TABLE", shown(t), err)
		return false, im.fatal(ctx)
	}
	snap, err := im.snapshot(ctx)
	if err != nil {
		return false, err
	}
	rows, err := im.load(ctx, t, snap)
	if err != nil {
		return false, fmt.Errorf("import table %s after %d rows: %w", shown(t), rows, err)
	}
	im.report.Items = append(im.report.Items, Item{Kind: "TABLE", Name: shown(t), Imported: true, Rows: rows})
	return true, im.identity(ctx, t)
}

func hasComputed(t *mdf.Table) bool {
	for _, c := range t.Columns {
		if c.Computed != "" {
			return true
		}
	}
	return false
}

// identity lets an identity column go on where it was.
func (im *Importer) identity(ctx context.Context, t *mdf.Table) error {
	for _, c := range t.Columns {
		if c.Identity != nil && c.Identity.Used {
			if err := im.Run(ctx, fmt.Sprintf("DBCC CHECKIDENT(%s, RESEED, %d) WITH NO_INFOMSGS", text(named(t)), c.Identity.Last)); err != nil {
				im.report.add("COLUMN", shown(t)+"."+c.Name, fmt.Errorf("the next identity value is not set: %w", err))
			}
		}
	}
	return im.fatal(ctx)
}

// snapshot reads the new database's schema.
func (im *Importer) snapshot(ctx context.Context) (*catalog.Snapshot, error) {
	c, err := im.DB.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Release()
	return catalog.Load(c, "main")
}

// constraints makes everything that belongs to one table, now that its rows are there.
func (im *Importer) constraints(ctx context.Context, t *mdf.Table) error {
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		name := shown(t) + "." + ix.Name
		switch {
		case ix.Primary:
			im.report.add("PRIMARY KEY", name, nil)
		case ix.Kind != "CLUSTERED" && ix.Kind != "NONCLUSTERED":
			im.report.add("INDEX", name, fmt.Errorf("an index of kind %s has no counterpart", ix.Kind))
		case ix.Disabled:
			im.report.add("INDEX", name, errors.New("it is disabled"))
		default:
			kind, statement := createIndex(t, ix)
			if err := im.try(ctx, kind, name, statement); err != nil {
				return err
			}
		}
	}
	for _, c := range t.Columns {
		if c.Default == "" || c.Unread != "" {
			continue
		}
		statement := fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s DEFAULT %s FOR %s", named(t), quote(c.DefaultName), c.Default, quote(c.Name))
		if err := im.try(ctx, "DEFAULT", shown(t)+"."+c.DefaultName, statement); err != nil {
			return err
		}
	}
	for _, k := range t.Checks {
		statement := fmt.Sprintf("ALTER TABLE %s WITH NOCHECK ADD CONSTRAINT %s CHECK %s", named(t), quote(k.Name), k.Text)
		if err := im.try(ctx, "CHECK", shown(t)+"."+k.Name, statement); err != nil {
			return err
		}
	}
	return nil
}

// modules creates functions, views, procedures and triggers. Those that need others are tried again as long as that
// helps.
func (im *Importer) modules(ctx context.Context) error {
	left := im.Source.Modules
	for round := 0; len(left) > 0; round++ {
		var failed []mdf.Module
		errs := map[string]error{}
		for _, m := range left {
			name := m.Schema + "." + m.Name
			if m.Text == "" {
				im.report.add(m.Kind, name, errors.New("its text is encrypted, or it is not T-SQL"))
				continue
			}
			err := im.Run(ctx, m.Text)
			if ferr := im.fatal(ctx); ferr != nil {
				return ferr
			}
			if err != nil {
				failed, errs[name] = append(failed, m), err
				continue
			}
			im.report.add(m.Kind, name, nil)
		}
		if len(failed) == len(left) {
			for _, m := range failed {
				im.report.add(m.Kind, m.Schema+"."+m.Name, errs[m.Schema+"."+m.Name])
			}
			return nil
		}
		left = failed
	}
	return nil
}

// builtIn are the principals of every database.
var builtIn = map[string]bool{"dbo": true, "guest": true, "sys": true, "information_schema": true, "public": true}

// people lists users, roles and properties, which are not imported.
func (im *Importer) people() {
	for _, p := range im.Source.Principals {
		switch {
		case builtIn[strings.ToLower(p.Name)] || strings.HasPrefix(strings.ToLower(p.Name), "db_"):
		case p.Kind == "R":
			im.report.add("ROLE", p.Name, errors.New("roles of a foreign database are not imported: make it with CREATE ROLE"))
		default:
			im.report.add("USER", p.Name, errors.New("users of a foreign database are not imported: make it with CREATE USER for its login"))
		}
	}
	for _, p := range im.Source.Properties {
		im.report.add("PROPERTY", strings.TrimPrefix(p.On+"."+p.Name, "."), errors.New("extended properties are not imported"))
	}
}

// keep leaves the report in the database.
func (im *Importer) keep(ctx context.Context) error {
	err := im.Run(ctx, `CREATE TABLE dbo.linkspan_import_report(id int NOT NULL PRIMARY KEY, kind varchar(20) NOT NULL, name nvarchar(400) NOT NULL,
		imported bit NOT NULL, row_count bigint NULL, reason nvarchar(4000) NULL)`)
	if err != nil {
		return fmt.Errorf("keep the report of the import: %w", err)
	}
	for i, it := range im.report.Items {
		rows, reason := "NULL", "NULL"
		if it.Kind == "TABLE" && it.Imported {
			rows = fmt.Sprint(it.Rows)
		}
		if it.Reason != "" {
			reason = text(cut(it.Reason, 4000))
		}
		imported := 0
		if it.Imported {
			imported = 1
		}
		err := im.Run(ctx, fmt.Sprintf("INSERT dbo.linkspan_import_report VALUES (%d, %s, %s, %d, %s, %s)", i+1, text(it.Kind), text(cut(it.Name, 400)), imported, rows, reason))
		if err != nil {
			return fmt.Errorf("keep the report of the import: %w", err)
		}
	}
	return nil
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
