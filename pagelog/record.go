package pagelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"linkspan/lsn"
)

// Version is the format version in every record and segment header; readers refuse others.
const Version = 1

// Sizes of the format.
const (
	// HeaderSize is the length of a record's header.
	HeaderSize = 74
	// MaxRecord bounds a record's length, header included.
	MaxRecord = 512 << 10
	// MaxControl bounds the payload of a control record.
	MaxControl = 4 << 10
)

// Kind says what a record's body is.
type Kind uint8

// The kinds of records.
const (
	// KindPages is a commit, or a part of one: page changes.
	KindPages Kind = 1
	// KindControl carries bytes that storage does not interpret.
	KindControl Kind = 2
)

// FlagMore marks a record whose commit continues in the next record: only the last one's Digest and Pages count.
const FlagMore = 1

// Header is the fixed front of a record.
type Header struct {
	// Length is the record's, header included.
	Length uint32
	Kind   Kind
	Flags  uint8
	// Epoch counts changes of the primary role.
	Epoch uint32
	// LSN is the record's own, Prev the one before it (zero for a database's first).
	LSN, Prev lsn.LSN
	// Hardened is the last LSN the writer knew to be hardened when it wrote this.
	Hardened lsn.LSN
	// Pages is the database's size after the commit.
	Pages uint32
	// Time is the commit's, in nanoseconds since 1970.
	Time int64
	// Digest is the database's after the commit.
	Digest Digest
}

// More reports whether the commit continues in the next record.
func (h *Header) More() bool { return h.Flags&FlagMore != 0 }

// Errors of Parse.
var (
	// ErrBlank: zeros where a record would start, which is how the unused end of a segment looks.
	ErrBlank = errors.New("no record")
	// ErrShort: the bytes end before the record does.
	ErrShort = errors.New("record is cut short")
	// ErrInvalid: not a record of this format.
	ErrInvalid = errors.New("invalid record")
)

// crcTable returns the Castagnoli polynomial's table (the standard library keeps one).
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Begin appends room for a header to dst; append the body after it and call Seal.
func Begin(dst []byte) []byte { return append(dst, make([]byte, HeaderSize)...) }

// Seal writes the header, with the right Length and checksum, into the front of rec.
func Seal(rec []byte, h *Header) {
	le := binary.LittleEndian
	le.PutUint32(rec[4:], uint32(len(rec)))
	rec[8], rec[9], rec[10], rec[11] = Version, byte(h.Kind), h.Flags, 0
	le.PutUint32(rec[12:], h.Epoch)
	h.LSN.AppendTo(rec[16:16])
	h.Prev.AppendTo(rec[26:26])
	h.Hardened.AppendTo(rec[36:36])
	le.PutUint32(rec[46:], h.Pages)
	le.PutUint64(rec[50:], uint64(h.Time))
	copy(rec[58:], h.Digest[:])
	le.PutUint32(rec, crc32.Checksum(rec[4:], crcTable()))
	h.Length = uint32(len(rec))
}

// PeekLength returns the length of the record at the front of b from its first bytes, for deciding how much to read. It
// errs with ErrBlank, ErrShort (fewer than HeaderSize bytes) or ErrInvalid.
func PeekLength(b []byte) (int, error) {
	if len(b) < HeaderSize {
		if allZero(b) {
			return 0, ErrBlank
		}
		return 0, ErrShort
	}
	n := binary.LittleEndian.Uint32(b[4:])
	switch {
	case n == 0 && allZero(b[:HeaderSize]):
		return 0, ErrBlank
	case n < HeaderSize || n > MaxRecord:
		return 0, fmt.Errorf("%w: length %d is not %d to %d", ErrInvalid, n, HeaderSize, MaxRecord)
	case b[8] != Version:
		return 0, fmt.Errorf("%w: format version %d, this program reads %d", ErrInvalid, b[8], Version)
	}
	return int(n), nil
}

// Parse reads the record at the front of b and checks its checksum. The body aliases b.
func Parse(b []byte) (Header, []byte, error) {
	n, err := PeekLength(b)
	if err != nil {
		return Header{}, nil, err
	}
	if n > len(b) {
		return Header{}, nil, fmt.Errorf("%w: %d of %d bytes", ErrShort, len(b), n)
	}
	b = b[:n]
	if got, want := crc32.Checksum(b[4:], crcTable()), binary.LittleEndian.Uint32(b); got != want {
		return Header{}, nil, fmt.Errorf("%w: checksum %08x, not %08x", ErrInvalid, got, want)
	}
	h := header(b)
	if h.Kind != KindPages && h.Kind != KindControl || h.Flags&^FlagMore != 0 || b[11] != 0 {
		return h, nil, fmt.Errorf("%w: kind %d, flags %#x", ErrInvalid, h.Kind, h.Flags)
	}
	return h, b[HeaderSize:], nil
}

// header reads the fields without judging them. b holds HeaderSize bytes.
func header(b []byte) Header {
	le := binary.LittleEndian
	h := Header{
		Length: le.Uint32(b[4:]), Kind: Kind(b[9]), Flags: b[10], Epoch: le.Uint32(b[12:]),
		LSN: decodeLSN(b[16:]), Prev: decodeLSN(b[26:]), Hardened: decodeLSN(b[36:]),
		Pages: le.Uint32(b[46:]), Time: int64(le.Uint64(b[50:])),
	}
	copy(h.Digest[:], b[58:])
	return h
}

func decodeLSN(b []byte) lsn.LSN {
	return lsn.LSN{VLF: binary.LittleEndian.Uint32(b), Block: binary.LittleEndian.Uint32(b[4:]), Slot: binary.LittleEndian.Uint16(b[8:])}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// AppendControl appends a control record's body to dst.
func AppendControl(dst []byte, kind uint16, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, kind)
	return append(dst, payload...)
}

// ParseControl reads a control record's body; the payload aliases it.
func ParseControl(body []byte) (kind uint16, payload []byte, err error) {
	if len(body) < 2 || len(body) > 2+MaxControl {
		return 0, nil, fmt.Errorf("%w: control body of %d bytes", ErrInvalid, len(body))
	}
	return binary.LittleEndian.Uint16(body), body[2:], nil
}

// Next returns the LSN of a record at byte offset off of segment vlf that follows the record prev.
func Next(prev lsn.LSN, vlf uint32, off int64) lsn.LSN {
	l := lsn.LSN{VLF: vlf, Block: uint32(off / lsn.BlockSize), Slot: 1}
	if prev.VLF == l.VLF && prev.Block == l.Block {
		l.Slot = prev.Slot + 1
	}
	return l
}
