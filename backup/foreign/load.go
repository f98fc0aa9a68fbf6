package foreign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"linkspan/bak/mdf"
	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/tsql/sqlfn"
)

// batchRows and batchBytes bound what one transaction loads.
const (
	batchRows  = 250_000
	batchBytes = 32 << 20
)

// statementValues bounds the values that one statement inserts: many rows in a statement cost SQLite less than many
// statements.
const statementValues = 512

// loader puts the rows of one table into its place.
type loader struct {
	ctx context.Context
	db  *storage.DB
	// insert begins the statement; types are of the columns it names.
	insert string
	types  []sqltype.Type
	// from gives for each stored column the place of its value in a row.
	from []int
	// step is how many rows a statement takes at most.
	step int
	// texts are the statements by the number of their rows.
	texts map[int]string
	w     *storage.Writer
	rows  int
	size  int
	all   int64
}

// load reads the rows of t into the table made for it, and returns their number.
func (im *Importer) load(ctx context.Context, t *mdf.Table, snap *catalog.Snapshot) (int64, error) {
	to := snap.Object(t.Schema, t.Name)
	if to == nil || to.Table == nil {
		return 0, fmt.Errorf("table %s is not there after it was made", shown(t))
	}
	l, err := newLoader(ctx, im.DB, t, to.Table)
	if err != nil {
		return 0, err
	}
	defer l.stop()
	rows := scanRows(im.Source, t, l)
	defer rows.stop()
	for {
		b, err := rows.next()
		if err != nil {
			return l.all, err
		}
		if b == nil {
			return l.all, l.commit()
		}
		if err := l.put(b); err != nil {
			return l.all, err
		}
		rows.free <- b
	}
}

func newLoader(ctx context.Context, db *storage.DB, t *mdf.Table, to *rel.Table) (*loader, error) {
	l := &loader{ctx: ctx, db: db, texts: map[int]string{}}
	var names []string
	for i, c := range t.Readable() {
		var into *rel.Column
		for _, x := range to.Columns {
			if strings.EqualFold(x.Name, c.Name) {
				into = x
			}
		}
		if into == nil || !catalog.Stored(into) || into.Computed != "" {
			continue
		}
		l.from, l.types = append(l.from, i), append(l.types, into.Type)
		names = append(names, catalog.ColumnName(into.ID))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("none of the columns of %s can be read", shown(t))
	}
	l.insert = "INSERT INTO " + catalog.TableName("main", to.ID) + "(" + strings.Join(names, ", ") + ") VALUES"
	l.step = max(1, statementValues/len(names))
	return l, nil
}

// put inserts rows.
func (l *loader) put(b *rowBatch) error {
	if l.w == nil {
		var err error
		if l.w, err = l.db.Writer(l.ctx); err != nil {
			return err
		}
	}
	values := b.values
	for width := len(l.types); len(values) > 0; {
		n := min(l.step*width, len(values))
		if err := l.execute(values[:n], n/width); err != nil {
			return err
		}
		values = values[n:]
	}
	l.rows += b.rows
	l.all += int64(b.rows)
	l.size += b.size
	if l.rows >= batchRows || l.size >= batchBytes {
		return l.commit()
	}
	return nil
}

// execute inserts n rows with one statement.
func (l *loader) execute(values []sqltype.Value, n int) error {
	s, err := l.w.Stmt(l.statement(n))
	if err != nil {
		return l.w.Cause(err)
	}
	for i := range values {
		if err := sqlfn.BindValue(s, i+1, values[i], l.types[i%len(l.types)]); err != nil {
			return err
		}
	}
	if err := errors.Join(s.Exec(), s.Reset()); err != nil {
		return l.w.Cause(err)
	}
	return nil
}

// statement is the text that inserts n rows.
func (l *loader) statement(n int) string {
	if l.texts[n] == "" {
		row := ", (?" + strings.Repeat(", ?", len(l.types)-1) + ")"
		l.texts[n] = l.insert + strings.Repeat(row, n)[1:]
	}
	return l.texts[n]
}

func (l *loader) commit() error {
	if l.w == nil {
		return nil
	}
	_, err := l.w.Commit(l.ctx)
	l.w, l.rows, l.size = nil, 0, 0
	return err
}

// stop gives up what was not committed.
func (l *loader) stop() {
	if l.w != nil {
		l.w.Rollback()
		l.w = nil
	}
}
