package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// expired is the authority's certificate as it would be eleven years from now: signed by the same key, but past.
func expired(t *testing.T, cert, key []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(cert)
	old, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	keyBlock, _ := pem.Decode(key)
	k, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer := k.(*ecdsa.PrivateKey)
	old.NotBefore, old.NotAfter = time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	der, err := x509.CreateCertificate(rand.Reader, old, old, &signer.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pemCertificate(der)
}

// notCA is a certificate of the key that may not sign others.
func notCA(t *testing.T, key []byte) []byte {
	t.Helper()
	keyBlock, _ := pem.Decode(key)
	k, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer := k.(*ecdsa.PrivateKey)
	if signer.Curve != elliptic.P256() {
		t.Errorf("the authority's key is on %s", signer.Curve.Params().Name)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &signer.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pemCertificate(der)
}
