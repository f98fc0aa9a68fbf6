package smb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cloudsoda/go-smb2"

	"linkspan/media"
)

// path is a name's path in the share.
func (s *Source) path(name string) string {
	p := strings.Trim(strings.ReplaceAll(s.o.Folder, "/", `\`), `\`)
	if name != "" {
		if p != "" {
			p += `\`
		}
		p += strings.ReplaceAll(name, "/", `\`)
	}
	return p
}

// shown is a name as a person knows it.
func (s *Source) shown(name string) string {
	return strings.TrimRight(s.o.unc()+`\`+s.path(name), `\`)
}

// List implements media.Source.
func (s *Source) List(ctx context.Context, prefix string, fn func(media.Entry) error) error {
	if s.path(prefix) == "" {
		return s.walk(ctx, "", 0, fn)
	}
	info, err := s.stat(ctx, prefix)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fn(media.Entry{Name: prefix, Size: info.Size(), Modified: info.ModTime()})
	}
	return s.walk(ctx, prefix, 0, fn)
}

// maxDepth bounds how deep folders may nest.
const maxDepth = 64

func (s *Source) walk(ctx context.Context, name string, depth int, fn func(media.Entry) error) error {
	if depth > maxDepth {
		return fmt.Errorf("list %s: folders nest deeper than %d", s.shown(name), maxDepth)
	}
	infos, err := s.read(ctx, name)
	if err != nil {
		return err
	}
	for _, info := range infos {
		child := join(name, info.Name())
		if info.IsDir() {
			err = s.walk(ctx, child, depth+1, fn)
		} else if isFile(info) {
			err = fn(media.Entry{Name: child, Size: info.Size(), Modified: info.ModTime()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// isFile reports whether an entry can be read. Links cannot; files that the server keeps elsewhere or deduplicated, which
// are reparse points too, can.
func isFile(info fs.FileInfo) bool {
	const symlink, mountPoint = 0xA000000C, 0xA0000003
	st, ok := info.Sys().(*smb2.FileStat)
	return !info.IsDir() && (!ok || st.ReparsePointTag != symlink && st.ReparsePointTag != mountPoint || info.Mode()&fs.ModeSymlink == 0)
}

// noSuchFile is what some servers say of an empty folder.
const noSuchFile = 0xC000000F

// read gives a folder's entries in the order of names.
func (s *Source) read(ctx context.Context, name string) ([]os.FileInfo, error) {
	infos, err := call(ctx, s, name, true, nil, func(share *smb2.Share) ([]os.FileInfo, error) {
		f, err := share.Open(s.path(name))
		if err != nil {
			return nil, err
		}
		infos, err := f.Readdir(-1)
		if status(err) == noSuchFile {
			err = nil
		}
		return infos, errors.Join(err, f.Close())
	})
	slices.SortFunc(infos, func(a, b os.FileInfo) int { return cmp.Compare(a.Name(), b.Name()) })
	return infos, err
}

// Files implements media.Flat.
func (s *Source) Files(ctx context.Context, folder string) ([]media.Entry, error) {
	infos, err := s.read(ctx, folder)
	if err != nil {
		return nil, err
	}
	files := make([]media.Entry, 0, len(infos))
	for _, info := range infos {
		if isFile(info) {
			files = append(files, media.Entry{Name: join(folder, info.Name()), Size: info.Size(), Modified: info.ModTime()})
		}
	}
	return files, nil
}

func (s *Source) stat(ctx context.Context, name string) (os.FileInfo, error) {
	return call(ctx, s, name, false, nil, func(share *smb2.Share) (os.FileInfo, error) { return share.Stat(s.path(name)) })
}

// Stat implements media.Flat.
func (s *Source) Stat(ctx context.Context, name string) (media.Entry, error) {
	info, err := s.stat(ctx, name)
	if err != nil {
		return media.Entry{}, err
	}
	return media.Entry{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Open implements media.Source; the file is a media.Stamped.
func (s *Source) Open(ctx context.Context, name string) (media.File, error) {
	return call(ctx, s, name, false, func(f *file) { f.Close() }, func(share *smb2.Share) (*file, error) { //nolint:errcheck // nobody wants it any more
		f := &file{s: s, name: name, line: new(lifeline)}
		bounded, cancel := context.WithTimeout(context.Background(), s.o.CallTimeout)
		defer cancel()
		f.line.set(bounded)
		var err error
		if f.File, err = share.WithContext(f.line).Open(s.path(name)); err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.File.Close())
		}
		f.size, f.modified = info.Size(), info.ModTime()
		f.line.set(ctx)
		return f, nil
	})
}
