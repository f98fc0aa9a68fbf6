package hadr

import (
	"sync"
	"time"

	"linkspan/hadr/hadrwire"
	"linkspan/lsn"
)

// movement counts a link's data movement for the views and for the peer. On the source the copy's positions are what it
// last told; on the copy they are its own.
type movement struct {
	mu sync.Mutex // protects what follows
	m  moved
	// heldAt is when HoldAfter was stored last; the loop's own.
	heldAt time.Time
}

type moved struct {
	sentLSN, receivedLSN, hardenedLSN, redoneLSN lsn.LSN
	sentAt, receivedAt, hardenedAt, redoneAt     time.Time
	// commitTime is the commit time, by the source's clock, of redoneLSN.
	commitTime time.Time
	// pending is the bytes received and not yet visible.
	pending int64
	// waiting is what was received and is not visible: when, by our own clock, in steps of waitStep at least.
	waiting []arrival
	// sendRate and redoRate are smoothed, in bytes a second.
	sendRate, redoRate rate
}

// arrival is that log up to an LSN was received at a time.
type arrival struct {
	last lsn.LSN
	at   time.Time
}

// waitStep is how exactly waiting is known, and so bounds how long it gets.
const waitStep = time.Second

// lag is how long the oldest log that was received and is not visible has been here. The source's clock has no part in it:
// it may be wrong, or ours.
func (m *moved) lag(now time.Time) int64 {
	if len(m.waiting) == 0 {
		return 0
	}
	return max(0, int64(now.Sub(m.waiting[0].at).Seconds()))
}

// rate is a smoothed rate of bytes.
type rate struct {
	perSecond float64
	since     time.Time
	bytes     int64
}

// add counts n bytes; windows of about a second are averaged with what was before.
func (r *rate) add(now time.Time, n int) {
	if r.since.IsZero() {
		r.since = now
	}
	r.bytes += int64(n)
	if d := now.Sub(r.since); d >= time.Second {
		current := float64(r.bytes) / d.Seconds()
		if r.perSecond == 0 {
			r.perSecond = current
		}
		r.perSecond = (r.perSecond + current) / 2
		r.since, r.bytes = now, 0
	}
}

// read is the rate now: what was not moved lately counts.
func (r *rate) read(now time.Time) int64 {
	if d := now.Sub(r.since); !r.since.IsZero() && d > 2*time.Second {
		return int64(float64(r.bytes) / d.Seconds())
	}
	return int64(r.perSecond)
}

func (m *movement) get() moved {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m
}

func (m *movement) sent(at lsn.LSN, now time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.sentLSN, m.m.sentAt = at, now
	m.m.sendRate.add(now, n)
}

func (m *movement) received(at lsn.LSN, now time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.receivedLSN, m.m.receivedAt = at, now
	m.m.pending += int64(n)
	if k := len(m.m.waiting); k > 0 && now.Sub(m.m.waiting[k-1].at) < waitStep {
		m.m.waiting[k-1].last = at
	} else {
		m.m.waiting = append(m.m.waiting, arrival{at, now})
	}
}

func (m *movement) hardened(at lsn.LSN, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.hardenedLSN, m.m.hardenedAt = at, now
}

func (m *movement) redoneBytes(at lsn.LSN, committed, now time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.redoneLSN, m.m.commitTime, m.m.redoneAt = at, committed, now
	m.m.pending = max(0, m.m.pending-int64(n))
	shown := 0
	for shown < len(m.m.waiting) && !at.Less(m.m.waiting[shown].last) {
		shown++
	}
	if shown > 0 {
		m.m.waiting = append([]arrival(nil), m.m.waiting[shown:]...) // a reader may hold the old ones
	}
	m.m.redoRate.add(now, n)
}

// begin sets every position to where the copy is when its following begins. Times are kept: nothing has moved yet.
func (m *movement) begin(hardened, published lsn.LSN, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.receivedLSN, m.m.hardenedLSN, m.m.redoneLSN, m.m.pending = hardened, hardened, published, 0
	m.m.waiting = nil
	for _, at := range [...]*time.Time{&m.m.receivedAt, &m.m.hardenedAt, &m.m.redoneAt} {
		if at.IsZero() {
			*at = now
		}
	}
}

// peer is the last LSN that is known of the other side's log.
func (m *movement) peer() lsn.LSN {
	m.mu.Lock()
	defer m.mu.Unlock()
	return lsn.Latest(m.m.hardenedLSN, m.m.receivedLSN)
}

// serve sets every position to where the copy is when log begins to flow to it.
func (m *movement) serve(after lsn.LSN, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.sentLSN, m.m.receivedLSN, m.m.hardenedLSN, m.m.redoneLSN, m.m.pending = after, after, after, after, 0
	if m.m.sentAt.IsZero() {
		m.m.sentAt = now
	}
}

// acknowledged is the LSN that the copy has hardened.
func (m *movement) acknowledged() lsn.LSN {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m.hardenedLSN
}

// progress takes the copy's word.
func (m *movement) progress(p *hadrwire.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m.receivedLSN, m.m.hardenedLSN, m.m.redoneLSN = p.Received, p.Hardened, p.Published
	m.m.receivedAt, m.m.hardenedAt, m.m.redoneAt, m.m.commitTime = p.HardenedAt, p.HardenedAt, p.PublishedAt, p.CommitTime
	m.m.pending = int64(p.RedoQueue)
}

// report is what the copy tells the source.
func (m *movement) report() *hadrwire.Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &hadrwire.Progress{Received: m.m.receivedLSN, Hardened: m.m.hardenedLSN, Published: m.m.redoneLSN,
		HardenedAt: m.m.hardenedAt, PublishedAt: m.m.redoneAt, CommitTime: m.m.commitTime, RedoQueue: uint64(m.m.pending)}
}
