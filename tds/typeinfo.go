package tds

import (
	"fmt"

	"linkspan/sqlerr"
	"linkspan/sqltype"
)

// typeID is the type byte of a TYPE_INFO ([MS-TDS] 2.2.5.4).
type typeID uint8

// The types, fixed ones first, then those with a length of one byte, two bytes and four bytes.
const (
	typeNull      typeID = 0x1f
	typeInt1      typeID = 0x30
	typeBit       typeID = 0x32
	typeInt2      typeID = 0x34
	typeInt4      typeID = 0x38
	typeDateTime4 typeID = 0x3a
	typeFloat4    typeID = 0x3b
	typeMoney     typeID = 0x3c
	typeDateTime  typeID = 0x3d
	typeFloat8    typeID = 0x3e
	typeMoney4    typeID = 0x7a
	typeInt8      typeID = 0x7f

	typeGUID           typeID = 0x24
	typeIntN           typeID = 0x26
	typeDate           typeID = 0x28
	typeTime           typeID = 0x29
	typeDateTime2      typeID = 0x2a
	typeDateTimeOffset typeID = 0x2b
	typeDecimalOld     typeID = 0x37
	typeNumericOld     typeID = 0x3f
	typeBitN           typeID = 0x68
	typeDecimalN       typeID = 0x6a
	typeNumericN       typeID = 0x6c
	typeFloatN         typeID = 0x6d
	typeMoneyN         typeID = 0x6e
	typeDateTimeN      typeID = 0x6f

	typeBigVarBinary typeID = 0xa5
	typeBigVarChar   typeID = 0xa7
	typeBigBinary    typeID = 0xad
	typeBigChar      typeID = 0xaf
	typeNVarChar     typeID = 0xe7
	typeNChar        typeID = 0xef
	typeUDT          typeID = 0xf0
	typeXML          typeID = 0xf1
	typeTable        typeID = 0xf3

	typeImage   typeID = 0x22
	typeText    typeID = 0x23
	typeVariant typeID = 0x62
	typeNText   typeID = 0x63
)

const (
	sizeMax     = 0xffff // the length of a max type, and of NULL in a value of two-byte length
	plpNull     = 0xffffffffffffffff
	plpUnknown  = 0xfffffffffffffffe
	longNull    = 0xffffffff
	maxBytes    = 8000 // the longest value outside the max types
	utf8Bit     = 0x04 // in the fourth byte of a collation
	typeUTF8Len = 5    // bytes of a collation
)

// wireType is a TYPE_INFO as a client sent it.
type wireType struct {
	id    typeID
	size  int
	prec  uint8
	scale uint8
	utf8  bool
	// typ is what it means; its Kind is Null for typeNull.
	typ sqltype.Type
}

// typeError is a request that is well framed and cannot be served; the connection stays.
func typeError(param int, name string, id typeID, why string) error {
	return sqlerr.New(8009, param, name, uint8(id), why)
}

// typeInfo reads a TYPE_INFO of parameter number param.
func (c *cursor) typeInfo(param int, name string) (wireType, error) {
	w := wireType{id: typeID(c.u8())}
	if c.err != nil {
		return w, c.err
	}
	switch w.id {
	case typeNull, typeInt1, typeBit, typeInt2, typeInt4, typeDateTime4, typeFloat4, typeMoney, typeDateTime, typeFloat8, typeMoney4, typeInt8:
		w.fixed()
	case typeIntN, typeBitN, typeFloatN, typeMoneyN, typeDateTimeN, typeGUID:
		w.size = int(c.u8())
		if !w.byteLen() && c.err == nil {
			return w, sqlerr.New(8016, param, name, uint8(w.id))
		}
	case typeDecimalN, typeNumericN, typeDecimalOld, typeNumericOld:
		w.size, w.prec, w.scale = int(c.u8()), c.u8(), c.u8()
		w.typ = sqltype.Type{Kind: sqltype.Decimal, Prec: w.prec, Scale: w.scale}
		if c.err == nil && (w.prec < 1 || w.prec > 38 || w.scale > w.prec) {
			return w, sqlerr.New(8023, param, name, "decimal")
		}
	case typeDate:
		w.typ = sqltype.Type{Kind: sqltype.Date}
	case typeTime, typeDateTime2, typeDateTimeOffset:
		w.scale = c.u8()
		w.typ = sqltype.Type{Kind: kindOf(w.id), Scale: w.scale}
		if w.scale > 7 {
			return w, sqlerr.New(8016, param, name, uint8(w.id))
		}
	default:
		return c.longTypeInfo(w, param, name)
	}
	return w, c.err
}

// longTypeInfo reads the types with a length of two or four bytes, and names those that are not served.
func (c *cursor) longTypeInfo(w wireType, param int, name string) (wireType, error) {
	switch w.id {
	case typeBigVarBinary, typeBigVarChar, typeBigBinary, typeBigChar, typeNVarChar, typeNChar:
		w.size = int(c.u16())
		if w.id != typeBigVarBinary && w.id != typeBigBinary {
			c.collation(&w)
		}
		if c.err == nil && w.size > maxBytes && w.size != sizeMax {
			return w, sqlerr.New(8016, param, name, uint8(w.id))
		}
		if w.size == sizeMax { // some clients make output parameters of fixed length so
			w.id = varying(w.id)
		}
		w.shortLen()
	case typeXML:
		if c.u8() != 0 {
			c.bVarChar()
			c.bVarChar()
			c.usVarChar()
		}
		w.size, w.typ = sizeMax, sqltype.Type{Kind: sqltype.XML}
	case typeText, typeNText, typeImage:
		w.size = int(c.u32())
		w.typ.Kind = kindOf(w.id)
		if w.id != typeImage {
			c.collation(&w)
		}
	case typeVariant:
		w.size, w.typ = int(c.u32()), sqltype.Type{Kind: sqltype.Variant}
	case typeTable:
		return w, typeError(param, name, w.id, fmt.Sprintf("(table type %s) is not supported; pass rows one by one or as a string", c.threePart()))
	case typeUDT:
		return w, typeError(param, name, w.id, fmt.Sprintf("(CLR type %s) is not supported", c.threePart()))
	default:
		return w, typeError(param, name, w.id, "is unknown")
	}
	return w, c.err
}

// varying is the type of varying length beside one of fixed length.
func varying(id typeID) typeID {
	switch id {
	case typeBigBinary:
		return typeBigVarBinary
	case typeBigChar:
		return typeBigVarChar
	case typeNChar:
		return typeNVarChar
	}
	return id
}

// threePart reads the name of a table or CLR type as far as it is there.
func (c *cursor) threePart() string {
	name := ""
	for range 3 {
		if part := c.bVarChar(); part != "" {
			if name != "" {
				name += "."
			}
			name += part
		}
	}
	return name
}

func (c *cursor) collation(w *wireType) {
	if p := c.bytes(typeUTF8Len); p != nil {
		w.utf8 = p[3]&utf8Bit != 0
	}
}

// fixed fills in the types that have no length.
func (w *wireType) fixed() {
	switch w.id {
	case typeInt1:
		w.typ.Kind, w.size = sqltype.TinyInt, 1
	case typeBit:
		w.typ.Kind, w.size = sqltype.Bit, 1
	case typeInt2:
		w.typ.Kind, w.size = sqltype.SmallInt, 2
	case typeInt4:
		w.typ.Kind, w.size = sqltype.Int, 4
	case typeInt8:
		w.typ.Kind, w.size = sqltype.BigInt, 8
	case typeDateTime4:
		w.typ.Kind, w.size = sqltype.SmallDateTime, 4
	case typeDateTime:
		w.typ.Kind, w.size = sqltype.DateTime, 8
	case typeFloat4:
		w.typ, w.size = sqltype.Type{Kind: sqltype.Real, Prec: 24}, 4
	case typeFloat8:
		w.typ, w.size = sqltype.Type{Kind: sqltype.Float, Prec: 53}, 8
	case typeMoney4:
		w.typ.Kind, w.size = sqltype.SmallMoney, 4
	case typeMoney:
		w.typ.Kind, w.size = sqltype.Money, 8
	}
}

// byteLen fills in the nullable types whose length says which they are, and reports whether the length is one of theirs.
func (w *wireType) byteLen() bool {
	fixed := typeNull
	switch {
	case w.id == typeGUID && (w.size == 16 || w.size == 0):
		w.typ.Kind = sqltype.UniqueIdentifier
		return true
	case w.id == typeIntN && w.size == 1:
		fixed = typeInt1
	case w.id == typeIntN && w.size == 2:
		fixed = typeInt2
	case w.id == typeIntN && w.size == 4:
		fixed = typeInt4
	case w.id == typeIntN && w.size == 8:
		fixed = typeInt8
	case w.id == typeBitN && w.size == 1:
		fixed = typeBit
	case w.id == typeFloatN && w.size == 4:
		fixed = typeFloat4
	case w.id == typeFloatN && w.size == 8:
		fixed = typeFloat8
	case w.id == typeMoneyN && w.size == 4:
		fixed = typeMoney4
	case w.id == typeMoneyN && w.size == 8:
		fixed = typeMoney
	case w.id == typeDateTimeN && w.size == 4:
		fixed = typeDateTime4
	case w.id == typeDateTimeN && w.size == 8:
		fixed = typeDateTime
	default:
		return false
	}
	f := wireType{id: fixed}
	f.fixed()
	w.typ = f.typ
	return true
}

// kindOf is the kind of a type that has one kind only.
func kindOf(id typeID) sqltype.Kind {
	switch id {
	case typeDate:
		return sqltype.Date
	case typeTime:
		return sqltype.Time
	case typeDateTime2:
		return sqltype.DateTime2
	case typeDateTimeOffset:
		return sqltype.DateTimeOffset
	case typeText:
		return sqltype.Text
	case typeNText:
		return sqltype.NText
	case typeImage:
		return sqltype.Image
	case typeGUID:
		return sqltype.UniqueIdentifier
	}
	return sqltype.Null
}

// shortLen fills in the character and binary types.
func (w *wireType) shortLen() {
	n := w.size
	if n == sizeMax {
		n = sqltype.MaxLen
	}
	half := n
	if n > 0 {
		half = max(n/2, 1)
	}
	switch w.id {
	case typeBigVarBinary:
		w.typ = sqltype.Type{Kind: sqltype.VarBinary, Len: n}
	case typeBigBinary:
		w.typ = sqltype.Type{Kind: sqltype.Binary, Len: n}
	case typeBigVarChar:
		w.typ = sqltype.Type{Kind: sqltype.VarChar, Len: n}
	case typeBigChar:
		w.typ = sqltype.Type{Kind: sqltype.Char, Len: n}
	case typeNVarChar:
		w.typ = sqltype.Type{Kind: sqltype.NVarChar, Len: half}
	case typeNChar:
		w.typ = sqltype.Type{Kind: sqltype.NChar, Len: half}
	}
	if w.typ.Len == 0 {
		w.typ.Len = 1
	}
}
