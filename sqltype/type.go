// Package sqltype owns SQL Server's data types and values: what a type is, what a value of it is, how it is spelled,
// compared and converted, and how it is laid down in the row store.
//
// It is the vocabulary between the T-SQL front end, the TDS codec and the storage: nothing here knows a table, a
// client or a disk.
package sqltype

import "strconv"

// Kind is a data type without its length, precision or scale.
type Kind uint8

// The kinds, in groups; the order has no meaning outside this package.
const (
	Null Kind = iota // the type of an untyped NULL
	Bit
	TinyInt
	SmallInt
	Int
	BigInt
	Decimal // also spelled numeric
	Money
	SmallMoney
	Real
	Float
	Date
	Time
	SmallDateTime
	DateTime
	DateTime2
	DateTimeOffset
	Char
	VarChar
	NChar
	NVarChar
	Text
	NText
	Binary
	VarBinary
	Image
	UniqueIdentifier
	RowVersion
	XML
	Variant
	kinds // count
)

// MaxLen is the Len of varchar(max), nvarchar(max) and varbinary(max).
const MaxLen = -1

// Type is a data type in full. The zero Type is the type of an untyped NULL.
type Type struct {
	Kind Kind
	// Len is the declared length: characters for (n)char and n(var)char, bytes for (var)char and (var)binary, MaxLen
	// for max types. Zero for the other kinds.
	Len int
	// Prec is the precision of Decimal (1 to 38) and of Float (1 to 53). Zero for the other kinds.
	Prec uint8
	// Scale is the scale of Decimal (0 to Prec) and the fractional digits of Time, DateTime2 and DateTimeOffset (0 to 7).
	Scale uint8
	// Collation is the name of the collation of a character type; "" means the database's.
	Collation string
}

var kindNames = [kinds]string{
	"NULL", "bit", "tinyint", "smallint", "int", "bigint", "decimal", "money", "smallmoney", "real", "float", "date", "time",
	"smalldatetime", "datetime", "datetime2", "datetimeoffset", "char", "varchar", "nchar", "nvarchar", "text", "ntext",
	"binary", "varbinary", "image", "uniqueidentifier", "timestamp", "xml", "sql_variant",
}

// String gives the kind's name as error messages spell it: "nvarchar", "int".
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// String gives the type as CREATE TABLE spells it: "nvarchar(60)", "decimal(18,4)", "varbinary(max)".
func (t Type) String() string {
	switch t.Kind {
	case Char, VarChar, NChar, NVarChar, Binary, VarBinary:
		if t.Len == MaxLen {
			return t.Kind.String() + "(max)"
		}
		return t.Kind.String() + "(" + strconv.Itoa(t.Len) + ")"
	case Decimal:
		return "decimal(" + strconv.Itoa(int(t.Prec)) + "," + strconv.Itoa(int(t.Scale)) + ")"
	case Time, DateTime2, DateTimeOffset:
		return t.Kind.String() + "(" + strconv.Itoa(int(t.Scale)) + ")"
	default:
		return t.Kind.String()
	}
}

// IsString reports whether values of k are text.
func (k Kind) IsString() bool { return k >= Char && k <= NText || k == XML }

// IsUnicode reports whether values of k are UTF-16 on the wire.
func (k Kind) IsUnicode() bool { return k == NChar || k == NVarChar || k == NText || k == XML }

// IsBinary reports whether values of k are byte strings.
func (k Kind) IsBinary() bool { return k >= Binary && k <= Image || k == RowVersion }

// IsInteger reports whether k is one of bit, tinyint, smallint, int and bigint.
func (k Kind) IsInteger() bool { return k >= Bit && k <= BigInt }

// IsNumeric reports whether k is an integer, exact or approximate number, or money.
func (k Kind) IsNumeric() bool { return k >= Bit && k <= Float }

// IsTemporal reports whether k is a date, a time or both.
func (k Kind) IsTemporal() bool { return k >= Date && k <= DateTimeOffset }
