package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy passes TCP connections on and cuts them when told to, as a broken network does.
type Proxy struct {
	l      net.Listener
	target string
	wg     sync.WaitGroup

	mu    sync.Mutex // protects what follows
	conns map[net.Conn]struct{}
	down  bool

	// rate bounds the bytes a second of each direction of a connection; 0 is no bound.
	rate atomic.Int64
}

// StartProxy listens on address and passes connections on to target.
func StartProxy(ctx context.Context, address, target string) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Proxy{l: l, target: target, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.pass(c) })
	}
}

func (p *Proxy) pass(c net.Conn) {
	if !p.keep(c) {
		return
	}
	defer p.drop(c)
	t, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(t) {
		return
	}
	defer p.drop(t)
	var wg sync.WaitGroup
	wg.Go(func() { p.copy(t, c); p.drop(t); p.drop(c) })
	wg.Go(func() { p.copy(c, t); p.drop(t); p.drop(c) })
	wg.Wait()
}

// copy passes bytes on until either end fails, no faster than rate.
func (p *Proxy) copy(dst io.Writer, src io.Reader) {
	b := make([]byte, 64<<10)
	for {
		n, err := src.Read(b)
		if n > 0 {
			if rate := p.rate.Load(); rate > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
			}
			if _, err := dst.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// SetRate makes the network slow: so many bytes a second in each direction of each connection; 0 takes the bound away.
func (p *Proxy) SetRate(bytesPerSecond int64) { p.rate.Store(bytesPerSecond) }

// keep notes a connection; while the network is down it closes it instead.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

// Cut breaks every connection and returns how many there were; new ones pass.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.conns)
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
	return n
}

// SetDown takes the network down (connections are cut and refused) or up again.
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.Cut()
	}
}

// Close ends the proxy and waits. Idempotent.
func (p *Proxy) Close() error {
	err := p.l.Close()
	p.SetDown(true)
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
