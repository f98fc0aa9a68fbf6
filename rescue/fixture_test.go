package rescue_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"linkspan/rescue"
)

var mutations = flag.Int("mutations", 3000, "how many damaged files TestReadMutations reads")

var rewrite = flag.Bool("rewrite", false, "write testdata/v1.txt anew from testdata/v1.rescue")

// A file that an older build wrote is read as it was meant. testdata/v1.rescue is never written anew: a later format
// gets a fixture of its own.
func TestOldFile(t *testing.T) {
	t.Parallel()
	const file, golden = "testdata/v1.rescue", "testdata/v1.txt"
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) && *rewrite {
		r := newRig(t)
		r.fork("CREATE TABLE t (id int IDENTITY PRIMARY KEY, n nvarchar(9), m money, d datetime2(3)); CREATE TABLE h (b varbinary(4), g uniqueidentifier); "+
			"INSERT t (n, m, d) VALUES (N'a', 1, '2026-01-01'), (N'b', 2.5, '2026-01-02T03:04:05.678'); INSERT h VALUES (0x01, NULL)",
			"UPDATE t SET n = N'it''s', m = NULL WHERE id = 1; DELETE t WHERE id = 2; INSERT t (n) VALUES (N'長崎'); "+
				"UPDATE h SET g = '6F9619FF-8B86-D011-B42D-00C04FC964FF'; CREATE TABLE fresh (id int PRIMARY KEY); INSERT fresh VALUES (7)")
		_, data = r.save()
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, show := range []func() error{
		func() error { return rescue.WriteText(&got, bytes.NewReader(data), rescue.Filter{}) },
		func() error { return rescue.WriteJSON(&got, bytes.NewReader(data), rescue.Filter{}) },
		func() error { return rescue.WriteScript(&got, bytes.NewReader(data), rescue.Filter{}) },
	} {
		if err := show(); err != nil {
			t.Fatal(err)
		}
	}
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the file shows as\n%s\nwant\n%s", got.String(), want)
	}
}

// Bytes of a stranger are read without panic, in memory bounded by their number.
func FuzzRead(f *testing.F) {
	data, err := os.ReadFile("testdata/v1.rescue")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(_ *testing.T, data []byte) { readAny(data) })
}

// readAny shows a file in every way; errors are what it may give.
func readAny(data []byte) {
	data = rescue.Reseal(data) // so that what is behind the checksums is reached
	var b bytes.Buffer
	_ = rescue.WriteText(&b, bytes.NewReader(data), rescue.Filter{})
	_ = rescue.WriteJSON(&b, bytes.NewReader(data), rescue.Filter{})
	_ = rescue.WriteScript(&b, bytes.NewReader(data), rescue.Filter{})
}

// The same with changes at random, since the fuzzer is slow in a program of this size.
func TestReadMutations(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/v1.rescue")
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(20260102)
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range *mutations {
		b := bytes.Clone(data)
		for range 1 + rnd.IntN(6) {
			at := rnd.IntN(len(b))
			switch rnd.IntN(3) {
			case 0:
				b[at] = byte(rnd.Uint32())
			case 1:
				b[at] ^= 1 << rnd.IntN(8)
			default:
				b = slices.Insert(b, at, byte(rnd.Uint32()))
			}
		}
		readAny(b)
	}
}
