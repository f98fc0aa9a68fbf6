package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path/filepath"

	"linkspan/internal/fsx"
	"linkspan/lsn"
)

// hardMark remembers, in a file of its own, the last record that was hardened here. It is written after each sync of
// the log and not synced itself: when it survives it is true, and when it is old it is true of an older record. It tells
// damage from a torn tail where the log's own records cannot: at the very end, and on a replica, whose records know
// what was hardened on the primary.
type hardMark struct{ f fsx.File }

const (
	markName = "hardened"
	markSize = 16
)

// openMark opens the file, making it if it is not there.
func openMark(fsys fsx.FS, dir string) (*hardMark, error) {
	name := filepath.Join(dir, markName)
	f, err := fsys.OpenRW(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.Create(name)
	}
	if err != nil {
		return nil, err
	}
	return &hardMark{f}, nil
}

func (m *hardMark) write(at lsn.LSN) error {
	b := at.AppendTo(make([]byte, 0, markSize))
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	_, err := m.f.WriteAt(b, 0)
	return err
}

// readMark returns the directory's mark, or zero when there is none.
func readMark(fsys fsx.FS, dir string) lsn.LSN {
	f, err := fsys.Open(filepath.Join(dir, markName))
	if err != nil {
		return lsn.Zero
	}
	defer f.Close() //nolint:errcheck // opened for reading
	var b [markSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return lsn.Zero
	}
	if crc32.Checksum(b[:12], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[12:]) {
		return lsn.Zero
	}
	at, _ := lsn.Decode(b[:])
	return at
}
