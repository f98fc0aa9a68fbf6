package agsim

import (
	"slices"
	"time"

	"linkspan/hadr/agcore"
)

// year0 is what the clocks show at the beginning, but for their skew.
var year0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// node is one side: what package hadr's link and storage are.
type node struct {
	w     *world
	i     int
	side  agcore.Side
	clock time.Duration // what its clock is ahead of the world's

	// On disk, and safe.
	doc     agcore.LinkState
	db      database
	staged  *staging
	options agcore.LinkOptions // in master, too

	// Of the process.
	up    bool
	boot  int // counts starts, so that what an old process began is told
	link  *agcore.Link
	queue []agcore.Event
	busy  bool

	conn   *conn
	dials  int
	tickAt time.Duration
	paused bool // the machine is about to be started anew
	jumped bool // the clock has jumped since the tick was planned

	full   bool // no room on the disk
	slow   bool // the disk takes its time
	fenced bool // writers are not let in
	turn   int  // counts changes of role, so that an old one does not end a new one

	flushing bool
	gate     bool // commits wait for the copy
	acked    int  // what the copy has hardened

	flow   int   // counts our own flows (as the copy)
	ship   *ship // log on its way to the copy
	source *seedSource
	pumped bool
	told   int // what was told the primary last
	limit  int // what the primary has published
	seen   int // the FENCE that was reported
	shown  int // the greatest LSN that readers saw
}

func newNode(w *world, i int, synchronous, required bool) *node {
	n := &node{w: w, i: i, side: agcore.Side(i + 1), tickAt: -1}
	n.options = agcore.LinkOptions{Side: n.side, Dials: i == 1, Classic: w.classic, Name: "dag", Database: "db", SessionTimeout: 10 * time.Second,
		JoinTimeout: 100 * time.Hour, FailoverTimeout: 20 * time.Second, Synchronous: synchronous, Required: required}
	if i == 0 {
		n.db.exists, n.db.primary, n.db.epoch = true, true, 1
	}
	if w.chance(0.5) {
		w.fault("clock_skew")
		n.clock = w.between(-366*24*time.Hour, 366*24*time.Hour)
	}
	return n
}

func (n *node) now() time.Time { return year0.Add(n.w.now + n.clock) }

// start begins a process on what is on the disk.
func (n *node) start() {
	n.boot++
	n.up, n.conn, n.queue, n.busy, n.tickAt, n.paused = true, nil, nil, false, -1, false
	n.flushing, n.gate, n.acked, n.ship, n.source, n.pumped = false, false, 0, nil, nil, false
	n.flow++
	n.turn++
	n.told, n.limit, n.seen = 0, 0, 0
	n.link = nil
	n.recover()
	n.link = agcore.NewLink(n.options, n.doc)
	n.refence()
	n.w.tell("%d starts: log to %d, primary=%t epoch=%d fenced=%t", n.side, n.db.hard, n.db.primary, n.db.epoch, n.fenced)
	n.step(agcore.Event{Kind: agcore.Start, Mine: n.db.standing()})
}

// crash ends the process at once.
func (n *node) crash(why string) {
	if !n.up {
		return
	}
	w := n.w
	w.tell("%d crashes (%s)", n.side, why)
	w.fault("crash")
	n.up = false
	n.boot++
	n.lose()
	if c := n.conn; c != nil {
		n.conn = nil
		if w.chance(0.6) {
			c.hangUp(n.i) // its host says so
		} else {
			c.open[n.i] = false
			w.fault("silent_death")
		}
	}
	d := w.between(100*time.Millisecond, 5*time.Second)
	if w.chance(0.1) {
		d = w.between(20*time.Second, time.Minute)
	}
	w.after(d, func() {
		if !n.up {
			n.start()
		}
	})
}

// later has f run after d, if the process still lives.
func (n *node) later(d time.Duration, f func()) {
	boot := n.boot
	n.w.after(d, func() {
		if n.boot == boot && n.up {
			f()
		}
	})
}

// step feeds an event to the machine and performs what it says.
func (n *node) step(e agcore.Event) {
	if !n.up || n.paused {
		return
	}
	n.queue = append(n.queue, e)
	if n.busy {
		return
	}
	n.busy = true
	boot := n.boot
	for len(n.queue) > 0 && n.boot == boot {
		e := n.queue[0]
		n.queue = n.queue[1:]
		actions := n.link.Step(n.now(), e)
		n.traceStep(e, actions)
		for _, a := range actions {
			if !n.perform(a) || n.boot != boot {
				break
			}
		}
	}
	if n.boot == boot {
		n.busy = false
		n.schedule()
	}
}

func (n *node) traceStep(e agcore.Event, actions []agcore.Action) {
	if !n.w.tracing || e.Kind == agcore.Heard || (e.Kind == agcore.Tick || e.Kind == agcore.Progressed) && len(actions) == 0 {
		return
	}
	text := ""
	for _, a := range actions {
		if a.Kind != agcore.SendHeartbeat {
			text += " " + a.String() + ","
		}
	}
	if e.Kind == agcore.Tick && text == "" {
		return
	}
	n.w.tell("%d %s → %s", n.side, e.Kind, text)
}

// schedule plans the next tick.
func (n *node) schedule() {
	at := n.link.Deadline()
	if at.IsZero() {
		return
	}
	d := max(0, at.Sub(n.now()))
	t := n.w.now + d
	if n.tickAt >= 0 && n.tickAt <= t {
		return // it comes before, and plans anew
	}
	n.tickAt = t
	n.later(d, func() {
		if n.tickAt != t {
			return
		}
		n.tickAt = -1
		if at := n.link.Deadline(); !at.IsZero() && (n.jumped || !n.now().Before(at)) {
			n.jumped = false
			n.step(agcore.Event{Kind: agcore.Tick})
		} else {
			n.schedule()
		}
	})
}

// durable does a durable step, with a crash before or after it; false: the process is gone, or the disk is full.
func (n *node) durable(name string, f func()) bool {
	w := n.w
	p := 0.02
	if name == "rescue" || name == "rewind" || name == "seeded" {
		p = 0.1 // they are rare
	}
	if w.faulty && w.chance(p) {
		w.steps["before "+name]++
		w.fault("crash_before_step")
		n.crash("before " + name)
		return false
	}
	f()
	if w.faulty && w.chance(p) {
		w.steps["after "+name]++
		w.fault("crash_after_step")
		n.crash("after " + name)
		return false
	}
	return true
}

// persist stores the machine's state.
func (n *node) persist() bool {
	if n.full {
		n.w.fault("state_not_stored")
		n.w.tell("%d: the state cannot be stored", n.side)
		n.anew()
		return false
	}
	return n.durable("state", func() {
		n.doc = n.link.State()
		n.doc.Bound = slices.Clone(n.doc.Bound)
	})
}

// anew starts the machine again from what is stored, after something that it relied on could not be done.
func (n *node) anew() {
	n.disconnect()
	n.turn++
	n.queue = nil
	n.link = agcore.NewLink(n.options, n.doc)
	n.refence()
	n.paused = true
	n.later(time.Second, func() {
		n.paused = false
		n.step(agcore.Event{Kind: agcore.Start, Mine: n.db.standing()})
	})
}

func (n *node) disconnect() {
	n.endFlows()
	n.dials++
	if c := n.conn; c != nil {
		n.conn = nil
		c.hangUp(n.i)
	}
}
