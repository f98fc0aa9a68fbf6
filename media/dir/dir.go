// Package dir is a folder of the local file system as a source of backup files.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	"linkspan/internal/fsx"
	"linkspan/media"
)

// maxDepth bounds how deep folders may nest, against loops of links.
const maxDepth = 64

// Source is a folder. It implements media.Flat.
type Source struct {
	fs   fsx.FS
	root string
}

// New makes a source of the folder root.
func New(fsys fsx.FS, root string) *Source { return &Source{fs: fsys, root: root} }

// List implements media.Source. Anything but files and folders is passed over.
func (s *Source) List(ctx context.Context, prefix string, fn func(media.Entry) error) error {
	info, err := s.fs.Stat(s.path(prefix))
	if err != nil {
		return fmt.Errorf("list %s: %w", s.path(prefix), err)
	}
	if !info.IsDir() {
		return fn(media.Entry{Name: prefix, Size: info.Size(), Modified: info.ModTime()})
	}
	return s.walk(ctx, prefix, 0, fn)
}

func (s *Source) walk(ctx context.Context, name string, depth int, fn func(media.Entry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("list %s: folders nest deeper than %d", s.path(name), maxDepth)
	}
	entries, err := s.fs.ReadDir(s.path(name))
	if err != nil {
		return fmt.Errorf("list %s: %w", s.path(name), err)
	}
	for _, e := range entries {
		child := e.Name()
		if name != "" {
			child = name + "/" + child
		}
		if e.IsDir() {
			if err := s.walk(ctx, child, depth+1, fn); err != nil {
				return err
			}
			continue
		}
		if e.Type()&^fs.ModeSymlink != 0 {
			continue
		}
		info, err := s.fs.Stat(s.path(child))
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or a link to something else
		}
		if err := fn(media.Entry{Name: child, Size: info.Size(), Modified: info.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}

// Files implements media.Flat.
func (s *Source) Files(ctx context.Context, folder string) ([]media.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := s.fs.ReadDir(s.path(folder))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.path(folder), err)
	}
	files := make([]media.Entry, 0, len(entries))
	for _, e := range entries {
		if e.Type()&^fs.ModeSymlink != 0 {
			continue
		}
		f, err := s.Stat(ctx, path.Join(folder, e.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNoFile):
			continue // gone meanwhile, or a link to something else
		case err != nil:
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

var errNoFile = errors.New("it is no file")

// Stat implements media.Flat.
func (s *Source) Stat(_ context.Context, name string) (media.Entry, error) {
	info, err := s.fs.Stat(s.path(name))
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		return media.Entry{}, fmt.Errorf("look at %s: %w", s.path(name), err)
	}
	return media.Entry{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Open implements media.Source.
func (s *Source) Open(_ context.Context, name string) (media.File, error) {
	f, err := s.fs.Open(s.path(name))
	if err != nil && heldByWriter(err) {
		err = errors.Join(media.ErrBusy, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path(name), err)
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", s.path(name), err)
	}
	return &file{File: f, size: size}, nil
}

// Close implements media.Source.
func (s *Source) Close() error { return nil }

func (s *Source) path(name string) string {
	if name == "" {
		return s.root
	}
	return filepath.Join(s.root, filepath.FromSlash(name))
}

type file struct {
	fsx.File
	size int64
}

// Size implements media.File.
func (f *file) Size() int64 { return f.size }
