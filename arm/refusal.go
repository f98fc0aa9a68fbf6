package arm

import (
	"net"
	"sync"
)

// How many refused token requests may wait for their answer, from one address and altogether. Each waits for
// Options.FailureDelay, which bounds how many secrets an address can try in a second.
const (
	maxRefusedHere = 8
	maxRefused     = 128
)

// refusals counts the token requests that were refused and wait, by address. The zero value is ready.
type refusals struct {
	mu    sync.Mutex // protects what follows
	here  map[string]int
	total int
}

// mayAsk reports whether a token request from the address is looked at at all.
func (r *refusals) mayAsk(remote string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.here[host(remote)] < maxRefusedHere && r.total < maxRefused
}

// waits counts one refusal until done is called.
func (r *refusals) waits(remote string) (done func()) {
	h := host(remote)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.here == nil {
		r.here = make(map[string]int)
	}
	r.here[h]++
	r.total++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.total--
		if r.here[h]--; r.here[h] <= 0 {
			delete(r.here, h)
		}
	}
}

func host(remote string) string {
	h, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return h
}

// crowd bounds what is under way from one address and altogether.
type crowd struct {
	maxHere, max int

	mu    sync.Mutex // protects what follows
	here  map[string]int
	total int
}

// enter counts one more until leave is called, if there is room.
func (c *crowd) enter(remote string) (leave func(), ok bool) {
	h := host(remote)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.here[h] >= c.maxHere || c.total >= c.max {
		return nil, false
	}
	if c.here == nil {
		c.here = make(map[string]int)
	}
	c.here[h]++
	c.total++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.total--
		if c.here[h]--; c.here[h] <= 0 {
			delete(c.here, h)
		}
	}, true
}
