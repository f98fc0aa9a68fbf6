package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"linkspan/bak/mdf"
	"linkspan/internal/fsx"
	"linkspan/sqltype"
)

func newBackupExportCommand() *cobra.Command {
	var flags databaseFlags
	var table, to, out string
	c := &cobra.Command{
		Use:   "export PATH… --table SCHEMA.TABLE",
		Short: "Write the rows of a table in backups or data files as CSV, JSON lines, Parquet or SQLite",
		Long: `Write the rows of one table, read from the pages of a full backup (with the newest differential on it) or of
data files. --to - writes CSV to standard output; csv, jsonl, parquet and sqlite write a file named after the
table, or the one that --out names (- is standard output, not for sqlite). In CSV a NULL is nothing and an
empty string is "". The log is not replayed.`,
		Args: atLeastOnePath,
		RunE: func(c *cobra.Command, paths []string) error {
			if table == "" {
				return usageError(fmt.Errorf("--table is missing; see %q", c.CommandPath()+" --help"))
			}
			return runExport(c, paths, flags, table, to, out)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&table, "table", "", "the table, such as dbo.Orders")
	c.Flags().StringVar(&to, "to", "-", "csv, jsonl, parquet, sqlite, or - for CSV on standard output")
	c.Flags().StringVarP(&out, "out", "o", "", "file to write; - for standard output")
	return c
}

// rowWriter writes rows in one format. Close finishes what was written.
type rowWriter interface {
	Row(row []sqltype.Value) error
	Close() error
}

func runExport(c *cobra.Command, paths []string, flags databaseFlags, table, to, out string) error {
	if to == "-" {
		to, out = "csv", "-"
	}
	if !strings.Contains(" csv jsonl parquet sqlite ", " "+to+" ") {
		return usageError(fmt.Errorf("--to %q is not csv, jsonl, parquet, sqlite or -", to))
	}
	d, err := openDatabase(c.Context(), paths, flags, newProgress(c.ErrOrStderr()))
	if err != nil {
		return err
	}
	defer d.close()
	t, err := d.Find(table)
	if err != nil {
		return usageError(err)
	}
	if out == "" {
		out = t.Schema + "." + t.Name + "." + to
	}
	n, err := exportTable(c.Context(), d, t, to, out, c.OutOrStdout())
	if err != nil {
		return fmt.Errorf("export %s.%s: %w", t.Schema, t.Name, err)
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d rows of %s.%s; %s\n", n, t.Schema, t.Name, d.label())
	for _, col := range t.Columns {
		if col.Unread != "" {
			fmt.Fprintf(c.ErrOrStderr(), "column %s is left out: %s\n", col.Name, col.Unread)
		} else if col.Computed != "" {
			fmt.Fprintf(c.ErrOrStderr(), "column %s is computed as %s\n", col.Name, col.Computed)
		}
	}
	return nil
}

// exportTable writes all rows; a file that could not be written to its end is taken away.
func exportTable(ctx context.Context, d *readDatabase, t *mdf.Table, to, out string, stdout io.Writer) (n int64, err error) {
	w, err := openExport(t, to, out, stdout)
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := w.Close(); err == nil {
			err = cerr
		}
		if err != nil && out != "-" {
			err = errors.Join(err, fsx.OS{}.Remove(out))
		}
	}()
	n, err = pipeRows(ctx, d, t, w)
	return n, err
}

// openExport opens the writer of a format. A file that exists is not overwritten.
func openExport(t *mdf.Table, to, out string, stdout io.Writer) (rowWriter, error) {
	columns := t.Readable()
	if to == "sqlite" {
		return newSQLiteRows(out, t.Schema+"."+t.Name, columns)
	}
	dst := &destination{}
	if out == "-" {
		dst.b = bufio.NewWriterSize(stdout, 1<<18)
	} else {
		f, err := createExport(out)
		if err != nil {
			return nil, err
		}
		dst.f = &sequential{File: f}
		dst.b = bufio.NewWriterSize(dst.f, 1<<18)
	}
	switch to {
	case "jsonl":
		return newJSONRows(dst, columns), nil
	case "parquet":
		return newParquetRows(dst, columns)
	default:
		return newCSVRows(dst, columns)
	}
}

// batchRows is the number of rows handed from the reading to the writing side at once.
const batchRows = 256

// rowBatch is rows one behind the other, each as long as the table has readable columns.
type rowBatch struct {
	values []sqltype.Value
	rows   int
}

// pipeRows reads pages on one goroutine and writes rows on this one, so that both sides have a core.
func pipeRows(ctx context.Context, d *readDatabase, t *mdf.Table, w rowWriter) (n int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	full, empty := make(chan *rowBatch, 8), make(chan *rowBatch, 8)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(full)
		if err := scanBatches(ctx, d, t, full, empty); err != nil {
			cancel(err)
		}
	})
	for b := range full {
		width := len(b.values) / max(b.rows, 1)
		for i := 0; i < b.rows && err == nil; i++ {
			if err = w.Row(b.values[i*width : (i+1)*width]); err == nil {
				n++
			} else {
				cancel(err)
			}
		}
		select {
		case empty <- b:
		default:
		}
	}
	wg.Wait()
	return n, context.Cause(ctx)
}

// scanBatches sends the rows of t in batches, taking used ones back.
func scanBatches(ctx context.Context, d *readDatabase, t *mdf.Table, full chan<- *rowBatch, empty <-chan *rowBatch) error {
	b := &rowBatch{}
	send := func() error {
		select {
		case full <- b:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case b = <-empty:
			b.values, b.rows = b.values[:0], 0
		default:
			b = &rowBatch{}
		}
		return nil
	}
	err := d.Scan(t, func(row []sqltype.Value) error {
		b.values = append(b.values, row...)
		if b.rows++; b.rows < batchRows {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}

// createExport makes a file that must not exist yet.
func createExport(name string) (fsx.File, error) {
	if _, err := (fsx.OS{}).Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return fsx.OS{}.Create(name)
}

// sequential writes a file from its start to its end.
type sequential struct {
	fsx.File
	off int64
}

func (s *sequential) Write(p []byte) (int, error) {
	n, err := s.WriteAt(p, s.off)
	s.off += int64(n)
	return n, err
}

// destination is a buffered file or standard output.
type destination struct {
	f *sequential
	b *bufio.Writer
}

func (d *destination) Write(p []byte) (int, error) { return d.b.Write(p) }

func (d *destination) Close() error {
	err := d.b.Flush()
	if d.f != nil {
		if cerr := d.f.Close(); err == nil {
			err = cerr
		}
	}
	return err
}
