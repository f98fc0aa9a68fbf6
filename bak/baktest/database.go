package baktest

import (
	"encoding/binary"
	"fmt"

	"linkspan/bak"
)

// Column is a column of a table. XType is the number of the system type; Len is in bytes, -1 for max.
type Column struct {
	Name        string
	XType       uint8
	Len         int
	Prec, Scale uint8
	NotNull     bool
	// Identity makes it an identity column; Default is the text of its default.
	Identity bool
	Default  string
	// Added is the value (a sql_variant) that rows written before the column was added have there.
	Added []byte
	// Dropped columns take room in rows and are in no table.
	Dropped bool
}

// Row is one row of a table.
type Row struct {
	// Values has a value per column: nil, int64, string (as UTF-16 or the bytes of the code page), []byte, or Large.
	Values []any
	// Columns is how many columns the row was written with; 0 means all.
	Columns int
	// Ghost rows are deleted; Forwarded rows of a heap have moved away and left a stub.
	Ghost, Forwarded bool
}

// Large is a value that is stored outside its row: as a text pointer, a row overflow or the root of a max type, by the
// column's type. Parts is the number of bytes in each part; 0 means as many as fit a page.
type Large struct {
	Bytes []byte
	Part  int
	// Tree puts a level of internal records between the root and the data.
	Tree bool
}

// Table is a user table.
type Table struct {
	Schema, Name string
	Columns      []Column
	Rows         []Row
	Heap         bool
	// Key names the columns of the primary key.
	Key []string
	// References maps a column to "table.column", a foreign key.
	References map[string]string
	Check      string
	// Compression and IndexKind, when not zero, claim features that are not read.
	Compression int
	Columnstore bool
}

// Module is a view, procedure, function or trigger.
type Module struct{ Schema, Name, Type, Text string }

// Database is a database to make.
type Database struct {
	Name     string
	Version  int
	Tables   []Table
	Modules  []Module
	Users    []string
	Property string // an extended property of the database
}

// image is a data file being made.
type image struct {
	pages [][]byte
	next  map[uint32]uint32
	// system rows, by table.
	system map[int][]Row
	ids    map[string]int
	id     int
	lob    *page
	lobRow int64
}

// page is a page being filled.
type page struct {
	b     []byte
	id    uint32
	free  int
	slots int
}

// firstPage is the first page that is handed out: those before have fixed uses.
const firstPage = 16

func (m *image) newPage(typ byte) *page {
	if len(m.pages) == 0 {
		m.pages = make([][]byte, firstPage)
	}
	p := &page{b: make([]byte, bak.PageSize), id: uint32(len(m.pages)), free: 96}
	m.pages = append(m.pages, p.b)
	p.head(typ)
	return p
}

func (m *image) pageAt(id uint32, typ byte) *page {
	p := &page{b: make([]byte, bak.PageSize), id: id, free: 96}
	m.pages[id] = p.b
	p.head(typ)
	return p
}

func (p *page) head(typ byte) {
	p.b[0], p.b[1] = 1, typ
	binary.LittleEndian.PutUint32(p.b[32:], p.id)
	binary.LittleEndian.PutUint16(p.b[36:], 1)
}

// add puts a record on the page and returns its slot, or -1 when it does not fit.
func (p *page) add(rec []byte) int {
	if p.free+len(rec)+2*(p.slots+1) > bak.PageSize {
		return -1
	}
	copy(p.b[p.free:], rec)
	binary.LittleEndian.PutUint16(p.b[bak.PageSize-2*(p.slots+1):], uint16(p.free))
	p.free += len(rec)
	p.slots++
	binary.LittleEndian.PutUint16(p.b[22:], uint16(p.slots))
	return p.slots - 1
}

// link makes q the page after p.
func (p *page) link(q *page) {
	binary.LittleEndian.PutUint32(p.b[16:], q.id)
	binary.LittleEndian.PutUint16(p.b[20:], 1)
}

func address(id uint32) []byte {
	if id == 0 {
		return make([]byte, 6)
	}
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(nil, id), 1)
}

// rowAddress is page, file and slot.
func rowAddress(id uint32, slot int) []byte {
	return binary.LittleEndian.AppendUint16(address(id), uint16(slot))
}

// File makes the data file: whole extents, every page with its checksum.
func (d *Database) File() []byte {
	m := &image{system: map[int][]Row{}, ids: map[string]int{}, id: 1000, next: map[uint32]uint32{}}
	m.newPage(1) // page 16 stays empty, so that no table begins where a zero address would point
	m.declare(d)
	for i := range d.Tables {
		m.userTable(&d.Tables[i])
	}
	m.modules(d)
	units := m.systemTables()
	m.boot(d, units)
	var out []byte
	m.align()
	for _, p := range m.pages {
		if p == nil {
			p = make([]byte, bak.PageSize)
		} else {
			binary.LittleEndian.PutUint16(p[4:], 0x200)
			binary.LittleEndian.PutUint32(p[60:], bak.PageSum(p))
		}
		out = append(out, p...)
	}
	return out
}

// boot makes page 0, which says that the file is a data file, and the boot page.
func (m *image) boot(d *Database, units uint32) {
	m.pageAt(0, 15)
	p := m.pageAt(9, 13)
	rec := make([]byte, 1440)
	binary.LittleEndian.PutUint16(rec[4:], uint16(d.Version))
	name := utf16Bytes(d.Name)
	for i := range 256 {
		rec[52+i] = 0x20
	}
	copy(rec[52:308], name)
	copy(rec[516:], address(units))
	p.add(rec)
}

// objectID gives a name its number.
func (m *image) objectID(name string) int {
	if id, ok := m.ids[name]; ok {
		return id
	}
	m.id++
	m.ids[name] = m.id
	return m.id
}

func (m *image) put(table int, values ...any) {
	m.system[table] = append(m.system[table], Row{Values: values})
}

// write lays rows down as records to a chain of pages and returns the first.
func (m *image) write(columns []Column, rows []Row, heap bool) (first uint32, ids []uint32) {
	if heap { // its extents are its own
		m.align()
		defer m.align()
	}
	p := m.newPage(1)
	first, ids = p.id, append(ids, p.id)
	var moved []Row
	for _, r := range rows {
		if heap && r.Forwarded {
			moved = append(moved, r)
			continue
		}
		p, ids = m.append(p, ids, m.record(columns, r, status(r)))
	}
	for _, r := range moved { // the row lies elsewhere, a stub where it was
		far := m.newPage(1)
		ids = append(ids, far.id)
		slot := far.add(m.record(columns, r, 0x02))
		p, ids = m.append(p, ids, append([]byte{0x04}, rowAddress(far.id, slot)...))
	}
	return first, ids
}

// align makes the next page the first of an extent.
func (m *image) align() {
	for len(m.pages)%8 != 0 {
		m.pages = append(m.pages, nil)
	}
}

func (m *image) append(p *page, ids []uint32, rec []byte) (*page, []uint32) {
	if p.add(rec) >= 0 {
		return p, ids
	}
	q := m.newPage(1)
	p.link(q)
	if q.add(rec) < 0 {
		panic(fmt.Sprintf("a record of %d bytes fits no page", len(rec)))
	}
	return q, append(ids, q.id)
}

func status(r Row) byte {
	if r.Ghost {
		return 0x0c // type 6
	}
	return 0
}
