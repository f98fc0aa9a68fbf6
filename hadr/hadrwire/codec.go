package hadrwire

import (
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf8"

	"linkspan/lsn"
)

// encoder appends the parts of a message.
type encoder struct{ b []byte }

func (e *encoder) u8(v uint8)   { e.b = append(e.b, v) }
func (e *encoder) u16(v uint16) { e.b = binary.LittleEndian.AppendUint16(e.b, v) }
func (e *encoder) u32(v uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.u8(1)
	} else {
		e.u8(0)
	}
}

// str cuts what is too long for its length field at a whole rune; names and texts are far shorter.
func (e *encoder) str(s string) {
	if len(s) > 1<<14 {
		s = s[:1<<14]
		for !utf8.ValidString(s) && len(s) > 1<<14-4 {
			s = s[:len(s)-1]
		}
	}
	e.u16(uint16(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) id(v [16]byte) { e.b = append(e.b, v[:]...) }
func (e *encoder) lsn(v lsn.LSN) { e.b = v.AppendTo(e.b) }

// time is in microseconds since 1970; the zero time is 0.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.u64(0)
		return
	}
	e.u64(uint64(t.UnixMicro()))
}

func (e *encoder) rest(b []byte) { e.b = append(e.b, b...) }

// decoder takes the parts of a message from b; after the first failure it gives zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.b = nil
}

// take returns the next n bytes, or nil.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail("%d bytes wanted, %d there", n, len(d.b))
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) bool() bool {
	switch v := d.u8(); v {
	case 0, 1:
		return v == 1
	default:
		d.fail("truth value %d", v)
		return false
	}
}

func (d *decoder) str() string {
	b := d.take(int(d.u16()))
	if !utf8.Valid(b) {
		d.fail("text is not UTF-8")
		return ""
	}
	return string(b)
}

func (d *decoder) id() (v [16]byte) {
	copy(v[:], d.take(16))
	return v
}

func (d *decoder) lsn() lsn.LSN {
	l, err := lsn.Decode(d.take(lsn.EncodedSize))
	if err != nil && d.err == nil {
		d.err = err
	}
	return l
}

func (d *decoder) time() time.Time {
	v := d.u64()
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(v)).UTC()
}

func (d *decoder) rest() []byte { return d.take(len(d.b)) }
