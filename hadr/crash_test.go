package hadr_test

import (
	"errors"
	"sync"

	"linkspan/internal/fsx"
)

// power is a node's: it is lost at a change of the disk or of the documents, and then neither changes any more.
type power struct {
	n *node

	mu   sync.Mutex // protects what follows
	left int
	seed uint64
	dead bool
	// disk and docs are what the loss left.
	disk *fsx.Mem
	docs *documents
}

var errPower = errors.New("power was lost")

// dieAfter has the node lose its power at the count-th change from now on.
func (n *node) dieAfter(count int, seed uint64) *power {
	p := &power{n: n, left: count, seed: seed}
	n.power = p
	n.docs.mu.Lock()
	n.docs.power = p
	n.docs.mu.Unlock()
	n.disk.SetHook(func(fsx.Op) error { return p.step() })
	return p
}

// step counts a change.
func (p *power) step() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left--; p.left <= 0 && !p.dead {
		p.lose()
	}
	if p.dead {
		return errPower
	}
	return nil
}

// lose needs mu.
func (p *power) lose() {
	p.dead = true
	p.disk = p.n.disk.CrashClone(p.seed, float64(p.seed%3)/2)
	p.docs = p.n.docs.clone()
}

// isDead reports whether the power is lost.
func (p *power) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// crash loses the power now, if it is not lost already, and gives up what runs.
func (n *node) crash() {
	n.t.Helper()
	if n.power == nil {
		n.dieAfter(1<<30, 1)
	}
	p := n.power
	p.mu.Lock()
	if !p.dead {
		p.lose()
	}
	p.mu.Unlock()
	n.Close() //nolint:errcheck // it is dead
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.databases {
		if d.db != nil {
			d.db.Close() //nolint:errcheck // it is dead
			d.db = nil
		}
	}
	n.disk, n.docs, n.power = p.disk, p.docs, nil
}

// recover starts the node from what a crash left.
func (n *node) recover() {
	n.t.Helper()
	n.crash()
	n.start()
}
