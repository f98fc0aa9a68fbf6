package chain_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linkspan/bak"
	"linkspan/bak/chain"
	"linkspan/lsn"
)

func realItems(t testing.TB, dirs ...string) []chain.Item {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "backups")
	if _, err := os.Stat(filepath.Join(root, "manifest.json")); err != nil {
		t.Skipf("no real backups beside the repository: %v", err)
	}
	var items []chain.Item
	for _, d := range dirs {
		err := filepath.WalkDir(filepath.Join(root, d), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(name, ".json") {
				return err
			}
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			m, err := bak.ReadMediaStream(f, bak.Options{})
			if err != nil {
				return err
			}
			items = append(items, chain.Items(filepath.Base(name), m, nil)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return items
}

func planFiles(p *chain.Plan) []string {
	if p == nil {
		return nil
	}
	var names []string
	for _, s := range p.Sets {
		names = append(names, strings.Join(s.Files(), "+"))
	}
	return names
}

func date(t testing.TB, s string) time.Time {
	t.Helper()
	d, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRealChains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dir, stop string
		plan      []string
		broken    string
	}{
		{"restoretimeclean2016", "", []string{"RestoreTimeClean.bak", "RestoreTimeClean2.bak", "RestoreTimeClean2_1.trn", "RestoreTimeClean2_2.trn", "RestoreTimeClean2_3.trn"}, ""},
		{"restoretimeclean2016", "2019-05-02 21:12:27", []string{"RestoreTimeClean.bak", "RestoreTimeClean_1.trn", "RestoreTimeClean_2.trn", "RestoreTimeClean_3.trn"}, ""},
		{"restoretimeclean2016", "2019-05-02 23:00:00", []string{"RestoreTimeClean.bak", "RestoreTimeClean2.bak", "RestoreTimeClean2_1.trn", "RestoreTimeClean2_2.trn", "RestoreTimeClean2_3.trn"}, "not 2019-05-02 23:00:00"},
		{"simplerecovery", "2018-04-06 10:37:44", []string{"SimpleBacktest.bak", "SimpleBackTest_1.bak"}, ""},
		{"stripes", "", []string{"RestoreTimeStripe2.bak+RestoreTimeStripe2a.bak", "restoretime_21.trn+restoretime_21a.trn", "RestoreTimeStripe_22.trn+RestoreTimeStripe_22a.trn", "RestoreTimeStripe_23.trn+RestoreTimeStripe_23a.trn"}, ""},
		{"lost-stripe", "", nil, "stripe 2 of 2 is missing"},
		{"dbareports", "", []string{"SQL2008_dbareports_FULL_20170518_041739.bak", "SQL2008_dbareports_DIFF_20170518_041826.bak", "SQL2008_dbareports_LOG_20170518_041837.trn"}, ""},
		{"doublediffing", "", []string{"difftest-full.bak", "difftest-diff2.bak"}, ""},
	} {
		t.Run(c.dir+" "+c.stop, func(t *testing.T) {
			t.Parallel()
			var o chain.Options
			if c.stop != "" {
				o.StopAt = date(t, c.stop)
			}
			r := chain.Find(realItems(t, c.dir), o)
			if len(r.Lives) != 1 {
				t.Fatalf("%d lives", len(r.Lives))
			}
			l := r.Lives[0]
			if d := cmp.Diff(c.plan, planFiles(l.Plan)); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			if r.Broken() != (c.broken != "") || !strings.Contains(l.Broken, c.broken) {
				t.Errorf("broken: %q, want %q", l.Broken, c.broken)
			}
		})
	}
}

func TestEitherRealStripeAloneIsRefusedByName(t *testing.T) {
	t.Parallel()
	all := realItems(t, "stripes")
	for _, odd := range []int{1, 2} {
		var items []chain.Item
		for _, it := range all {
			if it.Family.Sequence == odd {
				items = append(items, it)
			}
		}
		r := chain.Find(items, chain.Options{})
		if !r.Broken() || r.Lives[0].Plan != nil || !strings.Contains(r.Lives[0].Broken, fmt.Sprintf("stripe %d of 2 is missing", 3-odd)) {
			t.Errorf("stripes %d alone: broken %q, plan %v", odd, r.Lives[0].Broken, planFiles(r.Lives[0].Plan))
		}
		if len(r.Lives[0].Outside) != len(items) || r.Lives[0].Outside[0].Usable {
			t.Errorf("stripes %d alone: outside %+v", odd, r.Lives[0].Outside)
		}
	}
}

func TestAMissingRealLogIsAGapByLSNAndTime(t *testing.T) {
	t.Parallel()
	var items []chain.Item
	for _, it := range realItems(t, "restoretimeclean2016") {
		if it.File != "RestoreTimeClean2_2.trn" {
			items = append(items, it)
		}
	}
	r := chain.Find(items, chain.Options{})
	l := r.Lives[0]
	if !r.Broken() || len(l.Gaps) != 1 {
		t.Fatalf("broken %q, gaps %+v", l.Broken, l.Gaps)
	}
	g := l.Gaps[0]
	if g.From.Decimal() != "39000000060800001" || g.To.Decimal() != "39000000062500001" ||
		g.After != date(t, "2019-05-02 21:20:56") || g.Before != date(t, "2019-05-02 21:30:56") || !strings.Contains(g.Closes, "39000000060800001") {
		t.Errorf("gap %+v", g)
	}
	if got := len(l.Plan.Sets); got != 3 {
		t.Errorf("plan of %d sets for what can be restored: %v", got, planFiles(l.Plan))
	}
	if l.NextLog.Decimal() != "39000000060800001" {
		t.Errorf("the next log must begin at %s", l.NextLog.Decimal())
	}
}

func TestAllRealFilesInOneHeap(t *testing.T) {
	t.Parallel()
	r := chain.Find(realItems(t, "."), chain.Options{})
	var got []string
	for _, l := range r.Lives {
		n := 0
		if l.Plan != nil {
			n = len(l.Plan.Sets)
		}
		got = append(got, fmt.Sprintf("%s %d current %v broken %v", l.Database, n, l.Current, l.Broken != ""))
	}
	want := []string{"dbareports 3 current true broken false", "doublediff 2 current true broken false", "Northwind 1 current true broken false", "Northwind 0 current true broken true",
		"RestoreTimeClean 5 current true broken false", "RestoreTimeStripe 4 current true broken false", "Sekmen.ExpiredLink 1 current true broken false", "SimpleBackTest 2 current true broken false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("lives (-want +got):\n%s", d)
	}
}

// set is one made set.
type set struct {
	file       string
	typ        bak.Type
	id         byte
	first      uint32
	last       uint32
	base       byte
	fork       byte
	stripe, of int
	database   string
	minute     int // of start and finish; by default the last LSN
	model      string
}

func (s set) item() chain.Item {
	if s.minute == 0 {
		s.minute = int(s.last)
	}
	h := bak.Header{SetGUID: bak.GUID{s.id, 1}, Type: s.typ, FirstLSN: at(s.first), LastLSN: at(s.last), CheckpointLSN: at(s.first), Database: "Sales", Server: "SQL1",
		FamilyGUID: bak.GUID{200}, RecoveryForkID: bak.GUID{201 + s.fork}, Position: 1}
	if s.database != "" {
		h.Database = s.database
	}
	if s.base > 0 {
		h.DifferentialBaseGUID = bak.GUID{s.base, 1}
	}
	if s.model == bak.ModelSimple {
		h.Status = 8
	}
	h.Started = zero.Add(time.Duration(s.minute) * time.Minute)
	h.Finished = h.Started
	return chain.Item{File: s.file, Header: &h, Family: bak.Family{Count: max(s.of, 1), Sequence: max(s.stripe, 1)}}
}

var zero = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func at(n uint32) lsn.LSN { return lsn.LSN{VLF: 1, Block: n, Slot: 1} }

func items(sets ...set) []chain.Item {
	var is []chain.Item
	for _, s := range sets {
		is = append(is, s.item())
	}
	return is
}

func reasons(l *chain.Life) map[string]string {
	m := map[string]string{}
	for _, o := range l.Outside {
		m[strings.Join(o.Set.Files(), "+")] = o.Reason
	}
	return m
}

func TestMadeHeaps(t *testing.T) {
	t.Parallel()
	full := set{file: "full", typ: bak.Full, id: 1, first: 8, last: 10}
	log := func(id byte, first, last uint32) set {
		return set{file: fmt.Sprintf("log%d", id), typ: bak.Log, id: id, first: first, last: last}
	}
	for name, c := range map[string]struct {
		sets    []set
		stop    int
		plan    string
		broken  string
		gap     string
		outside map[string]string
	}{
		"differential of another full": {sets: []set{full, {file: "diff", typ: bak.Differential, id: 2, first: 18, last: 20, base: 77}, log(3, 5, 15)},
			plan: "full log3", broken: "files up to LSN", gap: "set id 0000014d", outside: map[string]string{"diff": "builds on the full backup with set id"}},
		"logs of two forks": {sets: []set{full, log(2, 5, 15), {file: "other", typ: bak.Log, id: 3, first: 15, last: 25, fork: 1}},
			plan: "", broken: "belong to another recovery fork", gap: "a full backup that ends between"},
		"duplicates and a copy-only log": {sets: []set{full, full, log(2, 5, 15), log(2, 5, 15), log(3, 5, 12), log(4, 15, 20)},
			plan: "full log2 log4", outside: map[string]string{"log3": "gets there without it"}},
		"wrong member": {sets: []set{{file: "a1", typ: bak.Full, id: 1, first: 8, last: 10, stripe: 1, of: 2}, {file: "b2", typ: bak.Full, id: 2, first: 18, last: 20, stripe: 2, of: 2}},
			plan: "", broken: "stripe 2 of 2 is missing", outside: map[string]string{"a1": "b2 is stripe 2 of another backup"}},
		"no full": {sets: []set{log(2, 5, 15), log(3, 15, 20)}, plan: "", broken: "no full backup", gap: "a full backup that ends between",
			outside: map[string]string{"log2": "no full backup it could follow"}},
		"gap bridged by a newer full": {sets: []set{full, log(2, 5, 15), log(3, 20, 30), {file: "full2", typ: bak.Full, id: 9, first: 24, last: 26}, log(4, 30, 40)},
			plan: "full2 log3 log4", gap: "begin at LSN 1000000001500001 or before and end at 1000000002000001"},
		"older life": {sets: []set{full, log(2, 5, 15), {file: "new", typ: bak.Full, id: 5, first: 50, last: 60, fork: 3}}, plan: "new"},
		"stop inside a log": {sets: []set{full, log(2, 5, 15), log(3, 15, 20), log(4, 20, 30)}, stop: 16, plan: "full log2 log3",
			outside: map[string]string{"log4": "newer than the time asked for"}},
		"stop before the full": {sets: []set{full, log(2, 5, 15)}, stop: 9, plan: "", broken: "no usable full backup ends before"},
		"stop after the end":   {sets: []set{full, log(2, 5, 15)}, stop: 30, plan: "full log2", broken: "a log backup is missing that begins at LSN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o chain.Options
			if c.stop > 0 {
				o.StopAt = zero.Add(time.Duration(c.stop) * time.Minute)
			}
			r := chain.Find(items(c.sets...), o)
			l := r.Lives[0]
			if got := strings.Join(planFiles(l.Plan), " "); got != c.plan {
				t.Errorf("plan %q, want %q", got, c.plan)
			}
			if (l.Broken != "") != (c.broken != "") || !strings.Contains(l.Broken, c.broken) {
				t.Errorf("broken %q, want %q", l.Broken, c.broken)
			}
			closes := ""
			for _, g := range l.Gaps {
				closes += g.Closes + "\n"
			}
			if !strings.Contains(closes, c.gap) || (c.gap == "") != (closes == "") {
				t.Errorf("gaps %q, want %q", closes, c.gap)
			}
			why := reasons(l)
			for f, want := range c.outside {
				if !strings.Contains(why[f], want) {
					t.Errorf("%s: reason %q, want %q", f, why[f], want)
				}
			}
		})
	}
}

func TestALogThatBridgesAForkIsFollowed(t *testing.T) {
	t.Parallel()
	is := items(set{file: "full", typ: bak.Full, id: 1, first: 8, last: 10}, set{file: "log", typ: bak.Log, id: 2, first: 5, last: 15},
		set{file: "abandoned", typ: bak.Log, id: 3, first: 15, last: 40}, set{file: "bridge", typ: bak.Log, id: 4, first: 15, last: 25, fork: 1},
		set{file: "after", typ: bak.Log, id: 5, first: 25, last: 35, fork: 1, minute: 90})
	bridge := is[3].Header
	bridge.FirstForkID, bridge.ForkPoint = bak.GUID{201}, at(20)
	r := chain.Find(is, chain.Options{})
	l := r.Lives[0]
	if got := strings.Join(planFiles(l.Plan), " "); got != "full log bridge after" || !l.Current {
		t.Errorf("plan %q of the newest life, broken %q", got, l.Broken)
	}
}
