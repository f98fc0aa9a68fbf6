package chain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"linkspan/bak"
	"linkspan/lsn"
)

// Options says what is asked.
type Options struct {
	// StopAt is the point in time to restore to, as the servers' wall clocks show it; the zero time asks for the latest.
	StopAt time.Time
	// Database limits the answer to databases of this name, in any case; "" means all.
	Database string
}

// Result is the answer for a heap of files.
type Result struct {
	// Lives are sorted by database, server and age, the current life of each database first.
	Lives []*Life
}

// Life is one life of a database: what happened between two restores WITH RECOVERY, or since its creation.
type Life struct {
	Database, Server string
	Family, Fork     bak.GUID
	Model            string
	// Current is true for the newest life of the database of this name on this server; others are older ones.
	Current bool
	// Plan is the best sequence for what was asked, nil when nothing can be restored.
	Plan *Plan
	// Base is the newest full with the newest differential on it that ends before the time asked for: what can be read
	// from pages, without replaying logs. Empty when there is no usable full.
	Base []*Set
	// Broken says in one sentence why the chain does not give what was asked; "" when it does.
	Broken string
	// Note is a remark on a plan that is not broken.
	Note string
	// Gaps are what is missing, oldest first.
	Gaps []Gap
	// Windows are the stretches that can be restored.
	Windows []Window
	// Outside are the sets that are not in the plan, with the reason.
	Outside []Outside
	// NextLog is the LSN at which, or before which, the next log backup must begin to continue the plan; zero when the
	// recovery model has no log backups or there is no plan.
	NextLog lsn.LSN
	sets    []*Set
}

// Gap is a stretch of log that no usable file holds.
type Gap struct {
	From, To lsn.LSN
	// After and Before bound the time in which the missing log was written; zero when not known.
	After, Before time.Time
	// Closes says which kind of file would close the gap.
	Closes string
}

// Window is a stretch of time that can be restored.
type Window struct {
	From, To       time.Time
	FromLSN, ToLSN lsn.LSN
	// Continuous is true when every moment in it can be reached, false when only its end can.
	Continuous bool
}

// Outside is a set that the plan does not use.
type Outside struct {
	Set *Set
	// Usable is false when it could not be used at all.
	Usable bool
	Reason string
}

// Broken reports whether the chain of any current life does not give what was asked.
func (r *Result) Broken() bool {
	for _, l := range r.Lives {
		if l.Current && l.Broken != "" {
			return true
		}
	}
	return false
}

// Find plans for every database among items.
func Find(items []Item, o Options) *Result {
	sets := assemble(items)
	byFork := map[forkKey][]*Set{}
	var order []forkKey
	for _, s := range sets {
		if o.Database != "" && !strings.EqualFold(s.Header.Database, o.Database) {
			continue
		}
		k := keyOf(s.Header)
		if byFork[k] == nil {
			order = append(order, k)
		}
		byFork[k] = append(byFork[k], s)
	}
	r := &Result{}
	for _, k := range order {
		own := byFork[k]
		r.Lives = append(r.Lives, newLife(own, lineage(k, byFork), o))
	}
	r.rank()
	return r
}

// forkKey tells lives of databases apart.
type forkKey struct{ family, fork bak.GUID }

func keyOf(h *bak.Header) forkKey { return forkKey{h.FamilyGUID, h.RecoveryForkID} }

// lineage lists the sets from which the life k can be restored: its own, and those of the lives it forked from, up to the
// fork points.
func lineage(k forkKey, byFork map[forkKey][]*Set) []*Set {
	sets, seen, limit := byFork[k], map[forkKey]bool{k: true}, lsn.Max
	for range len(byFork) {
		parent, point, ok := parentOf(k, byFork[k])
		if !ok || seen[parent] {
			break
		}
		seen[parent] = true
		limit = lsn.Earliest(limit, point)
		all := slices.Clone(sets)
		for _, s := range byFork[parent] {
			if !limit.Less(s.Header.LastLSN) {
				all = append(all, s)
			}
		}
		sets, k = all, parent
	}
	return sets
}

// parentOf finds the life that k forked from, as k's sets tell it.
func parentOf(k forkKey, own []*Set) (parent forkKey, point lsn.LSN, ok bool) {
	for _, s := range own {
		h := s.Header
		if h.FirstForkID.IsZero() || h.FirstForkID == k.fork || h.ForkPoint.IsZero() {
			continue
		}
		if !ok || h.ForkPoint.Less(point) {
			parent, point, ok = forkKey{k.family, h.FirstForkID}, h.ForkPoint, true
		}
	}
	return parent, point, ok
}

// newLife plans one life.
func newLife(own, line []*Set, o Options) *Life {
	latest := own[0]
	for _, s := range own {
		if latest.Header.Finished.Before(s.Header.Finished) || latest.Header.LastLSN.Less(s.Header.LastLSN) {
			latest = s
		}
	}
	h := latest.Header
	l := &Life{Database: h.Database, Server: h.Server, Family: h.FamilyGUID, Fork: h.RecoveryForkID, Model: h.RecoveryModel(), sets: own}
	p := newPlanner(line, o.StopAt)
	l.Plan = p.plan()
	l.Base = p.newestBase()
	full := p
	if !o.StopAt.IsZero() {
		full = newPlanner(line, time.Time{})
	}
	l.Windows = windows(full)
	l.findGaps(full, line)
	l.judge(o, latest)
	l.outside(line)
	if l.Plan != nil && l.Model != bak.ModelSimple {
		l.NextLog = l.Plan.Reach
	}
	return l
}

// rank sorts the lives and marks the current ones.
func (r *Result) rank() {
	slices.SortStableFunc(r.Lives, func(a, b *Life) int {
		if c := strings.Compare(strings.ToLower(a.Database), strings.ToLower(b.Database)); c != 0 {
			return c
		}
		if c := strings.Compare(strings.ToLower(a.Server), strings.ToLower(b.Server)); c != 0 {
			return c
		}
		return cmp.Compare(b.lastDay().UnixNano(), a.lastDay().UnixNano())
	})
	for i, l := range r.Lives {
		l.Current = i == 0 || !l.sameDatabase(r.Lives[i-1])
		if l.Plan != nil {
			continue
		}
		for _, other := range r.Lives {
			if other.Plan != nil && other.sameDatabase(l) {
				l.Broken += fmt.Sprintf("; the full backups of %s here belong to another recovery fork (%s), these files to fork %s", l.Database, other.Fork, l.Fork)
				break
			}
		}
	}
}

func (l *Life) sameDatabase(o *Life) bool {
	return strings.EqualFold(l.Database, o.Database) && strings.EqualFold(l.Server, o.Server)
}

// lastDay is when the newest set of the life was finished.
func (l *Life) lastDay() time.Time {
	var t time.Time
	for _, s := range l.sets {
		if s.Header.Finished.After(t) {
			t = s.Header.Finished
		}
	}
	return t
}
