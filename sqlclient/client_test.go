package sqlclient_test

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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"linkspan/sqlapi"
	"linkspan/sqlclient"
	"linkspan/sqlerr"
	"linkspan/sqltype"
	"linkspan/tdsserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend answers a few batches the way a server does.
type backend struct{}

func (backend) ServerInfo() sqlapi.ServerInfo {
	return sqlapi.ServerInfo{Program: "Microsoft SQL Server", Major: 16, Build: 1000}
}

func (backend) Login(_ context.Context, l sqlapi.Login, _ sqlapi.ResultSink) (sqlapi.Session, error) {
	if l.User != "sa" || l.Password != "right" {
		return nil, sqlerr.New(18456, l.User)
	}
	return session{}, nil
}

type session struct{}

func (session) ID() int                                              { return 51 }
func (session) Close() error                                         { return nil }
func (session) Reset(context.Context, bool, sqlapi.ResultSink) error { return nil }
func (session) Transaction(context.Context, sqlapi.TxRequest, sqlapi.ResultSink) error {
	return nil
}

func text(name string) sqlapi.Column {
	return sqlapi.Column{Name: name, Type: sqltype.Type{Kind: sqltype.NVarChar, Len: 100}, Nullable: true}
}

func value(s string) sqltype.Value { return sqltype.NVarCharOf(s) }

func (session) Batch(ctx context.Context, batch string, out sqlapi.ResultSink) error {
	done := func(n int64) error { return out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: n, HasRows: true}) }
	switch batch {
	case "two sets":
		return errors.Join(out.Message(sqlerr.Raise(0, 0, 1, "hello")), out.Columns([]sqlapi.Column{text("a"), text("b")}),
			out.Row([]sqltype.Value{value("x"), {K: sqltype.NVarChar}}), done(1), out.Message(sqlerr.Raise(15213, 10, 1, "a warning")),
			out.Columns([]sqlapi.Column{{Name: "id", Type: sqltype.Type{Kind: sqltype.UniqueIdentifier}}, {Name: "n", Type: sqltype.Type{Kind: sqltype.Decimal, Prec: 5, Scale: 2}}}),
			out.Row([]sqltype.Value{{K: sqltype.UniqueIdentifier, Valid: true, S: "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"}, {K: sqltype.Decimal, Scale: 2, Valid: true, N: 12345}}), done(1))
	case "this fails":
		return errors.Join(out.Message(sqlerr.Raise(1475, 16, 2, "no full backup").WithLine(3)), out.Message(sqlerr.Raise(41152, 16, 1, "rolled back").WithLine(3)))
	case "this waits":
		<-ctx.Done()
		return context.Cause(ctx)
	case "select 1", "select 1;": // the second is what a driver pings with
		return errors.Join(out.Columns([]sqlapi.Column{text("")}), out.Row([]sqltype.Value{value("1")}), done(1))
	}
	return out.Message(sqlerr.New(102, batch))
}

// Call echoes the text of sp_executesql and its first parameter.
func (session) Call(_ context.Context, c sqlapi.Call, out sqlapi.ResultSink) error {
	return errors.Join(out.Columns([]sqlapi.Column{text("sql"), text("p")}), out.Row([]sqltype.Value{value(c.Params[0].Value.S), value(c.Params[2].Value.S)}),
		out.Done(sqlapi.Done{Command: sqlapi.CmdSelect, Rows: 1, HasRows: true}))
}

// serve runs a server and returns a target for it.
func serve(t *testing.T) sqlclient.Target {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"sql.example"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := tdsserver.New(tdsserver.Options{Addresses: []string{"127.0.0.1:0"}, Backend: backend{}, ServerName: "sqlserver1",
		TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return sqlclient.Target{Address: "127.0.0.1", Port: s.Addrs()[0].(*net.TCPAddr).Port, Host: "sql.example", User: "sa", Password: "right",
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func open(t *testing.T, target sqlclient.Target) *sqlclient.Client {
	t.Helper()
	c, err := sqlclient.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestQuery(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t))
	r, err := c.Query(t.Context(), "two sets")
	if err != nil {
		t.Fatal(err)
	}
	want := []sqlclient.Set{
		{Columns: []string{"a", "b"}, Rows: [][]any{{"x", nil}}},
		{Columns: []string{"id", "n"}, Rows: [][]any{{"00112233-4455-6677-8899-AABBCCDDEEFF", "123.45"}}},
	}
	if d := cmp.Diff(want, r.Sets); d != "" {
		t.Error(d)
	}
	hostile := "'; DROP DATABASE db1; --"
	r, err = c.Query(t.Context(), "SELECT @name", sql.Named("name", hostile))
	if err != nil || r.First().Rows[0][0] != "SELECT @name" || r.First().Rows[0][1] != hostile {
		t.Errorf("a bound value: %v %v", r.First(), err)
	}
}

// The first error is the one with the reason; those that follow from it stay with it.
func TestErrors(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t))
	_, err := c.Query(t.Context(), "this fails")
	var e *sqlerr.Error
	if !errors.As(err, &e) || e.Number != 1475 || e.State != 2 || e.Line != 3 || !errors.Is(err, &sqlerr.Error{Number: 41152}) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx, "this waits"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a statement that takes too long: %v", err)
	}
	if r, err := c.Query(t.Context(), "select 1"); err != nil || len(r.First().Rows) != 1 {
		t.Errorf("after that: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good := serve(t)
	for name, c := range map[string]struct {
		change func(*sqlclient.Target)
		says   string
	}{
		"wrong password":       {func(t *sqlclient.Target) { t.Password = "wrong-secret" }, "Msg 18456"},
		"unknown authority":    {func(t *sqlclient.Target) { t.CA = nil }, "certificate"},
		"another name":         {func(t *sqlclient.Target) { t.Host = "other.example" }, "other.example"},
		"no address":           {func(t *sqlclient.Target) { t.Address = "" }, "no address"},
		"nobody listens there": {func(t *sqlclient.Target) { t.Port = 1; t.DialTimeout = time.Second }, "127.0.0.1:1"},
		"no PEM":               {func(t *sqlclient.Target) { t.CA = []byte("x") }, "PEM"},
	} {
		target := good
		c.change(&target)
		client, err := sqlclient.Open(t.Context(), target)
		if err == nil {
			_ = client.Close()
			t.Errorf("%s: connected", name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), target.Password) {
			t.Errorf("%s: %v", name, err)
		}
	}
	trusting := good
	trusting.CA, trusting.TrustServerCertificate = nil, true
	open(t, trusting)
}

func TestQuoting(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{sqlclient.QuoteName("a]b[c"), "[a]]b[c]"}, {sqlclient.QuoteName("x' --"), "[x' --]"}, {sqlclient.QuoteName("]"), "[]]]"},
		{sqlclient.QuoteString("it's ''"), "N'it''s '''''"}, {sqlclient.Binary([]byte{0, 0xab}), "0x00AB"}, {sqlclient.Binary(nil), "0x"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %s, want %s", c[0], c[1])
		}
	}
}
