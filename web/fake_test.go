package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/internal/clock"
	"linkspan/internal/fsx"
	"linkspan/migrate"
	"linkspan/migrate/flow"
	"linkspan/migrate/ledger"
	"linkspan/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// fakeService is a service of migrations that notes what it was asked.
type fakeService struct {
	mu    sync.Mutex
	asked []string
	err   error
	known map[string]bool
	plan  migrate.Plan
	// hold keeps calls until it is closed; begun is told of each.
	hold, begun chan struct{}
}

func (f *fakeService) note(ctx context.Context, format string, args ...any) error {
	f.mu.Lock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	err, hold := f.err, f.hold
	f.mu.Unlock()
	if hold != nil {
		f.begun <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (f *fakeService) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.asked, "; ")
	f.asked = nil
	return s
}

func (f *fakeService) Plan(ctx context.Context, s migrate.SpecSource) (migrate.Plan, error) {
	return f.plan, f.note(ctx, "plan %s", s.Base)
}

func (f *fakeService) Start(ctx context.Context, s migrate.SpecSource, who migrate.Who) (string, error) {
	if err := f.note(ctx, "start by %s from %s", who.Name, who.From); err != nil {
		return "", err
	}
	spec, err := migrate.Parse(s.Text)
	if err == nil {
		f.mu.Lock()
		f.known[spec.Name] = true
		f.mu.Unlock()
	}
	return spec.Name, err
}

func (f *fakeService) Cutover(ctx context.Context, a string, dbs []string, o migrate.CutoverOptions, who migrate.Who) error {
	tail := "-"
	if o.UserTail != nil {
		tail = fmt.Sprint(*o.UserTail)
	}
	return f.note(ctx, "cutover %s %v apply=%v userTail=%s maxPause=%s by %s", a, dbs, o.Apply, tail, o.MaxPause, who.Name)
}

func (f *fakeService) Confirm(ctx context.Context, a string, dbs []string, last string, who migrate.Who) error {
	return f.note(ctx, "confirm %s %v %q by %s", a, dbs, last, who.Name)
}

func (f *fakeService) GiveUp(ctx context.Context, a string, dbs []string, who migrate.Who) error {
	return f.note(ctx, "giveup %s %v by %s", a, dbs, who.Name)
}

func (f *fakeService) Cancel(ctx context.Context, a string, dbs []string, who migrate.Who) error {
	return f.note(ctx, "cancel %s %v by %s", a, dbs, who.Name)
}

func (f *fakeService) Retry(ctx context.Context, a string, dbs []string, who migrate.Who) error {
	return f.note(ctx, "retry %s %v by %s", a, dbs, who.Name)
}

func (f *fakeService) AcceptNoChecksum(ctx context.Context, a string, dbs []string, who migrate.Who) error {
	return f.note(ctx, "accept %s %v by %s", a, dbs, who.Name)
}

func (f *fakeService) List(context.Context) ([]ledger.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []ledger.Summary
	for name := range f.known {
		out = append(out, ledger.Summary{Activity: name, Created: began, Running: true, States: map[flow.State]int{flow.LogsUploading: 1}})
	}
	return out, nil
}

func (f *fakeService) Status(_ context.Context, a string, files bool) (ledger.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known[a] {
		return ledger.Status{}, &migrate.UnknownError{What: "activity", Name: a}
	}
	st := ledger.Status{Activity: a, Created: began, Running: true, Databases: []ledger.Database{
		{Name: "sales", TargetName: "sales", State: flow.LogsUploading, PendingChanges: 2, CopiedBytes: 700, TotalBytes: 900, LastBackup: began, CutoverReady: true, PredictedPauseSeconds: 3,
			Waits: []ledger.Wait{{ID: "trouble", Text: "the share does not answer", Fix: "look at the network"}}},
		{Name: "stock", TargetName: "stock", State: flow.Completed, Cutover: &ledger.Cutover{Number: 1, PauseSeconds: 2.5}},
	}, Logins: []ledger.Login{{Name: "app", State: flow.LoginCompleted, Stage: flow.LoginDone}}}
	if files {
		st.Databases[0].FileList = []ledger.File{{Name: "a.trn", State: flow.FileRestored}}
	}
	return st, nil
}

func (f *fakeService) Timeline(ctx context.Context, a, database string, after int64, limit int) ([]ledger.Entry, error) {
	_ = f.note(ctx, "timeline %s %s %d %d", a, database, after, limit)
	return []ledger.Entry{{Number: after + 1, At: began, Database: database, Kind: "State", Text: "x"}}, nil
}

func (f *fakeService) Audit(ctx context.Context, after int64, limit int) ([]ledger.AuditEntry, error) {
	return nil, f.note(ctx, "audit %d %d", after, limit)
}

// rig is an API over real TLS, with three tokens.
type rig struct {
	t                         *testing.T
	service                   *fakeService
	clock                     *clock.Manual
	url, dir, tokens          string
	client                    *http.Client
	operator, viewer, expired string
}

// newRig starts the API. change may change its options.
func newRig(t *testing.T, change func(*web.Options)) *rig {
	t.Helper()
	r := &rig{t: t, service: &fakeService{known: map[string]bool{"move sales": true}}, clock: clock.NewManual(began), dir: t.TempDir(),
		operator: web.NewSecret(), viewer: web.NewSecret(), expired: web.NewSecret()}
	r.tokens = filepath.Join(r.dir, "tokens.json")
	r.writeTokens([]web.Token{
		{Name: "anna", Role: web.Operator, Hash: web.HashSecret(r.operator), Expires: began.Add(time.Hour)},
		{Name: "board", Role: web.Viewer, Hash: web.HashSecret(r.viewer)},
		{Name: "old", Role: web.Operator, Hash: web.HashSecret(r.expired), Expires: began},
	})
	tokens, err := web.OpenTokens(fsx.OS{}, r.tokens, r.clock)
	must(t, err)
	cert, pool := certificate(t)
	o := web.Options{Service: r.service, Tokens: tokens, Clock: r.clock, Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
		Folders: web.Folders{Base: r.dir, Secrets: []string{filepath.Join(r.dir, "secrets")}, Data: []string{filepath.Join(r.dir, "data")}}}
	if change != nil {
		change(&o)
	}
	s, err := web.New(o)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	r.url = "https://" + l.Addr().String()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	r.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		must(t, s.Close())
		must(t, s.Close())
		must(t, <-served)
	})
	return r
}

func (r *rig) writeTokens(all []web.Token) {
	r.t.Helper()
	data, err := web.FormatTokens(all)
	must(r.t, err)
	must(r.t, os.WriteFile(r.tokens, data, 0o600))
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem reads the answer as a problem document.
func (a answer) problem(t *testing.T) web.Problem {
	t.Helper()
	var p web.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" || p.Status != a.status ||
		!strings.HasPrefix(p.Type, "urn:linkspan:problem:") || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Instance, "urn:uuid:") {
		t.Errorf("no problem document: %v %+v", err, a)
	}
	return p
}

// call sends a request. headers are name and value in turn.
func (r *rig) call(method, path, token, body string, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	must(r.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	must(r.t, err)
	defer func() { must(r.t, res.Body.Close()) }()
	data, err := io.ReadAll(res.Body)
	must(r.t, err)
	return answer{res.StatusCode, res.Header, string(data)}
}

// certificate is one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
