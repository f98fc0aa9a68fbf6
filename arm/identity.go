package arm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"slices"
	"time"
)

// The names under which an Identity is kept.
const (
	CAFile       = "ca.pem"         // the authority's certificate, for clients to trust; no secret
	caKeyFile    = "ca-key.pem"     // secret
	leafFile     = "server.pem"     // the server's certificate; no secret
	leafKeyFile  = "server-key.pem" // secret
	tokenKeyFile = "token-key.pem"  // secret: signs access tokens
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 800 * 24 * time.Hour // what platforms accept of a private authority at most is 825 days
	renewAt  = 60 * 24 * time.Hour  // a leaf with less left is made anew at start
	backdate = time.Hour            // forgives clients whose clock is behind
)

// Store keeps small named files. Load returns an error that is fs.ErrNotExist for what was never saved. Save replaces
// a file as a whole, durably; a secret one MUST be readable by its owner only.
type Store interface {
	Load(name string) ([]byte, error)
	Save(name string, data []byte, secret bool) error
}

// Identity is what the endpoint proves itself by: its own certificate authority, the server certificate under it, and
// the key that signs tokens.
type Identity struct {
	// CA is the authority's certificate in PEM: what clients are told to trust.
	CA []byte

	leaf     tls.Certificate
	tokenKey *ecdsa.PrivateKey
	tokenID  string // the key's id in tokens and in the key set
}

// OpenIdentity loads the identity from store and makes what is missing: everything at the first start, a new server
// certificate when the hosts changed or its end is near. hosts are the DNS names and addresses that clients use.
func OpenIdentity(store Store, hosts []string, now time.Time) (*Identity, error) {
	if len(hosts) == 0 {
		return nil, errors.New("open identity: no host names")
	}
	ca, caKey, err := openAuthority(store, now)
	if err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	leaf, err := openLeaf(store, ca, caKey, hosts, now)
	if err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	key, err := openKey(store, tokenKeyFile)
	if err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	sum := sha256.Sum256(pub)
	return &Identity{CA: encodeCertificate(ca.Raw), leaf: leaf, tokenKey: key, tokenID: hex.EncodeToString(sum[:10])}, nil
}

func openAuthority(store Store, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := openKey(store, caKeyFile)
	if err != nil {
		return nil, nil, err
	}
	cert, err := loadCertificate(store, CAFile)
	if err == nil && now.Before(cert.NotAfter) && key.PublicKey.Equal(cert.PublicKey) {
		return cert, key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Linkspan local authority"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err = issue(store, CAFile, t, t, key.Public().(*ecdsa.PublicKey), key)
	return cert, key, err
}

func openLeaf(store Store, ca *x509.Certificate, caKey *ecdsa.PrivateKey, hosts []string, now time.Time) (tls.Certificate, error) {
	key, err := openKey(store, leafKeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{CommonName: hosts[0]},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	cert, err := loadCertificate(store, leafFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tls.Certificate{}, err
	}
	if err != nil || !servesAs(cert, t, ca, key, now) {
		if cert, err = issue(store, leafFile, t, ca, key.Public().(*ecdsa.PublicKey), caKey); err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw, ca.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// servesAs reports whether cert can go on serving as want describes.
func servesAs(cert, want, ca *x509.Certificate, key *ecdsa.PrivateKey, now time.Time) bool {
	return now.Add(renewAt).Before(cert.NotAfter) && now.After(cert.NotBefore) && key.PublicKey.Equal(cert.PublicKey) &&
		cert.CheckSignatureFrom(ca) == nil && slices.Equal(cert.DNSNames, want.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, want.IPAddresses, net.IP.Equal)
}

// issue signs a certificate and saves it.
func issue(store Store, name string, t, parent *x509.Certificate, pub *ecdsa.PublicKey, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	t.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, signer)
	if err != nil {
		return nil, fmt.Errorf("make certificate %s: %w", name, err)
	}
	if err := store.Save(name, encodeCertificate(der), false); err != nil {
		return nil, fmt.Errorf("save %s: %w", name, err)
	}
	return x509.ParseCertificate(der)
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func loadCertificate(store Store, name string) (*x509.Certificate, error) {
	data, err := store.Load(name)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	b, _ := pem.Decode(data)
	if b == nil {
		return nil, fmt.Errorf("load %s: the file holds no certificate; remove it to have a new one made", name)
	}
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w; remove the file to have a new one made", name, err)
	}
	return c, nil
}

// openKey loads a private key or makes and saves one.
func openKey(store Store, name string) (*ecdsa.PrivateKey, error) {
	data, err := store.Load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(store, name)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	b, _ := pem.Decode(data)
	if b == nil {
		return nil, fmt.Errorf("load %s: the file holds no key; remove it to have a new one made", name)
	}
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w; remove the file to have a new key made", name, err)
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("load %s: not a P-256 key; remove the file to have a new one made", name)
	}
	return key, nil
}

func newKey(store Store, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	if err := store.Save(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), true); err != nil {
		return nil, fmt.Errorf("save %s: %w", name, err)
	}
	return key, nil
}
