package chain

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"linkspan/bak"
	"linkspan/lsn"
)

// Plan is a sequence of sets to restore: a full, perhaps a differential, then logs.
type Plan struct {
	Sets []*Set
	// Reach is the LSN up to which the sequence restores; At is the time for which that is certain.
	Reach lsn.LSN
	At    time.Time
	// Exact is true when the sequence can stop exactly at the time asked for.
	Exact bool
}

// at is the time up to which a set surely holds what was committed: a log is read from its beginning at Started, a full
// or differential is consistent when it ends.
func at(h *bak.Header) time.Time {
	if h.Type == bak.Log {
		return h.Started
	}
	return h.Finished
}

// planner holds the usable sets of one lineage, prepared for questions about one stop time.
type planner struct {
	fulls []*Set
	diffs map[bak.GUID][]*Set
	// logs are sorted by FirstLSN; best[i] is the index of the log among logs[:i+1] that reaches farthest.
	logs []*Set
	best []int
	// steps[i] is how many more logs follow log i until nothing reaches farther; last[i] is the last of them.
	steps, last []int
	stop        time.Time
	// cover are the logs that reach the stop time, sorted by FirstLSN.
	cover []*Set
}

func newPlanner(sets []*Set, stop time.Time) *planner {
	p := &planner{diffs: map[bak.GUID][]*Set{}, stop: stop}
	for _, s := range sets {
		h := s.Header
		if !s.usable() || h.Type != bak.Log && !stop.IsZero() && h.Finished.After(stop) {
			continue
		}
		switch {
		case h.Type == bak.Full:
			p.fulls = append(p.fulls, s)
		case h.Type == bak.Differential:
			p.diffs[h.DifferentialBaseGUID] = append(p.diffs[h.DifferentialBaseGUID], s)
		case !stop.IsZero() && !h.Started.Before(stop):
			p.cover = append(p.cover, s)
		default:
			p.logs = append(p.logs, s)
		}
	}
	byFirst := func(a, b *Set) int {
		if c := a.Header.FirstLSN.Compare(b.Header.FirstLSN); c != 0 {
			return c
		}
		return cmp.Compare(a.order, b.order)
	}
	slices.SortFunc(p.logs, byFirst)
	slices.SortFunc(p.cover, byFirst)
	p.index()
	return p
}

// index fills best, steps and last: covering an interval with the fewest logs means always taking the one that reaches
// farthest, so that each log has one successor.
func (p *planner) index() {
	n := len(p.logs)
	p.best, p.steps, p.last = make([]int, n), make([]int, n), make([]int, n)
	for i, s := range p.logs {
		p.best[i] = i
		if i > 0 && !p.logs[p.best[i-1]].Header.LastLSN.Less(s.Header.LastLSN) {
			p.best[i] = p.best[i-1]
		}
	}
	byLast := make([]int, n)
	for i := range byLast {
		byLast[i] = i
	}
	slices.SortFunc(byLast, func(a, b int) int { return p.logs[b].Header.LastLSN.Compare(p.logs[a].Header.LastLSN) })
	for _, i := range byLast { // successors reach farther, so they are done before
		p.last[i] = i
		if j := p.next(p.logs[i].Header.LastLSN); j >= 0 {
			p.steps[i], p.last[i] = p.steps[j]+1, p.last[j]
		}
	}
}

// next is the log that applies at l and reaches farthest, or -1.
func (p *planner) next(l lsn.LSN) int {
	n := sort.Search(len(p.logs), func(i int) bool { return l.Less(p.logs[i].Header.FirstLSN) })
	if n == 0 {
		return -1
	}
	if j := p.best[n-1]; l.Less(p.logs[j].Header.LastLSN) {
		return j
	}
	return -1
}

// covering is the earliest log that applies at l and holds the stop time, or nil. A log without records (FirstLSN =
// LastLSN = l) is a witness that nothing happened until it was taken.
func (p *planner) covering(l lsn.LSN) *Set {
	var c *Set
	for _, s := range p.cover {
		h := s.Header
		if l.Less(h.FirstLSN) {
			break
		}
		if h.LastLSN.Less(l) {
			continue
		}
		if c == nil || h.Started.Before(c.Header.Started) {
			c = s
		}
	}
	return c
}

// from is the best sequence that begins with base (a full, or a full and a differential).
func (p *planner) from(base []*Set) Plan {
	h := base[len(base)-1].Header
	plan := Plan{Sets: base, Reach: h.LastLSN, At: at(h)}
	plan.Sets = slices.Clone(base)
	if !p.stop.IsZero() && h.Finished.Equal(p.stop) {
		plan.Exact = true
		return plan
	}
	for {
		if c := p.covering(plan.Reach); c != nil {
			plan.add(c)
			plan.Exact = true
			return plan
		}
		j := p.next(plan.Reach)
		if j < 0 {
			break
		}
		plan.add(p.logs[j])
	}
	if w := p.witness(&plan); w != nil {
		plan.add(w)
	}
	return plan
}

func (p *Plan) add(s *Set) {
	p.Sets = append(p.Sets, s)
	p.Reach = lsn.Latest(p.Reach, s.Header.LastLSN)
	if t := at(s.Header); t.After(p.At) {
		p.At = t
	}
}

// witness is the latest log without records behind the end of the plan: it proves that nothing was committed until then.
func (p *planner) witness(plan *Plan) *Set {
	var w *Set
	n := sort.Search(len(p.logs), func(i int) bool { return !p.logs[i].Header.FirstLSN.Less(plan.Reach) })
	for ; n < len(p.logs) && p.logs[n].Header.FirstLSN == plan.Reach; n++ {
		s := p.logs[n]
		if s.Header.LastLSN == plan.Reach && s.Header.Started.After(plan.At) && (w == nil || s.Header.Started.After(w.Header.Started)) {
			w = s
		}
	}
	return w
}

// reach is how far a base gets and with how many logs, without making the plan.
func (p *planner) reach(base *Set) (exact bool, end lsn.LSN, logs int) {
	l := base.Header.LastLSN
	if p.stop.IsZero() || len(p.cover) == 0 && !base.Header.Finished.Equal(p.stop) {
		j := p.next(l)
		if j < 0 {
			return false, l, 0
		}
		return false, p.logs[p.last[j]].Header.LastLSN, p.steps[j] + 1
	}
	plan := p.from([]*Set{base})
	return plan.Exact, plan.Reach, len(plan.Sets) - 1
}

// candidate is a base with what it reaches.
type candidate struct {
	base  []*Set
	exact bool
	end   lsn.LSN
	count int
}

// better orders candidates: one that can stop exactly at the time asked for, then the farthest, then the shortest, then
// the newest base.
func (a *candidate) better(b *candidate) bool {
	if b == nil {
		return true
	}
	if a.exact != b.exact {
		return a.exact
	}
	if c := a.end.Compare(b.end); c != 0 && !a.exact {
		return c > 0
	}
	if a.count != b.count {
		return a.count < b.count
	}
	x, y := a.base[len(a.base)-1].Header, b.base[len(b.base)-1].Header
	return y.LastLSN.Less(x.LastLSN)
}

// plan is the best sequence of all, or nil when there is no usable full.
func (p *planner) plan() *Plan {
	var best *candidate
	try := func(base ...*Set) {
		c := &candidate{base: base}
		c.exact, c.end, c.count = p.reach(base[len(base)-1])
		c.count += len(base)
		if c.better(best) {
			best = c
		}
	}
	for _, f := range p.fulls {
		try(f)
		for _, d := range p.diffs[f.Header.SetGUID] {
			if !d.Header.LastLSN.Less(f.Header.LastLSN) {
				try(f, d)
			}
		}
	}
	if best == nil {
		return nil
	}
	plan := p.from(best.base)
	return &plan
}

// newestBase is the full, or full and differential, that ends last.
func (p *planner) newestBase() []*Set {
	var best []*Set
	var end lsn.LSN
	for _, f := range p.fulls {
		if best == nil || end.Less(f.Header.LastLSN) {
			best, end = []*Set{f}, f.Header.LastLSN
		}
		for _, d := range p.diffs[f.Header.SetGUID] {
			if end.Less(d.Header.LastLSN) {
				best, end = []*Set{f, d}, d.Header.LastLSN
			}
		}
	}
	return best
}
