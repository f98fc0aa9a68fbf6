package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/sqlerr"
	"linkspan/storage"
)

// flip changes one byte of a file.
func flip(t *testing.T, fs fsx.FS, name string, off int64) {
	t.Helper()
	f, err := fs.OpenRW(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x41
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// damageable returns a crashed database with a base file and log after its checkpoint, the directory's files, and the
// digests after the last commit and the one before: nothing in the log tells that the last was hardened, so damage
// there looks like its torn end.
func damageable(t *testing.T) (*fsx.Mem, []string, [2]storage.Digest) {
	t.Helper()
	fs := fsx.NewMem()
	o := options(fs)
	db := create(t, o)
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "CREATE INDEX i ON t(b)")
	rnd := rand.New(rand.NewPCG(5, 5))
	for range 30 {
		exec(t, db, randomWork(rnd))
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		exec(t, db, randomWork(rnd))
	}
	var digests [2]storage.Digest
	_, digests[0] = db.Digest()
	exec(t, db, "INSERT INTO t(b) VALUES (randomblob(10))")
	_, digests[1] = db.Digest()
	crashed := fs.CrashClone(1, 0) // recovery has log to read
	var names []string
	list, err := crashed.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !e.IsDir() && e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return crashed, names, digests
}

// TestDamageIsFound flips bytes everywhere: what was hardened is then shown as it was, or the damage is named; nothing
// is ever shown that was not.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	fs, names, want := damageable(t)
	rnd := rand.New(rand.NewPCG(9, 9))
	found := map[string]int{}
	for _, name := range names {
		info, err := fs.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 24 * soak() {
			if info.Size() == 0 {
				continue
			}
			off := rnd.Int64N(info.Size())
			if i < 12 { // the fronts of files are where the headers are
				off = rnd.Int64N(min(info.Size(), 2000))
			}
			clone := fs.Clone()
			flip(t, clone, filepath.Join(dir, name), off)
			if damageFound(t, fmt.Sprintf("%s at %d", name, off), clone, want) {
				found[strings.TrimRight(name, "0123456789.log")]++
			}
		}
	}
	for _, kind := range []string{"pages.data", "pages.table", "vlf-"} {
		if found[kind] < 5 {
			t.Errorf("damage in %s was found %d times", kind, found[kind])
		}
	}
}

// damageFound opens the database and reports whether the damage was named; if not, it must be as it was.
func damageFound(t *testing.T, what string, fs *fsx.Mem, want [2]storage.Digest) bool {
	t.Helper()
	var out bytes.Buffer
	offline := storage.VerifyDir(t.Context(), fs, dir, &out, false)
	if offline != nil && !errors.Is(offline, storage.ErrDamaged) {
		t.Errorf("%s: verify the directory: %v", what, offline)
	}
	db, err := storage.Open(t.Context(), options(fs))
	if err != nil {
		if !errors.Is(err, storage.ErrDamaged) && sqlerr.Number(err) != 824 {
			t.Errorf("%s: open: %v", what, err)
		}
		return true
	}
	defer func() { _ = db.Close() }() // may meet the damage
	r, err := db.Verify(t.Context(), nil)
	if err != nil {
		if !errors.Is(err, storage.ErrDamaged) {
			t.Errorf("%s: verify: %v", what, err)
		}
		return true
	}
	if _, got := db.Digest(); got != want[1] && !(got == want[0] && strings.Contains(what, "vlf-")) {
		t.Errorf("%s: opened with digest %s, want %s", what, got, want)
	}
	if !r.OK() {
		return true
	}
	return false
}

// TestDamagedPageIsNamed reads a damaged page through SQL and sees 824 with the page and the file.
func TestDamagedPageIsNamed(t *testing.T) {
	t.Parallel()
	fs := fsx.NewMem()
	db := create(t, options(fs))
	exec(t, db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)", "INSERT INTO t VALUES (1, zeroblob(50000))")
	closeDB(t, db)
	flip(t, fs, dir+"/pages.data", 3*storage.PageSize+5000)
	db = reopen(t, options(fs))
	c, err := db.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	_, err = rows(c, "SELECT hex(b) FROM t")
	err = c.Cause(err)
	if sqlerr.Number(err) != 824 || !errors.Is(err, storage.ErrDamaged) || !strings.Contains(err.Error(), "(1:4)") || !strings.Contains(err.Error(), "pages.data") {
		t.Errorf("reading a damaged page: %v", err)
	}
	r, err := db.Verify(t.Context(), nil)
	if err != nil || r.OK() || len(r.Bad) != 1 || r.Bad[0].Page != 4 || r.Bad[0].Expected == r.Bad[0].Actual {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if got := db.LastVerified(); got.Ended.IsZero() || len(got.Bad) != 1 {
		t.Errorf("last verified: %+v", got)
	}
}
