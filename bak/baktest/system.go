package baktest

import (
	"fmt"
	"strings"
)

// Numbers of the system tables.
const (
	sysRsCols, sysRowsets, sysAllocUnits, sysOwners     = 3, 5, 7, 27
	sysSchObjs, sysColPars, sysXProps, sysScalarTypes   = 34, 41, 49, 50
	sysIdxStats, sysIsCols, sysObjValues, sysClsObjs    = 54, 55, 60, 64
	sysSingleObjRefs, sysSEObjValues                    = 74, 9
	maxKind, identityBit, notNull, shipped, schemaClass = -1, 4, 1, 1, 50
)

// systemColumns are the columns of the system tables, as the databases of SQL Server 2008 R2 describe them.
var systemColumns = map[int]struct{ name, columns string }{
	sysRsCols:        {"sysrscols", "rsid:b rscolid:i hbcolid:i rcmodified:b ti:i cid:i ordkey:s maxinrowlen:s status:i offset:i nullbit:i bitpos:s colguid:v"},
	sysRowsets:       {"sysrowsets", "rowsetid:b ownertype:t idmajor:i idminor:i numpart:i status:i fgidfs:s rcrows:b cmprlevel:t fillfact:t maxnullbit:s maxleaf:i maxint:s minleaf:s minint:s rsguid:v"},
	sysAllocUnits:    {"sysallocunits", "auid:b type:t ownerid:b status:i fgid:s pgfirst:6 pgroot:6 pgfirstiam:6 pcused:b pcdata:b pcreserved:b"},
	sysOwners:        {"sysowners", "id:i name:n type:1 sid:v password:v dfltsch:n status:i created:d modified:d"},
	sysSchObjs:       {"sysschobjs", "id:i name:n nsid:i nsclass:t status:i type:2 pid:i pclass:t intprop:i created:d modified:d"},
	sysColPars:       {"syscolpars", "id:i number:s colid:i name:n xtype:t utype:i length:s prec:t scale:t collationid:i status:i maxinrow:s xmlns:i dflt:i chk:i idtval:v"},
	sysXProps:        {"sysxprops", "class:t id:i subid:i name:n value:x"},
	sysScalarTypes:   {"sysscalartypes", "id:i schid:i name:n xtype:t length:s prec:t scale:t collationid:i status:i created:d modified:d dflt:i chk:i"},
	sysIdxStats:      {"sysidxstats", "id:i indid:i name:n status:i intprop:i fillfact:t type:t tinyprop:t dataspace:i lobds:i rowset:b"},
	sysIsCols:        {"sysiscols", "idmajor:i idminor:i subid:i status:i intprop:i tinyprop1:t tinyprop2:t"},
	sysObjValues:     {"sysobjvalues", "valclass:t objid:i subobjid:i valnum:i value:x imageval:V"},
	sysClsObjs:       {"sysclsobjs", "class:t id:i name:n status:i type:2 intprop:i created:d modified:d"},
	sysSEObjValues:   {"sysseobjvalues", "valclass:t id:b subid:b valnum:i value:x imageval:V"},
	sysSingleObjRefs: {"syssingleobjrefs", "class:t depid:i depsubid:i indepid:i indepsubid:i status:i"},
}

func columnsOf(table int) []Column {
	var cs []Column
	for _, f := range strings.Fields(systemColumns[table].columns) {
		name, kind, _ := strings.Cut(f, ":")
		c := map[string]Column{"b": {XType: bigInt}, "i": {XType: integer}, "s": {XType: smallInt}, "t": {XType: tinyInt}, "d": {XType: dateTime},
			"v": {XType: varBinary, Len: 85}, "V": {XType: varBinary, Len: maxKind}, "n": {XType: nVarChar, Len: 256}, "x": {XType: variant, Len: 8016},
			"6": {XType: binaryType, Len: 6}, "1": {XType: charType, Len: 1}, "2": {XType: charType, Len: 2}}[kind]
		c.Name = name
		cs = append(cs, c)
	}
	return cs
}

// rowsetOf is the rowset id of a table.
func rowsetOf(table int) int64 { return int64(table) << 16 }

// describe puts a table's columns and where they lie into the system tables.
func (m *image) describe(table int, columns []Column) {
	for i, p := range places(columns) {
		c := columns[i]
		st := int64(0)
		number := int64(i + 1)
		if c.Dropped {
			st, number = 2, int64(67108864+i)
		}
		m.put(sysRsCols, rowsetOf(table), number, number, int64(0), int64(c.XType), int64(0), int64(0), int64(0), st, int64(uint16(int16(p.offset))), int64(i+1), int64(p.bitPos), nil)
		if c.Dropped {
			continue
		}
		if c.Added != nil {
			m.put(sysSEObjValues, int64(1), rowsetOf(table), number, int64(0), c.Added, nil)
		}
		status := int64(0)
		if c.NotNull {
			status |= notNull
		}
		var identity any
		if c.Identity {
			status |= identityBit
			identity = []byte{9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}
		}
		dflt := int64(0)
		if c.Default != "" {
			dflt = int64(m.constraint(table, fmt.Sprintf("DF_%s_%d", c.Name, table), "D ", i+1, c.Default))
		}
		m.put(sysColPars, int64(table), int64(0), number, c.Name, int64(c.XType), int64(c.XType), int64(c.Len), int64(c.Prec), int64(c.Scale),
			int64(0x3400d008), status, int64(0), int64(0), dflt, int64(0), identity)
	}
}

// constraint puts a constraint with a text into the system tables.
func (m *image) constraint(table int, name, typ string, column int, definition string) int {
	id := m.objectID(name)
	m.put(sysSchObjs, int64(id), name, int64(1), int64(0), int64(0), typ, int64(table), int64(1), int64(column), int64(0), int64(0))
	m.put(sysObjValues, int64(1), int64(id), int64(0), int64(0), variantInt(2), []byte(definition))
	return id
}

func variantInt(n byte) []byte { return []byte{integer, 1, n, 0, 0, 0} }

func (m *image) rowset(table, index, compression int, first, iam uint32, rows int) {
	m.put(sysRowsets, rowsetOf(table), int64(1), int64(table), int64(index), int64(1), int64(0), int64(0), int64(rows), int64(compression), int64(0),
		int64(0), int64(0), int64(0), int64(0), int64(0), nil)
	m.put(sysAllocUnits, rowsetOf(table)+1, int64(1), rowsetOf(table), int64(0), int64(1), address(first), address(first), address(iam), int64(1), int64(1), int64(1))
}

// declare puts in what every database has: schemas, types, users.
func (m *image) declare(d *Database) {
	for id, name := range map[int]string{1: "dbo", 4: "sys", 5: "sales"} {
		m.put(sysClsObjs, int64(schemaClass), int64(id), name, int64(0), "SC", int64(0), int64(0), int64(0))
	}
	for id, name := range map[int]string{56: "int", 167: "varchar", 231: "nvarchar"} {
		m.put(sysScalarTypes, int64(id), int64(4), name, int64(id), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0))
	}
	for i, u := range append([]string{"dbo"}, d.Users...) {
		m.put(sysOwners, int64(i+1), u, "S", []byte{1}, nil, "dbo", int64(0), int64(0), int64(0))
	}
	if d.Property != "" {
		m.put(sysXProps, int64(0), int64(0), int64(0), "Owner", append([]byte{nVarChar, 1, 64, 0, 8, 0xd0, 0, 52}, utf16Bytes(d.Property)...))
	}
}

var schemaIDs = map[string]int64{"dbo": 1, "sys": 4, "sales": 5}

// userTable writes a table and describes it.
func (m *image) userTable(t *Table) {
	id := m.objectID(t.Name)
	m.put(sysSchObjs, int64(id), t.Name, schemaIDs[t.Schema], int64(0), int64(0), "U ", int64(0), int64(1), int64(0), int64(0), int64(0))
	m.describe(id, t.Columns)
	first, ids := m.write(t.Columns, t.Rows, t.Heap)
	index, iam := 1, m.allocationMap(ids)
	if t.Heap {
		index = 0
	}
	m.rowset(id, index, t.Compression, first, iam, len(t.Rows))
	kind := int64(index)
	if t.Columnstore {
		kind = 5
	}
	if len(t.Key) > 0 {
		m.put(sysIdxStats, int64(id), int64(1), "PK_"+t.Name, int64(0x2b), int64(0), int64(0), max(kind, 1), int64(0), int64(1), int64(0), rowsetOf(id))
		for i, k := range t.Key {
			m.put(sysIsCols, int64(id), int64(1), int64(i+1), int64(3), int64(columnNumber(t, k)), int64(i+1), int64(0))
		}
	} else if t.Columnstore {
		m.put(sysIdxStats, int64(id), int64(1), "CCI", int64(1), int64(0), int64(0), kind, int64(0), int64(1), int64(0), rowsetOf(id))
	}
	for col, to := range t.References {
		m.foreignKey(t, id, col, to)
	}
	if t.Check != "" {
		m.constraint(id, "CK_"+t.Name, "C ", 0, t.Check)
	}
}

func columnNumber(t *Table, name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i + 1
		}
	}
	return 0
}

// foreignKey puts in a key to the first column of another table.
func (m *image) foreignKey(t *Table, id int, column, to string) {
	name := "FK_" + t.Name + "_" + column
	fk, ref := m.objectID(name), m.objectID(to)
	m.put(sysSchObjs, int64(fk), name, int64(1), int64(0), int64(0), "F ", int64(id), int64(1), int64(0), int64(0), int64(0))
	m.put(sysSingleObjRefs, int64(27), int64(fk), int64(0), int64(ref), int64(1), int64(0))
	m.put(sysSingleObjRefs, int64(28), int64(fk), int64(1), int64(id), int64(columnNumber(t, column)), int64(0))
	m.put(sysSingleObjRefs, int64(29), int64(fk), int64(1), int64(ref), int64(1), int64(0))
}

func (m *image) modules(d *Database) {
	for _, mod := range d.Modules {
		id := m.objectID(mod.Name)
		m.put(sysSchObjs, int64(id), mod.Name, schemaIDs[mod.Schema], int64(0), int64(0), mod.Type, int64(0), int64(1), int64(0), int64(0), int64(0))
		body := any([]byte(mod.Text))
		for _, r := range mod.Text {
			if r > 0x7f {
				body = utf16Bytes(mod.Text)
			}
		}
		if len(mod.Text) > 4000 {
			body = Large{Bytes: []byte(mod.Text)}
		}
		m.put(sysObjValues, int64(1), int64(id), int64(0), int64(0), variantInt(2), body)
	}
}

// systemTables writes the system tables and gives the first page of the allocation units.
func (m *image) systemTables() uint32 {
	for _, t := range []int{sysRsCols, sysRowsets, sysAllocUnits, sysOwners, sysSchObjs, sysColPars, sysXProps, sysScalarTypes, sysIdxStats, sysIsCols, sysObjValues, sysClsObjs, sysSingleObjRefs, sysSEObjValues} {
		m.put(sysSchObjs, int64(t), systemColumns[t].name, int64(4), int64(0), int64(shipped), "S ", int64(0), int64(1), int64(0), int64(0), int64(0))
		m.describe(t, columnsOf(t))
	}
	for _, t := range []int{sysOwners, sysSchObjs, sysColPars, sysXProps, sysScalarTypes, sysIdxStats, sysIsCols, sysObjValues, sysClsObjs, sysSingleObjRefs, sysSEObjValues, sysRsCols} {
		first, _ := m.write(columnsOf(t), m.system[t], false)
		m.rowset(t, 1, 0, first, 0, len(m.system[t]))
	}
	// The last two describe themselves: their first pages are known before they are written.
	rowsets, units := uint32(len(m.pages)), uint32(0)
	m.put(sysRowsets, rowsetOf(sysRowsets), int64(1), int64(sysRowsets), int64(1), int64(1), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), nil)
	m.put(sysAllocUnits, rowsetOf(sysRowsets)+1, int64(1), rowsetOf(sysRowsets), int64(0), int64(1), address(rowsets), address(rowsets), address(0), int64(1), int64(1), int64(1))
	first, _ := m.write(columnsOf(sysRowsets), m.system[sysRowsets], false)
	if first != rowsets {
		panic("the first page of sysrowsets is not where it was announced")
	}
	units, _ = m.write(columnsOf(sysAllocUnits), m.system[sysAllocUnits], false)
	return units
}
