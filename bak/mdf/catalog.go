package mdf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"linkspan/sqltype"
)

// userType is a row of sysscalartypes.
type userType struct {
	name     string
	schemaID int
	xtype    uint8
}

// object is a row of sysschobjs.
type object struct {
	id, schema, parent, property int
	name, typ                    string
	shipped                      bool
	text                         string // the definition, for what has one
	table                        *Table
}

// Table is a user table.
type Table struct {
	Schema, Name string
	Columns      []Column
	Indexes      []Index
	ForeignKeys  []ForeignKey
	Checks       []Constraint
	// Compression is "NONE", "ROW" or "PAGE".
	Compression string
	// Heap is true when there is no clustered index.
	Heap bool
	// Partitions is the number of partitions, 1 for most tables.
	Partitions int
	// Unread says why the rows cannot be read; "" when they can.
	Unread string

	id      int
	rowsets []rowset
	fields  [][]field // per rowset, for the columns that are stored
	stored  []int     // places in Columns of those
}

// Column is a column of a table.
type Column struct {
	Name string
	Type sqltype.Type
	// TypeName is the declared type when it is an alias type, a CLR type or sysname, with its schema.
	TypeName string
	Nullable bool
	Identity *Identity
	// Computed is the expression of a computed column.
	Computed string
	// Default and DefaultName are the default's expression and constraint.
	Default, DefaultName string
	RowGUID, Sparse      bool
	// Unread says why the column's values cannot be read; "" when they can.
	Unread string

	id, status, defaultID int
	xtype                 uint8
	length                int
	prec, scale           uint8
	collation             uint32
}

// Identity says how an identity column counts. Seed and Increment are inferred.
type Identity struct {
	Last, Increment, Seed int64
	// Used is false when no value was given yet.
	Used bool
}

// addedColumn is a column of a rowset.
type addedColumn struct {
	rowset int64
	column int
}

// readAdded reads the values that rows written before a column was added have there: since SQL Server 2012 adding a
// column with a default need not touch the rows (inferred: no sample has such a column).
func (d *Database) readAdded() error {
	return d.each("sysseobjvalues", func(r systemRow) error {
		if v := r.value("value"); v.Valid {
			d.added[addedColumn{r.value("id").N, r.int("subid")}] = v
		}
		return nil
	})
}

// Status bits of syscolpars.
const (
	columnNotNull    = 0x1
	columnIdentity   = 0x4
	columnRowGUID    = 0x8
	columnComputed   = 0x10
	columnFilestream = 0x20
	columnSparse     = 0x1000000
)

func (d *Database) readTypes() error {
	return d.each("sysscalartypes", func(r systemRow) error {
		d.types[r.int("id")] = userType{name: r.text("name"), schemaID: r.int("schid"), xtype: uint8(r.int("xtype"))}
		return nil
	})
}

// schemaClass is sysclsobjs' class of schemas.
const schemaClass = 50

func (d *Database) readSchemas() error {
	return d.each("sysclsobjs", func(r systemRow) error {
		if r.int("class") == schemaClass {
			d.schemas[r.int("id")] = r.text("name")
		}
		return nil
	})
}

func (d *Database) readObjects() error {
	return d.each("sysschobjs", func(r systemRow) error {
		o := &object{id: r.int("id"), schema: r.int("nsid"), parent: r.int("pid"), property: r.int("intprop"), name: r.text("name"),
			typ: strings.TrimRight(r.text("type"), " "), shipped: r.int("status")&1 != 0}
		d.objects[o.id] = o
		if o.typ == "U" && !o.shipped {
			o.table = &Table{Schema: d.schemaOf(o), Name: o.name, id: o.id}
			d.Tables = append(d.Tables, o.table)
		}
		return nil
	})
}

func (d *Database) schemaOf(o *object) string {
	if s, ok := d.schemas[o.schema]; ok {
		return s
	}
	return fmt.Sprint(o.schema)
}

// table is the user table with an object number, or nil.
func (d *Database) table(id int) *Table {
	if o := d.objects[id]; o != nil {
		return o.table
	}
	return nil
}

func (d *Database) readColumns() error {
	err := d.each("syscolpars", func(r systemRow) error {
		t := d.table(r.int("id"))
		if t == nil || r.int("number") != 0 {
			return nil
		}
		c := Column{Name: r.text("name"), id: r.int("colid"), status: r.int("status"), defaultID: r.int("dflt"), xtype: uint8(r.int("xtype")),
			length: r.int("length"), prec: uint8(r.int("prec")), scale: uint8(r.int("scale")), collation: uint32(r.int("collationid"))}
		c.Nullable, c.RowGUID, c.Sparse = c.status&columnNotNull == 0, c.status&columnRowGUID != 0, c.status&columnSparse != 0
		if c.status&columnIdentity != 0 {
			c.Identity = decodeIdentity(r.value("idtval").S)
		}
		d.nameType(&c, r.int("utype"))
		t.Columns = append(t.Columns, c)
		return nil
	})
	for _, t := range d.Tables {
		slices.SortFunc(t.Columns, func(a, b Column) int { return cmp.Compare(a.id, b.id) })
		d.layOut(t)
	}
	return err
}

// nameType gives the column its type.
func (d *Database) nameType(c *Column, user int) {
	typ, err := typeOf(c.xtype, c.length, c.prec, c.scale)
	if err != nil {
		c.Unread = err.Error()
	}
	c.Type = typ
	if u, ok := d.types[user]; ok && (user > 256 || user == 256 || u.xtype == xCLR) {
		c.TypeName = u.name
		if s := d.schemas[u.schemaID]; s != "" && s != "sys" {
			c.TypeName = s + "." + u.name
		}
	}
	switch {
	case c.status&columnFilestream != 0:
		c.Unread = "FILESTREAM data lies outside the data files"
	case c.Sparse:
		c.Unread = "SPARSE columns are not read"
	}
}

// decodeIdentity reads idtval: last value, increment and seed, each as long as a value of the column, and a byte.
func decodeIdentity(s string) *Identity {
	n := (len(s) - 1) / 3
	if n < 1 || n > 17 {
		return &Identity{}
	}
	at := func(i int) int64 {
		v := int64(0)
		for j := min(n, 8) - 1; j >= 0; j-- {
			v = v<<8 | int64(s[i*n+j])
		}
		if n < 8 && n > 1 { // sign
			shift := uint(64 - 8*n)
			v = v << shift >> shift
		}
		return v
	}
	return &Identity{Last: at(0), Increment: at(1), Seed: at(2), Used: s[len(s)-1]&1 == 0}
}

// Compression levels of sysrowsets.
var compressionNames = map[int]string{0: "NONE", 1: "ROW", 2: "PAGE", 3: "COLUMNSTORE", 4: "COLUMNSTORE_ARCHIVE"}

// layOut finds where the columns of t lie in each of its partitions.
func (d *Database) layOut(t *Table) {
	t.rowsets = d.dataRowsets(t.id)
	t.Partitions = max(1, len(t.rowsets))
	if len(t.rowsets) == 0 {
		t.Unread = "it has no heap or clustered index on disk (memory-optimised, external or a graph table's shell)"
		return
	}
	t.Heap = t.rowsets[0].index == 0
	for _, rs := range t.rowsets {
		if c := compressionNames[rs.compression]; c != "" && (t.Compression == "" || t.Compression == "NONE") {
			t.Compression = c
		}
		switch {
		case rs.compression > 2:
			t.Unread = "its rows are in a columnstore"
			return
		case rs.compression > 0:
			t.Unread = "its rows are stored with " + t.Compression + " compression, which is not read"
		}
		d.layOutRowset(t, rs)
	}
}

// layOutRowset adds the fields of one partition.
func (d *Database) layOutRowset(t *Table, rs rowset) {
	stored := d.storedColumns(rs.id)
	var fields []field
	places := t.stored[:0:0]
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Unread != "" {
			continue
		}
		sc, ok := stored[c.id]
		if !ok {
			if c.status&columnComputed == 0 {
				c.Unread = "the storage of the column is not described"
			}
			continue
		}
		f, err := newField(c.id, c.xtype, c.length, c.prec, c.scale, sc)
		if err != nil {
			c.Unread = err.Error()
			continue
		}
		f.page, f.required = d.codePage(c.collation), !c.Nullable
		if v, ok := d.added[addedColumn{rs.id, c.id}]; ok && v.K == f.typ.Kind {
			f.missing = v
		}
		fields, places = append(fields, f), append(places, i)
	}
	t.fields, t.stored = append(t.fields, fields), places
}

// codePage is the code page of a column's collation: its number has the sort order in the top byte for the old SQL
// collations, whose code pages are known; others are taken to have the database's.
func (d *Database) codePage(collation uint32) codePage {
	switch sort := collation >> 24; {
	case sort >= 30 && sort <= 34:
		return 437
	case sort >= 40 && sort <= 49:
		return 850
	case sort >= 50 && sort <= 54:
		return 1252
	}
	return codePage(d.o.CodePage)
}

// CodePageOf gives the code page of a locale, as the header of a backup names the database's; 1252 for those that use it.
func CodePageOf(locale uint32) int {
	if c, ok := codePages[locale&0xfffff]; ok {
		return int(c)
	}
	return 1252
}
