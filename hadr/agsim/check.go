package agsim

import "linkspan/hadr/agcore"

// What became of a value that a client wrote.
const (
	seen    = 1 << iota // acknowledged, or shown to a reader
	rescued             // taken back by the repair of a forced failover, and kept in a file
)

// newValue is a value that nobody has written.
func (w *world) newValue() uint32 {
	w.values = append(w.values, 0)
	return uint32(len(w.values) - 1)
}

func (w *world) saw(v uint32)    { w.values[v] |= seen }
func (w *world) rescue(v uint32) { w.values[v] |= rescued }

// checkWritable: never two writable sides, but after a failover that was forced, and never in one epoch.
func (w *world) checkWritable() {
	a, b := w.nodes[0], w.nodes[1]
	if a == nil || b == nil || !a.writable() || !b.writable() {
		return
	}
	switch {
	case a.db.epoch == b.db.epoch:
		w.violated("both sides are writable in epoch %d", a.db.epoch)
	case !w.forced:
		w.violated("both sides are writable, in epochs %d and %d, and nothing was forced", a.db.epoch, b.db.epoch)
	default:
		w.did["split_brain"]++
	}
}

// wrote notes that a side took a write: an epoch is written by one side.
func (w *world) wrote(n *node) {
	if i, ok := w.writers[n.db.epoch]; ok && i != n.i {
		w.violated("both sides have written in epoch %d", n.db.epoch)
	}
	w.writers[n.db.epoch] = n.i
	w.checkWritable()
}

// checkShown: what readers see never goes back, but by a repair that says so; and a copy shows what its primary has.
func (n *node) checkShown() {
	d := &n.db
	if d.pub < n.shown {
		n.w.violated("side %d shows %d after it has shown %d", n.side, d.pub, n.shown)
	}
	n.shown = d.pub
	other := &n.w.nodes[1-n.i].db
	if d.primary && n.link != nil && n.link.Sync() == agcore.Synchronized && other.hard < d.pub {
		n.w.violated("side %d is SYNCHRONIZED and shows %d, and its copy has hardened %d", n.side, d.pub, other.hard)
	}
	if d.primary || d.pub == 0 || !other.exists || !other.primary || len(other.recs) < d.pub {
		return
	}
	mine, theirs := &d.recs[d.pub-1], &other.recs[d.pub-1]
	if mine.epoch == theirs.epoch && mine.digest != theirs.digest {
		n.w.violated("side %d shows another digest at %d than its primary has", n.side, d.pub)
	}
}

// checkLoss: a rewind takes back what the loss states and no more: the rest of the log is part of the other side's.
func (n *node) checkLoss(to int) {
	d, other := &n.db, &n.w.nodes[1-n.i].db
	if !n.w.everForce {
		n.w.violated("side %d takes its log back to %d, and no failover was forced", n.side, to)
	}
	fork := 0
	for fork < len(d.recs) && fork < len(other.recs) && d.recs[fork].digest == other.recs[fork].digest && d.recs[fork].epoch == other.recs[fork].epoch {
		fork++
	}
	if fork != to {
		n.w.violated("side %d takes its log back to %d, and the logs part at %d", n.side, to, fork)
	}
	l := n.link.State().Loss
	if l == nil || !l.Measured || place(l.Fork) != to || place(l.Tail) != d.hard {
		n.w.violated("side %d takes back %d to %d, and states the loss %+v", n.side, to, d.hard, l)
	}
}

// checkEnd: faults have stopped for long enough.
func (w *world) checkEnd() {
	if len(w.broken) > 0 {
		return
	}
	p, c := w.nodes[0], w.nodes[1]
	if !p.writable() {
		p, c = c, p
	}
	want := agcore.Synchronizing
	if p.options.Synchronous {
		want = agcore.Synchronized
	}
	switch {
	case !p.writable() || c.writable():
		w.violated("after the faults: side %d writable=%t, side %d writable=%t", p.side, p.writable(), c.side, c.writable())
	case !c.up || !c.db.exists || c.db.primary:
		w.violated("after the faults: side %d is not a copy", c.side)
	case p.link.Sync() != want || c.link.Sync() != want:
		w.violated("after the faults: side %d is %s and side %d is %s, want %s", p.side, p.link.Sync(), c.side, c.link.Sync(), want)
	case p.link.Role() != agcore.Primary || c.link.Role() != agcore.Secondary:
		w.violated("after the faults: side %d is %s and side %d is %s", p.side, p.link.Role(), c.side, c.link.Role())
	case len(p.db.recs) != len(c.db.recs) || p.db.pub != c.db.pub || p.db.digest != c.db.digest || p.db.pages != c.db.pages:
		w.violated("after the faults: side %d has %d records (%d shown, digest %x), side %d has %d (%d, %x)", p.side, len(p.db.recs), p.db.pub, p.db.digest,
			c.side, len(c.db.recs), c.db.pub, c.db.digest)
	default:
		w.checkLost(p, c)
	}
}

// checkLost: everything that was acknowledged or shown is there on both sides, or was taken back by a stated loss.
func (w *world) checkLost(p, c *node) {
	there := make([]bool, len(w.values))
	for _, r := range p.db.recs {
		if r.role == nil {
			there[r.value] = true
		}
	}
	lost := 0
	for v, flags := range w.values {
		switch {
		case flags&seen == 0 || there[v]:
		case flags&rescued != 0 && w.everForce:
			lost++
		default:
			w.violated("value %d was acknowledged or shown, and is lost", v)
			return
		}
	}
	w.did["taken_back"] += int64(lost)
	for i := range p.db.recs {
		if p.db.recs[i].value != c.db.recs[i].value {
			w.violated("the logs differ at %d", i+1)
			return
		}
	}
}
