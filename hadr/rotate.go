package hadr

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"linkspan/hadr/agcore"
	"linkspan/hadr/hadrwire"
	"linkspan/sqlerr"
	"linkspan/trust"
)

// rotateWait is how long ALTER ENDPOINT waits for the peers to bind the new certificate.
const rotateWait = 3 * time.Second

// errRotated ends a connection so that the peers meet again under the new certificate.
var errRotated = errors.New("the endpoint's certificate was rotated")

// announced is what a link's peer said to a new certificate.
type announced struct {
	link *link
	// present: the link's connection rests on it already; connected: there was a peer to tell; bound: it has imported the
	// certificate, and the link may rest on it.
	present, connected, bound bool
}

// announce tells the peers of connected links which certificate will be shown from now on, and waits for their word. A
// peer that has not imported it keeps to the old one.
func (m *Manager) announce(ctx context.Context, c *trust.Certificate) []announced {
	var all []announced
	m.mu.RLock()
	for _, l := range m.links {
		all = append(all, announced{link: l})
	}
	m.mu.RUnlock()
	slices.SortFunc(all, func(a, b announced) int { return compareFold(a.link.name, b.link.name) })
	late, stop := m.opts.Clock.After(rotateWait)
	defer stop()
	for i := range all {
		a, answer := &all[i], make(chan bool, 1)
		a.link.call(func() {
			if a.link.control == nil {
				return
			}
			if a.present = a.link.session.RestsOn(c.DER); a.present {
				return
			}
			a.connected, a.link.rotating = true, answer
			a.link.send(&hadrwire.Rotate{Thumbprint: thumbprint(c.DER)})
		})
		if !a.connected {
			continue
		}
		select {
		case a.bound = <-answer:
		case <-late:
			return all
		case <-ctx.Done():
			return all
		}
	}
	return all
}

// turn has the links whose peers know the new certificate connect with it, and tells what becomes of the others. Those
// keep their connection: it rests on the old certificate until that is dropped.
func (m *Manager) turn(c *trust.Certificate, all []announced) []*sqlerr.Error {
	var said []*sqlerr.Error
	for _, a := range all {
		number := int32(58006)
		switch {
		case a.present:
			continue
		case !a.connected:
			number = 58005
		case !a.bound:
			number = 58004
		default:
			a.link.post(a.link.renew)
		}
		e := sqlerr.New(number, a.link.name, c.Name, thumbprint(c.DER))
		m.errorLog(e)
		if number != 58006 {
			said = append(said, e)
		}
	}
	return said
}

// renew ends the present connection; the side that dials comes again at once. In the loop.
func (l *link) renew() {
	if l.session != nil {
		l.session.Close(errRotated)
	}
}

// rotate binds the peer's next certificate to the link, if it was imported here; in the loop.
func (l *link) rotate(r *hadrwire.Rotate) {
	known := slices.ContainsFunc(l.m.opts.Keeper.Certificates(), func(c *trust.Certificate) bool {
		return c.Encryption() == trust.NoPrivateKey && thumbprint(c.DER) == r.Thumbprint
	})
	if known {
		l.bind(r.Thumbprint)
	} else {
		l.m.opts.Log.Warn("the peer announced a certificate that was not imported", "link", l.name, "thumbprint", r.Thumbprint)
	}
	l.send(&hadrwire.Rotated{Bound: known})
}

// bind lets a certificate authorise the link from now on; in the loop.
func (l *link) bind(print string) {
	l.core.Update(func(s *agcore.LinkState) {
		if !slices.Contains(s.Bound, print) {
			s.Bound = append(slices.Clone(s.Bound), print)
		}
	})
	l.note()
}

// rotated takes the answer; in the loop.
func (l *link) rotated(r *hadrwire.Rotated) {
	if l.rotating != nil {
		l.rotating <- r.Bound
		l.rotating = nil
	}
}

// Succeed lets a partner's next certificate authorise the links that the old one is bound to. It is for an administrator's
// replacing of one certificate by another under its name, and MUST be called before the old one is dropped.
func (m *Manager) Succeed(old, next []byte) {
	m.mu.RLock()
	var links []*link
	for _, l := range m.links {
		links = append(links, l)
	}
	m.mu.RUnlock()
	for _, l := range links {
		l.call(func() {
			if slices.Contains(l.core.State().Bound, thumbprint(old)) {
				l.bind(thumbprint(next))
			}
		})
	}
}

// own says whether sessions may go on with a certificate that the endpoint does not show any more: until it is dropped.
func (m *Manager) own(der []byte) error {
	if c := m.opts.Keeper.ByDER(der); c == nil || c.Encryption() == trust.NoPrivateKey {
		return sqlerr.New(28036, "it was dropped", 1)
	}
	return nil
}

// thumbprint is the SHA-1 of a certificate in hexadecimal, as views and bindings have it.
func thumbprint(der []byte) string {
	sum := sha1Sum(der)
	return hex.EncodeToString(sum[:])
}
