package hadr_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is a TCP proxy that can be cut.
type wire struct {
	ctx   context.Context
	l     net.Listener
	to    func() string
	mu    sync.Mutex
	conns map[net.Conn]bool
	// closed tells that nothing gets through.
	closed atomic.Bool
	// frozen tells that what comes waits.
	frozen atomic.Bool
	wg     sync.WaitGroup
}

func newWire(t *testing.T, to func() string) *wire {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ctx: t.Context(), l: l, to: to, conns: map[net.Conn]bool{}}
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() { l.Close(); w.cut(); w.wg.Wait() })
	return w
}

func (w *wire) url() string { return "TCP://" + w.l.Addr().String() }

// down cuts every connection and lets none come about until up.
func (w *wire) down() { w.closed.Store(true); w.cut() }

func (w *wire) up() { w.closed.Store(false) }

// freeze lets nothing through from now on, and cuts nothing.
func (w *wire) freeze() { w.frozen.Store(true) }

func (w *wire) thaw() { w.frozen.Store(false) }

// pipe is one direction of a connection over a wire.
type pipe struct {
	net.Conn
	w *wire
}

func (h *pipe) Write(b []byte) (int, error) {
	for h.w.frozen.Load() {
		<-time.After(time.Millisecond)
		if h.w.ctx.Err() != nil {
			return 0, h.w.ctx.Err()
		}
	}
	return h.Conn.Write(b)
}

func (w *wire) carry(c net.Conn) {
	defer c.Close()
	if w.closed.Load() {
		return
	}
	o, err := new(net.Dialer).DialContext(w.ctx, "tcp", w.to())
	if err != nil {
		return
	}
	defer o.Close()
	w.mu.Lock()
	w.conns[c], w.conns[o] = true, true
	w.mu.Unlock()
	done := make(chan struct{})
	go func() { io.Copy(&pipe{o, w}, c); o.Close(); close(done) }()
	io.Copy(&pipe{c, w}, o)
	c.Close()
	<-done
}

// cut closes every connection.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
		delete(w.conns, c)
	}
}
