package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// OS is the machine's file system. The zero value is ready.
type OS struct{}

// ErrLocked is wrapped by Lock's error when somebody else has the lock.
var ErrLocked = errors.New("locked by another process or another use")

// Create implements FS.
func (OS) Create(name string) (File, error) {
	return wrap(os.OpenFile(filepath.Clean(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

// Open implements FS.
func (OS) Open(name string) (File, error) { return wrap(os.Open(filepath.Clean(name))) }

// OpenRW implements FS.
func (OS) OpenRW(name string) (File, error) {
	return wrap(os.OpenFile(filepath.Clean(name), os.O_RDWR, 0))
}

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(filepath.Clean(name)) }

// Rename implements FS.
func (OS) Rename(oldname, newname string) error {
	return os.Rename(filepath.Clean(oldname), filepath.Clean(newname))
}

// MkdirAll implements FS.
func (OS) MkdirAll(name string) error { return os.MkdirAll(filepath.Clean(name), 0o700) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(filepath.Clean(name)) }

// Stat implements FS.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(filepath.Clean(name)) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error { return syncDir(filepath.Clean(name)) }

// Free implements FS.
func (OS) Free(name string) int64 { free, _ := diskBytes(filepath.Clean(name)); return free }

// Total implements FS.
func (OS) Total(name string) int64 { _, total := diskBytes(filepath.Clean(name)); return total }

// Lock implements FS.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := lockFile(filepath.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

type osFile struct{ *os.File }

func wrap(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Sync() error {
	if err := datasync(f.File); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f osFile) Preallocate(size int64) error {
	have, err := f.Size()
	if err != nil || have >= size {
		return err
	}
	return preallocate(f.File, size)
}
