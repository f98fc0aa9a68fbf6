package trust

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the thumbprint is defined as SHA-1; nothing relies on it against collisions
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"linkspan/sqlerr"
)

// KeyEncryption tells how a certificate's private key is kept (sys.certificates.pvt_key_encryption_type).
type KeyEncryption string

// The ways.
const (
	NoPrivateKey         KeyEncryption = "NA"
	EncryptedByMasterKey KeyEncryption = "MK"
)

// Desc is the value of pvt_key_encryption_type_desc.
func (k KeyEncryption) Desc() string {
	if k == EncryptedByMasterKey {
		return "ENCRYPTED_BY_MASTER_KEY"
	}
	return "NO_PRIVATE_KEY"
}

// FirstCertificateID is the id of the first certificate a user makes.
const FirstCertificateID = 256

// maxName is the length of a sysname, maxSubject the longest subject taken; catalogSubject is where the catalog cuts it.
const (
	maxName        = 128
	maxSubject     = 4096
	catalogSubject = 128
)

// Certificate is one certificate of master. It is immutable once a Keeper hands it out.
type Certificate struct {
	// ID is certificate_id, from FirstCertificateID.
	ID int
	// Name is as its maker spelled it; names compare without case.
	Name string
	// DER is the certificate as CERTENCODED gives it.
	DER []byte
	// SealedKey is the PKCS #8 private key encrypted under the master key, or nil for an imported one.
	SealedKey []byte `json:",omitempty"`
	// ActiveForBeginDialog is shown, and means nothing here.
	ActiveForBeginDialog bool
	// Owner is the user of AUTHORIZATION, through whose login a partner connects; "" is dbo.
	Owner string `json:",omitempty"`

	x *x509.Certificate
}

// CertificateSpec is CREATE CERTIFICATE … WITH SUBJECT.
type CertificateSpec struct {
	Name, Subject string
	// Owner is the user of AUTHORIZATION; "" is dbo.
	Owner string
	// Start and Expiry are in UTC; zero means now, and a year after Start.
	Start, Expiry time.Time
	// InactiveForBeginDialog is ACTIVE FOR BEGIN_DIALOG = OFF.
	InactiveForBeginDialog bool
}

// newCertificate makes a self-signed certificate. Errors: 15212 bad subject, 15213 expiry before start.
func newCertificate(random io.Reader, now time.Time, id int, s CertificateSpec, k *masterKey, bits int) (*Certificate, error) {
	if n := len([]rune(s.Subject)); n < 1 || n > maxSubject {
		return nil, sqlerr.New(15212, maxSubject)
	}
	start, expiry := s.Start.UTC(), s.Expiry.UTC()
	if s.Start.IsZero() {
		start = now.UTC().Truncate(time.Second)
	}
	if s.Expiry.IsZero() {
		expiry = start.AddDate(1, 0, 0)
	}
	if expiry.Before(start) && s.Start.IsZero() {
		// An expiry in the past without a start date: the certificate is made, expired, with the warning 15214.
		start = expiry.AddDate(-1, 0, 0)
	}
	if !expiry.After(start) {
		return nil, sqlerr.New(15213)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and sixteen bytes long
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: s.Subject},
		NotBefore: start, NotAfter: expiry, SignatureAlgorithm: x509.SHA256WithRSA,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(random, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	c := &Certificate{ID: id, Name: s.Name, DER: der, ActiveForBeginDialog: !s.InactiveForBeginDialog, Owner: s.Owner}
	if err := c.parse(); err != nil {
		return nil, err
	}
	return c, c.sealKey(random, key, k)
}

func (c *Certificate) sealKey(random io.Reader, key crypto.PrivateKey, k *masterKey) error {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode private key: %w", err)
	}
	c.SealedKey, err = seal(random, k[:], plain, c.aad())
	return err
}

// aad binds the encrypted private key to its certificate, so that documents cannot be swapped.
func (c *Certificate) aad() string {
	return "linkspan private key of " + hex.EncodeToString(c.Thumbprint())
}

// parse fills in the parsed form. Errors: 15297 unless DER is exactly one X.509 certificate with an RSA key of 1,024 to
// 8,192 bits, as SQL Server takes them.
func (c *Certificate) parse() error {
	x, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return sqlerr.New(15297).WithCause(err)
	}
	pub, ok := x.PublicKey.(*rsa.PublicKey)
	if !ok {
		return sqlerr.New(15297).WithCause(fmt.Errorf("the key is %s, not RSA", x.PublicKeyAlgorithm))
	}
	if n := pub.N.BitLen(); n < 1024 || n > 8192 {
		return sqlerr.New(15297).WithCause(fmt.Errorf("the RSA key has %d bits, not 1024 to 8192", n))
	}
	c.x = x
	return nil
}

// ParsePublic reads a public blob: exactly one DER certificate. It is for those who must re-encode what a peer sent
// before they pass it on. The error is 15297.
func ParsePublic(der []byte) (*x509.Certificate, error) {
	c := &Certificate{DER: der}
	if err := c.parse(); err != nil {
		return nil, err
	}
	return c.x, nil
}

// Thumbprint is the SHA-1 of the DER form, 20 bytes.
func (c *Certificate) Thumbprint() []byte { t := sha1.Sum(c.DER); return t[:] }

// Start and Expiry bound the certificate's validity, in UTC.
func (c *Certificate) Start() time.Time  { return c.x.NotBefore.UTC() }
func (c *Certificate) Expiry() time.Time { return c.x.NotAfter.UTC() }

// KeyLength is the length of the public key in bits.
func (c *Certificate) KeyLength() int { return c.x.PublicKey.(*rsa.PublicKey).N.BitLen() }

// Encryption tells whether there is a private key and how it is kept.
func (c *Certificate) Encryption() KeyEncryption {
	if c.SealedKey == nil {
		return NoPrivateKey
	}
	return EncryptedByMasterKey
}

// Serial is cert_serial_number: pairs of lower-case digits with blanks between.
func (c *Certificate) Serial() string {
	var b strings.Builder
	for i, d := range c.x.SerialNumber.Bytes() {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%02x", d)
	}
	return b.String()
}

// Subject and Issuer are the names as the catalog shows them: the values alone, in order, with ", " between.
func (c *Certificate) Subject() string { return cut(simpleName(c.x.Subject), catalogSubject) }
func (c *Certificate) Issuer() string  { return cut(simpleName(c.x.Issuer), 442) }

func simpleName(n pkix.Name) string {
	var parts []string
	for _, a := range n.Names {
		parts = append(parts, fmt.Sprint(a.Value))
	}
	return strings.Join(parts, ", ")
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// SID is the security identifier derived from the certificate: S-1-9-1 and the thumbprint.
func (c *Certificate) SID() []byte {
	return append([]byte{1, 6, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0}, c.Thumbprint()...)
}

// StringSID spells SID.
func (c *Certificate) StringSID() string {
	s, t := "S-1-9-1", c.Thumbprint()
	for i := 0; i < len(t); i += 4 {
		s += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(t[i:]))
	}
	return s
}

// Same reports whether der is this certificate.
func (c *Certificate) Same(der []byte) bool { return bytes.Equal(c.DER, der) }

// sameIssuerSerial reports whether x has the issuer and serial number of c.
func (c *Certificate) sameIssuerSerial(x *x509.Certificate) bool {
	return bytes.Equal(c.x.RawIssuer, x.RawIssuer) && c.x.SerialNumber.Cmp(x.SerialNumber) == 0
}

// privateKey decrypts the private key and checks that it is the certificate's. Errors: 28055 without one.
func (c *Certificate) privateKey(k *masterKey) (crypto.Signer, error) {
	if c.SealedKey == nil {
		return nil, sqlerr.New(28055, c.Name)
	}
	plain, err := unseal(k[:], c.SealedKey, c.aad())
	if err != nil {
		return nil, sqlerr.New(28037, 15329, 1).WithCause(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, sqlerr.New(28037, 15297, 1).WithCause(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(c.x.PublicKey) {
		return nil, sqlerr.New(28038, 1)
	}
	return key, nil
}
