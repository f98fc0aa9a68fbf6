package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"linkspan/sqlclient"
)

// stepsFrom are those with a database from a backup file.
func (t *tour) stepsFrom() []step {
	return []step{
		{"start the sandbox: sqlserver1, the managed instance sqlmi1, its ARM endpoint", t.start},
		{"restore " + filepath.Base(t.From) + " on sqlserver1", t.restoreFrom},
		{"link it to sqlmi1 by the T-SQL and REST calls a DBA would make", t.link},
		{"compare every table, and the digests that each side computes from its own pages", t.compareTables},
	}
}

// restoreFrom copies the file to where sqlserver1 may read backups, and restores it under the name it has.
func (t *tour) restoreFrom(ctx context.Context) error {
	name := filepath.Base(t.From)
	if err := copyInto(t.From, filepath.Join(t.ready.Share, name)); err != nil {
		return err
	}
	master, err := t.connect(ctx, t.ready.Source, "master")
	if err != nil {
		return err
	}
	defer func() { _ = master.Close() }() // only spoken to
	from := "FROM DISK = " + sqlclient.QuoteString(name)
	r, err := master.Query(ctx, "RESTORE HEADERONLY "+from)
	if err != nil {
		return err
	}
	if t.database, err = column(r.First(), "DatabaseName"); err != nil {
		return err
	}
	server, _ := column(r.First(), "ServerName")
	t.tell("a backup of database %s on server %s", t.database, server)
	if _, err := master.Query(ctx, "RESTORE DATABASE "+sqlclient.QuoteName(t.database)+" "+from+" WITH REPLACE"); err != nil {
		return err
	}
	if t.source, err = t.connect(ctx, t.ready.Source, t.database); err != nil {
		return err
	}
	if err := t.tellImport(ctx); err != nil {
		return err
	}
	quoted := sqlclient.QuoteName(t.database)
	_, err = t.source.Query(ctx, "ALTER DATABASE "+quoted+" SET RECOVERY FULL; BACKUP DATABASE "+quoted+" TO DISK = 'NUL'") // what a link asks for
	return err
}

// column is the text of a column in the first row.
func column(s sqlclient.Set, name string) (string, error) {
	for i, c := range s.Columns {
		if strings.EqualFold(c, name) && len(s.Rows) > 0 {
			if text, ok := s.Rows[0][i].(string); ok {
				return text, nil
			}
		}
	}
	return "", fmt.Errorf("the header of the backup has no %s", name)
}

// tellImport tells what was imported of SQL Server's own backup, and what was not.
func (t *tour) tellImport(ctx context.Context) error {
	r, err := t.source.Query(ctx, "SELECT name FROM sys.tables WHERE name = 'linkspan_import_report'")
	if err != nil || len(r.First().Rows) == 0 {
		return err // one of our own: nothing to import
	}
	r, err = t.source.Query(ctx, "SELECT kind, COUNT(*) AS n, SUM(CONVERT(int, imported)) AS done FROM dbo.linkspan_import_report GROUP BY kind ORDER BY kind")
	if err != nil {
		return err
	}
	for _, row := range r.First().Rows {
		t.tell("%-12v %3v of %v imported", row[0], row[2], row[1])
	}
	r, err = t.source.Query(ctx, "SELECT kind, name, reason FROM dbo.linkspan_import_report WHERE imported = 0 ORDER BY id")
	if err != nil {
		return err
	}
	for _, row := range r.First().Rows {
		t.tell("not imported: %v %v: %v", row[0], row[1], row[2])
	}
	return nil
}

// compareTables waits for the copy, then counts the rows of each table on both sides.
func (t *tour) compareTables(ctx context.Context) error {
	var err error
	if t.target, err = t.connect(ctx, t.ready.Target, t.database); err != nil {
		return err
	}
	s, c, err := compare(ctx, t.source, t.target, t.database)
	if err != nil {
		return err
	}
	r, err := t.source.Query(ctx, "SELECT s.name, t.name FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id ORDER BY s.name, t.name")
	if err != nil {
		return err
	}
	different := 0
	for _, row := range r.First().Rows {
		name := fmt.Sprint(row[0]) + "." + fmt.Sprint(row[1])
		text := "SELECT COUNT_BIG(*) FROM " + sqlclient.QuoteName(fmt.Sprint(row[0])) + "." + sqlclient.QuoteName(fmt.Sprint(row[1]))
		a, errA := t.source.Query(ctx, text)
		b, errB := t.target.Query(ctx, text)
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		verdict := "equal"
		if a.First().Rows[0][0] != b.First().Rows[0][0] {
			verdict, different = "DIFFERENT", different+1
		}
		t.tell("%-40s sqlserver1 %8v rows   sqlmi1 %8v rows   %s", name, a.First().Rows[0][0], b.First().Rows[0][0], verdict)
	}
	t.tell("sqlserver1  LSN %s  digest %s  (%d pages)", s.lsn, s.digest, s.pages)
	t.tell("sqlmi1      LSN %s  digest %s  (%d pages)", c.lsn, c.digest, c.pages)
	if different > 0 || s.digest != c.digest {
		return errors.New("the copy is not equal to its source")
	}
	t.tell("equal")
	return nil
}

// copyInto copies a file into a folder, which is made.
func copyInto(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // opened for reading
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
