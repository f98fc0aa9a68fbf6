package bak_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/bak"
)

// stripeReports verifies the files of one media set, each by itself.
func stripeReports(t *testing.T, contents []*bak.Content) []bak.Stripe {
	t.Helper()
	var stripes []bak.Stripe
	for _, c := range contents {
		m, err := bak.ReadMedia(c, bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		stripes = append(stripes, bak.Stripe{Media: m, Report: verifyContent(t, c)})
	}
	return stripes
}

func TestStripesAddUp(t *testing.T) {
	t.Parallel()
	w := write(t, fixtureOptions{stripes: 3, sets: allTypes()[:1], software: bak.SoftwareSQLServer})
	var contents []*bak.Content
	for _, b := range w.stripes {
		c, err := bak.OpenContent(bytes.NewReader(b.Bytes()), int64(b.Len()), bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, c)
	}
	s := stripeReports(t, contents)
	bak.CheckStripes(s)
	if r := s[0].Report; r.Verdict == bak.DamagedAt || checkNamed(r, "size against header").OK != 1 || checkNamed(r, "log continuity").OK != 1 {
		t.Errorf("%v %+v: %v", r.Verdict, r.Checks, r.Err())
	}
	s = stripeReports(t, contents)
	s[2].Media.Sets[0].LastConfig += 512 // as if the third stripe came from elsewhere
	bak.CheckStripes(s)
	if r := s[0].Report; r.Verdict != bak.DamagedAt || !strings.Contains(r.Err().Error(), "size of backup set 1 over all stripes") {
		t.Errorf("%v: %v", r.Verdict, r.Err())
	}
	s = stripeReports(t, contents[:2])
	bak.CheckStripes(s)
	if r := s[0].Report; checkNamed(r, "size against header").OK != 0 {
		t.Errorf("two of three stripes add up: %+v", r.Checks)
	}
}

func TestRealStripesAddUp(t *testing.T) {
	t.Parallel()
	dir, all := manifest(t)
	sets := map[string][]*bak.Content{}
	for _, e := range all {
		if e.Media.FamilyCount < 2 || strings.HasPrefix(e.File, "lost") {
			continue
		}
		f, size := openReal(t, filepath.Join(dir, e.File))
		c, err := bak.OpenContent(f, size, bak.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sets[e.Media.MediaSetGUID] = append(sets[e.Media.MediaSetGUID], c)
	}
	if len(sets) != 8 {
		t.Fatalf("%d striped media sets", len(sets))
	}
	for id, contents := range sets {
		s := stripeReports(t, contents)
		bak.CheckStripes(s)
		if r := s[0].Report; r.Verdict == bak.DamagedAt || checkNamed(r, "size against header").OK != 1 || checkNamed(r, "log continuity").OK != 1 {
			t.Errorf("%s: %v %+v: %v", id, r.Verdict, r.Checks, r.Err())
		}
	}
}
