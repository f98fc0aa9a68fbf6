// Package login owns the salted password hashes of SQL logins, in the forms that SQL Server keeps in sys.sql_logins and
// that CREATE LOGIN … WITH PASSWORD = 0x… HASHED takes, so that logins can be moved between servers.
//
// It is pure: the salt, which must come from a secure source, is the caller's.
package login

import (
	"crypto/sha1"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"unicode/utf16"
)

// SaltSize is the length of a salt in bytes.
const SaltSize = 4

// The headers of the two forms: since SQL Server 2012 SHA-512, from 2005 to 2008 R2 SHA-1.
const (
	headerSHA512 = 0x02
	headerSHA1   = 0x01
	headerSize   = 2
)

// Size is the length of what Hash gives: header, salt, SHA-512.
const Size = headerSize + SaltSize + sha512.Size

// Hash gives 0x0200, the salt, and the SHA-512 of the password in UTF-16LE followed by the salt.
func Hash(password string, salt [SaltSize]byte) []byte {
	b := append([]byte{headerSHA512, 0}, salt[:]...)
	sum := sha512.Sum512(append(encode(password), salt[:]...))
	return append(b, sum[:]...)
}

// Check reports why hash cannot be a login's, or nil.
func Check(hash []byte) error {
	if len(hash) < headerSize+SaltSize {
		return errors.New("the password hash is too short")
	}
	switch {
	case hash[1] == 0 && hash[0] == headerSHA512 && len(hash) == Size:
	case hash[1] == 0 && hash[0] == headerSHA1 && (len(hash) == headerSize+SaltSize+sha1.Size || len(hash) == headerSize+SaltSize+2*sha1.Size):
	default:
		return fmt.Errorf("a password hash of %d bytes that begins with 0x%02X%02X is of no known form", len(hash), hash[0], hash[1])
	}
	return nil
}

// Verify reports whether password is the one that was hashed. It takes the same time whatever the password is wrong in,
// and a hash of no known form matches nothing.
func Verify(hash []byte, password string) bool {
	if Check(hash) != nil {
		return VerifyUnknown(password)
	}
	salt := hash[headerSize : headerSize+SaltSize]
	sum := hash[headerSize+SaltSize:]
	salted := append(encode(password), salt...)
	if hash[0] == headerSHA1 {
		got := sha1.Sum(salted)
		return subtle.ConstantTimeCompare(got[:], sum[:sha1.Size]) == 1
	}
	got := sha512.Sum512(salted)
	return subtle.ConstantTimeCompare(got[:], sum) == 1
}

// VerifyUnknown does the work of Verify for a login that does not exist or is disabled, and reports false: the time of a
// refusal must not tell which logins there are.
func VerifyUnknown(password string) bool {
	var nobody [sha512.Size]byte
	got := sha512.Sum512(append(encode(password), 0, 0, 0, 0))
	return subtle.ConstantTimeCompare(got[:], nobody[:]) == 2 // it is 0 or 1
}

// encode gives UTF-16LE, with room for a salt behind it.
func encode(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units)+SaltSize)
	for _, u := range units {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}
