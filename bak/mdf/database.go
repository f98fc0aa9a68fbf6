package mdf

import (
	"cmp"
	"fmt"
	"slices"

	"linkspan/sqltype"
)

// Database is an opened database: what its system tables say. It is immutable and may be shared; scans run
// concurrently.
type Database struct {
	Name string
	// Version is the internal version of the files (661 is SQL Server 2008 R2).
	Version int
	// Schemas, types and objects, by number.
	schemas map[int]string
	types   map[int]userType
	objects map[int]*object
	// Tables are the user tables, by schema and name.
	Tables []*Table
	// Views, procedures, functions and triggers, by schema and name.
	Modules []Module
	// Users and roles.
	Principals []Principal
	// Properties are the extended properties.
	Properties []Property

	pages   *Pages
	o       Options
	rowsets map[int][]rowset // by object number
	allocs  map[int64][]allocation
	columns map[int64][]storedColumn // by rowset
	added   map[addedColumn]sqltype.Value
	base    map[string]*systemTable
}

// rowset is a heap or index of an object: index 0 is the heap, 1 the clustered index.
type rowset struct {
	id          int64
	index       int
	partition   int
	rows        int64
	compression int
	ownerType   int
}

// storedColumn is a row of sysrscols: where a column lies in a rowset.
type storedColumn struct {
	id                      int
	ti, offset, nullBit     int32
	bitPos, status, ordinal int
}

// Column status bits in sysrscols.
const storedDropped = 2

// Numbers of the system tables that are read before names are known.
const (
	idRowColumns = 3
	idRowsets    = 5
	idAllocUnits = 7
	idObjects    = 34
	idColumns    = 41
)

// rowsetsRowset is the rowset of sysrowsets, where every database begins.
const rowsetsRowset = idRowsets << 16

// Boot page.
const (
	bootPage       = 9
	bootVersion    = 4  // of the record: u16
	bootName       = 52 // nchar(128), filled with 0x20
	bootNameLength = 256
	bootAllocUnits = 516
)

// Open reads the system tables of the database whose pages are in p.
func Open(p *Pages, o Options) (*Database, error) {
	d := &Database{pages: p, o: o.withDefaults(), schemas: map[int]string{}, types: map[int]userType{}, objects: map[int]*object{},
		rowsets: map[int][]rowset{}, allocs: map[int64][]allocation{}, columns: map[int64][]storedColumn{}, added: map[addedColumn]sqltype.Value{}, base: map[string]*systemTable{}}
	if err := d.boot(); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		what string
		read func() error
	}{
		{"system tables", d.describeBase}, {"types", d.readTypes}, {"schemas", d.readSchemas}, {"objects", d.readObjects}, {"values of added columns", d.readAdded}, {"columns", d.readColumns},
		{"indexes", d.readIndexes}, {"constraints", d.readConstraints}, {"modules", d.readModules}, {"principals", d.readPrincipals}, {"extended properties", d.readProperties},
	} {
		if err := step.read(); err != nil {
			return nil, fmt.Errorf("read %s: %w", step.what, err)
		}
	}
	d.finish()
	return d, nil
}

func (d *Database) scanner() *scanner {
	return &scanner{pages: d.pages.NewReader(), o: d.o, total: (d.pages.extents + 1) * pagesPerExtent}
}

// boot reads the boot page and the three tables that say where all others are.
func (d *Database) boot() error {
	s := d.scanner()
	p, err := s.pages.Page(PageID{1, bootPage})
	if err != nil {
		return fmt.Errorf("read boot page: %w", err)
	}
	rec := slot(p, 0)
	if p[headType] != pageBoot || len(rec) < bootAllocUnits+6 {
		return fmt.Errorf("read boot page: page (1:9) is of type %d, not a boot page", p[headType])
	}
	d.Version = int(le.Uint16(rec[bootVersion:]))
	d.Name = trimName(utf16String(rec[bootName : bootName+bootNameLength]))
	first := pageIDAt(rec[bootAllocUnits:])
	if err := d.readAllocUnits(s, first); err != nil {
		return fmt.Errorf("read allocation units from %v: %w (so it looks when the database is encrypted: pages under TDE are not read)", first, err)
	}
	if err := d.readRowsets(s); err != nil {
		return fmt.Errorf("read rowsets: %w", err)
	}
	if err := d.readRowColumns(s); err != nil {
		return fmt.Errorf("read columns of rowsets: %w", err)
	}
	return nil
}

func trimName(s string) string {
	for i, r := range s {
		if r == 0 || r == 0x2020 {
			return s[:i]
		}
	}
	return s
}

// fixedRows reads rows of a table whose layout is built in.
func (d *Database) fixedRows(s *scanner, first PageID, fields []field, fn func([]sqltype.Value) error) error {
	row := make([]sqltype.Value, len(fields))
	return s.rows(allocation{first: first}, false, func(_ PageID, r *record) error {
		if err := s.read(r, fields, row); err != nil {
			return err
		}
		return fn(row)
	})
}

func (d *Database) readAllocUnits(s *scanner, first PageID) error {
	fields := []field{fixedField(2, xTinyInt, 12), fixedField(3, xBigInt, 13), fixedField(6, xBinary, 27), fixedField(7, xBinary, 33), fixedField(8, xBinary, 39)}
	return d.fixedRows(s, first, fields, func(v []sqltype.Value) error {
		for i := range v {
			if !v[i].Valid {
				return fmt.Errorf("a record is too short")
			}
		}
		at := func(i int) PageID { return pageIDAt(v[i].Bytes()) }
		d.allocs[v[1].N] = append(d.allocs[v[1].N], allocation{typ: uint8(v[0].N), first: at(2), root: at(3), ia: at(4)})
		return nil
	})
}

// firstPage is the first data page of a rowset.
func (d *Database) firstPage(id int64) (PageID, error) {
	for _, a := range d.allocs[id] {
		if a.typ == allocInRow {
			return a.first, nil
		}
	}
	return PageID{}, fmt.Errorf("rowset %d has no allocation unit", id)
}

func (d *Database) readRowsets(s *scanner) error {
	first, err := d.firstPage(rowsetsRowset)
	if err != nil {
		return err
	}
	fields := []field{fixedField(1, xBigInt, 4), fixedField(2, xTinyInt, 12), fixedField(3, xInt, 13), fixedField(4, xInt, 17), fixedField(5, xInt, 21),
		fixedField(8, xBigInt, 31), fixedField(9, xTinyInt, 39)}
	return d.fixedRows(s, first, fields, func(v []sqltype.Value) error {
		id := int(v[2].N)
		d.rowsets[id] = append(d.rowsets[id], rowset{id: v[0].N, ownerType: int(v[1].N), index: int(v[3].N), partition: int(v[4].N), rows: v[5].N, compression: int(v[6].N)})
		return nil
	})
}

// dataRowsets are the heap or clustered index of an object, one for each partition.
func (d *Database) dataRowsets(object int) []rowset {
	var rs []rowset
	for _, r := range d.rowsets[object] {
		if r.index <= 1 {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b rowset) int { return cmp.Compare(a.partition, b.partition) })
	return rs
}

func (d *Database) readRowColumns(s *scanner) error {
	rs := d.dataRowsets(idRowColumns)
	if len(rs) == 0 {
		return fmt.Errorf("sysrscols has no rowset")
	}
	first, err := d.firstPage(rs[0].id)
	if err != nil {
		return err
	}
	fields := []field{fixedField(1, xBigInt, 4), fixedField(2, xInt, 12), fixedField(5, xInt, 28), fixedField(7, xSmallInt, 36), fixedField(9, xInt, 40),
		fixedField(10, xInt, 44), fixedField(11, xInt, 48), fixedField(12, xSmallInt, 52)}
	return d.fixedRows(s, first, fields, func(v []sqltype.Value) error {
		c := storedColumn{id: int(v[1].N), ti: int32(v[2].N), ordinal: int(v[3].N), status: int(v[4].N), offset: int32(v[5].N), nullBit: int32(v[6].N), bitPos: int(v[7].N)}
		d.columns[v[0].N] = append(d.columns[v[0].N], c)
		return nil
	})
}
