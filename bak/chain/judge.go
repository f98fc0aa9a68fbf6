package chain

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"linkspan/bak"
	"linkspan/lsn"
)

// windows lists what can be restored: from each usable full (and differential) to where the logs lead from it. Windows
// that meet are one.
func windows(p *planner) []Window {
	var ws []Window
	for _, f := range p.fulls {
		bases := append([]*Set{f}, p.diffs[f.Header.SetGUID]...)
		for _, b := range bases {
			if b.Header.LastLSN.Less(f.Header.LastLSN) {
				continue
			}
			w := Window{From: b.Header.Finished, FromLSN: b.Header.LastLSN, To: b.Header.Finished, ToLSN: b.Header.LastLSN, Continuous: true}
			if j := p.next(b.Header.LastLSN); j >= 0 {
				end := p.logs[p.last[j]].Header
				w.ToLSN = end.LastLSN
				if end.Started.After(w.To) {
					w.To = end.Started
				}
			}
			if e := p.witness(&Plan{Reach: w.ToLSN, At: w.To}); e != nil {
				w.To = e.Header.Started
			}
			ws = append(ws, w)
		}
	}
	slices.SortFunc(ws, func(a, b Window) int { return a.FromLSN.Compare(b.FromLSN) })
	var out []Window
	for _, w := range ws {
		if n := len(out); n > 0 && !out[n-1].ToLSN.Less(w.FromLSN) {
			out[n-1].ToLSN = lsn.Latest(out[n-1].ToLSN, w.ToLSN)
			if w.To.After(out[n-1].To) {
				out[n-1].To = w.To
			}
			continue
		}
		out = append(out, w)
	}
	return out
}

// findGaps names what is missing between the windows, and before logs that no window reaches.
func (l *Life) findGaps(p *planner, line []*Set) {
	if l.Model != bak.ModelSimple && len(p.logs) > 0 {
		l.logGaps(p)
	}
	l.baseGaps(p, line)
}

// logGaps walks the logs in the order of their beginning, beside the windows.
func (l *Life) logGaps(p *planner) {
	if len(l.Windows) == 0 {
		if len(p.logs) > 0 {
			h := p.logs[0].Header
			l.Gaps = append(l.Gaps, Gap{To: h.FirstLSN, Before: h.Started, Closes: fmt.Sprintf("a full backup that ends between LSN %s and %s", h.FirstLSN.Decimal(), newest(p.logs).Decimal())})
		}
		return
	}
	for i := 1; i < len(l.Windows); i++ {
		w := l.Windows[i]
		l.logGap(p, l.Windows[i-1], w.FromLSN, w.From)
	}
	last := l.Windows[len(l.Windows)-1]
	if n := len(p.logs); n > 0 && last.ToLSN.Less(p.logs[n-1].Header.FirstLSN) {
		l.logGap(p, last, lsn.Max, time.Time{})
	}
}

// logGap notes the gaps behind window w: to the first log there, between logs that do not meet, and to the LSN to, where
// the next window begins (lsn.Max: there is none).
func (l *Life) logGap(p *planner, w Window, to lsn.LSN, until time.Time) {
	reach, when := w.ToLSN, w.To
	i := sort.Search(len(p.logs), func(i int) bool { return reach.Less(p.logs[i].Header.FirstLSN) })
	for ; i < len(p.logs) && p.logs[i].Header.FirstLSN.Less(to); i++ {
		h := p.logs[i].Header
		if reach.Less(h.FirstLSN) {
			l.Gaps = append(l.Gaps, gap(reach, h.FirstLSN, when, h.Started))
		}
		reach, when = lsn.Latest(reach, h.LastLSN), later(when, h.Started)
	}
	if to != lsn.Max && reach.Less(to) {
		l.Gaps = append(l.Gaps, gap(reach, to, when, until))
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func gap(from, to lsn.LSN, after, before time.Time) Gap {
	return Gap{From: from, To: to, After: after, Before: before,
		Closes: fmt.Sprintf("log backups that begin at LSN %s or before and end at %s or behind", from.Decimal(), to.Decimal())}
}

// baseGaps names fulls that differentials need and that are not there.
func (l *Life) baseGaps(p *planner, line []*Set) {
	known := map[bak.GUID]bool{}
	for _, f := range p.fulls {
		known[f.Header.SetGUID] = true
	}
	for _, s := range line {
		h := s.Header
		if h.Type != bak.Differential || !s.usable() || known[h.DifferentialBaseGUID] {
			continue
		}
		known[h.DifferentialBaseGUID] = true
		l.Gaps = append(l.Gaps, Gap{From: h.DifferentialBase, To: h.DifferentialBase, Before: h.Started,
			Closes: fmt.Sprintf("the full backup with set id %s (CheckpointLSN %s), on which a differential builds", h.DifferentialBaseGUID, h.DifferentialBase.Decimal())})
	}
}

// judge says whether the plan gives what was asked.
func (l *Life) judge(o Options, latest *Set) {
	switch {
	case l.Plan == nil:
		l.Broken = l.noBase()
		if !o.StopAt.IsZero() {
			l.Broken = fmt.Sprintf("no usable full backup ends before %s", stamp(o.StopAt))
		}
	case !o.StopAt.IsZero() && !l.Plan.Exact && l.Model == bak.ModelSimple:
		l.Note = fmt.Sprintf("the database has no log backups (recovery model SIMPLE): the nearest point before %s is %s", stamp(o.StopAt), stamp(l.Plan.At))
	case !o.StopAt.IsZero() && !l.Plan.Exact:
		l.Broken = fmt.Sprintf("the files reach %s, not %s: a log backup is missing that begins at LSN %s or before and was started at %s or later",
			stamp(l.Plan.At), stamp(o.StopAt), l.Plan.Reach.Decimal(), stamp(o.StopAt))
	case l.Model != bak.ModelSimple && o.StopAt.IsZero() && !l.Plan.Reach.Less(newest(l.sets)) && !hasLogs(l.sets):
		l.Note = "there are no log backups here: it can be restored only to the ends of its full and differential backups"
	case o.StopAt.IsZero() && l.Plan.Reach.Less(newest(l.sets)):
		l.Broken = fmt.Sprintf("the files reach LSN %s (%s), but there are files up to LSN %s (%s)", l.Plan.Reach.Decimal(), stamp(l.Plan.At),
			newest(l.sets).Decimal(), stamp(latest.Header.Finished))
	}
}

func hasLogs(sets []*Set) bool {
	return slices.ContainsFunc(sets, func(s *Set) bool { return s.Header.Type == bak.Log })
}

// noBase says why nothing can be restored.
func (l *Life) noBase() string {
	for _, s := range l.sets {
		if s.Header.Type == bak.Full && !s.usable() {
			return fmt.Sprintf("the full backup of %s cannot be used: %s", stamp(s.Header.Finished), s.Problem)
		}
	}
	return "there is no full backup"
}

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

// outside gives every set that is not in the plan, and every further copy of a file, its reason.
func (l *Life) outside(line []*Set) {
	in := map[*Set]bool{}
	var base lsn.LSN
	if l.Plan != nil {
		for _, s := range l.Plan.Sets {
			in[s] = true
			if s.Header.Type != bak.Log {
				base = s.Header.LastLSN
			}
		}
	}
	ids := map[bak.GUID]bool{}
	for _, s := range line {
		ids[s.Header.SetGUID] = ids[s.Header.SetGUID] || s.Header.Type == bak.Full
	}
	for _, s := range l.sets {
		if !in[s] {
			l.Outside = append(l.Outside, l.why(s, base, ids))
		}
	}
}

// why gives the reason for one set.
func (l *Life) why(s *Set, base lsn.LSN, ids map[bak.GUID]bool) Outside {
	h := s.Header
	out := Outside{Set: s, Usable: s.usable(), Reason: s.Problem}
	switch {
	case !s.usable():
		out.Reason += l.strangers(s)
	case h.Type == bak.Differential && !ids[h.DifferentialBaseGUID]:
		out.Usable, out.Reason = false, fmt.Sprintf("it builds on the full backup with set id %s, which is not here", h.DifferentialBaseGUID)
	case l.Plan == nil && h.Type == bak.Log:
		out.Usable, out.Reason = false, "there is no full backup it could follow"
	case l.Plan == nil:
		out.Reason = "it ends after the time asked for"
	case l.Plan.Reach.Less(h.FirstLSN) && h.Type == bak.Log && !l.Plan.Exact:
		out.Usable, out.Reason = false, fmt.Sprintf("it begins at LSN %s, behind the gap at %s", h.FirstLSN.Decimal(), l.Plan.Reach.Decimal())
	case l.Plan.Reach.Less(h.LastLSN) && l.Plan.Exact:
		out.Reason = "it is newer than the time asked for"
	case h.LastLSN.Less(base):
		out.Reason = fmt.Sprintf("the newer backup that ends at LSN %s makes it unnecessary", base.Decimal())
	default:
		out.Reason = "the sequence gets there without it"
	}
	return out
}

// strangers adds to an incomplete set's reason which files hold the missing stripes of other sets: a mixed-up stripe.
func (l *Life) strangers(s *Set) string {
	if s.Stripes < 2 {
		return ""
	}
	for _, o := range l.sets {
		if o == s || o.usable() || o.Stripes != s.Stripes {
			continue
		}
		for _, p := range o.Parts {
			if i := slices.IndexFunc(s.Parts, func(q Part) bool { return q.Sequence == p.Sequence }); i < 0 {
				return fmt.Sprintf("; %s is stripe %d of another backup (set id %s)", p.File, p.Sequence, o.Header.SetGUID)
			}
		}
	}
	return ""
}
