package rescue

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Reader reads a rescue file once, from its beginning. It holds one block and one row in memory.
type Reader struct {
	blocks *blockReader
	header Header
	table  *Table
	row    Row
	// pending are bytes of rows not yet taken apart.
	pending []byte
	done    bool
}

// Open reads a file's head. ErrDamaged and ErrTruncated are in the chain of errors about its content.
func Open(r io.Reader) (*Reader, error) {
	blocks, err := newBlockReader(r)
	if err != nil {
		return nil, err
	}
	kind, payload, err := blocks.next()
	if err != nil {
		return nil, err
	}
	f := &Reader{blocks: blocks}
	if kind != blockHeader {
		return nil, fmt.Errorf("%w: it has no header", ErrDamaged)
	}
	if err := json.Unmarshal(payload, &f.header); err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrDamaged, err)
	}
	return f, nil
}

// Header is the file's header.
func (r *Reader) Header() Header { return r.header }

// Next gives the next item; io.EOF after the summary. An item is valid until the next call.
func (r *Reader) Next() (Item, error) {
	for {
		if r.done {
			return nil, io.EOF
		}
		row, err := r.nextRow()
		if row != nil || err != nil {
			return row, err
		}
		kind, payload, err := r.blocks.next()
		if err != nil {
			return nil, err
		}
		if kind == blockRows {
			if r.table == nil {
				return nil, fmt.Errorf("%w: rows of no table", ErrDamaged)
			}
			if len(r.pending)+len(payload) > maxRow {
				return nil, fmt.Errorf("%w: a row of more than %d bytes", ErrDamaged, int64(maxRow))
			}
			r.pending = append(r.pending, payload...)
			continue
		}
		if len(r.pending) > 0 {
			return nil, fmt.Errorf("%w: a row breaks off", ErrDamaged)
		}
		return r.doc(kind, payload)
	}
}

// doc reads a block that is not rows.
func (r *Reader) doc(kind byte, payload []byte) (Item, error) {
	var it Item
	switch kind {
	case blockChange:
		it = new(Change)
	case blockTable:
		r.table = new(Table)
		it = r.table
	case blockSummary:
		it, r.done = new(Summary), true
	default:
		return nil, fmt.Errorf("%w: a block of unknown kind %#x", ErrDamaged, kind)
	}
	if err := json.Unmarshal(payload, it); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if t, ok := it.(*Table); ok {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	return it, nil
}

// check refuses positions that no column has.
func (t *Table) check() error {
	bad := func(key []int, columns []Column) bool {
		return slices.ContainsFunc(key, func(k int) bool { return k < 0 || k >= len(columns) })
	}
	if bad(t.Key, t.Columns) || bad(t.forkKey(), t.forkColumns()) || len(t.Key) != len(t.forkKey()) {
		return fmt.Errorf("%w: the key of table %s names a column that it has not", ErrDamaged, t.Name)
	}
	return nil
}

// nextRow takes the next whole row out of what is pending; nil when there is none.
func (r *Reader) nextRow() (Item, error) {
	size, n := binary.Uvarint(r.pending)
	if n < 0 || size > maxRow {
		return nil, fmt.Errorf("%w: a row's size", ErrDamaged)
	}
	if n == 0 || size > uint64(len(r.pending)-n) {
		return nil, nil
	}
	record := rowReader{r.pending[n : n+int(size)]}
	if err := record.read(r.table, &r.row); err != nil {
		return nil, err
	}
	if len(record.b) > 0 {
		return nil, fmt.Errorf("%w: a row of table %s has more than its columns", ErrDamaged, r.table.Name)
	}
	r.pending = r.pending[n+int(size):]
	if len(r.pending) == 0 {
		r.pending = nil
	}
	return &r.row, nil
}
