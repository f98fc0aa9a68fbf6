package mdf

import (
	"cmp"
	"slices"
	"strings"
)

// Index is an index or key of a table.
type Index struct {
	Name string
	// Kind is "CLUSTERED", "NONCLUSTERED", "XML", "SPATIAL", "CLUSTERED COLUMNSTORE", "NONCLUSTERED COLUMNSTORE" or "HASH".
	Kind                 string
	Unique, Primary, Key bool
	Disabled             bool
	Columns              []IndexColumn
	id, object           int
}

// IndexColumn is a column of an index.
type IndexColumn struct {
	Name                 string
	Descending, Included bool
	order                int
}

// ForeignKey is a foreign key of a table.
type ForeignKey struct {
	Name                        string
	Columns                     []string
	ReferencedTable             string // schema and name
	ReferencedColumns           []string
	id                          int
	parentOrder, referenceOrder []int
}

// Constraint is a check constraint.
type Constraint struct {
	Name, Text string
	// Column is the column it stands at, "" for the table's.
	Column string
}

// Status bits of sysidxstats and sysiscols.
const (
	indexIs         = 0x1
	indexUnique     = 0x8
	indexPrimary    = 0x20
	indexKey        = 0x40
	indexDisabled   = 0x80
	columnOfIndex   = 0x2
	columnDescends  = 0x4
	columnIsInclude = 0x10
)

var indexKinds = map[int]string{1: "CLUSTERED", 2: "NONCLUSTERED", 3: "XML", 4: "SPATIAL", 5: "CLUSTERED COLUMNSTORE", 6: "NONCLUSTERED COLUMNSTORE", 7: "HASH"}

type indexID struct{ object, index int }

func (d *Database) readIndexes() error {
	found := map[indexID]*Index{}
	err := d.each("sysidxstats", func(r systemRow) error {
		t, st := d.table(r.int("id")), r.int("status")
		kind := indexKinds[r.int("type")]
		if t == nil || st&indexIs == 0 || kind == "" {
			return nil
		}
		x := &Index{Name: r.text("name"), Kind: kind, Unique: st&indexUnique != 0, Primary: st&indexPrimary != 0, Key: st&indexKey != 0,
			Disabled: st&indexDisabled != 0, id: r.int("indid"), object: t.id}
		found[indexID{t.id, x.id}] = x
		if kind == "CLUSTERED COLUMNSTORE" {
			t.Unread = "its rows are in a columnstore"
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = d.each("sysiscols", func(r systemRow) error {
		x := found[indexID{r.int("idmajor"), r.int("idminor")}]
		if x == nil || r.int("status")&columnOfIndex == 0 {
			return nil
		}
		st := r.int("status")
		x.Columns = append(x.Columns, IndexColumn{Name: d.columnName(x.object, r.int("intprop")), Descending: st&columnDescends != 0,
			Included: st&columnIsInclude != 0, order: r.int("subid")})
		return nil
	})
	for _, x := range found {
		slices.SortFunc(x.Columns, func(a, b IndexColumn) int { return cmp.Compare(a.order, b.order) })
		t := d.table(x.object)
		t.Indexes = append(t.Indexes, *x)
	}
	for _, t := range d.Tables {
		slices.SortFunc(t.Indexes, func(a, b Index) int { return cmp.Compare(a.id, b.id) })
	}
	return err
}

// columnName is the name of a column of a table, "" when there is none.
func (d *Database) columnName(object, column int) string {
	if t := d.table(object); t != nil {
		for i := range t.Columns {
			if t.Columns[i].id == column {
				return t.Columns[i].Name
			}
		}
	}
	return ""
}

// Classes of syssingleobjrefs.
const (
	refersIndex        = 27 // foreign key to the referenced table's index
	refersParentColumn = 28 // foreign key column to the table's column
	refersColumn       = 29 // foreign key column to the referenced column
)

func (d *Database) readConstraints() error {
	keys := map[int]*ForeignKey{}
	for _, o := range d.objects {
		if o.typ == "F" && d.table(o.parent) != nil {
			keys[o.id] = &ForeignKey{Name: o.name, id: o.id}
		}
	}
	err := d.each("syssingleobjrefs", func(r systemRow) error {
		k := keys[r.int("depid")]
		if k == nil {
			return nil
		}
		ref, sub, order := r.int("indepid"), r.int("indepsubid"), r.int("depsubid")
		switch r.int("class") {
		case refersIndex:
			if o := d.objects[ref]; o != nil {
				k.ReferencedTable = d.schemaOf(o) + "." + o.name
			}
		case refersParentColumn:
			k.Columns, k.parentOrder = insertAt(k.Columns, k.parentOrder, d.columnName(ref, sub), order)
		case refersColumn:
			k.ReferencedColumns, k.referenceOrder = insertAt(k.ReferencedColumns, k.referenceOrder, d.columnName(ref, sub), order)
		}
		return nil
	})
	for id, k := range keys {
		t := d.table(d.objects[id].parent)
		t.ForeignKeys = append(t.ForeignKeys, *k)
	}
	for _, t := range d.Tables {
		slices.SortFunc(t.ForeignKeys, func(a, b ForeignKey) int { return strings.Compare(a.Name, b.Name) })
	}
	return err
}

// insertAt puts a name in its order.
func insertAt(names []string, orders []int, name string, order int) ([]string, []int) {
	i, _ := slices.BinarySearch(orders, order)
	return slices.Insert(names, i, name), slices.Insert(orders, i, order)
}
