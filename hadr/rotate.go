package hadr

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/trust"
)

// rotateWait is how long ALTER ENDPOINT waits for the peers to bind the new certificate.
const rotateWait = 3 * time.Second

// announce tells the peers of connected links which certificate will be shown from now on, and waits for their word. A
// peer that has not imported it keeps to the old one, and the error log there says so.
func (m *Manager) announce(ctx context.Context, c *trust.Certificate) {
	if e, ok := m.Endpoint(); ok && fold(e.Certificate) == fold(c.Name) {
		return
	}
	m.mu.RLock()
	var links []*link
	for _, l := range m.links {
		links = append(links, l)
	}
	m.mu.RUnlock()
	late, stop := m.opts.Clock.After(rotateWait)
	defer stop()
	for _, l := range links {
		answer := make(chan bool, 1)
		l.call(func() {
			if l.control == nil {
				answer <- false
				return
			}
			l.rotating = answer
			l.send(&hadrwire.Rotate{Thumbprint: hex.EncodeToString(c.Thumbprint())})
		})
		select {
		case ok := <-answer:
			m.opts.Log.Info("certificate announced", "link", l.name, "bound", ok)
		case <-late:
			m.opts.Log.Warn("a peer did not answer to the new certificate", "link", l.name)
			return
		case <-ctx.Done():
			return
		}
	}
}

// rotate binds the peer's next certificate to the link, if it was imported here; in the loop.
func (l *link) rotate(r *hadrwire.Rotate) {
	known := slices.ContainsFunc(l.m.opts.Keeper.Certificates(), func(c *trust.Certificate) bool {
		return c.Encryption() == trust.NoPrivateKey && hex.EncodeToString(c.Thumbprint()) == r.Thumbprint
	})
	if !known {
		l.m.opts.Log.Warn("the peer announced a certificate that was not imported", "link", l.name, "thumbprint", r.Thumbprint)
	} else {
		l.core.Update(func(s *agcore.LinkState) {
			if !slices.Contains(s.Bound, r.Thumbprint) {
				s.Bound = append(slices.Clone(s.Bound), r.Thumbprint)
			}
		})
		l.persist()
	}
	l.send(&hadrwire.Rotated{Bound: known})
}

// rotated takes the answer; in the loop.
func (l *link) rotated(r *hadrwire.Rotated) {
	if l.rotating != nil {
		l.rotating <- r.Bound
		l.rotating = nil
	}
}
