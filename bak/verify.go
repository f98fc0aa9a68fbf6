package bak

import (
	"errors"
	"fmt"
	"io"

	"linkspan/lsn"
)

// Verification checks one file as far as that is possible without a server. It hands out Units, independent pieces of
// work; the caller runs them, on as many cores as it likes, and gives the results to Finish:
//
//	v := bak.NewVerification(content, media, readErr)
//	for i, u := range v.Units() { results[i], buf = u.Run(buf) }
//	report := v.Finish(results)
//
// What was read to make the Media (header checksums of every descriptor block and stream) is already verified by then.
type Verification struct {
	c       *Content
	m       *Media
	readErr error
	units   []Unit
}

// unitSize is the size of a unit in bytes: large enough to be cheap to hand out, small enough to spread over cores and
// to show progress. It is a whole number of extents.
const unitSize = 4 << 20

// Unit is a piece of work: a stretch of pages or log, or, of a compressed file, a stretch of chunks outside those.
type Unit struct {
	c *Content
	// set and segment say what it belongs to.
	set, segment int
	kind         unitKind
	cut          bool // the stretch is shorter than declared, because the file ends
	off, length  int64
}

// unitKind says what a unit's bytes are.
type unitKind uint8

const (
	unitPages unitKind = iota // pages of a SQL Server database
	unitLog                   // log blocks of a SQL Server database
	unitBytes                 // a payload whose inside we do not look at, with its checksum stream
	unitGap                   // what lies between the payloads of a compressed file: only its chunks are checked
)

// Size is the number of MTF bytes the unit covers.
func (u Unit) Size() int64 { return u.length }

// LogRun is a run of log blocks that follow one another.
type LogRun struct {
	// First and Next are the LSNs of the first block and of what would follow the last.
	First, Next lsn.LSN
	// Offset is the file offset of the first block.
	Offset int64
}

// UnitResult is what one unit found.
type UnitResult struct {
	Unit      Unit
	Bytes     int64
	Pages     PageCounts
	LogBlocks int64
	Runs      []LogRun
	Sum       Sum
	Faults    []*Fault
	// Err is an error of the reader underneath.
	Err error
}

// PageCounts says what was found of the pages of a stretch.
type PageCounts struct {
	// OK had a checksum that is right, Bad one that is wrong. Unchecked carry none (unallocated, torn-page detection or
	// no page verification).
	OK, Bad, Unchecked int64
}

func (p *PageCounts) add(q PageCounts) {
	p.OK, p.Bad, p.Unchecked = p.OK+q.OK, p.Bad+q.Bad, p.Unchecked+q.Unchecked
}

// maxFaults bounds the faults kept per unit, and per report.
const maxFaults = 100

// SoftwareSQLServer is the software name of media that SQL Server wrote. Only their payloads are taken for pages and log
// blocks; of other media's payloads only the checksum streams are checked.
const SoftwareSQLServer = "Microsoft SQL Server"

// NewVerification plans the check of c, whose Media has been read by ReadMedia; readErr is what that returned.
func NewVerification(c *Content, m *Media, readErr error) *Verification {
	v := &Verification{c: c, m: m, readErr: readErr}
	done := int64(0)
	for i, s := range m.Sets {
		for j, g := range s.Segments {
			v.gap(done, g.Offset)
			done = g.Offset + g.Length
			kind, length, step := unitPages, min(g.Length, c.total-g.Offset), int64(unitSize)
			switch {
			case m.Family.Software != SoftwareSQLServer:
				kind = unitBytes
			case g.Log:
				kind, step = unitLog, max(length, 1) // log blocks have no fixed size: one run after the other
			}
			for at := int64(0); at < length; at += step {
				v.units = append(v.units, Unit{c: c, set: i, segment: j, kind: kind, cut: length < g.Length, off: g.Offset + at, length: min(step, length-at)})
			}
		}
	}
	v.gap(done, c.total)
	return v
}

// gap plans the check of the chunks that give the MTF bytes from one offset to another.
func (v *Verification) gap(from, to int64) {
	for at := from; v.c.kind == Compressed && at < to; at += unitSize {
		v.units = append(v.units, Unit{c: v.c, set: -1, segment: -1, kind: unitGap, off: at, length: min(unitSize, to-at)})
	}
}

// Units gives the work to do.
func (v *Verification) Units() []Unit { return v.units }

// Run does the work of u with buf as working memory (any length; it is grown as needed and returned for reuse).
func (u Unit) Run(buf []byte) (UnitResult, []byte) {
	res := UnitResult{Unit: u}
	view := u.c.View()
	if u.kind == unitLog {
		return u.runLog(view, res, buf)
	}
	buf = grow(buf, int(u.length))
	n, err := view.ReadAt(buf[:u.length], u.off)
	if err != nil && !errors.Is(err, io.EOF) {
		res.fail(view, u.off+int64(n), err)
		if n == 0 {
			return res, buf
		}
	}
	b := buf[:n]
	res.Bytes = int64(n)
	if u.kind == unitGap {
		return res, buf
	}
	res.Sum.Write(b)
	for p := 0; u.kind == unitPages && p+PageSize <= len(b); p += PageSize {
		res.checkPage(view, b[p:p+PageSize], u.off+int64(p))
	}
	return res, buf
}

// checkPage checks one page.
func (r *UnitResult) checkPage(view *View, p []byte, off int64) {
	switch ok, checked := CheckPage(p); {
	case !checked:
		r.Pages.Unchecked++
	case ok:
		r.Pages.OK++
	default:
		r.Pages.Bad++
		h := ParsePageHeader(p)
		r.add(&Fault{Kind: Damaged, Offset: view.FileOffset(off), What: fmt.Sprintf("page (%d:%d)", h.File, h.Page),
			Want: fmt.Sprintf("checksum %08x", h.Checksum), Got: fmt.Sprintf("%08x", PageSum(p))})
	}
}

func (r *UnitResult) add(f *Fault) {
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// fail notes an error of reading: a Fault, or something underneath.
func (r *UnitResult) fail(view *View, off int64, err error) {
	if f := AsFault(err); f != nil {
		r.add(f)
		return
	}
	r.Err = fmt.Errorf("read backup at offset %d: %w", view.FileOffset(off), err)
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
