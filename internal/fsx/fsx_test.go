package fsx_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"linkspan/internal/fsx"
)

// exercise is what every FS must do.
func exercise(t *testing.T, f fsx.FS, dir string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, "a", "file")
	if _, err := f.Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open what is not there: %v", err)
	}
	check(f.MkdirAll(filepath.Dir(name)))
	w, err := f.Create(name)
	check(err)
	check(w.Preallocate(1000))
	if size, err := w.Size(); err != nil || size != 1000 {
		t.Errorf("allocated %d, %v", size, err)
	}
	_, err = w.WriteAt([]byte("hello"), 998)
	check(err)
	check(w.Truncate(1001))
	check(w.Sync())
	check(f.SyncDir(filepath.Dir(name)))
	check(w.Close())
	r, err := f.OpenRW(name)
	check(err)
	b := make([]byte, 10)
	if n, err := r.ReadAt(b, 996); !errors.Is(err, io.EOF) || string(b[:n]) != "\x00\x00hel" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	check(r.Close())
	check(f.Rename(name, name+"2"))
	list, err := f.ReadDir(filepath.Dir(name))
	if err != nil || len(list) != 1 || list[0].Name() != "file2" {
		t.Errorf("list %v, %v", list, err)
	}
	if st, err := f.Stat(name + "2"); err != nil || st.Size() != 1001 {
		t.Errorf("stat %v, %v", st, err)
	}
	lock, err := f.Lock(filepath.Join(dir, "lock"))
	check(err)
	if _, err := f.Lock(filepath.Join(dir, "lock")); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	check(lock.Close())
	lock, err = f.Lock(filepath.Join(dir, "lock"))
	check(err)
	check(lock.Close())
	check(f.Remove(name + "2"))
	check(f.Remove(filepath.Dir(name)))
}

func TestOS(t *testing.T) {
	t.Parallel()
	exercise(t, fsx.OS{}, t.TempDir())
	if free := (fsx.OS{}).Free(t.TempDir()); free == 0 {
		t.Error("no space is free")
	}
}

func TestMem(t *testing.T) {
	t.Parallel()
	exercise(t, fsx.NewMem(), "/x")
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	t.Parallel()
	m := fsx.NewMem()
	f, err := m.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	old, young := bytes.Repeat([]byte{1}, 8*fsx.SectorSize), bytes.Repeat([]byte{2}, 8*fsx.SectorSize)
	for _, step := range []func() error{
		func() error { _, err := f.WriteAt(old, 0); return err }, f.Sync, func() error { return m.SyncDir("/") },
		func() error { _, err := f.WriteAt(young, 0); return err },
		func() error { _, err := m.Create("/g"); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	kept, mixed, named := 0, 0, 0
	for seed := range uint64(50) {
		c := m.CrashClone(seed, 0.5)
		g, err := c.Open("/f")
		if err != nil {
			t.Fatal("a synced name is gone")
		}
		b := make([]byte, len(old))
		if _, err := g.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		ones := 0
		for s := range 8 {
			sector := b[s*fsx.SectorSize : (s+1)*fsx.SectorSize]
			switch {
			case bytes.Equal(sector, old[:fsx.SectorSize]):
				ones++
			case !bytes.Equal(sector, young[:fsx.SectorSize]):
				t.Error("a sector was torn")
			}
		}
		if ones == 8 {
			kept++
		} else if ones > 0 {
			mixed++
		}
		if _, err := c.Stat("/g"); err == nil {
			named++
		}
	}
	if mixed < 40 || named < 10 || named > 40 {
		t.Errorf("of 50 crashes %d kept the old, %d mixed, %d kept the new name", kept, mixed, named)
	}
	c := m.CrashClone(1, 0)
	if _, err := c.Stat("/g"); err == nil {
		t.Error("an unsynced name survived a crash that keeps nothing")
	}
}

func TestInjection(t *testing.T) {
	t.Parallel()
	m := fsx.NewMem()
	f, err := m.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	m.SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpSync {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	m.SetLimit(1000)
	if _, err := f.WriteAt(make([]byte, 1001), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write beyond the limit: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, 1000), 0); err != nil || m.Used() != 1000 || m.Free("/") != 0 {
		t.Errorf("write up to the limit: %v, %d used", err, m.Used())
	}
}
