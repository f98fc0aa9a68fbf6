package rescue

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"linkspan/rel"
	"linkspan/sqltype"
)

// Write streams what turns the fork into the tail to w, in constant memory: one row of each side and one block are held.
// Both sides are versions of one database, so a table is the same one when it has the same number. ctx ends it; the
// connections' own contexts end it too.
func Write(ctx context.Context, w io.Writer, h Header, fork, tail Side) (Summary, error) {
	d := &differ{ctx: ctx, w: newBlockWriter(w), fork: fork, tail: tail, summary: Summary{Fork: h.Fork.String(), Tail: h.Tail.String(), Tables: []TableCounts{}}}
	d.w.doc(blockHeader, h)
	for _, c := range changes(fork.Catalog, tail.Catalog) {
		d.w.doc(blockChange, c)
		d.summary.Changes++
	}
	touched := map[int32]bool{}
	for _, p := range pairs(fork, tail) {
		n := len(d.summary.Tables)
		if err := d.table(p); err != nil {
			return d.summary, fmt.Errorf("compare table %s.%s: %w", p.name().Schema, p.name().Name, err)
		}
		touched[p.name().ID] = len(d.summary.Tables) > n
		if d.w.err != nil {
			return d.summary, fmt.Errorf("write rescue file: %w", d.w.err)
		}
	}
	room, err := d.makeRoom(touched)
	if err != nil {
		return d.summary, err
	}
	for _, c := range room {
		d.w.doc(blockChange, c)
	}
	d.w.doc(blockSummary, &d.summary)
	if d.w.err != nil {
		return d.summary, fmt.Errorf("write rescue file: %w", d.w.err)
	}
	return d.summary, nil
}

// differ compares two sides.
type differ struct {
	ctx        context.Context
	w          *blockWriter
	fork, tail Side
	summary    Summary
	record     []byte
}

// pair is one table on both sides; one of them may be nil.
type pair struct{ fork, tail *rel.Table }

// name is the table as the tail has it, or as the fork had it.
func (p pair) name() *rel.Table {
	if p.tail != nil {
		return p.tail
	}
	return p.fork
}

// pairs are all tables, by the names of the tail.
func pairs(fork, tail Side) []pair {
	var all []pair
	for _, o := range tail.Catalog.Objects() {
		if o.Table == nil {
			continue
		}
		p := pair{tail: o.Table}
		if f := fork.Catalog.ObjectByID(o.ID); f != nil {
			p.fork = f.Table
		}
		all = append(all, p)
	}
	for _, o := range fork.Catalog.Objects() {
		if o.Table == nil {
			continue
		}
		if t := tail.Catalog.ObjectByID(o.ID); t == nil || t.Table == nil {
			all = append(all, pair{fork: o.Table})
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		return cmp.Or(strings.Compare(a.name().Schema, b.name().Schema), strings.Compare(a.name().Name, b.name().Name), cmp.Compare(a.name().ID, b.name().ID))
	})
	return all
}

// rowColumns are the columns that a file has of a table: those with values of their own.
func rowColumns(t *rel.Table) []Column {
	var out []Column
	for _, c := range t.Columns {
		if c.Computed == "" {
			out = append(out, Column{c.ID, c.Name, c.Type, c.Identity})
		}
	}
	return out
}

// commonKey is the primary key when both sides have the same one over columns of the same types; nil otherwise.
func commonKey(p pair) []rel.IndexColumn {
	key := primaryKey(p.name())
	if key == nil {
		return nil
	}
	for _, k := range key {
		if c := p.name().Column(k.ColumnID); c.Computed != "" {
			return nil
		}
	}
	if p.fork == nil || p.tail == nil {
		return key
	}
	if !slices.Equal(key, primaryKey(p.fork)) {
		return nil
	}
	for _, k := range key {
		if p.tail.Column(k.ColumnID).Type != p.fork.Column(k.ColumnID).Type {
			return nil
		}
	}
	return key
}

func primaryKey(t *rel.Table) []rel.IndexColumn {
	if len(t.Indexes) > 0 && t.Indexes[0].Primary && !t.Indexes[0].Disabled {
		return t.Indexes[0].Columns
	}
	return nil
}

// describe is the table's entry in the file.
func describe(p pair, key []rel.IndexColumn) *Table {
	t := &Table{Schema: p.name().Schema, Name: p.name().Name, Columns: rowColumns(p.name())}
	for _, k := range key {
		t.Key = append(t.Key, position(t.Columns, k.ColumnID))
	}
	t.Unique = slices.ContainsFunc(p.name().Indexes, func(x *rel.Index) bool { return x.Unique && !x.Disabled && (!x.Primary || key == nil) })
	if p.fork == nil || p.tail == nil {
		return t
	}
	if p.fork.Schema != p.tail.Schema || p.fork.Name != p.tail.Name {
		t.ForkSchema, t.ForkName = p.fork.Schema, p.fork.Name
	}
	if before := rowColumns(p.fork); !slices.Equal(before, t.Columns) {
		t.ForkColumns = before
		for _, k := range key {
			t.ForkKey = append(t.ForkKey, position(before, k.ColumnID))
		}
	}
	return t
}

// table merges the rows of both sides.
func (d *differ) table(p pair) error {
	key := commonKey(p)
	m := merge{differ: d, table: describe(p, key)}
	var err error
	if p.fork != nil {
		if m.old, err = d.fork.open(p.fork, m.table.forkColumns(), key); err != nil {
			return err
		}
	}
	if p.tail != nil {
		if m.fresh, err = d.tail.open(p.tail, m.table.Columns, key); err != nil {
			return err
		}
	}
	m.pairUp()
	err = m.run()
	for _, c := range []*cursor{m.old, m.fresh} {
		if c != nil && c.ok {
			_ = c.stmt.Reset() // repeats the error of the run
		}
	}
	if err == nil && m.counts.Rows() > 0 {
		d.summary.Tables = append(d.summary.Tables, TableCounts{m.table.Schema, m.table.Name, m.counts})
		d.summary.Inserted += m.counts.Inserted
		d.summary.Updated += m.counts.Updated
		d.summary.Deleted += m.counts.Deleted
	}
	return err
}

// merge walks two ordered cursors over one table. A table that only one side has leaves the other nil.
type merge struct {
	*differ
	table      *Table
	old, fresh *cursor
	// same are, for each new column, the position of the old column that must be equal; -1 for a column that is new.
	same   []int
	counts Counts
}

// pairUp finds for each new column the old one with the same number and type. A column that was added counts as changed
// where it is not NULL, one that was given another type where its value is stored otherwise.
func (m *merge) pairUp() {
	for _, c := range m.table.Columns {
		m.same = append(m.same, position(m.table.forkColumns(), c.ID))
	}
}

// checkEvery is how many rows pass between two looks at the context.
const checkEvery = 1024

func (m *merge) run() error {
	for n := 0; ; n++ {
		if n%checkEvery == 0 && m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		var err error
		switch oldOK, newOK := m.old != nil && m.old.ok, m.fresh != nil && m.fresh.ok; {
		case !oldOK && !newOK || m.w.err != nil:
			return nil
		case !oldOK:
			err = m.take(Insert)
		case !newOK:
			err = m.take(Delete)
		default:
			r := before(m.old, m.fresh)
			switch {
			case r < 0:
				err = m.take(Delete)
			case r > 0:
				err = m.take(Insert)
			default:
				err = m.take(Update)
			}
		}
		if err != nil {
			return err
		}
	}
}

// take writes the present row or rows where they differ, and moves on.
func (m *merge) take(o Op) error {
	var old, fresh []sqltype.Stored
	if o != Insert {
		old = m.old.row
	}
	if o != Delete {
		fresh = m.fresh.row
	}
	if o != Update || m.differs() {
		if m.counts.Rows() == 0 {
			m.w.doc(blockTable, m.table)
		}
		m.counts.add(o)
		m.write(o, old, fresh)
	}
	if o != Insert {
		if err := m.old.next(); err != nil {
			return err
		}
	}
	if o != Delete {
		return m.fresh.next()
	}
	return nil
}

// write adds the record. Values are told to be the old ones only where the columns are the same.
func (m *merge) write(o Op, old, fresh []sqltype.Stored) {
	m.record = appendRow(m.record[:0], o, old, fresh, m.table.ForkColumns == nil)
	m.w.row(m.record)
	if cap(m.record) > maxBlock {
		m.record = nil // a huge row's memory
	}
}

// differs compares the present rows of both sides.
func (m *merge) differs() bool {
	for i, at := range m.same {
		if m.table.Columns[i].Type.Kind == sqltype.RowVersion {
			continue // it changes with the row, and cannot be given
		}
		if at < 0 {
			if m.fresh.row[i].Class != sqltype.StoreNull {
				return true
			}
			continue
		}
		if m.old.row[at] != m.fresh.row[i] {
			return true
		}
	}
	return false
}
