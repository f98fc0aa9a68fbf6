package depot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"linkspan/internal/clock"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const setID = "c8ad9331-4f20-48bc-abf7-6b206114062c"

var (
	set    = flow.Set{ID: setID, Kind: flow.Log, Stripes: 2}
	file   = flow.File{Name: "logs/l1.trn", Version: "v1", Size: 100, Sequence: 2}
	stored = depot.Name(set, file)
)

// content is n bytes that do not repeat.
func content(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7>>3 ^ i>>11)
	}
	return p
}

// bring puts p in blocks of size n, several at once and the last first.
func bring(tb testing.TB, d *depot.Depot, p []byte, n int) {
	tb.Helper()
	var wg sync.WaitGroup
	for off := (len(p) - 1) / n * n; off >= 0; off -= n {
		wg.Go(func() {
			if err := d.Put(tb.Context(), "db", stored, int64(off), p[off:min(off+n, len(p))]); err != nil {
				tb.Errorf("block at %d: %v", off, err)
			}
		})
	}
	wg.Wait()
}

// hindered is the text of a hindrance at the storage; anything else fails the test.
func hindered(tb testing.TB, err error) string {
	tb.Helper()
	var h *flow.Hindrance
	if !errors.As(err, &h) || h.At != flow.AtStorage || h.What == "" || h.Fix == "" {
		tb.Errorf("not a hindrance at the storage with a next step: %v", err)
		return ""
	}
	return h.Error()
}

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, n := range []string{
		depot.Name(set, file),
		depot.Name(set, flow.File{Name: "logs/l1.trn", Version: "v2", Size: 100, Sequence: 2}),
		depot.Name(set, flow.File{Name: "logs/l1.trn", Version: "v1", Size: 100, Sequence: 1}),
		depot.Name(set, flow.File{Name: "l1.trn", Version: "v1", Size: 100, Sequence: 2}),
		depot.Name(flow.Set{ID: setID, Kind: flow.Full}, flow.File{}),
	} {
		if seen[n] || depot.SetOf(n) != setID || depot.SetOf("migration/db/"+n) != setID || len(n) > 80 || strings.Contains(n, "backup") {
			t.Errorf("%q: set %q", n, depot.SetOf(n))
		}
		seen[n] = true
	}
	if n := depot.Name(set, file); !strings.HasPrefix(n, setID+"_2of2_") || !strings.HasSuffix(n, ".trn") {
		t.Errorf("name %q", n)
	}
	strange := "../a b/ü.trn"
	if n := depot.Name(flow.Set{ID: strange, Stripes: 2}, file); depot.SetOf(n) != strange || strings.ContainsAny(n, "/ ü") {
		t.Errorf("of a strange id: %q, set %q", n, depot.SetOf(n))
	}
	for _, n := range []string{"", "full.bak", "a_b_c.bak", setID + "_2of1_0123456789ab.trn", setID + "_1of1_0123456789.trn", setID + "_1of1_0123456789xy.trn", setID + "_01of1_0123456789ab.trn"} {
		if id := depot.SetOf(n); id != "" {
			t.Errorf("%q was taken as of set %q", n, id)
		}
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{"sales", "Sales", "SALES", "sales ", "a/b", "a\\b", "a-b", "..", ".", "", "Backup", "backup", "Backups_2024", "backupbackup", "Zürich", "Zurich",
		strings.Repeat("x", 128), strings.Repeat("x", 127) + "y", "con.", "-"} {
		f := depot.Folder(name)
		if seen[f] != "" || f == "" || len(f) > 60 || strings.Contains(f, "backup") || strings.Trim(f, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q lies in %q (as does %q)", name, f, seen[f])
		}
		seen[f] = name + "."
	}
	if depot.Folder("sales_2024-q1") != "sales_2024-q1" {
		t.Errorf("a plain name became %q", depot.Folder("sales_2024-q1"))
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]depot.Options{
		"either a folder or a container": {},
		"not an absolute folder":         {Folder: "here"},
	} {
		if _, err := depot.New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// The limit is one for all copies together, holds over time, and gives way to the end of the caller's patience.
func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := depot.NewLimit(1<<20, clock.Machine)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 3 {
			d, err := depot.New(depot.Options{Folder: dir, Prefix: fmt.Sprint("a", i), Limit: l})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { bring(t, d, content(2<<20), 1<<20) })
		}
		wg.Wait()
		if took := time.Since(began); took < 5800*time.Millisecond || took > 6100*time.Millisecond {
			t.Errorf("6 MiB at 1 MiB/s took %v", took)
		}
		d, err := depot.New(depot.Options{Folder: dir, Limit: l})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Put(ctx, "db", stored, 0, content(8<<20)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cut short: %v", err)
		}
	})
	if depot.NewLimit(0, nil) != nil {
		t.Error("no limit is one")
	}
}

var equal = bytes.Equal
