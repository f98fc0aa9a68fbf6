package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"linkspan/storage"
)

// A run of pages that is read for a seeding names the page that the disk damaged, as every other read does, and room that
// is used again shows nothing of what was in it.
func TestSeedRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "d")
	db, err := storage.Create(t.Context(), storage.Options{Dir: dir, Name: "d", CacheBytes: 1}) // few pages are cached
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test
	exec(t, db, "CREATE TABLE t_1(c_1 INTEGER PRIMARY KEY, c_2 BLOB)", "INSERT INTO t_1 VALUES (1, randomblob(4000000))")
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO t_1 VALUES (2, randomblob(100000))") // these pages are in memory only
	s, err := db.SeedSource(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	whole, err := s.ReadChunk(t.Context(), 1, 1000)
	if err != nil || len(whole.LSNs) < 60 {
		t.Fatalf("%d pages, %v", len(whole.LSNs), err)
	}
	var c storage.Chunk
	for first := uint32(1); ; first += uint32(len(c.LSNs)) {
		if err := s.ReadInto(t.Context(), &c, first, 7); err != nil {
			t.Fatal(err)
		}
		if len(c.LSNs) == 0 {
			break
		}
		at := int(first-1) * storage.PageSize
		if string(c.Pages) != string(whole.Pages[at:at+len(c.Pages)]) || c.Hashes[0] != whole.Hashes[first-1] {
			t.Fatalf("pages from %d on differ in a smaller run", first)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "pages.data"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test
	if _, err := f.WriteAt([]byte("damage"), 20*storage.PageSize+100); err != nil {
		t.Fatal(err)
	}
	if err := s.ReadInto(t.Context(), &c, 1, 40); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("a damaged page gives %v", err)
	}
}
