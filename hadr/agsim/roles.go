package agsim

import (
	"time"

	"linkspan/hadr/agcore"
)

// act runs f after d unless another change of role began or the process ended.
func (n *node) act(d time.Duration, f func()) {
	turn := n.turn
	n.later(d, func() {
		if n.turn == turn {
			f()
		}
	})
}

func (n *node) done(k agcore.EventKind) {
	n.step(agcore.Event{Kind: k, Mine: n.db.standing()})
}

func (n *node) failed(k agcore.EventKind, number int32) {
	n.step(agcore.Event{Kind: k, Mine: n.db.standing(), Fault: agcore.Fault{Number: number, Text: "failed"}})
}

// record encodes a role record as the shell completes it.
func (n *node) record(r agcore.RoleRecord) record {
	r.Link, r.Time = linkID, n.now()
	if r.Kind == agcore.RoleOpen {
		r.History = r.History.Add(r.Epoch, at(len(n.db.recs)))
	}
	return record{role: r.Encode()}
}

// synced runs f when everything appended now is durable.
func (n *node) synced(f func()) {
	upTo := len(n.db.recs)
	var wait func()
	wait = func() {
		if n.db.hard >= upTo {
			f()
			return
		}
		n.flush()
		n.act(n.delay(), wait)
	}
	wait()
}

// fence takes the writer's turn and writes the FENCE.
func (n *node) fence(a agcore.Action) {
	n.turn++
	wait := n.w.between(0, 20*time.Millisecond)
	if n.w.chance(0.05) {
		wait = n.w.between(0, 10*time.Second) // a long transaction
	}
	n.act(wait, func() {
		if !a.By.IsZero() && !n.now().Before(a.By) || n.full {
			n.failed(agcore.FenceFailed, 1222)
			return
		}
		n.fenced = true
		if !n.append(n.record(a.Record)) {
			return
		}
		n.synced(func() {
			if n.durable("fence", func() {}) {
				n.done(agcore.FenceDone)
			}
		})
	})
}

// open makes the database primary and writes the OPEN.
func (n *node) open(a agcore.Action) {
	n.turn++
	n.act(n.w.between(0, 3*time.Millisecond), func() {
		n.synced(func() { n.promote(a) })
	})
}

func (n *node) promote(a agcore.Action) {
	d := &n.db
	if a.Record.Forced {
		n.w.forced, n.w.everForce = true, true
	}
	if last, at := d.last(); !a.Record.Forced && !d.primary && (last.Kind != agcore.RoleFence || at != len(d.recs)) {
		n.w.violated("side %d opens epoch %d, and the FENCE is not the end of its log", n.side, a.Record.Epoch)
		return
	}
	if !d.primary || d.epoch != a.Record.Epoch {
		n.fenced = true // until the OPEN is durable
		if !n.durable("promote", func() { d.primary, d.epoch = true, a.Record.Epoch; n.staged = nil }) {
			return
		}
	}
	n.act(n.delay(), func() {
		if n.full {
			n.failed(agcore.OpenFailed, 9002)
			return
		}
		n.append(n.record(a.Record))
		n.synced(func() {
			if !n.durable("open", func() {}) {
				return
			}
			n.w.tell("%d is open in epoch %d after %d", n.side, d.epoch, len(d.recs)-1)
			n.w.did["opened"]++
			n.publish()
			n.done(agcore.OpenDone)
			n.refence()
		})
	})
}

// demote makes the database a copy.
func (n *node) demote() {
	n.turn++
	n.act(n.w.between(0, 3*time.Millisecond), func() {
		if n.full && n.w.chance(0.5) {
			n.failed(agcore.DemoteFailed, 9002)
			return
		}
		n.synced(func() {
			if n.durable("demote", func() { n.db.primary = false }) {
				n.done(agcore.DemoteDone)
			}
		})
	})
}

// rescue writes what only this side has to a file.
func (n *node) rescue(a agcore.Action) {
	n.turn++
	n.act(n.w.between(10*time.Millisecond, 3*time.Second), func() {
		if n.full {
			n.failed(agcore.RescueFailed, 9002)
			return
		}
		fork := place(a.LSN)
		gone := fork < n.db.start // then it is compared with the other side, which must be there
		if gone && n.conn == nil {
			n.failed(agcore.RescueFailed, 35250)
			return
		}
		l := &agcore.Loss{At: n.now(), Epoch: n.db.epoch, Measured: true, Fork: a.LSN, Tail: at(n.db.hard), Partial: gone}
		for _, r := range n.db.recs[fork:] {
			if r.role == nil {
				n.w.rescue(r.value)
				l.Rows++
			}
		}
		if n.durable("rescue", func() {}) {
			if gone {
				n.w.did["rescued_beside"]++
			}
			n.step(agcore.Event{Kind: agcore.RescueDone, Mine: n.db.standing(), Loss: l, Final: gone})
		}
	})
}

// rewind takes the log back.
func (n *node) rewind(a agcore.Action) {
	n.turn++
	n.act(n.w.between(time.Millisecond, 500*time.Millisecond), func() {
		to, d := place(a.LSN), &n.db
		if to < d.start {
			n.step(agcore.Event{Kind: agcore.RewindFailed, Mine: d.standing(), Final: true, Fault: agcore.Fault{Number: 1412, Text: "gone"}})
			return
		}
		n.checkLoss(to)
		ok := n.durable("rewind", func() {
			d.cut(to)
			d.primary, d.epoch = false, d.epochAt(to)
			n.shown = to // said so
		})
		if ok {
			n.w.did["rewound"]++
			n.done(agcore.RewindDone)
		}
	})
}
