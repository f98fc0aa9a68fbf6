package chain_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/lsn"
)

// randomChain makes a small heap on one time line, of which some sets are lost, some copied, some overlapping.
func randomChain(rng *rand.Rand) []set {
	var all []set
	lastFull, id := byte(0), byte(0)
	logFrom := uint32(1)
	for now := uint32(10); len(all) < 4+rng.IntN(8); now += 2 + rng.Uint32N(9) {
		id++
		s := set{file: fmt.Sprint("f", id), id: id, first: now - rng.Uint32N(2), last: now}
		switch k := rng.IntN(10); {
		case k < 2:
			s.typ, lastFull = bak.Full, id
		case k < 4 && lastFull > 0:
			s.typ, s.base = bak.Differential, lastFull
		case k == 4: // copy-only log: overlaps, does not move the chain
			s.typ, s.first = bak.Log, logFrom
		case k == 5: // nothing was written
			s.typ, s.first, s.last, s.minute = bak.Log, logFrom, logFrom, int(now)
		default:
			s.typ, s.first = bak.Log, logFrom
			logFrom = now
		}
		if rng.IntN(4) > 0 {
			all = append(all, s)
		} else if s.typ == bak.Full && rng.IntN(2) == 0 {
			s.stripe, s.of = 1, 2 // half of it
			all = append(all, s)
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// outcome is what counts of a plan: whether it stops exactly, how far it gets and with how many sets.
type outcome struct {
	exact bool
	reach lsn.LSN
	count int
}

func (a outcome) better(b outcome) bool {
	if a.exact != b.exact {
		return a.exact
	}
	if !a.exact && a.reach != b.reach {
		return b.reach.Less(a.reach)
	}
	return a.count < b.count
}

// bruteForce tries every sequence that SQL Server would take, one step after the other.
func bruteForce(items []chain.Item, stop time.Time) (best outcome, ok bool) {
	var usable []chain.Item
	for _, it := range items {
		if it.Family.Count == 1 && (it.Header.Type == bak.Log || stop.IsZero() || !it.Header.Finished.After(stop)) {
			usable = append(usable, it)
		}
	}
	var walk func(end lsn.LSN, n int, used uint64)
	note := func(o outcome) {
		if !ok || o.better(best) {
			best, ok = o, true
		}
	}
	walk = func(end lsn.LSN, n int, used uint64) {
		note(outcome{reach: end, count: n})
		for i, it := range usable {
			h := it.Header
			if h.Type != bak.Log || used&(1<<i) != 0 || end.Less(h.FirstLSN) || h.LastLSN.Less(end) {
				continue
			}
			if !stop.IsZero() && !h.Started.Before(stop) {
				note(outcome{exact: true, reach: h.LastLSN, count: n + 1})
			} else if end.Less(h.LastLSN) {
				walk(h.LastLSN, n+1, used|1<<i)
			}
		}
	}
	for _, f := range usable {
		if f.Header.Type != bak.Full {
			continue
		}
		start := func(h *bak.Header, n int) {
			if !stop.IsZero() && h.Finished.Equal(stop) {
				note(outcome{exact: true, reach: h.LastLSN, count: n})
			}
			walk(h.LastLSN, n, 0)
		}
		start(f.Header, 1)
		for _, d := range usable {
			if d.Header.Type == bak.Differential && d.Header.DifferentialBaseGUID == f.Header.SetGUID {
				start(d.Header, 2)
			}
		}
	}
	return best, ok
}

func TestPlansEqualABruteForcePlanner(t *testing.T) {
	t.Parallel()
	rounds := 10000
	if n, err := strconv.Atoi(os.Getenv("LINKSPAN_SOAK")); err == nil && n > 1 {
		rounds *= n
	}
	for seed := range uint64(rounds) {
		rng := rand.New(rand.NewPCG(seed, 42))
		is := items(randomChain(rng)...)
		var stop time.Time
		if rng.IntN(2) == 0 {
			stop = zero.Add(time.Duration(5+rng.IntN(60)) * time.Minute)
		}
		want, ok := bruteForce(is, stop)
		r := chain.Find(is, chain.Options{StopAt: stop})
		if len(is) == 0 {
			continue
		}
		l := r.Lives[0]
		if (l.Plan != nil) != ok {
			t.Fatalf("seed %d: plan %v, brute force finds one: %v", seed, planFiles(l.Plan), ok)
		}
		if !ok {
			continue
		}
		got := outcome{exact: l.Plan.Exact, reach: l.Plan.Reach, count: len(l.Plan.Sets)}
		if n := len(l.Plan.Sets) - 1; !got.exact && l.Plan.Sets[n].Header.FirstLSN == got.reach && l.Plan.Sets[n].Header.LastLSN == got.reach && l.Plan.Sets[n].Header.Type == bak.Log {
			got.count-- // an empty log at the end only proves that nothing happened
		}
		if got.better(want) || want.better(got) {
			t.Fatalf("seed %d stop %v: plan %v gives %+v, brute force %+v", seed, stop, planFiles(l.Plan), got, want)
		}
		checkAccounted(t, seed, is, l)
	}
}

// checkAccounted makes sure that every set is either in the plan or outside with a reason.
func checkAccounted(t *testing.T, seed uint64, is []chain.Item, l *chain.Life) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range l.Plan.Sets {
		seen[s.Parts[0].File] = true
	}
	for _, o := range l.Outside {
		if o.Reason == "" || seen[o.Set.Parts[0].File] {
			t.Fatalf("seed %d: outside %s: %q", seed, o.Set.Parts[0].File, o.Reason)
		}
		seen[o.Set.Parts[0].File] = true
	}
	if len(seen) != len(is) {
		t.Fatalf("seed %d: %d of %d files are accounted for", seed, len(seen), len(is))
	}
}

// heap makes n sets of d databases: a full, daily differentials, logs.
func heap(n, d int) []chain.Item {
	is := make([]chain.Item, 0, n)
	for i := range n {
		db, k := i%d, uint32(i/d)
		s := set{file: "f" + strconv.Itoa(i), typ: bak.Log, first: k * 10, last: k*10 + 10, database: "db" + strconv.Itoa(db), minute: int(k) + 1}
		switch {
		case k%50 == 0:
			s.typ = bak.Full
			s.first, s.last = k*10+8, k*10+10
		case k%10 == 0:
			s.typ = bak.Differential
		}
		it := s.item()
		h := it.Header
		h.SetGUID = bak.GUID{byte(i), byte(i >> 8), byte(i >> 16), 9}
		h.FamilyGUID, h.RecoveryForkID = bak.GUID{byte(db), byte(db >> 8), 1}, bak.GUID{byte(db), byte(db >> 8), 2}
		base := db + int(k/50*50)*d
		h.DifferentialBaseGUID = bak.GUID{byte(base), byte(base >> 8), byte(base >> 16), 9}
		is = append(is, it)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(is), func(i, j int) { is[i], is[j] = is[j], is[i] })
	return is
}

func TestPlansAHundredThousandSets(t *testing.T) {
	t.Parallel()
	for _, databases := range []int{1000, 1} {
		is := heap(100_000, databases)
		r := chain.Find(is, chain.Options{})
		if len(r.Lives) != databases {
			t.Fatalf("%d lives", len(r.Lives))
		}
		for _, l := range r.Lives {
			if l.Plan == nil || l.Plan.Sets[0].Header.Type != bak.Full || l.Plan.Reach != newestOf(is, l.Database) {
				t.Fatalf("%s: plan %v, broken %q", l.Database, planFiles(l.Plan), l.Broken)
			}
			if databases == 1 {
				break
			}
		}
	}
}

func newestOf(is []chain.Item, database string) lsn.LSN {
	if database != "db0" {
		return at(100*10 - 0)
	}
	var l lsn.LSN
	for _, it := range is {
		if it.Header.Database == database {
			l = lsn.Latest(l, it.Header.LastLSN)
		}
	}
	return l
}

func BenchmarkPlan100kSets(b *testing.B) {
	is := heap(100_000, 1000)
	for b.Loop() {
		chain.Find(is, chain.Options{})
	}
}
