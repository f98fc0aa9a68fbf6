package bak

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrEnds says that the two ends of a file do not tell what is in it: it is not compressed, is not complete, or holds
// several backup sets. ReadMedia tells more.
var ErrEnds = errors.New("the two ends of the file do not tell what is in it")

// errWider says that more of an end has to be read.
var errWider = errors.New("the end of the file has to be read further")

// endsWindow is how much of either end is read, at first and at most.
var endsWindow = []int64{256 << 10, 4 << 20}

// ReadEnds reads what a compressed file with one complete backup set says of itself from its two ends, without the walk
// through the whole container that ReadMedia needs: a walk over a network takes as long as a copy. Segments, and the counts
// of blocks and streams, are not told. The error is ErrEnds when ReadMedia has to be asked, or the reader's.
//
// Records are only linked forwards. The end is read by going back from the last filemark: before it ends a record whose
// length and checksum fit.
func ReadEnds(r io.ReaderAt, size int64, o Options) (*Media, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	for _, n := range endsWindow {
		if size < 2*n {
			return nil, ErrEnds // a walk costs no more
		}
		m, err := readEnds(r, size, n, o)
		if !errors.Is(err, errWider) {
			return m, err
		}
	}
	return nil, ErrEnds
}

// readEnds reads n bytes of either end. The error may be errWider, too.
func readEnds(r io.ReaderAt, size, n int64, o Options) (*Media, error) {
	b := make([]byte, n)
	if _, err := readAt(r, b, 0); err != nil {
		return nil, fmt.Errorf("read backup header: %w", err)
	}
	if kind, err := sniff(b[:sniffSize]); err != nil || kind != Compressed {
		return nil, ErrEnds
	}
	m, err := readFront(b, o)
	if err != nil {
		return nil, err
	}
	if _, err := readAt(r, b, size-n); err != nil {
		return nil, fmt.Errorf("read end of backup: %w", err)
	}
	if err := m.readBack(&back{b: b, at: size - n}, o); err != nil {
		return nil, err
	}
	m.FileSize, m.Expanded = size, -1
	return m, nil
}

// readFront reads the front of the first set from the beginning of the file.
func readFront(b []byte, o Options) (*Media, error) {
	c := &Content{r: bytes.NewReader(b), size: int64(len(b)), kind: Compressed}
	c.fault = c.walk(o)
	r := NewContentReader(c, o)
	first, err := r.Next()
	if err != nil || first.Type != blockTape {
		return nil, ErrEnds
	}
	m := &Media{Container: Compressed}
	if err := m.tape(r, first); err != nil {
		return nil, ErrEnds
	}
	for {
		b, err := r.Next()
		if IsKind(err, Truncated) {
			return nil, errWider
		}
		if err != nil || b.Type == blockData || b.Type == blockLog || b.Type == blockLast || b.Type == blockEnd || len(m.Sets) > 1 {
			return nil, ErrEnds
		}
		if b.Type == blockSet && b.u16(62) > 1 {
			return nil, ErrEnds
		}
		if err := m.take(r, b); IsKind(err, Truncated) {
			return nil, errWider
		} else if err != nil {
			return nil, ErrEnds
		}
		if b.Type == blockConf && len(m.Sets) == 1 && m.Sets[0].Type != 0 {
			return m, nil
		}
	}
}

// readBack reads the end of the set and checks that it is the end of this one.
func (m *Media) readBack(t *back, o Options) error {
	s := m.Sets[0]
	front := s.Header
	tail, none := t.expand()
	for i := 0; ; i += 4 {
		k := bytes.Index(tail[i:], []byte(blockLast))
		if k < 0 {
			return none
		}
		if i += k; len(tail)-i < blockHeader || checkBlock(tail[i:i+blockHeader], 0) != nil {
			continue
		}
		try := Media{Container: Compressed, Family: m.Family, Sets: []*Set{{Header: front, Offset: s.Offset}}}
		if try.readTail(tail[i:], o) && try.Sets[0].sameSet(&front) {
			m.Sets = try.Sets
			return nil
		}
	}
}

// readTail reads the blocks from the last configuration to the end of the file: of this set, and no other.
func (m *Media) readTail(b []byte, o Options) bool {
	r := &Reader{src: newStreamSource(bytes.NewReader(b)), o: o, size: -1, open: true}
	ends := 0
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ends > 0 && m.Sets[0].Final
		}
		if err != nil {
			return false
		}
		switch b.Type {
		case blockEnd:
			ends++
			if n := b.u16(78); n > 1 {
				return false
			}
		case blockLast, blockMark:
		default:
			return false
		}
		if m.take(r, b) != nil {
			return false
		}
	}
}

// sameSet reports whether the header at the end of a set is of the set with the header front.
func (s *Set) sameSet(front *Header) bool {
	return s.Database == front.Database && s.Server == front.Server && s.Type == front.Type && s.Started.Equal(front.Started) &&
		s.DatabaseCreated.Equal(front.DatabaseCreated) && s.BindingID == front.BindingID && s.FamilyGUID == front.FamilyGUID
}

// back is the end of a compressed file, of which records are found backwards. at is its offset in the file.
type back struct {
	b     []byte
	at    int64
	block int // the device block: the size of the last filemark
}

// maxBackMarks is how many filemarks are gone back over: behind the last configuration come two, and its own section
// begins behind the marks of what was before.
const maxBackMarks = 2

// maxBack is how many MTF bytes are gone back over: data that shrinks well may be a thousand times what was read.
const maxBack = 24 << 20

// expand gives the MTF bytes of the end: of all records that can be found backwards until the third filemark, or as far as
// they are found. The error is for the case that there is not what is looked for: whether to read further.
func (t *back) expand() ([]byte, error) {
	records, marks := t.records()
	if len(records) == 0 || marks == 0 {
		return nil, ErrEnds
	}
	var total int
	for _, r := range records {
		total += r.out
	}
	out, dec := make([]byte, total), new(xpressDecoder)
	done := 0
	for i := len(records) - 1; i >= 0; i-- {
		r := records[i]
		p := int(r.payload - t.at)
		if dec.expand(r, out[done:done+r.out], t.b[p:p+r.size]) != nil {
			return nil, ErrEnds
		}
		done += r.out
	}
	if first := records[len(records)-1].at - t.at; marks <= maxBackMarks && first < chunkHeader+0xffff+sectorSize {
		return out, errWider
	}
	return out, ErrEnds
}

// records finds the records that have content, from the last to the first. marks counts the filemarks.
func (t *back) records() (found []record, marks int) {
	q := len(t.b)
	for size := sectorSize; size <= maxChunk && t.block == 0; size *= 2 {
		if t.isMark(q-size, size) {
			t.block = size
		}
	}
	for total := 0; t.block > 0 && total < maxBack; {
		r, ok := t.before(q)
		if !ok {
			break
		}
		total += r.out
		if r.isMark() {
			if marks++; marks > maxBackMarks {
				break
			}
		}
		found = append(found, r)
		q = int(r.at - t.at)
	}
	return found, marks
}

// before finds the record with content that ends at q, or before a record without content that does.
func (t *back) before(q int) (record, bool) {
	if r, ok := t.direct(q); ok {
		return r, true
	}
	for p := q - recordHeader; p >= max(0, q-recordHeader-max(t.block, sectorSize)-sectorSize); p-- {
		switch size := int(binary.LittleEndian.Uint16(t.b[p+2:])); t.b[p] {
		case recPadding:
			if p+recordHeader+size != q {
				continue
			}
		case recSection:
			if at := t.at + int64(p); (at/int64(t.block)+1)*int64(t.block) != t.at+int64(q) {
				continue
			}
		default:
			continue
		}
		if r, ok := t.direct(p); ok {
			return r, true
		}
	}
	return record{}, false
}

// direct finds the filemark or chunk that ends at q.
func (t *back) direct(q int) (record, bool) {
	if t.isMark(q-t.block, t.block) {
		r, ok, err := parseRecord(t.b[q-t.block:], t.at+int64(q-t.block))
		return r, ok && err == nil
	}
	for p := q - chunkHeader - xpressTable; p >= max(0, q-chunkHeader-0xffff); p-- {
		if t.b[p] != recChunk || int(binary.LittleEndian.Uint16(t.b[p+2:])) != q-p-chunkHeader {
			continue
		}
		r, ok, err := parseRecord(t.b[p:], t.at+int64(p))
		if ok && err == nil && chunkSum(t.b[p+chunkHeader:q]) == r.sum {
			return r, true
		}
	}
	return record{}, false
}

// isMark reports whether a filemark of size bytes lies at p.
func (t *back) isMark(p, size int) bool {
	return p >= 0 && size >= blockHeader && p+size <= len(t.b) && string(t.b[p:p+4]) == blockMark &&
		int(binary.LittleEndian.Uint16(t.b[p+8:])) == size && checkBlock(t.b[p:p+blockHeader], t.at+int64(p)) == nil
}
