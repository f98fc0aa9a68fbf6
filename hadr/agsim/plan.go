package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// FaultKinds are the kinds of faults that a run counts.
func FaultKinds() []string {
	return []string{"loss", "delay", "reordering", "duplication", "partition", "one_way_partition", "cut", "half_open", "crash", "silent_death",
		"crash_before_step", "crash_after_step", "lost_unsynced", "torn_tail", "sync_failed", "slow_disk", "disk_full", "state_not_stored",
		"clock_skew", "clock_jump", "log_gone", "flipped_page", "orchestrator_death", "seeding_went_back"}
}

// every runs f again and again with random pauses around d, while faults happen.
func (w *world) every(d time.Duration, f func()) {
	w.after(w.between(d/4, 2*d), func() {
		if !w.faulty {
			return
		}
		f()
		w.every(d, f)
	})
}

// plan sets clients, administrators and faults going.
func (w *world) plan() {
	for _, n := range w.nodes {
		n.client()
	}
	w.every(15*time.Second, w.operate)
	w.every(20*time.Second, w.tend)
	w.every(60*time.Second, func() { w.any().crash("killed") })
	w.every(40*time.Second, w.cut)
	w.every(70*time.Second, w.partition)
	w.every(150*time.Second, func() { w.disk(w.any()) })
	w.every(200*time.Second, func() {
		n := w.any()
		w.fault("clock_jump")
		n.clock += w.between(-time.Hour, time.Hour)
		w.tell("%d: its clock jumps", n.side)
		n.jumped = true
	})
	w.every(300*time.Second, w.dropLog)
	w.every(300*time.Second, w.flip)
}

func (w *world) any() *node { return w.nodes[w.rnd.IntN(2)] }

// client writes on one side whenever it is let in.
func (n *node) client() {
	w := n.w
	pause := w.between(50*time.Millisecond, 900*time.Millisecond)
	if w.chance(0.02) {
		pause = w.between(time.Second, 10*time.Second)
	}
	w.after(pause, func() {
		if w.now < faultTime || !w.idle && w.now < faultTime+healTime-20*time.Second {
			n.client()
		}
		if !n.writable() {
			return
		}
		for range 1 + w.rnd.IntN(3) {
			v := w.newValue()
			if n.append(record{value: v, page: uint8(w.rnd.IntN(pageCount))}) {
				w.did["writes"]++
				w.wrote(n)
			}
		}
	})
}

// cut ends the connection: both ends notice, or only one does.
func (w *world) cut() {
	n := w.any()
	c := n.conn
	if c == nil || !n.up {
		return
	}
	if w.chance(0.5) {
		w.fault("cut")
		w.tell("the connection is cut")
		for _, n := range w.nodes {
			n := n
			w.after(w.latency(n.i), func() { n.disconnected(c) })
		}
		return
	}
	w.fault("half_open")
	w.tell("%d loses the connection, and the other side does not know", n.side)
	c.open[n.i] = false
	n.conn = nil
	n.step(agcore.Event{Kind: agcore.Lost, Fault: agcore.Fault{Number: 35267, Text: "cut"}})
}

func (w *world) partition() {
	d := w.between(time.Second, 8*time.Second)
	if w.chance(0.4) {
		d = w.between(10*time.Second, 40*time.Second)
	}
	if w.chance(0.4) {
		i := w.rnd.IntN(2)
		w.fault("one_way_partition")
		w.tell("%d is not heard for %v", i+1, d)
		w.blocked[i] = w.now + d
		return
	}
	w.fault("partition")
	w.tell("partition for %v", d)
	w.blocked = [2]time.Duration{w.now + d, w.now + d}
}

// disk makes a disk full or slow for a while.
func (w *world) disk(n *node) {
	flag, name := &n.full, "disk_full"
	if w.chance(0.4) {
		flag, name = &n.slow, "slow_disk"
	}
	d := w.between(time.Second, 15*time.Second)
	w.fault(name)
	w.tell("%d: %s for %v", n.side, name, d)
	*flag = true
	w.after(d, func() { *flag = false })
}

// dropLog gives up log that a copy may still need.
func (w *world) dropLog() {
	n := w.any()
	if d := &n.db; d.exists && d.pub > d.start {
		w.fault("log_gone")
		d.start = d.start + 1 + w.rnd.IntN(d.pub-d.start)
		if last := d.pub; w.chance(0.5) {
			d.start = last
		}
		w.tell("%d: log up to %d is gone", n.side, d.start)
	}
}

// flip changes a page of a copy behind its back.
func (w *world) flip() {
	n := w.any()
	if d := &n.db; n.up && d.exists && !d.primary && n.link.Phase() == agcore.PhaseSynchronizing && !w.force {
		w.fault("flipped_page")
		p := uint8(w.rnd.IntN(pageCount))
		d.set(p, d.pages[p]^1, d.at[p])
		w.tell("%d: page %d is flipped", n.side, p)
	}
}
