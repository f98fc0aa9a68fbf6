// Package smallfile owns reading of small files of configuration, and the rule that a secret lies in a file that only its
// owner can read.
package smallfile

import (
	"fmt"
	"io"
	"runtime"

	"linkspan/internal/fsx"
)

// Limit is the largest file that is read, in bytes.
const Limit = 64 << 10

// Secret reads a file that only its owner may be able to read. The error holds nothing of the content.
func Secret(fs fsx.FS, name string) ([]byte, error) {
	st, err := fs.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("read secret: %s has mode %04o: others can read it; run chmod 600 on it", name, mode)
	}
	return Read(fs, name)
}

// Read reads a small file.
func Read(fs fsx.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.NewSectionReader(f, 0, Limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > Limit {
		return nil, fmt.Errorf("read %s: the file is larger than %d bytes", name, Limit)
	}
	return data, nil
}
