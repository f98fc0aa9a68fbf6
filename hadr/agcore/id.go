package agcore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ID is a uniqueidentifier: the 16 bytes as TDS sends them, the first three groups little-endian. The zero ID is none.
type ID [16]byte

// idOrder maps the written order of digits to the bytes.
var idOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// String spells the id as SQL Server does, in upper case with hyphens.
func (id ID) String() string {
	var b [16]byte
	for i, j := range idOrder {
		b[i] = id[j]
	}
	h := strings.ToUpper(hex.EncodeToString(b[:]))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ParseID reads what String gives, in any case.
func ParseID(s string) (ID, error) {
	var b [16]byte
	h := strings.ReplaceAll(s, "-", "")
	if len(s) != 36 || len(h) != 32 {
		return ID{}, fmt.Errorf("%q is no uniqueidentifier", s)
	}
	if _, err := hex.Decode(b[:], []byte(h)); err != nil {
		return ID{}, errors.Join(fmt.Errorf("%q is no uniqueidentifier", s), err)
	}
	var id ID
	for i, j := range idOrder {
		id[j] = b[i]
	}
	return id, nil
}

// IsZero reports whether id is none.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText and UnmarshalText keep ids readable in stored documents.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}
