package sqltype

import (
	"errors"

	"linkspan/sqlerr"
)

var errNumber = errors.New("not a number")

// family groups the kinds that convert alike.
type family uint8

const (
	famNull family = iota
	famNumber
	famMoney
	famApprox
	famDateTime // datetime, smalldatetime
	famDate
	famTime
	famStamp // datetime2, datetimeoffset
	famChar
	famText
	famBinary
	famImage
	famGUID
	famVersion
	famXML
	famVariant
	families
)

var familyOf = [kinds]family{
	Null: famNull, Bit: famNumber, TinyInt: famNumber, SmallInt: famNumber, Int: famNumber, BigInt: famNumber, Decimal: famNumber,
	Money: famMoney, SmallMoney: famMoney, Real: famApprox, Float: famApprox, Date: famDate, Time: famTime,
	SmallDateTime: famDateTime, DateTime: famDateTime, DateTime2: famStamp, DateTimeOffset: famStamp, Char: famChar,
	VarChar: famChar, NChar: famChar, NVarChar: famChar, Text: famText, NText: famText, Binary: famBinary, VarBinary: famBinary,
	Image: famImage, UniqueIdentifier: famGUID, RowVersion: famVersion, XML: famXML, Variant: famVariant,
}

// conversions holds, for a source and a target family, 'i' implicit, 'e' explicit only or '.' not allowed: the chart in
// "CAST and CONVERT (Transact-SQL)", rows and columns in the order of the constants above.
var conversions = [families]string{
	//            0NMADdtSCTBIGVXv
	famNull:     "iiiiiiiiiiiiiiii",
	famNumber:   ".iiii...i.i..i.i",
	famMoney:    ".iiii...i.i..i.i",
	famApprox:   ".iiii...i.i....i",
	famDateTime: ".eeeiiiii.e..e.i",
	famDate:     "....ii.ii.e....i",
	famTime:     "....i.iii.e....i",
	famStamp:    "....iiiii.e....i",
	famChar:     ".iiiiiiiiieeieii",
	famText:     "........ii......",
	famBinary:   ".ii.ieeei.iiiiei",
	famImage:    "..........iii...",
	famGUID:     "........i.e.i..i",
	famVersion:  ".ii.i...e.ii.i..",
	famXML:      "........e.e...i.",
	famVariant:  ".eeeeeeee.e.e..i",
}

// Allowed reports whether values of kind from convert to kind to: nil, or error 257 when only CAST does it, 529 (explicit)
// or 206 (implicit) when nothing does.
func Allowed(from, to Kind, explicit bool) *sqlerr.Error {
	if from == to || from >= kinds || to >= kinds {
		return nil
	}
	switch conversions[familyOf[from]][familyOf[to]] {
	case 'i':
		return nil
	case 'e':
		if explicit {
			return nil
		}
		return sqlerr.New(257, messageName(from), messageName(to))
	}
	if explicit {
		return sqlerr.New(529, messageName(from), messageName(to))
	}
	return sqlerr.New(206, messageName(from), messageName(to))
}

// messageName is the name of a kind in error messages, where decimal is always "numeric".
func messageName(k Kind) string {
	if k == Decimal {
		return "numeric"
	}
	return k.String()
}

// MessageName is the name of t in error messages: decimal is "numeric", and a max type is "varchar(max)".
func MessageName(t Type) string {
	if t.Len == MaxLen && (t.Kind == VarChar || t.Kind == NVarChar || t.Kind == VarBinary) {
		return t.String()
	}
	return messageName(t.Kind)
}
