package armtypes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/armtypes"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]armtypes.Generation{
		"2021-05-01-preview": armtypes.OldLink, "2022-02-01-preview": armtypes.OldLink, "2023-02-01-preview": armtypes.OldLink,
		"2023-05-01-preview": armtypes.NewLink, "2023-08-01": armtypes.NewLink, "2099-12-31": armtypes.NewLink,
	} {
		v, err := armtypes.ParseVersion(s)
		if err != nil || v.Generation() != want {
			t.Errorf("%s: generation %v, %v", s, v.Generation(), err)
		}
	}
	for _, s := range []string{"", "latest", "2021-02-30", "2021-5-1", "2023-08-01-", "2023-08-01-preview2", " 2023-08-01", strings.Repeat("2", 100)} {
		if _, err := armtypes.ParseVersion(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

// What a client sends in either generation comes back in either generation.
func TestLinkBodies(t *testing.T) {
	t.Parallel()
	want := armtypes.LinkSpec{Name: "dag", InstanceRole: "Secondary", InstanceAG: "mi", PartnerAG: "ag", PartnerEndpoint: "TCP://h:5022",
		FailoverMode: "None", SeedingMode: "Automatic", ReplicationMode: "Async", Databases: []string{"db"}}
	for _, g := range []armtypes.Generation{armtypes.OldLink, armtypes.NewLink} {
		got, err := want.Body(g).Spec("dag")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("generation %d: %s", g, d)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"TCP://10.0.0.4:5022": "10.0.0.4 5022", "tcp://sql-1.example.com:1": "sql-1.example.com 1", "tcp://[::1]:5022/": "::1 5022",
		"10.0.0.4:5022": "", "tcp://h": "", "tcp://h:0": "", "tcp://h:65536": "", "tcp://:5022": "", "tcp://a b:5022": "", "tcp://h;Server=[x]:5022": "", "http://h:1": "", "tcp://h':5022": "",
	} {
		host, port, err := armtypes.SplitEndpoint(s)
		got := ""
		if err == nil {
			got = host + " " + big.NewInt(int64(port)).String()
		}
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", s, got, err, want)
		}
	}
}

func TestInstanceIDs(t *testing.T) {
	t.Parallel()
	id := armtypes.InstanceID{Subscription: "s", ResourceGroup: "g", Name: "m"}
	for _, s := range []string{id.String(), strings.ToUpper(id.String()[:1]) + strings.ToLower(id.String()[1:]), strings.Replace(id.String(), "resourceGroups", "RESOURCEGROUPS", 1)} {
		if got, err := armtypes.ParseInstanceID(s); err != nil || got != id {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"", "m", id.String() + "/databases/x", "/subscriptions/s/resourceGroups//providers/Microsoft.Sql/managedInstances/m", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/m"} {
		if _, err := armtypes.ParseInstanceID(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func certificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Unix(1e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestPublicBlobs(t *testing.T) {
	t.Parallel()
	der := certificate(t)
	for _, s := range []string{armtypes.PublicBlob(der), armtypes.BareBlob(der), " " + strings.ToLower(armtypes.PublicBlob(der)) + "\r\n"} {
		if c, err := armtypes.ParsePublicBlob(s); err != nil || string(c.Raw) != string(der) {
			t.Errorf("%.20q: %v", s, err)
		}
	}
}

// What is taken for a certificate prints as hex and nothing else, whatever was sent.
func FuzzParsePublicBlob(f *testing.F) {
	f.Add("0x3082")
	f.Add(armtypes.PublicBlob(certificate(f)) + "'; DROP DATABASE x --")
	f.Add(armtypes.PublicBlob(certificate(f)))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := armtypes.ParsePublicBlob(s)
		if err != nil {
			return
		}
		out := armtypes.PublicBlob(c.Raw)
		if strings.Trim(out, "0123456789ABCDEFx") != "" {
			t.Fatalf("prints %q", out)
		}
		if !strings.EqualFold(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "0x"), out[2:]) {
			t.Fatalf("%q is not what was sent", out)
		}
	})
}
