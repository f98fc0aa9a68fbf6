package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
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
	"linkspan/sqlclient"
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

// start runs an embedded instance whose backups go to folder, and gives where it answers.
func start(t testing.TB, name string, kind instance.Kind, folder string) sqlclient.Target {
	t.Helper()
	in, err := instance.Open(t.Context(), instance.Options{Name: name, Kind: kind, FQDN: name + ".linkspan.test", FS: fsx.NewMem(), Dir: "/srv", Password: password,
		Addresses: []string{"127.0.0.1"}, BackupFolders: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}
	cert, ca := certificate()
	server, err := tdsserver.New(tdsserver.Options{Addresses: []string{"127.0.0.1:0"}, Backend: in, ServerName: name, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if err := in.Close(); err != nil {
			t.Errorf("close instance: %v", err)
		}
	})
	return sqlclient.Target{Address: "127.0.0.1", Port: server.Addrs()[0].(*net.TCPAddr).Port, Host: "sql.example", CA: ca, User: "sa", Password: password, DialTimeout: time.Minute}
}

// open describes a server that is closed when the test ends.
func open(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// pair runs a source and a destination that see one backup folder.
func pair(t testing.TB) (src, dst *Server, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "backup")
	src = open(t, Options{Target: start(t, "sqlserver1", instance.SQLServer, folder)})
	dst = open(t, Options{Target: start(t, "sqlserver2", instance.SQLServer, folder), At: flow.AtTarget})
	return src, dst, folder
}

// must runs a batch that has to succeed, and gives its rows.
func must(t testing.TB, s *Server, text string) []row {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found, err := s.rows(ctx, text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return found
}

// state is what sys.databases says of a database.
func state(t testing.TB, s *Server, database string) string {
	t.Helper()
	d, err := s.standing(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	st := d.state + " " + d.access
	if d.standby {
		st += " STANDBY"
	}
	return st
}

// hindrance is a *flow.Hindrance whose text, with its fix, holds what is given.
func hindrance(t testing.TB, err error, says ...string) {
	t.Helper()
	var h *flow.Hindrance
	if !errors.As(err, &h) {
		t.Fatalf("want a hindrance that says %q, got %v", says, err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q is not said in: %v", s, err)
		}
	}
}

// shop makes a database with rows, and backs it up in full.
func shop(t testing.TB, s *Server, name string) {
	t.Helper()
	must(t, s, "CREATE DATABASE "+sqlclient.QuoteName(name))
	must(t, s, fmt.Sprintf(`USE %s; CREATE TABLE dbo.orders(id int IDENTITY PRIMARY KEY, what nvarchar(50), price decimal(10,2), at datetime2(7));
INSERT INTO dbo.orders(what, price, at) VALUES (N'bread', 2.50, '2026-01-02T03:04:05.1234567'), (N'Käse', 11.00, NULL), (NULL, -0.01, '0001-01-01')`, sqlclient.QuoteName(name)))
	must(t, s, fmt.Sprintf("BACKUP DATABASE %s TO DISK = %s WITH CHECKSUM, FORMAT", sqlclient.QuoteName(name), sqlclient.QuoteString(name+".bak")))
}
