package logins_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linkspan/instance"
	"linkspan/internal/fsx"
	"linkspan/migrate/flow"
	"linkspan/migrate/logins"
	"linkspan/sqlapi"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
	"linkspan/tdsserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "Tests-only-1"

// certificate is one self-signed for sql.example, and its PEM.
var certificate = sync.OnceValues(func() (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"sql.example"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
})

// host is an embedded instance that answers over TDS.
type host struct {
	t    *testing.T
	at   sqlclient.Target
	sa   *sqlclient.Client
	stop func()
}

func start(t *testing.T, name string, kind instance.Kind, folder string) *host {
	t.Helper()
	return startBehind(t, name, kind, folder, nil)
}

// startBehind has every batch go through a function, which may change or refuse it; nil lets all pass.
func startBehind(t *testing.T, name string, kind instance.Kind, folder string, gate gate) *host {
	t.Helper()
	in, err := instance.Open(t.Context(), instance.Options{Name: name, Kind: kind, FQDN: name + ".linkspan.test", FS: fsx.NewMem(), Dir: "/srv", Password: password,
		Addresses: []string{"127.0.0.1"}, BackupFolders: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}
	cert, ca := certificate()
	server, err := tdsserver.New(tdsserver.Options{Addresses: []string{"127.0.0.1:0"}, Backend: guarded{in, gate}, ServerName: name, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, at: sqlclient.Target{Address: "127.0.0.1", Port: server.Addrs()[0].(*net.TCPAddr).Port, Host: "sql.example", CA: ca, User: "sa", Password: password, DialTimeout: time.Minute}}
	h.stop = sync.OnceFunc(func() {
		server.Stop()
		if err := in.Close(); err != nil {
			t.Errorf("close instance: %v", err)
		}
	})
	t.Cleanup(h.stop)
	h.sa = h.as("sa", password)
	return h
}

// gate sees a batch of the login that sent it, and gives the batch to run, or the error to answer.
type gate func(user, batch string) (string, *sqlerr.Error)

// guarded is an instance behind a gate.
type guarded struct {
	*instance.Instance
	gate gate
}

func (g guarded) Login(ctx context.Context, l sqlapi.Login, out sqlapi.ResultSink) (sqlapi.Session, error) {
	s, err := g.Instance.Login(ctx, l, out)
	if err != nil || g.gate == nil {
		return s, err
	}
	return guardedSession{s, func(batch string) (string, *sqlerr.Error) { return g.gate(l.User, batch) }}, nil
}

type guardedSession struct {
	sqlapi.Session
	gate func(string) (string, *sqlerr.Error)
}

func (s guardedSession) Batch(ctx context.Context, batch string, out sqlapi.ResultSink) error {
	batch, refusal := s.gate(batch)
	if refusal != nil {
		return out.Message(refusal)
	}
	return s.Session.Batch(ctx, batch, out)
}

// as logs in; the test fails when it cannot.
func (h *host) as(user, password string) *sqlclient.Client {
	h.t.Helper()
	c, err := h.login(user, password)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (h *host) login(user, password string) (*sqlclient.Client, error) {
	t := h.at
	t.User, t.Password, t.Database = user, password, "master"
	return sqlclient.Open(h.t.Context(), t)
}

// run runs a batch as sa.
func (h *host) run(batches ...string) {
	h.t.Helper()
	for _, b := range batches {
		if _, err := h.sa.Query(h.t.Context(), b); err != nil {
			h.t.Fatalf("%s: %v", b, err)
		}
	}
}

// rows gives what a query answers, a line for each row.
func (h *host) rows(query string) string {
	h.t.Helper()
	r, err := h.sa.Query(h.t.Context(), query)
	if err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	var b strings.Builder
	for _, set := range r.Sets {
		for _, row := range set.Rows {
			fmt.Fprintln(&b, row...)
		}
	}
	return b.String()
}

// backup takes a full backup of each database into folder.
func (h *host) backup(folder string, pairs ...logins.Pair) {
	h.t.Helper()
	for _, p := range pairs {
		h.run(fmt.Sprintf("BACKUP DATABASE %s TO DISK = %s WITH INIT, CHECKSUM", sqlclient.QuoteName(p.Source), sqlclient.QuoteString(filepath.Join(folder, p.Target+".bak"))))
	}
}

// restore brings what backup took to a server.
func (h *host) restore(folder string, pairs ...logins.Pair) {
	h.t.Helper()
	for _, p := range pairs {
		h.run(fmt.Sprintf("RESTORE DATABASE %s FROM DISK = %s", sqlclient.QuoteName(p.Target), sqlclient.QuoteString(filepath.Join(folder, p.Target+".bak"))))
	}
}

// journal is a log handler that keeps what was done on the target, and tells somebody after each.
type journal struct {
	mu   sync.Mutex
	done []string
	tell func(n int)
}

func (*journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler     { return j }
func (j *journal) WithGroup(string) slog.Handler          { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "what" {
			j.done = append(j.done, a.Value.String())
			if j.tell != nil {
				j.tell(len(j.done))
			}
		}
		return true
	})
	return nil
}

// take gives what was done since it was last asked.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.done
	j.done = nil
	return d
}

// move is one migration of logins between two hosts.
type move struct {
	*logins.Logins
	t       *testing.T
	journal *journal
}

func newMove(t *testing.T, src, dst *host, scope string, pairs ...logins.Pair) *move {
	j := new(journal)
	m := &move{t: t, journal: j, Logins: logins.New(logins.Options{Source: logins.Dial(src.at), Target: logins.Dial(dst.at), Databases: pairs, Scope: scope, Log: slog.New(j)})}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

// names are the logins of the list that are moved.
func (m *move) names(ctx context.Context) ([]string, error) {
	found, err := m.List(ctx)
	var out []string
	for _, f := range found {
		if f.Skip == "" {
			out = append(out, f.Name)
		}
	}
	return out, err
}

// stages does stages of all logins, stage by stage, and gives the warnings.
func (m *move) stages(ctx context.Context, stages ...flow.Stage) (string, error) {
	names, err := m.names(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, stage := range stages {
		for _, name := range names {
			warning, err := m.Do(ctx, name, stage)
			if err != nil {
				return b.String(), fmt.Errorf("%s of %s: %w", stage, name, err)
			}
			if warning != "" {
				fmt.Fprintf(&b, "%s %s: %s\n", stage, name, warning)
			}
		}
	}
	return b.String(), nil
}

// must does stages that have to succeed.
func (m *move) must(stages ...flow.Stage) string {
	m.t.Helper()
	warnings, err := m.stages(m.t.Context(), stages...)
	if err != nil {
		m.t.Fatal(err)
	}
	return warnings
}
