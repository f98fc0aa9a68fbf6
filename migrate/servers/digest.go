package servers

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/zeebo/xxh3"
)

// The kinds of values in the canonical form; see the package comment.
const (
	kindNull byte = iota
	kindBit
	kindInteger
	kindFloat
	kindText
	kindBinary
	kindTime
)

// digest is the sum of rows, and how many they were.
type digest struct {
	hi, lo uint64
	rows   int64
	buf    []byte // of one row, reused
}

// add takes a row in.
func (d *digest) add(values []any) error {
	d.buf = d.buf[:0]
	for _, v := range values {
		var err error
		if d.buf, err = appendValue(d.buf, v); err != nil {
			return err
		}
	}
	h := xxh3.Hash128(d.buf)
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, h.Lo, 0)
	d.hi, _ = bits.Add64(d.hi, h.Hi, carry)
	d.rows++
	return nil
}

// String is the digest as 32 digits.
func (d *digest) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], d.hi)
	binary.BigEndian.PutUint64(b[8:], d.lo)
	return hex.EncodeToString(b[:])
}

// appendValue appends the canonical form of a value as sqlclient gives it.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, kindNull), nil
	case bool:
		if v {
			return append(b, kindBit, 1), nil
		}
		return append(b, kindBit, 0), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(b, kindInteger), uint64(v)), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(b, kindFloat), math.Float64bits(v)), nil
	case string:
		return append(binary.AppendUvarint(append(b, kindText), uint64(len(v))), v...), nil
	case []byte:
		return append(binary.AppendUvarint(append(b, kindBinary), uint64(len(v))), v...), nil
	case time.Time:
		_, offset := v.Zone()
		b = binary.BigEndian.AppendUint64(append(b, kindTime), uint64(v.Unix()))
		b = binary.BigEndian.AppendUint32(b, uint32(v.Nanosecond()))
		return binary.BigEndian.AppendUint32(b, uint32(int32(offset))), nil
	default:
		return b, fmt.Errorf("a value of type %T has no canonical form", v)
	}
}
