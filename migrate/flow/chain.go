package flow

import (
	"fmt"

	"linkspan/lsn"
)

// base is the full that the migration began with; nil before.
func (m *Migration) base() *Set {
	if len(m.Chain) == 0 {
		return nil
	}
	return m.set(m.Chain[0])
}

// end is the last set of the chain; nil when there is none.
func (m *Migration) end() *Set {
	if len(m.Chain) == 0 {
		return nil
	}
	return m.set(m.Chain[len(m.Chain)-1])
}

// candidate is the newest full that could be begun with; nil when there is none.
func (m *Migration) candidate() *Set {
	var best *Set
	for i := range m.Sets {
		s := &m.Sets[i]
		if s.Kind != Full || !m.usable(s) {
			continue
		}
		if best == nil || best.Finished.Before(s.Finished) || best.Finished.Equal(s.Finished) && best.Last.Less(s.Last) {
			best = s
		}
	}
	return best
}

// usable: every stripe is here and unharmed, and it may be taken.
func (m *Migration) usable(s *Set) bool {
	return s.Unusable == "" && (s.Checksum || m.Options.AcceptNoChecksum) && len(m.lacking(s)) == 0
}

// begin chooses the full.
func (m *Migration) begin() {
	m.commit(m.candidate())
	m.judge()
	m.plan()
}

// plan appends to the chain what can follow it.
func (m *Migration) plan() {
	for s := m.next(); s != nil; s = m.next() {
		m.commit(s)
	}
	m.judge()
}

func (m *Migration) commit(s *Set) {
	m.Chain = append(m.Chain, s.ID)
	for _, f := range m.parts(s) {
		switch {
		case f.State != FileArrived && f.State != FileIgnored:
		case f.Done > 0:
			f.State, f.Reason = FileUploading, ""
		default:
			f.State, f.Reason = FileQueued, ""
		}
	}
}

// next is the set that applies where the chain ends and reaches farthest; nil when there is none.
func (m *Migration) next() *Set {
	end, base := m.end(), m.base()
	var best *Set
	for i := range m.Sets {
		s := &m.Sets[i]
		applies := end.Last.Less(s.Last) && (best == nil || best.Last.Less(s.Last))
		switch s.Kind {
		case Differential:
			applies = applies && s.Base == base.ID
		case Log:
			applies = applies && follows(s, end) && !end.Last.Less(s.First)
		default:
			applies = false
		}
		if applies && m.usable(s) {
			best = s
		}
	}
	return best
}

// follows reports whether s is on the recovery fork of end, or on one that left it where end has not yet been.
func follows(s, end *Set) bool {
	return s.Fork == end.Fork || s.FirstFork == end.Fork && !s.ForkPoint.Less(end.Last)
}

// judge says of every file outside the chain whether it is waited with or ignored.
func (m *Migration) judge() {
	in := map[string]bool{}
	for _, id := range m.Chain {
		in[id] = true
	}
	for i := range m.Files {
		f := &m.Files[i]
		if f.Bad || in[f.Set] || f.State != FileArrived && f.State != FileIgnored {
			continue
		}
		f.State, f.Reason = FileArrived, ""
		if why := m.unneeded(m.set(f.Set)); why != "" {
			f.State, f.Reason = FileIgnored, why
		}
	}
}

// unneeded says why a set is no part of this chain; "" when it may become one.
func (m *Migration) unneeded(s *Set) string {
	end := m.end()
	if end == nil {
		return ""
	}
	switch base := m.base(); {
	case s.Kind == Full:
		return "the migration began with another full backup: " + m.name(base)
	case s.Kind == Differential && s.Base != base.ID:
		return fmt.Sprintf("it builds on the full backup with set id %s, the migration began with %s (set id %s)", s.Base, m.name(base), base.ID)
	case !end.Last.Less(s.Last):
		return "what it holds is in the backups up to LSN " + end.Last.Decimal() + " already"
	case s.Kind == Log && !follows(s, end):
		return fmt.Sprintf("it is the log of another recovery fork (%s, the chain is on %s): the source was restored after the full backup", s.Fork, end.Fork)
	}
	return ""
}

// name is the file of a set, the first of its stripes.
func (m *Migration) name(s *Set) string {
	for _, f := range m.parts(s) {
		if f != nil {
			return f.Name
		}
	}
	return s.ID
}

// lastFile is the file that ends the chain.
func (m *Migration) lastFile() string {
	if s := m.end(); s != nil {
		return m.name(s)
	}
	return ""
}

// Gap is log that is missing between what the chain holds and the next backup that is here.
type Gap struct {
	From, To lsn.LSN
	// Before is the file behind the gap.
	Before string
}

// Gap is the missing stretch that the chain waits for; false when nothing is missing.
func (m *Migration) Gap() (Gap, bool) {
	end := m.end()
	if end == nil {
		return Gap{}, false
	}
	var first *Set
	for i := range m.Sets {
		s := &m.Sets[i]
		if s.Kind == Log && m.usable(s) && follows(s, end) && end.Last.Less(s.First) && (first == nil || s.First.Less(first.First)) {
			first = s
		}
	}
	if first == nil {
		return Gap{}, false
	}
	return Gap{From: end.Last, To: first.First, Before: m.name(first)}, true
}

// Pending is the number of log and differential backups that are here and needed, and not restored.
func (m *Migration) Pending() int {
	n := 0
	for i := range m.Sets {
		s := &m.Sets[i]
		if s.Kind == Full || m.all(s, FileRestored) {
			continue
		}
		for _, f := range m.parts(s) {
			if f != nil && f.State != FileIgnored {
				n++
				break
			}
		}
	}
	return n
}

// restored is how far the target is, as far as it said.
func (m *Migration) restored() lsn.LSN {
	var l lsn.LSN
	for _, id := range m.Chain {
		if s := m.set(id); m.all(s, FileRestored) {
			l = lsn.Latest(l, s.Last)
		}
	}
	return l
}

// Wait is something that the migration waits for.
type Wait struct {
	// ID names the kind: no-full, no-base, stripe, checksum, fork, gap, deleted, unusable, file, trouble.
	ID string
	// Text says what is missing, Fix what to do.
	Text, Fix string
}

// Waits lists what stands in the way now. It goes on by itself when that comes.
func (m *Migration) Waits() []Wait {
	var out []Wait
	add := func(id, fix, format string, args ...any) {
		out = append(out, Wait{id, fmt.Sprintf(format, args...), fix})
	}
	if m.Started && m.State == Initial && m.candidate() == nil {
		add("no-full", "put a full backup made WITH CHECKSUM there", "there is no full backup of %q that can be used", m.Options.Database)
	}
	for i := range m.Sets {
		m.waitSet(&m.Sets[i], add)
	}
	if g, ok := m.Gap(); ok {
		add("gap", fmt.Sprintf("put the log backups there that begin at LSN %s or before and end at %s or behind", g.From.Decimal(), g.To.Decimal()),
			"the log from LSN %s to %s is missing: %s begins behind it", g.From.Decimal(), g.To.Decimal(), g.Before)
	}
	for _, f := range m.Files {
		if s := m.set(f.Set); f.State == FileCancelled && m.State != Cancelled && m.State != Cancelling && s != nil && m.misses(f, s) {
			add("deleted", "put it back", "%s: %s", f.Name, f.Reason)
		} else if f.Bad && (m.State == Initial || len(out) > 0) {
			add("file", "replace it if it is needed", "%s is ignored: %s", f.Name, f.Reason)
		}
	}
	for _, where := range sortedKeys(m.Troubles) {
		add("trouble", "", "%s: %s", where, m.Troubles[where])
	}
	return out
}

// misses reports whether a file that was given up is needed, and nothing took its place.
func (m *Migration) misses(f File, s *Set) bool {
	if len(m.lacking(s)) == 0 || m.unneeded(s) != "" {
		return false
	}
	for i := range m.Files {
		if o := &m.Files[i]; o.Name == f.Name && o.State != FileCancelled && !o.Bad {
			return false
		}
	}
	return true
}

func (m *Migration) waitSet(s *Set, add func(id, fix, format string, args ...any)) {
	needed := m.unneeded(s) == ""
	lacks := m.lacking(s)
	switch {
	case s.Unusable != "":
		add("unusable", "replace the file by a good copy of it", "%s cannot be restored: %s", m.name(s), s.Unusable)
	case m.base() == nil && s.Kind == Differential && m.set(s.Base) == nil:
		add("no-base", "put that full backup there", "%s is a differential backup, and the full backup it builds on (set id %s) is not here", m.name(s), s.Base)
	case m.base() != nil && s.Kind == Log && !follows(s, m.end()) && m.base().Finished.Before(s.Finished) && m.end().Last.Less(s.Last):
		add("fork", "cancel, and migrate from a full backup taken after that", "the source was restored after the full backup: %s is of recovery fork %s, the chain of %s", m.name(s), s.Fork, m.end().Fork)
	case !needed:
	case len(lacks) > 0 && len(lacks) < s.Stripes:
		add("stripe", "put the other stripes there", "%s is one of %d stripes; missing: %v", m.name(s), s.Stripes, lacks)
	case !s.Checksum && !m.Options.AcceptNoChecksum && len(lacks) == 0:
		add("checksum", "make backups WITH CHECKSUM, or accept that nobody finds damage in this one", "%s was made without CHECKSUM", m.name(s))
	}
}
