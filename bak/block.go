package bak

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Descriptor blocks (MTF 1.00a, "DBLK"): the common header, and the types that SQL Server writes.
const (
	blockHeader  = 52
	streamHeader = 22
)

// Block types.
const (
	blockTape = "TAPE" // the media family
	blockMark = "SFMB" // soft filemark
	blockSet  = "SSET" // start of a backup set
	blockVol  = "VOLB" // volume
	blockConf = "MSCI" // configuration at the start of the set
	blockData = "MSDA" // pages
	blockLog  = "MSTL" // log
	blockLast = "MSLS" // configuration at the end of the set, final
	blockEnd  = "ESET" // end of a backup set
	blockEOM  = "EOTM" // end of the medium
)

// Stream ids.
const (
	streamRAID = "RAID" // the stripe's place in the media set
	streamConf = "MQCI"
	streamData = "MQDA"
	streamLog  = "MQTL"
	streamSum  = "CSUM"
	streamPad  = "SPAD" // ends the streams of a block
	streamAPad = "APAD" // aligns the next stream
)

// knownBlocks are the types a walk accepts; others mean that it has lost its way.
var knownBlocks = []string{blockTape, blockMark, blockSet, blockVol, blockConf, blockData, blockLog, blockLast, blockEnd, blockEOM,
	"DIRB", "FILE", "CFIL", "ESPB"}

// Block is one descriptor block: its header with what follows it up to the first stream.
type Block struct {
	// Type is four letters: "SSET".
	Type string
	// Offset is where the block begins in the MTF bytes, FileOffset in the file.
	Offset, FileOffset int64
	// Attributes are the block's flags.
	Attributes uint32
	// Raw is the header up to the first stream, Raw[0:4] being the type. It belongs to the reader and is valid until
	// the next block is read.
	Raw []byte
}

func (b *Block) u16(o int) uint16 {
	if o+2 > len(b.Raw) {
		return 0
	}
	return binary.LittleEndian.Uint16(b.Raw[o:])
}

func (b *Block) u32(o int) uint32 {
	if o+4 > len(b.Raw) {
		return 0
	}
	return binary.LittleEndian.Uint32(b.Raw[o:])
}

// text reads the string whose (size, offset) pair lies at o.
func (b *Block) text(o int) string { return textAt(b.Raw, o) }

// textAt reads the UTF-16 string whose (size u16, offset u16) pair lies at o of raw; one that lies outside is empty.
func textAt(raw []byte, o int) string { return utf16Text(tapeAddress(raw, o)) }

// tapeAddress gives the bytes that the (size u16, offset u16) pair at o points to.
func tapeAddress(raw []byte, o int) []byte {
	if o+4 > len(raw) {
		return nil
	}
	n, at := int(binary.LittleEndian.Uint16(raw[o:])), int(binary.LittleEndian.Uint16(raw[o+2:]))
	if at+n > len(raw) {
		return nil
	}
	return raw[at : at+n]
}

func utf16Text(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return strings.TrimRight(string(utf16.Decode(u)), "\x00")
}

func isBlockType(t string) bool {
	for _, k := range knownBlocks {
		if k == t {
			return true
		}
	}
	return false
}

// checkBlock judges the common header of the block at file offset at.
func checkBlock(h []byte, at int64) error {
	typ := string(h[:4])
	if !isBlockType(typ) {
		return &Fault{Kind: Damaged, Offset: at, What: "descriptor block", Want: "a block type such as SSET, MSDA or ESET", Got: strconv.QuoteToASCII(typ)}
	}
	if got, want := headerSum(h[:50]), binary.LittleEndian.Uint16(h[50:]); got != want {
		return &Fault{Kind: Damaged, Offset: at, What: "descriptor block " + typ, Want: fmt.Sprintf("checksum %04x", want), Got: fmt.Sprintf("%04x", got)}
	}
	n := int(binary.LittleEndian.Uint16(h[8:]))
	if n < blockHeader || typ == blockMark && n%sectorSize != 0 {
		return &Fault{Kind: Damaged, Offset: at, What: "descriptor block " + typ, Want: "a length of 52 bytes or more", Got: strconv.Itoa(n)}
	}
	return nil
}

// Stream is one stream of a block. Its bytes are read from the Reader that gave it.
type Stream struct {
	// ID is four letters: "MQDA".
	ID string
	// Offset is where the stream's header begins in the MTF bytes, FileOffset in the file; Start is where its bytes do.
	Offset, FileOffset, Start int64
	// Attributes are the media attributes (0x100: a checksum stream follows).
	Attributes uint16
	// Length is the number of bytes.
	Length int64
}

// parseStream reads a stream's header; block names the block it lies in.
func parseStream(h []byte, block string, off, at int64) (*Stream, error) {
	what := "stream header in block " + block
	if got, want := headerSum(h[:20]), binary.LittleEndian.Uint16(h[20:]); got != want {
		return nil, &Fault{Kind: Damaged, Offset: at, What: what, Want: fmt.Sprintf("checksum %04x", want), Got: fmt.Sprintf("%04x", got)}
	}
	s := &Stream{ID: string(h[:4]), Offset: off, FileOffset: at, Start: off + streamHeader,
		Attributes: binary.LittleEndian.Uint16(h[6:]), Length: int64(binary.LittleEndian.Uint64(h[8:]))}
	for i := range 4 {
		if h[i] < 0x20 || h[i] > 0x7e {
			return nil, &Fault{Kind: Damaged, Offset: at, What: what, Want: "a stream id of four letters", Got: strconv.QuoteToASCII(s.ID)}
		}
	}
	if s.Length < 0 || s.Length > 1<<50 {
		return nil, &Fault{Kind: Damaged, Offset: at, What: what, Want: "a length that a file can hold", Got: strconv.FormatUint(uint64(s.Length), 10)}
	}
	if e := binary.LittleEndian.Uint16(h[16:]); e != 0 {
		return nil, &Fault{Kind: Unsupported, Offset: at, What: "stream " + s.ID + " is encrypted", Want: "encryption algorithm 0", Got: strconv.Itoa(int(e))}
	}
	if c := binary.LittleEndian.Uint16(h[18:]); c != 0 {
		return nil, &Fault{Kind: Unsupported, Offset: at, What: "stream " + s.ID + " is compressed by itself", Want: "compression algorithm 0", Got: strconv.Itoa(int(c))}
	}
	return s, nil
}
