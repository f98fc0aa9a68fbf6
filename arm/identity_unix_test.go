//go:build unix

package arm_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"linkspan/arm"
	"linkspan/internal/fsx"
)

func TestKeysAreReadableByTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "arm")
	store := arm.FileStore{FS: fsx.OS{}, Dir: dir}
	if _, err := arm.OpenIdentity(store, []string{"localhost"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := arm.OpenIdentity(store, []string{"localhost"}, time.Now()); err != nil {
		t.Fatal("open again:", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 5 {
		t.Fatalf("files: %v %v", files, err)
	}
	for _, f := range files {
		st, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", f.Name(), st.Mode())
		}
	}
}
