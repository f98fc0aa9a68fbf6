package pagelog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"linkspan/lsn"
)

// SegmentHeaderSize is the length of a segment's header; the first record follows it.
const SegmentHeaderSize = lsn.BlockSize

// segmentMagic starts a segment.
const segmentMagic = "LSPNLOG\x01"

// SegmentHeader is the front of a segment file. It depends on the log alone, so that copies have the same bytes.
type SegmentHeader struct {
	// ID is the database's identity.
	ID [16]byte
	// VLF is the segment's number, from 1.
	VLF uint32
	// Prev is the last record before the segment, which is hardened, or zero.
	Prev lsn.LSN
}

// Encode returns the header's bytes.
func (s *SegmentHeader) Encode() []byte {
	b := make([]byte, SegmentHeaderSize)
	copy(b[4:], segmentMagic)
	binary.LittleEndian.PutUint16(b[12:], Version)
	copy(b[16:], s.ID[:])
	binary.LittleEndian.PutUint32(b[32:], s.VLF)
	s.Prev.AppendTo(b[36:36])
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], crcTable()))
	return b
}

// ParseSegmentHeader reads what Encode wrote. It errs with ErrBlank for zeros, else with ErrShort or ErrInvalid.
func ParseSegmentHeader(b []byte) (SegmentHeader, error) {
	var s SegmentHeader
	if len(b) < SegmentHeaderSize {
		return s, fmt.Errorf("segment header: %w: %d bytes", ErrShort, len(b))
	}
	b = b[:SegmentHeaderSize]
	if allZero(b) {
		return s, ErrBlank
	}
	if string(b[4:12]) != segmentMagic {
		return s, fmt.Errorf("%w: not a log segment", ErrInvalid)
	}
	if v := binary.LittleEndian.Uint16(b[12:]); v != Version {
		return s, fmt.Errorf("%w: segment of format version %d, this program reads %d", ErrInvalid, v, Version)
	}
	if got, want := crc32.Checksum(b[4:], crcTable()), binary.LittleEndian.Uint32(b); got != want {
		return s, fmt.Errorf("%w: segment header checksum %08x, not %08x", ErrInvalid, got, want)
	}
	copy(s.ID[:], b[16:])
	s.VLF = binary.LittleEndian.Uint32(b[32:])
	s.Prev = decodeLSN(b[36:])
	return s, nil
}
