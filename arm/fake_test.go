package arm_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/arm"
	"linkspan/armtypes"
	"linkspan/internal/clock"
	"linkspan/sqlerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant       = "11111111-1111-1111-1111-111111111111"
	subscription = "22222222-2222-2222-2222-222222222222"
	clientID     = "33333333-3333-3333-3333-333333333333"
	secret       = "a-secret-of-enough-length"
	instancePath = "/subscriptions/" + subscription + "/resourceGroups/rg1/providers/Microsoft.Sql/managedInstances/sqlmi1"
)

// fake is a managed instance that remembers.
type fake struct {
	mu    sync.Mutex
	trust []arm.TrustCertificate
	links []armtypes.Link
	own   []byte
	dbs   []arm.Database
	// create, when set, answers CreateLink instead; change is called before roles change.
	create func(ctx context.Context, s armtypes.LinkSpec) error
	change func(ctx context.Context) error
}

func (f *fake) TrustCertificates(context.Context) ([]arm.TrustCertificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]arm.TrustCertificate(nil), f.trust...), nil
}

func (f *fake) PutTrustCertificate(_ context.Context, name string, der []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trust = append(f.trust, arm.TrustCertificate{Name: name, DER: der})
	return nil
}

func (f *fake) DeleteTrustCertificate(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, t := range f.trust {
		if t.Name == name {
			f.trust = append(f.trust[:i], f.trust[i+1:]...)
			return nil
		}
	}
	return arm.ErrNotFound
}

func (f *fake) MirroringCertificate(context.Context) ([]byte, error) { return f.own, nil }

func (f *fake) Links(context.Context) ([]armtypes.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]armtypes.Link(nil), f.links...), nil
}

func (f *fake) CreateLink(ctx context.Context, s armtypes.LinkSpec) error {
	f.mu.Lock()
	create := f.create
	f.mu.Unlock()
	if create != nil {
		if err := create(ctx, s); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	lag := int64(0)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.links = append(f.links, armtypes.Link{
		LinkSpec: s, ID: "44444444-4444-4444-4444-444444444444", State: armtypes.LinkSynchronizing,
		DatabaseStates: []armtypes.LinkDatabase{{
			Name: s.Databases[0], ReplicaState: armtypes.LinkSynchronizing, SynchronizationHealth: "HEALTHY", ConnectedState: "CONNECTED",
			LastHardenedLSN: "37000000012300001", LastHardenedTime: &at, RedoLagSeconds: &lag,
		}},
	})
	f.dbs = append(f.dbs, arm.Database{Name: s.Databases[0], Status: "Online", Collation: "SQL_Latin1_General_CP1_CI_AS"})
	return nil
}

// setCreate changes how CreateLink answers.
func (f *fake) setCreate(c func(context.Context, armtypes.LinkSpec) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.create = c
}

func (f *fake) SetReplicationMode(_ context.Context, name, mode string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.links {
		if f.links[i].Name == name {
			f.links[i].ReplicationMode = mode
			return nil
		}
	}
	return arm.ErrNotFound
}

// FailoverLink swaps the roles, or takes the primary's.
func (f *fake) FailoverLink(ctx context.Context, name string, allowDataLoss bool) error {
	return f.setRoles(ctx, name, func(l *armtypes.Link) {
		if l.InstanceRole, l.PartnerRole = armtypes.Primary, armtypes.Secondary; allowDataLoss {
			l.PartnerRole = armtypes.Primary
		}
	})
}

func (f *fake) FollowLink(ctx context.Context, name string) error {
	return f.setRoles(ctx, name, func(l *armtypes.Link) { l.InstanceRole, l.PartnerRole = armtypes.Secondary, armtypes.Primary })
}

func (f *fake) setRoles(ctx context.Context, name string, set func(*armtypes.Link)) error {
	f.mu.Lock()
	change := f.change
	f.mu.Unlock()
	if change != nil {
		if err := change(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.links {
		if f.links[i].Name == name {
			set(&f.links[i])
			return nil
		}
	}
	return arm.ErrNotFound
}

func (f *fake) DeleteLink(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.links {
		if f.links[i].Name == name {
			f.links = append(f.links[:i], f.links[i+1:]...)
			return nil
		}
	}
	return arm.ErrNotFound
}

func (f *fake) Databases(context.Context) ([]arm.Database, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]arm.Database(nil), f.dbs...), nil
}

// notThere is what an instance answers when the partner's group does not exist.
func notThere(context.Context, armtypes.LinkSpec) error {
	return sqlerr.Raise(41976, 16, 1, "Replica did not get a response from the availability group 'AG_db1' at the endpoint 'TCP://10.0.0.4:5022'.")
}

// memStore is an arm.Store in memory.
type memStore map[string][]byte

func (m memStore) Load(name string) ([]byte, error) {
	if d, ok := m[name]; ok {
		return d, nil
	}
	return nil, fs.ErrNotExist
}

func (m memStore) Save(name string, data []byte, _ bool) error { m[name] = data; return nil }

// world is a running endpoint and a client that trusts its authority.
type world struct {
	t      *testing.T
	fake   *fake
	server *arm.Server
	store  memStore
	clock  *clock.Manual
	base   string
	http   *http.Client
	ca     []byte
}

func start(t *testing.T, change func(*arm.Options)) *world {
	t.Helper()
	now := time.Now()
	w := &world{t: t, store: memStore{}, clock: clock.NewManual(now), fake: &fake{own: makeCertificate(t, "sqlmi1")}}
	id, err := arm.OpenIdentity(w.store, []string{"localhost", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	o := arm.Options{
		Subscription: subscription, Tenant: tenant, Identity: id, Clock: w.clock,
		Clients: []arm.Client{{ID: clientID, Secret: secret}},
		Instances: []arm.Instance{{
			Name: "sqlmi1", ResourceGroup: "rg1", Location: "local",
			Describe: func(context.Context) (arm.InstanceInfo, error) {
				return arm.InstanceInfo{FQDN: "sqlmi1.linkspan.test", AdministratorLogin: "sa", Collation: "SQL_Latin1_General_CP1_CI_AS"}, nil
			},
			TrustCertificates: w.fake, EndpointCertificates: w.fake, Links: w.fake, Databases: w.fake,
		}},
	}
	if change != nil {
		change(&o)
	}
	if w.server, err = arm.New(o); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	w.base = "https://localhost:" + port
	if err := w.server.SetBaseURL(w.base); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(id.CA)
	w.ca = id.CA
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	w.http = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := w.server.Close(); err != nil {
			t.Error("close:", err)
		}
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
	})
	return w
}

func makeCertificate(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tm := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tm, tm, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// code is the error's code.
func (a answer) code() string {
	e, _ := a.body["error"].(map[string]any)
	s, _ := e["code"].(string)
	return s
}

// at reads a path of keys.
func (a answer) at(path ...string) any {
	var v any = a.body
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func (w *world) token() string {
	w.t.Helper()
	a := w.post("/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {w.base + "/.default"},
	})
	s, _ := a.body["access_token"].(string)
	if a.status != 200 || s == "" {
		w.t.Fatalf("no token: %d %s", a.status, a.raw)
	}
	return s
}

func (w *world) post(path string, form url.Values) answer {
	w.t.Helper()
	return w.send("POST", path, form.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}

// do calls the API with a fresh token.
func (w *world) do(method, path, body string) answer {
	w.t.Helper()
	return w.send(method, path, body, map[string]string{"Authorization": "Bearer " + w.token(), "Content-Type": "application/json"})
}

func (w *world) send(method, path, body string, header map[string]string) answer {
	w.t.Helper()
	target := path
	if !strings.HasPrefix(path, "https:") {
		target = w.base + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			r.Host = v
		}
		r.Header.Set(k, v)
	}
	resp, err := w.http.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			w.t.Fatalf("%s %s: %d is no JSON: %s", method, path, resp.StatusCode, raw)
		}
	}
	return a
}

// poll waits until what is asked is so.
func (w *world) poll(so func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !so(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatal("it does not come to be")
		}
	}
}

// finish polls an accepted operation by Azure-AsyncOperation until it ends, and returns its last status.
func (w *world) finish(accepted answer) answer {
	w.t.Helper()
	if accepted.status != 202 {
		w.t.Fatalf("not accepted: %d %s", accepted.status, accepted.raw)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		a := w.do("GET", accepted.header.Get("Azure-AsyncOperation"), "")
		if a.status != 200 {
			w.t.Fatalf("operation status: %d %s", a.status, a.raw)
		}
		if a.body["status"] != armtypes.InProgress {
			return a
		}
	}
	w.t.Fatal("the operation does not end")
	return answer{}
}
