package logreplay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"linkspan/armtypes"
	"linkspan/backup/device"
	"linkspan/bak"
	"linkspan/logreplay"
	"linkspan/lsn"
	"linkspan/media"
	"linkspan/sqlerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(n uint32) lsn.LSN { return lsn.LSN{VLF: 1, Block: n, Slot: 1} }

// target is an instance in memory; its folder is the same for every path.
type target struct {
	mu    sync.Mutex
	files map[string][]byte
	kept  map[string][]byte
	dbs   map[string]*logreplay.Standing
	// restores are the files restored, in order. fail answers Restore of a file, list List; lost lets Keep fail.
	restores []string
	fail     map[string]error
	list     error
	lost     bool
	stamp    time.Time // when every file was written
	lists    int       // how often the folder was listed
}

func newTarget() *target {
	return &target{files: map[string][]byte{}, kept: map[string][]byte{}, dbs: map[string]*logreplay.Standing{}, fail: map[string]error{}}
}

// put makes a backup of our kind in a file.
func (t *target) put(tb testing.TB, name string, kind bak.Type, id byte, first, last uint32) {
	tb.Helper()
	var b bytes.Buffer
	w, err := bak.NewWriter([]io.Writer{&b}, bak.MediaSpec{MediaSet: bak.GUID{id, 9}, ID: uint32(id), Written: time.Now()})
	if err != nil {
		tb.Fatal(err)
	}
	h := bak.Header{SetGUID: bak.GUID{id, 1}, Type: kind, Database: "db", Server: "s", FamilyGUID: bak.GUID{7}, RecoveryForkID: bak.GUID{8}, FirstLSN: at(first), LastLSN: at(last),
		CheckpointLSN: at(first), Started: time.Now(), Finished: time.Now(), Position: 1}
	files := []bak.File{{Logical: "db", Physical: "db.mdf"}}
	if err = w.Begin(h, files); err == nil {
		_, err = w.End(h, files)
	}
	if err != nil {
		tb.Fatal(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.files[name] = b.Bytes()
}

func (t *target) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

func (t *target) Standing(database string) (logreplay.Standing, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.dbs[database]; d != nil {
		return *d, nil
	}
	return logreplay.Standing{}, nil
}

func (t *target) Restore(_ context.Context, database string, stripes []device.Opened, position int) error {
	name := stripes[0].Name
	m, err := device.ReadSet(stripes)
	if err != nil {
		return err
	}
	defer m.Close()
	sets, err := m.Set(position)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.fail[name]; err != nil {
		return err
	}
	t.restores = append(t.restores, name)
	h := sets[0].Header
	if h.Type == bak.Full {
		t.dbs[database] = &logreplay.Standing{Exists: true, Waiting: true, Base: h.SetGUID, Fork: h.RecoveryForkID}
	}
	t.dbs[database].End = h.LastLSN
	return nil
}

func (t *target) Recover(_ context.Context, database string) error {
	t.change(func() { t.dbs[database].Waiting = false })
	return nil
}

func (t *target) Drop(_ context.Context, database string) error {
	t.change(func() { delete(t.dbs, database) })
	return nil
}

func (t *target) Keep(_ context.Context, database string, doc []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost && t.kept[database] != nil {
		return errors.New("the power is gone")
	}
	t.kept[database] = doc
	return nil
}

func (t *target) Forget(_ context.Context, database string) error {
	t.change(func() { delete(t.kept, database) })
	return nil
}

func (t *target) Kept(context.Context) (all [][]byte, err error) {
	t.change(func() {
		for _, b := range t.kept {
			all = append(all, b)
		}
	})
	return all, nil
}

func (t *target) Folder(string) (media.Source, error) { return t, nil }
func (t *target) Close() error                        { return nil }

func (t *target) List(_ context.Context, _ string, fn func(media.Entry) error) error {
	var all []media.Entry
	var err error
	t.change(func() {
		err = t.list
		t.lists++
		for n, b := range t.files {
			all = append(all, media.Entry{Name: n, Size: int64(len(b)), Modified: t.stamp})
		}
	})
	slices.SortFunc(all, func(a, b media.Entry) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range all {
		if err == nil {
			err = fn(e)
		}
	}
	return err
}

func (t *target) Open(_ context.Context, name string) (media.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b, ok := t.files[name]; ok {
		return memory{bytes.NewReader(b)}, nil
	}
	return nil, fs.ErrNotExist
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func open(tb testing.TB, t *target) *logreplay.Manager {
	tb.Helper()
	m, err := logreplay.Open(tb.Context(), logreplay.Options{Target: t})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

var spec = armtypes.ReplaySpec{Database: "db", Container: "file:///f"}

// pass lets time pass on the clock of the test's bubble, and everything happen that is due by then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// later lets the job look a few times and tells how it stands.
func later(tb testing.TB, m *logreplay.Manager) armtypes.RestoreProperties {
	tb.Helper()
	pass(5 * time.Second)
	p, err := m.ReplayDetails(tb.Context(), "db")
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// Trouble with the storage or the instance blocks and goes by; a set that is bad is passed over until its file changes; what
// was restored but not kept when the power went is not restored again.
func TestJobGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newTarget()
		m := open(t, in)
		in.put(t, "f", bak.Full, 1, 10, 11)
		in.put(t, "l1", bak.Log, 2, 10, 20)
		in.fail["l1"] = sqlerr.New(3189)
		if err := m.StartReplay(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if p := later(t, m); p.NumberOfFilesBad != 1 || p.NumberOfFilesRestored != 1 || p.Status != armtypes.ReplayBlocked {
			t.Errorf("a bad set: %+v", p)
		}
		in.change(func() { in.fail["l1"] = errors.New("no space left"); in.stamp = in.stamp.Add(time.Second) })
		if p := later(t, m); !strings.Contains(p.BlockReason, "no space left") {
			t.Errorf("trouble of the instance: %+v", p)
		}
		in.change(func() { in.list = errors.New("no route to host") })
		if p := later(t, m); !strings.Contains(p.BlockReason, "no route to host") {
			t.Errorf("trouble of the storage: %+v", p)
		}
		in.change(func() { in.list, in.lost = nil, true; delete(in.fail, "l1") })
		pass(1100 * time.Millisecond)
		m.Close()
		in.change(func() { in.lost = false })
		m = open(t, in)
		if p := later(t, m); p.NumberOfFilesRestored != 2 || fmt.Sprint(in.restores) != "[f l1]" {
			t.Errorf("after the crash: %v, %+v", in.restores, p)
		}
		in.change(func() { delete(in.dbs, "db") })
		if p := later(t, m); p.Status != armtypes.ReplayFailed || p.BlockReason != "the database was dropped" {
			t.Errorf("dropped: %+v", p)
		}
		m.Close()
	})
}

// A file that comes between two looks is restored at once, also after a long silence by the next look; a folder that cannot be
// listed, and one whose files grow, are left to the looks.
func TestNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newTarget()
		m := open(t, in)
		defer m.Close()
		in.put(t, "f", bak.Full, 1, 10, 11)
		if err := m.StartReplay(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		comes := func(name string, id byte, first, last uint32, within time.Duration) {
			t.Helper()
			in.put(t, name, bak.Log, id, first, last)
			pass(within)
			in.change(func() {
				if got := in.restores; len(got) == 0 || got[len(got)-1] != name {
					t.Errorf("%s is not restored within %v: %v", name, within, got)
				}
			})
		}
		later(t, m)
		pass(10 * time.Millisecond) // just after a look
		comes("l1", 2, 10, 20, 210*time.Millisecond)
		comes("l2", 3, 20, 30, 210*time.Millisecond)
		pass(time.Hour)
		comes("l3", 4, 30, 40, 1100*time.Millisecond)
		comes("l4", 5, 40, 50, 210*time.Millisecond)
		lists := in.lists
		in.change(func() { in.files["growing"] = []byte("MSSQLBAK"); in.stamp = time.Now() })
		for range 10 {
			pass(time.Second)
			in.change(func() { in.files["growing"] = append(in.files["growing"], 0); in.stamp = time.Now() })
		}
		if n := in.lists - lists; n > 14 {
			t.Errorf("a growing file had the folder listed %d times in 10 seconds", n)
		}
	})
}

// So many jobs run at once and no more; a job in the way of another one of the same name is named.
func TestLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newTarget()
		m := open(t, in)
		defer m.Close()
		for i := range 101 {
			err := m.StartReplay(t.Context(), armtypes.ReplaySpec{Database: fmt.Sprint("db", i), Container: spec.Container})
			if (err != nil) != (i == 100) || err != nil && !strings.Contains(err.Error(), "TooManyLogReplays") {
				t.Errorf("job %d: %v", i, err)
			}
		}
		if err := m.StartReplay(t.Context(), armtypes.ReplaySpec{Database: "DB1", Container: "file:///g"}); err == nil || !strings.Contains(err.Error(), "Stop it first") {
			t.Errorf("another folder: %v", err)
		}
		if err := m.StartReplay(t.Context(), armtypes.ReplaySpec{Database: "db1", Container: spec.Container}); err != nil {
			t.Errorf("the same again: %v", err)
		}
		if err := m.StopReplay(t.Context(), "db1"); err != nil || len(m.Restoring()) != 99 || len(in.kept) != 99 {
			t.Errorf("stopped: %v, %d left", err, len(m.Restoring()))
		}
	})
}
