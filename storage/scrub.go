package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"linkspan/internal/fsx"
	"linkspan/lsn"
)

// ScrubState is how far the background reading of every page is.
type ScrubState struct {
	// Next is the page that the pass under way goes on with; 0 between passes. Started is when it began, and From the
	// version published then: every page is read as of that LSN or later.
	Next    uint32
	Started time.Time
	From    lsn.LSN
	// Bad counts the damaged pages that the pass under way found.
	Bad int
	// The last pass that came to the end: LastEnded is zero when there was none.
	LastStarted, LastEnded time.Time
	LastLSN                lsn.LSN
	LastPages              uint32
	LastBad                int
	// Repaired counts the pages that were repaired in the life of the database.
	Repaired int64

	// Pages is the size of the base file, Rate the bytes a second that are read, and Suspect the damaged pages known
	// now that are not repaired. They are not stored.
	Pages   uint32 `json:"-"`
	Rate    int64  `json:"-"`
	Suspect int    `json:"-"`
}

// scrubber reads every page again, pass after pass, and repairs what is damaged. Its place is kept in a file that is not
// synced: after a crash some pages are read twice, or a pass is begun anew.
type scrubber struct {
	db   *DB
	file fsx.File
	// found are pages that somebody met.
	found chan uint32

	mu    sync.Mutex // protects what follows
	state ScrubState
	// suspect are the damaged pages that are not repaired.
	suspect map[uint32]BadPage
}

const (
	scrubName = "scrub"
	scrubSize = 1024
	// scrubChunk is how many pages are read between two pauses, scrubStore how many between two notes of the place.
	scrubChunk = 32
	scrubStore = 1024
	// repairRetry is how often a damaged page is tried again.
	repairRetry = 10 * time.Second
)

func newScrubber(db *DB) *scrubber {
	return &scrubber{db: db, found: make(chan uint32, 64), suspect: map[uint32]BadPage{}}
}

// Scrub tells how far the scrub is.
func (db *DB) Scrub() ScrubState {
	s := db.scrub
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Pages, st.Rate, st.Suspect = db.base.pages.Load(), db.o.ScrubBytes, len(s.suspect)
	return st
}

// SuspectPages lists the damaged pages that are not repaired.
func (db *DB) SuspectPages() []BadPage {
	s := db.scrub
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []BadPage
	for _, p := range s.suspect {
		all = append(all, p)
	}
	return all
}

// met takes down a page that a reader found damaged; it does not wait.
func (s *scrubber) met(bad *BadPage) {
	select {
	case s.found <- bad.Page:
	default: // it will be met again
	}
}

// run is the scrub's goroutine.
func (s *scrubber) run(ctx context.Context) {
	defer s.close()
	s.load()
	for ctx.Err() == nil {
		wait := s.pass(ctx)
		c, stop := s.db.o.Clock.After(wait)
		select {
		case no := <-s.found:
			s.look(ctx, no)
		case <-c:
		case <-ctx.Done():
		}
		stop()
	}
}

// pass reads the next pages of a pass if one is due, and says how long to wait.
func (s *scrubber) pass(ctx context.Context) time.Duration {
	if wait, retry := s.retry(ctx); retry {
		return wait
	}
	rate := s.db.o.ScrubBytes
	if rate <= 0 || s.db.Err() != nil {
		return s.db.o.ScrubInterval
	}
	if wait := s.begin(); wait > 0 {
		return wait
	}
	s.mu.Lock()
	first := s.state.Next
	s.mu.Unlock()
	last := min(uint64(first)+scrubChunk-1, uint64(s.db.base.pages.Load()))
	no := first
	for ; uint64(no) <= last && ctx.Err() == nil; no++ {
		s.look(ctx, no)
	}
	s.moved(no, uint64(no) > uint64(s.db.base.pages.Load()))
	return time.Duration(int64(no-first+1) * PageSize * int64(time.Second) / rate)
}

// retry tries the known damaged pages again, from time to time.
func (s *scrubber) retry(ctx context.Context) (time.Duration, bool) {
	s.mu.Lock()
	var all []uint32
	for no := range s.suspect {
		all = append(all, no)
	}
	under := s.state.Next > 0
	s.mu.Unlock()
	if len(all) == 0 || under {
		return 0, false
	}
	for _, no := range all {
		s.look(ctx, no)
	}
	return repairRetry, len(s.db.SuspectPages()) > 0
}

// begin starts a pass when one is due, and otherwise says how long that takes.
func (s *scrubber) begin() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Next > 0 {
		return 0
	}
	now := s.db.o.Clock.Now()
	if wait := s.state.LastStarted.Add(s.db.o.ScrubInterval).Sub(now); wait > 0 && !s.state.LastStarted.IsZero() {
		return wait
	}
	s.state.Next, s.state.Started, s.state.From, s.state.Bad = 1, now, s.db.Published(), 0
	return 0
}

// moved takes down the place, and the end of a pass.
func (s *scrubber) moved(next uint32, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	before := st.Next
	st.Next = next
	if ended {
		st.LastStarted, st.LastEnded, st.LastLSN, st.LastPages, st.LastBad = st.Started, s.db.o.Clock.Now(), st.From, next-1, st.Bad
		st.Next = 0
	}
	if ended || before/scrubStore != next/scrubStore {
		s.store()
	}
}

// look reads a page from the disk; one that is damaged is told of and repaired.
func (s *scrubber) look(ctx context.Context, no uint32) {
	bad := s.db.base.check(no)
	s.mu.Lock()
	_, known := s.suspect[no]
	switch {
	case bad == nil:
		delete(s.suspect, no)
	case !known:
		s.suspect[no] = *bad
		s.state.Bad++
	}
	s.mu.Unlock()
	if bad == nil {
		return
	}
	if !known {
		s.db.event(Event{Kind: EventBadPage, Page: bad, Err: bad.err()})
	}
	from, err := s.db.repair(ctx, bad)
	if err != nil {
		if !known {
			s.db.event(Event{Kind: EventPageLost, Page: bad, Err: err})
		}
		return
	}
	s.mu.Lock()
	delete(s.suspect, no)
	s.state.Repaired++
	s.store()
	s.mu.Unlock()
	s.db.event(Event{Kind: EventPageRepaired, Page: bad, Reason: from})
}

// load reads the place where the last run ended.
func (s *scrubber) load() {
	f, err := s.db.o.FS.OpenRW(s.name())
	if err != nil {
		return // none yet
	}
	s.file = f
	b := make([]byte, scrubSize)
	n, _ := f.ReadAt(b, 0) // what is torn fails the checksum
	text := strings.TrimRight(string(b[:n]), "\x00\n ")
	sum, body, _ := strings.Cut(text, " ")
	var st ScrubState
	if sum != scrubSum([]byte(body)) || json.Unmarshal([]byte(body), &st) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = st
}

func (s *scrubber) name() string { return filepath.Join(s.db.o.Dir, scrubName) }

func scrubSum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// store keeps the place. It needs mu.
func (s *scrubber) store() {
	body, err := json.Marshal(s.state)
	if err == nil && s.file == nil {
		s.file, err = s.db.o.FS.Create(s.name())
	}
	if err == nil {
		b := make([]byte, scrubSize)
		copy(b, scrubSum(body)+" "+string(body))
		_, err = s.file.WriteAt(b, 0)
	}
	if err != nil {
		s.db.log.Debug("the scrub's place was not kept", "database", s.db.o.Name, "error", err)
	}
}

func (s *scrubber) close() {
	s.mu.Lock()
	if s.state.Next > 0 {
		s.store()
	}
	s.mu.Unlock()
	if s.file == nil {
		return
	}
	if err := s.file.Close(); err != nil {
		s.db.log.Warn("the scrub's place did not close", "database", s.db.o.Name, "error", err)
	}
}
