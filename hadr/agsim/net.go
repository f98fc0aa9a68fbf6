package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// conn is one connection: two streams each way, each of which keeps its order.
type conn struct {
	w    *world
	open [2]bool
	// last is when the latest message arrives, by sender and stream.
	last [2][2]time.Duration
}

// The streams.
const (
	controlStream = iota
	dataStream
)

// kind tells messages apart.
type kind uint8

const (
	hello kind = iota
	config
	heartbeat
	suspend
	resume
	prepare
	ready
	notReady
	withdraw
	refused
	opened
	ask
	answer
	state
	progress
	logRequest
	logStart
	logBatch
	logRefused
	flowEnd
	seedRequest
	seedStart
	seedChunk
	seedEnd
)

// message is what the sides say to each other.
type message struct {
	kind      kind
	standing  *agcore.Standing
	suspended bool
	fault     agcore.Fault
	epoch     uint32
	text      string
	on, final bool
	left      time.Duration
	flow      int // the asker's number of the flow
	from, to  int // LSNs
	recs      []record
	chunk     *chunk
	staged    *staging
}

func (k kind) stream() int {
	if k >= logRequest {
		return dataStream
	}
	return controlStream
}

// latency is how long a message takes now.
func (w *world) latency(from int) time.Duration {
	d := w.between(100*time.Microsecond, 3*time.Millisecond)
	if !w.faulty {
		return d
	}
	if w.chance(0.002) {
		w.fault("loss") // TCP sends it again after a while
		d += w.between(200*time.Millisecond, 1500*time.Millisecond)
	}
	if w.chance(0.002) {
		w.fault("delay")
		d += w.between(50*time.Millisecond, 4*time.Second)
	}
	if until := w.blocked[from]; until > w.now {
		d += until - w.now + w.between(0, time.Second)
	}
	return d
}

// send puts a message on the node's connection.
func (n *node) send(m *message) {
	c := n.conn
	if c == nil || !c.open[n.i] {
		return
	}
	w := n.w
	s := m.kind.stream()
	t := max(c.last[n.i][s], w.now+w.latency(n.i))
	if other := c.last[n.i][1-s]; other > t && w.faulty {
		w.fault("reordering") // it overtakes what was sent before on the other stream
	}
	c.last[n.i][s] = t
	to := w.nodes[1-n.i]
	w.after(t-w.now, func() { to.arrive(c, m) })
	if w.faulty && (m.kind == logBatch || m.kind == progress) && w.chance(0.01) {
		w.fault("duplication") // what was sent already is sent again
		w.after(t-w.now, func() { to.arrive(c, m) })
	}
}

// arrive takes a message.
func (n *node) arrive(c *conn, m *message) {
	if !n.up || n.paused || !c.open[n.i] {
		return
	}
	if m.kind == hello {
		n.admit(c)
	}
	if c != n.conn {
		return
	}
	n.heard(m)
}

// hangUp closes the node's end; the other end notices, unless the network hides it.
func (c *conn) hangUp(i int) {
	if !c.open[i] {
		return
	}
	c.open[i] = false
	w := c.w
	if !c.open[1-i] {
		return
	}
	t := max(c.last[i][controlStream], w.now+w.latency(i))
	w.after(t-w.now, func() { w.nodes[1-i].disconnected(c) })
}

// disconnected notes that a connection is gone.
func (n *node) disconnected(c *conn) {
	if !n.up || !c.open[n.i] {
		return
	}
	c.open[n.i] = false
	if n.conn != c {
		return
	}
	n.conn = nil
	n.step(agcore.Event{Kind: agcore.Lost, Fault: agcore.Fault{Number: 35267, Text: "lost"}})
}

// dial connects side 2 to side 1.
func (n *node) dial() {
	w := n.w
	n.dials++
	dial, boot := n.dials, n.boot
	to := w.nodes[1-n.i]
	trip := w.latency(n.i) + w.latency(1-n.i)
	if trip > 3*time.Second || !to.up {
		w.after(min(trip, 3*time.Second), func() {
			if n.boot == boot && n.dials == dial {
				n.step(agcore.Event{Kind: agcore.ConnectFailed, Fault: agcore.Fault{Number: 41986, Text: "no answer"}})
			}
		})
		return
	}
	w.after(trip, func() {
		if n.boot != boot || n.dials != dial {
			return
		}
		if !to.up {
			n.step(agcore.Event{Kind: agcore.ConnectFailed, Fault: agcore.Fault{Number: 41986, Text: "refused"}})
			return
		}
		n.conn = &conn{w: w, open: [2]bool{true, true}}
		n.step(agcore.Event{Kind: agcore.Connected})
	})
}

// admit gives a new connection the place of the old one.
func (n *node) admit(c *conn) {
	if old := n.conn; old != nil && old != c {
		n.conn = nil
		n.endFlows()
		old.hangUp(n.i)
	}
	n.conn = c
}
