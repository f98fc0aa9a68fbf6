package tds_test

import (
	"bytes"
	"testing"

	"linkspan/sqltype"
	"linkspan/tds"
)

// maxFuzz bounds the inputs: what is wrong with a length shows in short ones.
const maxFuzz = 1 << 16

func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 1, 0, 9, 0, 0, 0, 0, 'x'})
	f.Add([]byte{1, 0, 0, 9, 0, 0, 0, 0, 'x', 1, 1, 0, 8, 0, 0, 0, 0})
	f.Add([]byte{1, 1, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxFuzz {
			t.Skip()
		}
		r := tds.NewReader(bytes.NewReader(b))
		for {
			m, err := r.Next(1000, nil)
			if len(m.Payload) > 1000 || cap(m.Payload) > 4*tds.MaxPacketSize {
				t.Fatalf("%d bytes kept, %d held", len(m.Payload), cap(m.Payload))
			}
			if err != nil {
				return
			}
		}
	})
}

func FuzzPrelogin(f *testing.F) {
	f.Add(tds.AppendPreloginReply(nil, 16, 0, 0, tds.EncryptOn))
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = tds.DecodePrelogin(b) })
}

func FuzzLogin7(f *testing.F) {
	f.Add(unhex(f, "60000000 04000074")) // too short
	b := make([]byte, 120)
	copy(b, unhex(f, "78000000 04000074 00100000"))
	b[27], b[56], b[58], b[40], b[42], b[94], b[98] = 0x10, 94, 4, 100, 2, 98, 0x0a
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := tds.DecodeLogin7(b)
		if err == nil && l == nil {
			t.Fatal("neither a login nor an error")
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add(unhex(f, noHeaders+"7300 4400"))
	f.Add(unhex(f, "04000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, text, err := tds.DecodeBatch(b); err == nil && len(text) > 3*len(b) {
			t.Fatal("more text than bytes")
		}
	})
}

func FuzzTx(f *testing.F) {
	f.Add(unhex(f, noHeaders+"0500 02 00"))
	f.Add(unhex(f, noHeaders+"0700 02 6100 01 04 02 6200"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = tds.DecodeTx(b) })
}

// FuzzRPC decodes calls, and encodes what it got: a value that was taken must go out again in its type.
func FuzzRPC(f *testing.F) {
	for _, s := range []string{
		"ffff 0a00 0000 00 00 e7 ffff 0904d00034 feffffffffffffff 02000000 6100 00000000",
		"ffff 0a00 0000 00 00 e7 401f 0904d00034 0200 6100 00 00 26 08 08 0100000000000000",
		"ffff 0a00 0000 00 00 6a 11 26 0a 11 01 01000000000000000000000000000000 00 00 2b 07 0a 0000000000 000000 0000",
		"ffff 0a00 0000 00 00 62 491f0000 0b000000 e7 07 0904d00034 401f 7800",
		"ffff 0a00 0000 00 00 63 0c000000 0904d00034 04000000 68006900 ff ffff 0c00 0000",
		"0100 7000 0000 00 00 6f 08 08 0000000000000000 00 00 24 10 10 00112233445566778899aabbccddeeff",
		"ffff 0a00 0000 00 00 f1 00 0400000000000000 04000000 3c003e00 00000000",
		"ffff 0a00 0000 00 00 f3 00 03 640062006f00 02 49004400",
	} {
		f.Add(unhex(f, noHeaders+s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxFuzz {
			t.Skip()
		}
		_, calls, err := tds.DecodeRPC(b)
		if err != nil {
			return
		}
		for _, c := range calls {
			for _, p := range c.Params {
				if p.Type.Kind == sqltype.Null {
					continue
				}
				if _, err := tds.AppendReturnValue(nil, 0, p.Name, p.Type, p.Value); err != nil {
					t.Fatalf("%+v: %v", p, err)
				}
			}
		}
	})
}
