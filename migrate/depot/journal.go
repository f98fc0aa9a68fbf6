package depot

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"

	"linkspan/internal/fsx"
)

// A journal is the list of the blocks of a file that is being brought to a folder, each written down when its bytes were on
// disk. It begins with a mark that holds its version; then come records of one length: a block's offset, length and hash, and
// a CRC of these. A later record of an offset takes the place of earlier ones; one of length 0 takes the block back. What a
// loss of power leaves of the last record has a wrong CRC and ends the list.
const (
	journalMark  = "linkspan parts 1"
	recordLength = 8 + 8 + 16 + 4
	maxJournal   = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func record(b block) []byte {
	p := binary.BigEndian.AppendUint64(nil, uint64(b.offset)) //nolint:gosec // never negative
	p = binary.BigEndian.AppendUint64(p, uint64(b.length))    //nolint:gosec // never negative
	p = append(p, b.sum[:]...)
	return binary.BigEndian.AppendUint32(p, crc32.Checksum(p, castagnoli))
}

// parseJournal reads records; end is where the next one belongs, in bytes.
func parseJournal(p []byte) (blocks map[int64]block, end int64) {
	blocks = map[int64]block{}
	if len(p) < len(journalMark) || string(p[:len(journalMark)]) != journalMark {
		return blocks, 0
	}
	end = int64(len(journalMark))
	for p = p[end:]; len(p) >= recordLength; p = p[recordLength:] {
		body := p[:recordLength-4]
		b := block{offset: int64(binary.BigEndian.Uint64(body)), length: int64(binary.BigEndian.Uint64(body[8:]))} //nolint:gosec // checked
		copy(b.sum[:], body[16:])
		if binary.BigEndian.Uint32(p[recordLength-4:]) != crc32.Checksum(body, castagnoli) || b.offset < 0 || b.length < 0 {
			break
		}
		if b.length == 0 {
			delete(blocks, b.offset)
		} else {
			blocks[b.offset] = b
		}
		end += recordLength
	}
	return blocks, end
}

// readJournal reads a journal; one that is not there is empty.
func readJournal(disk fsx.FS, name string) (map[int64]block, int64, error) {
	f, err := disk.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[int64]block{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	p, err := io.ReadAll(io.NewSectionReader(f, 0, maxJournal))
	if err != nil {
		return nil, 0, err
	}
	blocks, end := parseJournal(p)
	return blocks, end, nil
}

// appendJournal writes a record behind end, and returns the new end. The record is on disk then.
func appendJournal(disk fsx.FS, name string, end int64, b block) (int64, error) {
	f, err := openOrCreate(disk, name)
	if err != nil {
		return end, err
	}
	defer f.Close() //nolint:errcheck // synced
	p := record(b)
	if end == 0 {
		p = append([]byte(journalMark), p...)
	}
	if _, err := f.WriteAt(p, end); err != nil {
		return end, err
	}
	if err := f.Sync(); err != nil {
		return end, err
	}
	return end + int64(len(p)), nil
}

func openOrCreate(disk fsx.FS, name string) (fsx.File, error) {
	f, err := disk.OpenRW(name)
	if errors.Is(err, fs.ErrNotExist) {
		return disk.Create(name)
	}
	return f, err
}
