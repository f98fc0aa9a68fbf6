package bak

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"linkspan/lsn"
)

// Log blocks, as log streams hold them one behind the other: byte 0 bit 0x10 marks a block, size u16 @6, VLF u32 @12,
// block u32 @16, checksum u32 @24 (the exclusive or of the sectors with a rotation by one between them, the checksum's
// own word taken as zero; 269 of 269 blocks of real files agree).
const (
	logBlockMark  = 0x10
	logBlockSumAt = 24
)

// LogBlock is the header of one log block.
type LogBlock struct {
	// LSN is the block's address, with slot 1.
	LSN lsn.LSN
	// Size is in bytes, a multiple of 512.
	Size int
	// Slots is the number of log records.
	Slots    int
	Checksum uint32
}

// ParseLogBlock reads the header of the log block at the start of b. ok is false where no block begins; zero tells
// whether that is because the rest is padding.
func ParseLogBlock(b []byte) (l LogBlock, ok, zero bool) {
	if len(b) < sectorSize {
		return l, false, false
	}
	le := binary.LittleEndian
	if b[0]&logBlockMark == 0 {
		return l, false, b[0] == 0
	}
	l = LogBlock{LSN: lsn.LSN{VLF: le.Uint32(b[12:]), Block: le.Uint32(b[16:]), Slot: 1}, Size: int(le.Uint16(b[6:])),
		Slots: int(le.Uint16(b[2:])), Checksum: le.Uint32(b[logBlockSumAt:])}
	if l.Size == 0 || l.Size%sectorSize != 0 {
		return l, false, false
	}
	return l, true, false
}

// LogBlockSum computes the checksum of a whole log block.
func LogBlockSum(b []byte) uint32 {
	var s Sum
	s.Write(b)
	// The checksum's word counts as zero: take it out of the first sector's part.
	own := binary.LittleEndian.Uint32(b[logBlockSumAt:])
	return s.C ^ bits.RotateLeft32(own, int((s.Sectors-1)%32))
}

// runLog walks the log blocks of a log stream, reading it in pieces.
func (u Unit) runLog(view *View, res UnitResult, buf []byte) (UnitResult, []byte) {
	buf = grow(buf, unitSize)[:unitSize]
	have, pos := 0, u.off // buf[:have] are the bytes from pos on
	end, padding := u.off+u.length, false
	for {
		n := int(min(int64(len(buf)-have), end-pos-int64(have)))
		k, err := view.ReadAt(buf[have:have+n], pos+int64(have))
		if err != nil && k < n {
			res.fail(view, pos+int64(have+k), err)
			return res, buf
		}
		res.Bytes += int64(n)
		res.Sum.Write(buf[have : have+n])
		have += n
		if have == 0 {
			return res, buf
		}
		used := have
		if !padding {
			used, padding = res.logBlocks(view, buf[:have], pos, pos+int64(have) == end)
		}
		if used == 0 {
			if u.cut {
				return res, buf // the end of the file is reported for itself
			}
			res.add(&Fault{Kind: Damaged, Offset: view.FileOffset(pos), What: "log block", Want: "a block within its stream", Got: "a size past the stream's end"})
			padding, used = true, have
		}
		copy(buf, buf[used:have])
		have, pos = have-used, pos+int64(used)
	}
}

// logBlocks takes the whole blocks at the start of b, which lies at off; last says that b reaches the stream's end. It
// returns how many bytes it took, and whether only padding follows.
func (r *UnitResult) logBlocks(view *View, b []byte, off int64, last bool) (used int, padding bool) {
	for used+sectorSize <= len(b) {
		l, ok, zero := ParseLogBlock(b[used:])
		if !ok {
			if !zero {
				r.add(&Fault{Kind: Damaged, Offset: view.FileOffset(off + int64(used)), What: "log block after " + r.logEnd().Decimal(), Want: "a block header or padding",
					Got: fmt.Sprintf("bytes % x", b[used:used+8])})
			}
			return len(b), true
		}
		if used+l.Size > len(b) {
			return used, false
		}
		if got := LogBlockSum(b[used : used+l.Size]); got != l.Checksum {
			r.add(&Fault{Kind: Damaged, Offset: view.FileOffset(off + int64(used)), What: "log block " + l.LSN.Decimal(), Want: fmt.Sprintf("checksum %08x", l.Checksum), Got: fmt.Sprintf("%08x", got)})
		}
		r.LogBlocks++
		r.run(l, view.FileOffset(off+int64(used)))
		used += l.Size
	}
	if last && used < len(b) {
		return len(b), true
	}
	return used, false
}

// logEnd is where the last run ends.
func (r *UnitResult) logEnd() lsn.LSN {
	if len(r.Runs) == 0 {
		return lsn.Zero
	}
	return r.Runs[len(r.Runs)-1].Next
}

// run adds a block to the last run, or begins a new one.
func (r *UnitResult) run(l LogBlock, at int64) {
	next := lsn.LSN{VLF: l.LSN.VLF, Block: l.LSN.Block + uint32(l.Size/lsn.BlockSize), Slot: 1}
	if n := len(r.Runs); n > 0 && r.Runs[n-1].Next == l.LSN {
		r.Runs[n-1].Next = next
		return
	}
	if len(r.Runs) < maxFaults {
		r.Runs = append(r.Runs, LogRun{First: l.LSN, Next: next, Offset: at})
	}
}
