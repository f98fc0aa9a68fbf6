package sqltype

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Storage is the SQLite storage class of a value in the row store.
type Storage uint8

// The storage classes.
const (
	StoreNull Storage = iota
	StoreInt
	StoreReal
	StoreText
	StoreBlob
)

// Stored is a value as the row store holds it. The order of Stored values of one type, as SQLite compares them (text
// under the type's collation), is SQL Server's order:
//
//	bit to bigint, money, date, time, datetime, smalldatetime, datetime2   integer, Value.N
//	decimal, precision up to 18      integer, scaled
//	decimal, precision from 19       blob of 17 bytes: 0 below zero, 1 otherwise; the 128-bit two's complement, big-endian
//	real, float                      real
//	text kinds                       text
//	binary kinds                     blob
//	uniqueidentifier                 blob of 16 bytes, in the order in which SQL Server compares them
//	datetimeoffset                   text: UTC ticks with the top bit turned, then offset in minutes + 840, both in hexadecimal; in
//	                                 the order of CompareMoments, which leaves the offset out
//	sql_variant                      blob: kind, scale, N, Hi, S; equal for equal values of one kind, in no order
type Stored struct {
	Class Storage
	I     int64
	F     float64
	// S is the text or the blob.
	S string
}

// smallDecimal is the greatest precision that is stored as an integer.
const smallDecimal = 18

// guidOrder lists the bytes of a uniqueidentifier (as TDS sends them) from the most to the least significant in
// comparisons: "Comparing GUID and uniqueidentifier Values" in the ADO.NET documentation.
var guidOrder = [16]byte{10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3}

// StorageOf is the storage class of non-NULL values of t.
func StorageOf(t Type) Storage {
	switch t.Kind {
	case Null:
		return StoreNull
	case Decimal:
		if t.Prec > smallDecimal {
			return StoreBlob
		}
		return StoreInt
	case Real, Float:
		return StoreReal
	case UniqueIdentifier, Variant:
		return StoreBlob
	}
	if t.Kind.IsString() || t.Kind == DateTimeOffset {
		return StoreText
	}
	if t.Kind.IsBinary() {
		return StoreBlob
	}
	return StoreInt
}

// Store gives v as the row store holds it in a column of type t. v is of t's kind (and a decimal of t's scale); Convert
// comes before.
func Store(v Value, t Type) Stored {
	if !v.Valid {
		return Stored{}
	}
	switch StorageOf(t) {
	case StoreInt:
		return Stored{Class: StoreInt, I: v.N}
	case StoreReal:
		return Stored{Class: StoreReal, F: v.Float()}
	case StoreText:
		if t.Kind == DateTimeOffset {
			return Stored{Class: StoreText, S: storeMoment(v)}
		}
		return Stored{Class: StoreText, S: v.S}
	case StoreBlob:
		return Stored{Class: StoreBlob, S: storeBlob(v, t)}
	}
	return Stored{}
}

func storeBlob(v Value, t Type) string {
	switch t.Kind {
	case Decimal:
		b := PutDecimal(v)
		return string(b[:])
	case UniqueIdentifier:
		b := PutGUID(v.S)
		return string(b[:])
	case Variant:
		return storeVariant(v)
	}
	return v.S
}

// momentDigits is how much of a datetimeoffset's stored form is the moment, which alone counts in comparisons.
const momentDigits = 16

// storeMoment gives the moment in 16 hexadecimal digits and the offset in four. It is text, and no blob, because only texts
// have a collation in SQLite: CompareMoments, which does not see the offset.
func storeMoment(v Value) string {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:], uint64(v.N)^1<<63)
	binary.BigEndian.PutUint16(b[8:], uint16(v.Hi+840))
	return hex.EncodeToString(b[:])
}

// CompareMoments compares two datetimeoffset values as they are stored: by their moments, wherever their clocks stood.
func CompareMoments(a, b []byte) int {
	return bytes.Compare(a[:min(len(a), momentDigits)], b[:min(len(b), momentDigits)])
}

// LoadText gives the value of type t that a text of the row store stands for.
func LoadText(s string, t Type) Value {
	if t.Kind != DateTimeOffset {
		return Value{K: t.Kind, Valid: true, S: s}
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 10 {
		return NullOf(t.Kind)
	}
	return Value{K: t.Kind, Valid: true, Scale: t.Scale, N: int64(binary.BigEndian.Uint64(b) ^ 1<<63), Hi: int64(binary.BigEndian.Uint16(b[8:])) - 840}
}

// storeVariant gives kind, scale, both numbers and the text or bytes: a variant's forms are equal when the values are the
// same in type and value, and have no order.
func storeVariant(v Value) string {
	b := make([]byte, 18, 18+len(v.S))
	b[0], b[1] = byte(v.K), v.Scale
	binary.BigEndian.PutUint64(b[2:], uint64(v.N))
	binary.BigEndian.PutUint64(b[10:], uint64(v.Hi))
	return string(append(b, v.S...))
}

func loadVariant(b []byte) Value {
	if len(b) < 18 || Kind(b[0]) >= kinds || b[1] > MaxPrec {
		return NullOf(Variant)
	}
	v := Value{K: Kind(b[0]), Scale: b[1], Valid: true, N: int64(binary.BigEndian.Uint64(b[2:])), Hi: int64(binary.BigEndian.Uint64(b[10:])), S: string(b[18:])}
	if v.K.IsTemporal() && v.Scale > 7 {
		return NullOf(Variant)
	}
	return v
}

// PutDecimal gives the blob form of a decimal.
func PutDecimal(v Value) [17]byte {
	var b [17]byte
	if v.Hi >= 0 {
		b[0] = 1
	}
	binary.BigEndian.PutUint64(b[1:], uint64(v.Hi))
	binary.BigEndian.PutUint64(b[9:], uint64(v.N))
	return b
}

// PutGUID gives the stored form of a uniqueidentifier's 16 bytes.
func PutGUID(s string) [16]byte {
	var b [16]byte
	if len(s) == 16 {
		for i, from := range guidOrder {
			b[i] = s[from]
		}
	}
	return b
}

// Load gives the value that a column of type t holds as s. Bytes that Store never gave yield NULL.
func Load(s Stored, t Type) Value {
	switch s.Class {
	case StoreInt:
		return LoadInt(s.I, t)
	case StoreReal:
		return FloatOf(t.Kind, s.F)
	case StoreText:
		return LoadText(s.S, t)
	case StoreBlob:
		return LoadBlob([]byte(s.S), t)
	}
	return NullOf(t.Kind)
}

// LoadInt gives the value of type t that an integer of the row store stands for.
func LoadInt(n int64, t Type) Value {
	v := Value{K: t.Kind, Valid: true, N: n}
	switch t.Kind {
	case Decimal:
		v.Hi = n >> 63
		v.Scale = t.Scale
	case Time, DateTime2:
		v.Scale = t.Scale
	case Real, Float:
		v.N = int64(math.Float64bits(float64(n)))
	}
	return v
}

// LoadBlob gives the value of type t that a blob of the row store stands for; it keeps no reference to b.
func LoadBlob(b []byte, t Type) Value {
	v := Value{K: t.Kind, Valid: true}
	switch t.Kind {
	case Decimal:
		if len(b) != 17 {
			return NullOf(t.Kind)
		}
		v.Hi = int64(binary.BigEndian.Uint64(b[1:]))
		v.N = int64(binary.BigEndian.Uint64(b[9:]))
		v.Scale = t.Scale
	case UniqueIdentifier:
		if len(b) != 16 {
			return NullOf(t.Kind)
		}
		var g [16]byte
		for i, to := range guidOrder {
			g[to] = b[i]
		}
		v.S = string(g[:])
	case Variant:
		return loadVariant(b)
	default:
		v.S = string(b)
	}
	return v
}

// FixedSize is the number of bytes that SQL Server stores for a value of a type of fixed size (DATALENGTH); 0 for the
// others.
func FixedSize(t Type) int {
	switch t.Kind {
	case Bit, TinyInt:
		return 1
	case SmallInt:
		return 2
	case Int, Real, SmallMoney, SmallDateTime:
		return 4
	case BigInt, Float, Money, DateTime, RowVersion:
		return 8
	case UniqueIdentifier:
		return 16
	case Date:
		return 3
	case Decimal:
		switch {
		case t.Prec <= 9:
			return 5
		case t.Prec <= 19:
			return 9
		case t.Prec <= 28:
			return 13
		}
		return 17
	case Time, DateTime2, DateTimeOffset:
		n := 5
		if t.Scale <= 2 {
			n = 3
		} else if t.Scale <= 4 {
			n = 4
		}
		if t.Kind != Time {
			n += 3
		}
		if t.Kind == DateTimeOffset {
			n += 2
		}
		return n
	}
	return 0
}
