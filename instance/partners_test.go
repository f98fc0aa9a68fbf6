package instance_test

import (
	"context"
	"strings"
	"testing"
)

// TestTrustPartnerRefused: what cannot be imported replaces nothing, neither a partner's certificate nor one of the
// instance's own.
func TestTrustPartnerRefused(t *testing.T) {
	t.Parallel()
	source := logIn(t, open(t, options()))
	must(t, source, `CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Secret-enough-1'; CREATE CERTIFICATE one WITH SUBJECT = 'one', EXPIRY_DATE = '2030-01-01';
		CREATE CERTIFICATE two WITH SUBJECT = 'two', EXPIRY_DATE = '2030-01-01'; CREATE CERTIFICATE three WITH SUBJECT = 'three', EXPIRY_DATE = '2030-01-01'`)
	der := func(name string) []byte {
		return derOf(t, must(t, source, "SELECT CERTENCODED(CERT_ID('"+name+"')) AS k"))
	}
	target, ctx := open(t, managed()), context.Background()
	s := logIn(t, target)
	must(t, s, "CREATE CERTIFICATE mine WITH SUBJECT = 'mine', EXPIRY_DATE = '2030-01-01'")
	for _, name := range []string{"one", "two"} {
		if err := target.TrustPartner(ctx, name, der(name)); err != nil {
			t.Fatal(err)
		}
	}
	before := must(t, s, "SELECT name, thumbprint FROM sys.certificates ORDER BY name")
	for what, err := range map[string]error{
		"a certificate that is there under another name": target.TrustPartner(ctx, "one", der("two")),
		"text":                                  target.TrustPartner(ctx, "one", []byte("no certificate")),
		"under the name of the instance's own":  target.TrustPartner(ctx, "mine", der("three")),
		"under the name of the endpoint's own ": target.TrustPartner(ctx, "Cert_sqlmi1_endpoint", der("three")),
	} {
		if err == nil || !strings.Contains(err.Error(), "15232") && !strings.Contains(err.Error(), "15297") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := must(t, s, "SELECT name, thumbprint FROM sys.certificates ORDER BY name"); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if err := target.TrustPartner(ctx, "one", der("three")); err != nil {
		t.Errorf("a renewed certificate: %v", err)
	}
}
