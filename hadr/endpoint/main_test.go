package endpoint_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/hadr/endpoint"
	"linkspan/internal/clock"
	"linkspan/sqlerr"
	"linkspan/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

type docs struct {
	mu sync.Mutex
	m  map[string]map[string][]byte
}

func (d *docs) Load(_ context.Context, kind string) (map[string][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.m[kind]), nil
}

func (d *docs) Put(_ context.Context, kind, name string, doc []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m[kind] == nil {
		d.m[kind] = map[string][]byte{}
	}
	d.m[kind][name] = doc
	return nil
}

func (d *docs) Delete(_ context.Context, kind, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.m[kind], name)
	return nil
}

// node is one instance's side: a keeper with certificates, a clock and an endpoint.
type node struct {
	*endpoint.Endpoint
	keeper  *trust.Keeper
	clock   *clock.Manual
	mine    string       // the certificate made first
	shown   atomic.Value // the name of the one shown, if another
	refused chan *endpoint.Refusal
	taken   chan *endpoint.Session
}

// epoch is where the clocks stand; handshake deadlines need real time, so it is the real one.
func newNode(t *testing.T, name string, start, expiry time.Duration) *node {
	t.Helper()
	n := &node{clock: clock.NewManual(clock.System.Now()), mine: name, refused: make(chan *endpoint.Refusal, 16), taken: make(chan *endpoint.Session, 16)}
	var err error
	n.keeper, err = trust.OpenKeeper(t.Context(), trust.Options{Store: &docs{m: map[string]map[string][]byte{}}, Now: n.clock.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.keeper.CreateMasterKey(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	n.create(t, name, start, expiry)
	n.Endpoint, err = endpoint.New(endpoint.Options{Identity: n.identity, Peer: n.peer, Clock: n.clock,
		Accept:  func(s *endpoint.Session) { n.taken <- s; <-s.Done() },
		Refused: func(r *endpoint.Refusal) { n.refused <- r }})
	if err != nil {
		t.Fatal(err)
	}
	n.keeper.Watch(n.Recheck)
	t.Cleanup(n.Close)
	return n
}

func (n *node) create(t *testing.T, name string, start, expiry time.Duration) {
	t.Helper()
	now := n.clock.Now()
	_, err := n.keeper.CreateCertificate(t.Context(), trust.CertificateSpec{Name: name, Subject: name, Start: now.Add(start), Expiry: now.Add(expiry)})
	if err != nil {
		t.Fatal(err)
	}
}

func (n *node) identity() (*endpoint.Identity, error) {
	name, _ := n.shown.Load().(string)
	if name == "" {
		name = n.mine
	}
	c := n.keeper.ByName(name)
	key, err := n.keeper.PrivateKey(c)
	if err != nil {
		return nil, err
	}
	return &endpoint.Identity{DER: c.DER, Key: key, Start: c.Start(), End: c.Expiry()}, nil
}

func (n *node) peer(x *x509.Certificate) (string, error) {
	if c := n.keeper.ByDER(x.Raw); c != nil {
		return c.Name, nil
	}
	return "", sqlerr.New(28035, "Certificate not found", 89)
}

// meets imports each other's certificate.
func (n *node) meets(t *testing.T, o *node) {
	t.Helper()
	for _, p := range [][2]*node{{n, o}, {o, n}} {
		if _, err := p[0].keeper.ImportCertificate(t.Context(), "peer "+p[1].mine, p[1].keeper.ByName(p[1].mine).DER); err != nil {
			t.Fatal(err)
		}
	}
}

func (n *node) listen(t *testing.T) netip.AddrPort {
	t.Helper()
	if err := n.Listen([]netip.Addr{loopback}, 0); err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(loopback, n.Port())
}

func (n *node) dial(t *testing.T, a netip.AddrPort) (*endpoint.Session, error) {
	return n.Dial(t.Context(), []netip.AddrPort{a}, nil)
}

func receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("nothing came: %s", what)
	}
	return v
}
