package tds

import "encoding/binary"

// Encryption is the ENCRYPTION option of a PRELOGIN ([MS-TDS] 2.2.6.5).
type Encryption uint8

// The values of Encryption.
const (
	EncryptOff          Encryption = 0
	EncryptOn           Encryption = 1
	EncryptNotSupported Encryption = 2
	EncryptRequired     Encryption = 3
)

// PRELOGIN options.
const (
	preloginVersion    = 0
	preloginEncryption = 1
	preloginInstance   = 2
	preloginThreadID   = 3
	preloginMARS       = 4
	preloginFedAuth    = 6
	preloginTerminator = 0xff
)

// MaxPrelogin is the largest PRELOGIN message taken, in bytes.
const MaxPrelogin = 4096

// Prelogin is a client's PRELOGIN message, as far as a server cares.
type Prelogin struct {
	// Version is the client's library version: major, minor, build.
	Version    [4]byte
	Encryption Encryption
	// HasEncryption is false when the client sent none; it then counts as EncryptNotSupported.
	HasEncryption bool
	Instance      string
	MARS          bool
	FedAuth       bool
}

// DecodePrelogin reads a PRELOGIN message. Options it does not know are skipped.
func DecodePrelogin(b []byte) (Prelogin, error) {
	p := Prelogin{Encryption: EncryptNotSupported}
	if len(b) > MaxPrelogin {
		return p, malformed("a PRELOGIN of %d bytes", len(b))
	}
	for at := 0; ; at += 5 {
		if at >= len(b) {
			return p, malformed("PRELOGIN options without a terminator")
		}
		if b[at] == preloginTerminator {
			return p, nil
		}
		if at+5 > len(b) {
			return p, malformed("a PRELOGIN option is cut off")
		}
		off, n := int(binary.BigEndian.Uint16(b[at+1:])), int(binary.BigEndian.Uint16(b[at+3:]))
		if off+n > len(b) {
			return p, malformed("PRELOGIN option %d points behind the message", b[at])
		}
		p.set(b[at], b[off:off+n])
	}
}

func (p *Prelogin) set(option byte, v []byte) {
	switch option {
	case preloginVersion:
		copy(p.Version[:], v)
	case preloginEncryption:
		if len(v) > 0 {
			p.Encryption, p.HasEncryption = Encryption(v[0]), true
		}
	case preloginInstance:
		for i, c := range v {
			if c == 0 {
				v = v[:i]
				break
			}
		}
		p.Instance = string(v)
	case preloginMARS:
		p.MARS = len(v) > 0 && v[0] == 1
	case preloginFedAuth:
		p.FedAuth = len(v) > 0 && v[0] == 1
	}
}

// AppendPreloginReply appends a server's PRELOGIN: its version, the encryption it decided on, one instance, no MARS.
func AppendPreloginReply(b []byte, major, minor uint8, build uint16, e Encryption) []byte {
	options := []struct {
		id    byte
		value []byte
	}{
		{preloginVersion, []byte{major, minor, byte(build >> 8), byte(build), 0, 0}},
		{preloginEncryption, []byte{byte(e)}},
		{preloginInstance, []byte{0}},
		{preloginThreadID, nil},
		{preloginMARS, []byte{0}},
	}
	at := 5*len(options) + 1
	for _, o := range options {
		b = append(b, o.id, byte(at>>8), byte(at), byte(len(o.value)>>8), byte(len(o.value)))
		at += len(o.value)
	}
	b = append(b, preloginTerminator)
	for _, o := range options {
		b = append(b, o.value...)
	}
	return b
}
