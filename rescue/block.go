package rescue

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// magic begins a file; version is that of the format that this package writes.
const (
	magic   = "LSRESCUE"
	version = 1
)

// The kinds of blocks.
const (
	blockHeader  = 'H'
	blockChange  = 'C'
	blockTable   = 'T'
	blockRows    = 'R'
	blockSummary = 'Z'
)

const (
	fileHeadSize  = 16
	blockHeadSize = 12
	// maxBlock bounds a block's payload; flushAt is when a block of rows is written.
	maxBlock = 16 << 20
	flushAt  = 256 << 10
	// maxRow bounds one row's record, which may go over many blocks.
	maxRow = 1 << 31
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged: the file is not as it was written; the text says where. ErrTruncated: it ends before its summary, as after
// a crash while it was written.
var (
	ErrDamaged   = errors.New("rescue file is damaged")
	ErrTruncated = errors.New("rescue file ends too early")
)

// blockSum is the checksum of a block: its number in the file counts, so that a block that is missing or out of place is
// found as well as one that changed.
func blockSum(n uint64, head, payload []byte) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	sum := crc32.Update(0, castagnoli, b[:])
	sum = crc32.Update(sum, castagnoli, head)
	return crc32.Update(sum, castagnoli, payload)
}

// blockWriter writes blocks; rows gather until there are enough for one. The first error sticks.
type blockWriter struct {
	w    io.Writer
	n    uint64
	rows []byte
	err  error
}

func newBlockWriter(w io.Writer) *blockWriter {
	b := &blockWriter{w: w}
	var head [fileHeadSize]byte
	copy(head[:], magic)
	binary.LittleEndian.PutUint16(head[8:], version)
	binary.LittleEndian.PutUint32(head[12:], crc32.Checksum(head[:12], castagnoli))
	_, b.err = w.Write(head[:])
	return b
}

// block writes one block.
func (b *blockWriter) block(kind byte, payload []byte) {
	if b.err != nil {
		return
	}
	if len(payload) > maxBlock {
		b.err = fmt.Errorf("a block of %d bytes is larger than the %d that the format takes", len(payload), maxBlock)
		return
	}
	var head [blockHeadSize]byte
	head[0] = kind
	binary.LittleEndian.PutUint32(head[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(head[8:], blockSum(b.n, head[:8], payload))
	b.n++
	if _, b.err = b.w.Write(head[:]); b.err == nil {
		_, b.err = b.w.Write(payload)
	}
}

// doc writes a block of JSON, after the rows that came before it.
func (b *blockWriter) doc(kind byte, v any) {
	b.flush()
	if b.err != nil {
		return
	}
	var payload []byte
	if payload, b.err = json.Marshal(v); b.err == nil {
		b.block(kind, payload)
	}
}

// row adds a record to the rows.
func (b *blockWriter) row(record []byte) {
	b.rows = binary.AppendUvarint(b.rows, uint64(len(record)))
	b.rows = append(b.rows, record...)
	if len(b.rows) >= flushAt {
		b.flush()
	}
}

func (b *blockWriter) flush() {
	for rest := b.rows; len(rest) > 0; {
		n := min(len(rest), maxBlock)
		b.block(blockRows, rest[:n])
		rest = rest[n:]
	}
	b.rows = b.rows[:0]
	if cap(b.rows) > maxBlock {
		b.rows = nil // a huge row's memory
	}
}

// blockReader reads blocks.
type blockReader struct {
	r       *bufio.Reader
	n       uint64
	payload []byte
}

func newBlockReader(r io.Reader) (*blockReader, error) {
	b := &blockReader{r: bufio.NewReaderSize(r, 64<<10)}
	var head [fileHeadSize]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return nil, cut(err, "the file's head")
	}
	if string(head[:8]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as a rescue file does", ErrDamaged)
	}
	if crc32.Checksum(head[:12], castagnoli) != binary.LittleEndian.Uint32(head[12:]) {
		return nil, fmt.Errorf("%w: the checksum of its head is wrong", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(head[8:]); v != version {
		return nil, fmt.Errorf("the rescue file has format version %d, and this program reads version %d: use the program that wrote it", v, version)
	}
	return b, nil
}

// cut tells the end of the file from other trouble.
func cut(err error, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: in %s", ErrTruncated, what)
	}
	return fmt.Errorf("read rescue file: %w", err)
}

// next reads a block. The payload is valid until the next call.
func (b *blockReader) next() (kind byte, payload []byte, err error) {
	where := fmt.Sprintf("block %d", b.n)
	var head [blockHeadSize]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return 0, nil, cut(err, where)
	}
	size := int(binary.LittleEndian.Uint32(head[4:]))
	if size > maxBlock {
		return 0, nil, fmt.Errorf("%w: %s says that it has %d bytes", ErrDamaged, where, uint32(size))
	}
	if b.payload, err = readGrowing(b.r, b.payload[:0], size); err != nil {
		return 0, nil, cut(err, where)
	}
	if blockSum(b.n, head[:8], b.payload) != binary.LittleEndian.Uint32(head[8:]) {
		return 0, nil, fmt.Errorf("%w: the checksum of %s is wrong", ErrDamaged, where)
	}
	b.n++
	return head[0], b.payload, nil
}

// readGrowing reads size bytes, making room for what is there and not for what is said to be.
func readGrowing(r io.Reader, into []byte, size int) ([]byte, error) {
	for len(into) < size {
		n := min(size-len(into), 64<<10)
		at := len(into)
		into = append(into, make([]byte, n)...)
		if _, err := io.ReadFull(r, into[at:]); err != nil {
			return into, err
		}
	}
	return into, nil
}
