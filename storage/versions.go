package storage

import (
	"slices"
	"sort"
	"sync"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// versionSet knows which versions are being read, keeps the pages that a checkpoint would take from them, and counts
// the memory that is held for their sake alone.
type versionSet struct {
	mem *Memory
	mu  sync.Mutex // protects the rest
	// pins are by LSN; two versions may have the same.
	pins []*pin
	// history has, for a page that a checkpoint overwrote, what older versions still read: by growing LSN.
	history map[uint32][]oldPage
	held    int64
}

// pin is one version that somebody reads.
type pin struct {
	v *logvfs.Version
	n int
	// holds are the pages that are in memory for this version, and perhaps for older ones too.
	holds []hold
}

// hold is one page that versions from one LSN on, and before another, read.
type hold struct {
	from, until lsn.LSN
	// no is the page's number when it is in history; otherwise it is in the versions' trees.
	no uint32
}

// oldPage is a page that a checkpoint replaced by one of LSN until. A nil page is one of zeros.
type oldPage struct {
	page  *logvfs.Page
	until lsn.LSN
	// lost is why the page could not be saved.
	lost *BadPage
}

func (s *versionSet) init(m *Memory) {
	s.mem = m
	s.history = map[uint32][]oldPage{}
}

// below returns the newest pin before the LSN, or -1. It needs mu.
func (s *versionSet) below(until lsn.LSN) int {
	return sort.Search(len(s.pins), func(i int) bool { return !s.pins[i].v.LSN.Less(until) }) - 1
}

// index finds the version's pin, or -1. It needs mu.
func (s *versionSet) index(v *logvfs.Version) int {
	for i := s.below(v.LSN) + 1; i < len(s.pins) && s.pins[i].v.LSN == v.LSN; i++ {
		if s.pins[i].v == v {
			return i
		}
	}
	return -1
}

// pin keeps the version that choose returns; choose runs under the lock, so that a checkpoint sees the pin or the
// version is not older than what it writes.
func (s *versionSet) pin(choose func() *logvfs.Version) *logvfs.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := choose()
	if sabotage.NoPin {
		return v
	}
	if i := s.index(v); i >= 0 {
		s.pins[i].n++
		return v
	}
	s.pins = slices.Insert(s.pins, s.below(v.LSN)+1, &pin{v: v, n: 1})
	return v
}

func (s *versionSet) unpin(v *logvfs.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(v)
	if i < 0 {
		return // it was given up
	}
	if s.pins[i].n--; s.pins[i].n == 0 {
		s.remove(i)
	}
}

// remove takes a pin away and hands what it held to the next version that reads it. It needs mu.
func (s *versionSet) remove(i int) {
	p := s.pins[i]
	s.pins = slices.Delete(s.pins, i, i+1)
	for _, h := range p.holds {
		if !s.place(h) {
			s.drop(h)
		}
	}
}

// place puts a hold under the newest version that reads the page; false when none does. It needs mu.
func (s *versionSet) place(h hold) bool { return s.placeBelow(h, s.below(h.until)) }

// placeBelow is place from the pin i downwards. It needs mu.
func (s *versionSet) placeBelow(h hold, i int) bool {
	if i < 0 || s.pins[i].v.LSN.Less(h.from) {
		return false
	}
	s.pins[i].holds = append(s.pins[i].holds, h)
	return true
}

// drop lets a page go. It needs mu.
func (s *versionSet) drop(h hold) {
	s.count(-pageCost)
	if h.no == 0 {
		return
	}
	list := slices.DeleteFunc(s.history[h.no], func(o oldPage) bool { return o.until == h.until })
	if len(list) == 0 {
		delete(s.history, h.no)
	} else {
		s.history[h.no] = list
	}
}

// count adds to what is held. It needs mu.
func (s *versionSet) count(bytes int64) {
	s.held += bytes
	s.mem.versions.Add(bytes)
}

func (s *versionSet) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// superseded notes that a commit of LSN until replaced pages in memory, made at the LSNs of from, and reports whether
// more is held now than there is room for. The writer's own hold on base, which ends with the commit, does not count.
func (s *versionSet) superseded(base *logvfs.Version, from []lsn.LSN, until lsn.LSN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.below(until)
	if i >= 0 && s.pins[i].v == base && s.pins[i].n == 1 {
		i--
	}
	if i < 0 {
		return false
	}
	for _, at := range from {
		if s.placeBelow(hold{from: at, until: until}, i) {
			s.count(pageCost)
		}
	}
	return s.mem.versions.Load() > s.mem.o.VersionBytes
}

// save keeps what the base file holds of a page, which one of LSN until is about to replace, if a version reads it. from
// is its LSN; lost, when set, says why there is no page.
func (s *versionSet) save(no uint32, p *logvfs.Page, lost *BadPage, from, until lsn.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place(hold{from: from, until: until, no: no}) {
		s.history[no] = append(s.history[no], oldPage{page: p, until: until, lost: lost})
		s.count(pageCost)
	}
}

// find returns the page as it was at the LSN, if it was saved.
func (s *versionSet) find(no uint32, at lsn.LSN) (oldPage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.history[no] {
		if at.Less(o.until) {
			return o, true
		}
	}
	return oldPage{}, false
}

// pinned lists the versions that are being read and are older than the LSN.
func (s *versionSet) pinned(before lsn.LSN) []*logvfs.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*logvfs.Version
	for _, p := range s.pins[:s.below(before)+1] {
		all = append(all, p.v)
	}
	return all
}

// expire gives up the oldest version before the LSN: who reads it gets an error. It returns what was held at that
// moment, and nil when there is no such version.
func (s *versionSet) expire(before lsn.LSN) (*logvfs.Version, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pins) == 0 || !s.pins[0].v.LSN.Less(before) {
		return nil, 0
	}
	v, held := s.pins[0].v, s.held
	v.Expire()
	s.remove(0)
	return v, held
}

// clear lets everything go, when the database closes.
func (s *versionSet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(-s.held)
	s.pins = nil
	clear(s.history)
}
