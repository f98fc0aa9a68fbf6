package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"linkspan/sqlerr"
	"linkspan/trust"
)

var now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// memStore is a Store in memory; fail makes every change fail.
type memStore struct {
	mu   sync.Mutex
	docs map[string]map[string][]byte
	fail error
}

func newStore() *memStore { return &memStore{docs: map[string]map[string][]byte{}} }

func (s *memStore) Load(_ context.Context, kind string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.docs[kind]), nil
}

func (s *memStore) Put(_ context.Context, kind, name string, doc []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.docs[kind] == nil {
		s.docs[kind] = map[string][]byte{}
	}
	s.docs[kind][name] = doc
	return nil
}

func (s *memStore) Delete(_ context.Context, kind, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	delete(s.docs[kind], name)
	return nil
}

var service = trust.ServiceKey{1, 2, 3}

func open(t *testing.T, s trust.Store, key trust.ServiceKey) *trust.Keeper {
	t.Helper()
	k, err := trust.OpenKeeper(t.Context(), trust.Options{Store: s, Service: key, Now: func() time.Time { return now }, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantNumber(t *testing.T, err error, want int32) {
	t.Helper()
	if got := sqlerr.Number(err); got != want || err == nil {
		t.Errorf("error is %v, want number %d", err, want)
	}
}

const password = "Str0ng-enough'"

func TestCertificateLife(t *testing.T) {
	t.Parallel()
	s := newStore()
	k := open(t, s, service)
	changes := 0
	k.Watch(func() { changes++ })
	spec := trust.CertificateSpec{Name: "Cert_a]'b_endpoint", Subject: "Certificate for Cert_sqlserver1_endpoint", Expiry: now.AddDate(2, 0, 0)}
	_, err := k.CreateCertificate(t.Context(), spec)
	wantNumber(t, err, 15581)
	wantNumber(t, k.CreateMasterKey(t.Context(), "weak"), 15118)
	if err := k.CreateMasterKey(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	wantNumber(t, k.CreateMasterKey(t.Context(), password), 15578)
	if w, err := k.CreateCertificate(t.Context(), spec); err != nil || len(w) != 0 {
		t.Fatal(w, err)
	}
	spec.Name = strings.ToUpper(spec.Name)
	_, err = k.CreateCertificate(t.Context(), spec)
	wantNumber(t, err, 15232)
	wantNumber(t, k.DropMasterKey(t.Context()), 15580)
	if changes != 2 {
		t.Errorf("watchers were told of %d changes, want 2", changes)
	}

	c := k.ByName("cert_A]'B_endpoint")
	if c == nil || c.ID != trust.FirstCertificateID || c.Encryption() != trust.EncryptedByMasterKey || c.KeyLength() != 2048 {
		t.Fatalf("certificate is %+v", c)
	}
	x, err := trust.ParsePublic(c.DER)
	if err != nil || x.SignatureAlgorithm != x509.SHA256WithRSA || x.CheckSignature(x.SignatureAlgorithm, x.RawTBSCertificate, x.Signature) != nil {
		t.Fatalf("%v %v", x, err)
	}
	if c.Subject() != spec.Subject || c.Issuer() != spec.Subject || !c.Start().Equal(now) || !c.Expiry().Equal(now.AddDate(2, 0, 0)) {
		t.Errorf("%q %q %v %v", c.Subject(), c.Issuer(), c.Start(), c.Expiry())
	}
	if got := c.Property("EXPIRY_DATE"); got.N != int64(now.AddDate(2, 0, 0).Sub(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))/time.Second)*300 {
		t.Errorf("Expiry_Date is %d", got.N)
	}
	if len(c.Serial()) != 16*3-1 || !strings.HasPrefix(c.StringSID(), "S-1-9-1-") || !c.Property("no such").IsNull() {
		t.Errorf("%q %q", c.Serial(), c.StringSID())
	}
	for name, docs := range s.docs {
		for _, doc := range docs {
			if strings.Contains(string(doc), password) {
				t.Errorf("the password stands in the %s document", name)
			}
		}
	}

	// A restart needs only the service key; with another one the private key stays shut until the password comes.
	key, err := k.PrivateKey(c)
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, s, service)
	other, err := again.PrivateKey(again.ByID(c.ID))
	if err != nil || !key.Public().(*rsa.PublicKey).Equal(other.Public()) {
		t.Fatalf("after a restart the private key is another one, or none: %v", err)
	}
	foreign := open(t, s, trust.ServiceKey{9})
	_, err = foreign.PrivateKey(foreign.ByID(c.ID))
	wantNumber(t, err, 15581)
	wantNumber(t, foreign.OpenMasterKey("Not-the-1"), 15313)
	if err := foreign.OpenMasterKey(password); err != nil {
		t.Fatal(err)
	}
	if err := foreign.CheckEndpoint(foreign.ByID(c.ID)); err != nil {
		t.Error(err)
	}

	k.Guard(func(*trust.Certificate) error { return sqlerr.New(15352, "certificate") })
	wantNumber(t, k.DropCertificate(t.Context(), c.Name), 15352)
	if err := again.DropCertificate(t.Context(), c.Name); err != nil || again.ByID(c.ID) != nil {
		t.Error(err)
	}
	wantNumber(t, again.DropCertificate(t.Context(), c.Name), 15151)
	if err := again.DropMasterKey(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDatesAreWarnedOf(t *testing.T) {
	t.Parallel()
	k := open(t, newStore(), service)
	if err := k.CreateMasterKey(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		start, expiry time.Time
		warning       int32
	}{
		{"expired", time.Time{}, time.Date(2025, 3, 30, 0, 0, 0, 0, time.UTC), 15214},
		{"future", now.AddDate(0, 1, 0), time.Time{}, 15215},
	} {
		w, err := k.CreateCertificate(t.Context(), trust.CertificateSpec{Name: c.name, Subject: "s", Start: c.start, Expiry: c.expiry})
		if err != nil || len(w) != 1 || w[0].Number != c.warning || w[0].IsError() {
			t.Errorf("%s: %v, %v", c.name, w, err)
		}
		wantNumber(t, k.CheckEndpoint(k.ByName(c.name)), 28055)
	}
	_, err := k.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "x", Subject: "s", Start: now, Expiry: now.Add(-time.Hour)})
	wantNumber(t, err, 15213)
	_, err = k.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "x"})
	wantNumber(t, err, 15212)
	_, err = k.CreateCertificate(t.Context(), trust.CertificateSpec{Name: strings.Repeat("n", 129), Subject: "s"})
	wantNumber(t, err, 103)
}

func TestImportTakesOneCertificateOnly(t *testing.T) {
	t.Parallel()
	a, b := open(t, newStore(), service), open(t, newStore(), service)
	if err := a.CreateMasterKey(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CreateCertificate(t.Context(), trust.CertificateSpec{Name: "a", Subject: "O'Brien [x]; DROP TABLE t --"}); err != nil {
		t.Fatal(err)
	}
	der := a.ByName("a").DER
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ec"}}
	ecDER, err := x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "text": []byte("0x01; DROP DATABASE master"), "short": der[:len(der)-1], "long": append(der[:len(der):len(der)], 0), "elliptic": ecDER,
	} {
		_, err := b.ImportCertificate(t.Context(), name, bad)
		wantNumber(t, err, 15297)
	}
	if _, err := b.ImportCertificate(t.Context(), "sqlmi1.linkspan.test", der); err != nil {
		t.Fatal(err)
	}
	c := b.ByDER(der)
	if c == nil || c.Encryption() != trust.NoPrivateKey || c.Subject() != "O'Brien [x]; DROP TABLE t --" || string(c.Thumbprint()) != string(a.ByName("a").Thumbprint()) {
		t.Errorf("imported %+v", c)
	}
	_, err = b.ImportCertificate(t.Context(), "again", der)
	wantNumber(t, err, 15232)
	wantNumber(t, b.CheckEndpoint(c), 28055)
}

func TestProtectors(t *testing.T) {
	t.Parallel()
	s := newStore()
	k := open(t, s, service)
	wantNumber(t, k.AddProtector(t.Context(), trust.Protector{Service: true}), 15151)
	if err := k.CreateMasterKey(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	wantNumber(t, k.DropProtector(t.Context(), trust.Protector{Password: "Another-1"}), 15313)
	if err := k.AddProtector(t.Context(), trust.Protector{Password: "Another-1x"}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []trust.Protector{{Password: password}, {Service: true}} {
		if err := k.DropProtector(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	wantNumber(t, k.DropProtector(t.Context(), trust.Protector{Password: "Another-1x"}), 15558)
	after := open(t, s, service)
	wantNumber(t, after.AddProtector(t.Context(), trust.Protector{Service: true}), 15581)
	if err := after.OpenMasterKey("Another-1x"); err != nil {
		t.Fatal(err)
	}
	if err := after.AddProtector(t.Context(), trust.Protector{Service: true}); err != nil {
		t.Fatal(err)
	}
}

func TestAFailedStoreChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStore()
	k := open(t, s, service)
	s.fail = context.DeadlineExceeded
	if err := k.CreateMasterKey(t.Context(), ""); err == nil || k.MasterKey() != nil {
		t.Error("a master key that was not stored is shown", err)
	}
	s.fail = nil
	if err := k.CreateMasterKey(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func TestServiceKeySpelling(t *testing.T) {
	t.Parallel()
	k, err := trust.NewServiceKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := trust.ParseServiceKey(k.Text()); err != nil || got != k {
		t.Error(got, err)
	}
	if strings.Contains(k.String(), k.Text()[:8]) {
		t.Error("String shows the key")
	}
	for _, bad := range []string{"", k.Text()[1:], k.Text() + "00", strings.Repeat("g", 64)} {
		if _, err := trust.ParseServiceKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("ParseServiceKey(%q): %v", bad, err)
		}
	}
}

func FuzzParsePublic(f *testing.F) {
	f.Add([]byte("0x30"))
	f.Fuzz(func(t *testing.T, der []byte) {
		if x, err := trust.ParsePublic(der); err == nil && len(x.Raw) != len(der) {
			t.Errorf("%d bytes taken of %d", len(x.Raw), len(der))
		}
	})
}
