package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// ship is log on its way from a primary to its copy.
type ship struct {
	conn *conn
	flow int // the copy's number of it
	sent int // up to there
	mark int // what the copy was told is published
}

// endFlows ends what moves on this side; the other side sees its streams close.
func (n *node) endFlows() {
	n.flow++
	m := &message{kind: flowEnd}
	switch {
	case n.ship != nil:
		m.on, m.flow = true, n.ship.flow
	case n.source != nil:
		m.on, m.flow = true, n.source.flow
	}
	n.ship, n.source = nil, nil
	n.send(m)
}

// askLog asks the primary for log.
func (n *node) askLog() {
	n.flow++
	n.told = 0
	n.limit = 0
	n.send(&message{kind: logRequest, flow: n.flow, from: len(n.db.recs), epoch: n.db.epoch})
}

// flowed takes a message of the data stream.
func (n *node) flowed(m *message) {
	switch m.kind {
	case logRequest:
		n.serveLog(m)
	case seedRequest:
		n.serveSeed(m)
	case flowEnd:
		if m.on && m.flow == n.flow { // the primary ends what it sends
			n.flowFailed(35267)
		} else if !m.on {
			n.ship, n.source = nil, nil
		}
	default:
		if m.flow != n.flow || n.db.exists && n.db.primary {
			return
		}
		n.received(m)
	}
}

// received takes what came on our own flow.
func (n *node) received(m *message) {
	switch m.kind {
	case logStart:
		n.step(agcore.Event{Kind: agcore.LogStarted})
		n.limit = max(n.limit, min(m.from, n.db.hard))
		n.follow()
	case logRefused:
		k := agcore.FlowFailed
		switch m.fault.Number {
		case 1412:
			k = agcore.LogGone
		case 1408:
			k = agcore.Divergence
		}
		n.step(agcore.Event{Kind: k, Fault: m.fault, Text: m.fault.Text})
	case logBatch:
		n.takeBatch(m)
	case seedStart, seedChunk, seedEnd:
		n.takeSeed(m)
	}
}

// serveLog begins to send log.
func (n *node) serveLog(m *message) {
	d := &n.db
	refuse := int32(0)
	switch p := n.link.Phase(); {
	case p == agcore.PhaseSuspended || p == agcore.PhaseBroken || !d.exists || !d.primary:
		refuse = 35267
	case m.from < d.start:
		refuse = 1412
	case m.from > d.hard:
		refuse = 1408
	}
	if refuse != 0 {
		n.send(&message{kind: logRefused, flow: m.flow, fault: agcore.Fault{Number: refuse, Text: "refused"}})
		return
	}
	n.ship = &ship{conn: n.conn, flow: m.flow, sent: m.from}
	n.acked = 0 // what it has appended it may not have hardened; it tells
	n.send(&message{kind: logStart, flow: m.flow, from: m.from})
	n.step(agcore.Event{Kind: agcore.SeedDone})
	n.step(agcore.Event{Kind: agcore.LogStarted, End: at(d.hard)})
	n.pump()
}

// pump sends what is durable, soon.
func (n *node) pump() {
	if n.ship == nil || n.pumped {
		return
	}
	n.pumped = true
	n.later(n.w.between(50*time.Microsecond, time.Millisecond), func() {
		n.pumped = false
		s, d := n.ship, &n.db
		if s == nil || s.conn != n.conn || d.hard <= s.sent && d.pub <= s.mark {
			return
		}
		from := s.sent
		s.sent, s.mark = max(s.sent, d.hard), d.pub
		n.send(&message{kind: logBatch, flow: s.flow, from: from, to: d.pub, recs: append([]record(nil), d.recs[from:s.sent]...)})
	})
}

// takeBatch appends a batch to the copy's log, if it continues it and gives the same digests.
func (n *node) takeBatch(m *message) {
	d := &n.db
	if m.from > len(d.recs) {
		n.flowFailed(35267)
		return
	}
	for i := range m.recs {
		r := &m.recs[i]
		if m.from+i < len(d.recs) {
			continue // we have it
		}
		if n.full {
			n.flowFailed(9002)
			return
		}
		if r.epoch < d.epoch {
			n.diverged("epoch goes back")
			return
		}
		before := len(d.recs)
		d.apply(*r)
		if d.digest != r.digest {
			d.cut(before)
			n.diverged("digest")
			return
		}
		d.epoch = r.epoch
	}
	n.limit = max(n.limit, m.to)
	n.flush()
	n.follow()
}

func (n *node) flowFailed(number int32) {
	n.w.tell("%d: flow failed with %d", n.side, number)
	n.step(agcore.Event{Kind: agcore.FlowFailed, Fault: agcore.Fault{Number: number, Text: "flow"}})
}

func (n *node) diverged(why string) {
	n.w.did["divergence_found"]++
	n.step(agcore.Event{Kind: agcore.Divergence, Fault: agcore.Fault{Number: 35264, Text: why}, Text: why})
}

// follow shows on the copy what is durable here and published there, tells the primary, and reports a FENCE.
func (n *node) follow() {
	d := &n.db
	if d.primary {
		return
	}
	n.show(min(d.hard, max(n.limit, d.pub)))
	if d.hard > n.told && n.conn != nil {
		n.told = d.hard
		n.send(&message{kind: progress, to: d.hard})
	}
	if last, lsn := d.last(); last.Kind == agcore.RoleFence && lsn <= d.hard && lsn == len(d.recs) && n.seen != lsn && n.conn != nil {
		n.seen = lsn
		n.step(agcore.Event{Kind: agcore.FenceSeen, Mine: d.standing(), Epoch: last.Epoch})
	}
}

// progressed takes the copy's word.
func (n *node) progressed(to int) {
	d := &n.db
	if !d.exists || !d.primary || n.ship == nil || n.ship.conn != n.conn {
		return
	}
	n.acked = max(n.acked, min(to, d.hard))
	n.step(agcore.Event{Kind: agcore.Progressed, LSN: at(n.acked), End: at(d.hard)})
	if n.up {
		n.publish()
	}
}
