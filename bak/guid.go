package bak

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// GUID is a 16-byte identifier as SQL Server stores it: the first three groups are little-endian.
type GUID [16]byte

// IsZero reports whether g is all zero, which the headers use for "none".
func (g GUID) IsZero() bool { return g == GUID{} }

// String spells g in lower case: "c8ad9331-4f20-48bc-abf7-6b206114062c".
func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[:]), binary.LittleEndian.Uint16(g[4:]),
		binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
}

// MarshalText spells g as String does.
func (g GUID) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (g *GUID) UnmarshalText(b []byte) error {
	v, err := ParseGUID(string(b))
	if err == nil {
		*g = v
	}
	return err
}

// ParseGUID reads the spelling of String, in either case, with or without braces.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	t := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	p := strings.Split(t, "-")
	if len(t) != 36 || len(p) != 5 || len(p[0]) != 8 || len(p[1]) != 4 || len(p[2]) != 4 || len(p[3]) != 4 {
		return g, fmt.Errorf("not a GUID: %q", s)
	}
	b, err := hex.DecodeString(strings.Join(p, ""))
	if err != nil {
		return g, fmt.Errorf("not a GUID: %q", s)
	}
	binary.LittleEndian.PutUint32(g[:], binary.BigEndian.Uint32(b))
	binary.LittleEndian.PutUint16(g[4:], binary.BigEndian.Uint16(b[4:]))
	binary.LittleEndian.PutUint16(g[6:], binary.BigEndian.Uint16(b[6:]))
	copy(g[8:], b[8:])
	return g, nil
}
