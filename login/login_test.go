package login_test

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"testing"

	"linkspan/login"
)

// The vector is a hash that SQL Server 2012 made, published with its password by the makers of password crackers
// (hashcat's example for mode 1731).
func TestVerifiesSQLServersOwnHash(t *testing.T) {
	t.Parallel()
	hash, err := hex.DecodeString("02000102030434ea1b17802fd95ea6316bd61d2c94622ca3812793e8fb1672487b5c904a45a31b2ab4a78890d563d2fcf5663e46fe797d71550494be50cf4915d3f4d55ec375")
	if err != nil {
		t.Fatal(err)
	}
	if !login.Verify(hash, "hashcat") {
		t.Error("the right password is refused")
	}
	if login.Verify(hash, "Hashcat") {
		t.Error("another password is taken")
	}
}

func TestHashRoundTrip(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "Pa$$w0rd", "pässwörd", "𝔘𝔫𝔦", strings.Repeat("x", 128)} {
		h := login.Hash(password, [4]byte{1, 2, 3, 4})
		if len(h) != login.Size || h[0] != 2 || h[1] != 0 || login.Check(h) != nil {
			t.Fatalf("hash of %q is %x", password, h)
		}
		if !login.Verify(h, password) {
			t.Errorf("%q is refused", password)
		}
		if login.Verify(h, password+"x") || login.VerifyUnknown(password) {
			t.Errorf("a wrong password is taken for %q", password)
		}
		other := login.Hash(password, [4]byte{4, 3, 2, 1})
		if string(other) == string(h) {
			t.Error("the salt does nothing")
		}
	}
}

func TestOldHash(t *testing.T) {
	t.Parallel()
	sum := sha1.Sum([]byte("p\x00w\x00salt"))
	h := append([]byte("\x01\x00salt"), sum[:]...)
	if !login.Verify(h, "pw") || login.Verify(h, "pW") {
		t.Error("a SHA-1 hash is not verified")
	}
	if !login.Verify(append(h, sum[:]...), "pw") {
		t.Error("a SHA-1 hash with the upper-case one behind it is not verified")
	}
}

func TestUnknownFormsMatchNothing(t *testing.T) {
	t.Parallel()
	good := login.Hash("pw", [4]byte{})
	for _, h := range [][]byte{nil, {2}, {2, 0}, good[:69], append([]byte{3}, good[1:]...), append(good, 0)} {
		if login.Check(h) == nil || login.Verify(h, "pw") || login.Verify(h, "") {
			t.Errorf("%x counts as a hash", h)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(login.Hash("pw", [4]byte{1}), "pw")
	f.Add([]byte{1, 0, 0, 0, 0, 0}, "")
	f.Fuzz(func(t *testing.T, hash []byte, password string) {
		if login.Verify(hash, password) && login.Check(hash) != nil {
			t.Error("a hash of no known form matched")
		}
	})
}
