package tds

import (
	"encoding/binary"
	"fmt"
)

// MaxLogin7 is the largest LOGIN7 message taken, in bytes ([MS-TDS] 2.2.6.4 has 128K-1).
const MaxLogin7 = 128<<10 - 1

// Bits of LOGIN7's flags.
const (
	flag2IntegratedSecurity = 0x80
	flag3Extension          = 0x10
	typeReadOnlyIntent      = 0x20
)

// Feature is an optional extension that a client asks for ([MS-TDS] 2.2.6.4 FeatureExt).
type Feature uint8

// The features that a server has to know by name.
const (
	FeatureSessionRecovery Feature = 0x01
	FeatureFedAuth         Feature = 0x02
	FeatureUTF8            Feature = 0x0a
	featureTerminator      Feature = 0xff
)

// maxFeatures bounds the list; ten or so exist.
const maxFeatures = 64

// Login7 is a client's LOGIN7 message.
type Login7 struct {
	// TDSVersion is the version the client wants, for example Version74.
	TDSVersion uint32
	PacketSize uint32
	ClientPID  uint32
	// Integrated is true when the client wants to log in without a password (SSPI).
	Integrated     bool
	ReadOnlyIntent bool

	Hostname, User, Password, AppName, ServerName, Library, Language, Database, AttachFile, NewPassword string

	SSPI     []byte
	Features []Feature
}

// Asked reports whether the client asked for f.
func (l *Login7) Asked(f Feature) bool {
	for _, g := range l.Features {
		if g == f {
			return true
		}
	}
	return false
}

// fixedLogin7 is the length of the fixed part since version 7.2.
const fixedLogin7 = 94

// ErrVersion is the cause of a refusal of a LOGIN7 of a version that is not served.
type ErrVersion uint32

// Error names the version and what is served.
func (e ErrVersion) Error() string {
	return fmt.Sprintf("TDS version %08x is not served: 7.4 is needed", uint32(e))
}

// DecodeLogin7 reads a LOGIN7 message. The error is an ErrVersion for a client that is too old.
func DecodeLogin7(b []byte) (*Login7, error) {
	if len(b) < 36 || len(b) > MaxLogin7 {
		return nil, malformed("a LOGIN7 of %d bytes", len(b))
	}
	le := binary.LittleEndian
	if n := le.Uint32(b); int64(n) > int64(len(b)) {
		return nil, malformed("a LOGIN7 claims %d bytes and has %d", n, len(b))
	}
	l := &Login7{TDSVersion: le.Uint32(b[4:]), PacketSize: le.Uint32(b[8:]), ClientPID: le.Uint32(b[16:])}
	if l.TDSVersion < Version73B && l.TDSVersion != Version80 {
		return nil, ErrVersion(l.TDSVersion)
	}
	if len(b) < fixedLogin7 {
		return nil, malformed("a LOGIN7 of %d bytes", len(b))
	}
	l.Integrated = b[25]&flag2IntegratedSecurity != 0
	l.ReadOnlyIntent = b[26]&typeReadOnlyIntent != 0
	if err := l.strings(b); err != nil {
		return nil, err
	}
	if b[27]&flag3Extension != 0 {
		return l, l.features(b)
	}
	return l, nil
}

func (l *Login7) strings(b []byte) error {
	for _, f := range []struct {
		at     int
		limit  int
		name   string
		to     *string
		secret bool
	}{
		{36, 128, "HostName", &l.Hostname, false},
		{40, 128, "UserName", &l.User, false},
		{44, 128, "Password", &l.Password, true},
		{48, 128, "AppName", &l.AppName, false},
		{52, 128, "ServerName", &l.ServerName, false},
		{60, 128, "CltIntName", &l.Library, false},
		{64, 128, "Language", &l.Language, false},
		{68, 128, "Database", &l.Database, false},
		{82, 260, "AtchDBFile", &l.AttachFile, false},
		{86, 128, "ChangePassword", &l.NewPassword, true},
	} {
		off, n := field(b, f.at)
		if n > f.limit || n > 0 && off+2*n > len(b) {
			return malformed("LOGIN7's %s has %d characters at offset %d", f.name, n, off)
		}
		if n == 0 {
			continue
		}
		raw := b[off : off+2*n]
		if f.secret {
			raw = plain(raw)
		}
		*f.to = decodeUTF16(raw)
	}
	off, n := field(b, 78)
	if n > 0 && off+n > len(b) {
		return malformed("LOGIN7's SSPI has %d bytes at offset %d", n, off)
	}
	if n > 0 {
		l.SSPI = append([]byte(nil), b[off:off+n]...)
	}
	return nil
}

func field(b []byte, at int) (off, n int) {
	return int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint16(b[at+2:]))
}

// plain undoes the disguise of a password: each byte was nibble-swapped and XORed with 0xA5. It hides nothing; TLS does.
func plain(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		c ^= 0xa5
		out[i] = c<<4 | c>>4
	}
	return out
}

// features reads the list of extensions. LOGIN7's extension field points at the offset of the list, not at the list.
func (l *Login7) features(b []byte) error {
	off, n := field(b, 56)
	if n < 4 || off+4 > len(b) {
		return malformed("LOGIN7's extension has %d bytes at offset %d", n, off)
	}
	at := binary.LittleEndian.Uint32(b[off:])
	if int64(at) >= int64(len(b)) {
		return malformed("LOGIN7's features are said to lie at offset %d", at)
	}
	c := cursor{b: b, pos: int(at)}
	for c.err == nil && len(l.Features) < maxFeatures {
		f := Feature(c.u8())
		if c.err != nil {
			return c.err
		}
		if f == featureTerminator {
			return nil
		}
		l.Features = append(l.Features, f)
		if n := c.u32(); int64(n) > int64(len(b)) {
			return malformed("LOGIN7's feature %d claims %d bytes", f, n)
		} else {
			c.bytes(int(n))
		}
	}
	if c.err == nil {
		return malformed("LOGIN7 asks for more than %d features", maxFeatures)
	}
	return c.err
}
