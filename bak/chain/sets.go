package chain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"linkspan/bak"
	"linkspan/lsn"
)

// Item is one backup set as one file holds it.
type Item struct {
	// File is the name the file was given under.
	File string
	// Family is the file's place among its stripes.
	Family bak.Family
	Header *bak.Header
	// Problem says why the set in this file cannot be used: it is half-written, damaged, …; "" when it can.
	Problem string
}

// Items lists the sets of one read file. readErr is what bak.ReadMedia returned with m: the sets before the fault are
// whole, the last is not.
func Items(file string, m *bak.Media, readErr error) []Item {
	items := make([]Item, 0, len(m.Sets))
	for _, s := range m.Sets {
		it := Item{File: file, Family: m.Family, Header: &s.Header}
		if !s.Ended {
			it.Problem = "the backup set has no end"
			if readErr != nil {
				it.Problem = readErr.Error()
			}
		}
		items = append(items, it)
	}
	return items
}

// Part is one stripe of a set in one file.
type Part struct {
	File     string `json:"file"`
	Position int    `json:"position"`
	Sequence int    `json:"stripe"`
	problem  string
}

// Set is one backup set put together from its stripes.
type Set struct {
	Header *bak.Header
	// Stripes is how many parts the set has; Parts are those found, by sequence, the first of each.
	Stripes int
	Parts   []Part
	// Duplicates are further copies of parts.
	Duplicates []Part
	// Problem says why the set cannot be used, "" when it can.
	Problem string
	order   int
}

// Files lists the files of the set in the order of its stripes.
func (s *Set) Files() []string {
	names := make([]string, len(s.Parts))
	for i, p := range s.Parts {
		names[i] = p.File
	}
	return names
}

func (s *Set) usable() bool { return s.Problem == "" }

// assemble puts stripes together: parts of one set share its id.
func assemble(items []Item) []*Set {
	sets := make([]*Set, 0, len(items))
	byID := make(map[bak.GUID]*Set, len(items))
	for i := range items {
		it := &items[i]
		s := byID[it.Header.SetGUID]
		if s == nil {
			s = &Set{Header: it.Header, Stripes: max(it.Family.Count, 1), order: len(sets)}
			byID[it.Header.SetGUID] = s
			sets = append(sets, s)
		}
		s.take(it)
	}
	for _, s := range sets {
		s.judge()
	}
	return sets
}

// take adds one part; a sound copy takes the place of an unusable one.
func (s *Set) take(it *Item) {
	p := Part{File: it.File, Position: it.Header.Position, Sequence: it.Family.Sequence, problem: it.Problem}
	i, found := slices.BinarySearchFunc(s.Parts, p.Sequence, func(q Part, seq int) int { return cmp.Compare(q.Sequence, seq) })
	switch {
	case !found:
		s.Parts = slices.Insert(s.Parts, i, p)
	case s.Parts[i].problem != "" && p.problem == "":
		s.Duplicates = append(s.Duplicates, s.Parts[i])
		s.Parts[i] = p
	default:
		s.Duplicates = append(s.Duplicates, p)
	}
	if len(s.Parts) > 0 && s.Parts[0].File == p.File {
		s.Header = it.Header
	}
}

// judge decides whether the set can be used.
func (s *Set) judge() {
	if missing := s.missing(); len(missing) > 0 {
		s.Problem = fmt.Sprintf("%s of %d %s", plural(len(missing), "stripe")+" "+numbers(missing), s.Stripes, areMissing(len(missing)))
		return
	}
	for _, p := range s.Parts {
		if p.problem != "" {
			s.Problem = p.problem
			return
		}
	}
	switch s.Header.Type {
	case bak.Full, bak.Differential, bak.Log:
	default:
		s.Problem = "backups of single files and partial backups are listed, not planned"
	}
	if s.Header.LastLSN.Less(s.Header.FirstLSN) {
		s.Problem = "LastLSN comes before FirstLSN"
	}
}

// missing lists the stripes that were not found.
func (s *Set) missing() []int {
	var m []int
	for seq, i := 1, 0; seq <= s.Stripes && len(m) < 64; seq++ {
		if i < len(s.Parts) && s.Parts[i].Sequence == seq {
			i++
		} else {
			m = append(m, seq)
		}
	}
	return m
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func areMissing(n int) string {
	if n == 1 {
		return "is missing"
	}
	return "are missing"
}

func numbers(ns []int) string {
	parts := make([]string, len(ns))
	for i, n := range ns {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, ", ")
}

// kind names a set's type in a drawing.
func kind(t bak.Type) string {
	switch t {
	case bak.Full:
		return "full"
	case bak.Differential:
		return "differential"
	case bak.Log:
		return "log"
	default:
		return strings.ToLower(t.String())
	}
}

// newest is the greatest LSN that any of the sets would reach.
func newest(sets []*Set) lsn.LSN {
	var l lsn.LSN
	for _, s := range sets {
		l = lsn.Latest(l, s.Header.LastLSN)
	}
	return l
}
