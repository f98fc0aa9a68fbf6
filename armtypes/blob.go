package armtypes

import (
	"crypto/sha1" //nolint:gosec // a thumbprint names a certificate in Windows and SQL Server; nothing is secured by it
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MaxPublicBlob is how many bytes of DER a public blob may have. Certificates have one or two thousand.
const MaxPublicBlob = 64 << 10

// ParsePublicBlob reads a certificate as SQL Server and the API print it: hex digits of exactly one DER certificate,
// with or without "0x". The error says what it is instead.
func ParsePublicBlob(s string) (*x509.Certificate, error) {
	s = strings.TrimSpace(s)
	digits := s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		digits = s[2:]
	}
	if digits == "" {
		return nil, errors.New("the public blob is empty: it must be the certificate as 0x and hex digits, as CERTENCODED shows it")
	}
	if len(digits) > 2*MaxPublicBlob {
		return nil, fmt.Errorf("the public blob has %d digits, more than a certificate has", len(digits))
	}
	der, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("the public blob is not hex: %w", err)
	}
	return ParseCertificate(der)
}

// ParseCertificate reads exactly one DER certificate.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(der, &outer)
	if err != nil {
		return nil, fmt.Errorf("the bytes are no X.509 certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(outer.FullBytes)
	if err != nil {
		return nil, fmt.Errorf("the bytes are no X.509 certificate: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow the certificate", len(rest))
	}
	return cert, nil
}

// PublicBlob prints DER as SQL Server prints binary: 0x and upper-case hex digits.
func PublicBlob(der []byte) string { return "0x" + strings.ToUpper(hex.EncodeToString(der)) }

// Thumbprint is the SHA-1 of the DER, as sys.certificates and the API show it: 0x and upper-case hex digits.
func Thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // see the import
	return PublicBlob(sum[:])
}

// BareBlob prints DER as the API shows it: hex digits without 0x.
func BareBlob(der []byte) string { return PublicBlob(der)[2:] }

// BareThumbprint is the thumbprint as the API shows it: hex digits without 0x.
func BareThumbprint(der []byte) string { return Thumbprint(der)[2:] }
