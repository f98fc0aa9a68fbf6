package mdf

import (
	"fmt"
	"strings"

	"linkspan/sqltype"
)

// Find gives the table with a name, with or without its schema, in any case. It errs when there is none, or several.
func (d *Database) Find(name string) (*Table, error) {
	var found *Table
	for _, t := range d.Tables {
		if strings.EqualFold(t.Schema+"."+t.Name, bare(name)) || strings.EqualFold(t.Name, bare(name)) {
			if found != nil {
				return nil, fmt.Errorf("find table %s: both %s.%s and %s.%s have that name: give the schema", name, found.Schema, found.Name, t.Schema, t.Name)
			}
			found = t
		}
	}
	if found == nil {
		return nil, fmt.Errorf("find table %s: database %s has no such table; \"tables\" lists them", name, d.Name)
	}
	return found, nil
}

// bare takes the brackets off a quoted name.
func bare(name string) string { return strings.NewReplacer("[", "", "]", "").Replace(name) }

// Readable lists the columns of t whose values Scan gives.
func (t *Table) Readable() []Column {
	cs := make([]Column, len(t.stored))
	for i, at := range t.stored {
		cs[i] = t.Columns[at]
	}
	return cs
}

// Scan calls fn for every row of t with the values of Readable's columns. The slice is reused; the values are not.
// Every call of Scan reads for itself, so that several may run at once.
func (d *Database) Scan(t *Table, fn func(row []sqltype.Value) error) error {
	if t.Unread != "" {
		return fmt.Errorf("read table %s.%s: %s", t.Schema, t.Name, t.Unread)
	}
	s := d.scanner()
	for i, rs := range t.rowsets {
		if err := d.scanRowset(s, t, rs, t.fields[i], fn); err != nil {
			return fmt.Errorf("read table %s.%s: %w", t.Schema, t.Name, err)
		}
	}
	return nil
}

func (d *Database) scanRowset(s *scanner, t *Table, rs rowset, fields []field, fn func([]sqltype.Value) error) error {
	row := make([]sqltype.Value, len(fields))
	for _, a := range d.allocs[rs.id] {
		if a.typ != allocInRow {
			continue
		}
		err := s.rows(a, rs.index == 0, func(id PageID, r *record) error {
			if err := s.read(r, fields, row); err != nil {
				return fmt.Errorf("page %v: %w", id, err)
			}
			return fn(row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Count counts the rows of t by looking at every one, without reading values.
func (d *Database) Count(t *Table) (int64, error) {
	if t.Unread != "" {
		return 0, fmt.Errorf("count table %s.%s: %s", t.Schema, t.Name, t.Unread)
	}
	s, n := d.scanner(), int64(0)
	for _, rs := range t.rowsets {
		if err := d.scanRowset(s, t, rs, nil, func([]sqltype.Value) error { n++; return nil }); err != nil {
			return n, fmt.Errorf("count table %s.%s: %w", t.Schema, t.Name, err)
		}
	}
	return n, nil
}
