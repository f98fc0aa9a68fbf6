package bak

import (
	"errors"
	"fmt"

	"linkspan/lsn"
)

// Verdict is the outcome of a verification.
type Verdict uint8

// The verdicts.
const (
	// Verified: everything that can be checked agrees.
	Verified Verdict = iota
	// VerifiedExcept: what was checked agrees, but part of the payload carries no checksum.
	VerifiedExcept
	// DamagedAt: at least one check failed; see Faults.
	DamagedAt
)

// String names the verdict: "verified", "verified except", "damaged".
func (v Verdict) String() string {
	return [...]string{"verified", "verified except", "damaged"}[min(v, DamagedAt)]
}

// Check is one kind of check: how many things it covered and with what outcome.
type Check struct {
	Name    string `json:"name"`
	OK      int64  `json:"ok"`
	Bad     int64  `json:"bad"`
	Without int64  `json:"without,omitempty"` // things of the kind that carry nothing to check
}

// Report is the outcome of verifying one file.
type Report struct {
	Verdict Verdict
	// Faults are the failed checks, in the order of the file, at most a hundred.
	Faults []*Fault
	Checks []Check
	// NotCovered says in words what nothing vouches for.
	NotCovered []string
	// Bytes is the number of payload bytes checked.
	Bytes int64
	// Runs are the runs of log blocks found, for each backup set in the file.
	Runs [][]LogRun
}

// report names of checks.
const (
	checkBlocks   = "descriptor blocks"
	checkStreams  = "stream headers"
	checkChunks   = "compressed chunks"
	checkSums     = "checksum streams"
	checkPages    = "page checksums"
	checkLog      = "log blocks"
	checkLogRange = "log continuity"
	checkSize     = "size against header"
)

// Finish makes the report from the results of all units, in the order of Units. The error is that of the reader
// underneath, when there was one.
func (v *Verification) Finish(results []UnitResult) (*Report, error) {
	r := &Report{}
	var pages PageCounts
	var blocks, badBlocks int64
	for i := range results {
		u := &results[i]
		if u.Err != nil {
			return nil, u.Err
		}
		r.Bytes += u.Bytes
		pages.add(u.Pages)
		blocks += u.LogBlocks
		r.Faults = append(r.Faults, u.Faults...)
		if u.Unit.kind == unitLog {
			badBlocks += int64(len(u.Faults))
		}
	}
	if err := v.readFault(r); err != nil {
		return nil, err
	}
	r.check(checkBlocks, int64(v.m.Blocks), 0, 0)
	r.check(checkStreams, int64(v.m.Streams), 0, 0)
	if v.c.kind == Compressed {
		r.check(checkChunks, v.c.chunks, 0, 0)
	}
	v.sums(r, results)
	r.check(checkPages, pages.OK, pages.Bad, pages.Unchecked)
	r.check(checkLog, max(0, blocks-badBlocks), badBlocks, 0)
	v.logRanges(r, results)
	v.sizes(r)
	v.conclude(r, pages)
	return r, nil
}

func (r *Report) check(name string, ok, bad, without int64) {
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Name == name {
			c.OK, c.Bad, c.Without = c.OK+ok, c.Bad+bad, c.Without+without
			return
		}
	}
	if ok+bad+without > 0 {
		r.Checks = append(r.Checks, Check{Name: name, OK: ok, Bad: bad, Without: without})
	}
}

// readFault takes in what ended the reading of the headers.
func (v *Verification) readFault(r *Report) error {
	if v.readErr == nil {
		return nil
	}
	f := AsFault(v.readErr)
	if f == nil {
		return v.readErr
	}
	for _, g := range r.Faults {
		if g.Offset == f.Offset {
			return nil // a unit met the same chunk
		}
	}
	r.Faults = append([]*Fault{f}, r.Faults...)
	return nil
}

// sums compares the checksum streams with what the units summed.
func (v *Verification) sums(r *Report, results []UnitResult) {
	type key struct{ set, seg int }
	got := map[key]Sum{}
	for _, u := range results {
		k := key{u.Unit.set, u.Unit.segment}
		got[k] = got[k].Join(u.Sum)
	}
	var ok, bad, without int64
	for i, s := range v.m.Sets {
		for j, g := range s.Segments {
			sum := got[key{i, j}]
			switch {
			case !g.HasSum:
				without++
			case sum.C == g.Sum:
				ok++
			default:
				bad++
				r.Faults = append(r.Faults, &Fault{Kind: Damaged, Offset: g.FileOffset, What: fmt.Sprintf("data of %d bytes against its checksum stream", g.Length),
					Want: fmt.Sprintf("checksum %08x", g.Sum), Got: fmt.Sprintf("%08x", sum.C)})
			}
		}
	}
	r.check(checkSums, ok, bad, without)
}

// logRanges checks that the log of each set is one unbroken run that ends at LastLSN.
func (v *Verification) logRanges(r *Report, results []UnitResult) {
	if v.m.Family.Software != SoftwareSQLServer {
		return
	}
	r.Runs = make([][]LogRun, len(v.m.Sets))
	for _, u := range results {
		if u.Unit.kind == unitLog {
			r.Runs[u.Unit.set] = append(r.Runs[u.Unit.set], u.Runs...)
		}
	}
	if v.m.Family.Count > 1 {
		return // see CheckStripes
	}
	for i, s := range v.m.Sets {
		runs := r.Runs[i]
		if !s.Ended {
			continue // what is missing is reported for itself
		}
		if len(runs) == 0 {
			if s.Type == Log && s.FirstLSN != s.LastLSN {
				r.broken(Fault{Offset: -1, What: fmt.Sprintf("log of backup set %d", s.Position), Want: "log blocks from " + s.FirstLSN.Decimal() + " to " + s.LastLSN.Decimal(), Got: "none"})
			}
			continue
		}
		if f := logBreak(&s.Header, runs); f != nil {
			r.broken(*f)
			continue
		}
		r.check(checkLogRange, 1, 0, 0)
	}
}

func (r *Report) broken(f Fault) {
	f.Kind = Damaged
	r.Faults = append(r.Faults, &f)
	r.check(checkLogRange, 0, 1, 0)
}

// logBreak finds the first place where the runs do not follow one another, or do not cover what the header says. A run
// may end where a virtual log file ends; the next then begins in the next one.
func logBreak(h *Header, runs []LogRun) *Fault {
	for i := 1; i < len(runs); i++ {
		if want := runs[i-1].Next; runs[i].First != want && runs[i].First.VLF != want.VLF+1 {
			return &Fault{Offset: runs[i].Offset, What: "log block", Want: want.Decimal() + " or the next virtual log file", Got: runs[i].First.Decimal()}
		}
	}
	first, next := runs[0].First, runs[len(runs)-1].Next
	if start := (lsn.LSN{VLF: h.FirstLSN.VLF, Block: h.FirstLSN.Block, Slot: 1}); h.Type == Log && start.Less(first) {
		return &Fault{Offset: runs[0].Offset, What: "first log block", Want: "the block of FirstLSN " + h.FirstLSN.Decimal(), Got: first.Decimal()}
	}
	if last := (lsn.LSN{VLF: h.LastLSN.VLF, Block: h.LastLSN.Block, Slot: 1}); next.VLF == last.VLF && next.Less(last) || next.VLF < last.VLF && last.Block > firstLogBlock {
		return &Fault{Offset: runs[len(runs)-1].Offset, What: "log stream ends before LastLSN", Want: last.Decimal(), Got: next.Decimal()}
	}
	return nil
}

// firstLogBlock is the number of the first block in a virtual log file: its first 8 KiB are its own header.
const firstLogBlock = 16

// sizes compares the header's size with where the set's final configuration lies; stripes add up, see CheckStripes.
func (v *Verification) sizes(r *Report) {
	if v.m.Family.Software != SoftwareSQLServer || v.m.Family.Count > 1 {
		return
	}
	for i, s := range v.m.Sets {
		if !s.Final || i > 0 {
			continue // of appended sets the rule is not known
		}
		if got := s.PayloadSize(); got == s.Size {
			r.check(checkSize, 1, 0, 0)
		} else {
			r.Faults = append(r.Faults, &Fault{Kind: Damaged, Offset: s.LastConfig, What: fmt.Sprintf("size of backup set %d", s.Position), Want: itoa(s.Size) + " bytes", Got: itoa(got)})
			r.check(checkSize, 0, 1, 0)
		}
	}
}

// PayloadSize is the part of BackupSize that this stripe's file holds: from the block before the set to its final
// configuration. Over all stripes of the first set of a medium they add up to the header's Size.
func (s *Set) PayloadSize() int64 { return s.LastConfig - s.Offset + 2*sectorSize }

// conclude gives the verdict and says what is not covered.
func (v *Verification) conclude(r *Report, pages PageCounts) {
	if len(r.Faults) > maxFaults {
		r.Faults = r.Faults[:maxFaults]
	}
	sums := false
	for _, c := range r.Checks {
		if c.Name == checkSums && c.Without == 0 {
			sums = true
		}
	}
	if pages.Unchecked > 0 && !sums {
		r.NotCovered = append(r.NotCovered, fmt.Sprintf("%d pages without a checksum (never allocated, or page verification is not CHECKSUM)", pages.Unchecked))
		r.Verdict = VerifiedExcept
	}
	for _, s := range v.m.Sets {
		if !s.HasChecksums() && s.Type == Log && v.m.Family.Software != SoftwareSQLServer {
			r.Verdict = VerifiedExcept
			r.NotCovered = append(r.NotCovered, "the log payload, because the backup was taken without CHECKSUM")
		}
	}
	if v.c.kind == Plain {
		r.NotCovered = append(r.NotCovered, "names, dates and LSNs in the headers, which MTF's checksums leave out")
	}
	r.NotCovered = append(r.NotCovered, "whether the pages and log records make sense to SQL Server (RESTORE and DBCC CHECKDB tell)")
	if len(r.Faults) > 0 {
		r.Verdict = DamagedAt
	}
}

// Err is nil when nothing failed, or all faults as one error.
func (r *Report) Err() error {
	errs := make([]error, len(r.Faults))
	for i, f := range r.Faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}
