package instance

import (
	"context"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"linkspan/storage"
)

// documents keeps named JSON documents by kind in the master database: what the instance remembers of databases,
// logins, keys, certificates, endpoints and groups. Each call is a transaction of its own. Safe for concurrent use.
type documents struct{ db *storage.DB }

const documentsSchema = `CREATE TABLE IF NOT EXISTS ls_documents(
	kind TEXT NOT NULL, name TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY(kind, name)) WITHOUT ROWID`

// newDocuments makes the table where it is missing.
func newDocuments(ctx context.Context, db *storage.DB) (*documents, error) {
	d := &documents{db: db}
	return d, d.change(ctx, func(w *storage.Writer) error { return w.Exec(documentsSchema) })
}

// change runs f in a transaction and returns when it is durable.
func (d *documents) change(ctx context.Context, f func(*storage.Writer) error) error {
	w, err := d.db.Writer(ctx)
	if err != nil {
		return err
	}
	defer w.Rollback()
	if err := f(w); err != nil {
		return err
	}
	at, err := w.Commit(ctx)
	if err != nil {
		return err
	}
	return d.db.WaitHardened(ctx, at)
}

// Load implements the stores of trust and hadr.
func (d *documents) Load(ctx context.Context, kind string) (map[string][]byte, error) {
	c, err := d.db.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Release()
	s, err := c.Stmt(`SELECT name, doc FROM ls_documents WHERE kind = ?1`)
	if err != nil {
		return nil, err
	}
	if err := s.BindText(1, kind); err != nil {
		return nil, err
	}
	docs := map[string][]byte{}
	for s.Step() {
		docs[s.ColumnText(0)] = s.ColumnBlob(1, nil)
	}
	return docs, errors.Join(s.Err(), s.Reset())
}

// Put implements the stores of trust and hadr.
func (d *documents) Put(ctx context.Context, kind, name string, doc []byte) error {
	return d.change(ctx, func(w *storage.Writer) error {
		return run(w, `INSERT INTO ls_documents(kind, name, doc) VALUES(?1, ?2, ?3)
			ON CONFLICT(kind, name) DO UPDATE SET doc = excluded.doc`, kind, name, doc)
	})
}

// Delete implements the stores of trust and hadr.
func (d *documents) Delete(ctx context.Context, kind, name string) error {
	return d.change(ctx, func(w *storage.Writer) error {
		return run(w, `DELETE FROM ls_documents WHERE kind = ?1 AND name = ?2`, kind, name)
	})
}

// run executes one statement with text and blob parameters.
func run(w *storage.Writer, sql string, args ...any) error {
	s, err := w.Stmt(sql)
	if err != nil {
		return err
	}
	for i, a := range args {
		if err := bindDocument(s, i+1, a); err != nil {
			return err
		}
	}
	return errors.Join(s.Exec(), s.Reset())
}

func bindDocument(s *sqlite3.Stmt, i int, a any) error {
	switch a := a.(type) {
	case string:
		return s.BindText(i, a)
	case []byte:
		return s.BindBlob(i, a)
	default:
		return fmt.Errorf("bind parameter %d of type %T", i, a)
	}
}
