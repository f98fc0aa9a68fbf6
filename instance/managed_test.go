package instance_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"
)

// TestManagedCertificate hands the managed instance's public key to a SQL Server the way the first seed does, and the
// SQL Server's to the managed instance the way its ARM endpoint does.
func TestManagedCertificate(t *testing.T) {
	t.Parallel()
	target := open(t, managed())
	given := must(t, logIn(t, target), "EXEC sp_get_endpoint_certificate @endpoint_type = 4")
	key := strings.TrimSpace(strings.TrimPrefix(given, "EndpointCertificatePublicKey\n"))
	if own := must(t, logIn(t, target), "SELECT CERTENCODED(CERT_ID('Cert_sqlmi1_endpoint'))"); !strings.Contains(own, key) || !strings.HasPrefix(key, "0x30") {
		t.Fatalf("the endpoint's certificate is\n%s\nbut was given as\n%s", own, given)
	}
	s := logIn(t, open(t, options()))
	must(t, s, "CREATE CERTIFICATE [sqlmi1.linkspan.test] FROM BINARY = "+key)
	refused(t, s, 15232, "CREATE CERTIFICATE [another name] FROM BINARY = "+key)
	if got := must(t, s, "SELECT subject, pvt_key_encryption_type FROM sys.certificates WHERE name = 'sqlmi1.linkspan.test'"); !strings.Contains(got, "  sqlmi1.linkspan.test | NA\n") {
		t.Errorf("the imported certificate: %s", got)
	}
	must(t, s, "CREATE MASTER KEY ENCRYPTION BY PASSWORD = 'Secret-enough-1'; CREATE CERTIFICATE own WITH SUBJECT = 'own', EXPIRY_DATE = '2030-01-01'")
	for range 2 { // doing it again changes nothing
		if err := target.TrustPartner(context.Background(), "Cert_sqlserver1_endpoint", derOf(t, must(t, s, "SELECT CERTENCODED(CERT_ID('own')) AS k"))); err != nil {
			t.Fatal(err)
		}
	}
	if c := target.PartnerCertificates(); len(c) != 1 || c[0].Name != "Cert_sqlserver1_endpoint" {
		t.Errorf("partners: %v", c)
	}
	if err := target.TrustPartner(context.Background(), "x", []byte("'); DROP DATABASE master --")); err == nil || !strings.Contains(err.Error(), "15297") {
		t.Errorf("a key that is none: %v", err)
	}
	for range 2 {
		if err := target.ForgetPartner(context.Background(), "Cert_sqlserver1_endpoint"); err != nil {
			t.Fatal(err)
		}
	}
	if c := target.PartnerCertificates(); len(c) != 0 {
		t.Errorf("a forgotten partner: %v", c)
	}
}

func derOf(t *testing.T, rows string) []byte {
	t.Helper()
	der, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(rows, "k\n")), "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return der
}
