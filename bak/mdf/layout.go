package mdf

import (
	"fmt"

	"linkspan/sqltype"
)

// System types, as syscolpars.xtype and the low byte of sysrscols.ti hold them.
const (
	xImage            = 34
	xText             = 35
	xUniqueIdentifier = 36
	xDate             = 40
	xTime             = 41
	xDateTime2        = 42
	xDateTimeOffset   = 43
	xTinyInt          = 48
	xSmallInt         = 52
	xInt              = 56
	xSmallDateTime    = 58
	xReal             = 59
	xMoney            = 60
	xDateTime         = 61
	xFloat            = 62
	xVariant          = 98
	xNText            = 99
	xBit              = 104
	xDecimal          = 106
	xNumeric          = 108
	xSmallMoney       = 122
	xBigInt           = 127
	xVarBinary        = 165
	xVarChar          = 167
	xBinary           = 173
	xChar             = 175
	xTimestamp        = 189
	xNVarChar         = 231
	xNChar            = 239
	xCLR              = 240
	xXML              = 241
)

var kinds = map[uint8]sqltype.Kind{
	xImage: sqltype.Image, xText: sqltype.Text, xUniqueIdentifier: sqltype.UniqueIdentifier, xDate: sqltype.Date, xTime: sqltype.Time,
	xDateTime2: sqltype.DateTime2, xDateTimeOffset: sqltype.DateTimeOffset, xTinyInt: sqltype.TinyInt, xSmallInt: sqltype.SmallInt, xInt: sqltype.Int,
	xSmallDateTime: sqltype.SmallDateTime, xReal: sqltype.Real, xMoney: sqltype.Money, xDateTime: sqltype.DateTime, xFloat: sqltype.Float,
	xVariant: sqltype.Variant, xNText: sqltype.NText, xBit: sqltype.Bit, xDecimal: sqltype.Decimal, xNumeric: sqltype.Decimal,
	xSmallMoney: sqltype.SmallMoney, xBigInt: sqltype.BigInt, xVarBinary: sqltype.VarBinary, xVarChar: sqltype.VarChar, xBinary: sqltype.Binary,
	xChar: sqltype.Char, xTimestamp: sqltype.RowVersion, xNVarChar: sqltype.NVarChar, xNChar: sqltype.NChar, xCLR: sqltype.VarBinary, xXML: sqltype.XML,
}

// field says where a column lies in the records of one rowset.
type field struct {
	// id is the column's number in the table.
	id int
	// xtype and typ are its type.
	xtype uint8
	typ   sqltype.Type
	// size is the number of bytes of a fixed-length column.
	size int
	// offset is the place of a fixed-length column from the record's start; variable is the place of a variable-length
	// one among those, from 0, and -1 for fixed ones.
	offset, variable int
	// nullBit is the column's bit in the null bitmap, from 1; bitPos the place of a bit column in its byte.
	nullBit, bitPos int
	page            codePage
	// missing is the value for records written before the column was added; it is NULL unless the column was added with
	// a default. required columns have no NULL.
	missing  sqltype.Value
	required bool
}

// fixedSize is the length of a fixed-length type whose declared length is n bytes.
func fixedSize(xtype uint8, n int, prec, scale uint8) (size int, ok bool) {
	switch xtype {
	case xBit, xTinyInt:
		return 1, true
	case xSmallInt:
		return 2, true
	case xInt, xReal, xSmallDateTime, xSmallMoney:
		return 4, true
	case xBigInt, xFloat, xDateTime, xMoney, xTimestamp:
		return 8, true
	case xUniqueIdentifier:
		return 16, true
	case xDate:
		return 3, true
	case xTime:
		return timeSize(scale), true
	case xDateTime2:
		return timeSize(scale) + 3, true
	case xDateTimeOffset:
		return timeSize(scale) + 5, true
	case xDecimal, xNumeric:
		return decimalSize(prec), true
	case xChar, xBinary, xNChar:
		return n, true
	default:
		return 0, false
	}
}

// timeSize is the length of a time of day with scale fractional digits.
func timeSize(scale uint8) int {
	switch {
	case scale <= 2:
		return 3
	case scale <= 4:
		return 4
	default:
		return 5
	}
}

// decimalSize is the length of a decimal of precision prec.
func decimalSize(prec uint8) int {
	switch {
	case prec <= 9:
		return 5
	case prec <= 19:
		return 9
	case prec <= 28:
		return 13
	default:
		return 17
	}
}

// typeOf makes the type from the columns of syscolpars or sysscalartypes. length is in bytes, -1 for max.
func typeOf(xtype uint8, length int, prec, scale uint8) (sqltype.Type, error) {
	k, ok := kinds[xtype]
	if !ok {
		return sqltype.Type{}, fmt.Errorf("data type %d is not known", xtype)
	}
	t := sqltype.Type{Kind: k}
	switch k {
	case sqltype.Char, sqltype.VarChar, sqltype.Binary, sqltype.VarBinary:
		t.Len = length
	case sqltype.NChar, sqltype.NVarChar:
		if t.Len = length; length > 0 {
			t.Len = length / 2
		}
	case sqltype.Decimal:
		t.Prec, t.Scale = prec, scale
	case sqltype.Float:
		t.Prec = prec
	case sqltype.Time, sqltype.DateTime2, sqltype.DateTimeOffset:
		t.Scale = scale
	}
	if xtype == xCLR {
		t.Len = sqltype.MaxLen
	}
	return t, nil
}

// place fills where the field lies from sysrscols' offset, nullbit and bitpos.
func (f *field) place(offset, nullBit int32, bitPos int, length int) error {
	at := int(int16(offset))
	f.nullBit, f.bitPos, f.variable = int(uint16(nullBit)), bitPos&7, -1
	if at < 0 {
		f.variable = -at - 1
		return nil
	}
	size, ok := fixedSize(f.xtype, length, f.typ.Prec, f.typ.Scale)
	if !ok || at < 4 || at+size > pageSize {
		return fmt.Errorf("column %d of type %v has no fixed place (offset %d)", f.id, f.typ, at)
	}
	f.offset, f.size = at, size
	return nil
}

// fixedField and variableField describe columns of the system tables that must be known before the others can be read.
func fixedField(id int, xtype uint8, offset int) field {
	f := field{id: id, xtype: xtype, typ: sqltype.Type{Kind: kinds[xtype]}, offset: offset, variable: -1}
	f.size, _ = fixedSize(xtype, 6, 0, 0)
	return f
}

func variableField(id int, xtype uint8, n int) field {
	return field{id: id, xtype: xtype, typ: sqltype.Type{Kind: kinds[xtype]}, variable: n, nullBit: id}
}
