package sqlclient

import (
	"encoding/hex"
	"strings"
)

// QuoteName makes a name safe inside T-SQL, whatever it holds: [a]]b]. An empty name becomes [], which servers refuse.
func QuoteName(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// QuoteString makes text a Unicode literal: N'it”s' with each quote doubled.
func QuoteString(text string) string { return "N'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Binary makes bytes a binary literal: 0x and hex digits.
func Binary(b []byte) string { return "0x" + strings.ToUpper(hex.EncodeToString(b)) }
