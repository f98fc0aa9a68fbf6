package agsim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"linkspan/hadr/agcore"
)

// world is one simulated pair of sides.
type world struct {
	seed   uint64
	rnd    *rand.Rand
	now    time.Duration
	events int64
	queue  queue
	seq    uint64
	nodes  [2]*node

	// What kind of world it is: classic, a pair of SQL Servers; force, the administrators force failovers; mode, commits
	// begin synchronous.
	classic, force bool
	idle           bool // nobody writes once the faults have stopped
	faulty         bool // faults happen
	// blocked: what side i sends before that time arrives after it.
	blocked [2]time.Duration

	// For the checks.
	forced    bool // a failover was forced and is not repaired yet
	everForce bool
	values    []uint8        // by value: flags of what became of it
	writers   map[uint32]int // epoch → side that wrote in it
	broken    []string

	faults, steps, did map[string]int64
	tracing            bool
	trace              []string
}

// traceLines is how much of a failed world is told.
const traceLines = 400

func newWorld(seed uint64, tracing bool) *world {
	w := &world{seed: seed, rnd: rand.New(rand.NewPCG(seed, 0x6c696e6b7370616e)), tracing: tracing, writers: map[uint32]int{},
		faults: map[string]int64{}, steps: map[string]int64{}, did: map[string]int64{}}
	w.classic, w.force, w.idle = w.chance(0.25), w.chance(0.5), w.chance(0.3)
	synchronous, required := w.chance(0.5), w.chance(0.2)
	for i := range w.nodes {
		w.nodes[i] = newNode(w, i, synchronous, required)
	}
	return w
}

// run lives the world through.
func (w *world) run() {
	w.faulty = true
	w.tell("world of seed %d: classic=%t force=%t", w.seed, w.classic, w.force)
	for _, n := range w.nodes {
		n.start()
	}
	w.plan()
	w.until(faultTime)
	w.tell("faults stop")
	w.faulty = false
	w.mend()
	w.until(faultTime + healTime)
	w.checkEnd()
}

// until lets time pass; a broken invariant ends it.
func (w *world) until(end time.Duration) {
	for len(w.queue) > 0 && len(w.broken) == 0 {
		if w.queue[0].at > end {
			break
		}
		e := w.queue.pop()
		w.now = e.at
		w.events++
		e.f()
	}
	w.now = end
}

// after has f run when d has passed.
func (w *world) after(d time.Duration, f func()) {
	w.seq++
	w.queue.push(item{at: w.now + max(0, d), seq: w.seq, f: f})
}

// chance is true with probability p.
func (w *world) chance(p float64) bool { return w.rnd.Float64() < p }

// between is a random time from a to b.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rnd.Int64N(int64(b-a)+1))
}

// tell adds a line to the trace.
func (w *world) tell(format string, args ...any) {
	if !w.tracing {
		return
	}
	if len(w.trace) >= 2*traceLines {
		w.trace = append(w.trace[:0], w.trace[traceLines:]...)
	}
	w.trace = append(w.trace, fmt.Sprintf("%11.6f  ", w.now.Seconds())+fmt.Sprintf(format, args...))
}

// violated notes an invariant that does not hold.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf("at %.6f s: ", w.now.Seconds()) + fmt.Sprintf(format, args...)
	w.broken = append(w.broken, text)
	w.tell("VIOLATION: %s", text)
}

func (w *world) fault(kind string) { w.faults[kind]++ }

// item is something that will happen.
type item struct {
	at  time.Duration
	seq uint64
	f   func()
}

func (a *item) before(b *item) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// queue is a heap of items.
type queue []item

func (q *queue) push(e item) {
	*q = append(*q, e)
	h := *q
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if !h[i].before(&h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
}

func (q *queue) pop() item {
	h := *q
	top := h[0]
	n := len(h) - 1
	h[0] = h[n]
	h[n] = item{}
	h = h[:n]
	*q = h
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&h[i]) {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	return top
}

// linkID is the link's.
var linkID = agcore.ID{0x1a}
