package sqltype

// Pack gives t as one integer, which the functions in bound SQL take as the description of an argument. It keeps the
// kind, length, precision, scale and collation; Unpack reverses it.
func Pack(t Type) int64 {
	return int64(t.Kind) | int64(t.Scale)<<8 | int64(t.Prec)<<16 | int64(t.Len&0xffffff)<<24 | int64(collationIndex(t.Collation))<<48
}

// Unpack gives the type that Pack packed. A number that Pack never gave yields some type or the zero Type, never a
// panic.
func Unpack(n int64) Type {
	t := Type{Kind: Kind(n), Scale: uint8(n >> 8), Prec: uint8(n >> 16), Len: int(n>>24) & 0xffffff}
	if t.Kind >= kinds {
		return Type{}
	}
	if t.Len == 0xffffff {
		t.Len = MaxLen
	}
	if i := int(n>>48) & 0xff; i > 0 && i <= len(collations) {
		t.Collation = collations[i-1].Name
	}
	return t
}

// collationIndex is the position of a collation in the table, from 1; 0 for "" and unknown ones.
func collationIndex(name string) int {
	if name == "" {
		return 0
	}
	for i := range collations {
		if equalFoldASCII(collations[i].Name, name) {
			return i + 1
		}
	}
	return 0
}

// The types with a fixed shape that expressions yield.
var (
	typeInt   = Type{Kind: Int}
	typeFloat = Type{Kind: Float, Prec: 53}
	typeMoney = Type{Kind: Money}
)

// DecimalType is decimal(prec,scale).
func DecimalType(prec, scale int) Type {
	return Type{Kind: Decimal, Prec: uint8(prec), Scale: uint8(scale)}
}

// Of is the type of kind k with the default length, precision and scale that CAST gives it: varchar(30), decimal(18,0),
// datetime2(7), float(53).
func Of(k Kind) Type {
	t := Type{Kind: k}
	switch k {
	case Decimal:
		t.Prec = 18
	case Float:
		t.Prec = 53
	case Time, DateTime2, DateTimeOffset:
		t.Scale = 7
	case Char, VarChar, NChar, NVarChar, Binary, VarBinary:
		t.Len = 30
	case Text, NText, Image, XML:
		t.Len = MaxLen
	}
	return t
}
