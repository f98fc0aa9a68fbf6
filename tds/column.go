package tds

import (
	"fmt"

	"linkspan/sqltype"
)

// Column describes a column of a result to AppendColumns.
type Column struct {
	Name                         string
	Type                         sqltype.Type
	Nullable, Identity, Computed bool
}

// Flags of a column ([MS-TDS] 2.2.7.4).
const (
	columnNullable  = 0x0001
	columnUpdatable = 0x0008 // whether it is, is not known
	columnIdentity  = 0x0010
	columnComputed  = 0x0020
)

// userTypeTimestamp is the user type by which clients know a rowversion from a binary(8).
const userTypeTimestamp = 80

// Limits of a result.
const (
	// MaxColumns is SQL Server's limit for a SELECT.
	MaxColumns    = 4096
	maxColumnName = 128
)

// form is how values of a column lie on the wire.
type form uint8

const (
	formByteLen form = iota // a length byte, 0 is NULL
	formShort               // a length of two bytes
	formPLP                 // chunks
	formLong                // text pointer, timestamp, length of four bytes
	formVariant
)

// wireColumn is a column made ready for the encoding of values.
type wireColumn struct {
	kind  sqltype.Kind
	id    typeID
	form  form
	size  int // bytes, of one value in formByteLen, the most in formShort
	prec  uint8
	scale uint8
	utf16 bool
	utf8  bool
	wire  [5]byte // collation
}

// wireColumnOf decides how values of t go to a client. Integers, floats and the like are sent as their nullable forms
// whatever the column says, which every client takes. A varchar in a UTF-8 collation goes as nvarchar, since the UTF-8
// feature is declined.
func wireColumnOf(t sqltype.Type) wireColumn {
	w := wireColumn{kind: t.Kind, prec: t.Prec, scale: t.Scale}
	switch t.Kind {
	case sqltype.Bit:
		w.id, w.size = typeBitN, 1
	case sqltype.TinyInt:
		w.id, w.size = typeIntN, 1
	case sqltype.SmallInt:
		w.id, w.size = typeIntN, 2
	case sqltype.Int, sqltype.Null: // an untyped NULL is an int to clients
		w.id, w.size = typeIntN, 4
	case sqltype.BigInt:
		w.id, w.size = typeIntN, 8
	case sqltype.Decimal:
		if w.prec < 1 || w.prec > 38 {
			w.prec = 38
		}
		w.id, w.size = typeDecimalN, decimalBytes(w.prec)
	case sqltype.Money:
		w.id, w.size = typeMoneyN, 8
	case sqltype.SmallMoney:
		w.id, w.size = typeMoneyN, 4
	case sqltype.Real:
		w.id, w.size = typeFloatN, 4
	case sqltype.Float:
		w.id, w.size = typeFloatN, 8
	case sqltype.Date:
		w.id, w.size = typeDate, 3
	case sqltype.Time, sqltype.DateTime2, sqltype.DateTimeOffset:
		w.temporal()
	case sqltype.SmallDateTime:
		w.id, w.size = typeDateTimeN, 4
	case sqltype.DateTime:
		w.id, w.size = typeDateTimeN, 8
	case sqltype.UniqueIdentifier:
		w.id, w.size = typeGUID, 16
	default:
		w.long(t)
	}
	return w
}

func (w *wireColumn) temporal() {
	w.scale = min(w.scale, 7)
	w.size = timeBytes(w.scale)
	switch w.kind {
	case sqltype.Time:
		w.id = typeTime
	case sqltype.DateTime2:
		w.id, w.size = typeDateTime2, w.size+3
	default:
		w.id, w.size = typeDateTimeOffset, w.size+5
	}
}

// long decides on the types of characters and bytes.
func (w *wireColumn) long(t sqltype.Type) {
	w.form, w.size = formShort, max(t.Len, 1)
	w.utf16 = t.Kind.IsUnicode()
	if t.Kind.IsString() {
		c := sqltype.CollationOf(t)
		w.wire, w.utf8 = c.Wire(), c.UTF8
	}
	switch t.Kind {
	case sqltype.Char:
		w.id = typeBigChar
	case sqltype.VarChar:
		w.id = typeBigVarChar
	case sqltype.NChar:
		w.id, w.size = typeNChar, 2*w.size
	case sqltype.NVarChar:
		w.id, w.size = typeNVarChar, 2*w.size
	case sqltype.Binary:
		w.id = typeBigBinary
	case sqltype.VarBinary:
		w.id = typeBigVarBinary
	case sqltype.RowVersion:
		w.id, w.size = typeBigBinary, 8
	case sqltype.XML:
		w.id, w.form = typeXML, formPLP
	case sqltype.Text:
		w.id, w.form, w.size = typeText, formLong, 0x7fffffff
	case sqltype.NText:
		w.id, w.form, w.size = typeNText, formLong, 0x7ffffffe
	case sqltype.Image:
		w.id, w.form, w.size = typeImage, formLong, 0x7fffffff
	default:
		w.id, w.form, w.size = typeVariant, formVariant, maxBytes+9
	}
	if w.utf8 && !w.utf16 {
		w.asUnicode()
	}
	if w.form == formShort && (t.Len == sqltype.MaxLen || w.size > maxBytes) {
		w.form, w.id = formPLP, varying(w.id)
	}
}

// asUnicode turns a UTF-8 character type into its UTF-16 counterpart: n bytes of UTF-8 are at most n units of UTF-16.
func (w *wireColumn) asUnicode() {
	w.utf16 = true
	switch w.id {
	case typeBigChar, typeBigVarChar:
		w.id, w.size = typeNVarChar, 2*w.size
	case typeText:
		w.id, w.size = typeNText, 0x7ffffffe
	}
}

// decimalBytes is the length of a decimal of prec digits, with its sign.
func decimalBytes(prec uint8) int {
	switch {
	case prec <= 9:
		return 5
	case prec <= 19:
		return 9
	case prec <= 28:
		return 13
	}
	return 17
}

// appendTypeInfo appends the TYPE_INFO; in a COLMETADATA the text types name their table behind it, in a RETURNVALUE not.
func (w *wireColumn) appendTypeInfo(b []byte) []byte {
	b = append(b, byte(w.id))
	switch w.id {
	case typeDate:
	case typeTime, typeDateTime2, typeDateTimeOffset:
		b = append(b, w.scale)
	case typeDecimalN:
		b = append(b, byte(w.size), w.prec, w.scale)
	case typeXML:
		b = append(b, 0)
	case typeText, typeNText, typeImage, typeVariant:
		b = append(b, byte(w.size), byte(w.size>>8), byte(w.size>>16), byte(w.size>>24))
	default:
		if w.form == formByteLen {
			return append(b, byte(w.size))
		}
		n := w.size
		if w.form == formPLP {
			n = sizeMax
		}
		b = append(b, byte(n), byte(n>>8))
	}
	if w.id == typeBigChar || w.id == typeBigVarChar || w.id == typeNChar || w.id == typeNVarChar || w.id == typeText || w.id == typeNText {
		b = append(b, w.wire[:]...)
	}
	return b
}

// Rows encodes a result set. The zero Rows is ready; its memory is reused from one result to the next.
type Rows struct {
	cols []wireColumn
}

// Columns reports how many columns the current result has.
func (r *Rows) Columns() int { return len(r.cols) }

// AppendColumns appends a COLMETADATA token ([MS-TDS] 2.2.7.4) and prepares the encoding of its rows.
func (r *Rows) AppendColumns(b []byte, cols []Column) ([]byte, error) {
	if len(cols) == 0 || len(cols) > MaxColumns {
		return b, fmt.Errorf("a result of %d columns", len(cols))
	}
	r.cols = r.cols[:0]
	b = append(b, tokenColumns, byte(len(cols)), byte(len(cols)>>8))
	for i := range cols {
		c := &cols[i]
		w := wireColumnOf(c.Type)
		r.cols = append(r.cols, w)
		b = appendUserType(b, c.Type.Kind)
		flags := uint16(columnUpdatable)
		if c.Nullable {
			flags |= columnNullable
		}
		if c.Identity {
			flags |= columnIdentity
		}
		if c.Computed {
			flags |= columnComputed
		}
		b = append(b, byte(flags), byte(flags>>8))
		b = w.appendTypeInfo(b)
		if w.form == formLong {
			b = append(b, 1)
			b = appendUSVarChar(b, "")
		}
		b = appendBVarChar(b, cutUTF16(c.Name, maxColumnName))
	}
	return b, nil
}

// AppendNoColumns appends the COLMETADATA of a call that asked for none. The rows still need AppendColumns, whose bytes
// are then thrown away.
func AppendNoColumns(b []byte) []byte { return append(b, tokenColumns, 0xff, 0xff) }

func appendUserType(b []byte, k sqltype.Kind) []byte {
	if k == sqltype.RowVersion {
		return append(b, userTypeTimestamp, 0, 0, 0)
	}
	return append(b, 0, 0, 0, 0)
}
