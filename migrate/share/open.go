package share

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"linkspan/media"
)

// ErrChanged is in the errors of Open and of reads: the file is another version than the one that was asked for, or is
// gone. What was read of it is nothing worth. The next Scan tells what is there.
var ErrChanged = errors.New("the file was changed, replaced or deleted")

// Open opens a file, under the name and in the version that Scan gave, for as long as ctx. A change during the reading is
// noticed by the read during which it happens, when that is one of 256 KiB or more or takes in the last byte: it then gives
// ErrChanged. Other errors are a *flow.Hindrance at flow.AtShare, or ctx's.
func (s *Share) Open(ctx context.Context, name, version string) (media.File, error) {
	if _, err := s.clean(name); err != nil {
		return nil, err
	}
	version = real(version)
	var f *file
	err := s.with(ctx, false, func(src media.Flat) error {
		got, err := src.Open(ctx, name)
		if err != nil {
			return err
		}
		f = &file{File: got, s: s, src: src, ctx: ctx, name: name, version: version}
		e := media.Entry{Size: got.Size()}
		if st, ok := got.(media.Stamped); ok {
			e.Modified = st.Modified()
		} else if e, err = src.Stat(ctx, name); err != nil {
			return errors.Join(err, got.Close())
		}
		if versionOf(e) != version || e.Size != got.Size() {
			return errors.Join(f.changed(), got.Close())
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w: it is gone", s.shown(name), ErrChanged)
	}
	if err != nil {
		return nil, s.hindered(ctx, err, name, false)
	}
	return f, nil
}

// file is a file that is being copied.
type file struct {
	media.File
	s             *Share
	src           media.Flat
	ctx           context.Context
	name, version string
}

// large is a read after which the file is looked at again: blocks of a copy are read in any order, each from a file opened
// anew, so that the end of the file alone does not vouch for them.
const large = 256 << 10

func (f *file) changed() error { return fmt.Errorf("%s: %w", f.s.shown(f.name), ErrChanged) }

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	short := n < len(p) && off+int64(n) < f.Size()
	fine := !short && (err == nil || errors.Is(err, io.EOF))
	if fine && (n == 0 || n < large && off+int64(n) < f.Size()) {
		return n, err
	}
	if lost(err) {
		f.s.drop(f.src)
		return 0, f.s.hindered(f.ctx, err, f.name, false)
	}
	switch e, serr := f.src.Stat(f.ctx, f.name); {
	case errors.Is(serr, fs.ErrNotExist), serr == nil && versionOf(e) != f.version:
		return 0, f.changed()
	case serr != nil:
		err = serr
		if lost(serr) {
			f.s.drop(f.src)
		}
	case short && (err == nil || errors.Is(err, io.EOF)):
		err = io.ErrUnexpectedEOF
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return 0, f.s.hindered(f.ctx, err, f.name, false)
}
