package foreign

import (
	"errors"
	"fmt"

	"linkspan/bak/mdf"
	"linkspan/sqlerr"
)

// Item is one thing of the database and what became of it.
type Item struct {
	// Kind is "SCHEMA", "TABLE", "COLUMN", "PRIMARY KEY", "UNIQUE", "INDEX", "DEFAULT", "CHECK", "FOREIGN KEY", "VIEW",
	// "PROCEDURE", "FUNCTION", "TRIGGER", "USER", "ROLE" or "PROPERTY".
	Kind string
	// Name is the thing's, with its schema and table.
	Name     string
	Imported bool
	// Rows is the number of rows of a table.
	Rows int64
	// Reason says why it was not imported, or what is different; "" otherwise.
	Reason string
}

// Report lists everything that was found.
type Report struct{ Items []Item }

func (r *Report) add(kind, name string, err error) {
	i := Item{Kind: kind, Name: name, Imported: err == nil}
	var e *sqlerr.Error
	switch {
	case errors.As(err, &e):
		i.Reason = fmt.Sprintf("error %d: %s", e.Number, e.Message)
	case err != nil:
		i.Reason = err.Error()
	}
	r.Items = append(r.Items, i)
}

// Missing lists what was not imported.
func (r *Report) Missing() []Item {
	var out []Item
	for _, i := range r.Items {
		if !i.Imported {
			out = append(out, i)
		}
	}
	return out
}

// Tables and Rows count what was imported.
func (r *Report) Tables() (tables int, rows int64) {
	for _, i := range r.Items {
		if i.Kind == "TABLE" && i.Imported {
			tables++
			rows += i.Rows
		}
	}
	return tables, rows
}

// Summary says in one sentence what was done.
func (r *Report) Summary() string {
	tables, rows := r.Tables()
	return fmt.Sprintf("Imported %d tables with %d rows (%s). %d of %d objects were not imported: see dbo.linkspan_import_report.",
		tables, rows, mdf.Label, len(r.Missing()), len(r.Items))
}
