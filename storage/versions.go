package storage

import (
	"sync"

	"linkspan/internal/sabotage"
	"linkspan/lsn"
	"linkspan/storage/logvfs"
)

// versionSet knows which versions are being read, and keeps the pages that a checkpoint would take from them.
type versionSet struct {
	mu   sync.Mutex // protects the rest
	pins map[*logvfs.Version]int
	// history has, for a page that a checkpoint overwrote, what older versions still read: by growing LSN. A nil page
	// is one of zeros.
	history map[uint32][]oldPage
}

type oldPage struct {
	page *logvfs.Page
	// until is the LSN of the page that replaced it.
	until lsn.LSN
}

func (s *versionSet) init() {
	s.pins = map[*logvfs.Version]int{}
	s.history = map[uint32][]oldPage{}
}

// pin keeps the version that choose returns; choose runs under the lock, so that a checkpoint sees the pin or the
// version is not older than what it writes.
func (s *versionSet) pin(choose func() *logvfs.Version) *logvfs.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := choose()
	if !sabotage.NoPin {
		s.pins[v]++
	}
	return v
}

func (s *versionSet) unpin(v *logvfs.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pins[v]--; s.pins[v] <= 0 {
		delete(s.pins, v)
		if len(s.history) > 0 {
			s.prune()
		}
	}
}

// oldest returns the oldest pinned LSN, or lsn.Max.
func (s *versionSet) oldest() lsn.LSN {
	min := lsn.Max
	for v := range s.pins {
		min = lsn.Earliest(min, v.LSN)
	}
	return min
}

// prune drops the pages that no pinned version reads. It needs mu.
func (s *versionSet) prune() {
	oldest := s.oldest()
	for no, list := range s.history {
		for len(list) > 0 && !oldest.Less(list[0].until) {
			list = list[1:]
		}
		if len(list) == 0 {
			delete(s.history, no)
		} else {
			s.history[no] = list
		}
	}
}

// wants reports whether a pinned version is older than the LSN.
func (s *versionSet) wants(until lsn.LSN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldest().Less(until)
}

// save keeps what the base file holds of a page, which one of LSN until is about to replace.
func (s *versionSet) save(no uint32, p *logvfs.Page, until lsn.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history[no] = append(s.history[no], oldPage{p, until})
}

// find returns the page as it was at the LSN, if it was saved.
func (s *versionSet) find(no uint32, at lsn.LSN) (*logvfs.Page, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.history[no] {
		if at.Less(o.until) {
			return o.page, true
		}
	}
	return nil, false
}
