package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// delay is how long the disk takes for a sync.
func (n *node) delay() time.Duration {
	if n.slow {
		return n.w.between(20*time.Millisecond, 800*time.Millisecond)
	}
	return n.w.between(100*time.Microsecond, 2*time.Millisecond)
}

// refence asks anew whether writers are let in, as storage does after every control record.
func (n *node) refence() {
	last, _ := n.db.last()
	s := n.doc
	if n.link != nil {
		s = n.link.State()
	}
	n.fenced = agcore.Closed(last, &s)
	n.w.checkWritable()
}

// writable reports whether a client's write would be taken now.
func (n *node) writable() bool { return n.up && n.db.exists && n.db.primary && !n.fenced }

// append writes a record of a primary's own; false: there is no room.
func (n *node) append(r record) bool {
	if n.full {
		return false
	}
	r.epoch = n.db.epoch
	n.db.apply(r)
	n.flush()
	return true
}

// flush makes what is appended durable, after a while.
func (n *node) flush() {
	if n.flushing || n.db.hard == len(n.db.recs) {
		return
	}
	n.flushing = true
	upTo := len(n.db.recs)
	n.later(n.delay(), func() {
		n.flushing = false
		w := n.w
		if w.faulty && w.chance(0.0002) {
			w.fault("sync_failed") // the database is suspect until it is started again
			n.crash("sync failed")
			return
		}
		if w.faulty && w.chance(0.0003) {
			n.crash("at a sync")
			return
		}
		n.db.hard = max(n.db.hard, min(upTo, len(n.db.recs)))
		n.hardened()
		if n.up {
			n.flush()
		}
	})
}

// hardened: more of the log is durable.
func (n *node) hardened() {
	if n.db.primary {
		n.publish()
		n.pump()
		return
	}
	n.follow()
}

// publish shows readers what is durable here and, where commits wait for it, on the copy.
func (n *node) publish() {
	d := &n.db
	to := d.hard
	if n.gate {
		to = min(to, max(n.acked, d.pub))
	}
	n.show(to)
	n.pump()
}

// show lets readers see the version at LSN to.
func (n *node) show(to int) {
	d := &n.db
	for d.pub < to {
		d.pub++
		if r := &d.recs[d.pub-1]; r.role == nil {
			n.w.saw(r.value)
		}
	}
	n.checkShown()
}

// lose is what a crash does to the disk: of what was not synced some may be there, whole or torn.
func (n *node) lose() {
	d := &n.db
	if len(d.recs) == d.hard {
		return
	}
	n.w.fault("lost_unsynced")
	keep := d.hard + n.w.rnd.IntN(len(d.recs)-d.hard+1)
	if keep < len(d.recs) && n.w.chance(0.5) {
		n.w.fault("torn_tail") // its checksum is wrong: it is cut
	}
	pub := d.pub
	d.cut(keep)
	d.pub = min(pub, keep)
}

// recover opens the database after a start.
func (n *node) recover() {
	d := &n.db
	if n.staged != nil {
		n.staged.recover(n.w)
	}
	if !d.exists {
		return
	}
	d.hard = len(d.recs)
	if !d.primary {
		d.epoch = d.epochAt(len(d.recs))
	}
	n.show(d.hard)
}
