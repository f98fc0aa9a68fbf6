package mdf

import (
	"fmt"

	"linkspan/sqltype"
)

// systemTable is a system table with the names of its columns.
type systemTable struct {
	id     int
	names  map[string]int // name to place in fields
	fields []field
	rowset rowset
}

// baseColumn is a column of a system table as syscolpars has it.
type baseColumn struct {
	id     int
	name   string
	xtype  uint8
	length int
	prec   uint8
	scale  uint8
}

// maxSystemID is the greatest object number of a system table.
const maxSystemID = 99

// describeBase finds the system tables and their columns: sysschobjs and syscolpars have layouts that never changed.
func (d *Database) describeBase() error {
	s := d.scanner()
	names := map[int]string{}
	err := d.baseRows(s, idObjects, []field{fixedField(1, xInt, 4), variableField(2, xNVarChar, 0), fixedField(6, xChar, 17)}, func(v []sqltype.Value) error {
		if v[0].N <= maxSystemID {
			names[int(v[0].N)] = v[1].S
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sysschobjs: %w", err)
	}
	columns := map[int][]baseColumn{}
	name := variableField(4, xNVarChar, 0)
	fields := []field{fixedField(1, xInt, 4), fixedField(2, xSmallInt, 8), fixedField(3, xInt, 10), name, fixedField(5, xTinyInt, 14),
		fixedField(7, xSmallInt, 19), fixedField(8, xTinyInt, 21), fixedField(9, xTinyInt, 22)}
	err = d.baseRows(s, idColumns, fields, func(v []sqltype.Value) error {
		if id := int(v[0].N); v[1].N == 0 && id <= maxSystemID {
			columns[id] = append(columns[id], baseColumn{int(v[2].N), v[3].S, uint8(v[4].N), int(v[5].N), uint8(v[6].N), uint8(v[7].N)})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("syscolpars: %w", err)
	}
	for id, n := range names {
		if t, err := d.describe(id, columns[id]); err == nil {
			d.base[n] = t
		}
	}
	return nil
}

// baseRows reads a system table whose layout is built in; char columns there have two characters.
func (d *Database) baseRows(s *scanner, id int, fields []field, fn func([]sqltype.Value) error) error {
	rs := d.dataRowsets(id)
	if len(rs) == 0 {
		return fmt.Errorf("no rowset")
	}
	first, err := d.firstPage(rs[0].id)
	if err != nil {
		return err
	}
	for i := range fields {
		if fields[i].xtype == xChar {
			fields[i].size = 2
		}
	}
	return d.fixedRows(s, first, fields, fn)
}

// describe makes the layout of a system table.
func (d *Database) describe(id int, columns []baseColumn) (*systemTable, error) {
	rs := d.dataRowsets(id)
	if len(rs) == 0 {
		return nil, fmt.Errorf("table %d has no rowset", id)
	}
	t := &systemTable{id: id, names: map[string]int{}, rowset: rs[0]}
	stored := d.storedColumns(rs[0].id)
	for _, c := range columns {
		sc, ok := stored[c.id]
		if !ok {
			continue
		}
		f, err := newField(c.id, c.xtype, c.length, c.prec, c.scale, sc)
		if err != nil {
			return nil, err
		}
		t.names[c.name] = len(t.fields)
		t.fields = append(t.fields, f)
	}
	return t, nil
}

// storedColumns gives the columns of a rowset by number.
func (d *Database) storedColumns(rowset int64) map[int]storedColumn {
	m := map[int]storedColumn{}
	for _, c := range d.columns[rowset] {
		if c.status&storedDropped == 0 {
			m[c.id] = c
		}
	}
	return m
}

// newField makes a field from a column's type and where it is stored.
func newField(id int, xtype uint8, length int, prec, scale uint8, sc storedColumn) (field, error) {
	typ, err := typeOf(xtype, length, prec, scale)
	if err != nil {
		return field{}, err
	}
	f := field{id: id, xtype: xtype, typ: typ, missing: sqltype.NullOf(typ.Kind)}
	return f, f.place(sc.offset, sc.nullBit, sc.bitPos, length)
}

// systemRow is one row of a system table; its accessors give zero values for columns that the version does not have.
type systemRow struct {
	t   *systemTable
	row []sqltype.Value
}

func (r systemRow) value(name string) sqltype.Value {
	if i, ok := r.t.names[name]; ok {
		return r.row[i]
	}
	return sqltype.Value{}
}

func (r systemRow) int(name string) int     { return int(r.value(name).N) }
func (r systemRow) text(name string) string { return r.value(name).S }

// each calls fn for every row of the system table name. A table that the version does not have has no rows.
func (d *Database) each(name string, fn func(systemRow) error) error {
	t := d.base[name]
	if t == nil {
		return nil
	}
	s := d.scanner()
	row := make([]sqltype.Value, len(t.fields))
	for _, a := range d.allocs[t.rowset.id] {
		if a.typ != allocInRow {
			continue
		}
		err := s.rows(a, t.rowset.index == 0, func(id PageID, r *record) error {
			if err := s.read(r, t.fields, row); err != nil {
				return fmt.Errorf("page %v: %w", id, err)
			}
			return fn(systemRow{t, row})
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
