package cli

import (
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/bak/mdf"
	"linkspan/sqltype"
)

// sqliteRows writes a table of a new SQLite database. Numbers that SQLite would round (decimal, money), dates and
// identifiers are text.
type sqliteRows struct {
	conn   *sqlite3.Conn
	insert *sqlite3.Stmt
	kinds  []sqltype.Kind
	done   bool
}

func newSQLiteRows(out, table string, columns []mdf.Column) (*sqliteRows, error) {
	if out == "-" {
		return nil, usageError(errors.New("a SQLite database cannot be written to standard output: name a file with --out"))
	}
	f, err := createExport(out)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	conn, err := sqlite3.Open(out)
	if err != nil {
		return nil, err
	}
	w := &sqliteRows{conn: conn}
	var defs, marks []string
	for _, c := range columns {
		defs = append(defs, sqlite3.QuoteIdentifier(c.Name)+" "+sqliteType(c.Type.Kind))
		marks = append(marks, "?")
		w.kinds = append(w.kinds, c.Type.Kind)
	}
	name := sqlite3.QuoteIdentifier(table)
	if err = conn.Exec("BEGIN; CREATE TABLE " + name + " (" + strings.Join(defs, ", ") + ")"); err == nil {
		w.insert, _, err = conn.Prepare("INSERT INTO " + name + " VALUES (" + strings.Join(marks, ", ") + ")")
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

// sqliteType is the declared type of a column.
func sqliteType(k sqltype.Kind) string {
	switch {
	case k.IsInteger():
		return "INTEGER"
	case k == sqltype.Real || k == sqltype.Float:
		return "REAL"
	case k.IsBinary() || k == sqltype.XML:
		return "BLOB"
	default:
		return "TEXT"
	}
}

func (w *sqliteRows) Row(row []sqltype.Value) error {
	for i, v := range row {
		var err error
		switch {
		case v.IsNull():
			err = w.insert.BindNull(i + 1)
		case v.K.IsInteger():
			err = w.insert.BindInt64(i+1, v.N)
		case v.K == sqltype.Real || v.K == sqltype.Float:
			err = w.insert.BindFloat(i+1, v.Float())
		case v.K.IsBinary():
			err = w.insert.BindBlob(i+1, v.Bytes())
		default:
			err = w.insert.BindText(i+1, v.String())
		}
		if err != nil {
			return err
		}
	}
	return w.insert.Exec()
}

func (w *sqliteRows) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	err := errors.Join(w.insert.Close(), w.conn.Exec("COMMIT"))
	return errors.Join(err, w.conn.Close())
}
