package arm

import (
	"fmt"
	"io"
	"path/filepath"

	"linkspan/internal/fsx"
)

// maxStored bounds what Load reads; keys and certificates have a few hundred bytes.
const maxStored = 64 << 10

// FileStore keeps an Identity's files in a directory. Every file is made readable by its owner only, secret or not
// (fsx.FS makes no others): who needs the authority's certificate elsewhere gets a copy of Identity.CA.
type FileStore struct {
	FS  fsx.FS
	Dir string
}

// Load implements Store.
func (s FileStore) Load(name string) ([]byte, error) {
	f, err := s.FS.Open(filepath.Join(s.Dir, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return io.ReadAll(io.NewSectionReader(f, 0, maxStored))
}

// Save implements Store: the file has the old or the new content whatever happens.
func (s FileStore) Save(name string, data []byte, _ bool) error {
	if err := s.FS.MkdirAll(s.Dir); err != nil {
		return err
	}
	path := filepath.Join(s.Dir, name)
	if err := s.write(path+".new", data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := s.FS.Rename(path+".new", path); err != nil {
		return err
	}
	return s.FS.SyncDir(s.Dir)
}

func (s FileStore) write(path string, data []byte) (err error) {
	f, err := s.FS.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Sync()
}
