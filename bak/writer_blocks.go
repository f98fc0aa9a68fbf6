package bak

import "encoding/binary"

// Attributes that real media carry.
const (
	tapeAttributes   = 0x30000
	markAttributes   = 0x80000000
	markEntries      = 55 // room for filemark addresses in a soft filemark of 512 bytes
	sumFollows       = 0x100
	streamAligned    = 0x80
	mtfMajor         = 1
	vendorOfSoftware = 4608 // the vendor id that SQL Server writes and restores ask for
)

// tape writes the TAPE block of stripe seq of count.
func (s *stripe) tape(spec *MediaSpec, seq, count int) error {
	le := binary.LittleEndian
	b := s.header(blockTape, tapeAttributes, 94, true)
	le.PutUint32(b[52:], spec.ID+uint32(seq-1))
	le.PutUint32(b[56:], 5)
	le.PutUint16(b[60:], uint16(seq))
	le.PutUint16(b[64:], 1)
	le.PutUint16(b[66:], 3)
	le.PutUint16(b[84:], writeUnit)
	le.PutUint16(b[86:], vendorOfSoftware)
	copy(b[88:], appendDate(nil, spec.Written))
	b[93] = mtfMajor
	b = appendText(b, 68, spec.Name)
	b = appendText(b, 80, spec.Software)
	raid := make([]byte, 32)
	copy(raid, spec.MediaSet[:])
	copy(raid[16:], []byte{0xad, 0, 0, 0xf0})
	le.PutUint16(raid[20:], uint16(count))
	le.PutUint16(raid[22:], 1)
	le.PutUint16(raid[24:], uint16(seq))
	le.PutUint16(raid[30:], 1)
	return s.finish(b, func() { s.stream(streamRAID, 0, raid) })
}

// mark writes a soft filemark, which is one sector and has no streams.
func (s *stripe) mark() error {
	b := s.header(blockMark, markAttributes, sectorSize, false)
	le := binary.LittleEndian
	le.PutUint16(b[8:], sectorSize)
	le.PutUint16(b[50:], headerSum(b[:50]))
	le.PutUint32(b[52:], markEntries)
	le.PutUint32(b[56:], s.marks)
	le.PutUint32(b[60:], 0x48)
	s.marks++
	s.buf = append(s.buf[:0], b...)
	return s.flush()
}

// Attributes of SSET blocks.
const (
	setCopy         = 2 // inferred
	setNormal       = 4
	setDifferential = 8
)

// setStart writes the SSET block.
func (s *stripe) setStart(h *Header) error {
	le := binary.LittleEndian
	b := s.header(blockSet, 0, 100, true)
	attributes := uint32(setNormal)
	if h.Type == Differential || h.Type == FileDifferential || h.Type == PartialDiff {
		attributes = setDifferential
	} else if h.CopyOnly() {
		attributes = setCopy
	}
	le.PutUint32(b[52:], attributes)
	le.PutUint16(b[60:], vendorOfSoftware)
	le.PutUint16(b[62:], uint16(h.Position))
	le.PutUint64(b[80:], uint64(s.off/sectorSize))
	copy(b[88:], appendDate(nil, h.Started))
	b[93], b[94], b[95] = h.Major, h.Minor, byte(h.TimeZone)
	b[97] = 2
	le.PutUint16(b[44:], 21)
	le.PutUint16(b[46:], 100)
	b = append(b, h.SetGUID[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = appendText(b, 64, h.Name)
	b = appendText(b, 68, h.Description)
	b = appendText(b, 76, h.User)
	return s.finish(b, nil)
}

// volume writes the VOLB block.
func (s *stripe) volume(h *Header) error {
	b := s.header(blockVol, 0, 74, true)
	binary.LittleEndian.PutUint32(b[52:], 2)
	copy(b[68:], appendDate(nil, h.Started))
	b = appendText(b, 64, h.Machine)
	return s.finish(b, nil)
}

// config writes a configuration block, MSCI or MSLS.
func (s *stripe) config(typ string, h *Header, files []File) error {
	data, logs := 0, 0
	for _, f := range files {
		if f.Kind == 'L' {
			logs++
		} else {
			data++
		}
	}
	conf := h.encodeSCIN(data, logs)
	group := ""
	for i := range files {
		f := &files[i]
		if f.Kind != 'L' && (group == "" || f.FilegroupName != group) {
			group = f.FilegroupName
			conf = append(conf, encodeSFGI(f)...)
		}
		conf = append(conf, f.encodeSFIN()...)
	}
	b := s.header(typ, 0, 56, true)
	return s.finish(b, func() { s.stream(streamConf, 0, conf) })
}

// encodeSFGI makes the record of the filegroup that f lies in.
func encodeSFGI(f *File) []byte {
	b := make([]byte, 48)
	copy(b, "SFGI")
	binary.LittleEndian.PutUint32(b[8:], 0x10)
	binary.LittleEndian.PutUint32(b[12:], uint32(f.Filegroup))
	b = appendText(b, 16, f.FilegroupName)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	return b
}

// payload writes a data or log block with one stream, whose payload begins on a sector border. p is not copied.
func (s *stripe) payload(block, stream string, p []byte, sum bool) error {
	b := s.header(block, 0, 60, false)
	b[58] = 1
	attributes := uint16(0)
	if stream == streamData {
		attributes = 2
	}
	if sum {
		attributes |= sumFollows
	}
	s.open(b)
	at := s.off + int64(len(s.buf)) + 2*streamHeader + payloadSkew
	s.stream("APAD", streamAligned, make([]byte, (sectorSize-at%sectorSize)%sectorSize))
	s.streamHead(stream, attributes, int64(len(p))+payloadSkew)
	s.buf = append(s.buf, 0, 0)
	before := len(s.buf)
	if sum {
		var c Sum
		c.Write(p)
		s.stream(streamSum, 0, binary.LittleEndian.AppendUint32(nil, c.C))
	}
	s.pad(len(p))
	return s.flushAround(before, p)
}

// setEnd writes an ESET block.
func (s *stripe) setEnd(h *Header) error {
	b := s.header(blockEnd, 0, 88, false)
	binary.LittleEndian.PutUint16(b[78:], uint16(h.Position))
	copy(b[80:], appendDate(nil, h.Finished))
	return s.finish(b, nil)
}
