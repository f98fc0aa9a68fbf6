// Package dir is a folder of the local file system as a source of backup files.
package dir

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"linkspan/internal/fsx"
	"linkspan/media"
)

// maxDepth bounds how deep folders may nest, against loops of links.
const maxDepth = 64

// Source is a folder. It implements media.Source.
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

// Open implements media.Source.
func (s *Source) Open(_ context.Context, name string) (media.File, error) {
	f, err := s.fs.Open(s.path(name))
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
