package depot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/migrate/depot"
	"linkspan/migrate/flow"
)

func onMem(tb testing.TB, m *fsx.Mem) *depot.Depot {
	tb.Helper()
	d, err := depot.New(depot.Options{Folder: "/store", Prefix: "move sales", FS: m})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func newMem(tb testing.TB) *fsx.Mem {
	tb.Helper()
	m := fsx.NewMem()
	if err := errors.Join(m.MkdirAll("/store"), m.SyncDir("/")); err != nil {
		tb.Fatal(err)
	}
	return m
}

// at is where the target looks.
func at(d *depot.Depot) string { return strings.TrimPrefix(d.Location("db"), "file://") }

// readable is what lies in the target's folder; nil when nothing does.
func readable(tb testing.TB, m fsx.FS, d *depot.Depot) []byte {
	tb.Helper()
	entries, err := m.ReadDir(at(d))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil || len(entries) != 1 || entries[0].Name() != stored {
		tb.Fatalf("in the target's folder: %v, %v", entries, err)
	}
	f, err := m.Open(filepath.Join(at(d), stored))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	n, err := f.Size()
	p := make([]byte, n)
	if err == nil && n > 0 {
		_, err = f.ReadAt(p, 0)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// finish seals, and brings again what Seal says is missing.
func finish(tb testing.TB, d *depot.Depot, p []byte) {
	tb.Helper()
	for range 100 {
		err := d.Seal(tb.Context(), "db", stored, int64(len(p)))
		lacks := new(depot.Incomplete)
		if !errors.As(err, &lacks) {
			if err != nil {
				tb.Fatal(err)
			}
			return
		}
		if !errors.Is(err, depot.ErrIncomplete) || lacks.Until <= lacks.Offset {
			tb.Fatalf("incomplete: %+v", lacks)
		}
		if err := d.Put(tb.Context(), "db", stored, lacks.Offset, p[lacks.Offset:lacks.Until]); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Fatal("it does not become whole")
}

func TestFolder(t *testing.T) {
	t.Parallel()
	m := newMem(t)
	d, p := onMem(t, m), content(10_000)
	if d.Location("db") != "file:///store/move-sales-"+d.Location("db")[len("file:///store/move-sales-"):][:8]+"/db" {
		t.Errorf("location %s", d.Location("db"))
	}
	err := d.Seal(t.Context(), "db", stored, 10_000)
	if lacks := new(depot.Incomplete); !errors.As(err, &lacks) || lacks.Offset != 0 || lacks.Until != 10_000 {
		t.Errorf("nothing was put: %v", err)
	}
	bring(t, d, p[:6000], 1000)
	bring(t, d, p[:6000], 1000) // again is success
	if err := d.Put(t.Context(), "db", stored, 7000, p[7000:]); err != nil {
		t.Fatal(err)
	}
	err = d.Seal(t.Context(), "db", stored, 10_000)
	if lacks := new(depot.Incomplete); !errors.As(err, &lacks) || lacks.Offset != 6000 || lacks.Until != 7000 {
		t.Errorf("with a gap: %v", err)
	}
	if readable(t, m, d) != nil {
		t.Error("it can be read before Seal")
	}
	finish(t, d, p)
	finish(t, d, p)
	bring(t, d, p[:1000], 1000) // late
	if got := readable(t, m, d); !equal(got, p) {
		t.Errorf("%d bytes, not those that were put", len(got))
	}
	if left, _ := m.ReadDir(filepath.Join(filepath.Dir(at(d)), ".incoming", "db")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if err := d.Seal(t.Context(), "db", stored, 9_999); !errors.As(err, new(*flow.Halt)) {
		t.Errorf("another file of the name: %v", err)
	}
}

// A new depot goes on where an earlier one was, and writes nothing twice.
func TestFolderGoesOn(t *testing.T) {
	t.Parallel()
	m := newMem(t)
	p := content(50_000)
	bring(t, onMem(t, m), p[:30_000], 10_000)
	d := onMem(t, m)
	wrote := int64(0)
	m.SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpWrite && strings.HasSuffix(op.Name, ".part") {
			wrote += op.Size
		}
		return nil
	})
	for off := 0; off < len(p); off += 10_000 {
		if err := d.Put(t.Context(), "db", stored, int64(off), p[off:off+10_000]); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, d, p)
	if got := readable(t, m, d); !equal(got, p) || wrote != 20_000 {
		t.Errorf("%d bytes readable, %d written after the restart", len(got), wrote)
	}
}

// Whatever a loss of power leaves, at every change of the disk: what can be read is whole, and going on makes it so.
func TestFolderCrashes(t *testing.T) {
	t.Parallel()
	p := content(5000)
	var clones []*fsx.Mem
	var after []bool // whether Seal had returned
	m, sealed := newMem(t), false
	seed := uint64(0)
	m.SetHook(func(op fsx.Op) error {
		if op.Kind != fsx.OpRead {
			for _, keep := range []float64{0, 0.5, 1} {
				seed++
				clones, after = append(clones, m.CrashClone(seed, keep)), append(after, sealed)
			}
		}
		return nil
	})
	d := onMem(t, m)
	for off := 0; off < len(p); off += 1000 {
		if err := d.Put(t.Context(), "db", stored, int64(off), p[off:off+1000]); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, d, p)
	clones, after = append(clones, m.CrashClone(1, 0)), append(after, true)
	for i, c := range clones {
		d := onMem(t, c)
		if got := readable(t, c, d); got != nil && !equal(got, p) || after[i] && got == nil {
			t.Fatalf("crash %d of seed %d: %d bytes can be read", i, i+1, len(got))
		}
		finish(t, d, p)
		if got := readable(t, c, d); !equal(got, p) {
			t.Fatalf("crash %d: %d bytes in the end", i, len(got))
		}
	}
	if len(clones) < 60 {
		t.Errorf("only %d crashes", len(clones))
	}
}

// What the disk gives back changed is found before it is given its name, and brought again.
func TestFolderDamage(t *testing.T) {
	t.Parallel()
	m := newMem(t)
	d, p := onMem(t, m), content(5000)
	bring(t, d, p, 1000)
	part := filepath.Join(filepath.Dir(at(d)), ".incoming", "db", stored+".part")
	f, err := m.OpenRW(part)
	if err == nil {
		_, err = f.WriteAt([]byte{p[2500] ^ 1}, 2500)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	err = d.Seal(t.Context(), "db", stored, 5000)
	if lacks := new(depot.Incomplete); !errors.As(err, &lacks) || lacks.Offset != 2000 || lacks.Until != 3000 {
		t.Errorf("damage was not found: %v", err)
	}
	finish(t, onMem(t, m), p)
	if got := readable(t, m, d); !equal(got, p) {
		t.Error("not whole in the end")
	}
}

func TestFolderFull(t *testing.T) {
	t.Parallel()
	m := newMem(t)
	d, p := onMem(t, m), content(500_000)
	m.SetLimit(200_000)
	if text := hindered(t, d.Put(t.Context(), "db", stored, 0, p)); !strings.Contains(text, "disk of the storage folder /store is full") || !strings.Contains(text, "make room") {
		t.Errorf("full: %s", text)
	}
	if text := hindered(t, d.Probe(t.Context())); !strings.Contains(text, "0 MiB free") {
		t.Errorf("probe of a full disk: %s", text)
	}
	m.SetLimit(-1)
	finish(t, d, p)
	m.SetHook(func(op fsx.Op) error {
		if op.Kind == fsx.OpCreate {
			return syscall.EROFS
		}
		return nil
	})
	if text := hindered(t, d.Probe(t.Context())); !strings.Contains(text, "cannot be written") {
		t.Errorf("read-only: %s", text)
	}
	if text := hindered(t, d.Put(t.Context(), "db2", stored, 0, p)); !strings.Contains(text, "cannot be written") {
		t.Errorf("read-only: %s", text)
	}
}

// Parts of a file that another version replaced go when that comes, and nothing else does.
func TestFolderLeftovers(t *testing.T) {
	t.Parallel()
	m := newMem(t)
	d := onMem(t, m)
	other := depot.Name(set, flow.File{Name: "logs/l1.trn", Version: "v1", Size: 100, Sequence: 1})
	gone := depot.Name(set, flow.File{Name: "logs/l1.trn", Version: "v0", Size: 100, Sequence: 2})
	for _, n := range []string{other, gone} {
		if err := d.Put(t.Context(), "db", n, 0, content(10)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(filepath.Dir(at(d)), ".incoming", "db")
	if f, err := m.Create(filepath.Join(dir, "theirs.part")); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	bring(t, d, content(100), 50)
	names := func() (out []string) {
		entries, err := m.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	want := []string{other + ".blocks", other + ".part", stored + ".blocks", stored + ".part", "theirs.part"}
	slices.Sort(want)
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	for range 2 {
		if err := d.Discard(t.Context(), "db", stored); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(); len(got) != 3 {
		t.Errorf("after Discard: %v", got)
	}
}

// On the machine's own disk.
func TestFolderOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := depot.New(depot.Options{Folder: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the probe left %v, %v", left, err)
	}
	p := content(3<<20 + 5)
	bring(t, d, p, 1<<20)
	finish(t, d, p)
	if got := readable(t, fsx.OS{}, d); !equal(got, p) {
		t.Error("not what was put")
	}
	missing, err := depot.New(depot.Options{Folder: filepath.Join(dir, "nowhere")})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{missing.Probe(t.Context()), missing.Put(t.Context(), "db", stored, 0, p)} {
		if text := hindered(t, err); !strings.Contains(text, "is not there") {
			t.Errorf("a folder that is not there: %s", text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it was made")
	}
}
