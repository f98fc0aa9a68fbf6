package dir_test

import (
	"os"
	"path/filepath"
	"testing"

	"linkspan/internal/fsx"
	"linkspan/media/dir"
	"linkspan/media/mediatest"
)

func TestFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, b := range mediatest.Contents() {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := dir.New(fsx.OS{}, root)
	mediatest.Exercise(t, src)
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}
