package sqltype

// CollationTableVersion numbers the rules by which strings compare. It changes whenever any pair of strings compares
// differently under some collation: indexes built under another version are not to be trusted, and a link between
// instances of different versions is refused.
const CollationTableVersion = 1

// DefaultCollation is the collation of an instance whose configuration names none, and of types without one.
const DefaultCollation = "SQL_Latin1_General_CP1_CI_AS"

// Collation says how strings compare.
type Collation struct {
	// Name is as sys.fn_helpcollations spells it.
	Name string
	// LCID, Version, flags and SortID make the five bytes on the wire ([MS-TDS] 2.2.5.1.2).
	LCID    uint32
	Version uint8
	SortID  uint8
	// IgnoreCase, IgnoreAccent: _CI, _AI. Binary: _BIN, by code point in the first character and UTF-16 bytes after it;
	// Binary2: _BIN2, by code point.
	IgnoreCase, IgnoreAccent, Binary, Binary2 bool
	// Supplementary: _SC, surrogate pairs are one character. UTF8: varchar is UTF-8, its length in bytes.
	Supplementary, UTF8 bool
}

var collations = []Collation{
	{Name: "SQL_Latin1_General_CP1_CI_AS", LCID: 0x409, SortID: 52, IgnoreCase: true},
	{Name: "SQL_Latin1_General_CP1_CS_AS", LCID: 0x409, SortID: 51},
	{Name: "SQL_Latin1_General_CP1_CI_AI", LCID: 0x409, SortID: 54, IgnoreCase: true, IgnoreAccent: true},
	{Name: "Latin1_General_CI_AS", LCID: 0x409, IgnoreCase: true},
	{Name: "Latin1_General_CS_AS", LCID: 0x409},
	{Name: "Latin1_General_CI_AI", LCID: 0x409, IgnoreCase: true, IgnoreAccent: true},
	{Name: "Latin1_General_CS_AI", LCID: 0x409, IgnoreAccent: true},
	{Name: "Latin1_General_BIN", LCID: 0x409, Binary: true},
	{Name: "Latin1_General_BIN2", LCID: 0x409, Binary2: true},
	{Name: "Latin1_General_100_CI_AS", LCID: 0x409, Version: 2, IgnoreCase: true},
	{Name: "Latin1_General_100_CS_AS", LCID: 0x409, Version: 2},
	{Name: "Latin1_General_100_CI_AI", LCID: 0x409, Version: 2, IgnoreCase: true, IgnoreAccent: true},
	{Name: "Latin1_General_100_CS_AI", LCID: 0x409, Version: 2, IgnoreAccent: true},
	{Name: "Latin1_General_100_BIN2", LCID: 0x409, Version: 2, Binary2: true},
	{Name: "Latin1_General_100_CI_AS_SC", LCID: 0x409, Version: 2, IgnoreCase: true, Supplementary: true},
	{Name: "Latin1_General_100_CS_AS_SC", LCID: 0x409, Version: 2, Supplementary: true},
	{Name: "Latin1_General_100_CI_AI_SC", LCID: 0x409, Version: 2, IgnoreCase: true, IgnoreAccent: true, Supplementary: true},
	{Name: "Latin1_General_100_CI_AS_SC_UTF8", LCID: 0x409, Version: 2, IgnoreCase: true, Supplementary: true, UTF8: true},
	{Name: "Latin1_General_100_CS_AS_SC_UTF8", LCID: 0x409, Version: 2, Supplementary: true, UTF8: true},
	{Name: "Latin1_General_100_CI_AI_SC_UTF8", LCID: 0x409, Version: 2, IgnoreCase: true, IgnoreAccent: true, Supplementary: true, UTF8: true},
	{Name: "Latin1_General_100_BIN2_UTF8", LCID: 0x409, Version: 2, Binary2: true, UTF8: true},
}

// Collations lists the collations served.
func Collations() []Collation { return append([]Collation(nil), collations...) }

// LookupCollation finds a collation by its name, in any case.
func LookupCollation(name string) (Collation, bool) {
	for i := range collations {
		if equalFoldASCII(collations[i].Name, name) {
			return collations[i], true
		}
	}
	return Collation{}, false
}

// CollationOf is t's collation; the default one when t names none or an unknown one.
func CollationOf(t Type) *Collation {
	if i := collationIndex(t.Collation); i > 0 {
		return &collations[i-1]
	}
	return &collations[0]
}

// Wire gives the collation's five bytes as the TDS COLLATION rule has them ([MS-TDS] 2.2.5.1.2): LCID in 20 bits,
// flags ignoreCase, ignoreAccent, ignoreKana, ignoreWidth, binary, binary2, utf8, one reserved, version in four bits; SortID.
func (c *Collation) Wire() [5]byte {
	n := c.LCID & 0xfffff
	set := func(bit uint, on bool) {
		if on {
			n |= 1 << bit
		}
	}
	bin := c.Binary || c.Binary2
	set(20, c.IgnoreCase && !bin)
	set(21, c.IgnoreAccent && !bin)
	set(22, !bin)
	set(23, !bin)
	set(24, c.Binary)
	set(25, c.Binary2)
	set(26, c.UTF8)
	n |= uint32(c.Version&0xf) << 28
	return [5]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), c.SortID}
}

func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x|0x20 != y|0x20 || x != y && (x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
