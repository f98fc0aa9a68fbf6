package hadr

import (
	"context"
	"net"
	"sync"

	"linkspan/hadr/hadrwire"
	"linkspan/internal/startstop"
)

// control is the control stream of a connection. Messages are sent by a goroutine of its own, so that a peer that does
// not read holds up nobody; of Progress only the newest counts.
type control struct {
	stream net.Conn
	group  *startstop.Group

	mu       sync.Mutex // protects what follows
	out      []hadrwire.Message
	progress *hadrwire.Progress
	wake     chan struct{}
}

// maxUnsent is how many messages may wait before the peer is given up.
const maxUnsent = 64

func newControl(stream net.Conn) *control {
	c := &control{stream: stream, group: startstop.New(context.Background()), wake: make(chan struct{}, 1)}
	c.group.Go(c.write)
	return c
}

func (c *control) send(m hadrwire.Message) {
	c.mu.Lock()
	if p, ok := m.(*hadrwire.Progress); ok {
		c.progress = p
	} else if c.out = append(c.out, m); len(c.out) > maxUnsent {
		c.stream.Close() // the reader of the stream reports it: no message of a failover may get lost on a live connection
		c.out = nil
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *control) take() []hadrwire.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.out
	c.out = nil
	if c.progress != nil {
		out = append(out, c.progress)
		c.progress = nil
	}
	return out
}

// write ends when the stream does; the reader of the stream notices the same and reports it.
func (c *control) write(ctx context.Context) {
	for {
		for _, m := range c.take() {
			if err := hadrwire.Write(c.stream, m); err != nil {
				c.stream.Close()
				return
			}
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
	}
}

// stop ends the writer; the session is closed already, or the last message has been sent.
func (c *control) stop() {
	c.stream.Close()
	c.group.Stop()
}
