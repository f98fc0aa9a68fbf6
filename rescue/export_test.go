package rescue

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// Reseal gives the blocks of data the checksums that they should have, as far as they can be told apart.
func Reseal(data []byte) []byte {
	b := bytes.Clone(data)
	if len(b) < fileHeadSize {
		return b
	}
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
	for n, at := uint64(0), fileHeadSize; at+blockHeadSize <= len(b); n++ {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		end := at + blockHeadSize + size
		if size > maxBlock || end > len(b) {
			break
		}
		binary.LittleEndian.PutUint32(b[at+8:], blockSum(n, b[at:at+8], b[at+blockHeadSize:end]))
		at = end
	}
	return b
}
