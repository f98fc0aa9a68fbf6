package arm_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"linkspan/arm"
)

func parse(t *testing.T, data []byte) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(data)
	if b == nil {
		t.Fatal("no PEM")
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The authority lasts over restarts, or every client would have to be told anew; the server's certificate follows the
// names it is reached by and is renewed before it ends.
func TestIdentityLasts(t *testing.T) {
	t.Parallel()
	s := memStore{}
	now := time.Now()
	open := func(at time.Time, hosts ...string) *arm.Identity {
		t.Helper()
		id, err := arm.OpenIdentity(s, hosts, at)
		if err != nil {
			t.Fatal(err)
		}
		leaf := parse(t, s["server.pem"])
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(id.CA)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: hosts[0], CurrentTime: at}); err != nil {
			t.Errorf("the leaf does not verify for %s: %v", hosts[0], err)
		}
		return id
	}
	first := open(now, "localhost", "127.0.0.1")
	leaf := s["server.pem"]
	if again := open(now.Add(time.Hour), "localhost", "127.0.0.1"); !bytes.Equal(again.CA, first.CA) || !bytes.Equal(leaf, s["server.pem"]) {
		t.Error("a restart made new certificates")
	}
	if moved := open(now, "arm.linkspan.test"); !bytes.Equal(moved.CA, first.CA) || bytes.Equal(leaf, s["server.pem"]) {
		t.Error("another host: want the same authority and a new leaf")
	}
	leaf = s["server.pem"]
	if open(now.Add(780*24*time.Hour), "arm.linkspan.test"); bytes.Equal(leaf, s["server.pem"]) {
		t.Error("the leaf was not renewed before its end")
	}
	s["token-key.pem"] = []byte("damaged")
	if _, err := arm.OpenIdentity(s, []string{"x"}, now); err == nil || !strings.Contains(err.Error(), "token-key.pem") {
		t.Errorf("a damaged key must be named: %v", err)
	}
}

func TestOptionsReportEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := arm.New(arm.Options{BaseURL: "http://x", Tenant: "t", Subscription: subscription, Clients: []arm.Client{{ID: clientID, Secret: "short-secret"}}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"BaseURL", "Tenant", "fewer than 16", "Identity", "Instances"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short-secret") {
		t.Error("the error shows the secret")
	}
}
