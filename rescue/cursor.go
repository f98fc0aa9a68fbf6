package rescue

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"linkspan/catalog"
	"linkspan/rel"
	"linkspan/sqltype"
	"linkspan/storage"
)

// Side is one of the two versions: its schema, and a connection on which a transaction is open that sees it.
type Side struct {
	Catalog *catalog.Snapshot
	Conn    *storage.Conn
}

// Pin begins a transaction on conn and reads the schema that it sees. Release of conn ends it.
func Pin(conn *storage.Conn) (Side, error) {
	if _, err := conn.Begin(); err != nil {
		return Side{}, err
	}
	snap, err := catalog.Load(conn, "")
	if err != nil {
		return Side{}, conn.Cause(err)
	}
	return Side{snap, conn}, nil
}

// cursor goes over the rows of one table on one side, in the order of the key or of their places.
type cursor struct {
	conn    *storage.Conn
	stmt    *sqlite3.Stmt
	columns []Column
	key     []keyColumn
	// ok reports that row (and, without key, rowid) is the present one.
	ok    bool
	row   []sqltype.Stored
	rowid int64
}

// keyColumn is a column of the order.
type keyColumn struct {
	at      int
	desc    bool
	compare func(a, b []byte) int
}

// open begins to read t; key is nil for the order of places.
func (s Side) open(t *rel.Table, columns []Column, key []rel.IndexColumn) (*cursor, error) {
	c := &cursor{conn: s.Conn, columns: columns, row: make([]sqltype.Stored, len(columns))}
	names := []string{"rowid"}
	for _, col := range columns {
		names = append(names, catalog.ColumnName(col.ID))
	}
	order := "rowid"
	if key != nil {
		var parts []string
		for _, k := range key {
			at := position(columns, k.ColumnID)
			part := catalog.ColumnName(k.ColumnID)
			if k.Desc {
				part += " DESC"
			}
			parts = append(parts, part)
			c.key = append(c.key, keyColumn{at, k.Desc, comparer(columns[at].Type)})
		}
		order = strings.Join(parts, ", ")
	}
	var err error
	// The names are made of numbers; nothing of a user's is in the text.
	c.stmt, err = s.Conn.Stmt("SELECT " + strings.Join(names, ", ") + " FROM " + catalog.TableName(s.Catalog.SQLSchema, t.ID) + " ORDER BY " + order)
	if err != nil {
		return nil, fmt.Errorf("read table %s.%s: %w", t.Schema, t.Name, s.Conn.Cause(err))
	}
	return c, c.next()
}

// comparer orders texts of a type as the row store does; nil for others.
func comparer(t sqltype.Type) func(a, b []byte) int {
	switch {
	case t.Kind == sqltype.DateTimeOffset:
		return sqltype.CompareMoments
	case t.Kind.IsString():
		return sqltype.NewComparer(sqltype.CollationOf(t)).Compare
	}
	return nil
}

func position(columns []Column, id int32) int {
	for i, c := range columns {
		if c.ID == id {
			return i
		}
	}
	return -1
}

// next moves to the next row.
func (c *cursor) next() error {
	c.ok = c.stmt.Step()
	if !c.ok {
		return c.close()
	}
	c.rowid = c.stmt.ColumnInt64(0)
	for i := range c.row {
		c.row[i] = stored(c.stmt, i+1)
	}
	return nil
}

// close resets the statement and gives the error that ended it.
func (c *cursor) close() error {
	err := c.stmt.Err()
	if rerr := c.stmt.Reset(); err == nil {
		err = rerr
	}
	return c.conn.Cause(err)
}

func stored(s *sqlite3.Stmt, i int) sqltype.Stored {
	switch s.ColumnType(i) {
	case sqlite3.INTEGER:
		return sqltype.Stored{Class: sqltype.StoreInt, I: s.ColumnInt64(i)}
	case sqlite3.FLOAT:
		return sqltype.Stored{Class: sqltype.StoreReal, F: s.ColumnFloat(i)}
	case sqlite3.TEXT:
		return sqltype.Stored{Class: sqltype.StoreText, S: s.ColumnText(i)}
	case sqlite3.BLOB:
		return sqltype.Stored{Class: sqltype.StoreBlob, S: string(s.ColumnRawBlob(i))}
	}
	return sqltype.Stored{}
}

// before orders the present rows of two cursors over one table: negative when a's comes first, zero when they are the
// same row.
func before(a, b *cursor) int {
	if a.key == nil {
		return cmp.Compare(a.rowid, b.rowid)
	}
	for i, k := range a.key {
		if r := order(a.row[k.at], b.row[b.key[i].at], k.compare); r != 0 {
			if k.desc {
				return -r
			}
			return r
		}
	}
	return 0
}

// order is that of the row store: NULL, numbers, texts, blobs.
func order(a, b sqltype.Stored, text func(a, b []byte) int) int {
	if a.Class != b.Class {
		return cmp.Compare(rank(a.Class), rank(b.Class))
	}
	switch a.Class {
	case sqltype.StoreInt:
		return cmp.Compare(a.I, b.I)
	case sqltype.StoreReal:
		return cmp.Compare(a.F, b.F)
	case sqltype.StoreText:
		if text != nil {
			return text([]byte(a.S), []byte(b.S))
		}
		return strings.Compare(a.S, b.S)
	case sqltype.StoreBlob:
		return bytes.Compare([]byte(a.S), []byte(b.S))
	}
	return 0
}

// rank puts integers and reals together; a column holds only one of them.
func rank(s sqltype.Storage) int {
	return map[sqltype.Storage]int{sqltype.StoreNull: 0, sqltype.StoreInt: 1, sqltype.StoreReal: 1, sqltype.StoreText: 2, sqltype.StoreBlob: 3}[s]
}
