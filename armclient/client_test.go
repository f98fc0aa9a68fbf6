package armclient_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/arm"
	"linkspan/armclient"
	"linkspan/armtypes"
	"linkspan/sqlerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant       = "11111111-1111-1111-1111-111111111111"
	subscription = "22222222-2222-2222-2222-222222222222"
	clientID     = "33333333-3333-3333-3333-333333333333"
	secret       = "a-secret-of-enough-length"
)

var instance = armtypes.InstanceID{Subscription: subscription, ResourceGroup: "rg 1", Name: "sqlmi1"}

type memStore map[string][]byte

func (m memStore) Load(name string) ([]byte, error) {
	if d, ok := m[name]; ok {
		return d, nil
	}
	return nil, fs.ErrNotExist
}

func (m memStore) Save(name string, data []byte, _ bool) error { m[name] = data; return nil }

// backend is a managed instance that remembers.
type backend struct {
	mu    sync.Mutex
	own   []byte
	trust map[string][]byte
	links map[string]armtypes.Link
}

func (b *backend) TrustCertificates(context.Context) ([]arm.TrustCertificate, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []arm.TrustCertificate
	for n, d := range b.trust {
		out = append(out, arm.TrustCertificate{Name: n, DER: d})
	}
	return out, nil
}

func (b *backend) PutTrustCertificate(_ context.Context, name string, der []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trust[name] = der
	return nil
}

func (b *backend) DeleteTrustCertificate(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.trust, name)
	return nil
}

func (b *backend) MirroringCertificate(context.Context) ([]byte, error) { return b.own, nil }

func (b *backend) Links(context.Context) ([]armtypes.Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []armtypes.Link
	for _, l := range b.links {
		out = append(out, l)
	}
	return out, nil
}

func (b *backend) CreateLink(_ context.Context, s armtypes.LinkSpec) error {
	if s.PartnerAG == "unknown" {
		return sqlerr.Raise(41976, 16, 1, "No answer from availability group 'unknown'.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links[s.Name] = armtypes.Link{LinkSpec: s, State: armtypes.LinkSynchronizing, DatabaseStates: []armtypes.LinkDatabase{{Name: s.Databases[0], ReplicaState: armtypes.LinkSynchronizing}}}
	return nil
}

func (b *backend) SetReplicationMode(_ context.Context, name, mode string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.links[name]
	l.ReplicationMode = mode
	b.links[name] = l
	return nil
}

func (b *backend) DeleteLink(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.links, name)
	return nil
}

func (b *backend) Databases(context.Context) ([]arm.Database, error) {
	return []arm.Database{{Name: "db1", Status: "Online"}}, nil
}

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// serve runs an endpoint over b and returns options for a client of it.
func serve(t *testing.T, b *backend) armclient.Options {
	t.Helper()
	id, err := arm.OpenIdentity(memStore{}, []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "https://" + l.Addr().String()
	s, err := arm.New(arm.Options{
		BaseURL: base, Subscription: subscription, Tenant: tenant, Identity: id, FailureDelay: time.Millisecond,
		Clients: []arm.Client{{ID: clientID, Secret: secret}},
		Instances: []arm.Instance{{
			Name: instance.Name, ResourceGroup: instance.ResourceGroup, Location: "local",
			Describe: func(context.Context) (arm.InstanceInfo, error) {
				return arm.InstanceInfo{FQDN: "sqlmi1.linkspan.test"}, nil
			},
			TrustCertificates: b, EndpointCertificates: b, Links: b, Databases: b,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return armclient.Options{Endpoint: base, Tenant: tenant, ClientID: clientID, ClientSecret: secret, CA: id.CA}
}

func client(t *testing.T, o armclient.Options) *armclient.Client {
	t.Helper()
	c, err := armclient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// The client and the endpoint agree, whichever generation of bodies they speak.
func TestAgainstTheEndpoint(t *testing.T) {
	t.Parallel()
	b := &backend{own: certificate(t).Raw, trust: map[string][]byte{}, links: map[string]armtypes.Link{}}
	o := serve(t, b)
	for _, v := range []armtypes.Version{"2021-05-01-preview", armclient.DefaultVersion} {
		o.Version = v
		c := client(t, o)
		ctx := t.Context()
		if mi, err := c.Instance(ctx, instance); err != nil || mi.Properties.FullyQualifiedDomainName != "sqlmi1.linkspan.test" {
			t.Fatal(mi, err)
		}
		if all, err := c.Instances(ctx, subscription); err != nil || len(all) != 1 {
			t.Error(all, err)
		}
		if dbs, err := c.Databases(ctx, instance); err != nil || len(dbs) != 1 || dbs[0].Properties.Status != "Online" {
			t.Error(dbs, err)
		}
		cert := certificate(t)
		if err := c.PutTrustCertificate(ctx, instance, "Cert_[x]'y", cert); err != nil {
			t.Fatal(err)
		}
		if all, err := c.TrustCertificates(ctx, instance); err != nil || len(all) != 1 || all[0].Name != "Cert_[x]'y" || all[0].Properties.Thumbprint != armtypes.BareThumbprint(cert.Raw) {
			t.Error(all, err)
		}
		if own, err := c.EndpointCertificate(ctx, instance); err != nil || string(own.Raw) != string(b.own) {
			t.Error(err)
		}
		if err := c.DeleteTrustCertificate(ctx, instance, "Cert_[x]'y"); err != nil || len(b.trust) != 0 {
			t.Error(err, b.trust)
		}
		links(t, c)
	}
}

func links(t *testing.T, c *armclient.Client) {
	t.Helper()
	ctx := t.Context()
	s := armtypes.LinkSpec{Name: "dag 1", InstanceRole: armtypes.Secondary, InstanceAG: "mi", PartnerAG: "ag", PartnerEndpoint: "tcp://h:5022", Databases: []string{"db1"},
		FailoverMode: armtypes.None, SeedingMode: armtypes.Automatic, ReplicationMode: armtypes.Async}
	if _, err := c.Link(ctx, instance, s.Name); !armclient.IsNotFound(err) {
		t.Error("a link that is not there:", err)
	}
	for range 2 { // again is success
		if err := c.PutLink(ctx, instance, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetReplicationMode(ctx, instance, s.Name, armtypes.Sync); err != nil {
		t.Error(err)
	}
	l, err := c.Link(ctx, instance, s.Name)
	if err != nil || !l.Same(s) || l.State != armtypes.LinkSynchronizing || l.ReplicationMode != armtypes.Sync {
		t.Errorf("link: %+v %v", l, err)
	}
	if all, err := c.Links(ctx, instance); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
	for range 2 {
		if err := c.DeleteLink(ctx, instance, s.Name); err != nil {
			t.Error(err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	b := &backend{own: []byte("no certificate"), trust: map[string][]byte{}, links: map[string]armtypes.Link{}}
	o := serve(t, b)
	c := client(t, o)
	ctx := t.Context()

	err := c.PutLink(ctx, instance, armtypes.LinkSpec{Name: "d", InstanceAG: "mi", PartnerAG: "unknown", PartnerEndpoint: "tcp://h:5022", Databases: []string{"db1"}})
	var e *armtypes.Error
	if !errors.As(err, &e) || e.Code != "41976" || !strings.Contains(e.Message, "'unknown'") {
		t.Errorf("an operation that fails: %v", err)
	}
	if _, err := c.EndpointCertificate(ctx, instance); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("bytes that are no certificate: %v", err)
	}
	other := instance
	other.Name = "sqlmi2"
	if _, err := c.Instance(ctx, other); !armclient.IsNotFound(err) {
		t.Errorf("unknown instance: %v", err)
	}
	wrong := o
	wrong.ClientSecret = "another-secret-of-enough-length"
	if _, err := client(t, wrong).Instance(ctx, instance); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") || strings.Contains(err.Error(), wrong.ClientSecret) {
		t.Errorf("wrong secret: %v", err)
	}
	stranger := o
	stranger.CA = nil
	short, cancel := context.WithTimeout(ctx, time.Second) // azcore tries again for a while
	defer cancel()
	if _, err := client(t, stranger).Instance(short, instance); err == nil {
		t.Error("a certificate that nobody vouches for was accepted")
	}
	for _, bad := range []armclient.Options{{Endpoint: o.Endpoint}, {ClientSecret: "x"}, {Endpoint: o.Endpoint, ClientSecret: "x", Tenant: "t", ClientID: "c", CA: []byte("x")}, {Version: "latest"}} {
		if _, err := armclient.New(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
