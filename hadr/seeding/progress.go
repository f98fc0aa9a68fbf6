package seeding

import (
	"sync"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/storage"
)

// State is where a seeding stands, as sys.dm_hadr_automatic_seeding names it.
type State string

// The states.
const (
	// Pending: the source has not answered yet; Limited: it sends as many copies as it may already.
	Pending   State = "PENDING"
	Limited   State = "LIMIT_CONCURRENT_BACKUPS"
	Seeding   State = "SEEDING"
	Completed State = "COMPLETED"
	Failed    State = "FAILED"
)

// Stats describe a seeding at one moment.
type Stats struct {
	State State
	// Source tells the sending side.
	Source bool
	// Operation is this side's id of it, Remote the other's; zero when not known.
	Operation, Remote agcore.ID
	// Started is when the first attempt began, Ended when it was completed or failed for good.
	Started, Ended time.Time
	// Bytes of Total have been sent or installed; Resent were sent before already. Of a seeding by Difference, Skipped of
	// Bytes were not sent, because the copy had them.
	Bytes, Total, Resent, Skipped int64
	Difference                    bool
	// AttemptBytes were moved since AttemptStarted, for the rate.
	AttemptBytes   int64
	AttemptStarted time.Time
	Attempts       int
	// Failure is the last attempt's; the zero Fault when there was none.
	Failure   agcore.Fault
	FailureAt time.Time
	// NetworkWait is the time spent waiting for the peer, DiskWait for the disk.
	NetworkWait, DiskWait time.Duration
}

// Rate is the present attempt's, in bytes a second.
func (s *Stats) Rate(now time.Time) int64 {
	end := now
	if !s.Ended.IsZero() {
		end = s.Ended
	}
	if d := end.Sub(s.AttemptStarted); d > 0 && !s.AttemptStarted.IsZero() {
		return int64(float64(s.AttemptBytes) / d.Seconds())
	}
	return 0
}

// Progress holds the Stats of one link's seeding for its readers. The zero Progress is ready. Safe for concurrent use.
type Progress struct {
	mu sync.Mutex
	s  Stats
}

// Stats returns the present ones; false when there has been no seeding since the process started.
func (p *Progress) Stats() (Stats, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.s, p.s.State != ""
}

func (p *Progress) update(f func(s *Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.s)
}

// wait notes that an attempt waits, in the state, before it begins.
func (p *Progress) wait(now time.Time, source bool, state State) {
	p.update(func(s *Stats) {
		if s.State == "" || s.State == Completed {
			*s = Stats{Started: now, Attempts: s.Attempts}
		}
		s.State, s.Source = state, source
	})
}

// begin notes the start of an attempt; resumed is what is there already.
func (p *Progress) begin(now time.Time, source bool, own, remote agcore.ID, resumed, total int64, fresh, difference bool) {
	p.update(func(s *Stats) {
		if fresh && s.State != Pending && s.State != Limited || s.State == "" {
			*s = Stats{Started: now, Attempts: s.Attempts}
		}
		if s.Difference = difference; fresh {
			s.Bytes, s.Skipped, s.Resent = 0, 0, 0
		}
		if s.Bytes > resumed {
			s.Resent += s.Bytes - resumed
		}
		s.State, s.Source, s.Operation, s.Remote = Seeding, source, own, remote
		s.Bytes, s.Total, s.AttemptBytes, s.AttemptStarted, s.Ended = resumed, total, 0, now, time.Time{}
		s.Attempts++
		s.Failure, s.FailureAt = agcore.Fault{}, time.Time{}
	})
}

// moved notes n more bytes, of total.
func (p *Progress) moved(n, total int64, disk, network time.Duration) {
	p.update(func(s *Stats) {
		s.Bytes += n
		s.AttemptBytes += n
		s.Total = max(total, s.Bytes)
		s.DiskWait += disk
		s.NetworkWait += network
	})
}

// compared notes a chunk of a seeding by difference.
func (p *Progress) compared(c *storage.Chunk, disk, network time.Duration) {
	n := pages(uint32(len(c.LSNs)))
	p.moved(n, pages(c.Size), disk, network)
	p.update(func(s *Stats) { s.Skipped += n - int64(len(c.Pages)) })
}

// Complete notes the end.
func (p *Progress) Complete(now time.Time) {
	p.update(func(s *Stats) {
		if s.State == Seeding {
			s.State, s.Ended = Completed, now
		}
	})
}

// Fail notes the end of an attempt; the next one goes on.
func (p *Progress) Fail(now time.Time, f agcore.Fault) {
	p.update(func(s *Stats) {
		if s.State == Seeding || s.State == Pending || s.State == Limited {
			s.State, s.Failure, s.FailureAt = Failed, f, now
		}
	})
}
