package bak

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// Container says how the MTF bytes lie in the file.
type Container uint8

// The containers.
const (
	// Plain: the file is MTF.
	Plain Container = iota
	// Compressed: MTF inside the MSSQLBAK container of SQL Server 2014 and later, version 2.
	Compressed
)

// String names the container as the manifest of a backup folder does: "MTF" or "MSSQLBAK".
func (c Container) String() string {
	if c == Compressed {
		return "MSSQLBAK"
	}
	return "MTF"
}

// Layout of the MSSQLBAK container.
const (
	compressedMagic = "MSSQLBAK"
	firstRecord     = 0x1e0
	recordHeader    = 24 // the part every record has
	chunkHeader     = 28 // of records with a payload checksum
	maxChunk        = 64 * 1024
)

// Record types.
const (
	recEnd     = 0x00
	recStored  = 0x20 // a chunk that did not shrink (never met in a real file)
	recChunk   = 0x21 // a compressed chunk
	recPadding = 0x24
	recSection = 0x2c // ends a section; the next record begins at a device block
)

// sniffSize is how many bytes of a file are looked at to tell what it is.
const sniffSize = 4096

// sniff tells the container from the first bytes of a file; head holds up to firstRecord+4 of them.
func sniff(head []byte) (Container, error) {
	switch {
	case len(head) == 0:
		return 0, &Fault{Kind: NotABackup, What: "the file is empty", Want: "a backup", Got: "0 bytes"}
	case bytes.HasPrefix(head, []byte("TAPE")):
		return Plain, nil
	case bytes.HasPrefix(head, []byte(compressedMagic)) && len(head) >= 10:
		if v := binary.LittleEndian.Uint16(head[8:]); v == 1 {
			return 0, &Fault{Kind: Unsupported, Offset: 8, What: "compressed container of version 1, which SQL Server 2008 to 2012 wrote"}
		} else if v != 2 {
			return 0, &Fault{Kind: Unsupported, Offset: 8, What: "compressed container", Want: "version 2", Got: "version " + strconv.Itoa(int(v))}
		}
		return Compressed, nil
	case len(bytes.TrimLeft(head, "\x00")) == 0:
		return 0, &Fault{Kind: NotABackup, Offset: 0, What: fmt.Sprintf("the first %d bytes are all zero", len(head)), Want: `"TAPE" or "MSSQLBAK"`,
			Got: "zeros, as in a sparse file or a copy that reserved its space and has not begun"}
	case len(head) < 4 && bytes.HasPrefix([]byte("TAPE"), head), len(head) < 10 && bytes.HasPrefix([]byte(compressedMagic), head):
		return 0, &Fault{Kind: Truncated, Offset: int64(len(head)), What: "the file ends inside its first header"}
	}
	show := head[:min(len(head), 16)]
	return 0, &Fault{Kind: NotABackup, Offset: 0, Want: `"TAPE" or "MSSQLBAK"`, Got: strconv.QuoteToASCII(string(show))}
}

// record is the header of one record of the container.
type record struct {
	kind byte
	// at is the record's offset in the file, payload that of its bytes and size their number.
	at, payload int64
	size        int
	// out is how many bytes of MTF it gives.
	out int
	sum uint32
}

// next is the offset where the record after r begins; block is the device block.
func (r record) next(block int64) int64 {
	if r.kind == recSection {
		return (r.at/block + 1) * block
	}
	return r.payload + int64(r.size)
}

// recordNeed is how many bytes parseRecord wants; fewer are enough for the last record of a file.
const recordNeed = chunkHeader

// parseRecord reads the header of the record at offset at from b. ok is false where the records end.
func parseRecord(b []byte, at int64) (r record, ok bool, err error) {
	r = record{at: at}
	if len(b) == 0 {
		return r, false, nil
	}
	r.kind = b[0]
	if r.kind == recEnd {
		return r, false, nil
	}
	if len(b) < recordHeader || (r.kind == recChunk || r.kind == recStored) && len(b) < chunkHeader {
		return r, false, &Fault{Kind: Truncated, Offset: at + int64(len(b)), What: "record header of the compressed container"}
	}
	if string(b[:4]) == "SFMB" {
		n := int(binary.LittleEndian.Uint16(b[8:]))
		if n < sectorSize || n%sectorSize != 0 {
			return r, false, &Fault{Kind: Damaged, Offset: at, What: "soft filemark in the compressed container", Want: "a multiple of 512 bytes", Got: strconv.Itoa(n)}
		}
		r.payload, r.size, r.out = at, n, n
		return r, true, nil
	}
	r.size = int(binary.LittleEndian.Uint16(b[2:]))
	r.out = int(b[1]) * sectorSize
	switch r.kind {
	case recChunk, recStored:
		r.payload, r.sum = at+chunkHeader, binary.LittleEndian.Uint32(b[24:])
		if r.kind == recStored {
			r.size = r.out
		}
		if r.out == 0 || r.out > maxChunk || r.kind == recChunk && r.size < xpressTable {
			return r, false, &Fault{Kind: Damaged, Offset: at, What: "chunk of the compressed container", Want: "256 bytes or more that expand to 512 to 65536",
				Got: fmt.Sprintf("%d bytes that expand to %d", r.size, r.out)}
		}
	case recPadding:
		r.payload, r.out = at+recordHeader, 0
	case recSection:
		r.payload, r.size, r.out = at+recordHeader, 0, 0
	default:
		return r, false, &Fault{Kind: Unsupported, Offset: at, What: "the compressed container holds a record of unknown type, as encrypted or differently compressed backups do",
			Want: "type 0x20, 0x21, 0x24 or 0x2c", Got: fmt.Sprintf("0x%02x", r.kind)}
	}
	return r, true, nil
}

// isMark reports whether r is a raw soft filemark.
func (r record) isMark() bool { return r.kind == 'S' }

// expand decodes the chunk r with the bytes in into out, which has r.out bytes, after checking its checksum.
func (d *xpressDecoder) expand(r record, out, in []byte) error {
	if r.isMark() {
		copy(out, in)
		return nil
	}
	if got := chunkSum(in); got != r.sum {
		return &Fault{Kind: Damaged, Offset: r.at, What: "compressed chunk", Want: fmt.Sprintf("checksum %08x", r.sum), Got: fmt.Sprintf("%08x", got)}
	}
	if r.kind == recStored {
		copy(out, in)
		return nil
	}
	if bytes.HasPrefix(in, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return &Fault{Kind: Unsupported, Offset: r.at, What: "compressed with ZSTD, which SQL Server 2025 offers"}
	}
	err := d.decode(out, in)
	if errors.Is(err, errXpressTable) {
		return &Fault{Kind: Unsupported, Offset: r.at, What: "the chunk's checksum is right but its bytes are not LZ77+Huffman, as in an encrypted backup", Want: "a code length table"}
	} else if err != nil {
		return &Fault{Kind: Damaged, Offset: r.at, What: "compressed chunk", Want: fmt.Sprintf("%d bytes", r.out), Got: err.Error()}
	}
	return nil
}
