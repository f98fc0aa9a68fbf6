package depot

import (
	"crypto/md5" //nolint:gosec // it finds accidents on the way; it keeps no secret
	"encoding/binary"
	"errors"
	"fmt"
)

// block is a stretch of a file, with the hash of its bytes: the MD5 in a container, whose service checks it, and the faster
// XXH3 in a folder.
type block struct {
	offset, length int64
	sum            [md5.Size]byte
}

// blockOf is a block of a container.
func blockOf(offset int64, p []byte) block {
	return block{offset, int64(len(p)), md5.Sum(p)} //nolint:gosec // as above
}

// idMark begins the ids of our blocks; the digit is the version of what follows.
const idMark = "LSB1"

// idLength is the length of an id; all of one blob's have the same.
const idLength = len(idMark) + 8 + 4 + md5.Size

// id is the block as the name under which a blob's block waits.
func (b block) id() string {
	p := []byte(idMark)
	p = binary.BigEndian.AppendUint64(p, uint64(b.offset))
	p = binary.BigEndian.AppendUint32(p, uint32(b.length)) //nolint:gosec // at most 4000 MiB
	return string(append(p, b.sum[:]...))
}

// parseID reads an id; ok is false for one that is not ours.
func parseID(id string) (b block, ok bool) {
	if len(id) != idLength || id[:len(idMark)] != idMark {
		return b, false
	}
	p := []byte(id[len(idMark):])
	b.offset, b.length = int64(binary.BigEndian.Uint64(p)), int64(binary.BigEndian.Uint32(p[8:])) //nolint:gosec // checked below
	copy(b.sum[:], p[12:])
	return b, b.offset >= 0 && b.length > 0
}

// ErrIncomplete is what every *Incomplete is.
var ErrIncomplete = errors.New("the file is not whole in storage")

// Incomplete says which bytes are missing, or are not as they came.
type Incomplete struct {
	Stored string
	// Offset is the first missing byte, Until the end of what is missing there: the next block, or the end of the file.
	Offset, Until int64
}

// Error implements error.
func (e *Incomplete) Error() string {
	return fmt.Sprintf("%v: %s lacks the bytes from %d to %d", ErrIncomplete, e.Stored, e.Offset, e.Until)
}

// Is makes every Incomplete ErrIncomplete.
func (e *Incomplete) Is(target error) bool { return target == ErrIncomplete }

// tile finds the blocks that make a file of size bytes, in order. Of several at one offset the fresh one counts, which was put
// by this process; without one they are all in doubt, and count as missing.
func tile(stored string, have []block, fresh func(block) bool, size int64) ([]block, error) {
	at := map[int64]block{}
	doubt := map[int64]bool{}
	for _, b := range have {
		switch old, twice := at[b.offset]; {
		case !twice || fresh(b):
			at[b.offset] = b
			doubt[b.offset] = false
		case old != b && !fresh(old):
			doubt[b.offset] = true
		}
	}
	var out []block
	for next := int64(0); next < size; {
		b, ok := at[next]
		if !ok || doubt[next] || b.offset+b.length > size {
			return nil, &Incomplete{stored, next, missingUntil(at, next, size)}
		}
		out = append(out, b)
		next += b.length
	}
	return out, nil
}

// missingUntil is where the next block begins behind a gap.
func missingUntil(at map[int64]block, from, size int64) int64 {
	until := size
	for off := range at {
		if off > from && off < until {
			until = off
		}
	}
	return until
}
