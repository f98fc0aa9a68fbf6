package bak

import (
	"fmt"
	"slices"
)

// Stripe is one verified file of a media set.
type Stripe struct {
	Media  *Media
	Report *Report
}

// CheckStripes checks what only all stripes of a media set together can show: that their sizes add up to the header's,
// and that their log, put together, has no gap. stripes are all files of one media set, in any order. The outcome is
// added to the report of the first; CheckStripes does nothing when a stripe is missing or its sets differ.
func CheckStripes(stripes []Stripe) {
	first := stripes[0]
	if len(stripes) != first.Media.Family.Count || len(stripes) < 2 || first.Media.Family.Software != SoftwareSQLServer {
		return
	}
	for _, s := range stripes {
		if len(s.Media.Sets) != len(first.Media.Sets) || s.Report == nil {
			return
		}
	}
	for i, set := range first.Media.Sets {
		var runs []LogRun
		size, whole := int64(0), true
		for _, s := range stripes {
			other := s.Media.Sets[i]
			whole = whole && other.Final && other.Ended && other.SetGUID == set.SetGUID
			size += other.PayloadSize()
			if i < len(s.Report.Runs) {
				runs = append(runs, s.Report.Runs[i]...)
			}
		}
		if whole {
			first.Report.checkStripes(set, i == 0, size, runs)
		}
	}
	if len(first.Report.Faults) > 0 {
		first.Report.Verdict = DamagedAt
	}
}

func (r *Report) checkStripes(set *Set, first bool, size int64, runs []LogRun) {
	if first && size != set.Size {
		r.Faults = append(r.Faults, &Fault{Kind: Damaged, Offset: -1, What: fmt.Sprintf("size of backup set %d over all stripes", set.Position), Want: itoa(set.Size) + " bytes", Got: itoa(size)})
		r.check(checkSize, 0, 1, 0)
	} else if first {
		r.check(checkSize, 1, 0, 0)
	}
	slices.SortFunc(runs, func(a, b LogRun) int { return a.First.Compare(b.First) })
	if len(runs) == 0 {
		return
	}
	if f := logBreak(&set.Header, runs); f != nil {
		f.Offset = -1 // the place lies in one of several files
		r.broken(*f)
		return
	}
	r.check(checkLogRange, 1, 0, 0)
}
