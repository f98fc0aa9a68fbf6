package bak_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"linkspan/bak"
)

// fuzzSize bounds what the fuzzers read.
const fuzzSize = 1 << 20

func FuzzMedia(f *testing.F) {
	for _, compressed := range []bool{false, true} {
		f.Add(write(f, fixtureOptions{stripes: 1, sets: []bak.Header{header(bak.Log, 3, 8, 12)}, sum: true, compressed: compressed, software: bak.SoftwareSQLServer}).stripes[0].Bytes())
	}
	f.Add([]byte("MSSQLBAK\x02"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > fuzzSize {
			return
		}
		o := bak.Options{MaxExpanded: 8 << 20, MaxConfig: 1 << 20, MaxBlocks: 10000}
		readAll(t, bytes.NewReader(b), int64(len(b)), o)
		m, err := bak.ReadMediaStream(bytes.NewReader(b), o)
		if err == nil && len(m.Sets) == 0 {
			t.Error("a file without a backup set reads without an error")
		}
	})
}

func FuzzXpress(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	f.Add([]byte("abcabcabcabcabcabc"))
	f.Add(bytes.Repeat([]byte{0}, 65536))
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	f.Add(noise)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 65536 {
			return
		}
		out := make([]byte, 65536)
		_ = bak.XpressDecode(out, b) // anything but a panic
		if len(b) == 0 {
			return
		}
		packed := bak.XpressEncode(b)
		back := make([]byte, len(b))
		if err := bak.XpressDecode(back, packed); err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%d bytes do not come back: %v", len(b), err)
		}
	})
}

func TestXpressKnownVector(t *testing.T) {
	t.Parallel()
	// [MS-XCA] 3.2: "abcdefghijklmnopqrstuvwxyz" is 256 bytes of table and these words.
	table := make([]byte, 256)
	copy(table[48:], append([]byte{0x50}, append(bytes.Repeat([]byte{0x55}, 10), 0x45, 0x44, 0x04)...))
	table[128] = 0x04
	in := append(table, 0xd8, 0x52, 0x3e, 0xd7, 0x94, 0x11, 0x5b, 0xe9, 0x19, 0x5f, 0xf9, 0xd6, 0x7c, 0xdf, 0x8d, 0x04, 0x00, 0x00, 0x00, 0x00)
	out := make([]byte, 26)
	if err := bak.XpressDecode(out, in); err != nil || string(out) != "abcdefghijklmnopqrstuvwxyz" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestXpressLongMatches(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 3))
	for _, unit := range []int{1, 2, 7, 300, 5000} {
		piece := make([]byte, unit)
		for i := range piece {
			piece[i] = byte(rng.Uint32())
		}
		for _, n := range []int{1, 17, 18, 273, 274, 300, 32770, 65536} {
			b := bytes.Repeat(piece, n/unit+1)[:n]
			back := make([]byte, n)
			if err := bak.XpressDecode(back, bak.XpressEncode(b)); err != nil || !bytes.Equal(back, b) {
				t.Errorf("unit %d, length %d: %v", unit, n, err)
			}
		}
	}
}

func BenchmarkXpressDecode(b *testing.B) {
	rng := rand.New(rand.NewPCG(2, 3))
	src := makePages(rng, 0, 1)[:65536]
	packed := bak.XpressEncode(src)
	out := make([]byte, len(src))
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if err := bak.XpressDecode(out, packed); err != nil {
			b.Fatal(err)
		}
	}
}
