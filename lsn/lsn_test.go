package lsn_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"linkspan/lsn"
)

func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		l        lsn.LSN
		hex, dec string
	}{
		{lsn.Zero, "00000000:00000000:0000", "0"},
		{lsn.LSN{VLF: 34, Block: 400, Slot: 55}, "00000022:00000190:0037", "34000000040000055"},
		{lsn.LSN{Block: 7, Slot: 1}, "00000000:00000007:0001", "700001"},
		{lsn.Max, "ffffffff:ffffffff:ffff", "4294967295429496729565535"},
	} {
		if got := c.l.String(); got != c.hex {
			t.Errorf("String() = %s, want %s", got, c.hex)
		}
		if got := c.l.Decimal(); got != c.dec {
			t.Errorf("Decimal() = %s, want %s", got, c.dec)
		}
		for _, s := range []string{c.hex, c.dec} {
			if got, err := lsn.Parse(s); err != nil || got != c.l {
				t.Errorf("Parse(%q) = %v, %v, want %v", s, got, err, c.l)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "x", "1:2", "1:2:3:4", "100000000:0:0", "0:0:10000", "-1", "4294967296000000000000000", "12345678901234567890123456", "99999"} {
		if got, err := lsn.Parse(s); !errors.Is(err, lsn.ErrSyntax) {
			t.Errorf("Parse(%q) = %v, %v, want ErrSyntax", s, got, err)
		}
	}
	if _, err := lsn.Decode(make([]byte, 9)); !errors.Is(err, lsn.ErrSyntax) {
		t.Errorf("Decode of 9 bytes: %v, want ErrSyntax", err)
	}
}

func TestOrderAndEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() lsn.LSN {
		return lsn.LSN{VLF: r.Uint32N(3), Block: r.Uint32N(3), Slot: uint16(r.Uint32N(3))}
	}
	for range 2000 {
		a, b := random(), random()
		got, err := lsn.Decode(a.AppendTo(nil))
		if err != nil || got != a {
			t.Fatalf("Decode(AppendTo(%v)) = %v, %v", a, got, err)
		}
		if a.Less(b) != (a.String() < b.String()) {
			t.Fatalf("order of %v and %v differs from the order of their spelling", a, b)
		}
		if lsn.Latest(a, b).Less(lsn.Earliest(a, b)) {
			t.Fatalf("Latest(%v, %v) is before Earliest", a, b)
		}
	}
}
