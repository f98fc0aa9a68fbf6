package bak_test

import (
	"path/filepath"
	"testing"

	"linkspan/bak"
)

// verifyContent runs every unit one after the other.
func verifyContent(t testing.TB, c *bak.Content) *bak.Report {
	t.Helper()
	m, err := bak.ReadMedia(c, bak.Options{})
	if m == nil {
		t.Fatal(err)
	}
	v := bak.NewVerification(c, m, err)
	var results []bak.UnitResult
	var buf []byte
	for _, u := range v.Units() {
		var res bak.UnitResult
		res, buf = u.Run(buf)
		results = append(results, res)
	}
	r, err := v.Finish(results)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkNamed(r *bak.Report, name string) bak.Check {
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	return bak.Check{}
}

func TestRealFilesVerifyWithTheManifestsCounts(t *testing.T) {
	t.Parallel()
	dir, all := manifest(t)
	logBlocks, ranges := int64(0), int64(0)
	for _, e := range all {
		f, size := openReal(t, filepath.Join(dir, e.File))
		c, err := bak.OpenContent(f, size, bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := verifyContent(t, c)
		if r.Verdict == bak.DamagedAt {
			t.Errorf("%s: %v", e.File, r.Err())
		}
		p, s := checkNamed(r, "page checksums"), checkNamed(r, "checksum streams")
		got := map[string]int{"pages_checksum_ok": int(p.OK), "pages_checksum_bad": int(p.Bad), "pages_without_checksum_or_unallocated": int(p.Without),
			"csum_streams": int(s.OK + s.Bad), "csum_ok": int(s.OK)}
		for k, want := range e.Verify {
			if got[k] != want {
				t.Errorf("%s: %s = %d, manifest says %d", e.File, k, got[k], want)
			}
		}
		logBlocks += checkNamed(r, "log blocks").OK
		ranges += checkNamed(r, "log continuity").OK
		if e.Media.FamilyCount == 1 && checkNamed(r, "size against header").OK != 1 {
			t.Errorf("%s: size not checked: %+v", e.File, r.Checks)
		}
	}
	if logBlocks != 269 {
		t.Errorf("%d log blocks verified, want 269", logBlocks)
	}
	if ranges == 0 {
		t.Error("no log range was checked")
	}
	t.Logf("%d log blocks, %d unbroken log ranges", logBlocks, ranges)
}
