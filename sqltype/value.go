package sqltype

import "math"

// Value is one value of one Kind, or NULL. It is small and immutable; the zero Value is an untyped NULL.
//
// Representation, by kind; it is also what the row store keeps (see storage.go in this package for the exceptions):
//
//	Bit … BigInt      N
//	Decimal           Hi:N, a signed 128-bit integer scaled by 10^Scale (Hi is the upper half, N the lower as uint64)
//	Money, SmallMoney N, scaled by 10^4
//	Real, Float       N, the bits of the float64
//	Date              N, days since 0001-01-01
//	Time              N, 100 ns ticks since midnight
//	SmallDateTime     N, minutes since 1900-01-01
//	DateTime          N, ticks of 1/300 s since 1900-01-01 (negative before)
//	DateTime2         N, 100 ns ticks since 0001-01-01
//	DateTimeOffset    N, 100 ns ticks since 0001-01-01 in UTC, and Hi, the offset in minutes
//	text kinds        S, UTF-8 without terminator; CHAR and NCHAR padded to their length
//	binary kinds      S, the bytes
//	UniqueIdentifier  S, the 16 bytes as TDS sends them (first three groups little-endian)
type Value struct {
	K     Kind
	Scale uint8
	Valid bool // false for NULL
	N     int64
	Hi    int64
	S     string
}

// NullOf is the NULL of kind k.
func NullOf(k Kind) Value { return Value{K: k} }

// IntOf is an integer value of kind k (Bit to BigInt); the caller has checked the range.
func IntOf(k Kind, n int64) Value { return Value{K: k, Valid: true, N: n} }

// BitOf is a bit.
func BitOf(b bool) Value {
	v := Value{K: Bit, Valid: true}
	if b {
		v.N = 1
	}
	return v
}

// FloatOf is a Float or Real value.
func FloatOf(k Kind, f float64) Value {
	return Value{K: k, Valid: true, N: int64(math.Float64bits(f))}
}

// StringOf is a text value of kind k.
func StringOf(k Kind, s string) Value { return Value{K: k, Valid: true, S: s} }

// NVarCharOf is an nvarchar value.
func NVarCharOf(s string) Value { return StringOf(NVarChar, s) }

// BytesOf is a binary value of kind k, or a uniqueidentifier from its 16 bytes.
func BytesOf(k Kind, b []byte) Value { return Value{K: k, Valid: true, S: string(b)} }

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return !v.Valid }

// Float gives the number of a Real or Float value.
func (v Value) Float() float64 { return math.Float64frombits(uint64(v.N)) }

// Bytes gives the bytes of a binary value as a new slice.
func (v Value) Bytes() []byte { return []byte(v.S) }
