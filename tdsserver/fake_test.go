package tdsserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"go.uber.org/goleak"

	"linkspan/sqlapi"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tdsserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is what a batch does.
type script func(ctx context.Context, s *session, out sqlapi.ResultSink) error

// backend is a scripted stand-in for the engine.
type backend struct {
	password string
	batches  map[string]script
	call     func(ctx context.Context, s *session, c sqlapi.Call, out sqlapi.ResultSink) error
	login    func(l sqlapi.Login) error

	mu     sync.Mutex
	logins []sqlapi.Login
	open   atomic.Int64
	nextID atomic.Int64
	resets atomic.Int64
}

func (b *backend) ServerInfo() sqlapi.ServerInfo {
	return sqlapi.ServerInfo{Program: "Microsoft SQL Server", Major: 16, Build: 1000}
}

func (b *backend) Login(_ context.Context, l sqlapi.Login, out sqlapi.ResultSink) (sqlapi.Session, error) {
	if b.login != nil {
		if err := b.login(l); err != nil {
			return nil, err
		}
	}
	if l.User != "sa" || l.Password != b.password {
		return nil, sqlerr.New(18456, l.User)
	}
	b.mu.Lock()
	l.Password = ""
	b.logins = append(b.logins, l)
	b.mu.Unlock()
	db := l.Database
	if db == "" {
		db = "master"
	}
	if err := errors.Join(out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvDatabase, New: db, Old: "master"}), out.Message(sqlerr.New(5701, db))); err != nil {
		return nil, err
	}
	b.open.Add(1)
	return &session{b: b, id: int(50 + b.nextID.Add(1))}, nil
}

func (b *backend) last(t *testing.T) sqlapi.Login {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.logins) == 0 {
		t.Fatal("nobody has logged in")
	}
	return b.logins[len(b.logins)-1]
}

type session struct {
	b      *backend
	id     int
	tx     uint64
	closed atomic.Bool
	// seen counts batches since the last reset.
	seen int
}

func (s *session) ID() int { return s.id }

func (s *session) Close() error {
	if !s.closed.Swap(true) {
		s.b.open.Add(-1)
	}
	return nil
}

func (s *session) Reset(_ context.Context, _ bool, _ sqlapi.ResultSink) error {
	s.b.resets.Add(1)
	s.seen = 0
	return nil
}

func (s *session) Batch(ctx context.Context, text string, out sqlapi.ResultSink) error {
	s.seen++
	if f := s.b.batches[text]; f != nil {
		return f(ctx, s, out)
	}
	if text == "select 1" || text == "select 1;" {
		return rows(out, []sqlapi.Column{{Name: "", Type: sqltype.Type{Kind: sqltype.Int}}}, []sqltype.Value{sqltype.IntOf(sqltype.Int, 1)})
	}
	return out.Message(sqlerr.New(102, text).WithLine(1))
}

func (s *session) Call(ctx context.Context, c sqlapi.Call, out sqlapi.ResultSink) error {
	if s.b.call == nil {
		return out.Message(sqlerr.New(2812, c.Name))
	}
	return s.b.call(ctx, s, c, out)
}

func (s *session) Transaction(_ context.Context, r sqlapi.TxRequest, out sqlapi.ResultSink) error {
	switch r.Kind {
	case sqlapi.TxBegin:
		s.tx++
		return errors.Join(out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvBeginTx, Tx: s.tx}), out.Done(sqlapi.Done{Command: 0xd4}))
	case sqlapi.TxCommit:
		return errors.Join(out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvCommitTx, Tx: s.tx}), out.Done(sqlapi.Done{Command: 0xd5}))
	case sqlapi.TxRollback:
		return errors.Join(out.Env(sqlapi.EnvChange{Kind: sqlapi.EnvRollbackTx, Tx: s.tx}), out.Done(sqlapi.Done{Command: 0xd2}))
	}
	return out.Done(sqlapi.Done{})
}

// rows sends one result set.
func rows(out sqlapi.ResultSink, cols []sqlapi.Column, data ...[]sqltype.Value) error {
	if err := out.Columns(cols); err != nil {
		return err
	}
	for _, r := range data {
		if err := out.Row(r); err != nil {
			return err
		}
	}
	return out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: int64(len(data)), HasRows: true})
}

func intColumn(name string) sqlapi.Column {
	return sqlapi.Column{Name: name, Type: sqltype.Type{Kind: sqltype.Int}, Nullable: true}
}

func intRow(n int64) []sqltype.Value { return []sqltype.Value{sqltype.IntOf(sqltype.Int, n)} }

// ca is a certificate authority for one test, and a certificate for 127.0.0.1 that it signed.
type ca struct {
	pool *x509.CertPool
	file string
	leaf tls.Certificate
}

func newCA(t testing.TB) *ca {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	must(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), key)
	must(err)
	c := &ca{pool: x509.NewCertPool(), file: filepath.Join(t.TempDir(), "ca.pem"), leaf: tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}}
	rootPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
	c.pool.AppendCertsFromPEM(rootPEM)
	must(os.WriteFile(c.file, rootPEM, 0o600))
	return c
}

// server is a running server under test.
type server struct {
	*tdsserver.Server
	b    *backend
	ca   *ca
	addr *net.TCPAddr
}

func start(t testing.TB, b *backend, change ...func(*tdsserver.Options)) *server {
	t.Helper()
	b.password = "Pa$$w0rd"
	s := &server{b: b, ca: newCA(t)}
	o := tdsserver.Options{Addresses: []string{"127.0.0.1:0"}, TLS: &tls.Config{Certificates: []tls.Certificate{s.ca.leaf}}, Backend: b, ServerName: "testserver"}
	for _, f := range change {
		f(&o)
	}
	var err error
	if s.Server, err = tdsserver.New(o); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.addr = s.Addrs()[0].(*net.TCPAddr)
	return s
}

// db opens a pool of connections with go-mssqldb; params are added to the URL.
func (s *server) db(t testing.TB, params string, change ...func(*msdsn.Config)) *sql.DB {
	t.Helper()
	q, err := url.ParseQuery(params)
	if err != nil {
		t.Fatal(err)
	}
	user := url.UserPassword("sa", "Pa$$w0rd")
	if q.Has("user id") {
		user = url.UserPassword(q.Get("user id"), q.Get("password"))
		q.Del("user id")
		q.Del("password")
	}
	q.Set("certificate", s.ca.file)
	u := url.URL{Scheme: "sqlserver", User: user, Host: s.addr.String(), RawQuery: q.Encode()}
	cfg, err := msdsn.Parse(u.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&cfg)
	}
	db := sql.OpenDB(mssql.NewConnectorConfig(cfg))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		waitABit()
	}
	t.Fatalf("waited in vain for %s", what)
}

func waitABit() {
	c := time.NewTimer(time.Millisecond)
	<-c.C
}
