package trust

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode"

	"linkspan/sqlerr"
)

// keySize is the length of every symmetric key here: AES-256.
const keySize = 32

// iterations is the PBKDF2 (HMAC-SHA-512) work factor of new master keys; documents carry the one they were made with.
const iterations = 120_000

// maxIterations bounds what a stored document may ask of us.
const maxIterations = 10_000_000

// ServiceKey is the service master key of an instance: it opens the master key without a password. The instance makes it
// once with NewServiceKey, keeps it in a file that only it can read, and hands it to OpenKeeper.
type ServiceKey [keySize]byte

// NewServiceKey makes a random service master key.
func NewServiceKey(rand io.Reader) (ServiceKey, error) {
	var k ServiceKey
	_, err := io.ReadFull(rand, k[:])
	return k, err
}

// ParseServiceKey reads what Text gave. The error does not quote the input.
func ParseServiceKey(text string) (ServiceKey, error) {
	var k ServiceKey
	if len(text) != 2*keySize {
		return ServiceKey{}, errors.New("the service master key is not 64 hexadecimal digits")
	}
	if _, err := hex.Decode(k[:], []byte(text)); err != nil {
		return ServiceKey{}, errors.New("the service master key is not 64 hexadecimal digits")
	}
	return k, nil
}

// Text spells the key for its file. It is a secret.
func (k ServiceKey) Text() string { return hex.EncodeToString(k[:]) }

// String keeps the key out of logs.
func (k ServiceKey) String() string { return "service master key" }

// masterKey is the opened database master key.
type masterKey [keySize]byte

// MasterKey is the database master key as it is stored: only in encrypted forms.
type MasterKey struct {
	// GUID names this key (sys.symmetric_keys.key_guid); 16 bytes.
	GUID []byte
	// Created and Modified are in UTC.
	Created, Modified time.Time
	// ByService is the key encrypted under the service master key, or nil after DROP ENCRYPTION BY SERVICE MASTER KEY.
	ByService []byte `json:",omitempty"`
	// ByPassword are the encryptions under passwords; none on a managed instance whose key was made without one.
	ByPassword []PasswordSeal `json:",omitempty"`
}

// PasswordSeal is the master key encrypted under a key derived from a password.
type PasswordSeal struct {
	Salt       []byte
	Iterations int
	Box        []byte
}

const (
	aadService  = "linkspan master key by service key"
	aadPassword = "linkspan master key by password"
)

// seal encrypts text under key; the result starts with the nonce. aad binds it to its use.
func seal(rand io.Reader, key []byte, text []byte, aad string) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize(), gcm.NonceSize()+len(text)+gcm.Overhead())
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return gcm.Seal(nonce, nonce, text, []byte(aad)), nil
}

// unseal reverses seal.
func unseal(key, box []byte, aad string) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	if len(box) < gcm.NonceSize() {
		return nil, errors.New("the encrypted value is too short")
	}
	return gcm.Open(nil, box[:gcm.NonceSize()], box[gcm.NonceSize():], []byte(aad))
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func derive(password string, salt []byte, n int) ([]byte, error) {
	if n < 1 || n > maxIterations {
		return nil, fmt.Errorf("stored work factor %d is out of range", n)
	}
	return pbkdf2.Key(sha512.New, password, salt, n, keySize)
}

// newMasterKey makes a master key. An empty password leaves it under the service key alone.
func newMasterKey(rand io.Reader, now time.Time, password string, service ServiceKey) (*MasterKey, *masterKey, error) {
	var k masterKey
	m := &MasterKey{GUID: make([]byte, 16), Created: now.UTC(), Modified: now.UTC()}
	for _, b := range [][]byte{k[:], m.GUID} {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, nil, fmt.Errorf("read randomness: %w", err)
		}
	}
	var err error
	if m.ByService, err = seal(rand, service[:], k[:], aadService); err != nil {
		return nil, nil, err
	}
	if password != "" {
		if err := m.addPassword(rand, &k, password); err != nil {
			return nil, nil, err
		}
	}
	return m, &k, nil
}

func (m *MasterKey) addPassword(rand io.Reader, k *masterKey, password string) error {
	s := PasswordSeal{Salt: make([]byte, 16), Iterations: iterations}
	if _, err := io.ReadFull(rand, s.Salt); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	d, err := derive(password, s.Salt, s.Iterations)
	if err != nil {
		return err
	}
	if s.Box, err = seal(rand, d, k[:], aadPassword); err != nil {
		return err
	}
	m.ByPassword = append(m.ByPassword, s)
	return nil
}

// openByService opens the key with the service master key; 15581 when it is not encrypted by it, 15329 when it is, but
// by another one.
func (m *MasterKey) openByService(service ServiceKey) (*masterKey, error) {
	if m.ByService == nil {
		return nil, sqlerr.New(15581)
	}
	b, err := unseal(service[:], m.ByService, aadService)
	if err != nil || len(b) != keySize {
		return nil, sqlerr.New(15329).WithCause(err)
	}
	return (*masterKey)(b), nil
}

// openByPassword opens the key with a password and says which of ByPassword it fits; 15313 when none does.
func (m *MasterKey) openByPassword(password string) (*masterKey, int, error) {
	for i, s := range m.ByPassword {
		d, err := derive(password, s.Salt, s.Iterations)
		if err != nil {
			return nil, 0, err
		}
		if b, err := unseal(d, s.Box, aadPassword); err == nil && len(b) == keySize {
			return (*masterKey)(b), i, nil
		}
	}
	return nil, 0, sqlerr.New(15313)
}

// CheckPassword holds a password to the complexity that Windows asks by default: eight characters of three of the
// classes upper case, lower case, digit and other. The error is 15118.
func CheckPassword(password string) error {
	var upper, lower, digit, other, n int
	for _, r := range password {
		n++
		switch {
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsDigit(r):
			digit = 1
		default:
			other = 1
		}
	}
	if n < 8 || n > 128 || upper+lower+digit+other < 3 {
		return sqlerr.New(15118)
	}
	return nil
}
