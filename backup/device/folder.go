package device

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"linkspan/media"
)

// Folder is a folder below one of the configured ones as a source of backup files: those that lie in it, not those of
// folders in it. Links are passed over. text is absolute, or below the first folder. 3201 when it is none of these.
func (d *Devices) Folder(text string) (media.Source, error) {
	n := Name{Disk, text}
	outer, name, err := d.locate(Name{Disk, filepath.Join(text, ".none")})
	if err != nil {
		return nil, err
	}
	defer outer.Close() //nolint:errcheck // the folder below has its own handle
	dir := filepath.Dir(name)
	if dir != "." {
		if err := regular(outer, name); err != nil && !isNotExist(err) {
			return nil, cannotOpen(n, osErrorOf(err), err)
		}
	}
	root, err := outer.OpenRoot(dir)
	if err != nil {
		return nil, cannotOpen(n, osErrorOf(err), err)
	}
	return &folder{n, root}, nil
}

// folder implements media.Source.
type folder struct {
	n    Name
	root *os.Root
}

// List implements media.Source. Files that are being written by BACKUP are passed over.
func (f *folder) List(ctx context.Context, prefix string, fn func(media.Entry) error) error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list %s: %w", f.n.Text, err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), partial) || prefix != "" && prefix != e.Name() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		if err := fn(media.Entry{Name: e.Name(), Size: info.Size(), Modified: info.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}

// Open implements media.Source.
func (f *folder) Open(_ context.Context, name string) (media.File, error) {
	if err := regular(f.root, name); err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", name, f.n.Text, err)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", name, f.n.Text, err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close() // opened for reading
		return nil, fmt.Errorf("open %s in %s: %w", name, f.n.Text, err)
	}
	return &diskFile{file, info.Size()}, nil
}

// Close implements media.Source.
func (f *folder) Close() error { return f.root.Close() }
