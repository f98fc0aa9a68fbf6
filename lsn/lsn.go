// Package lsn owns the log sequence number: its parts, its order and its three spellings.
//
// A log sequence number (LSN) names one log record of one database. It has the shape SQL Server gives it, so that
// a DBA can compare ours with what sys.dm_hadr_database_replica_states, msdb.dbo.backupset and RESTORE HEADERONLY
// show: a virtual log file (VLF, a segment of the log), a 512-byte block inside it, and a slot inside the block.
// Within one database LSNs only grow; across databases they mean nothing to each other.
package lsn

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// BlockSize is the unit, in bytes, that LSN.Block counts.
const BlockSize = 512

// EncodedSize is the length in bytes of an LSN as AppendTo writes it.
const EncodedSize = 10

// LSN is the address of a log record. The zero value comes before every real LSN and means "none yet".
type LSN struct {
	// VLF is the number of the segment, from 1; it grows by one at every new segment.
	VLF uint32
	// Block is the offset of the record's block inside the segment, in units of BlockSize bytes.
	Block uint32
	// Slot tells records in one block apart, from 1.
	Slot uint16
}

// Zero is the LSN before every other.
var Zero LSN

// Max is the greatest LSN that can be spelled; no record ever has it.
var Max = LSN{VLF: 1<<32 - 1, Block: 1<<32 - 1, Slot: 1<<16 - 1}

// ErrSyntax is wrapped by every error that Parse and Decode return.
var ErrSyntax = errors.New("not a log sequence number")

// IsZero reports whether l is the zero LSN.
func (l LSN) IsZero() bool { return l == LSN{} }

// Compare returns -1, 0 or +1 as l comes before, is, or comes after m.
func (l LSN) Compare(m LSN) int {
	if c := cmp.Compare(l.VLF, m.VLF); c != 0 {
		return c
	}
	if c := cmp.Compare(l.Block, m.Block); c != 0 {
		return c
	}
	return cmp.Compare(l.Slot, m.Slot)
}

// Less reports whether l comes before m.
func (l LSN) Less(m LSN) bool { return l.Compare(m) < 0 }

// Latest returns the greater of a and b.
func Latest(a, b LSN) LSN {
	if a.Less(b) {
		return b
	}
	return a
}

// Earliest returns the smaller of a and b.
func Earliest(a, b LSN) LSN {
	if b.Less(a) {
		return b
	}
	return a
}

// String spells l as SQL Server's log tools do: "vlf:block:slot" in hexadecimal.
func (l LSN) String() string { return fmt.Sprintf("%08x:%08x:%04x", l.VLF, l.Block, l.Slot) }

// Decimal spells l as the numeric(25,0) of SQL Server's views: vlf·10^15 + block·10^5 + slot, without leading zeros.
func (l LSN) Decimal() string {
	if l.VLF == 0 {
		return strconv.FormatUint(uint64(l.Block)*100_000+uint64(l.Slot), 10)
	}
	return fmt.Sprintf("%d%010d%05d", l.VLF, l.Block, l.Slot)
}

// Parse reads either spelling. Its errors wrap ErrSyntax and quote the input.
func Parse(s string) (LSN, error) {
	if strings.Contains(s, ":") {
		return parseParts(s)
	}
	return parseDecimal(s)
}

func parseParts(s string) (LSN, error) {
	p := strings.Split(s, ":")
	if len(p) != 3 {
		return Zero, fmt.Errorf("%w: %q has %d parts, not vlf:block:slot", ErrSyntax, s, len(p))
	}
	var n [3]uint64
	for i, bits := range [3]int{32, 32, 16} {
		v, err := strconv.ParseUint(strings.TrimPrefix(p[i], "0x"), 16, bits)
		if err != nil {
			return Zero, fmt.Errorf("%w: %q in %q", ErrSyntax, p[i], s)
		}
		n[i] = v
	}
	return LSN{VLF: uint32(n[0]), Block: uint32(n[1]), Slot: uint16(n[2])}, nil
}

func parseDecimal(s string) (LSN, error) {
	if s == "" || len(s) > 25 {
		return Zero, fmt.Errorf("%w: %q has %d digits, not 1 to 25", ErrSyntax, s, len(s))
	}
	d := strings.Repeat("0", 25-len(s)) + s
	var n [3]uint64
	for i, part := range [3]string{d[:10], d[10:20], d[20:]} {
		bits := 32
		if i == 2 {
			bits = 16
		}
		v, err := strconv.ParseUint(part, 10, bits)
		if err != nil {
			return Zero, fmt.Errorf("%w: %q", ErrSyntax, s)
		}
		n[i] = v
	}
	return LSN{VLF: uint32(n[0]), Block: uint32(n[1]), Slot: uint16(n[2])}, nil
}

// AppendTo appends the ten bytes of l, little-endian (u32 vlf, u32 block, u16 slot), to b.
func (l LSN) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, l.VLF)
	b = binary.LittleEndian.AppendUint32(b, l.Block)
	return binary.LittleEndian.AppendUint16(b, l.Slot)
}

// Decode reads what AppendTo wrote from the front of b. It errs, wrapping ErrSyntax, when b is shorter than EncodedSize.
func Decode(b []byte) (LSN, error) {
	if len(b) < EncodedSize {
		return Zero, fmt.Errorf("%w: %d bytes, not %d", ErrSyntax, len(b), EncodedSize)
	}
	return LSN{
		VLF:   binary.LittleEndian.Uint32(b),
		Block: binary.LittleEndian.Uint32(b[4:]),
		Slot:  binary.LittleEndian.Uint16(b[8:]),
	}, nil
}
