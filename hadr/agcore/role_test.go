package agcore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/hadr/agcore"
	"linkspan/lsn"
)

func history64() agcore.History {
	h := agcore.History{{}}
	for i := range uint32(80) {
		h = h.Add(i+2, place(10*i+10))
	}
	return h
}

func records() []agcore.RoleRecord {
	id := agcore.ID{1, 2, 3}
	at := time.Date(2026, 5, 4, 3, 2, 1, 123_456_000, time.UTC)
	return []agcore.RoleRecord{
		{Kind: agcore.RoleFence, Epoch: 2, Link: id, Time: at, History: agcore.History{{}}},
		{Kind: agcore.RoleFence, Epoch: 2, Link: id, Time: at, Hold: true, History: agcore.History{{}}},
		{Kind: agcore.RoleOpen, Epoch: agcore.MaxEpoch, Link: id, Time: at, Forced: true, History: agcore.History{{}, {Epoch: 2, After: lsn.Max}}},
		{Kind: agcore.RoleOpen, Epoch: 81, Link: id, Time: at, History: history64()},
	}
}

// TestRoleRecord: what is encoded is read again, it fits into a control record, and no piece of it is taken for the whole.
func TestRoleRecord(t *testing.T) {
	t.Parallel()
	for _, r := range records() {
		b := r.Encode()
		if len(b) > 1<<10 {
			t.Errorf("epoch %d takes %d bytes", r.Epoch, len(b))
		}
		got, err := agcore.DecodeRole(b)
		if err != nil || !cmp.Equal(got, r) {
			t.Errorf("epoch %d: %v\n%s", r.Epoch, err, cmp.Diff(r, got))
		}
		for n := range b {
			if _, err := agcore.DecodeRole(b[:n]); !errors.Is(err, agcore.ErrRecord) {
				t.Fatalf("epoch %d: the first %d of %d bytes are read: %v", r.Epoch, n, len(b), err)
			}
		}
		if _, err := agcore.DecodeRole(append(b, 0)); !errors.Is(err, agcore.ErrRecord) {
			t.Errorf("epoch %d: a byte after its end is read: %v", r.Epoch, err)
		}
	}
	if h := history64(); len(h) != 64 || h[63].Epoch != 81 || h[0].Epoch != 18 {
		t.Errorf("80 epochs are remembered as %d, %d to %d", len(h), h[0].Epoch, h[len(h)-1].Epoch)
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()
	for _, s := range []agcore.Standing{
		{},
		{Exists: true, Primary: true, Epoch: 3, End: place(7), Refused: 4, Outdated: 5, Suspended: true, Synchronous: true},
		{Exists: true, Epoch: 81, Last: records()[3], LastAt: place(800), End: place(900)},
	} {
		b := s.Encode()
		got, err := agcore.DecodeStanding(b)
		if err != nil || !cmp.Equal(got, s) {
			t.Errorf("%v\n%s", err, cmp.Diff(s, got))
		}
		for n := range b {
			if _, err := agcore.DecodeStanding(b[:n]); !errors.Is(err, agcore.ErrRecord) {
				t.Fatalf("the first %d of %d bytes are read: %v", n, len(b), err)
			}
		}
	}
}

func FuzzDecodeRole(f *testing.F) {
	for _, r := range records() {
		f.Add(r.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := agcore.DecodeRole(b)
		if err != nil {
			return
		}
		if again, err := agcore.DecodeRole(r.Encode()); err != nil || !cmp.Equal(again, r) {
			t.Errorf("%x is read as %+v, and that as %+v, %v", b, r, again, err)
		}
	})
}

func FuzzDecodeStanding(f *testing.F) {
	for _, r := range records() {
		s := agcore.Standing{Exists: true, Primary: true, Epoch: 3, Last: r, LastAt: place(3), End: place(4)}
		f.Add(s.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := agcore.DecodeStanding(b)
		if err != nil {
			return
		}
		if again, err := agcore.DecodeStanding(s.Encode()); err != nil || !cmp.Equal(again, s) {
			t.Errorf("%x is read as %+v, and that as %+v, %v", b, s, again, err)
		}
	})
}

// TestNextEpoch: the sides never open the same epoch.
func TestNextEpoch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		after uint32
		side  agcore.Side
		want  uint32
	}{{0, agcore.Side1, 1}, {0, agcore.Side2, 2}, {1, agcore.Side1, 3}, {1, agcore.Side2, 2}, {2, agcore.Side1, 3}, {2, agcore.Side2, 4}} {
		if got := agcore.NextEpoch(c.after, c.side); got != c.want || !c.side.Opens(got) || c.side.Other().Opens(got) {
			t.Errorf("after %d side %d opens %d, want %d", c.after, c.side, got, c.want)
		}
	}
}

func TestFork(t *testing.T) {
	t.Parallel()
	base := agcore.History{{}}
	two := base.Add(2, place(10))
	for _, c := range []struct {
		what       string
		a, b       agcore.History
		endA, endB uint32
		want       uint32
		ok         bool
	}{
		{"one is behind", base, base, 7, 9, 7, true},
		{"forced: the old one went on", base, two, 20, 15, 10, true},
		{"planned: all of the old log is there", base, two, 10, 15, 10, true},
		{"forced and behind", base, two, 8, 15, 8, true},
		{"both were opened", base.Add(3, place(12)), two, 30, 40, 10, true},
		{"parted in a later epoch", two, two.Add(3, place(20)), 25, 30, 20, true},
		{"nothing in common", agcore.History{{Epoch: 100, After: place(5)}}, agcore.History{{Epoch: 101, After: place(5)}}, 9, 9, 0, false},
	} {
		for range 2 { // it is the same from either side
			got, ok := agcore.Fork(c.a, c.b, place(c.endA), place(c.endB))
			if got != place(c.want) || ok != c.ok {
				t.Errorf("%s: %v %t, want %d %t", c.what, got, ok, c.want, c.ok)
			}
			c.a, c.b, c.endA, c.endB = c.b, c.a, c.endB, c.endA
		}
	}
}

// fits are the pairs of verdicts that two sides may come to about one another.
var fits = map[string]bool{"lead follow": true, "lead diverged": true, "lead step-down": true, "await open-now": true, "await follow": true,
	"await diverged": true, "await step-down": true, "open-again follow": true, "open-again diverged": true, "ahead outlived": true,
	"open-now outlived": true, "open-now step-down": true, "open-now follow": true, "open-now diverged": true, "no-primary no-primary": true}

// TestResolveFits: whatever the two sides find when they meet, their verdicts go together: nobody opens while the other may
// write, and somebody is to move unless a statement decides.
func TestResolveFits(t *testing.T) {
	t.Parallel()
	d := meetings(t)
	for _, a := range d {
		for _, b := range d {
			va, vb := agcore.Resolve(*a, *b), agcore.Resolve(*b, *a)
			if !fits[fmt.Sprint(va, " ", vb)] && !fits[fmt.Sprint(vb, " ", va)] {
				t.Errorf("%+v: %s\n%+v: %s", *a, va, *b, vb)
			}
			if va == agcore.OpenNow && b.Open() && b.Epoch > a.Epoch || va == agcore.OpenAgain && b.Primary {
				t.Errorf("%+v opens beside %+v", *a, *b)
			}
		}
	}
}

// meetings are standings that the two sides may find each other in.
func meetings(t *testing.T) []*agcore.Standing {
	var out []*agcore.Standing
	base := agcore.History{{}}
	fence := agcore.RoleRecord{Kind: agcore.RoleFence, Epoch: 2, History: base}
	for _, role := range []bool{true, false} {
		for _, end := range []uint32{9, 12} {
			out = append(out, &agcore.Standing{Exists: true, Primary: role, Epoch: 1, End: place(end)})
		}
		for _, refused := range []uint32{0, 2} {
			out = append(out, &agcore.Standing{Exists: true, Primary: role, Epoch: 1, Last: fence, LastAt: place(12), End: place(12), Refused: refused})
		}
		for _, e := range []uint32{2, 3, 4} {
			out = append(out, &agcore.Standing{Exists: true, Primary: role, Epoch: e, End: place(15), LastAt: place(13),
				Last: agcore.RoleRecord{Kind: agcore.RoleOpen, Epoch: e, History: base.Add(e, place(12))}})
		}
	}
	if len(out) != 14 {
		t.Fatalf("%d standings", len(out))
	}
	return append(out, &agcore.Standing{Exists: true, Primary: true, Epoch: 2, Last: fence, LastAt: place(12), End: place(12)})
}

// An epoch beyond all that there can be is not believed: the next one would wrap around.
func TestEpochsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, epoch := range []uint32{agcore.MaxEpoch + 1, 1<<32 - 1} {
		r := agcore.RoleRecord{Kind: agcore.RoleOpen, Epoch: epoch}
		if _, err := agcore.DecodeRole(r.Encode()); !errors.Is(err, agcore.ErrRecord) {
			t.Errorf("a record of epoch %d: %v", epoch, err)
		}
		for _, s := range []agcore.Standing{{Exists: true, Epoch: epoch}, {Exists: true, Refused: epoch}, {Exists: true, Outdated: epoch}} {
			if _, err := agcore.DecodeStanding(s.Encode()); !errors.Is(err, agcore.ErrRecord) {
				t.Errorf("a standing with epoch %d: %v", epoch, err)
			}
		}
	}
	last := agcore.Standing{Exists: true, Epoch: agcore.MaxEpoch}
	if s, err := agcore.DecodeStanding(last.Encode()); err != nil || agcore.NextEpoch(s.Epoch, agcore.Side1) < s.Epoch {
		t.Errorf("%+v, %v", s, err)
	}
}
