//go:build unix

package fsx

import (
	"errors"
	"io"
	"os"
	"syscall"
)

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // opened for reading
	return d.Sync()
}

// lockFile uses flock, which the kernel drops with the process.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close() //nolint:errcheck // the lock's error counts
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, err
	}
	return f, nil
}

// diskBytes tells what is free for us of the disk where name lies, and its size; -1 when that is not known.
func diskBytes(name string) (free, total int64) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(name, &st); err != nil {
		return -1, -1
	}
	block := int64(st.Bsize) //nolint:unconvert // the types differ between systems
	return int64(st.Bavail) * block, int64(st.Blocks) * block
}
