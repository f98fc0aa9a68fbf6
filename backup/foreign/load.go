package foreign

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/bak/mdf"
	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/storage"
	"linkspan/tsql/sqlfn"
)

// batchRows and batchBytes bound what one transaction loads.
const (
	batchRows  = 50_000
	batchBytes = 32 << 20
)

// loader puts the rows of one table into its place.
type loader struct {
	ctx   context.Context
	db    *storage.DB
	text  string
	types []sqltype.Type
	// from gives for each stored column the place of its value in a row.
	from []int
	w    *storage.Writer
	s    *sqlite3.Stmt
	rows int
	size int
	all  int64
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
	if err := im.Source.Scan(t, l.row); err != nil {
		return l.all, err
	}
	return l.all, l.commit()
}

func newLoader(ctx context.Context, db *storage.DB, t *mdf.Table, to *rel.Table) (*loader, error) {
	l := &loader{ctx: ctx, db: db}
	var names, marks []string
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
		marks = append(marks, fmt.Sprintf("?%d", len(names)))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("none of the columns of %s can be read", shown(t))
	}
	l.text = "INSERT INTO " + catalog.TableName("main", to.ID) + "(" + strings.Join(names, ", ") + ") VALUES(" + strings.Join(marks, ", ") + ")"
	return l, nil
}

// row inserts one row.
func (l *loader) row(values []sqltype.Value) error {
	if l.w == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	for i, at := range l.from {
		v := values[at]
		if !v.IsNull() && v.K != l.types[i].Kind {
			var err error
			if v, err = sqltype.Convert(v, sqltype.Type{Kind: v.K}, l.types[i], 0); err != nil {
				return err
			}
		}
		if err := sqlfn.BindValue(l.s, i+1, v, l.types[i]); err != nil {
			return err
		}
		l.size += 16 + len(v.S)
	}
	if err := l.s.Exec(); err != nil {
		return l.w.Cause(err)
	}
	l.rows++
	l.all++
	if l.rows >= batchRows || l.size >= batchBytes {
		return l.commit()
	}
	return nil
}

func (l *loader) begin() (err error) {
	if l.w, err = l.db.Writer(l.ctx); err != nil {
		return err
	}
	if l.s, err = l.w.Stmt(l.text); err != nil {
		return l.w.Cause(err)
	}
	return nil
}

func (l *loader) commit() error {
	if l.w == nil {
		return nil
	}
	if err := l.s.Reset(); err != nil {
		return l.w.Cause(err)
	}
	_, err := l.w.Commit(l.ctx)
	l.w, l.s, l.rows, l.size = nil, nil, 0, 0
	return err
}

// stop gives up what was not committed.
func (l *loader) stop() {
	if l.w != nil {
		l.w.Rollback()
		l.w = nil
	}
}
