package bak

import (
	"encoding/binary"
	"time"
	"unicode/utf16"

	"linkspan/lsn"
)

// File is one file of the database that a backup set was taken of.
type File struct {
	ID       int
	Logical  string
	Physical string
	// Kind is 'D' for data, 'L' for log, 'S' for filestream, or 0 when the header's number is not known.
	Kind byte
	// Filegroup is the filegroup's number, 0 for log files; FilegroupName its name.
	Filegroup     int
	FilegroupName string
	// PageSize and SectorSize are in bytes.
	PageSize, SectorSize int
	// Size and MaxSize are in bytes.
	Size, MaxSize int64
	// BackedUpPages is the number of pages of the file in the set.
	BackedUpPages int64
	// UniqueID names the file (inferred); DifferentialBase and DifferentialBaseGUID the full that a differential of the
	// file builds on (inferred).
	UniqueID             GUID
	DifferentialBase     lsn.LSN
	DifferentialBaseGUID GUID
	// Modified is the file's time of last change in UTC (inferred), zero when not given.
	Modified time.Time
}

// Layout of the SFIN and SFGI records.
const (
	sfinFixed    = 94  // bytes up to the end of the located old fields
	sfinExtended = 270 // bytes up to the end of the file time
	sfinSize     = 1060
	sfgiFixed    = 22
)

// fileTimeEpoch is 1601-01-01 in seconds before 1970-01-01; the ticks are 100 ns.
const fileTimeEpoch = 11644473600

// decodeSFIN reads one file's record; ok is false when it is too short.
func decodeSFIN(b []byte) (f File, ok bool) {
	if len(b) < sfinFixed {
		return f, false
	}
	le := binary.LittleEndian
	f = File{ID: int(le.Uint32(b[20:])), PageSize: int(le.Uint32(b[16:])), BackedUpPages: int64(le.Uint32(b[24:])),
		SectorSize: int(le.Uint32(b[32:])), Filegroup: int(le.Uint32(b[36:])), Size: int64(le.Uint64(b[40:])),
		Logical: textAt(b, 48), Physical: textAt(b, 52), MaxSize: int64(le.Uint64(b[86:]))}
	switch le.Uint32(b[28:]) {
	case 1:
		f.Kind = 'D'
	case 2:
		f.Kind = 'L'
	case 3:
		f.Kind = 'S'
	}
	if len(b) >= sfinExtended {
		f.DifferentialBase, _ = lsn.Decode(b[158:])
		f.DifferentialBaseGUID, f.UniqueID = GUID(b[170:186]), GUID(b[186:202])
		if t := le.Uint64(b[262:]); t > 0 && t < 1<<62 {
			f.Modified = time.Unix(int64(t/1e7)-fileTimeEpoch, int64(t%1e7)*100).UTC()
		}
	}
	return f, true
}

// encodeSFIN makes one file's record.
func (f *File) encodeSFIN() []byte {
	b := make([]byte, sfinSize)
	le := binary.LittleEndian
	copy(b, "SFIN")
	kind := map[byte]uint32{'D': 1, 'L': 2, 'S': 3}[f.Kind]
	for i, v := range []uint32{0x84, 0, uint32(f.PageSize), uint32(f.ID), uint32(f.BackedUpPages), kind, uint32(f.SectorSize), uint32(f.Filegroup)} {
		le.PutUint32(b[8+4*i:], v)
	}
	le.PutUint64(b[40:], uint64(f.Size))
	le.PutUint64(b[86:], uint64(f.MaxSize))
	copy(b[158:], f.DifferentialBase.AppendTo(nil))
	copy(b[170:], f.DifferentialBaseGUID[:])
	copy(b[186:], f.UniqueID[:])
	if !f.Modified.IsZero() {
		le.PutUint64(b[262:], uint64(f.Modified.Unix()+fileTimeEpoch)*1e7+uint64(f.Modified.Nanosecond()/100))
	}
	b = appendText(b, 48, f.Logical)
	b = appendText(b, 52, f.Physical)
	le.PutUint32(b[4:], uint32(len(b)))
	return b
}

// appendText puts the (size, offset) pair of s at o of b and its UTF-16 bytes at the end of b.
func appendText(b []byte, o int, s string) []byte {
	u := utf16.Encode([]rune(s))
	binary.LittleEndian.PutUint16(b[o:], uint16(2*len(u)))
	binary.LittleEndian.PutUint16(b[o+2:], uint16(len(b)))
	for _, c := range u {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// decodeConfig reads the records of a configuration stream (MQCI): the set, its filegroups and files. at is the stream's
// file offset, for faults.
func (s *Set) decodeConfig(b []byte, at int64) error {
	le, seen := binary.LittleEndian, false
	var files []File
	group := ""
	for p := 0; p+8 <= len(b); {
		tag, n := string(b[p:p+4]), int64(le.Uint32(b[p+4:]))
		if tag == "\x00\x00\x00\x00" {
			break
		}
		if n < 8 || n > int64(len(b)-p) {
			return &Fault{Kind: Damaged, Offset: at + int64(p), What: "record " + tag + " of the configuration stream", Want: "a length within the stream", Got: itoa(n)}
		}
		rec := b[p : p+int(n)]
		switch tag {
		case "SCIN":
			if !s.decodeSCIN(rec) {
				return &Fault{Kind: Damaged, Offset: at + int64(p), What: "record SCIN of the configuration stream", Want: "344 bytes or more", Got: itoa(n)}
			}
			seen = true
		case "SFGI":
			if len(rec) >= sfgiFixed {
				group = textAt(rec, 16)
			}
		case "SFIN":
			if f, ok := decodeSFIN(rec); ok {
				if f.Kind != 'L' {
					f.FilegroupName = group
				}
				files = append(files, f)
			}
		}
		p += int(n)
	}
	if !seen {
		return &Fault{Kind: Damaged, Offset: at, What: "configuration stream", Want: "a record SCIN", Got: "none"}
	}
	s.Files = files
	return nil
}
