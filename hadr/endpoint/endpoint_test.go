package endpoint_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"linkspan/hadr/endpoint"
	"linkspan/sqlerr"
)

const year = 365 * 24 * time.Hour

func TestPeersThatKnowEachOther(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", -time.Hour, year), newNode(t, "b", -time.Hour, year)
	a.meets(t, b)
	s, err := b.dial(t, a.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	other := receive(t, a.taken, "the session")
	if s.Peer().Name != "peer a" || other.Peer().Name != "peer b" {
		t.Errorf("peers are %q and %q", s.Peer().Name, other.Peer().Name)
	}
	// Several streams at once, small and large.
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	go func() {
		for range 2 {
			st, err := other.Accept(t.Context())
			if err != nil {
				return
			}
			go func() { io.Copy(st, st); st.Close() }()
		}
	}()
	for _, data := range [][]byte{big, []byte("small")} {
		st, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		go st.Write(data)
		got := make([]byte, len(data))
		if _, err := io.ReadFull(st, got); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back otherwise: %v", len(data), err)
		}
	}
	s.Close(nil)
	<-s.Done()
	receive(t, other.Done(), "the end on the other side")
}

// refusedBy dials a from b and wants b to learn only that it was refused, and a to know why.
func refusedBy(t *testing.T, a, b *node, number int32, logged string) {
	t.Helper()
	s, err := b.dial(t, netip.AddrPortFrom(loopback, a.Port()))
	var r *endpoint.Refusal
	if err == nil || !errors.As(err, &r) || !r.Remote {
		t.Fatalf("session %v, error %v: want a refusal by the peer", s, err)
	}
	if strings.Contains(err.Error(), logged) {
		t.Errorf("the peer learns %q", err)
	}
	why := receive(t, a.refused, "the reason")
	if why.Err.Number != number || !strings.Contains(why.Logged().Message, logged) || !strings.HasPrefix(why.Logged().Message, "Database Mirroring login attempt") {
		t.Errorf("the reason is %d %q, want %d with %q", why.Err.Number, why.Logged().Message, number, logged)
	}
}

// refuses dials a from b and wants b to refuse a.
func refuses(t *testing.T, b, a *node, number int32) *endpoint.Refusal {
	t.Helper()
	_, err := b.dial(t, netip.AddrPortFrom(loopback, a.Port()))
	var r *endpoint.Refusal
	if !errors.As(err, &r) || r.Remote || r.Err.Number != number {
		t.Fatalf("error is %v, want our refusal %d", err, number)
	}
	receive(t, b.refused, "the line for the error log")
	return r
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a := newNode(t, "a", -time.Hour, year)
	a.listen(t)
	b := newNode(t, "b", -time.Hour, year)

	if r := refuses(t, b, a, 28035); !r.Unknown {
		t.Error("an unknown certificate is not called unknown")
	}
	receive(t, a.refused, "the alert")
	der := a.keeper.ByName("a").DER
	if _, err := b.keeper.ImportCertificate(t.Context(), "a", der); err != nil {
		t.Fatal(err)
	}
	refusedBy(t, a, b, 28035, "Certificate not found")
	if _, err := a.keeper.ImportCertificate(t.Context(), "b", b.keeper.ByName("b").DER); err != nil {
		t.Fatal(err)
	}
	// The same files, other clocks: a's clock is after b's certificate, then before it.
	now := a.clock.Now()
	a.create(t, "longer", -3*year, 9*year)
	a.shown.Store("longer")
	if _, err := b.keeper.ImportCertificate(t.Context(), "a2", a.keeper.ByName("longer").DER); err != nil {
		t.Fatal(err)
	}
	a.clock.Set(now.Add(2 * year))
	refusedBy(t, a, b, 28025, "has expired")
	a.clock.Set(now.Add(-2 * year))
	refusedBy(t, a, b, 28024, "is not yet valid")
	a.clock.Set(now)
	// b's clock is after its own certificate: it does not even try.
	b.clock.Set(now.Add(2 * year))
	refuses(t, b, a, 28023)
	b.clock.Set(now.Add(-2 * time.Hour))
	refuses(t, b, a, 28022)
	b.clock.Set(now)
	s, err := b.dial(t, netip.AddrPortFrom(loopback, a.Port()))
	if err != nil {
		t.Fatalf("with everything right again: %v", err)
	}
	s.Close(nil)
}

func dialTLS(t *testing.T, addr string, cfg *tls.Config) (net.Conn, error) {
	return (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", addr)
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	a := newNode(t, "a", -time.Hour, year)
	addr := a.listen(t).String()
	read := func(c net.Conn) error {
		c.SetDeadline(time.Now().Add(5 * time.Second)) // real sockets, real time
		_, err := io.ReadAll(c)
		return err
	}
	// No certificate at all.
	c, err := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		err = read(c)
		c.Close()
	}
	if err == nil {
		t.Error("a client without a certificate was let in")
	}
	if r := receive(t, a.refused, "the refusal"); r.Err.Number != 28035 {
		t.Errorf("refused with %v", r.Err)
	}
	// TLS 1.2.
	if c, err := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 was taken")
		c.Close()
	}
	receive(t, a.refused, "the refusal of TLS 1.2")
	// No TLS.
	raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	read(raw)
	// Many that say nothing do not keep an honest one out.
	for range 200 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	b := newNode(t, "b", -time.Hour, year)
	a.meets(t, b)
	s, err := b.dial(t, netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	s.Close(nil)
}

// A private key that is not the certificate's cannot finish the handshake: whoever copies a public certificate gains
// nothing.
func TestCopiedCertificate(t *testing.T) {
	t.Parallel()
	a, b, thief := newNode(t, "a", -time.Hour, year), newNode(t, "b", -time.Hour, year), newNode(t, "t", -time.Hour, year)
	a.meets(t, b)
	addr := a.listen(t)
	key, err := thief.keeper.PrivateKey(thief.keeper.ByName("t"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := dialTLS(t, addr.String(), &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{b.keeper.ByName("b").DER}, PrivateKey: key}}})
	if err == nil {
		c.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = io.ReadFull(c, make([]byte, 1))
		c.Close()
	}
	if err == nil {
		t.Error("a certificate without its key was let in")
	}
	select {
	case s := <-a.taken:
		t.Errorf("session with %q", s.Peer().Name)
	default:
	}
}

func TestLiveConnectionsEnd(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(t *testing.T, a, b *node){
		"dropped by the listener": func(t *testing.T, a, b *node) { drop(t, a, "peer b") },
		"dropped by the dialer":   func(t *testing.T, a, b *node) { drop(t, b, "peer a") },
		"expired":                 func(t *testing.T, a, b *node) { a.clock.Advance(2 * time.Hour) },
		"replaced": func(t *testing.T, a, b *node) {
			a.create(t, "a2", -time.Hour, year)
			a.shown.Store("a2")
			a.Recheck()
		},
		"unlistened": func(t *testing.T, a, b *node) { a.Unlisten(errors.New("stopped")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, "a", -time.Hour, year), newNode(t, "b", -time.Hour, time.Hour)
			a.meets(t, b)
			s, err := b.dial(t, a.listen(t))
			if err != nil {
				t.Fatal(err)
			}
			other := receive(t, a.taken, "the session")
			cut(t, a, b)
			receive(t, s.Done(), "the end at the dialer")
			receive(t, other.Done(), "the end at the listener")
		})
	}
}

func drop(t *testing.T, n *node, name string) {
	t.Helper()
	if err := n.keeper.DropCertificate(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", -time.Hour, year), newNode(t, "b", -time.Hour, year)
	addr := a.listen(t)
	err := b.Listen([]netip.Addr{loopback}, addr.Port())
	if sqlerr.Number(err) != 9692 {
		t.Errorf("error is %v", err)
	}
	a.Unlisten(nil)
	if err := b.Listen([]netip.Addr{loopback}, addr.Port()); err != nil {
		t.Errorf("after the port is free: %v", err)
	}
}

func TestAllowIsAsked(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a", -time.Hour, year), newNode(t, "b", -time.Hour, year)
	a.meets(t, b)
	_, err := b.Dial(t.Context(), []netip.AddrPort{a.listen(t)}, func(p endpoint.Peer) error {
		if p.Name != "peer a" {
			t.Errorf("asked about %q", p.Name)
		}
		return sqlerr.New(28035, "The certificate is bound to another link", 94)
	})
	if sqlerr.Number(err) != 28035 {
		t.Errorf("error is %v", err)
	}
}
