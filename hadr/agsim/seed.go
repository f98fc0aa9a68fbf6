package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// chunkPages is how many pages are sent at a time.
const chunkPages = 4

// seedSource is a primary's part of a seeding.
type seedSource struct {
	conn  *conn
	flow  int
	start int // the log is needed after that
	next  int // page
	last  int // what was published when the last chunk was read
	have  *[pageCount]uint64
}

// staging is a copy in the making, on its disk. What came since saved may be lost in a crash.
type staging struct {
	start       int
	startEpoch  uint32
	next, saved int
	last        int
	lastEpoch   uint32
	reseed      bool
	pages       [pageCount]uint64
	at          [pageCount]int32
}

func (s *staging) recover(w *world) {
	if s.saved < s.next {
		s.next = s.saved
		w.fault("seeding_went_back")
	}
}

// chunk is some pages as of one published version.
type chunk struct {
	first int
	at    int // the version
	epoch uint32
	pages [chunkPages]uint64
	lsns  [chunkPages]int32
	same  [chunkPages]bool // the copy has it already
}

// askSeed asks for pages: all of them, or those that differ.
func (n *node) askSeed(reseed bool) {
	n.flow++
	m := &message{kind: seedRequest, flow: n.flow, on: reseed}
	if n.staged != nil && n.staged.reseed == reseed {
		s := *n.staged
		m.staged = &s
	}
	if reseed && n.db.exists {
		m.staged = nil // hashes of what is there go with the request; it begins anew
		m.chunk = &chunk{}
		m.recs = nil
	}
	n.send(m)
}

// serveSeed begins to send pages, from where the copy is if that can be continued.
func (n *node) serveSeed(m *message) {
	d := &n.db
	if p := n.link.Phase(); p == agcore.PhaseSuspended || p == agcore.PhaseBroken || !d.exists || !d.primary {
		n.send(&message{kind: logRefused, flow: m.flow, fault: agcore.Fault{Number: 35267, Text: "refused"}})
		return
	}
	s := &seedSource{conn: n.conn, flow: m.flow, start: d.pub}
	if t := m.staged; t != nil && t.start >= d.start && t.last <= d.pub && d.epochAt(t.start) == t.startEpoch && d.epochAt(t.last) == t.lastEpoch {
		s.start, s.next, s.last = t.start, t.next, t.last
		n.w.did["seeding_resumed"]++
	}
	if m.on {
		other := &n.w.nodes[1-n.i].db
		s.have = &other.pages // as the request says
	}
	n.source, n.ship = s, nil
	n.step(agcore.Event{Kind: agcore.SeedStarted})
	n.send(&message{kind: seedStart, flow: s.flow, from: s.start, to: s.next, epoch: d.epochAt(s.start), on: m.on})
	n.sendChunk(s)
}

func (n *node) sendChunk(s *seedSource) {
	n.later(n.w.between(5*time.Millisecond, 1500*time.Millisecond), func() {
		d := &n.db
		if n.source != s || s.conn != n.conn {
			return
		}
		if s.start < d.start {
			n.source = nil
			n.send(&message{kind: logRefused, flow: s.flow, fault: agcore.Fault{Number: 19494, Text: "log is gone"}})
			return
		}
		if s.next >= pageCount {
			n.source = nil
			n.send(&message{kind: seedEnd, flow: s.flow, from: s.start, to: s.last, recs: append([]record(nil), d.recs[:s.last]...)})
			return
		}
		c := &chunk{first: s.next, at: d.pub, epoch: d.epochAt(d.pub)}
		for i := range chunkPages {
			p := uint8(s.next + i)
			c.pages[i], c.lsns[i] = d.asOf(p, d.pub)
			if s.have != nil && s.have[p] == c.pages[i] {
				c.same[i] = true
				n.w.did["pages_not_sent"]++
			}
		}
		s.next += chunkPages
		s.last = d.pub
		n.send(&message{kind: seedChunk, flow: s.flow, chunk: c})
		n.sendChunk(s)
	})
}

// takeSeed takes what comes of a seeding.
func (n *node) takeSeed(m *message) {
	switch m.kind {
	case seedStart:
		if n.full {
			n.flowFailed(9002)
			return
		}
		if n.staged == nil || m.to == 0 || n.staged.next != m.to {
			if m.to != 0 {
				n.flowFailed(19494)
				return
			}
			n.staged = &staging{start: m.from, startEpoch: m.epoch, last: m.from, lastEpoch: m.epoch, reseed: m.on}
		}
		if n.db.exists { // its pages are replaced where they lie: it cannot be opened until that is done
			if !n.durable("reseed", func() { n.db.exists = false }) {
				return
			}
		}
		n.step(agcore.Event{Kind: agcore.SeedStarted, Mine: n.db.standing()})
	case seedChunk:
		n.takeChunk(m.chunk)
	case seedEnd:
		n.finishSeed(m)
	}
}

func (n *node) takeChunk(c *chunk) {
	s := n.staged
	if s == nil || s.next != c.first {
		return
	}
	if n.full {
		n.flowFailed(9002)
		return
	}
	for i := range chunkPages {
		p := c.first + i
		s.pages[p], s.at[p] = c.pages[i], c.lsns[i]
		if c.same[i] {
			s.pages[p] = n.db.pages[p]
		}
	}
	s.next, s.last, s.lastEpoch = c.first+chunkPages, c.at, c.epoch
	if n.w.chance(0.5) {
		s.saved = s.next
	}
}

// finishSeed makes the copy of the pages and the log since the first of them was read.
func (n *node) finishSeed(m *message) {
	s := n.staged
	if s == nil || s.next < pageCount {
		n.flowFailed(19494)
		return
	}
	n.act(n.w.between(time.Millisecond, 20*time.Millisecond), func() {
		if n.staged != s || m.flow != n.flow {
			return
		}
		d := database{exists: true, start: s.start}
		for p := range uint8(pageCount) {
			d.set(p, s.pages[p], s.at[p])
		}
		d.replay(m.recs, s.start)
		if k := len(m.recs); k > 0 && d.digest != m.recs[k-1].digest {
			n.w.violated("side %d: a seeding from %d to %d gave another digest", n.side, s.start, k)
			return
		}
		d.hard, d.pub, d.epoch = len(d.recs), len(d.recs), d.epochAt(len(d.recs))
		if n.durable("seeded", func() { n.db, n.staged, n.shown = d, nil, 0 }) {
			n.w.did["seeded"]++
			n.show(n.db.hard)
			n.step(agcore.Event{Kind: agcore.SeedDone, Mine: n.db.standing()})
		}
	})
}

// replay applies the records after start to pages that are as of different versions: a page takes what is newer than it.
func (d *database) replay(recs []record, start int) {
	d.recs = recs
	for i, r := range recs {
		n := i + 1
		if r.role != nil {
			d.roles = append(d.roles, n)
			continue
		}
		if n > start && int32(n) > d.at[r.page] {
			d.set(r.page, mix(r.old, uint64(r.value)), int32(n))
		}
	}
}
